#!/usr/bin/env bash
# The main job as a user sees it: starts an example service on this machine, plays DingTalk against it, and prints what
# was sent, answered and received. Then opens the four pushes that DingTalk prints in its documents and samples, answers
# them, and checks the answers with the openssl command line. For a fresh Debian 12; installs what is missing.
#
#   scripts/demo.sh           builds in build/demo (or in $DINGCB_DEMO_BUILD)
set -euo pipefail
export LC_ALL=C

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${DINGCB_DEMO_BUILD:-$root/build/demo}
mkdir -p "$build"
build=$(cd "$build" && pwd)
pushes=$root/tests/data/official_pushes.txt
source "$root/scripts/packages.sh"

require_packages cmake g++ make pkgconf libssl-dev rapidjson-dev libcpp-httplib-dev openssl

echo "Building dingcb and three of its examples ..."
if ! { cmake -S "$root" -B "$build" -DCMAKE_BUILD_TYPE=Release -DDINGCB_BUILD_TESTS=OFF -DDINGCB_BUILD_EXAMPLES=ON \
  -DDINGCB_BUILD_FRAMEWORKS=ON &&
  cmake --build "$build" --parallel 2 --target dingcb_cpp_httplib dingcb_play_dingtalk dingcb_example_open_pushes; } >"$build/demo.log" 2>&1; then
  tail -n 30 "$build/demo.log" >&2
  echo "The build failed; the whole log: $build/demo.log" >&2
  exit 1
fi

work=$(mktemp -d)
service=
trap '[[ -z $service ]] || kill "$service" 2>/dev/null || true; rm -rf "$work"' EXIT
status=0

# The service writes into a pipe, which gives its port first, then to the player what arrived.
cd "$work"
mkfifo printed_by_service
"$build/examples/cpp_httplib/dingcb_cpp_httplib" 0 >printed_by_service 2>service.log &
service=$!
exec 3<printed_by_service
IFS= read -r -t 10 -u 3 line || line=
[[ $line == "listening on 127.0.0.1:"* ]] || { echo "The service did not start:" >&2; cat service.log >&2; exit 1; }
echo "The service examples/cpp_httplib is $line; now DingTalk calls it:"
echo
"$build/examples/play_dingtalk/dingcb_play_dingtalk" "${line##*:}" <&3 || status=$?
kill "$service"
wait "$service" || { echo "The service ended with code $?" >&2; status=1; }
service=
echo
"$build/examples/open_pushes" "$pushes" --save "$work" | tee "$work/printed" || status=$?

# From here on only openssl and the shell's own tools look at the messages.

# of NAME KEY: a value of the file with the pushes; of_json KEY FILE: a value of a reply.
of() { sed -n "/^\[$1\]\$/,/^\$/s/^$2 = //p" "$pushes"; }
of_json() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p" "$2"; }
hex() { od -An -v -tx1 | tr -d ' \n'; }

# open_with_openssl TOKEN AES_KEY TIMESTAMP NONCE ENCRYPT SIGNATURE: leaves message and owner in files, or says why not.
open_with_openssl() {
  local signature key size pad length
  signature=$(printf '%s\n' "$1" "$3" "$4" "$5" | sort | tr -d '\n' | openssl dgst -sha1 -r)
  [[ ${signature%% *} == "$6" ]] || { echo "the signature should be ${signature%% *}"; return 1; }

  key=$(printf '%s=' "$2" | openssl base64 -d -A | hex)
  ((${#key} == 64)) || { echo "the AES key has not 32 bytes"; return 1; }
  printf '%s' "$5" | openssl base64 -d -A >"$work/cipher"
  [[ -s $work/cipher ]] || { echo "encrypt is not base64"; return 1; }
  openssl enc -d -aes-256-cbc -K "$key" -iv "${key:0:32}" -nopad -in "$work/cipher" -out "$work/plain" 2>/dev/null ||
    { echo "it does not decrypt"; return 1; }

  size=$(wc -c <"$work/plain")
  pad=$((16#$(tail -c 1 "$work/plain" | hex)))
  ((size % 32 == 0 && pad >= 1 && pad <= 32)) || { echo "$size bytes with padding $pad"; return 1; }
  [[ $(tail -c "$pad" "$work/plain" | hex) == "$(printf "%${pad}s" | sed "s/ /$(printf '%02x' "$pad")/g")" ]] ||
    { echo "the padding bytes differ"; return 1; }

  length=$((16#$(tail -c +17 "$work/plain" | head -c 4 | hex)))
  ((20 + length + pad <= size)) || { echo "the length field says $length"; return 1; }
  tail -c +21 "$work/plain" | head -c "$length" >"$work/message"
  tail -c +$((21 + length)) "$work/plain" | head -c $((size - 20 - length - pad)) >"$work/owner"
  echo "signature, length $length, owner key, padding $pad"
}

check() {
  local name=$1 token aes_key owner reply=$work/$1.json found message why
  token=$(of "$name" token) aes_key=$(of "$name" aes_key) owner=$(of "$name" owner_key)
  why=$(open_with_openssl "$token" "$aes_key" "$(of "$name" timestamp)" "$(of "$name" nonce)" "$(of "$name" encrypt)" \
    "$(of "$name" signature)") || { echo "openssl does not open the push: $why"; return 1; }
  found=$(sed -n "/^$name\$/,/^\$/s/^  \(dedup:\|no event:\) *//p" "$work/printed")
  message=$(cat "$work/message")
  if [[ $message == success ]]; then
    [[ $found == 'a captured reply, "success"' ]] || { echo "the push is a reply, printed was: $found"; return 1; }
  else # these events have no id, so that the digest of the message is their key
    [[ $found == "$(openssl dgst -sha256 -r <"$work/message" | cut -d' ' -f1)" ]] ||
      { echo "openssl finds another message in the push"; return 1; }
  fi

  [[ -s $reply ]] || { echo "there is no reply"; return 1; }
  why=$(open_with_openssl "$token" "$aes_key" "$(of_json timeStamp "$reply")" "$(of_json nonce "$reply")" \
    "$(of_json encrypt "$reply")" "$(of_json msg_signature "$reply")") ||
    { echo "openssl does not open the reply: $why"; return 1; }
  [[ $(cat "$work/message") == success ]] || { echo "the reply is not \"success\""; return 1; }
  [[ $(cat "$work/owner") == "$owner" ]] || { echo "the reply is sealed with another owner key"; return 1; }
  [[ $(of_json timeStamp "$reply") =~ ^[0-9]{13}$ ]] || { echo "the timestamp is not in milliseconds"; return 1; }
  echo "the reply says success ($why)"
}

echo
echo "The same with the openssl command line ($(openssl version | cut -d' ' -f1,2)):"
names=$(sed -n 's/^\[\(.*\)\]$/\1/p' "$pushes")
[[ $(wc -w <<<"$names") == 4 ]] || { echo "$pushes does not hold four pushes" >&2; exit 1; }
for name in $names; do
  if line=$(check "$name"); then
    echo "PASS $name: $line"
  else
    echo "FAIL $name: $line"
    status=1
  fi
done
exit "$status"
