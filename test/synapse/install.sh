#!/bin/sh
# Installs a Synapse homeserver for tests into a folder: install.sh FOLDER
#
# The folder becomes a Python environment of its own; nothing outside it is changed, and nothing is started. Versions are pinned in
# requirements.txt. Needs Python 3.10 or later with venv. Run again, it does nothing when the versions are there.
set -eu
[ $# -eq 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "$0: Python 3.10 or later is needed" >&2; exit 1; }
if [ -f "$1/installed" ] && cmp -s "$here/requirements.txt" "$1/installed"; then
	exit 0
fi
[ -x "$1/bin/python" ] || "$python" -m venv "$1"
"$1/bin/pip" install --quiet --disable-pip-version-check --no-input -r "$here/requirements.txt"
"$1/bin/python" -c 'import nio, synapse_http_antispam, synapse; print("Synapse", synapse.__version__)'
cp "$here/requirements.txt" "$1/installed"
