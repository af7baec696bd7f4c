# SPDX-License-Identifier: BSD-3-Clause
# database.sh - databases of this machine for the tests, by hand where systemd does not start them; read with `.`.

postgres_up() {
  version=$(pg_lsclusters -h | awk '{ print $1; exit }')
  pg_ctlcluster "$version" main start || true
  until_true 60 su postgres -c "psql -c 'SELECT 1'"
  su postgres -c "createuser gearman; createdb -O gearman jobs" || fail "no database"
}

postgres_down() {
  pg_ctlcluster "$version" main stop -m immediate
}

mysql_up() {
  install -d -o mysql -g mysql /run/mysqld
  mariadbd --user=mysql --bind-address=127.0.0.1 >"$tmp/mariadbd.log" 2>&1 &
  until_true 60 mariadb-admin ping
  mariadb -e "CREATE DATABASE jobs; CREATE USER gearman@localhost IDENTIFIED BY 'secret'; GRANT ALL ON jobs.* TO gearman@localhost"
}

mysql_down() {
  mariadb-admin shutdown
}
