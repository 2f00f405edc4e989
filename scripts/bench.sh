#!/usr/bin/env bash
# Measures what docs/benchmarks.md tells, each thing beside its baseline in the same run, and writes that page anew.
#   scripts/bench.sh FILE           about 15 minutes on two cores
#   scripts/bench.sh --quick FILE   about 5 minutes, smaller and less often: shows that it works, not how fast
# KEEP=DIR keeps what the measurements printed, for benchstat.
set -euo pipefail
cd "$(dirname "$0")/.."
GO=${GO:-go}
quick=
if [ "${1:-}" = --quick ]; then quick=1; shift; fi
page=${1:?usage: scripts/bench.sh [--quick] FILE}
. scripts/corpora.sh
begin=$SECONDS
raw=${KEEP:-$(mktemp -d)}
mkdir -p "$raw"
[ -n "${KEEP:-}" ] || trap 'rm -rf "$raw"' EXIT
rm -f "$raw"/*.txt
export CGO_ENABLED=0

# Load of everything on this machine, sampled all the while: who reads the page must know whether others worked beside.
( while sleep 5; do cut -d' ' -f1 /proc/loadavg; done > "$raw/load" 2> /dev/null ) &
sampler=$!
idle() { awk '/^cpu /{print $5+$6, $2+$3+$4+$5+$6+$7+$8+$9, $9}' /proc/stat; }
# Before anything of ours runs: how much of the processors was others' over three seconds.
before=$(idle); sleep 3; after=$(idle)
others=$(echo "$before $after" | awk '{d=$5-$2; if (d<=0) d=1; printf "%.0f", 100*(1-($4-$1)/d)}')

step() { printf '%4s s  %s\n' "$((SECONDS - begin))" "$*" >&2; }
# bench ROOM PATTERN TIME COUNT [FILE]: runs benchmarks; a failure is told and leaves its rows empty.
bench() {
  local file="$raw/${5:-${1//\//-}}.txt"
  step "$1 $2"
  if ! $GO test -run '^$' -timeout 20m -bench "$2" -benchtime "$3" -count "$4" "./$1/" >> "$file" 2>&1; then
    echo "FAILED: $1 $2" >&2; tail -n 5 "$file" >&2
  fi
}

commit=$(git rev-parse --short=12 HEAD 2> /dev/null || echo unknown)
# The page itself does not count as a change.
[ -z "$(git status --porcelain --untracked-files=no -- . ":!$page" 2> /dev/null)" ] || commit="$commit, with uncommitted changes"

step "building"
$GO test -c -o "$raw/whole.test" ./cmd/vedette/

if [ -n "$quick" ]; then
  export VEDETTE_BENCH_QUICK=1 VEDETTE_BENCH_INDICATORS=1000000
  export VEDETTE_BENCH_KEYS=500000
  t=100ms n=2 resident='Resident/.*/1000000$'
else
  export VEDETTE_BENCH_INDICATORS=10000000 VEDETTE_BENCH_KEYS=2000000
  t=300ms n=5 resident='Resident'
fi
bench inline/decision 'Gate$' 1s $((n / 2 + 1))
bench inline/decision 'Decide$' $t $n
bench link 'Parse$|Registrable$' $t $n
bench record/indicator 'Match$' $t $((n / 2 + 1))
[ -n "$quick" ] || VEDETTE_BIG=1 bench record/indicator 'Match$' $t 1 record-indicator-10m
bench record/indicator "$resident" 1x 1
bench inline/feature 'MeasureAndApply$|Collect$|Plain$' $t $((n / 2 + 1))
bench store/frames 'Append$|Read$' $t $n
bench record/journal 'Frame$' $t $((n / 2 + 1))
bench edge/intake 'Decode$|DecideHandler$|DecideServer$|Events$' $t $((n / 2 + 1))

step "the whole program"
( cd cmd/vedette && VEDETTE_BENCH_WHOLE="$raw/whole.txt" "$raw/whole.test" -test.v -test.timeout 20m -test.run '^TestTheWholeProgramMeasured$' ) > "$raw/whole.log" 2>&1 ||
  { echo "FAILED: the whole program" >&2; grep -v '^BenchmarkWhole' "$raw/whole.log" | tail -n 20 >&2; }
kill $sampler 2> /dev/null || true
$GO run scripts/benchtable/main.go \
  -commit "$commit" -took "$((SECONDS - begin))" -others "$others" -keys "$VEDETTE_BENCH_KEYS" -load "$raw/load" ${quick:+-quick} "$raw"/*.txt > "$raw/page.md"
cp "$raw/page.md" "$page"
step "wrote $page"
