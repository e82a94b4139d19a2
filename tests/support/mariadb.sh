#!/usr/bin/env bash
# A private MariaDB server for tests: on loopback, in a folder of its own, as whoever runs the tests.
#
#   mariadb.sh init DIR                 makes an empty data folder; user root, no password
#   mariadb.sh serve DIR PORT [OPTION]  becomes the server (exec), so that its process id is the caller's child
#   mariadb.sh with COMMAND...          runs a command beside a server; DINGCB_MARIADB_PORT and _SOCKET tell where it is
#   mariadb.sh certificates DIR         makes those of the tests of TLS
#   mariadb.sh guard                    makes a folder, prints its path, waits for the end of its input, then kills what
#                                       names the folder, and removes it: its input is a pipe, which ends with the process
#                                       that holds the other end, however that one ends
set -euo pipefail

# A server that starts removes the temporary tables that it finds, be they those of another one: each has a folder of its
# own for them. No file of /etc/mysql counts. A root user has to be named; everybody else must not be.
own=(--no-defaults)
if ((EUID == 0)); then own+=(--user=root); fi

init() {
  mkdir -p "$1" "$1.tmp"
  mariadb-install-db "${own[@]}" --datadir="$1" --tmpdir="$1.tmp" --auth-root-authentication-method=normal \
    --skip-test-db >"$1.init.log" 2>&1 || { cat "$1.init.log" >&2; return 1; }
}

# The path of the socket is taken from the data folder, because it must not be long.
serve() {
  local dir=$1 port=$2
  exec mariadbd "${own[@]}" --datadir="$dir" --tmpdir="$dir.tmp" --socket=s --pid-file="$dir/pid" \
    --bind-address=127.0.0.1 --port="$port" --skip-name-resolve --innodb-buffer-pool-size=64M \
    --innodb-flush-log-at-trx-commit=1 --table-open-cache=400 --log-error="$dir/error.log" "${@:3}"
}

# Two authorities, and certificates of the first one: for this machine, for another one, and one that has expired.
certificates() {
  local name new=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
  for name in ca other_ca; do
    openssl req -x509 "${new[@]}" -days 1 -subj "/CN=$name" -keyout "$1/${name}_key.pem" -out "$1/$name.pem"
  done
  certificate() { # DIR NAME DAYS NAMES
    openssl req "${new[@]}" -subj "/CN=$2" -keyout "$1/$2_key.pem" -out "$1/$2_request.pem"
    openssl x509 -req -in "$1/$2_request.pem" -CA "$1/ca.pem" -CAkey "$1/ca_key.pem" -CAcreateserial -days "$3" \
      -extfile <(echo "subjectAltName=$4") -out "$1/$2.pem"
  }
  certificate "$1" here 1 DNS:localhost,IP:127.0.0.1
  certificate "$1" elsewhere 1 DNS:db.example.com,IP:192.0.2.1
  certificate "$1" expired -1 DNS:localhost,IP:127.0.0.1
} 2>/dev/null

# It makes the folder itself, so that there is no moment at which the folder is there and nobody removes it.
guard() {
  local dir users user
  trap '' HUP INT TERM PIPE
  dir=$(mktemp -d "${TMPDIR:-/tmp}/dingcb-mariadb-XXXXXX")
  echo "$dir" 2>/dev/null || true # it goes on where nobody reads this any more
  exec >/dev/null
  cat
  # Until nobody names the folder any more: what a process that dies has just started may come a moment later, and make
  # the folder again.
  local seen=0
  for ((attempt = 0; attempt < 100 && seen < 3; ++attempt)); do
    # The text to look for is no argument of grep, which would find itself.
    users=$(grep -lzF -f - /proc/[0-9]*/cmdline 2>/dev/null <<<"$dir") || true
    for user in $users; do
      user=${user#/proc/}
      kill -KILL "${user%/cmdline}" 2>/dev/null || true
    done
    if rm -rf "$dir" 2>/dev/null && [[ -z $users ]]; then ((++seen)); else seen=0; fi
    sleep 0.1
  done
}

# What the trap needs is not local: it runs after the function.
with() {
  local port status=0
  # In a session of its own, so that whoever kills all of this does not kill it, too. Only this shell holds the other ends
  # of its pipes: those of a coprocess are closed for the programs that are started here.
  coproc guard { exec setsid "${BASH_SOURCE[0]}" guard; }
  read -r scratch <&"${guard[0]}"
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
  init | serve | with | certificates | guard) "$@" ;;
  *) sed -n '2,/^set/{/^set/!p}' "${BASH_SOURCE[0]}" >&2; exit 2 ;;
esac
