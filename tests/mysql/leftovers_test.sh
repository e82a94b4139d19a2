#!/usr/bin/env bash
# Nothing is left of the servers of tests that are killed (`kill -9`) at any time: neither a process nor a folder.
#
#   leftovers_test.sh CRASH_TEST    the program dingcb_mysql_crash_test, which has a server and processes of its own
set -euo pipefail
script=$(cd "$(dirname "${BASH_SOURCE[0]}")/../support" && pwd)/mariadb.sh
scratch=$(mktemp -d)
export TMPDIR=$scratch # of all that is started here: by it they are found
trap 'rm -rf "$scratch"' EXIT

# The text to look for is no argument of grep, which would find itself.
processes() { env -u TMPDIR grep -lzxF -f - /proc/[0-9]*/environ 2>/dev/null <<<"TMPDIR=$scratch" || true; }

# Kills a command some time after it has made its folder: the process alone, or all of its group.
check() {
  local delay=$1 group=$2 pid
  set -m # a group of its own
  "${@:3}" >/dev/null 2>&1 &
  set +m
  pid=$!
  until compgen -G "$scratch/*" >/dev/null; do :; done # the first moment there is
  sleep "$delay"
  if [[ $group == group ]]; then kill -KILL -- "-$pid"; else kill -KILL "$pid"; fi
  wait "$pid" 2>/dev/null || true
  for ((attempt = 0; attempt < 300; ++attempt)); do
    if [[ -z $(ls -A "$scratch") && -z $(processes) ]]; then
      echo "nothing is left of $(basename "$3") after $delay s ($group)"
      return
    fi
    sleep 0.1
  done
  echo "left of ${*:3}, killed after $delay s ($group): $(ls -A "$scratch") $(processes)" >&2
  exit 1
}

for delay in 0 0.05 0.2 2; do
  check "$delay" alone "$1" 100000
  check "$delay" group "$1" 100000
  check "$delay" group "$script" with sleep 60
done
