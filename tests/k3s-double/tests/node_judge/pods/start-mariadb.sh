#!/bin/sh
# Plays the entry script of the published image: the first start fills the directory, makes the database and the two accounts from
# files with their passwords; each start takes the arguments. What runs is Debian's MariaDB.
set -eu
data=/var/lib/mysql
options="--no-defaults --datadir=$data --socket=/run/mysqld/mysqld.sock --pid-file=/run/mysqld/mysqld.pid"
if [ ! -d "$data/mysql" ]; then
    mariadb-install-db --no-defaults --datadir="$data" --auth-root-authentication-method=normal --skip-test-db
    password=$(cat "$MARIADB_PASSWORD_FILE")
    root_password=$(cat "$MARIADB_ROOT_PASSWORD_FILE")
    cat >/tmp/first.sql <<SQL
FLUSH PRIVILEGES;
CREATE DATABASE \`$MARIADB_DATABASE\`;
CREATE USER '$MARIADB_USER'@'%' IDENTIFIED BY '$password';
GRANT ALL ON \`$MARIADB_DATABASE\`.* TO '$MARIADB_USER'@'%';
ALTER USER 'root'@'localhost' IDENTIFIED BY '$root_password';
SQL
    # shellcheck disable=SC2086 # several options
    mariadbd $options --skip-networking --bootstrap </tmp/first.sql
    rm /tmp/first.sql
fi
# shellcheck disable=SC2086 # several options
exec mariadbd $options "$@"
