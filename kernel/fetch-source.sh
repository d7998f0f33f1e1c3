#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
#
# Puts the Debian package of the unmodified lttng-modules source (version and checksum: UPSTREAM) into a folder, unless it is
# there already, and prints its path. Needs apt with Debian 12 among its sources.
#
#   fetch-source.sh FOLDER
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=/dev/null
. "$here/UPSTREAM"

[ $# -eq 1 ] || { echo 'usage: fetch-source.sh FOLDER' >&2 && exit 2; }
folder=$1
file=$folder/${PACKAGE}_${PACKAGE_VERSION}_all.deb

is_right() {
  [ -f "$1" ] && echo "$PACKAGE_SHA256  $1" | sha256sum --check --status
}

if ! is_right "$file"; then
  mkdir -p "$folder"
  temporary=$(mktemp -d "$folder/fetch.XXXXXX")
  trap 'rm -rf "$temporary"' EXIT
  # apt downloads as a user of its own, who may not write here; root downloads as root.
  (cd "$temporary" && apt-get -qq -o APT::Sandbox::User="$(id -un)" download "$PACKAGE=$PACKAGE_VERSION") >&2
  downloaded=$(find "$temporary" -name '*.deb')
  is_right "$downloaded" || { echo "fetch-source.sh: $PACKAGE $PACKAGE_VERSION does not have the recorded checksum" >&2 && exit 1; }
  mv "$downloaded" "$file"
fi
echo "$file"
