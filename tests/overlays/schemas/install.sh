#!/usr/bin/env bash
# Puts the schemas of Kubernetes and what reads them into a directory, for tests of overlays. Installs nothing else.
#
#   install.sh DIR   DIR/bin/python has the packages of requirements.txt, where it is not there yet
set -euo pipefail

[ $# -eq 1 ] || { sed -n '2,${/^#/!q;s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2; exit 2; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

if ! cmp -s "$here/requirements.txt" "$1/installed.txt"; then
    command -v python3 >/dev/null || { echo "overlays/schemas/install.sh: python3 is missing: install python3 and python3-venv" >&2; exit 1; }
    rm -rf "$1"
    python3 -m venv "$1"
    "$1/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement "$here/requirements.txt"
    cp "$here/requirements.txt" "$1/installed.txt"
fi
