package exhibit_test

import (
	"testing"

	"vedette/record/evidence"
)

// BenchmarkCreate1000 makes exhibits of a case of a thousand records; each adds two.
func BenchmarkCreate1000(b *testing.B) {
	c := newCourt(b)
	for i := range 4 {
		rs := make([]evidence.Record, 250)
		for j := range rs {
			rs[j] = evidence.Record{Kind: evidence.KindLead, At: start, Tenant: tenant, Fields: []evidence.Field{f("case", theCase), f("state", "open"), f("why", "reported")}}
		}
		if _, err := c.log.Append(b.Context(), rs...); err != nil {
			b.Fatal(i, err)
		}
	}
	ch := choice("public")
	b.ReportAllocs()
	for b.Loop() {
		b.ReportMetric(float64(len(c.make(b, ch).Zip)), "zip-bytes")
	}
}
