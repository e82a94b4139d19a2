#!/usr/bin/env bash
# A private MariaDB server for tests: on loopback, in a folder of its own, as whoever runs the tests.
#
#   mariadb.sh init DIR                 makes an empty data folder; user root, no password
#   mariadb.sh serve DIR PORT [OPTION]  becomes the server (exec), so that its process id is the caller's child
#   mariadb.sh with COMMAND...          runs a command beside a server; DINGCB_MARIADB_PORT and _SOCKET tell where it is
set -euo pipefail

# No file of /etc/mysql counts. A root user has to be named; everybody else must not be.
own=(--no-defaults)
if ((EUID == 0)); then own+=(--user=root); fi

init() {
  mkdir -p "$1"
  mariadb-install-db "${own[@]}" --datadir="$1" --auth-root-authentication-method=normal --skip-test-db >"$1.init.log" 2>&1 ||
    { cat "$1.init.log" >&2; return 1; }
}

serve() {
  local dir=$1 port=$2
  exec mariadbd "${own[@]}" --datadir="$dir" --socket="$dir/s" --pid-file="$dir/pid" --bind-address=127.0.0.1 \
    --port="$port" --skip-name-resolve --innodb-buffer-pool-size=64M --innodb-flush-log-at-trx-commit=1 \
    --log-error="$dir/error.log" "${@:3}"
}

# What the trap needs is not local: it runs after the function.
with() {
  local port status=0
  scratch=$(mktemp -d)
  trap 'if [[ -n ${server:-} ]]; then kill -KILL "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; fi
        rm -rf "$scratch"' EXIT
  init "$scratch/data"
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  serve "$scratch/data" "$port" &
  server=$!
  until mariadb --no-defaults --socket="$scratch/data/s" --user=root -e 'SELECT 1' >/dev/null 2>&1; do
    kill -0 "$server" 2>/dev/null || { cat "$scratch/data/error.log" >&2; return 1; }
    sleep 0.05
  done
  DINGCB_MARIADB_PORT=$port DINGCB_MARIADB_SOCKET=$scratch/data/s "$@" || status=$?
  return "$status"
}

case ${1:-} in
  init | serve | with) "$@" ;;
  *) sed -n '2,/^set/{/^set/!p}' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
