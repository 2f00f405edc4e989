#!/usr/bin/env bash
# Installs what the tests need and runs all of them: lint, unit, property and story tests, a real homeserver, and the generated files.
set -euo pipefail
cd "$(dirname "$0")/.."
GO=${GO:-go}
begin=$SECONDS
step() { printf '\n== %s (%s s)\n' "$*" "$((SECONDS - begin))"; }

step "Go modules"
$GO mod download
$GO mod verify

step "real data"
. scripts/corpora.sh

step "format, vet, staticcheck"
unformatted=$($GO run "${GOFUMPT:?}" -l .)
[ -z "$unformatted" ] || { printf 'not formatted by gofumpt:\n%s\n' "$unformatted"; exit 1; }
$GO vet ./...
$GO run "${STATICCHECK:?}" ./...

step "known vulnerabilities"
# The tool asks a database on the network. Where that cannot be had this says so, and is no failure.
if $GO run "${GOVULNCHECK:?}" ./... > .data-vuln.txt 2>&1; then
  tail -n 2 .data-vuln.txt
elif grep -q -e 'no such host' -e 'connection refused' -e 'i/o timeout' -e 'Forbidden' -e 'fetching vulnerabilities' .data-vuln.txt; then
  echo "NOT CHECKED: the vulnerability database cannot be reached from here"
else
  cat .data-vuln.txt; rm -f .data-vuln.txt; exit 1
fi
rm -f .data-vuln.txt

step "generated files are what their sources make"
if git rev-parse --git-dir > /dev/null 2>&1; then
  before=$(git status --porcelain)
  $GO generate ./...
  after=$(git status --porcelain)
  [ "$before" = "$after" ] || { printf 'go generate changed:\n%s\n' "$after"; git diff | head -50; exit 1; }
fi

step "a real homeserver for the story of a real platform"
bash test/synapse/install.sh .venv/synapse

step "another engine to read history's files"
sh test/duckdb/install.sh "$PWD/.venv/duckdb"

step "a time-stamping authority"
sh test/openssl/install.sh

step "tests"
VEDETTE_SYNAPSE="$PWD/.venv/synapse" VEDETTE_DUCKDB="$PWD/.venv/duckdb" $GO test -timeout 25m ./...

step "the watch on two made-up platforms: a real loss of quality fails here"
$GO build -o .data-vedette ./cmd/vedette
./.data-vedette range evaluate --quick --seeds 9301-9302
rm -f .data-vedette

if command -v gcc > /dev/null; then
  step "tests again with the race detector, where goroutines meet"
  VEDETTE_DUCKDB="$PWD/.venv/duckdb" CGO_ENABLED=1 $GO test -short -race -timeout 15m ./inline/... ./edge/... ./record/vault/ ./record/journal/ ./record/evidence/ ./record/anchor/ \
    ./store/frames/ ./store/history/ ./watch/hunt/ ./act/...
fi

step "done"
