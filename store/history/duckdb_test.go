package history_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"vedette/record/journal"
	"vedette/store/history"
	"vedette/watch/hunt"
	"vedette/watch/hunt/hunttest"
)

// engine is a running DuckDB.
type engine struct {
	in  io.WriteCloser
	out *bufio.Reader
}

type answer struct {
	Rows    [][]any `json:"rows"`
	Seconds float64 `json:"seconds"`
	Error   *string `json:"error"`
}

func start(t testing.TB) *engine {
	t.Helper()
	venv := os.Getenv("VEDETTE_DUCKDB")
	if venv == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("VEDETTE_DUCKDB is not set")
		}
		t.Skip("SKIPPED, NOT TESTED: VEDETTE_DUCKDB is not set: no other engine reads history's files")
	}
	cmd := exec.Command(filepath.Join(venv, "bin", "python"), filepath.Join("..", "..", "test", "duckdb", "ask.py"))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := in.Close(); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	})
	return &engine{in, bufio.NewReader(out)}
}

func (e *engine) ask(t testing.TB, sql ...string) answer {
	t.Helper()
	b, err := json.Marshal(map[string]any{"sql": sql})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.in.Write(append(b, '\n')); err != nil {
		t.Fatal(err)
	}
	line, err := e.out.ReadBytes('\n')
	if err != nil {
		t.Fatalf("DuckDB ended: %v", err)
	}
	var a answer
	if err := json.Unmarshal(line, &a); err != nil {
		t.Fatal(err)
	}
	return a
}

func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// everything is how any engine reads a folder at rest; inForce is how one reads it while it is written: the files that the manifest names.
func everything(dir string) string {
	return "read_parquet(" + quoted(filepath.Join(dir, "day=*", "*.parquet")) + ", hive_partitioning = true)"
}

func inForce(dir string) []string {
	return []string{
		"SET VARIABLE files = (SELECT list(" + quoted(dir+"/") + " || f.file ORDER BY f.file) FROM (SELECT unnest(files) AS f FROM read_json(" +
			quoted(filepath.Join(dir, "manifest.json")) + ")))",
		"SELECT count(*), max(frame) FROM read_parquet(getvariable('files'), hive_partitioning = true)",
	}
}

func open(t testing.TB, dir string, o history.Options) *history.History {
	t.Helper()
	h, err := history.Open(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestItCountsTheSameSightings(t *testing.T) {
	e := start(t)
	dir := t.TempDir()
	h := open(t, dir, history.Options{})
	traffic := hunttest.NewTraffic(11, 20_000)
	want := map[string]int{}
	var all []hunt.Sighting
	for range 4 {
		rows, upto := traffic.Day()
		if err := h.Add(t.Context(), rows, upto); err != nil {
			t.Fatal(err)
		}
		if err := h.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		for i := range rows {
			want[fmt.Sprint(rows[i].At.Format(time.DateOnly), " ", int(rows[i].Verdict))]++
		}
		all = append(all, rows...)
	}
	count := func(when string) {
		t.Helper()
		a := e.ask(t, "SELECT day, verdict, count(*) FROM "+everything(dir)+" GROUP BY day, verdict")
		if a.Error != nil {
			t.Fatalf("%s: DuckDB: %s", when, *a.Error)
		}
		got := map[string]int{}
		for _, r := range a.Rows {
			got[fmt.Sprint(r[0], " ", r[1])] = int(r[2].(float64))
		}
		if len(got) != len(want) {
			t.Errorf("%s: DuckDB counts %v, want %v", when, got, want)
		}
		for k, n := range want {
			if got[k] != n {
				t.Errorf("%s: DuckDB counts %d of %s, want %d", when, got[k], k, n)
			}
		}
	}
	count("flushed")
	s := all[777]
	a := e.ask(t, fmt.Sprintf("SELECT epoch_ms(day + time), sender, hex(recipient), act, url FROM %s WHERE frame = %d AND entry = %d ORDER BY link LIMIT 1", everything(dir), s.Position.Frame, s.Position.Index))
	if a.Error != nil || len(a.Rows) != 1 || int64(a.Rows[0][0].(float64)) != s.At.UnixMilli() || !strings.EqualFold(a.Rows[0][2].(string), fmt.Sprintf("%x", s.To[:])) {
		t.Errorf("DuckDB reads %v %v, want %s and %x", a.Rows, a.Error, s.At, s.To[:])
	}
	// What was forgotten, erased or has expired is not there either, once history is at rest.
	if _, err := h.Forget(t.Context(), []hunt.Key{all[5].Unit()}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Erase(t.Context(), all[9000].From, all[9000].Group); err != nil {
		t.Fatal(err)
	}
	before := hunttest.Start.Add(20 * time.Hour)
	if _, err := h.Expire(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	clear(want)
	for i := range all {
		if s := &all[i]; s.Unit() != all[5].Unit() && !s.Names(all[9000].From, all[9000].Group) && !s.At.Before(before) {
			want[fmt.Sprint(s.At.Format(time.DateOnly), " ", int(s.Verdict))]++
		}
	}
	count("after forgetting, erasing and expiring")
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	count("closed")
}

func TestItCountsTheSameWhileHistoryIsWritten(t *testing.T) {
	e := start(t)
	dir := t.TempDir()
	h := open(t, dir, history.Options{})
	traffic := hunttest.NewTraffic(12, 30_000)
	var all []hunt.Sighting
	var uptos []journal.Position
	for range 6 {
		rows, upto := traffic.Day()
		all, uptos = append(all, rows...), append(uptos, upto)
	}
	upto := func(frame uint64) (n int) {
		for i := range all {
			if all[i].Position.Frame <= frame {
				n++
			}
		}
		return n
	}
	written := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(written)
		for from := 0; from < len(all); {
			to := min(len(all), from+1000)
			for to < len(all) && all[to].Position.Frame == all[to-1].Position.Frame {
				to++
			}
			at := all[to-1].Position
			if to == len(all) {
				at = uptos[len(uptos)-1]
			}
			if err := h.Add(t.Context(), all[from:to], at); err != nil {
				t.Error(err)
				return
			}
			if err := h.Flush(t.Context()); err != nil {
				t.Error(err)
				return
			}
			from = to
		}
	})
	counted, tries := 0, 0
	for running := true; running; {
		select {
		case <-written:
			running = false
		default:
		}
		tries++
		a := e.ask(t, inForce(dir)...)
		switch {
		case a.Error != nil && (strings.Contains(*a.Error, "No files found") || strings.Contains(*a.Error, "No such file") || strings.Contains(*a.Error, "Cannot open file")):
			continue // nothing yet, or merged away since the manifest was read: it says so, and is asked again
		case a.Error != nil && running && strings.Contains(*a.Error, "NULL"):
			continue
		case a.Error != nil:
			t.Fatalf("DuckDB: %s", *a.Error)
		}
		n, frame := int(a.Rows[0][0].(float64)), uint64(a.Rows[0][1].(float64))
		if want := upto(frame); n != want {
			t.Fatalf("DuckDB counts %d sightings up to frame %d, want %d", n, frame, want)
		}
		counted++
	}
	wg.Wait()
	if err := h.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a := e.ask(t, "SELECT count(*) FROM "+everything(dir)); a.Error != nil || int(a.Rows[0][0].(float64)) != len(all) {
		t.Errorf("DuckDB counts %v %v, want %d", a.Rows, a.Error, len(all))
	}
	if counted < 2 {
		t.Errorf("DuckDB counted %d times of %d while history was written: nothing was tested", counted, tries)
	}
	t.Logf("counted %d times of %d", counted, tries)
}

func median(ds []time.Duration) time.Duration {
	slices.Sort(ds)
	return ds[len(ds)/2]
}
