#!/bin/sh
# Tells a provider the public address, where it is not the one that it was told last. CONFIG has a file for each setting,
# PASSWORD_FILE the password, STATE what was sent. The password is in no argument and in no output: curl reads it from its input.
set -eu

setting() {
    cat "$CONFIG/$1" 2>/dev/null || true
}

fail() {
    echo "$1" >&2
    exit 1
}

# In double quotes of curl's configuration.
quoted() {
    printf '%s' "$1" | tr -d '\r\n' | sed 's/[\\"]/\\&/g'
}

# As a part of an address (RFC 3986): every byte but the plain ones as %XX.
encoded() {
    printf '%s' "$1" | od -An -v -tx1 | tr -d ' \n' | sed 's/../%&/g' |
        sed 's/%2[dD]/-/g; s/%2[eE]/./g; s/%5[fF]/_/g; s/%7[eE]/~/g
             s/%3\([0-9]\)/\1/g' | plain_letters
}

# %41 to %5a and %61 to %7a are letters.
plain_letters() {
    sed 's/%61/a/g;s/%62/b/g;s/%63/c/g;s/%64/d/g;s/%65/e/g;s/%66/f/g;s/%67/g/g;s/%68/h/g;s/%69/i/g;s/%6a/j/g;s/%6b/k/g
         s/%6c/l/g;s/%6d/m/g;s/%6e/n/g;s/%6f/o/g;s/%70/p/g;s/%71/q/g;s/%72/r/g;s/%73/s/g;s/%74/t/g;s/%75/u/g;s/%76/v/g
         s/%77/w/g;s/%78/x/g;s/%79/y/g;s/%7a/z/g
         s/%41/A/g;s/%42/B/g;s/%43/C/g;s/%44/D/g;s/%45/E/g;s/%46/F/g;s/%47/G/g;s/%48/H/g;s/%49/I/g;s/%4a/J/g;s/%4b/K/g
         s/%4c/L/g;s/%4d/M/g;s/%4e/N/g;s/%4f/O/g;s/%50/P/g;s/%51/Q/g;s/%52/R/g;s/%53/S/g;s/%54/T/g;s/%55/U/g;s/%56/V/g
         s/%57/W/g;s/%58/X/g;s/%59/Y/g;s/%5a/Z/g'
}

# A text with every {name} of it replaced: replace TEXT NAME VALUE. The value is encoded already and has no sign that sed knows.
replace() {
    printf '%s' "$1" | sed "s|{$2}|$3|g"
}

host=$(setting host)
user=$(setting user)
password=$(cat "$PASSWORD_FILE")
provider=$(setting provider)

# What of a dyndns2 provider differs is where it listens.
dyndns2='/nic/update?hostname={host}&myip={ip}'
case $provider in
    desec) url='https://update.dedyn.io/?hostname={host}&myipv4={ip}' user=${user:-$host} ;;
    duckdns) url='https://www.duckdns.org/update?domains={host}&token={password}&ip={ip}' ;;
    dyn) url="https://members.dyndns.org$dyndns2" ;;
    dynu) url="https://api.dynu.com$dyndns2" ;;
    dynv6) url='https://dynv6.com/api/update?hostname={host}&token={password}&ipv4={ip}' ;;
    no-ip) url="https://dynupdate.no-ip.com$dyndns2" ;;
    ovh) url='https://www.ovh.com/nic/update?system=dyndns&hostname={host}&myip={ip}' ;;
    spdyn) url="https://update.spdyn.de$dyndns2" ;;
    strato) url="https://dyndns.strato.com$dyndns2" ;;
    url) url=$(setting url) ;;
    *) fail "unknown provider $provider" ;;
esac
[ -n "$url" ] || fail "provider is url, and no url is set"
# A password goes over the network encrypted, or not at all.
case $url in https://* | http://127.0.0.1:*) ;; *) fail "the url of the provider must begin with https://" ;; esac

ip=$(curl --silent --show-error --fail --ipv4 --max-time 30 --max-filesize 1000 "$(setting address-url)") ||
    fail "the public address could not be asked for: is the line up?"
ip=$(printf '%s' "$ip" | tr -d ' \r\n')
octet='(25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])'
printf '%s\n' "$ip" | grep -Eqx "($octet\\.){3}$octet" || fail "the answer is no IPv4 address"
case $ip in
    0.* | 10.* | 127.* | 169.254.* | 192.168.* | 172.1[6-9].* | 172.2[0-9].* | 172.3[01].* | 100.6[4-9].* | 100.[7-9][0-9].* | 100.1[01][0-9].* | 100.12[0-7].*)
        fail "$ip is no public address: your provider shares one among many lines, so nobody can reach yours" ;;
esac

# Another password or name is another account: what was said to the old one counts no longer.
account=$(printf '%s\n%s\n%s\n%s\n' "$url" "$host" "$user" "$password" | sha256sum | cut -d' ' -f1)
now=$(date +%s)
last_ip='' last_time=0 last_account='' last_answer=''
if [ -f "$STATE/last" ]; then
    read -r last_ip last_time last_account last_answer <"$STATE/last" || true
fi
case $last_time in '' | *[!0-9]*) last_time=0 ;; esac
age=$((now - last_time))
if [ "$last_account" = "$account" ] && [ "$age" -ge 0 ]; then
    case $last_answer in
        refused)
            [ "$age" -ge 86400 ] || fail "the provider has refused this account: it is asked again in a day, or when the settings change" ;;
        sent)
            if [ "$last_ip" = "$ip" ] && [ "$age" -lt $(($(setting refresh-days) * 86400)) ]; then
                echo "$host is $ip: nothing to do"
                exit 0
            fi ;;
    esac
fi

remember() {
    printf '%s %s %s %s\n' "$ip" "$now" "$account" "$1" >"$STATE/last.new"
    mv "$STATE/last.new" "$STATE/last"
}

basic=yes
case $url in *'{password}'*) basic=no ;; esac
name=$host
# It wants the part before its own domain.
[ "$provider" != duckdns ] || name=${host%.duckdns.org}
url=$(replace "$url" host "$(encoded "$name")")
url=$(replace "$url" ip "$ip")
url=$(replace "$url" user "$(encoded "$user")")
url=$(replace "$url" password "$(encoded "$password")")
answer=$({
    printf 'url = "%s"\n' "$(quoted "$url")"
    [ "$basic" = no ] || printf 'user = "%s"\n' "$(quoted "$user:$password")"
} | curl --config - --silent --ipv4 --max-time 60 --max-filesize 10000 --user-agent 'hcimage-dyndns/1' --write-out '\n%{http_code}') ||
    fail "the provider cannot be reached"
status=$(printf '%s\n' "$answer" | tail -n 1)
word=$(printf '%s\n' "$answer" | head -n 1 | tr -d '\r' | cut -c 1-40 | tr 'A-Z' 'a-z')
case $status:$word in
    200:badauth* | 200:!donator* | 200:notfqdn* | 200:nohost* | 200:numhost* | 200:abuse* | 200:badagent* | 200:ko* | 401:* | 403:* | 404:*)
        remember refused
        fail "the provider refuses the update (status $status): check provider, host, user and password" ;;
    200:911* | 200:dnserr* | 429:* | 5??:*)
        fail "the provider is out of order (status $status): the next run tries again" ;;
    200:*)
        remember sent
        echo "$host is $ip now" ;;
    *)
        fail "unexpected answer of the provider: status $status" ;;
esac
