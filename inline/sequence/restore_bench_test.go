package sequence_test

import (
	"context"
	"encoding/binary"
	"testing"

	"vedette"
	"vedette/inline/feature"
	"vedette/inline/sequence"
	"vedette/record/journal"
	"vedette/record/journal/journaltest"
	"vedette/store/frames"
)

// BenchmarkRestore reads 131,072 events again and applies them to an empty memory: half of the most that a restart has to.
func BenchmarkRestore(b *testing.B) {
	const n = 512
	j, err := frames.Open(b.Context(), b.TempDir(), frames.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := j.Close(); err != nil {
			b.Error(err)
		}
	}()
	for i := 0; i < n; i += 16 {
		var fs [][]journal.Entry
		for k := range 16 {
			es := journaltest.Entries((i+k)*journal.MaxFrame, journal.MaxFrame)
			for e := range es { // as many people as a platform has, not as the sample has
				if body, ok := es[e].Event.Body.(*vedette.LinkSent); ok {
					binary.LittleEndian.PutUint32(body.To.Account[:], uint32((i+k)*journal.MaxFrame+e)*2654435761%50_000)
				}
				binary.LittleEndian.PutUint32(es[e].Event.Actor[:], uint32((i+k)*journal.MaxFrame+e)%20_000)
			}
			fs = append(fs, es)
		}
		if err := j.Append(b.Context(), fs...); err != nil {
			b.Fatal(err)
		}
	}
	s, err := sequence.New(sequence.Config{}, sequence.Deps{
		Journal: j, Memory: func() (sequence.Memory, error) { return feature.New(feature.Sized(256)), nil },
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		r, err := s.Restore(context.Background())
		if err != nil || r.Replayed != n*journal.MaxFrame {
			b.Fatal(r, err)
		}
	}
	b.ReportMetric(float64(b.N*n*journal.MaxFrame)/b.Elapsed().Seconds(), "events/s")
}
