#!/usr/bin/env bash
# Measures each example behind an HTTP server against the same server with a handler that answers a constant: pushes of 600
# bytes, wrk with one thread and 32 connections on the same machine. Builds the examples as a stranger would, each as a
# project of its own with an installed dingcb.
#
#   tests/bench/frameworks.sh [FRAMEWORK...]      builds in build/bench (or in $DINGCB_BENCH_BUILD)
#
# Needs wrk and the packages of scripts/packages.sh. Prints a table in Markdown, and the load of the machine before and
# after it. In the environment: JOBS=2 is how many compilers run at once. Each server is measured ROUNDS=3 times, in turn with
# its other half, for SECONDS_EACH=3 s; the fastest round counts, because whatever else runs can only slow it down.
set -euo pipefail
export LC_ALL=C.UTF-8

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
build=${DINGCB_BENCH_BUILD:-$root/build/bench}
jobs=${JOBS:-$(nproc)}
frameworks=("$@")
((${#frameworks[@]})) ||
  frameworks=(cpp_httplib boost_beast libevent libmicrohttpd poco civetweb pistache restinio fastcgi qt_httpserver h2o
    nginx_module)
mkdir -p "$build"

build_all() {
  cmake -S "$root" -B "$build/dingcb" -DCMAKE_BUILD_TYPE=Release -DDINGCB_BUILD_TESTS=OFF -DDINGCB_BUILD_EXAMPLES=OFF \
    -DCMAKE_INSTALL_PREFIX="$build/prefix"
  cmake --build "$build/dingcb" --parallel "$jobs" --target install
  "${CXX:-g++}" -std=c++17 -O2 -DDINGCB_COMPILED -I"$build/prefix/include" "$root/tests/bench/frameworks_push.cpp" \
    -o "$build/push" "$build/dingcb/libdingcb_testkit.a" "$build/dingcb/libdingcb.a" -lcrypto -pthread
  local framework flags folder
  for framework in "${frameworks[@]}"; do
    for flags in '' "-include $root/tests/bench/constant/constant.hpp"; do
      folder=$build/$framework${flags:+_constant}
      cmake -S "$root/examples/$framework" -B "$folder" -DCMAKE_BUILD_TYPE=Release -DCMAKE_PREFIX_PATH="$build/prefix" \
        -DCMAKE_CXX_FLAGS_RELEASE="-O3 -DNDEBUG $flags"
      cmake --build "$folder" --parallel "$jobs"
    done
  done
}
set +e
(set -e; build_all) >"$build/build.log" 2>&1
status=$?
set -e
((status == 0)) || { tail -n 30 "$build/build.log" >&2; exit 1; }
"$build/push" >"$build/push.lua"

work=$(mktemp -d)
server=
finish() {
  [[ -z $server ]] || { kill -TERM "$server" && wait "$server"; } 2>/dev/null || true
  server=
}
trap 'finish; rm -rf "$work"' EXIT
cd "$work"

free_port() { python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# cpu PROCESS: what it and its descendants have used, in ticks.
cpu() {
  local child sum
  sum=$(awk '{sub(/.*\) /, ""); print $12 + $13}' "/proc/$1/stat")
  for child in $(cat "/proc/$1/task/"*/children); do ((sum += $(cpu "$child"))) || true; done
  echo "$sum"
}

# measure FOLDER PROGRAM: sets rate (requests/s), p50, p99, bad (answers that are no 200), and us (microseconds of CPU that
# the server used for a request, which says more than the rate where others use the machine, too).
measure() {
  local command=("$1/$2" 0) port='' output used
  case $2 in
    dingcb_fastcgi) command=("$root/tests/e2e/nginx.sh" nginx "$root/examples/fastcgi/nginx.conf" "$1/$2") ;;
    dingcb_nginx_module)
      command=("$root/tests/e2e/nginx.sh" nginx "$root/examples/nginx_module/nginx.conf" "$1/ngx_http_dingcb_module.so")
      ;;
  esac
  rm -f dingcb.sock first
  DINGCB_E2E_PORT=$(free_port) "${command[@]}" > >(sed -un '/^listening on 127/p' >first) 2>errors &
  server=$!
  until port=$(sed -n 's/^listening on 127.0.0.1://p' first 2>/dev/null) && [[ -n $port ]]; do
    kill -0 "$server" 2>/dev/null || { echo "$2 did not start:" >&2; cat errors >&2; exit 1; }
    sleep 0.05
  done
  wrk -t1 -c32 -d1s -s "$build/push.lua" "http://127.0.0.1:$port" >/dev/null
  used=$(cpu "$server")
  output=$(wrk -t1 -c32 -d"${SECONDS_EACH:-3}s" --latency -s "$build/push.lua" "http://127.0.0.1:$port")
  used=$(($(cpu "$server") - used))
  finish
  us=$(awk -v ticks="$used" -v hertz="$(getconf CLK_TCK)" '/requests in/ {printf "%.1f", ticks / hertz * 1e6 / $1}' \
    <<<"$output")
  rate=$(awk '/^Requests\/sec:/ {printf "%.0f", $2}' <<<"$output")
  p50=$(awk '$1 == "50%" {print $2}' <<<"$output")
  p99=$(awk '$1 == "99%" {print $2}' <<<"$output")
  bad=$(awk '/Non-2xx/ {print $NF}' <<<"$output")
}

load() { echo "$1: load average $(cut -d' ' -f1-3 /proc/loadavg), $(nproc) cores"; }

load before
echo
less() { awk -v a="$1" -v b="$2" 'BEGIN {print a != "" && a < b ? a : b}'; }
echo '| | constant/s | dingcb/s | ratio | p50 | p99 | not 200 | CPU, constant | CPU, dingcb |'
echo '|---|---|---|---|---|---|---|---|---|'
for framework in "${frameworks[@]}"; do
  constant=0 best=0 times='' refused=0 constant_us='' best_us=''
  for ((round = 0; round < ${ROUNDS:-3}; ++round)); do
    measure "$build/${framework}_constant" "dingcb_$framework"
    ((rate <= constant)) || constant=$rate
    constant_us=$(less "$constant_us" "$us")
    measure "$build/$framework" "dingcb_$framework"
    ((rate <= best)) || best=$rate times="$p50 | $p99"
    best_us=$(less "$best_us" "$us")
    ((refused += ${bad:-0})) || true
  done
  ratio=$(awk -v a="$best" -v b="$constant" 'BEGIN {printf "%.2f", a / b}')
  echo "| $framework | $constant | $best | $ratio | $times | $refused | $constant_us us | $best_us us |"
done
echo
load after
