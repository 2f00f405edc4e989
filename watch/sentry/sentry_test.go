package sentry

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"vedette"
	"vedette/record/journal"
	"vedette/watch/population"
	"vedette/watch/population/populationtest"
	"vedette/watch/rehearsal"
	"vedette/watch/targeting"
)

var (
	start = populationtest.Start
	// plan is a month of a few hundred people in small circles, and a cell of six that begins on day 25.
	plan = populationtest.Plan{People: crowd, Days: days, Fresh: 3, Cell: begins, Tenant: "main"}
)

const (
	crowd  = 640
	days   = 30
	begins = 25 // day on which the cell begins
	cellAt = populationtest.Member
)

func acct(i int) vedette.AccountID { return plan.Account(i) }

func link(d, u int) []vedette.Link { return plan.Link(d, u) }

func platform() []vedette.Event { return plan.Platform() }

// config is of a platform of a few hundred people that is watched for four weeks.
func config() Config {
	return Config{
		Population: population.Config{Settling: 5 * 24 * time.Hour},
		Rehearsal:  rehearsal.Config{Least: 300, Settling: 15 * 24 * time.Hour, WarmUp: time.Hour, Learning: 7 * 24 * time.Hour},
	}
}

// kept puts events into a journal, in frames.
func journaled(t testing.TB, es []vedette.Event) journal.Journal {
	t.Helper()
	j := journal.NewMemory()
	appendTo(t, j, es)
	return j
}

func appendTo(t testing.TB, j journal.Journal, es []vedette.Event) {
	t.Helper()
	for c := range slices.Chunk(es, journal.MaxFrame) {
		frame := make([]journal.Entry, len(c))
		for i := range c {
			frame[i] = journal.Entry{Event: c[i], Measures: make([]vedette.Measures, max(1, len(c[i].Links())))}
		}
		if err := j.Append(t.Context(), frame); err != nil {
			t.Fatal(err)
		}
	}
}

// record is what a house has of findings: first the evidence, then the case.
type record struct {
	evidence []string // JSON
	ids      []vedette.Digest
	cases    map[vedette.Digest]bool
	fail     func(where string) bool
}

var errKilled = errors.New("killed")

func (r *record) found(_ context.Context, f *vedette.Finding, p Provenance) error {
	b, err := json.Marshal(f)
	if err != nil {
		return err
	}
	if !p.Recorded() {
		if r.fail("before the evidence") {
			return errKilled
		}
		r.evidence, r.ids = append(r.evidence, string(b)), append(r.ids, f.ID)
	}
	if r.fail("before the case") {
		return errKilled
	}
	r.cases[f.ID] = true
	return nil
}

func (r *record) proven(_ context.Context, from uint64) ([]vedette.Digest, uint64, error) {
	return slices.Clone(r.ids[min(from, uint64(len(r.ids))):]), uint64(len(r.ids)), nil
}

// broken is a journal whose reading ends after some entries.
type broken struct {
	journal.Journal
	left int
}

func (b *broken) Read(ctx context.Context, from journal.Position) iter.Seq2[journal.Entry, error] {
	return func(yield func(journal.Entry, error) bool) {
		for e, err := range b.Journal.Read(ctx, from) {
			if b.left--; b.left < 0 {
				yield(journal.Entry{}, errKilled)
				return
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

func never(string) bool { return false }

// whole watches everything in one go.
func whole(t *testing.T, es []vedette.Event) (*Sentry, *record, [][]vedette.Watched) {
	t.Helper()
	r := &record{cases: map[vedette.Digest]bool{}, fail: never}
	var posted [][]vedette.Watched
	s, err := New(config(), Deps{Journal: journaled(t, es), Found: r.found, Proven: r.proven, Post: func(_ context.Context, w []vedette.Watched) error {
		posted = append(posted, w)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s, r, posted
}

func TestACellIsFoundAndItsLinksAreAskedFor(t *testing.T) {
	es := platform()
	s, r, posted := whole(t, es)
	st, err := s.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", st)
	if len(r.evidence) == 0 || len(posted) == 0 {
		t.Fatalf("%d findings, %d lists for the gate", len(r.evidence), len(posted))
	}
	ours, _, _ := s.cells.Account(acct(cellAt))
	w, err := s.Cell(t.Context(), ours)
	if err != nil {
		t.Fatal(err)
	}
	for j := range 6 {
		if !slices.Contains(w.Members, acct(cellAt+j)) {
			t.Errorf("member %d is not in the cell that was told of", j)
		}
	}
	if len(w.Told) == 0 || len(w.Told[0].Basis) == 0 || len(w.Told[0].Reasons) == 0 {
		t.Errorf("told: %+v", w.Told)
	}
	asked := map[vedette.Token]bool{}
	for _, l := range posted {
		for _, e := range l {
			asked[e.Token] = true
			if e.Until.Sub(e.From) > stay || e.Cell.IsZero() {
				t.Errorf("entry %+v", e)
			}
		}
	}
	for d := range 3 {
		if !asked[link(1_000_000+d, 0)[0].Domain] {
			t.Errorf("domain %d of the cell was not asked for", d)
		}
	}
}

// What others have met as well, and what cannot be about the operator alone, is not asked for, and nothing is before its cell was told of: nobody can have a
// popular name warned of by playing a rehearsal with it.
func TestOnlyALinkConfinedToAToldCellIsAskedFor(t *testing.T) {
	es := platform()
	n := len(es)
	add := func(at time.Duration, from, to int, l []vedette.Link) {
		when := start.Add(begins*24*time.Hour + at)
		es = append(es, vedette.Event{Tenant: plan.Tenant, ID: plan.Event(n), Actor: acct(from), At: when, Seen: when, Body: &vedette.LinkSent{
			To: vedette.Recipient{Account: acct(to)}, Stranger: vedette.Yes, Links: l,
		}})
		n++
	}
	for i := range 4 {
		short := link(populationtest.Tried+51, i)
		short[0].Shape.Flags = vedette.ShapeShortener
		add(30*time.Hour+time.Duration(i)*time.Minute, cellAt+i, cellAt+i+1, link(populationtest.Tried+50, i))
		add(30*time.Hour+time.Duration(i)*time.Minute, cellAt+i, cellAt+i+1, short)
	}
	for i := range 12 { // others send it on, before the watch looks again
		add(31*time.Hour+time.Duration(i)*time.Minute, 16*i, 16*i+1, link(populationtest.Tried+50, i))
	}
	slices.SortStableFunc(es, func(x, y vedette.Event) int { return x.At.Compare(y.At) })
	s, _, _ := whole(t, es)
	told := map[vedette.Digest]time.Time{}
	for _, c := range s.cells.Cells() {
		told[c.ID] = c.Alerted
	}
	asked := map[vedette.Token]bool{}
	for _, e := range s.kept.Asked { // all that were ever asked for, those that ended before the gate was told with them
		asked[e.Token] = true
		if at := told[e.Cell]; at.IsZero() || e.First.Before(at) {
			t.Errorf("entry from %s of a cell that was told of at %s", e.First, at)
		}
	}
	if asked[link(populationtest.Tried+50, 0)[0].Domain] {
		t.Error("a link that twice as many others have met was asked for")
	}
	if asked[link(populationtest.Tried+51, 0)[0].Domain] {
		t.Error("a shortener was asked for")
	}
	if !asked[link(populationtest.Tried, 0)[0].Domain] {
		t.Error("the cell's own domain was not asked for")
	}
}

func TestWhatIsFoundIsTheSameHoweverOftenItWasKilled(t *testing.T) {
	es := platform()
	s, r, _ := whole(t, es)
	want, err := s.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	wantBytes := s.encode()
	rng := rand.New(rand.NewPCG(5, 6))
	for round := range 4 {
		mem := journaled(t, es)
		got := &record{cases: map[vedette.Digest]bool{}}
		got.fail = func(string) bool { return rng.IntN(3) == 0 }
		var last *Sentry
		for range 1000 {
			b := &broken{mem, 200 + rng.IntN(60_000)}
			s, err := New(config(), Deps{Journal: b, Found: got.found, Proven: got.proven})
			if err != nil {
				t.Fatal(err)
			}
			err = s.restore(t.Context())
			if err == nil { // no Flush: killed
				err = s.read(t.Context(), next(s.at))
			}
			if err == nil {
				last = s
				break
			}
			if !errors.Is(err, errKilled) {
				t.Fatal(err)
			}
		}
		if last == nil {
			t.Fatal("it never came to the end")
		}
		st, err := last.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got.evidence, r.evidence) || !reflect.DeepEqual(got.cases, r.cases) {
			t.Errorf("round %d: %d records and %d cases, want %d and %d, the same", round, len(got.evidence), len(got.cases), len(r.evidence), len(r.cases))
		}
		if st.Digest != want.Digest || st.Warned != want.Warned || !reflect.DeepEqual(st.Entries, want.Entries) {
			t.Errorf("round %d: %+v, want %+v", round, st, want)
		}
		if b := last.encode(); string(b) != string(wantBytes) {
			t.Errorf("round %d: what it keeps differs", round)
		}
	}
}

func TestADamagedStateIsToldAndMadeAnew(t *testing.T) {
	es := platform()
	s, r, _ := whole(t, es)
	before := s.encode()
	for name, damage := range map[string]func(b []byte) []byte{
		"a flipped bit": func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"cut short":     func(b []byte) []byte { return b[:len(b)-10] },
		"another version": func(b []byte) []byte {
			return append([]byte("vedette watch 9\n"), b[len(magic):]...)
		},
	} {
		j := s.deps.Journal
		if err := j.SaveState(t.Context(), state, s.at, damage(slices.Clone(before))); err != nil {
			t.Fatal(err)
		}
		again, err := New(config(), Deps{Journal: j, Found: r.found, Proven: r.proven})
		if err != nil {
			t.Fatal(err)
		}
		n := len(r.evidence)
		if err := again.CatchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		st, err := again.Status(t.Context())
		if err != nil || st.Rebuilt == "" {
			t.Errorf("%s: rebuilt %q, %v; want it said", name, st.Rebuilt, err)
		}
		if len(r.evidence) != n {
			t.Errorf("%s: %d records more: a finding was recorded twice", name, len(r.evidence)-n)
		}
		again.kept.Proven = s.kept.Proven
		if string(again.encode()) != string(before) {
			t.Errorf("%s: made anew it is not as before", name)
		}
	}
}

// warned is an event that an entry caused a warning for.
func warned(i int, at time.Time, tok vedette.Token) journal.Entry {
	return journal.Entry{
		Position: journal.Position{Frame: 1 << 40, Index: 0},
		Event: vedette.Event{ID: plan.Event(1<<24 + i), Actor: acct(cellAt), At: at, Seen: at, Body: &vedette.LinkSent{
			To: vedette.Recipient{Account: acct(i)}, Stranger: vedette.Yes, Links: []vedette.Link{{Domain: tok}},
		}},
		Measures: make([]vedette.Measures, 1),
		Decision: vedette.Decision{Verdict: vedette.Warn, Would: vedette.Warn, Reasons: []vedette.Reason{{Rule: vedette.RuleWatch, Verdict: vedette.Warn, Armed: vedette.Warn}}},
	}
}

func TestFrictionRetiresEntries(t *testing.T) {
	es := platform()
	s, _, _ := whole(t, es)
	now := s.inForce()
	if len(now) < 2 {
		t.Fatalf("%d entries in force at the end, want some", len(now))
	}
	at := s.kept.Ticked.Add(time.Minute)
	observed := warned(0, at, now[0].Token)
	observed.Decision.Verdict, observed.Decision.Reasons[0].Armed = vedette.Allow, vedette.Allow
	s.friction(&observed)
	if s.kept.Asked[0].Warned != 0 || s.week() != 0 {
		t.Error("what warned nobody was counted")
	}
	s.cfg.PerEntry = 3
	for i := range 3 {
		e := warned(i, at, now[0].Token)
		s.friction(&e)
	}
	left := s.inForce()
	if len(left) != len(now)-1 || slices.ContainsFunc(left, func(w vedette.Watched) bool { return w.Token == now[0].Token }) || !s.dirty {
		t.Errorf("after 3 of 3 warnings %d of %d entries are in force", len(left), len(now))
	}
	s.cfg.PerEntry = 1000
	for i := range leastFriction {
		e := warned(i, at, now[1].Token)
		s.friction(&e)
	}
	if got := s.inForce(); got != nil {
		t.Errorf("over the week's friction %d entries are in force", len(got))
	}
	s.entries(s.pop.State(), at.Add(8*24*time.Hour))
	if s.spent() || s.kept.Asked[0].Ended == "" {
		t.Errorf("a week later: spent %v, the first entry %+v", s.spent(), s.kept.Asked[0])
	}
}

func TestAJudgedCellAsksForNothingMore(t *testing.T) {
	es := platform()
	s, _, _ := whole(t, es)
	ours, _, _ := s.cells.Account(acct(cellAt))
	if err := s.Judge(t.Context(), vedette.Digest{1}, rehearsal.Wrong); !errors.Is(err, vedette.ErrUnknown) {
		t.Errorf("Judge of no cell = %v, want unknown", err)
	}
	if err := s.Judge(t.Context(), ours, rehearsal.Wrong); err != nil {
		t.Fatal(err)
	}
	if n := slices.DeleteFunc(s.inForce(), func(w vedette.Watched) bool { return w.Cell != ours }); len(n) != 0 {
		t.Errorf("%d entries of a cell that was judged wrong", len(n))
	}
	again, err := New(config(), Deps{Journal: s.deps.Journal})
	if err != nil {
		t.Fatal(err)
	}
	w, err := again.Cell(t.Context(), ours)
	if err != nil || w.Judged != "wrong" {
		t.Errorf("after a restart it is judged %q, %v", w.Judged, err)
	}
}

func TestErasedMeansGone(t *testing.T) {
	es := platform()
	cut := len(es) - 400
	gone := acct(cellAt + 2)
	// Who looks up whom: of the past, of what waits to be put in order, and of what was not taken yet.
	for i, at := range []int{len(es) - 1, cut, cut - 1, cut - 5000} {
		when := es[at].At
		for k, x := range [...][2]vedette.AccountID{{gone, acct(1)}, {acct(2), gone}} {
			e := vedette.Event{Tenant: plan.Tenant, ID: plan.Event(1<<25 + 2*i + k), Actor: x[0], At: when, Seen: when, Body: &vedette.NumberLookedUp{Target: x[1], Via: vedette.LookupManual}}
			es = slices.Insert(es, at+1, e)
		}
	}
	cut += 7 // with the lookups that were put in before it, and right after it
	s, _, _ := whole(t, es[:cut])
	if !strings.Contains(string(s.aims.Save(nil)), string(gone[:])) {
		t.Fatal("first contacts know nothing of the account: the test has changed")
	}
	appendTo(t, s.deps.Journal, es[cut:]) // not taken yet
	if err := s.Erase(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	look := func(when string, s *Sentry) {
		t.Helper()
		if r, ok := s.pop.State().Find(gone); ok {
			t.Errorf("%s: the population knows the account at %d", when, r)
		}
		if _, _, ok := s.cells.Account(gone); ok {
			t.Errorf("%s: a detector knows the account", when)
		}
		if strings.Contains(string(s.cells.Save(nil)), gone.String()) {
			t.Errorf("%s: the detector would save the account", when)
		}
		if strings.Contains(string(s.aims.Save(nil)), string(gone[:])) {
			t.Errorf("%s: first contacts would save the account", when)
		}
	}
	look("at once", s)
	if err := s.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	look("after what was not taken yet", s)
	again, err := New(config(), Deps{Journal: s.deps.Journal})
	if err != nil {
		t.Fatal(err)
	}
	if err := again.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	look("after a restart", again)
	if err := s.deps.Journal.SaveState(t.Context(), state, s.at, []byte("damaged")); err != nil {
		t.Fatal(err)
	}
	if again, err = New(config(), Deps{Journal: s.deps.Journal}); err != nil {
		t.Fatal(err)
	}
	if err := again.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	look("made anew from the journal", again)
}

func TestRetentionWaitsForTheWatch(t *testing.T) {
	j := journaled(t, platform()[:2000])
	s, err := New(config(), Deps{Journal: j})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	at, by, err := journal.Passed(t.Context(), j)
	if err != nil || by != state || at != (journal.Position{}) {
		t.Errorf("before it has read anything: passed %s by %q, %v", at, by, err)
	}
	if err := s.CatchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if at, _, _ = journal.Passed(t.Context(), j); at != j.Last() {
		t.Errorf("after it has read everything: passed %s of %s", at, j.Last())
	}
}

func TestConfigNamesWhatIsOutOfRange(t *testing.T) {
	for _, c := range []Config{{Friction: -1}, {Friction: 1e9}, {PerEntry: -2}, {Rehearsal: rehearsal.Config{PerWeek: -1}}, {Population: population.Config{Tick: time.Minute}}} {
		if err := c.Validate(); !errors.Is(err, vedette.ErrInvalid) {
			t.Errorf("Validate(%+v) = %v, want invalid", c, err)
		}
	}
}

func TestFindingsDoNotTellWhoAskedForProtection(t *testing.T) {
	s, err := New(config(), Deps{Journal: journal.NewMemory()})
	if err != nil {
		t.Fatal(err)
	}
	var rs []vedette.Reason
	for _, x := range []targeting.Signal{targeting.Rare, targeting.Protected, targeting.Together, targeting.Kin} {
		rs = append(rs, vedette.Reason{Rule: vedette.RuleID("targeting/" + x.String()), Weight: 2000, Text: "text"})
	}
	s.find(vedette.Finding{ID: vedette.Digest{1}, Detector: targeting.Name, Subjects: []vedette.AccountID{{1}}, Reasons: rs})
	for _, got := range [][]vedette.Reason{s.kept.Told[0].Reasons, s.pending[0].f.Reasons} {
		if len(got) != 2 || got[0].Rule != rs[0].Rule || got[1].Rule != rs[3].Rule {
			t.Errorf("told: %+v", got)
		}
	}
}
