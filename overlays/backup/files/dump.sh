#!/bin/sh
# Dumps a database into a file, which has its name only when it is whole. The password is in the environment, where the clients look
# for it.
set -eu
umask 077
name="$NAMESPACE-$DATABASE"
new="$DUMPS/$name.sql.new"
case $KIND in
    mariadb)
        export MYSQL_PWD="$PASSWORD"
        # One moment of all tables, without locks for others. Tablespaces would need a right of the server's administrator.
        mariadb-dump --no-defaults --host="$SERVICE" --port="$PORT" --user="$USER" --single-transaction --quick --routines --triggers \
            --events --no-tablespaces --default-character-set=utf8mb4 "$DATABASE" >"$new"
        end='-- Dump completed' ;;
    postgresql)
        export PGPASSWORD="$PASSWORD"
        pg_dump --host="$SERVICE" --port="$PORT" --username="$USER" --no-password --no-owner --no-privileges "$DATABASE" >"$new"
        end='-- PostgreSQL database dump complete' ;;
esac
if ! tail -n 8 "$new" | grep -q -e "$end"; then
    echo "the dump of $name is not whole" >&2
    exit 1
fi
sync
mv "$new" "$DUMPS/$name.sql"
echo "dumped $name: $(wc -c <"$DUMPS/$name.sql") bytes"
