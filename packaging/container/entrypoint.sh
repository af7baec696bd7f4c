#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Starts gearmand in a container: options come as arguments, or from the environment names that the image artefactual/gearmand has.
# A name with _FILE behind it is the path of a file that holds the value, for secrets.  It writes nothing, so the root may be read-only.

set -eu

fail() {
  echo "entrypoint: $*" >&2
  exit 1
}

# value NAME DEFAULT: of NAME, else the first line of the file NAME_FILE, else the default.
value() {
  eval "direct=\${$1:-} file=\${$1_FILE:-}"
  # shellcheck disable=SC2154 # set by eval
  if [ -n "$direct" ] && [ -n "$file" ]; then fail "$1 and $1_FILE are both set"; fi
  if [ -n "$file" ]; then
    [ -r "$file" ] || fail "$1_FILE: cannot read $file"
    IFS= read -r direct <"$file" || [ -n "$direct" ] || fail "$1_FILE: $file is empty"
  fi
  printf '%s' "${direct:-$2}"
}

# A command of another name is that of whoever tries the image out.
case ${1:-} in
  gearmand) shift ;;
  -* | '') ;;
  *) exec "$@" ;;
esac

# A mistake must end this shell, not one that is inside "$(...)".
for name in HTTP_PORT JOB_RETRIES KEEPALIVE KEEPALIVE_COUNT KEEPALIVE_IDLE KEEPALIVE_INTERVAL LISTEN MEMCACHED_SERVERS \
  MONITOR_PORT MYSQL_DB MYSQL_HOST MYSQL_PASSWORD MYSQL_PORT MYSQL_TABLE MYSQL_USER PORT POSTGRES_CONNINFO QUEUE_TYPE \
  ROUND_ROBIN SQLITE_DB SSL THREADS VERBOSE WORKER_WAKEUP; do
  value "$name" '' >/dev/null
done

queue=$(value QUEUE_TYPE builtin)
set -- "--listen=$(value LISTEN '*')" "--port=$(value PORT 4730)" --log-file=stderr "--verbose=$(value VERBOSE NOTICE)" \
  "--threads=$(value THREADS 4)" "--queue-type=$queue" --pid-file=/run/gearmand/gearmand.pid \
  --protocol=monitor --monitor-listen='*' "--monitor-port=$(value MONITOR_PORT 4731)" "$@"
case $(value WORKER_WAKEUP 0) in 0) ;; *) set -- "--worker-wakeup=$(value WORKER_WAKEUP 0)" "$@" ;; esac
case $(value JOB_RETRIES 0) in 0) ;; *) set -- "--job-retries=$(value JOB_RETRIES 0)" "$@" ;; esac
case $(value ROUND_ROBIN 0) in 1) set -- --round-robin "$@" ;; esac
case $(value KEEPALIVE 0) in 1) set -- "--keepalive-idle=$(value KEEPALIVE_IDLE 120)" "--keepalive-interval=$(value KEEPALIVE_INTERVAL 30)" \
  "--keepalive-count=$(value KEEPALIVE_COUNT 4)" "$@" ;; esac
case $(value HTTP_PORT '') in '') ;; *) set -- --protocol=http --http-listen='*' "--http-port=$(value HTTP_PORT '')" "$@" ;; esac
case $queue in
  sqlite | libsqlite3) set -- "--libsqlite3-db=$(value SQLITE_DB /var/lib/gearmand/queue.db)" "$@" ;;
  postgres | Postgres) set -- "--libpq-conninfo=$(value POSTGRES_CONNINFO 'dbname=gearmand')" "$@" ;;
  memcached | libmemcached) set -- "--libmemcached-servers=$(value MEMCACHED_SERVERS localhost)" "$@" ;;
  mysql | MySQL)
    set -- "--mysql-host=$(value MYSQL_HOST localhost)" "--mysql-port=$(value MYSQL_PORT 3306)" "--mysql-user=$(value MYSQL_USER root)" \
      "--mysql-password=$(value MYSQL_PASSWORD '')" "--mysql-db=$(value MYSQL_DB gearmand)" \
      "--mysql-table=$(value MYSQL_TABLE gearman_queue)" "$@"
    ;;
esac
case $(value SSL 0) in 1) set -- --ssl "--ssl-ca-file=${SSL_CA_FILE:-/etc/gearmand/ssl/ca.pem}" \
  "--ssl-certificate=${SSL_CERT_FILE:-/etc/gearmand/ssl/cert.pem}" "--ssl-key=${SSL_KEY_FILE:-/etc/gearmand/ssl/key.pem}" "$@" ;; esac
exec "${GEARMAND:-gearmand}" "$@"
