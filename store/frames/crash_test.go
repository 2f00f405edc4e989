package frames_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"vedette"
	"vedette/record/journal"
	"vedette/record/journal/journaltest"
	"vedette/store/frames"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("FRAMES_CRASH_CHILD"); dir != "" {
		if err := crashChild(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func crashOptions() frames.Options {
	// A small memory table, so that the kill also falls into writing it out and into changing the log's file.
	return frames.Options{MemTableBytes: 512 << 10, CacheBytes: 1 << 20, ReserveBytes: -1}
}

// crashEntry is the only entry that may stand at a position.
func crashEntry(at journal.Position) journal.Entry {
	return journaltest.Entry(int(at.Frame)*1000 + int(at.Index))
}

// crashChild appends for ever and prints the last position of each acknowledged append. Its entries' platform tells which frames were
// appended together.
func crashChild(dir string) error {
	ctx := context.Background()
	j, err := frames.Open(ctx, dir, crashOptions())
	if err != nil {
		return err
	}
	fmt.Println("open")
	r := rand.New(rand.NewPCG(rand.Uint64(), 1))
	for {
		next := j.Last().Frame + 1
		k := uint64(1 + r.IntN(4))
		var fs [][]journal.Entry
		for i := range k {
			f := make([]journal.Entry, 1+r.IntN(40))
			for e := range f {
				f[e] = crashEntry(journal.Position{Frame: next + i, Index: uint16(e)})
				f[e].Event.Platform = strconv.FormatUint(next+k-1, 10)
			}
			fs = append(fs, f)
		}
		if err := j.Append(ctx, fs...); err != nil {
			return err
		}
		at := j.Last()
		fmt.Printf("%d %d\n", at.Frame, at.Index)
		if r.IntN(8) == 0 {
			if err := j.SaveState(ctx, "gate/"+strconv.Itoa(r.IntN(4)), at, make([]byte, r.IntN(4096))); err != nil {
				return err
			}
		}
		if r.IntN(50) == 0 && at.Frame > 40 {
			if err := j.Purge(ctx, at.Frame-40); err != nil {
				return err
			}
		}
	}
}

// Kill -9 at any moment, hundreds of times: every acknowledged entry is there, in order, without a hole, and no append is there by half.
func TestKilledProcessLosesNothingThatWasAcknowledged(t *testing.T) {
	rounds := 240
	if testing.Short() {
		rounds = 24
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var dir string
	acks := 0
	slowest := time.Duration(0)
	for round := range rounds {
		if round%40 == 0 {
			dir = filepath.Join(t.TempDir(), "journal")
		}
		acked := kill(t, exe, dir, time.Duration(rand.IntN(40_000))*time.Microsecond, &acks)
		begin := time.Now()
		j, err := frames.Open(t.Context(), dir, crashOptions())
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		slowest = max(slowest, time.Since(begin))
		last := j.Last()
		if last.Less(acked) {
			t.Fatalf("round %d: the last entry is %s, but %s was acknowledged", round, last, acked)
		}
		want := j.First()
		for e, err := range j.Read(t.Context(), journal.Position{}) {
			if err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
			if e.Position != want {
				if next := (journal.Position{Frame: want.Frame + 1}); want.Index == 0 || e.Position != next {
					t.Fatalf("round %d: %s stands where %s is due", round, e.Position, want)
				}
			}
			if e.Event.ID != crashEntry(e.Position).Event.ID {
				t.Fatalf("round %d: at %s is another entry", round, e.Position)
			}
			if group, err := strconv.ParseUint(e.Event.Platform, 10, 64); err != nil || group > last.Frame {
				t.Fatalf("round %d: %s was appended together with frames up to %s, but the last is %s", round, e.Position, e.Event.Platform, last)
			}
			want = journal.Position{Frame: e.Position.Frame, Index: e.Position.Index + 1}
		}
		if last != (journal.Position{}) && want != (journal.Position{Frame: last.Frame, Index: last.Index + 1}) {
			t.Fatalf("round %d: reading ended before %s, the last is %s", round, want, last)
		}
		if acked != (journal.Position{}) {
			e := crashEntry(acked)
			if got, err := j.Find(t.Context(), "north", e.Event.ID, e.Event.Seen); err != nil || got.Position != acked {
				t.Fatalf("round %d: the acknowledged entry %s is found at %s, %v", round, acked, got.Position, err)
			}
		}
		states, err := j.LoadStates(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range states {
			if last.Less(s.At) {
				t.Fatalf("round %d: state %s at %s is ahead of the last entry, %s", round, s.Name, s.At, last)
			}
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d kills, %d acknowledged appends, slowest opening afterwards %s", rounds, acks, slowest)
}

// kill starts a child, lets it append for a while, kills it, and returns the last position that it printed as acknowledged.
func kill(t *testing.T, exe, dir string, after time.Duration, acks *int) journal.Position {
	t.Helper()
	child := exec.Command(exe)
	child.Env = append(os.Environ(), "FRAMES_CRASH_CHILD="+dir)
	var stderr strings.Builder
	child.Stderr = &stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	// Half of the kills fall into the opening of the folder or soon after it.
	opened := make(chan struct{})
	killed := make(chan error, 1)
	early := rand.IntN(4) == 0
	go func() {
		if !early {
			<-opened
		}
		<-time.After(after)
		killed <- child.Process.Kill()
	}()
	var acked journal.Position
	signal := opened
	for {
		line, err := lines.ReadString('\n')
		if signal != nil {
			close(signal)
			signal = nil
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				t.Fatal(err)
			}
			break
		}
		if line == "open\n" {
			continue
		}
		if _, err := fmt.Sscanf(line, "%d %d\n", &acked.Frame, &acked.Index); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		*acks++
	}
	if err := <-killed; err != nil {
		t.Fatalf("the child ended by itself: %s", stderr.String())
	}
	if err := child.Wait(); err == nil || child.ProcessState.ExitCode() != -1 {
		t.Fatalf("the child ended by itself: %v: %s", err, stderr.String())
	}
	return acked
}

func TestASecondOpenerIsRefusedByName(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, crashOptions())
	if _, err := frames.Open(t.Context(), dir, crashOptions()); !errors.Is(err, frames.ErrOwned) || !errors.Is(err, vedette.ErrBusy) || !strings.Contains(err.Error(), "this process") {
		t.Errorf("a second opening in this process: %v", err)
	}
	other := func() string {
		exe, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		child := exec.Command(exe)
		child.Env = append(os.Environ(), "FRAMES_CRASH_CHILD="+dir)
		out, err := child.CombinedOutput()
		if err == nil {
			t.Fatal("another process opened the folder")
		}
		return string(out)
	}
	want := "process " + strconv.Itoa(os.Getpid())
	for range 2 { // having been asked who owns it, the folder is still owned
		if got := other(); !strings.Contains(got, want) || !strings.Contains(got, "in use") {
			t.Errorf("another process is told %q, want %q in it", got, want)
		}
	}
	if err := j.Append(t.Context(), journaltest.Entries(0, 1)); err != nil {
		t.Error(err)
	}
}

func TestAnotherPartitionsFolderIsRefused(t *testing.T) {
	dir := t.TempDir()
	opts := crashOptions()
	opts.Partition = 3
	j := open(t, dir, opts)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := frames.Open(t.Context(), dir, crashOptions()); !errors.Is(err, vedette.ErrConflict) {
		t.Errorf("%v, want ErrConflict", err)
	}
}

func TestAClosedJournalSaysSo(t *testing.T) {
	j := open(t, t.TempDir(), crashOptions())
	if err := j.Append(t.Context(), journaltest.Entries(0, 3)); err != nil {
		t.Fatal(err)
	}
	waiting := make(chan error)
	go func() { waiting <- j.Wait(context.WithoutCancel(t.Context()), j.Last()) }()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-waiting; !errors.Is(err, journal.ErrClosed) {
		t.Errorf("Wait: %v", err)
	}
	if err := j.Append(t.Context(), journaltest.Entries(3, 1)); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("Append: %v", err)
	}
	if _, err := j.Find(t.Context(), "north", vedette.EventID{1}, time.Time{}); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("Find: %v", err)
	}
	for _, err := range j.Read(t.Context(), journal.Position{}) {
		if !errors.Is(err, journal.ErrClosed) {
			t.Errorf("Read: %v", err)
		}
	}
	if err := j.SaveState(t.Context(), "x", journal.Position{}, []byte{1}); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("SaveState: %v", err)
	}
	if err := j.Purge(t.Context(), 9); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("Purge: %v", err)
	}
	if err := j.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
}
