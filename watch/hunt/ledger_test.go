package hunt_test

import (
	"testing"

	"vedette/watch/hunt"
	"vedette/watch/hunt/ledgertest"
)

func TestLedger(t *testing.T) {
	ledgertest.Run(t, func(*testing.T) (hunt.Ledger, func() hunt.Ledger) {
		l := hunt.NewLedger()
		return l, func() hunt.Ledger { return l }
	})
}
