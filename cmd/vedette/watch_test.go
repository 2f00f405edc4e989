package main

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette"
	"vedette/sim/world"
)

// TestWatchEntriesReachTheGate: they are in the generation, but none that the guard spares; a restart has them; and those that the watch takes back go.
func TestWatchEntriesReachTheGate(t *testing.T) {
	h, g := testHouse(t)
	plain := h.judging.Load().generation.ID()
	sealer, err := h.sealer()
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	entry := func(name string) vedette.Watched {
		return vedette.Watched{Token: sealer.Token(vedette.TokenDomain, name, now), From: now, Until: now.Add(72 * time.Hour), Cell: vedette.Digest{1}}
	}
	old := entry("ended.example")
	old.From, old.Until = now.Add(-80*time.Hour), now.Add(-8*time.Hour)
	bad := entry("bad.example")
	if err := h.postWatch(t.Context(), []vedette.Watched{entry("wikipedia.org"), bad, old, entry("google.com")}); err != nil {
		t.Fatal(err)
	}
	got := h.judging.Load().generation
	if diff := cmp.Diff([]vedette.Watched{bad}, got.Watching()); diff != "" || got.ID() == plain {
		t.Errorf("the gate watches for (-want +got):\n%s", diff)
	}
	if err := h.reload(t.Context()); err != nil || h.judging.Load().generation.ID() != got.ID() {
		t.Errorf("after a reload %s is in force, want %s; %v", h.judging.Load().generation.ID(), got.ID(), err)
	}
	if err := h.close(); err != nil {
		t.Fatal(err)
	}
	again, err := open(t.Context(), g, opening{gate: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := again.close(); err != nil {
			t.Error(err)
		}
	}()
	if id := again.judging.Load().generation.ID(); id != got.ID() {
		t.Errorf("after a restart %s is in force, want %s", id, got.ID())
	}
	if err := again.postWatch(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if id := again.judging.Load().generation.ID(); id != plain {
		t.Errorf("without entries %s is in force, want %s", id, plain)
	}
}

// demoWire is the demo's world as it comes over the wire.
func demoWire(t *testing.T) []byte {
	t.Helper()
	s, err := world.ReadScenario(bytes.NewReader(demoScenario))
	if err != nil {
		t.Fatal(err)
	}
	w, err := world.New(s, demoSeed)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := w.WriteWire(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// recordedFindings are the ids of the findings that the evidence log has.
func recordedFindings(t *testing.T, m *machine) (ids []string) {
	t.Helper()
	var shown struct {
		Records []struct {
			Kind   string                        `json:"kind"`
			Fields []struct{ Name, Text string } `json:"fields"`
		} `json:"records"`
	}
	if err := json.Unmarshal(m.run(nil, "evidence", "show", "--from", "0", "--limit", "10000", "--json"), &shown); err != nil {
		t.Fatal(err)
	}
	for _, r := range shown.Records {
		for _, f := range r.Fields {
			if r.Kind == "finding" && f.Name == "finding" {
				ids = append(ids, f.Text)
			}
		}
	}
	slices.Sort(ids)
	return ids
}

// TestAKilledWatchRecordsEachFindingOnce kills the program at random moments until the watch comes through, and compares with one that never was.
func TestAKilledWatchRecordsEachFindingOnce(t *testing.T) {
	stream := demoWire(t)
	// One key for both: names of events and links follow from it, and what happens in one millisecond is ordered by them.
	key := newMachine(t).write("root.key", []byte("vedette-key-1:"+strings.Repeat("5a", 32)+"\n"))
	prepare := func() (*machine, []string) {
		m := newMachine(t)
		m.key = key
		return m, []string{"replay", "--json", "--config", m.write("vedette.yaml", []byte(demoWatchConfig)), m.write("events.ndjson", stream)}
	}
	calm, args := prepare()
	begin := time.Now()
	want := steady(t, calm.run(nil, args...))
	took := time.Since(begin)
	told := recordedFindings(t, calm)
	if len(told) == 0 {
		t.Fatal("nothing was found")
	}
	shaken, args := prepare()
	rng := rand.New(rand.NewPCG(1, uint64(os.Getpid())))
	for round := 0; ; round++ {
		cmd := shaken.command(args...)
		var out bytes.Buffer
		cmd.Stdout = &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		var after <-chan time.Time
		if round < 6 {
			after = time.After(took/4 + time.Duration(rng.Int64N(int64(took))))
		}
		select {
		case <-after:
			_ = cmd.Process.Kill()
			<-done
			continue
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(want, steady(t, out.Bytes())); diff != "" {
			t.Errorf("after %d kills the summary differs (-calm +shaken):\n%s", round, diff)
		}
		break
	}
	got := recordedFindings(t, shaken)
	if n := len(slices.Compact(slices.Clone(got))); len(got) != len(told) || n != len(got) {
		t.Errorf("%d findings are recorded, %d different ones; want %d, each once", len(got), n, len(told))
	}
}
