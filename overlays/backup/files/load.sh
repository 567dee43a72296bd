#!/bin/sh
# Fills an empty database from its dump. One that has tables is left alone.
set -eu
name="$NAMESPACE-$DATABASE"
dump="$DUMPS/$name.sql"
if [ ! -s "$dump" ]; then
    echo "there is no dump $name.sql: restore the folder dumps first" >&2
    exit 1
fi
case $KIND in
    mariadb)
        export MYSQL_PWD="$PASSWORD"
        ask() {
            mariadb --no-defaults --host="$SERVICE" --port="$PORT" --user="$USER" --default-character-set=utf8mb4 \
                --batch --skip-column-names "$DATABASE" "$@"
        }
        tables=$(ask --execute='SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE()') ;;
    postgresql)
        export PGPASSWORD="$PASSWORD"
        ask() {
            psql --host="$SERVICE" --port="$PORT" --username="$USER" --no-password --no-psqlrc --quiet --tuples-only --no-align \
                --set=ON_ERROR_STOP=1 "$DATABASE" "$@"
        }
        tables=$(ask --command="SELECT COUNT(*) FROM information_schema.tables WHERE table_schema NOT IN ('pg_catalog', 'information_schema')") ;;
esac
if [ "$tables" != 0 ]; then
    echo "the database $DATABASE has $tables tables already: nothing was loaded" >&2
    exit 1
fi
case $KIND in
    mariadb) ask <"$dump" ;;
    postgresql) ask --single-transaction <"$dump" ;;
esac
echo "loaded $name"
