//go:build linux

package frames_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vedette"
	"vedette/record/journal"
	"vedette/record/journal/journaltest"
	"vedette/store/frames"
)

// BenchmarkAppend writes frames of 256 realistic entries, some in each synced append, and beside it the same bytes to a bare file with
// fdatasync: what the disk gives.
func BenchmarkAppend(b *testing.B) {
	for _, group := range []int{1, 4, 16} {
		pool := make([][]journal.Entry, 512)
		for i := range pool {
			pool[i] = journaltest.Entries(i*journal.MaxFrame, journal.MaxFrame)
		}
		fresh := func(n int) [][]journal.Entry { // new ids each time round: an id index is not rewritten
			fs := make([][]journal.Entry, group)
			for i := range fs {
				k := n*group + i
				fs[i] = pool[k%len(pool)]
				for e := range fs[i] {
					id := &fs[i][e].Event.ID
					id[0] ^= byte(k / len(pool))
					id[1] ^= byte(k / len(pool) >> 8)
				}
			}
			return fs
		}
		b.Run(fmt.Sprintf("journal/frames=%d", group), func(b *testing.B) {
			j := open(b, b.TempDir(), frames.Options{})
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				if err := j.Append(b.Context(), fresh(n)...); err != nil {
					b.Fatal(err)
				}
				n++
			}
			b.ReportMetric(float64(b.N*group*journal.MaxFrame)/b.Elapsed().Seconds(), "events/s")
		})
		b.Run(fmt.Sprintf("bare file/frames=%d", group), func(b *testing.B) {
			f, err := os.Create(filepath.Join(b.TempDir(), "wal"))
			if err != nil {
				b.Fatal(err)
			}
			defer f.Close()
			var enc journal.Encoder
			var buf []byte
			for i := range group {
				if buf, err = enc.AppendFrame(buf, 0, uint64(i+1), pool[i]); err != nil {
					b.Fatal(err)
				}
			}
			for b.Loop() {
				if _, err := f.Write(buf); err != nil {
					b.Fatal(err)
				}
				if err := unix.Fdatasync(int(f.Fd())); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N*group*journal.MaxFrame)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

func filled(b *testing.B, n int) *frames.Journal {
	j := open(b, b.TempDir(), frames.Options{})
	for i := 0; i < n; i += 16 {
		var fs [][]journal.Entry
		for k := range 16 {
			fs = append(fs, journaltest.Entries((i+k)*journal.MaxFrame, journal.MaxFrame))
		}
		if err := j.Append(b.Context(), fs...); err != nil {
			b.Fatal(err)
		}
	}
	return j
}

func BenchmarkRead(b *testing.B) {
	const n = 1600
	j := filled(b, n)
	b.ReportAllocs()
	read := 0
	for b.Loop() {
		for _, err := range j.Read(b.Context(), journal.Position{}) {
			if err != nil {
				b.Fatal(err)
			}
			read++
		}
	}
	b.ReportMetric(float64(read)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkFind(b *testing.B) {
	const n = 3200
	j := filled(b, n)
	b.Run("unknown", func(b *testing.B) {
		b.ReportAllocs()
		var id vedette.EventID
		i := 0
		for b.Loop() {
			i++
			id[0], id[1], id[2] = byte(i), byte(i>>8), byte(i>>16)
			if _, err := j.Find(b.Context(), "north", id, journaltest.Start.Add(time.Hour)); err == nil {
				b.Fatal("found")
			}
		}
	})
	b.Run("unknown of 1024 at once", func(b *testing.B) {
		b.ReportAllocs()
		events := make([]*vedette.Event, 1024)
		i := 0
		for b.Loop() {
			for k := range events {
				i++
				events[k] = &vedette.Event{Tenant: "north", ID: vedette.EventID{byte(i), byte(i >> 8), byte(i >> 16)}, Seen: journaltest.Start.Add(time.Hour)}
			}
			if !slices.Contains(j.Unknown(b.Context(), events), true) {
				b.Fatal("all may be known")
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1024, "ns/id")
	})
	b.Run("known", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			i = (i + 7919) % (n * journal.MaxFrame)
			e := journaltest.Entry(i)
			if _, err := j.Find(b.Context(), "north", e.Event.ID, e.Event.Seen); err != nil {
				b.Fatal(err)
			}
		}
	})
}
