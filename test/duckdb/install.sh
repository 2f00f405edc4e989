#!/bin/sh
# Installs DuckDB for tests into a folder: install.sh [FOLDER], .venv-duckdb when none is named
#
# The folder becomes a Python environment of its own; nothing outside it is changed, and nothing is started. The version is pinned in
# requirements.txt. Needs Python 3.10 or later with venv. Run again, it does nothing when the version is there.
set -eu
[ $# -le 1 ] || { echo "usage: $0 [FOLDER]" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
to=${1:-.venv-duckdb}
python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { echo "$0: Python 3.10 or later is needed" >&2; exit 1; }
if [ -f "$to/installed" ] && cmp -s "$here/requirements.txt" "$to/installed"; then
	exit 0
fi
[ -x "$to/bin/python" ] || "$python" -m venv "$to"
"$to/bin/pip" install --quiet --disable-pip-version-check --no-input -r "$here/requirements.txt"
"$to/bin/python" -c 'import duckdb; print("DuckDB", duckdb.__version__)'
echo '*' >"$to/.gitignore"
cp "$here/requirements.txt" "$to/installed"
