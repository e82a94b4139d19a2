#!/usr/bin/env bash
# Prints what typed events cost a file: CPU seconds and peak memory of the compiler at -O0 (medians of interleaved runs),
# and what they add to the library.
#
#   tests/bench/event_compile_cost.sh [rounds]
set -euo pipefail
cd "$(dirname "$0")/../.."
rounds=${1:-5}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

printf '#include <dingcb/event.hpp>\n' >"$work/event.cpp"
cat >"$work/five.cpp" <<'EOF'
#include <dingcb/events/approval.hpp>
#include <dingcb/events/contact.hpp>

#include <string>

std::string handle(const dingcb::Event& event) {
  using namespace dingcb::events;
  if (const auto* added = event.get_if<UserAddOrg>()) return added->user_id.front();
  if (const auto* left = event.get_if<UserLeaveOrg>()) return left->user_id.front();
  return dingcb::match(
      event, [](const UserModifyOrg& modified) { return modified.user_id.front(); },
      [](const BpmsInstanceChange& instance) { return instance.process_instance_id; },
      [](const BpmsTaskChange& task) { return task.process_instance_id; },
      [](const dingcb::Event& other) { return std::string(other.type()); });
}
EOF
cp "$work/five.cpp" "$work/five_header_only.cpp"
printf '#include <dingcb/events/all.hpp>\n' >"$work/all.cpp"
cat >"$work/visit.cpp" <<'EOF'
#include <dingcb/events/visit.hpp>

int handle(const dingcb::Event& event) {
  return dingcb::visit(event, dingcb::overloaded{
                                  [](const dingcb::events::UserAddOrg&) { return 1; },
                                  [](const dingcb::Event&) { return 2; },
                                  [](const auto&) { return 3; },
                              });
}
EOF
files=(event five five_header_only all visit)

cost() { # compiler file: CPU seconds, MB
  local form=-DDINGCB_COMPILED
  [ "$2" = five_header_only ] && form=-UDINGCB_COMPILED
  python3 - "$1" -std=c++17 -O0 -Iinclude "$form" -c "$work/$2.cpp" -o "$work/out.o" <<'EOF'
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(f"{used.ru_utime + used.ru_stime:.3f} {used.ru_maxrss / 1024:.0f}")
EOF
}
median() { sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

printf '%-8s %-18s %8s %6s\n' compiler file 'CPU s' MB
for compiler in g++ clang++; do
  command -v "$compiler" >/dev/null || continue
  for ((i = 0; i < rounds; ++i)); do
    for file in "${files[@]}"; do cost "$compiler" "$file" >>"$work/$file.costs"; done
  done
  for file in "${files[@]}"; do
    printf '%-8s %-18s %8.3f %6.0f\n' "$compiler" "$file" "$(cut -d' ' -f1 "$work/$file.costs" | median)" \
      "$(cut -d' ' -f2 "$work/$file.costs" | median)"
    rm "$work/$file.costs"
  done
done

# Bytes of code and constants, optimised, position-independent: with the field tables of the events, and without.
printf '\n%-18s %10s\n' library 'text'
for source in dingcb events; do
  g++ -std=c++17 -O2 -DNDEBUG -fPIC -fvisibility=hidden -DDINGCB_COMPILED -Iinclude -c "src/$source.cpp" -o "$work/$source.o"
done
for objects in dingcb 'dingcb events'; do
  (cd "$work" && size -t $(printf '%s.o ' $objects)) | awk -v name="${objects// /+}" 'END { printf "%-18s %10d\n", name, $1 }'
done
