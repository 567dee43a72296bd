#!/bin/sh
# Makes one object store of the servers: they know each other, share the data, and have the key and the buckets of the cluster
# file. Runs for ever: servers have other addresses after a restart. What is there already stays as it is.
#
# SERVERS are their names, BUCKETS those of buckets. What is secret comes from files in SECRETS, and goes to curl by its input.
set -u

secret() {
    cat "$SECRETS/$1"
}

# In double quotes of curl's configuration.
quoted() {
    printf '%s' "$1" | sed 's/[\\"]/\\&/g'
}

# call SERVER PATH [BODY]: the answer in one line. Fails where it is not one of success.
call() {
    {
        printf 'url = "http://%s:3903/v2/%s"\n' "$1" "$2"
        printf 'header = "Authorization: Bearer %s"\n' "$(secret admin-token)"
        if [ $# -gt 2 ]; then
            printf 'header = "Content-Type: application/json"\ndata = "%s"\n' "$(quoted "$3")"
        fi
    } | curl --config - --silent --show-error --fail --max-time 60 >"$WORK/answer" 2>"$WORK/error" || return 1
    tr -d ' \n\t' <"$WORK/answer"
}

say() {
    # Not the same line every minute.
    [ "$1" = "${said:-}" ] || echo "$1"
    said=$1
}

# The first value of a key that is so many hexadecimal digits.
hex() {
    sed -n "s/^.*\"$1\":\"\([0-9a-f]\{64\}\)\".*$/\1/p"
}

first_id() {
    grep -o '"id":"[0-9a-f]\{64\}"' | head -n 1 | cut -d '"' -f 4
}

version_of() {
    printf '%s' "$1" | sed -n 's/^{"version":\([0-9]*\),.*$/\1/p'
}

# All that is to be done; says what it waits for.
once() {
    first='' away='' known='' layout='' newest=-1
    for server in $SERVERS; do
        id=$(call "$server" 'GetNodeInfo?node=self' | hex nodeId)
        own=$(call "$server" GetClusterLayout) || id=''
        version=$(version_of "$own")
        if [ -z "$id" ] || [ -z "$version" ]; then
            away="$away $server"
            continue
        fi
        known="$known $server=$id"
        # One that begins anew knows of no layout yet: what the others have counts.
        if [ "$version" -gt "$newest" ]; then
            first=$server layout=$own newest=$version
        fi
    done
    if [ -z "$first" ]; then
        say "no server answers yet: $(cat "$WORK/error")"
        return 1
    fi

    for pair in $known; do
        [ "${pair%%=*}" = "$first" ] && continue
        # An answer of success may be one of failure for this server.
        case $(call "$first" ConnectClusterNodes "[\"${pair#*=}@${pair%%=*}:3901\"]") in
            *'"success":true'*) ;;
            *) say "$first does not reach ${pair%%=*}: $(cat "$WORK/answer" "$WORK/error")"; return 1 ;;
        esac
    done

    roles=${layout#*'"roles":['}
    roles=${roles%%'],"parameters"'*}
    new=''
    for pair in $known; do
        server=${pair%%=*} id=${pair#*=}
        case $roles in
            *"\"$id\""*) continue ;;
            *"\"$server\""*)
                say "$server has begun anew, and its old data is part of the layout: see Replace a node in the overlay's README"
                return 1 ;;
        esac
        # A zone for each: copies of an object lie on different nodes. All count the same.
        new="$new,{\"id\":\"$id\",\"zone\":\"$server\",\"capacity\":1000000000000,\"tags\":[\"$server\"]}"
    done
    if [ -n "$new" ]; then
        if [ -n "$away" ]; then
            say "waiting for$away"
            return 1
        fi
        staged=$(call "$first" UpdateClusterLayout "{\"roles\":[${new#,}]}") ||
            { say "the layout is refused: $(cat "$WORK/error")"; return 1; }
        next=$(($(version_of "$staged") + 1))
        call "$first" ApplyClusterLayout "{\"version\":$next}" >/dev/null ||
            { say "the layout cannot be applied: $(cat "$WORK/error")"; return 1; }
        say "the layout has version $next"
    fi

    key=$(secret key-id) wanted=$(secret secret-key)
    if found=$(call "$first" "GetKeyInfo?id=$key&showSecretKey=true"); then
        case $found in
            *"\"$wanted\""*) ;;
            *) say "the key $key has another secret key already: choose a new key-id, too"; return 1 ;;
        esac
    else
        call "$first" ImportKey "{\"accessKeyId\":\"$key\",\"secretAccessKey\":\"$wanted\",\"name\":\"hcimage\"}" >/dev/null ||
            { say "the key is not taken yet: $(cat "$WORK/error")"; return 1; }
    fi
    for bucket in $BUCKETS; do
        found=$(call "$first" "GetBucketInfo?globalAlias=$bucket") ||
            found=$(call "$first" CreateBucket "{\"globalAlias\":\"$bucket\"}") ||
            { say "the bucket $bucket cannot be made: $(cat "$WORK/error")"; return 1; }
        bucket_id=$(printf '%s' "$found" | first_id)
        all='{"read":true,"write":true,"owner":true}'
        call "$first" AllowBucketKey "{\"bucketId\":\"$bucket_id\",\"accessKeyId\":\"$key\",\"permissions\":$all}" >/dev/null ||
            { say "the key cannot use $bucket: $(cat "$WORK/error")"; return 1; }
    done
    if [ -z "$away" ]; then say "all is there"; else say "all is there, but$away does not answer"; fi
}

trap 'exit 0' TERM INT
while :; do
    if once; then
        touch "$WORK/done"
        pause=60
    else
        pause=5
    fi
    # A wait, and not the sleep itself, is ended by a signal at once.
    sleep "$pause" &
    wait $!
done
