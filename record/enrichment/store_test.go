package enrichment_test

import (
	"testing"

	"vedette/record/enrichment"
	"vedette/record/enrichment/enrichmenttest"
)

func TestMemory(t *testing.T) {
	enrichmenttest.Run(t, func(testing.TB) (enrichment.Store, func() enrichment.Store) {
		m := enrichment.NewMemory()
		return m, func() enrichment.Store { return m }
	})
}
