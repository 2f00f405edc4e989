//go:build unix

package tiles_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"vedette"
	"vedette/record/evidence"
	"vedette/record/evidence/evidencetest"
	"vedette/record/journal"
	"vedette/record/journal/journaltest"
	"vedette/store/frames"
	"vedette/store/records"
	"vedette/store/tiles"
)

// house is the evidence log as a server has it: tiles, records and journal in one folder.
type house struct {
	journal *frames.Journal
	db      *records.DB
	tree    *tiles.Tree
	log     *evidence.Log
	sealing *evidence.Sealing
	opened  time.Duration // what tree and log took
}

type everybody struct{}

func (everybody) Seed(a vedette.AccountID) ([32]byte, bool) { return sha256.Sum256(a[:]), true }

func openHouse(ctx context.Context, dir string) (h *house, err error) {
	h = &house{}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if h.journal, err = frames.Open(ctx, filepath.Join(dir, "journal"), frames.Options{}); err != nil {
		return nil, err
	}
	if h.db, err = records.Open(ctx, dir); err != nil {
		return nil, err
	}
	begin := time.Now()
	s, _ := evidencetest.Keys()
	if h.tree, err = tiles.Open(ctx, filepath.Join(dir, "evidence"), s, tiles.Options{}); err != nil {
		return nil, err
	}
	if h.log, err = evidence.Open(ctx, h.tree, h.db.Shelf(), evidence.Options{Now: evidencetest.Now}); err != nil {
		return nil, err
	}
	h.opened = time.Since(begin)
	h.sealing = h.log.Sealing(h.journal, 4, everybody{}, evidence.SealingOptions{Entries: 50, Delay: time.Second})
	return h, nil
}

func (h *house) close(ctx context.Context) error {
	return errors.Join(h.tree.Close(ctx), h.db.Close(), h.journal.Close())
}

// keepHouse journals, seals and records until it is killed, and prints what was acknowledged.
func keepHouse(dir string) error {
	ctx := context.Background()
	h, err := openHouse(ctx, dir)
	if err != nil {
		return err
	}
	fmt.Println("open")
	failed := make(chan error, 3) // 3: one from each
	go func() { failed <- h.sealing.Run(ctx) }()
	go func() {
		for {
			i := int(h.journal.Last().Frame) * journal.MaxFrame
			if err := h.journal.Append(ctx, journaltest.Entries(i, 1+rand.IntN(60))); err != nil {
				failed <- err
				return
			}
			time.Sleep(time.Duration(rand.IntN(10)) * time.Millisecond)
		}
	}()
	go func() {
		for {
			r, err := h.log.Append(ctx, evidence.Record{Kind: evidence.KindHunt, Fields: []evidence.Field{{Name: "n", Value: strconv.AppendUint(nil, rand.Uint64(), 36)}}})
			if err != nil {
				failed <- err
				return
			}
			fmt.Printf("%d %s\n", r[0].Index, r[0].Leaf)
			if rand.IntN(4) == 0 {
				if err := h.log.Erase(ctx, r[0].Index, "n"); err != nil {
					failed <- err
					return
				}
				fmt.Printf("erased %d\n", r[0].Index)
			}
		}
	}()
	return <-failed
}

// Kill -9 of the whole: every acknowledged record and erasure is there, everything fits, and the seals cover the journal without a gap.
func TestKilledHouseKeepsItsEvidence(t *testing.T) {
	rounds := 25
	if testing.Short() {
		rounds = 6
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "house")
	acked := map[uint64]string{}
	erased := map[uint64]bool{}
	unfinished, slowest := 0, time.Duration(0)
	for round := range rounds {
		killed := exec.Command(exe)
		killed.Env = append(os.Environ(), "TILES_CHILD=house", "TILES_DIR="+dir)
		var stderr strings.Builder
		killed.Stderr = &stderr
		out, err := killed.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := killed.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		lines.Scan()
		timer := time.AfterFunc(time.Duration(100+rand.IntN(700))*time.Millisecond, func() { _ = killed.Process.Kill() })
		for lines.Scan() {
			a, b, _ := strings.Cut(lines.Text(), " ")
			if i, err := strconv.ParseUint(a, 10, 64); err == nil {
				acked[i] = b
			} else if i, err := strconv.ParseUint(b, 10, 64); err == nil {
				erased[i] = true
			}
		}
		timer.Stop()
		_ = killed.Process.Kill()
		_ = killed.Wait()
		if stderr.Len() > 0 {
			t.Fatalf("round %d: the child said %s", round, stderr.String())
		}
		h, err := openHouse(t.Context(), dir)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		slowest = max(slowest, h.opened)
		r, err := h.log.Check(t.Context())
		if err != nil || !r.Good() {
			t.Fatalf("round %d: Check() = %+v, %v", round, r, err)
		}
		unfinished += len(r.Unfinished)
		next, after := h.journal.First(), journal.Position{}
		for k, err := range h.log.Read(t.Context(), 0) {
			if err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
			if want, ok := acked[k.Index]; ok && want != k.Leaf.String() {
				t.Fatalf("round %d: record %d is %s, %s was acknowledged", round, k.Index, k.Leaf, want)
			}
			if erased[k.Index] && len(k.Erased) != 1 {
				t.Fatalf("round %d: record %d was erased, and says %+v", round, k.Index, k)
			}
			if k.Kind != evidence.KindSeal {
				continue
			}
			b, _ := k.Get("range")
			s, err := evidence.ReadRange(b)
			if err != nil || s.From != next {
				t.Fatalf("round %d: a seal from %s after one to %s, %v; want from %s", round, s.From, after, err, next)
			}
			seal, err := journal.SealRoot(t.Context(), h.journal, 4, s.From, s.To, everybody{})
			if err != nil || seal.Root != s.Root {
				t.Fatalf("round %d: the seal to %s is not that of the journal: %v", round, s.To, err)
			}
			after = s.To
			for e, err := range h.journal.Read(t.Context(), journal.Position{Frame: s.To.Frame, Index: s.To.Index + 1}) {
				if err != nil {
					t.Fatal(err)
				}
				next = e.Position
				break
			}
		}
		if n := h.log.Size(); len(acked) > 0 && n == 0 {
			t.Fatalf("round %d: nothing is there", round)
		}
		for i := range acked {
			if i >= h.log.Size() {
				t.Fatalf("round %d: record %d was acknowledged, and there are %d", round, i, h.log.Size())
			}
		}
		if err := h.close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d kills, %d acknowledged records, %d erased, %d bodies without leaf found and forgotten, slowest opening %s", rounds, len(acked), len(erased), unfinished, slowest)
}

// A long log by what a server has: how fast records are written by many, checked, and opened.
func BenchmarkHouse(b *testing.B) {
	dir := b.TempDir()
	h, err := openHouse(b.Context(), dir)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("append by 200 at once", func(b *testing.B) {
		for b.Loop() {
			var wg sync.WaitGroup
			for range 200 {
				wg.Go(func() {
					if _, err := h.log.Append(b.Context(), evidence.Record{Kind: evidence.KindHunt, Tenant: "north", Fields: []evidence.Field{
						{Name: "question", Value: make([]byte, 32)},
						{Name: "answer", Value: []byte("some")},
						{Name: "people", Value: []byte("ana")},
						{Name: "case", Value: []byte("case-1")},
						{Name: "window", Value: []byte("90")},
						{Name: "scope", Value: []byte("host")},
					}}); err != nil {
						b.Error(err)
					}
				})
			}
			wg.Wait()
		}
	})
	b.Run("check", func(b *testing.B) {
		var n uint64
		for b.Loop() {
			r, err := h.log.Check(b.Context())
			if err != nil || !r.Good() {
				b.Fatal(r, err)
			}
			n = r.Records
		}
		b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(n), "µs/record")
		b.ReportMetric(float64(n), "records")
	})
	b.Run("seal", func(b *testing.B) {
		if err := h.close(b.Context()); err != nil {
			b.Fatal(err)
		}
		if h, err = openHouse(b.Context(), dir); err != nil {
			b.Fatal(err)
		}
		s := h.log.Sealing(h.journal, 4, everybody{}, evidence.SealingOptions{})
		total := 0
		for b.Loop() {
			b.StopTimer()
			var fs [][]journal.Entry
			for range 256 {
				fs = append(fs, journaltest.Entries(total, journal.MaxFrame))
				total += journal.MaxFrame
			}
			if err := h.journal.Append(b.Context(), fs...); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
			ctx, cancel := context.WithCancel(b.Context())
			var wg sync.WaitGroup
			wg.Go(func() { _ = s.Run(ctx) })
			for last := h.journal.Last().Frame; ; time.Sleep(time.Millisecond) {
				p, err := s.Place(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				if p.Frame+16 >= last {
					break
				}
			}
			cancel()
			wg.Wait()
		}
		b.ReportMetric(float64(h.opened.Microseconds())/1000, "ms/open")
		b.ReportMetric(float64(total)/b.Elapsed().Seconds(), "entries/s")
	})
	if err := h.close(context.Background()); err != nil {
		b.Fatal(err)
	}
}
