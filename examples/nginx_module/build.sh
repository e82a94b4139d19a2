#!/usr/bin/env bash
# Builds the module for the nginx of the nginx-dev package.
#   build.sh FOLDER LIBRARY...     leaves FOLDER/ngx_http_dingcb_module.so
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=$1
export DINGCB_BRIDGE="${*:2}"
rm -rf "$folder/src"
mkdir -p "$folder"
cp -r /usr/share/nginx/src "$folder"
cd "$folder/src"
. ./conf_flags  # the module fits no nginx that was configured otherwise
./configure "${NGX_CONF_FLAGS[@]}" --add-dynamic-module="$here" >configure.log
make -s -f objs/Makefile modules
cp objs/ngx_http_dingcb_module.so ..
