#!/usr/bin/env bash
# Runs nginx with the configuration of an example, and with its module, or behind it with its FastCGI program.
#   nginx.sh NGINX NGINX.CONF MODULE.so|PROGRAM
# Listens on port $DINGCB_E2E_PORT, with descriptor 3 where that is a socket which does.
set -euo pipefail

sed -E "s/127\.0\.0\.1:8080/127.0.0.1:$DINGCB_E2E_PORT/; s|unix:[^;]*|unix:$PWD/dingcb.sock|; s|^load_module [^;]*|load_module $3|" "$2" >nginx.conf
main='daemon off;'
# Who is not root has no other user to become; root's folder is closed to the others.
((EUID != 0)) || main+=' user root;'

program=
stopped=0
trap 'stopped=1' TERM
if [[ $3 != *.so ]]; then
  "$3" dingcb.sock 3>&- &
  program=$!
  until [[ -S dingcb.sock ]]; do kill -0 "$program" && sleep 0.01; done
fi
[[ ! -S /dev/fd/3 ]] || export NGINX='3;'
"$1" -p "$PWD/" -c nginx.conf -e stderr -g "$main" &
nginx=$!
if [[ ! -S /dev/fd/3 ]]; then
  until (: >"/dev/tcp/127.0.0.1/$DINGCB_E2E_PORT") 2>/dev/null; do kill -0 "$nginx" && sleep 0.01; done
fi
echo "listening on 127.0.0.1:$DINGCB_E2E_PORT"

# finish PROCESS SIGNAL: a `wait` that a signal interrupts is no end.
finish() {
  kill -s "$2" "$1"
  while kill -0 "$1" 2>/dev/null; do wait "$1" || status=$?; done
}
status=0
while ((!stopped)); do wait -n || ((stopped)) || exit 1; done
finish "$nginx" QUIT  # answers what waits
[[ -z $program ]] || finish "$program" TERM
exit "$status"
