#!/bin/sh
# Measures history beside DuckDB and prints a table: historybench.sh [MILLIONS...], 1 and 10 when none are named
#
#	scripts/historybench.sh 10 30 100
#
# A hundred million sightings need about 20 GB under TMPDIR, a quarter of it for history itself, 4 GB of memory for making them, and an hour or
# so. Everything is removed at the end. DuckDB is installed into .venv/duckdb unless VEDETTE_DUCKDB names a folder that has it. Nothing else
# should run: all of it is measured by the clock.
set -eu
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- 1 10
VEDETTE_DUCKDB=${VEDETTE_DUCKDB:-$PWD/.venv/duckdb}
export VEDETTE_DUCKDB
test/duckdb/install.sh "$VEDETTE_DUCKDB"
echo "commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown), $(nproc) processors, load $(cut -d' ' -f1 /proc/loadavg)"
out=$(mktemp)
trap 'rm -f "$out"' EXIT
if ! VEDETTE_HISTORY_MILLIONS="$*" go test -count=1 -v -timeout 6h -run '^TestMeasured$' ./store/history >"$out" 2>&1; then
	cat "$out" >&2
	exit 1
fi
grep '^|' "$out"
