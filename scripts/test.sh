#!/usr/bin/env bash
# Builds and passes everything that must pass before a change is taken; the continuous integration runs this and nothing else.
# Installs what is missing on Debian 12.
#
#   scripts/test.sh              everything
#   scripts/test.sh --core       the fast part: one compiler, the format, the layers
#   scripts/test.sh STAGE...     only these stages (names as in the table at the end)
#
# Builds and logs go to build/test (or to $DINGCB_TEST_BUILD). The last line says "N passed, N failed": tests, and 1 for each
# stage that is one check. The exit code is 0 only where nothing failed.
set -euo pipefail
export LC_ALL=C.UTF-8

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${DINGCB_TEST_BUILD:-$root/build/test}
jobs=$(nproc)
source "$root/scripts/packages.sh"

core=(format gcc)
all=(format gcc clang asan tsan package fuzz tidy coverage demo frameworks)
fuzz_seconds=9

# Stages run under "set -e", so they are plain sequences: within "a && b" or "a || b" bash would go on after a failure.

# configure DIRECTORY PRESET [-D...]
# -g1 is enough for the lines of a sanitizer's report, and compiles faster than -g.
configure() {
  cd "$root"
  cmake --preset "$2" -B "$build/$1" -DCMAKE_CXX_FLAGS_DEBUG=-g1 "${@:3}"
}

# make_targets DIRECTORY [--target TARGET]
make_targets() { "${fixed_layout[@]}" cmake --build "$build/$1" --parallel "$jobs" "${@:2}"; }

# run_tests DIRECTORY [ctest options]
run_tests() {
  "${fixed_layout[@]}" ctest --test-dir "$build/$1" --output-on-failure --no-tests=error --parallel "$jobs" \
    --timeout 600 "${@:2}"
}

# The stage "package" builds the consumer projects, once.
build_and_test() {
  configure "$@"
  make_targets "$1"
  run_tests "$1" -LE package
}

# The sanitizers of clang 14 need an address space that newer kernels lay out differently.
fixed_layout=()
fix_layout() { if setarch -R true 2>/dev/null; then fixed_layout=(setarch -R); fi; }

gxx=-DCMAKE_CXX_COMPILER=g++
clang=-DCMAKE_CXX_COMPILER=clang++
cxx20=-DCMAKE_CXX_STANDARD=20
compiled=-DDINGCB_TEST_FORMS=compiled
# It takes minutes to build; once with each compiler is enough for it.
no_command=-DDINGCB_BUILD_COMMAND=OFF
gcc=(gcc dev $gxx $compiled -DDINGCB_BUILD_FRAMEWORKS=OFF)

stage_format() {
  configure "${gcc[@]}"
  make_targets gcc --target format-check
}
stage_gcc() { build_and_test "${gcc[@]}"; }
# Each form has its compiler and its standard here; the package's stage builds consumers of all of them.
stage_clang() {
  build_and_test clang dev $clang $cxx20 -DDINGCB_TEST_FORMS=header_only $no_command -DDINGCB_BUILD_BENCHMARKS=OFF
}
stage_asan() {
  fix_layout
  build_and_test asan asan $clang $compiled
}
stage_tsan() {
  fix_layout
  build_and_test tsan tsan $clang $compiled $no_command
}
stage_package() {
  configure "${gcc[@]}"
  make_targets gcc
  run_tests gcc -L package
}
stage_fuzz() {
  fix_layout
  configure fuzz fuzz
  local names
  mapfile -t names < <(cd tests/fuzz && printf '%s\n' *_fuzz.cpp | sed 's/_fuzz\.cpp$//')
  make_targets fuzz --target $(printf 'dingcb_%s_fuzz ' "${names[@]}")
  export -f fuzz
  export root build fuzz_seconds
  printf '%s\0' "${names[@]}" | xargs -0 -n 1 -P "$jobs" "${fixed_layout[@]}" bash -euc 'fuzz "$1"' fuzz
}
# New inputs stay out of the repository; its own corpus is only read.
fuzz() {
  local name=$1 samples=$build/fuzz/tests/fuzz/corpus/$1
  local options=("$build/fuzz/new/$name" "$root/tests/fuzz/corpus/$name")
  mkdir -p "$build/fuzz/new/$name"
  if [[ -d $samples ]]; then options+=("$samples" -dict="$root/tests/fuzz/json.dict"); fi
  "$build/fuzz/tests/fuzz/dingcb_${name}_fuzz" -max_total_time="$fuzz_seconds" -print_final_stats=1 \
    -artifact_prefix="$build/fuzz/crash-$name-" "${options[@]}"
}
stage_tidy() {
  configure tidy tidy
  make_targets tidy --target tidy
}
stage_coverage() {
  build_and_test coverage coverage $gxx $cxx20 $compiled $no_command
  make_targets coverage --target coverage
}
# The HTTP servers that the examples use, and end-to-end tests against each.
stage_frameworks() {
  configure "${gcc[@]}" -DDINGCB_BUILD_FRAMEWORKS=REQUIRED
  make_targets gcc --target frameworks
  run_tests gcc -L e2e
}
stage_demo() { DINGCB_DEMO_BUILD=$build/demo "$root/scripts/demo.sh"; }

stages=("${all[@]}")
if [[ ${1:-} == --core ]]; then
  stages=("${core[@]}")
elif (($#)); then
  stages=("$@")
  for stage in "${stages[@]}"; do
    [[ " ${all[*]} " == *" $stage "* ]] || { echo "no such stage: $stage; there are: ${all[*]}" >&2; exit 2; }
  done
fi

packages=(cmake ninja-build g++ libssl-dev openssl catch2 rapidjson-dev libsqlite3-dev libmariadb-dev
  mariadb-client-core mariadb-server-core libbenchmark-dev pkgconf clang-format python3 "${command_packages[@]}")
[[ "${stages[*]}" == "${core[*]}" ]] || packages+=(clang libclang-rt-14-dev clang-tidy gcovr make)
[[ " ${stages[*]} " != *" frameworks "* ]] || packages+=("${framework_packages[@]}")
require_packages "${packages[@]}"
command -v ccache >/dev/null && export CMAKE_CXX_COMPILER_LAUNCHER=ccache

mkdir -p "$build"
passed=0 failed=0 table=''
for stage in "${stages[@]}"; do
  log=$build/$stage.log
  begin=$SECONDS
  printf '%-10s ' "$stage"
  set +e
  (set -e; "stage_$stage") >"$log" 2>&1
  status=$?
  set -e

  # Lines like "98% tests passed, 2 tests failed out of 100".
  read -r stage_failed stage_run < <(
    sed -n 's/^[0-9]*% tests passed, \([0-9]*\) tests\? failed out of \([0-9]*\)$/\1 \2/p' "$log" |
      awk '{failed += $1; run += $2} END {print failed + 0, run + 0}'
  )
  stage_passed=$((stage_run - stage_failed))
  result=ok
  if ((status != 0)); then
    result=FAILED
    ((stage_failed)) || stage_failed=1
  elif ((stage_run == 0)); then
    stage_passed=1
  fi
  passed=$((passed + stage_passed)) failed=$((failed + stage_failed))
  printf -v line '%-10s %-7s %6d passed %4d failed %5d s' "$stage" "$result" "$stage_passed" "$stage_failed" $((SECONDS - begin))
  table+=$line$'\n'
  echo "$result, $((SECONDS - begin)) s"
  if [[ $result == FAILED ]]; then
    grep -vE '^\[[0-9]+/[0-9]+\] |   Passed   |^ *Start ' "$log" | tail -n 40 | sed 's/^/    /'
    echo "    (the whole log: $log)"
  fi
done

[[ " ${stages[*]} " != *" frameworks "* ]] || cat "$build/gcc/tests/e2e/table.md" || true
printf '\n%s\n%d passed, %d failed\n' "$table" "$passed" "$failed"
((failed == 0))
