package hunt_test

import (
	"testing"

	"vedette/watch/hunt"
	"vedette/watch/hunt/hunttest"
)

func TestMemoryIsAHistory(t *testing.T) {
	hunttest.History(t, func(testing.TB) hunt.History { return hunt.NewMemory() })
}
