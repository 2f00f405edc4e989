package storetest_test

import (
	"testing"

	"vedette/record/journal"
	"vedette/store/storetest"
)

func TestMemory(t *testing.T) {
	storetest.Journal(t, func(*testing.T) (journal.Journal, func() journal.Journal) {
		j := journal.NewMemory()
		return j, func() journal.Journal { return j } // nothing survives a memory's end, so it does not end
	})
}
