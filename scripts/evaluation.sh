#!/usr/bin/env bash
# Measures how well the gate detects, with the true program on real data, and writes the page anew: scripts/evaluation.sh [--quick] PAGE
set -euo pipefail
cd "$(dirname "$0")/.."
GO=${GO:-go}
quick=()
if [ "${1:-}" = --quick ]; then quick=(--quick); shift; fi
page=${1:?usage: scripts/evaluation.sh [--quick] PAGE}
. scripts/corpora.sh
[ -d "${VEDETTE_DATA_CORPORA:-}" ] || { echo "evaluation: it needs the real data: name its folder in VEDETTE_DATA_CORPORA, or the archives' in CORPORA" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Read before it is built: others may commit while this runs.
at="\`$(git rev-parse --short=12 HEAD 2> /dev/null || echo unknown)\`"
[ -z "$(git status --porcelain --untracked-files=no -- ':!docs' 2> /dev/null)" ] || at="$at with changes that are not committed"
$GO build -o "$work/vedette" ./cmd/vedette
$GO build -o "$work/evaluationtable" scripts/evaluationtable/*.go
how="make evaluation"
[ ${#quick[@]} -eq 0 ] || how="scripts/evaluation.sh --quick PAGE"
TMPDIR="$work" "$work/evaluationtable" "${quick[@]}" --bin "$work/vedette" --corpora "$VEDETTE_DATA_CORPORA" --command "$how" --commit "$at" --out "$page"
echo "wrote $page"
