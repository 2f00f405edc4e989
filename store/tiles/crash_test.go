//go:build unix

package tiles_test

import (
	"bufio"
	"context"
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

	"golang.org/x/sys/unix"

	"vedette/record/evidence"
	"vedette/record/evidence/evidencetest"
	"vedette/store/tiles"
)

// child does what a test started this binary for, and reports whether it was started so.
func child() bool {
	dir := os.Getenv("TILES_DIR")
	var err error
	switch os.Getenv("TILES_CHILD") {
	case "":
		return false
	case "open":
		s, _ := evidencetest.Keys()
		_, err = tiles.Open(context.Background(), dir, s, tiles.Options{})
	case "append":
		err = appendForEver(dir)
	case "house":
		err = keepHouse(dir)
	case "full":
		err = fullDisk(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

// appendForEver appends leaves from three places at once and prints each that is acknowledged.
func appendForEver(dir string) error {
	ctx := context.Background()
	s, _ := evidencetest.Keys()
	tree, err := tiles.Open(ctx, dir, s, tiles.Options{})
	if err != nil {
		return err
	}
	fmt.Println("open")
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for {
				leaves := make([][]byte, 1+rand.IntN(90))
				for i := range leaves {
					leaves[i] = strconv.AppendUint(nil, rand.Uint64(), 36)
				}
				first, err := tree.Append(ctx, leaves)
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				mu.Lock()
				for i := range leaves {
					fmt.Printf("%d %s\n", first+uint64(i), leaves[i])
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return nil
}

// Kill -9 at any moment, many times: what was acknowledged stands where it was said to, under a good checkpoint that continues every earlier one.
func TestKilledProcessLosesNothingThatWasAcknowledged(t *testing.T) {
	rounds := 40
	if testing.Short() {
		rounds = 8
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "log")
	acked := map[uint64]string{}
	var was evidence.Checkpoint
	slowest := time.Duration(0)
	_, verifier := evidencetest.Keys()
	for round := range rounds {
		killed := exec.Command(exe)
		killed.Env = append(os.Environ(), "TILES_CHILD=append", "TILES_DIR="+dir)
		var stderr strings.Builder
		killed.Stderr = &stderr
		out, err := killed.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := killed.Start(); err != nil {
			t.Fatal(err)
		}
		// The child is killed so long after it opened the folder, or at once while it opens it.
		lines := bufio.NewScanner(out)
		if round%8 != 7 {
			lines.Scan()
		}
		timer := time.AfterFunc(time.Duration(rand.IntN(400_000))*time.Microsecond, func() { _ = killed.Process.Kill() })
		for lines.Scan() {
			at, leaf, ok := strings.Cut(lines.Text(), " ")
			if i, err := strconv.ParseUint(at, 10, 64); ok && err == nil {
				acked[i] = leaf // never half a line: each is one write to a pipe
			}
		}
		timer.Stop()
		_ = killed.Process.Kill()
		_ = killed.Wait()
		if stderr.Len() > 0 {
			t.Fatalf("round %d: the child said %s", round, stderr.String())
		}
		begin := time.Now()
		tree := openIn(t, dir)
		size, err := tree.Size(t.Context())
		slowest = max(slowest, time.Since(begin))
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		b, err := tree.Checkpoint(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		cp, err := evidence.OpenCheckpoint(b, verifier)
		if err != nil || cp.Size != size {
			t.Fatalf("round %d: checkpoint %+v, %v; %d leaves", round, cp, err, size)
		}
		p, err := tree.Consistency(t.Context(), was.Size, cp.Size)
		if err == nil {
			err = evidence.CheckConsistency(was, cp, p)
		}
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		was = cp
		for i, want := range acked {
			got, err := tree.Leaf(t.Context(), i)
			if err != nil || string(got) != want {
				t.Fatalf("round %d: leaf %d is %q, %v; %q was acknowledged", round, i, got, err, want)
			}
		}
		if err := tree.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	tree := openIn(t, dir)
	var leaves [][]byte
	for i := range was.Size {
		leaf, err := tree.Leaf(t.Context(), i)
		if err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, leaf)
	}
	clientVerifies(t, dir, verifier, evidencetest.Origin, leaves)
	if len(acked) == 0 {
		t.Error("nothing was acknowledged in any round")
	}
	t.Logf("%d kills, %d acknowledged leaves of %d, slowest opening with its size %s", rounds, len(acked), was.Size, slowest)
}

// fullDisk appends while no file may grow beyond a limit that comes and goes, and looks whether what stands is what was acknowledged.
func fullDisk(dir string) error {
	ctx := context.Background()
	s, v := evidencetest.Keys()
	tree, err := tiles.Open(ctx, dir, s, tiles.Options{Patience: 300 * time.Millisecond})
	if err != nil {
		return err
	}
	acked := map[uint64]string{}
	failures, r := 0, rand.New(rand.NewPCG(1, 2))
	for round := range 60 {
		limit := uint64(unix.RLIM_INFINITY)
		if round%2 == 1 {
			limit = uint64(r.IntN(6000)) // in the middle of a bundle, a tile, the state, the checkpoint
		}
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: limit, Max: unix.RLIM_INFINITY}); err != nil {
			return err
		}
		leaves := make([][]byte, 1+r.IntN(30))
		for i := range leaves {
			leaves[i] = fmt.Appendf(nil, "round %d leaf %d", round, i)
		}
		first, err := tree.Append(ctx, leaves)
		if err != nil {
			if failures++; limit == unix.RLIM_INFINITY {
				return fmt.Errorf("round %d with room: %w", round, err)
			}
		} else {
			for i := range leaves {
				acked[first+uint64(i)] = string(leaves[i])
			}
		}
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}); err != nil {
			return err
		}
		size, err := tree.Size(ctx) // with room again, what stands is known
		if err != nil {
			return fmt.Errorf("round %d: size: %w", round, err)
		}
		for i, want := range acked {
			if got, err := tree.Leaf(ctx, i); err != nil || string(got) != want {
				return fmt.Errorf("round %d: leaf %d is %q, %w; %q was acknowledged", round, i, got, err, want)
			}
		}
		b, err := tree.Checkpoint(ctx)
		if err != nil {
			return err
		}
		if cp, err := evidence.OpenCheckpoint(b, v); err != nil || cp.Size != size {
			return fmt.Errorf("round %d: checkpoint %+v, %w", round, cp, err)
		}
	}
	if err := tree.Close(ctx); err != nil {
		return err
	}
	litter := 0
	err = filepath.WalkDir(dir, func(path string, f os.DirEntry, err error) error {
		if name := f.Name(); err == nil && !f.IsDir() && name[len(name)-1] >= '0' && name[len(name)-1] <= '9' && len(name) > 3 {
			litter++
		}
		return err
	})
	if err != nil || litter > 0 {
		return fmt.Errorf("%d half-written files were left, %w", litter, err)
	}
	fmt.Printf("%d appends failed, %d leaves acknowledged\n", failures, len(acked))
	if failures < 5 || len(acked) < 100 {
		return fmt.Errorf("%d failures and %d acknowledged leaves: this tests nothing", failures, len(acked))
	}
	return nil
}

func TestAFullDiskLosesNothingThatWasAcknowledged(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "log")
	full := exec.Command(exe)
	full.Env = append(os.Environ(), "TILES_CHILD=full", "TILES_DIR="+dir)
	out, err := full.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	t.Logf("%s", out)
	tree := openIn(t, dir)
	size, err := tree.Size(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var leaves [][]byte
	for i := range size {
		leaf, err := tree.Leaf(t.Context(), i)
		if err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, leaf)
	}
	_, v := evidencetest.Keys()
	clientVerifies(t, dir, v, evidencetest.Origin, leaves)
}
