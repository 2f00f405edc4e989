#!/usr/bin/env bash
# Measures how much of a campaign one report finds, with the true program, and writes the page anew: scripts/reaction.sh [--quick] PAGE
set -euo pipefail
cd "$(dirname "$0")/.."
GO=${GO:-go}
seeds=4 how="make reaction"
if [ "${1:-}" = --quick ]; then seeds=1 how="scripts/reaction.sh --quick PAGE"; shift; fi
page=${1:?usage: scripts/reaction.sh [--quick] PAGE}
. scripts/corpora.sh
[ -d "${VEDETTE_DATA_CORPORA:-}" ] || { echo "reaction: it needs the real data: name its folder in VEDETTE_DATA_CORPORA, or the archives' in CORPORA" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
at="\`$(git rev-parse --short=12 HEAD 2> /dev/null || echo unknown)\`"
[ -z "$(git status --porcelain --untracked-files=no -- ':!docs' 2> /dev/null)" ] || at="$at with changes that are not committed"
$GO build -o "$work/vedette" ./cmd/vedette
$GO build -o "$work/reactiontable" scripts/reactiontable/main.go
TMPDIR="$work" "$work/reactiontable" --bin "$work/vedette" --corpora "$VEDETTE_DATA_CORPORA" --command "$how" --commit "$at" --seeds "$seeds" --out "$page"
echo "wrote $page"
