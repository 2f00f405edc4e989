package history

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"vedette"
	"vedette/record/journal"
	"vedette/watch/hunt"
	"vedette/watch/hunt/hunttest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("HISTORY_CRASH_CHILD"); dir != "" {
		if err := crashChild(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

var erased = vedette.AccountID{0xee}

// frameOf is what stands in one frame of the crash test's journal: the only thing that may be found of it. Every seventh frame holds somebody who
// is erased when the child has written it.
func frameOf(n uint64) []hunt.Sighting {
	rows := make([]hunt.Sighting, 5+n%40)
	for i := range rows {
		k := n*1000 + uint64(i)
		rows[i] = hunt.Sighting{
			At: hunttest.Start.Add(time.Duration(n/20*6+k%5) * time.Hour).Truncate(time.Millisecond), Act: hunt.Sent, Domain: hunt.Key(1 + k%17), Host: hunt.Key(100 + k%31),
			URL: hunt.Key(k + 1_000_000), From: vedette.AccountID{1, byte(k), byte(k >> 8)}, To: vedette.AccountID{2, byte(k), byte(k >> 8)},
			Position: journal.Position{Frame: n, Index: uint16(i)},
		}
	}
	if n%7 == 0 {
		rows[0].From = erased
	}
	return rows
}

func allUnits() []hunt.Key {
	var ks []hunt.Key
	for k := range hunt.Key(17) {
		ks = append(ks, k+1)
	}
	return ks
}

// crashChild adds and flushes for ever, erases now and then, and says what is acknowledged.
func crashChild(dir string) error {
	ctx := context.Background()
	h, err := Open(ctx, dir, Options{})
	if err != nil {
		return err
	}
	for n := h.Position().Frame + 1; ; n++ {
		if err := h.Add(ctx, frameOf(n), journal.Position{Frame: n, Index: 255}); err != nil {
			return err
		}
		if err := h.Flush(ctx); err != nil {
			return err
		}
		if n%14 == 0 {
			if _, err := h.Erase(ctx, erased, vedette.GroupID{}); err != nil {
				return err
			}
			fmt.Println("erased", n)
		}
		fmt.Println("flushed", h.Position().Frame)
	}
}

// checkFrames holds what a history has against what it may have: every frame up to its position, once; nobody of the erased frames.
func checkFrames(t *testing.T, h *History, erasedUpto uint64) {
	t.Helper()
	upto := h.Position().Frame
	seen := map[journal.Position]int{}
	damaged, err := h.Find(context.Background(), allUnits(), hunt.Window{}, func(_ int, s *hunt.Sighting) bool {
		seen[s.Position]++
		if s.From == erased && s.Position.Frame <= erasedUpto {
			t.Fatalf("somebody erased is found at %s", s.Position)
		}
		if want := frameOf(s.Position.Frame)[s.Position.Index]; *s != want {
			t.Fatalf("found %+v, want %+v", *s, want)
		}
		return true
	})
	if err != nil || len(damaged) > 0 {
		t.Fatalf("Find = %v, %v", damaged, err)
	}
	for n := uint64(1); n <= upto; n++ {
		for _, s := range frameOf(n) {
			switch {
			case s.From == erased: // may be gone: an erasure may have been done and not been told
			case seen[s.Position] != 1:
				t.Fatalf("a sighting at %s is found %d times, position is %d", s.Position, seen[s.Position], upto)
			}
			if seen[s.Position] > 1 {
				t.Fatalf("a sighting at %s is found %d times", s.Position, seen[s.Position])
			}
			delete(seen, s.Position)
		}
	}
	if len(seen) > 0 {
		t.Fatalf("%d sightings are found beyond the position %d", len(seen), upto)
	}
}

func TestKilledItLosesNothingThatWasAcknowledged(t *testing.T) {
	kills := 40
	if testing.Short() {
		kills = 5
	}
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(3, 4))
	var flushed, gone uint64
	for range kills {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "HISTORY_CRASH_CHILD="+dir)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		after := 1 + rng.IntN(25)
		for i := 0; lines.Scan(); i++ {
			what, n, _ := strings.Cut(lines.Text(), " ")
			v, err := strconv.ParseUint(n, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			if what == "erased" {
				gone = v
			} else {
				flushed = v
			}
			if i == after { // what it does next is cut off somewhere
				for range rng.IntN(200_000) {
				}
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_, _ = io.Copy(io.Discard, out)
		if err := cmd.Wait(); err == nil {
			t.Fatal("the child ended by itself")
		}
		h, err := Open(t.Context(), dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if got := h.Position().Frame; got < flushed {
			t.Fatalf("position is %d, acknowledged was %d", got, flushed)
		}
		checkFrames(t, h, gone)
		if wrong, err := h.Verify(t.Context()); err != nil || len(wrong) > 0 {
			t.Fatalf("Verify = %v, %v", wrong, err)
		}
		if err := h.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if flushed < uint64(kills) {
		t.Errorf("only %d frames in %d lives", flushed, kills)
	}
}

// TestWhateverTheDiskDoesNothingAcknowledgedIsLost fails each operation of the disk in its turn, then takes the power away: what was not synced
// is lost, in part.
func TestWhateverTheDiskDoesNothingAcknowledgedIsLost(t *testing.T) {
	tries := 400
	if testing.Short() {
		tries = 60
	}
	failed := 0
	for try := range tries {
		rng := rand.New(rand.NewPCG(uint64(try), 9))
		disk := vfs.NewCrashableMem()
		var count atomic.Int64
		breaks := int64(20 + try*3)
		lasting := try%2 == 0
		inject := errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind.ReadOrWrite() != errorfs.OpIsWrite {
				return nil
			}
			if n := count.Add(1); n == breaks || lasting && n > breaks {
				return errors.New("the disk is broken")
			}
			return nil
		})
		ctx := context.Background()
		h, err := Open(ctx, "/h", Options{FS: errorfs.Wrap(disk, inject)})
		var acked, gone uint64
		if err == nil {
			for n := uint64(1); n <= 30; n++ {
				// What could not be flushed is found all the same, and is flushed later.
				if err := h.Add(ctx, frameOf(n), journal.Position{Frame: n, Index: 255}); err != nil {
					t.Fatal(err)
				}
				if err := h.Flush(ctx); err != nil {
					failed++
				} else if acked = n; h.Position().Frame != n {
					t.Fatalf("flushed %d, position %s", n, h.Position())
				}
				if n%14 == 0 {
					if _, err := h.Erase(ctx, erased, vedette.GroupID{}); err == nil {
						gone = n
					}
				}
			}
			// Before the power goes, everything is found, whatever failed.
			seen := 0
			if _, err := h.Find(ctx, allUnits(), hunt.Window{}, func(int, *hunt.Sighting) bool { seen++; return true }); err != nil {
				t.Fatal(err)
			}
		}
		after := disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 50, 100}[try%3], RNG: rng})
		if h != nil {
			_ = h.Close(ctx) // of the disk that is no more
		}
		again, err := Open(ctx, "/h", Options{FS: after})
		if err != nil {
			t.Fatalf("try %d: open after the crash: %v", try, err)
		}
		if got := again.Position().Frame; got < acked {
			t.Fatalf("try %d: position is %d, acknowledged was %d", try, got, acked)
		}
		checkFrames(t, again, gone)
		if wrong, err := again.Verify(ctx); err != nil || len(wrong) > 0 {
			t.Fatalf("try %d: Verify = %v, %v", try, wrong, err)
		}
		for n := again.Position().Frame + 1; n <= 40; n++ {
			rows := frameOf(n)
			if n <= gone {
				rows = slices.DeleteFunc(rows, func(s hunt.Sighting) bool { return s.From == erased }) // who adds knows
			}
			if err := again.Add(ctx, rows, journal.Position{Frame: n, Index: 255}); err != nil {
				t.Fatal(err)
			}
		}
		if err := again.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		checkFrames(t, again, gone)
		if err := again.Close(ctx); err != nil {
			t.Fatal(err)
		}
	}
	if failed == 0 {
		t.Error("no flush failed: nothing was tested")
	}
}
