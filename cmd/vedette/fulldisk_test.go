package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// smallDisk mounts a disk of its own, or skips.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("vedette-test", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("SKIPPED: no small disk can be mounted here (%v); store/frames holds the journal against a disk that says it is full", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestAServerOnAFullDiskRefusesAndRecovers fills the disk under the true program again and again, frees it, and kills the program in between.
// While the disk is full there is no verdict; once it is not, there are verdicts without a restart; what was answered is in the journal.
func TestAServerOnAFullDiskRefusesAndRecovers(t *testing.T) {
	if testing.Short() {
		t.Skip("the long form of this runs with make test")
	}
	disk := smallDisk(t, "320m")
	m := newMachine(t)
	m.data = filepath.Join(disk, "data")
	key := strings.TrimSpace(string(m.run(nil, "key", "create", "--scope", "decide,events,read")))
	ballast := filepath.Join(disk, "ballast")
	fill := func() {
		f, err := os.Create(ballast)
		if err != nil {
			t.Fatal(err)
		}
		zeros := make([]byte, 1<<20)
		for len(zeros) > 0 { // to the last byte
			if _, err := f.Write(zeros); err != nil {
				zeros = zeros[:len(zeros)/2]
			}
		}
		_ = f.Close()
	}
	rng := rand.New(rand.NewPCG(7, uint64(os.Getpid())))
	answered := map[string]string{}
	var mu sync.Mutex
	var ok, refused, unclear atomic.Int64
	full := 0
	for round := range 8 {
		g := m.serve()
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for c := range 4 {
			wg.Go(func() {
				for i := 0; ctx.Err() == nil; i++ {
					body := fmt.Sprintf(`{"id":"f%d-%d-%d","kind":"link.sent","at":%q,"actor":"@n%d-%d-%d:chat.example","to":{"account":"@q%d:chat.example"},"links":[{"url":"https://ferry.example/%d"}]}`,
						round, c, i, time.Now().UTC().Format(time.RFC3339), round, c, i, i%70, i)
					status, answer := g.post("/v1/decide", key, "application/json", []byte(body))
					switch status {
					case http.StatusOK:
						ok.Add(1)
						mu.Lock()
						answered[body] = string(answer)
						mu.Unlock()
					case http.StatusServiceUnavailable:
						refused.Add(1)
						if strings.Contains(string(answer), "verdict\":\"") {
							t.Errorf("a refusal with a verdict: %s", answer)
						}
						time.Sleep(time.Millisecond)
					case 0: // killed
					default:
						unclear.Add(1)
						t.Errorf("%d %s", status, answer)
						return
					}
				}
			})
		}
		until := func(what string, n *atomic.Int64) {
			t.Helper()
			from := n.Load()
			for deadline := time.Now().Add(60 * time.Second); n.Load() < from+20; time.Sleep(5 * time.Millisecond) {
				select {
				case <-g.done:
					t.Fatalf("the server ended instead of %s: %s", what, g.cmd.Stderr)
				default:
				}
				if time.Now().After(deadline) {
					t.Fatalf("not %s within a minute: %s", what, g.cmd.Stderr)
				}
			}
		}
		for range 3 {
			until("answering", &ok)
			time.Sleep(time.Duration(rng.IntN(50)) * time.Millisecond)
			fill()
			until("refusing", &refused)
			full++
			if round%4 == 3 {
				break // killed on a full disk
			}
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
		}
		if round%2 == 0 {
			until("answering", &ok)
		}
		g.kill()
		cancel()
		wg.Wait()
		_ = os.Remove(ballast)
	}
	g := m.serve()
	for body, want := range answered {
		if status, got := g.post("/v1/decide", key, "application/json", []byte(body)); status != http.StatusOK || string(got) != want {
			t.Fatalf("%s\nwas answered %s\nnow %d %s", body, want, status, got)
		}
	}
	g.end()
	t.Logf("%d answers, %d refusals; the disk was full %d times", ok.Load(), refused.Load(), full)
}
