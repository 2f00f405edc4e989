package records_test

import (
	"fmt"
	"testing"
	"time"

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

// Puts 100,000 facts about 25,000 hosts, then asks by part, network, value and span.
func BenchmarkEnrichment(b *testing.B) {
	d, err := records.Open(b.Context(), b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	s := d.Enrichment()
	born := time.Date(2026, 2, 11, 9, 0, 0, 0, time.UTC)
	var facts []enrichment.Fact
	for i := range 25_000 {
		h := fmt.Sprintf("%x-%x.example", i*2654435761%0xfffff, i)
		put := func(k enrichment.Kind, v string) {
			f, err := enrichment.Canonical(enrichment.Fact{Host: h, Kind: k, Value: v, First: born, Last: born, Source: "feed"})
			if err != nil {
				b.Fatal(err)
			}
			facts = append(facts, f)
		}
		put(enrichment.NameServer, fmt.Sprintf("ns%d.example", i%500))
		put(enrichment.Address, fmt.Sprintf("2001:db8:%x::%x", i%5000, 1+i))
		put(enrichment.Registered, enrichment.Moment(born.Add(time.Duration(i)*time.Minute)))
		put(enrichment.NewlySeen, "")
	}
	b.Run("put 100,000, new the first time", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.Put(b.Context(), facts); err != nil {
				b.Fatal(err)
			}
		}
	})
	for _, q := range []struct {
		name string
		ask  func(i int) error
	}{
		{"of a host", func(i int) error { _, err := s.Of(b.Context(), facts[i*4%len(facts)].Host); return err }},
		{"containing a part", func(i int) error {
			_, _, err := s.Containing(b.Context(), facts[i*4%len(facts)].Host[:4], 100)
			return err
		}},
		{"within a network", func(i int) error {
			_, _, err := s.Within(b.Context(), fmt.Sprintf("2001:db8:%x::", i%5000), 50)
			return err
		}},
		{"sharing a name server", func(i int) error {
			_, _, err := s.Sharing(b.Context(), enrichment.NameServer, fmt.Sprintf("ns%d.example", i%500), 50)
			return err
		}},
		{"registered within two days", func(i int) error {
			_, _, err := s.RegisteredBetween(b.Context(), born.Add(time.Duration(i%9000)*time.Minute), born.Add(time.Duration(i%9000+2880)*time.Minute), 512)
			return err
		}},
	} {
		b.Run(q.name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := q.ask(i); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
