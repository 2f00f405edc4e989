package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"vedette"
	"vedette/record/authority"
	"vedette/record/indicator"
	"vedette/store/frames"
)

// testHouse opens a house in this process.
func testHouse(t *testing.T) (*house, *global) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(dir, "config"))
	g := &global{data: filepath.Join(dir, "data")}
	h, err := open(t.Context(), g, opening{gate: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.close(); err != nil {
			t.Error(err)
		}
	})
	return h, g
}

// TestWhatIsArmedForAWhileEndsAlsoWhenARuleFileIsBroken breaks the rules, and lets an arming's end come.
func TestWhatIsArmedForAWhileEndsAlsoWhenARuleFileIsBroken(t *testing.T) {
	h, g := testHouse(t)
	now := time.Now()
	before := h.judging.Load()
	rules := filepath.Join(g.data, "rules")
	if err := os.Mkdir(rules, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(rules, "half.yaml"), []byte("id: half-writ"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := h.reload(t.Context()); err == nil || h.judging.Load() != before {
		t.Fatalf("a broken rule file: %v; the old generation must stay in force", err)
	}
	end := now.Add(24 * time.Hour)
	if _, err := h.arms.Change(t.Context(), authority.Change{Target: authority.Ceiling, Verdict: vedette.Block, Until: end, By: []string{"ana"}}, nil, now); err != nil {
		t.Fatal(err)
	}
	if err := h.rearm(t.Context(), now); err != nil {
		t.Fatalf("arm beside a broken rule file: %v", err)
	}
	if got := h.judging.Load().generation.Armed().Ceiling; got != vedette.Block {
		t.Errorf("armed up to %s, want block", got)
	}
	if err := h.turn(t.Context(), end.Add(-2*time.Second)); err != nil || h.judging.Load().generation.Armed().Ceiling != vedette.Block {
		t.Errorf("before the end: %v, armed up to %s", err, h.judging.Load().generation.Armed().Ceiling)
	}
	if err := h.turn(t.Context(), end); err != nil {
		t.Errorf("at the end: %v", err)
	}
	if got := h.judging.Load().generation; got.ID() != before.generation.ID() {
		t.Errorf("after the end %s is in force, armed up to %s, want the one before", got.ID(), got.Armed().Ceiling)
	}
	if err := h.refresh(t.Context()); err != nil {
		t.Errorf("indicators beside a broken rule file: %v", err)
	}
}

// TestAHistoryThatWasMovedAsideHasATermToo: rows in it are expired and erased by nobody else.
func TestAHistoryThatWasMovedAsideHasATermToo(t *testing.T) {
	h, g := testHouse(t)
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	old, young := filepath.Join(g.data, asideMark+now.Add(-h.cfg.Retention).Format(asideTime)), filepath.Join(g.data, asideMark+now.Add(time.Hour-h.cfg.Retention).Format(asideTime))
	for _, dir := range []string{old, young} {
		if err := os.MkdirAll(filepath.Join(dir, "day=2026-01-01"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.forgetAside(now); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(old); !os.IsNotExist(err) {
		t.Errorf("what is past its term is still there: %v", err)
	}
	if _, err := os.Stat(young); err != nil {
		t.Errorf("what is not past its term is gone: %v", err)
	}
}

// TestAListThatCannotBeReadOpensNotWhatTheOthersSpare breaks one of the operator's two lists.
func TestAListThatCannotBeReadOpensNotWhatTheOthersSpare(t *testing.T) {
	h, _ := testHouse(t)
	put := func(name, data string) {
		t.Helper()
		if err := h.known.PutGuardList(t.Context(), indicator.GuardList{Name: name, Kind: indicator.Popular, Data: []byte(data), Added: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	spared := func(host string) bool {
		return h.guardNow().Strict(&indicator.Indicator{Value: host, Scope: indicator.ScopeHost}).Refused
	}
	put("a-broken", "{half a list")
	put("clinics", "clinic.example\n")
	if !spared("clinic.example") {
		t.Error("beside a broken list nothing of the other one is spared")
	}
	put("a-broken", "school.example\n")
	if !spared("school.example") {
		t.Fatal("the mended list is not used")
	}
	put("a-broken", "{half a list")
	if !spared("school.example") || !spared("clinic.example") {
		t.Error("the last guard that could be read does not hold")
	}
}

// TestWhoWaitsForAFollowerThatStandsStillIsTold asks a serving house whose followers fail for ever.
func TestWhoWaitsForAFollowerThatStandsStillIsTold(t *testing.T) {
	h, _ := testHouse(t)
	at := time.Now()
	if err := h.seq.Tick(t.Context(), at.UTC().Truncate(time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	h.now = func() time.Time { at = at.Add(time.Second); return at }
	h.following.Store(true)
	if err := h.settle(t.Context()); !errors.Is(err, vedette.ErrUnavailable) {
		t.Errorf("settle: %v, want that it is not available", err)
	}
	h.following.Store(false)
	if err := h.settle(t.Context()); err != nil {
		t.Errorf("settle of a house that follows by itself: %v", err)
	}
}

// TestWhatAKilledReplayLeftIsGoneAtTheNextStart leaves a scratch folder behind.
func TestWhatAKilledReplayLeftIsGoneAtTheNextStart(t *testing.T) {
	dir := t.TempDir()
	left := filepath.Join(dir, "scratch-123", "journal")
	if err := os.MkdirAll(left, 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := own(dir)
	if err != nil {
		t.Fatal(err)
	}
	f.release()
	if _, err := os.Stat(filepath.Dir(left)); !os.IsNotExist(err) {
		t.Errorf("%s is still there: %v", left, err)
	}
}

// TestSwapsUnderLoad imports lists, reloads rules and arms while 8 clients post: nobody is refused, and each decision carries the generation
// whose record stands before it in the journal.
func TestSwapsUnderLoad(t *testing.T) {
	m := newMachine(t)
	m.run(nil, "indicator", "import", m.write("hosts.txt", []byte("first.example\n")), "--source", "lab", "--grade", "A1", "--verdict", "block")
	key := strings.TrimSpace(string(m.run(nil, "key", "create", "--scope", "decide")))
	g := m.serve()
	var wg sync.WaitGroup
	var stop atomic.Bool
	var answered, others atomic.Int64
	for c := range 8 {
		wg.Go(func() {
			for i := 0; !stop.Load(); i++ {
				body := fmt.Sprintf(`{"id":"s%d-%d","kind":"link.sent","at":%q,"actor":"@p%d:chat.example","to":{"account":"@q:chat.example"},"links":[{"url":"https://first.example/%d"}]}`,
					c, i, time.Now().UTC().Format(time.RFC3339), c, i)
				switch status, answer := g.post("/v1/decide", key, "application/json", []byte(body)); status {
				case http.StatusOK:
					answered.Add(1)
				case http.StatusTooManyRequests:
				default:
					others.Add(1)
					t.Errorf("%d %s", status, answer)
					return
				}
			}
		})
	}
	for i := range 6 {
		m.run(nil, "indicator", "import", m.write(fmt.Sprintf("more%d.txt", i), fmt.Appendf(nil, "more%d.example\n", i)), "--source", fmt.Sprintf("lab%d", i), "--grade", "A1", "--verdict", "block")
		m.run(nil, "arm", fmt.Sprintf("list:lab%d", i), "--verdict", "block", "--yes")
		m.run(nil, "rules", "reload")
	}
	stop.Store(true)
	wg.Wait()
	g.end()
	j, err := frames.Open(t.Context(), filepath.Join(m.data, "journal"), frames.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = j.Close() }()
	var in vedette.GenerationID
	made, events := 0, int64(0)
	for e, err := range j.Read(t.Context(), j.First()) {
		if err != nil {
			t.Fatal(err)
		}
		if g, ok := e.Event.Body.(*vedette.GenerationMade); ok {
			in = g.ID
			made++
		} else if e.Event.Source != vedette.SourceJournal {
			events++
		}
		if e.Decision.Generation != in {
			t.Fatalf("%s carries %s, in force is %s", e.Position, e.Decision.Generation, in)
		}
	}
	if made != 13 || events != answered.Load() || events == 0 {
		t.Errorf("%d generations, %d events of which %d were answered; want 13 generations and every event answered", made, events, answered.Load())
	}
	t.Logf("%d events, %d generations", events, made)
}
