package history

import (
	"testing"

	"vedette/store/history/blockstest"
	"vedette/watch/hunt"
)

// The history in memory is what this one must equal.
func TestMemoryPassesTheSameSuite(t *testing.T) {
	blockstest.History(t, func(testing.TB) hunt.History { return hunt.NewMemory() })
}
