# Sourced by the other scripts: installs the Debian packages that are missing.

# The HTTP servers of examples/, and the client that their tests use. Several find_package() calls need more than the -dev
# package of their name: qt6-websockets-dev for Qt's, the program civetweb for civetweb's.
framework_packages=(libcurl4-openssl-dev pkgconf libcpp-httplib-dev libboost-dev libevent-dev libmicrohttpd-dev libpoco-dev
  libcivetweb-dev civetweb libpistache-dev librestinio-dev libasio-dev libfmt-dev qt6-base-dev qt6-httpserver-dev
  qt6-websockets-dev libfcgi-dev nginx libh2o-evloop-dev nginx-dev)

# What the command dingcb is built with.
command_packages=(libcli11-dev libcurl4-openssl-dev libcpp-httplib-dev pkgconf)

# require_packages NAME... - does nothing where all are there, or where there is no apt (then the build says what it misses).
require_packages() {
  command -v dpkg-query >/dev/null && command -v apt-get >/dev/null || return 0
  local missing=() package
  for package in "$@"; do
    dpkg-query -W -f='${Status}\n' "$package" 2>/dev/null | grep -q '^install ok installed$' || missing+=("$package")
  done
  ((${#missing[@]})) || return 0

  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -o Dpkg::Use-Pty=0) log
  if ((EUID != 0)); then
    if ! command -v sudo >/dev/null; then
      echo "These packages are missing: ${missing[*]}" >&2
      echo "Install them as root, then start this script again: apt-get install ${missing[*]}" >&2
      return 1
    fi
    apt=(sudo "${apt[@]}")
  fi
  echo "Installing ${missing[*]} ..."
  log=$(mktemp)
  if ! { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 15 "$log" >&2
    echo "apt-get could not install: ${missing[*]} (the whole log: $log)" >&2
    return 1
  fi
  rm -f "$log"
}
