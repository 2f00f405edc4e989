package casefile_test

import (
	"testing"

	"vedette/act/casefile"
	"vedette/act/casefile/casefiletest"
)

func TestMemory(t *testing.T) {
	casefiletest.Run(t, func(*testing.T) (casefile.Store, func() casefile.Store) {
		m := casefile.NewMemory()
		return m, func() casefile.Store { return m }
	})
}
