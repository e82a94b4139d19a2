#!/usr/bin/env bash
# Prints what including dingcb costs a file: CPU seconds of the compiler at -O0, beside a file that includes <string> and
# <memory>. The runs are interleaved; the figures are medians.
#
#   tests/bench/compile_cost.sh [rounds]
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds=${1:-15}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

printf '#include <string>\n#include <memory>\n' >"$work/base.cpp"
printf '#include <dingcb/encryptor.hpp>\n' >"$work/encryptor.cpp"
printf '#include <dingcb/dingcb.hpp>\n' >"$work/dingcb.cpp"
cp "$work/dingcb.cpp" "$work/header_only.cpp"

cost() { # compiler standard file: CPU seconds
  local form=-DDINGCB_COMPILED
  [ "$3" = header_only ] && form=-UDINGCB_COMPILED
  local TIMEFORMAT='%3U %3S'
  { time "$1" "-std=c++$2" -O0 -Iinclude "$form" -c "$work/$3.cpp" -o "$work/out.o" 2>"$work/errors"; } 2>&1 |
    awk '{ printf "%.3f\n", $1 + $2 }'
}
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

printf '%-8s %-5s %-12s %8s %8s\n' compiler std file 'CPU s' ratio
for compiler in g++ clang++; do
  command -v "$compiler" >/dev/null || continue
  for standard in 17 20; do
    for ((i = 0; i < rounds; ++i)); do
      for file in base encryptor dingcb header_only; do cost "$compiler" "$standard" "$file" >>"$work/$file.times"; done
    done
    base=$(median <"$work/base.times")
    for file in base encryptor dingcb header_only; do
      seconds=$(median <"$work/$file.times")
      awk -v c="$compiler" -v s="$standard" -v f="$file" -v t="$seconds" -v b="$base" \
        'BEGIN { printf "%-8s %-5s %-12s %8.3f %8.2f\n", c, s, f, t, t / b }'
      rm "$work/$file.times"
    done
  done
done
