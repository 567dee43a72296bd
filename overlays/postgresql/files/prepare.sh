#!/bin/sh
# Runs before the server at each start, with the lock of the data held: makes the data directory where there is none, and roles,
# databases and passwords as the cluster file has them. What a power cut ends is done again by the next start.
set -eu

data=$PGDATA

if [ ! -e "$data" ]; then
    # Beside it, and moved when it is whole: half of one would be taken for a database.
    rm -rf "$data.new"
    mkdir -p "$data.new"
    initdb --pgdata="$data.new" --username=postgres --encoding=UTF8 --data-checksums --auth-local=trust \
        --auth-host=scram-sha-256 --pwfile="$SECRETS/server/password"
    sync
    mv "$data.new" "$data"
    sync
fi

# Of a server that is gone: whoever runs has the lock. Its number may be that of another process by now.
rm -f "$data/postmaster.pid"
# Only for this script: it has no port. It may have to make good for a power cut first.
pg_ctl --pgdata="$data" --options="-c config_file=$CONFIG/postgresql.conf -c listen_addresses=''" --wait --timeout=3600 start
trap 'pg_ctl --pgdata="$data" --mode=fast --wait --timeout=600 stop' EXIT

# Passwords come from files, and what fails is not written into the log.
sql() {
    PGOPTIONS='-c log_statement=none -c log_min_error_statement=panic' psql --no-psqlrc --quiet --username=postgres \
        --dbname=postgres --set=ON_ERROR_STOP=1 "$@"
}

sql <<'SQL'
\set password `cat "$SECRETS/server/password"`
ALTER ROLE postgres PASSWORD :'password';
SQL

for file in "$SECRETS"/databases/*; do
    NAME=${file##*/}
    export NAME
    sql --set=name="$NAME" <<'SQL'
\set password `cat "$SECRETS/databases/$NAME"`
SELECT NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'name') AS missing \gset
\if :missing
CREATE ROLE :"name";
\endif
ALTER ROLE :"name" LOGIN PASSWORD :'password';
SELECT NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') AS missing \gset
\if :missing
CREATE DATABASE :"name" OWNER :"name";
\endif
REVOKE ALL ON DATABASE :"name" FROM PUBLIC;
SQL
    echo "the database $NAME is there"
done
