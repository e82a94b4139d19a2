#!/usr/bin/env bash
# Measures how many callbacks a second are answered durably, and how late, by inboxes over SQLite and over a MariaDB server
# of its own: 1, 8 and 64 connections, with and without a worker that handles the events meanwhile; see inbox_load.cpp.
#
#   tests/bench/inbox_load.sh [FOLDER]      builds in build/bench/inbox (or in $DINGCB_BENCH_BUILD)
#
# The data lie on the disk of FOLDER, by default that of the build. Prints a table in Markdown, how often that disk can
# sync alone, and the load of the machine before and after it. In the environment: PUSHES=20000 for each row (a quarter of
# it with one connection), JOBS=2 is how many compilers run at once.
set -euo pipefail
export LC_ALL=C.UTF-8

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=${DINGCB_BENCH_BUILD:-$root/build/bench/inbox}
pushes=${PUSHES:-20000}
mkdir -p "$build"

build_all() {
  cmake -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release -DDINGCB_BUILD_TESTS=ON -DDINGCB_BUILD_BENCHMARKS=ON \
    -DDINGCB_BUILD_EXAMPLES=OFF -DDINGCB_BUILD_COMMAND=OFF -DDINGCB_BUILD_SQLITE=ON -DDINGCB_BUILD_MYSQL=ON
  cmake --build "$build" --parallel "${JOBS:-$(nproc)}" --target dingcb_inbox_load dingcb_mysql_load
}
set +e
(set -e; build_all) >"$build/build.log" 2>&1
status=$?
set -e
((status == 0)) || { tail -n 30 "$build/build.log" >&2; exit 1; }

scratch=$(mktemp -d "${1:-$build}/load-XXXXXX")
trap 'rm -rf "$scratch"' EXIT
export TMPDIR=$scratch # for MariaDB

syncs() { # of 4096 bytes, written one after the other, in a second
  local begin count=500
  begin=$(date +%s%N)
  dd if=/dev/zero of="$scratch/syncs" bs=4096 count=$count oflag=dsync status=none
  echo $((count * 1000000000 / ($(date +%s%N) - begin)))
}

echo "Load before: $(cut -d ' ' -f 1-3 /proc/loadavg), processors: $(nproc), syncs/s of the disk: $(syncs)"
echo
echo '| store | connections | worker | callbacks/s | p50 ms | p99 ms | max ms | handled/s |'
echo '| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |'
for load in dingcb_inbox_load dingcb_mysql_load; do
  for work in alone worker; do
    for connections in 1 8 64; do
      for form in threads loop; do
        count=$((connections == 1 ? pushes / 4 : pushes))
        "$build/tests/bench/$load" "$scratch/load.db" "$connections" "$count" "$form" "$work"
      done
    done
  done
done
echo
echo "Load after: $(cut -d ' ' -f 1-3 /proc/loadavg), syncs/s of the disk: $(syncs)"
