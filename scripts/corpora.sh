# Sourced: finds the real public data that tests read and that is never part of this repository, and says so where there is none.
# The archives lie beside the checkout, or where CORPORA says, with a script `unpack DIR`.
if [ -z "${VEDETTE_DATA_CORPORA:-}" ] && [ -x "${CORPORA:-}/unpack" ]; then
  VEDETTE_DATA_CORPORA="$PWD/.data/corpora"
  if [ ! -f "$VEDETTE_DATA_CORPORA/.sha256" ]; then
    "$CORPORA/unpack" "$VEDETTE_DATA_CORPORA"
  fi
  export VEDETTE_DATA_CORPORA
fi
if [ -z "${VEDETTE_DATA_CORPORA:-}" ]; then
  echo "NOTE: no real data (CORPORA=${CORPORA:-unset} has no unpack script): the tests that need it are skipped, aloud." >&2
fi
