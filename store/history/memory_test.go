package history

import (
	"testing"

	"vedette/watch/hunt"
	"vedette/watch/hunt/hunttest"
)

// The history in memory is what this one must equal.
func TestMemoryPassesTheSameSuite(t *testing.T) {
	hunttest.History(t, func(testing.TB) hunt.History { return hunt.NewMemory() })
}
