package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"vedette/internal/corpus"
	"vedette/sim"
)

// whole measures the true program from outside and writes its findings as lines that benchstat reads too. It runs for minutes, so it runs only
// when VEDETTE_BENCH_WHOLE names the file for the lines; VEDETTE_BENCH_QUICK makes it short, which shows that it works and little more.
type whole struct {
	t     *testing.T
	out   *os.File
	quick bool
}

func (w *whole) pick(full, quick time.Duration) time.Duration {
	if w.quick {
		return quick
	}
	return full
}

func (w *whole) count(full, quick int) int {
	if w.quick {
		return quick
	}
	return full
}

// say writes one line: pairs of a number and its unit.
func (w *whole) say(name string, pairs ...any) {
	var b strings.Builder
	fmt.Fprintf(&b, "BenchmarkWhole/%s 1", name)
	for i := 0; i+1 < len(pairs); i += 2 {
		fmt.Fprintf(&b, " %v %s", pairs[i], pairs[i+1])
	}
	w.t.Log(b.String())
	if _, err := fmt.Fprintln(w.out, b.String()); err != nil {
		w.t.Fatal(err)
	}
}

// TestTheWholeProgramMeasured is the end-to-end part of docs/benchmarks.md (scripts/bench.sh).
func TestTheWholeProgramMeasured(t *testing.T) {
	path := os.Getenv("VEDETTE_BENCH_WHOLE")
	if path == "" {
		t.Skip("a measurement of many minutes: scripts/bench.sh runs it")
	}
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := out.Close(); err != nil {
			t.Error(err)
		}
	}()
	w := &whole{t, out, os.Getenv("VEDETTE_BENCH_QUICK") != ""}
	for _, part := range []struct {
		name string
		run  func(*whole)
	}{
		{"decide", (*whole).decide},
		{"batches", (*whole).batches},
		{"swap", (*whole).swap},
		{"replay", (*whole).replay},
		{"first answer", (*whole).firstAnswer},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(&whole{t, w.out, w.quick}) })
	}
}

// TestABareServer is no test: in a process of its own it is what the true server is compared with. It decodes the JSON and answers a constant.
func TestABareServer(t *testing.T) {
	address := os.Getenv("VEDETTE_BENCH_BARE")
	if address == "" {
		t.Skip("the other side of a measurement: scripts/bench.sh runs it")
	}
	constant := []byte(`{"verdict":"allow"}`)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/decide", func(w http.ResponseWriter, r *http.Request) {
		var e bareEvent
		if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(constant)
	})
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	_ = http.Serve(l, mux) // until it is killed
}

// bareEvent is what a program without our reader would decode into.
type bareEvent struct {
	ID, Kind, Actor, Device, Attestation, Group, By string
	At                                              time.Time
	Network                                         *struct {
		Address, Country, Class string
		ASN                     uint32
	}
	To *struct {
		Account, Group string
		Size           int
	}
	Stranger  *bool
	Forwarded int
	Bytes     int
	Links     []struct{ URL, Where string }
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

func (w *whole) bare() (address string, end func()) {
	address = freeAddress(w.t)
	cmd := exec.Command(os.Args[0], "-test.run=^TestABareServer$")
	cmd.Env = append(os.Environ(), "VEDETTE_BENCH_BARE="+address)
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	for i := 0; ; i++ {
		if c, err := net.Dial("tcp", address); err == nil {
			_ = c.Close()
			break
		}
		if i == 1000 {
			w.t.Fatal("no bare server within 5 s")
		}
		time.Sleep(5 * time.Millisecond)
	}
	return address, func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }
}

// list is so many made-up hosts that are nobody's; the first changed of them differ between rounds.
func (w *whole) list(m *machine, n, changed, round int) string {
	var b bytes.Buffer
	for i := range n {
		if i < changed {
			fmt.Fprintf(&b, "r%d-%x.example\n", round, uint64(i)*0x9e3779b97f4a7c15>>20)
			continue
		}
		fmt.Fprintf(&b, "h%x.example\n", uint64(i)*0x9e3779b97f4a7c15>>16)
	}
	return m.write(fmt.Sprintf("list-%d.txt", round), b.Bytes())
}

const listed = 100_000 // indicators that the server has

// furnished is a machine with listed indicators and a key.
func (w *whole) furnished() (*machine, string) {
	m := newMachine(w.t)
	m.run([]int{exitPartial}, "indicator", "import", "--json", w.list(m, listed, 0, 0), "--source", "lab", "--grade", "A1", "--verdict", "block")
	return m, strings.TrimSpace(string(m.run(nil, "key", "create", "--scope", "decide,events")))
}

// requests are whole HTTP requests with one event each, all about one link, ready to be written to a socket.
func requests(address, key string, seed uint64, n int) [][]byte {
	reqs := make([][]byte, 0, n)
	for line := range sim.TrafficFrom(seed, 20_000, math.MaxInt, time.Now().Add(-time.Minute), time.Microsecond) {
		if !bytes.Contains(line, []byte(`"kind":"link.sent"`)) {
			continue
		}
		reqs = append(reqs, fmt.Appendf(nil, "POST /v1/decide HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
			address, key, len(line), line))
		if len(reqs) == n {
			break
		}
	}
	return reqs
}

// caller is a connection that costs as little as it can, so that what is measured is the server.
type caller struct {
	c net.Conn
	r *bufio.Reader
}

func call(address string) (*caller, error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return &caller{c, bufio.NewReaderSize(c, 16<<10)}, nil
}

// ask returns the status. It reads answers that have a length, as these have.
func (c *caller) ask(req []byte) (int, error) {
	if _, err := c.c.Write(req); err != nil {
		return 0, err
	}
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if len(line) < 12 {
		return 0, fmt.Errorf("status line %q", line)
	}
	status, err := strconv.Atoi(string(line[9:12]))
	if err != nil {
		return 0, err
	}
	length := -1
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if name, value, ok := bytes.Cut(line, []byte(": ")); ok && bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, err
			}
		}
	}
	if length < 0 {
		return 0, fmt.Errorf("an answer without a length")
	}
	_, err = c.r.Discard(length)
	return status, err
}

// sample is one answered request.
type sample struct {
	at   time.Time
	took time.Duration
	ok   bool
}

// load asks from so many callers until the time is over or the requests are used up. With a rate, requests are due at even intervals and
// waiting counts from when one was due, so that a stalled server is not asked less.
func (w *whole) load(address string, reqs [][]byte, callers int, rate float64, length time.Duration) (all []sample, took time.Duration) {
	w.t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	begin := time.Now()
	end := begin.Add(length)
	for n := range callers {
		wg.Go(func() {
			c, err := call(address)
			if err != nil {
				w.t.Error(err)
				return
			}
			defer func() { _ = c.c.Close() }()
			own := make([]sample, 0, len(reqs)/callers+1)
			for i := n; i < len(reqs); i += callers {
				due := time.Now()
				if rate > 0 {
					due = begin.Add(time.Duration(float64(i) / rate * float64(time.Second)))
					time.Sleep(time.Until(due))
				}
				if due.After(end) {
					break
				}
				status, err := c.ask(reqs[i])
				if err != nil {
					w.t.Errorf("after %d requests: %v", len(own), err)
					break
				}
				own = append(own, sample{due, time.Since(due), status == http.StatusOK})
			}
			mu.Lock()
			defer mu.Unlock()
			all = append(all, own...)
		})
	}
	wg.Wait()
	return all, time.Since(begin)
}

// quantile is in milliseconds.
func quantile(all []sample, q float64) float64 {
	if len(all) == 0 {
		return math.NaN()
	}
	d := make([]time.Duration, len(all))
	for i, s := range all {
		d[i] = s.took
	}
	slices.Sort(d)
	return float64(d[min(len(d)-1, int(q*float64(len(d))))]) / float64(time.Millisecond)
}

func decided(all []sample) (n int) {
	for _, s := range all {
		if s.ok {
			n++
		}
	}
	return n
}

// decide compares single decisions of the true server, durable before each answer, with a bare handler that decodes the same JSON and answers a
// constant: the same bytes from the same callers, in turns.
func (w *whole) decide() {
	m, key := w.furnished()
	g := m.serve()
	ours := strings.TrimPrefix(g.url, "http://")
	bare, end := w.bare()
	defer end()
	seed := uint64(time.Now().UnixNano())
	long := w.pick(3*time.Second, 500*time.Millisecond)
	most := map[int]int{1: int(long.Seconds() * 15_000), 64: int(long.Seconds() * 35_000), 256: int(long.Seconds() * 35_000)}
	w.load(ours, requests(ours, key, seed, 20_000), 64, 0, time.Minute) // people become known
	for range w.count(5, 1) {
		for _, callers := range []int{1, 64, 256} {
			for _, side := range []struct{ name, address string }{{"bare", bare}, {"vedette", ours}} {
				seed++
				all, took := w.load(side.address, requests(side.address, key, seed, most[callers]), callers, 0, long)
				w.say(fmt.Sprintf("decide/%s/callers=%d", side.name, callers), float64(decided(all))/took.Seconds(), "requests/s",
					quantile(all, .5), "p50-ms", quantile(all, .99), "p99-ms", len(all)-decided(all), "refused")
			}
		}
	}
	// What the disk takes for one small synced write, as each answer with one caller waits for at least one.
	f, err := os.Create(filepath.Join(m.dir, "disk"))
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	block := make([]byte, 512)
	var syncs []sample
	for range 500 {
		t := time.Now()
		if _, err := f.Write(block); err != nil {
			w.t.Fatal(err)
		}
		if err := unix.Fdatasync(int(f.Fd())); err != nil {
			w.t.Fatal(err)
		}
		syncs = append(syncs, sample{took: time.Since(t)})
	}
	w.say("disk/sync", quantile(syncs, .5), "p50-ms", quantile(syncs, .99), "p99-ms")
	g.end()
}

// batches compares POST /v1/events of the true server with decoding the same lines alone: with encoding/json, on one core, in memory.
func (w *whole) batches() {
	m, key := w.furnished()
	g := m.serve()
	const lines = 5000
	seed := uint64(time.Now().UnixNano())
	batch := func() []byte {
		var b bytes.Buffer
		seed++
		for line := range sim.TrafficFrom(seed, 20_000, lines, time.Now().Add(-time.Minute), time.Microsecond) {
			b.Write(line)
			b.WriteByte('\n')
		}
		return b.Bytes()
	}
	// Only the answers are read meanwhile.
	post := func(b []byte) error {
		req, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, g.url+"/v1/events", bytes.NewReader(b))
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", "Bearer "+key)
		req.Header.Set("Content-Type", "application/x-ndjson")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		answer, err := io.ReadAll(resp.Body)
		if n := bytes.Count(answer, []byte(`"status":200`)); err == nil && n != lines {
			err = fmt.Errorf("%s: %d of %d lines decided", resp.Status, n, lines)
		}
		return err
	}
	for range w.count(8, 2) {
		if err := post(batch()); err != nil {
			w.t.Fatal(err)
		}
	}
	for range w.count(5, 1) {
		batches := make([][]byte, w.count(40, 6))
		for i := range batches {
			batches[i] = batch()
		}
		begin := time.Now()
		for _, b := range batches {
			for line := range bytes.Lines(b) {
				var e bareEvent
				if err := json.Unmarshal(line, &e); err != nil {
					w.t.Fatal(err)
				}
			}
		}
		w.say("batch/decoding-alone", float64(len(batches)*lines)/time.Since(begin).Seconds(), "events/s")
		for _, callers := range []int{1, 4} {
			if callers > 1 {
				for i := range batches {
					batches[i] = batch()
				}
			}
			queue := make(chan []byte, len(batches)) // all of them
			for _, b := range batches {
				queue <- b
			}
			close(queue)
			begin = time.Now()
			var wg sync.WaitGroup
			for range callers {
				wg.Go(func() {
					for b := range queue {
						if err := post(b); err != nil {
							w.t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			w.say(fmt.Sprintf("batch/vedette/callers=%d", callers), float64(len(batches)*lines)/time.Since(begin).Seconds(), "events/s")
		}
	}
	g.end()
}

// swap compares waiting while 100,000 indicators are imported again, a hundredth of them new, with waiting at other times: once with as
// much load as the server takes, once with an even load that leaves the machine room.
func (w *whole) swap() {
	m, key := w.furnished()
	g := m.serve()
	address := strings.TrimPrefix(g.url, "http://")
	seed := uint64(time.Now().UnixNano())
	w.load(address, requests(address, key, seed, 20_000), 16, 0, time.Minute)
	round := 0
	for range w.count(4, 1) {
		for _, mode := range []struct {
			name    string
			callers int
			rate    float64
		}{{"even", 16, 1000}, {"full", 16, 0}} {
			seed++
			round++
			calm := w.pick(6*time.Second, 2*time.Second)
			list := w.list(m, listed, listed/100, round)
			reqs := requests(address, key, seed, 300_000)
			if mode.rate > 0 {
				reqs = reqs[:40_000]
			}
			var begin, end time.Time
			var wg sync.WaitGroup
			wg.Go(func() {
				time.Sleep(calm)
				begin = time.Now()
				m.run([]int{exitPartial}, "indicator", "import", "--json", list, "--source", "lab", "--grade", "A1", "--verdict", "block")
				end = time.Now()
			})
			all, _ := w.load(address, reqs, mode.callers, mode.rate, calm+w.pick(10*time.Second, 5*time.Second))
			wg.Wait()
			var usual, during []sample
			for _, s := range all {
				switch {
				case s.at.Add(s.took).Before(begin):
					usual = append(usual, s)
				case s.at.Before(end):
					during = append(during, s)
				}
			}
			if len(during) == 0 || len(usual) == 0 {
				w.t.Fatalf("%s: %d requests before, %d during the swap", mode.name, len(usual), len(during))
			}
			w.say("swap/"+mode.name, quantile(usual, .99), "usual-p99-ms", quantile(during, .99), "swap-p99-ms", quantile(usual, .5), "usual-p50-ms",
				quantile(during, .5), "swap-p50-ms", quantile(during, 1), "swap-longest-ms", end.Sub(begin).Seconds(), "import-s",
				float64(len(usual))/calm.Seconds(), "usual-requests/s", float64(len(during))/end.Sub(begin).Seconds(), "swap-requests/s",
				len(all)-decided(all), "refused")
		}
	}
	g.end()
}

// replay plays made-up traffic, and an overlay of real data where there is some, through the whole engine into an empty folder, and decodes the
// same lines with encoding/json alone.
func (w *whole) replay() {
	dir := w.t.TempDir()
	files := map[string]string{"traffic": filepath.Join(dir, "traffic.ndjson")}
	f, err := os.Create(files["traffic"])
	if err != nil {
		w.t.Fatal(err)
	}
	out := bufio.NewWriterSize(f, 1<<20)
	for line := range sim.Traffic(1, 50_000, w.count(1_000_000, 100_000)) {
		_, _ = out.Write(line)
		_ = out.WriteByte('\n')
	}
	if err := out.Flush(); err != nil {
		w.t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		w.t.Fatal(err)
	}
	if os.Getenv("VEDETTE_DATA_CORPORA") != "" {
		m := newMachine(w.t)
		files["overlay"] = filepath.Join(dir, "overlay.ndjson")
		m.run(nil, "sim", "overlay", "--conversation", corpus.Path(w.t, "graphs", "uci-messages-konect", "graph.txt"),
			"--links", corpus.Path(w.t, "benign", "urls", "slack_links.tsv.gz"), "--links", corpus.Path(w.t, "benign", "urls", "irc_train_links.tsv.gz"),
			"--links", corpus.Path(w.t, "benign", "urls", "kasztp.txt"), "--hosts", hostsOfTables(w.t, m), "--start", "2026-11-01", "--all-links", "--aged",
			"--each", "4", "--out", files["overlay"], "--truth", filepath.Join(dir, "truth.ndjson"))
	}
	for range w.count(3, 1) {
		for _, name := range sorted(files) {
			begin, n := time.Now(), 0
			in, err := os.Open(files[name])
			if err != nil {
				w.t.Fatal(err)
			}
			sc := bufio.NewScanner(in)
			sc.Buffer(nil, 1<<20)
			for sc.Scan() {
				var e bareEvent
				if err := json.Unmarshal(sc.Bytes(), &e); err != nil {
					w.t.Fatal(err)
				}
				n++
			}
			_ = in.Close()
			w.say("replay/"+name+"/decoding-alone", float64(n)/time.Since(begin).Seconds(), "events/s")
			m, _ := w.furnished()
			var sum replayed
			if err := json.Unmarshal(m.run([]int{exitPartial}, "replay", "--json", files[name]), &sum); err != nil {
				w.t.Fatal(err)
			}
			w.say("replay/"+name+"/vedette", sum.Rate, "events/s", sum.Events, "events", sum.Links, "links")
		}
	}
}

// firstAnswer fills a journal for as long as there is time, then kills the server under load again and again, and measures from exec to the first
// decision. An empty folder is the baseline: what the program takes to start at all.
func (w *whole) firstAnswer() {
	m, key := w.furnished()
	cmd := m.command("replay", "--json", "-")
	in, err := cmd.StdinPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	var said bytes.Buffer
	cmd.Stdout = &said
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	end := time.Now().Add(w.pick(150*time.Second, 5*time.Second))
	pipe := bufio.NewWriterSize(in, 1<<20)
	for line := range sim.TrafficFrom(9, 200_000, math.MaxInt, time.Now().Add(-72*time.Hour), 10*time.Millisecond) {
		_, _ = pipe.Write(line)
		if err := pipe.WriteByte('\n'); err != nil {
			w.t.Fatal(err)
		}
		if time.Now().After(end) {
			break
		}
	}
	if err := pipe.Flush(); err != nil {
		w.t.Fatal(err)
	}
	_ = in.Close()
	if err := cmd.Wait(); err != nil {
		w.t.Fatal(err)
	}
	var sum replayed
	if err := json.Unmarshal(said.Bytes(), &sum); err != nil {
		w.t.Fatal(err)
	}
	var size int64
	_ = filepath.WalkDir(filepath.Join(m.data, "journal"), func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			if st, err := e.Info(); err == nil {
				size += st.Size()
			}
		}
		return nil
	})
	w.say("first-answer/journal", sum.Events, "events", float64(size)/1e9, "GB", sum.Rate, "events/s")
	empty, emptyKey := w.furnished()
	for round := range w.count(7, 2) {
		for _, side := range []struct {
			name string
			m    *machine
			key  string
		}{{"empty", empty, emptyKey}, {"large", m, key}} {
			seed := uint64(time.Now().UnixNano())
			took, kill := w.start(side.m, side.key, seed)
			if round > 0 { // the first start follows an orderly end
				w.say("first-answer/"+side.name, took.Seconds(), "s")
			}
			kill(side.name == "large")
		}
	}
}

// start starts a server and asks until it decides. The function it returns kills it with SIGKILL: in the midst of load, if asked to.
func (w *whole) start(m *machine, key string, seed uint64) (time.Duration, func(loaded bool)) {
	address, ops := freeAddress(w.t), freeAddress(w.t)
	first := requests(address, key, seed, 1)[0]
	cmd := m.command("serve", "--listen", address, "--ops", ops, "--log", "error")
	var said bytes.Buffer
	cmd.Stderr = &said
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	for {
		if c, err := call(address); err == nil {
			status, err := c.ask(first)
			_ = c.c.Close()
			if err == nil && status == http.StatusOK {
				break
			}
		}
		if time.Since(begin) > time.Minute {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			w.t.Fatalf("no decision within a minute:\n%s", &said)
		}
		time.Sleep(time.Millisecond)
	}
	took := time.Since(begin)
	return took, func(loaded bool) {
		if loaded {
			var wg sync.WaitGroup
			for n := range 16 {
				reqs := requests(address, key, seed+uint64(n)+1, 20_000)
				wg.Go(func() {
					c, err := call(address)
					if err != nil {
						w.t.Error(err)
						return
					}
					defer func() { _ = c.c.Close() }()
					for _, r := range reqs {
						if _, err := c.ask(r); err != nil {
							return // killed
						}
					}
				})
			}
			time.Sleep(w.pick(2*time.Second, 500*time.Millisecond))
			_ = cmd.Process.Kill()
			wg.Wait()
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}
