package records_test

import (
	"testing"

	"vedette/record/enrichment"
	"vedette/record/enrichment/enrichmenttest"
	"vedette/store/records"
)

func TestEnrichmentStore(t *testing.T) {
	enrichmenttest.Run(t, func(t testing.TB) (enrichment.Store, func() enrichment.Store) {
		dir := t.TempDir()
		d, err := records.Open(t.Context(), dir)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = d.Close() })
		return d.Enrichment(), func() enrichment.Store {
			_ = d.Close()
			d, err := records.Open(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = d.Close() })
			return d.Enrichment()
		}
	})
}
