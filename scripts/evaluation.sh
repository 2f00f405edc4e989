#!/usr/bin/env bash
# Measures how well the watch finds operators on made-up platforms, and how well the gate detects on real data, with the true program, and writes the page anew:
# scripts/evaluation.sh [--quick] PAGE. VEDETTE_WATCH_ONLY=1 measures the watch alone and keeps the rest of the page. VEDETTE_FEW says on which worlds the parts are
# measured that need runs of their own.
set -euo pipefail
cd "$(dirname "$0")/.."
GO=${GO:-go}
quick=()
if [ "${1:-}" = --quick ]; then quick=(--quick); shift; fi
page=${1:?usage: scripts/evaluation.sh [--quick] PAGE}
. scripts/corpora.sh
[ -d "${VEDETTE_DATA_CORPORA:-}" ] || { echo "evaluation: it needs the real data: name its folder in VEDETTE_DATA_CORPORA, or the archives' in CORPORA" >&2; exit 1; }
work=$(mktemp -d)
# An hour's parts are not thrown away because the last one failed.
trap 'if [ -n "${finished:-}" ]; then rm -rf "$work"; else echo "evaluation: not finished; its parts are in $work" >&2; fi' EXIT
# Read before it is built: others may commit while this runs.
at="\`$(git rev-parse --short=12 HEAD 2> /dev/null || echo unknown)\`"
[ -z "$(git status --porcelain --untracked-files=no -- ':!docs' 2> /dev/null)" ] || at="$at with changes that are not committed"
$GO build -o "$work/vedette" ./cmd/vedette
$GO build -o "$work/evaluationtable" scripts/evaluationtable/*.go
how="make evaluation"
[ ${#quick[@]} -eq 0 ] || how="scripts/evaluation.sh --quick PAGE"

# The watch: scorecards are made anew without each playbook from the worlds that they were made from, and judged on worlds that nothing was made or chosen on.
seeds=1-20 few=${VEDETTE_FEW:-1-6}
[ ${#quick[@]} -eq 0 ] || seeds=1-2 few=1-2
machine="$(nproc) cores of a virtual machine, $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
"$work/vedette" range train --seeds 9101-9104 --out "$work/model.json" --without L0,L1,L2,L3,L4
left=$(for b in L0 L1 L2 L3 L4; do printf '%s=%s,' "$b" "$work/model-without-$b.json"; done)
"$work/vedette" range evaluate --seeds "$seeds" --few "$few" --left-out "$left" --plots "$(dirname "$page")/evaluation" --out "$work/watch.md" --commit "${at//\`/}" --machine "$machine"

if [ -n "${VEDETTE_WATCH_ONLY:-}" ]; then
  sed -n '/^# How well the gate detects/,$p' "$page" > "$work/gate.md"
else
  TMPDIR="$work" "$work/evaluationtable" "${quick[@]}" --bin "$work/vedette" --corpora "$VEDETTE_DATA_CORPORA" --command "$how" --commit "$at" --out "$work/gate.md"
fi
sizes=10000,30000,100000,300000,1000000
[ ${#quick[@]} -eq 0 ] || sizes=10000,30000
cost=$("$work/vedette" range cost --accounts "$sizes" --plot "$(dirname "$page")/evaluation/cost.svg")
printf '\n## What the watch costs\n\nOne core, twenty days of the range, a look at everything each day; the state without ticks and without making the events.\n\n```\n%s\n```\n\n![Cost by accounts](evaluation/cost.svg)\n' "$cost" >> "$work/watch.md"
VEDETTE_TABLE="$work/timing.md" $GO test -count=1 -run 'TestHopTable|TestConversations' ./watch/rehearsal
{ cat "$work/watch.md"; printf '\n## Timing alone, and conversations without an attack\n\n'; cat "$work/timing.md"; echo; cat "$work/gate.md"; } > "$page"
finished=yes
echo "wrote $page"
