#!/bin/bash
# Makes users and databases as the cluster file has them, sets their passwords, and the licence key. Runs once for each pod, and
# then waits to be ended. Statements go to the client by its input: nothing secret is in its arguments.
set -u

# The client refuses a key that others may read, as files of secrets are.
mkdir -p /tmp/certs
cp /certs/* /tmp/certs/
chmod 0600 /tmp/certs/*

# In single quotes of SQL.
quoted() {
    local text
    text=$(cat "$1")
    printf '%s' "${text//\'/\'\'}"
}

statements() {
    local file name
    if [ -e "$SECRETS/license" ]; then
        # Each on a line of its own: a setting cannot be set together with others.
        printf "SET CLUSTER SETTING cluster.organization = '%s';\n" "$(quoted "$SECRETS/organization")"
        printf "SET CLUSTER SETTING enterprise.license = '%s';\n" "$(quoted "$SECRETS/license")"
    fi
    for file in "$SECRETS"/database-*; do
        name=${file##*/database-}
        printf 'CREATE USER IF NOT EXISTS %s;\n' "$name"
        printf "ALTER USER %s WITH PASSWORD '%s';\n" "$name" "$(quoted "$file")"
        printf 'CREATE DATABASE IF NOT EXISTS %s;\nALTER DATABASE %s OWNER TO %s;\n' "$name" "$name" "$name"
    done
}

trap 'exit 0' TERM INT
until statements | cockroach sql --certs-dir=/tmp/certs --host=cockroachdb-public --format=raw >/tmp/said 2>&1; do
    # Without the statement, which may have a password in it.
    grep -m 1 '^ERROR' /tmp/said || tail -n 1 /tmp/said
    sleep 5 &
    wait $!
done
echo "users and databases are there"
touch /tmp/done
sleep infinity &
wait $!
