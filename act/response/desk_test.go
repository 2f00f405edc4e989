package response_test

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vedette"
	"vedette/act/response"
	"vedette/record/authority"
	"vedette/record/evidence"
	"vedette/record/indicator"
)

const (
	tenant = vedette.Tenant("chat-example")
	matter = "case_0123456789abc"
	why    = "it was a school's own page"
)

var (
	start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	until = start.Add(30 * 24 * time.Hour)
)

// book is an evidence log that a test reads, and that fails on demand.
type book struct {
	records []evidence.Record
	fail    func(evidence.Record) error
}

func (b *book) Append(_ context.Context, rs ...evidence.Record) ([]evidence.Receipt, error) {
	for _, r := range rs {
		if b.fail != nil {
			if err := b.fail(r); err != nil {
				return nil, err
			}
		}
		for _, f := range r.Fields {
			if len(f.Value) > 64<<10 || strings.Trim(f.Name, "abcdefghijklmnopqrstuvwxyz_") != "" {
				return nil, fmt.Errorf("field %s of %d bytes: %w", f.Name, len(f.Value), vedette.ErrInvalid)
			}
		}
	}
	b.records = append(b.records, rs...)
	return make([]evidence.Receipt, len(rs)), nil
}

func (b *book) kinds() (out []string) {
	for _, r := range b.records {
		out = append(out, string(r.Kind))
	}
	return out
}

// lists is what is in force.
type lists struct {
	in   map[indicator.Key]indicator.Indicator
	made int
	err  error
}

func (l *lists) Put(_ context.Context, in indicator.Indicator, _ time.Time) (vedette.GenerationID, error) {
	if l.err != nil {
		return vedette.GenerationID{}, l.err
	}
	if old, ok := l.in[in.Key()]; !ok || old != in {
		l.made++
	}
	l.in[in.Key()] = in
	return vedette.GenerationID{byte(l.made)}, nil
}

func (l *lists) Revoke(_ context.Context, k indicator.Key, _ string, _ time.Time) (vedette.GenerationID, error) {
	if _, ok := l.in[k]; !ok {
		return vedette.GenerationID{}, vedette.ErrUnknown
	}
	delete(l.in, k)
	l.made++
	return vedette.GenerationID{byte(l.made)}, nil
}

// harm tells how many harmless people every block touches; negative: not known.
type harm int

func (h *harm) Harmless(context.Context, *indicator.Indicator) (int, bool, error) {
	return int(*h), *h >= 0, nil
}

type house struct {
	*response.Desk
	deps  response.Deps
	book  *book
	lists *lists
	harm  *harm
	deeds *response.MemoryDeeds
	out   *response.Memory
	keys  map[authority.PersonID]ed25519.PrivateKey
	arms  *authority.Arms
	at    time.Time
}

func newHouse(t testing.TB, cfg response.Config) *house {
	t.Helper()
	people := new(authority.Memory)
	register := authority.NewRegister(people)
	h := &house{
		book: &book{}, lists: &lists{in: map[indicator.Key]indicator.Indicator{}}, harm: new(harm), deeds: new(response.MemoryDeeds), out: response.NewMemory(),
		keys: map[authority.PersonID]ed25519.PrivateKey{}, arms: authority.NewArms(people, register), at: start,
	}
	for _, id := range []authority.PersonID{"ana", "omar"} {
		pub, key, err := authority.GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		h.keys[id] = key
		if _, err := register.Enrol(t.Context(), authority.Person{ID: id, Name: "A Person", Role: authority.RoleAnalyst, Key: pub}, nil, start.Add(-time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	guard := indicator.NewGuard()
	if _, err := guard.Add("news", strings.NewReader("paper.example\n"), indicator.Popular); err != nil {
		t.Fatal(err)
	}
	if _, err := guard.Add("hosters", strings.NewReader("pages.example\n"), indicator.Shared); err != nil {
		t.Fatal(err)
	}
	h.deps = response.Deps{
		People: register, Guard: func() response.Guard { return guard }, Harm: h.harm, Indicators: h.lists, Arms: h.arms, Book: h.book,
		Deeds: h.deeds, Outbox: h.out, Now: func() time.Time { return h.at },
	}
	h.restart(t, cfg)
	return h
}

func (h *house) restart(t testing.TB, cfg response.Config) {
	t.Helper()
	d, err := response.New(cfg, h.deps)
	if err != nil {
		t.Fatal(err)
	}
	h.Desk = d
}

func (h *house) sign(t testing.TB, act authority.Act, err error, by ...authority.PersonID) (out [][]byte) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range by {
		a, err := authority.Approve(act, id, h.keys[id], h.at)
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b)
	}
	return out
}

func (h *house) arm(t testing.TB, target vedette.RuleID, v vedette.Verdict) {
	t.Helper()
	if _, err := h.arms.Change(t.Context(), authority.Change{Target: target, Verdict: v, By: []string{"root"}}, nil, h.at); err != nil {
		t.Fatal(err)
	}
}

func order(value string, scope indicator.Scope) response.Order {
	return response.Order{Case: matter, Tenant: tenant, Value: value, Scope: scope, Until: until, Verdict: vedette.Block}
}

func (h *house) block(t testing.TB, o response.Order, by ...authority.PersonID) (response.Done, error) {
	t.Helper()
	act, err := o.Act()
	return h.Block(t.Context(), o, h.sign(t, act, err, by...))
}

func (h *house) mustBlock(t testing.TB, o response.Order, by ...authority.PersonID) response.Done {
	t.Helper()
	d, err := h.block(t, o, by...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (h *house) unblock(t testing.TB, block response.Done, by ...authority.PersonID) (response.Done, error) {
	t.Helper()
	act, err := response.UnblockAct(block.Deed, why)
	return h.Unblock(t.Context(), block.Act, why, h.sign(t, act, err, by...))
}

func sightings(n int) (out []response.Sighting) {
	for i := range n {
		out = append(out, response.Sighting{Event: vedette.EventID{byte(i >> 8), byte(i), 1}, At: start.Add(-time.Hour)})
	}
	return out
}

func each(list []response.Sighting) iter.Seq2[response.Sighting, error] {
	return func(yield func(response.Sighting, error) bool) {
		for _, s := range list {
			if !yield(s, nil) {
				return
			}
		}
	}
}

func cause(t testing.TB, d response.Done) response.Cause {
	t.Helper()
	c, err := d.Cause(tenant)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (h *house) sweep(t testing.TB, d response.Done, list []response.Sighting) response.Swept {
	t.Helper()
	s, err := h.Sweep(t.Context(), cause(t, d), each(list))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (h *house) changes(t testing.TB) []response.Changed {
	t.Helper()
	list, err := h.out.After(t.Context(), 0, tenant, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestHowManyPeopleABlockTakes(t *testing.T) {
	for _, tt := range []struct {
		name  string
		order response.Order
		harm  harm
		by    []authority.PersonID
		kind  error
		says  string
	}{
		{"one person blocks a host", order("evil.example", indicator.ScopeHost), 0, []authority.PersonID{"ana"}, nil, ""},
		{"one person blocks a URL", order("https://evil.example/a?b=1", indicator.ScopeURL), 200, []authority.PersonID{"ana"}, nil, ""},
		{"one person blocks a URL on a shared host", order("https://pages.example/x/y", indicator.ScopeURL), 0, []authority.PersonID{"ana"}, nil, ""},
		{"nobody blocks nothing", order("evil.example", indicator.ScopeHost), 0, nil, authority.ErrUnapproved, "0 of 1"},
		{"one person may not touch 201 harmless people", order("evil.example", indicator.ScopeHost), 201, []authority.PersonID{"ana"}, authority.ErrUnapproved, "201 harmless people"},
		{"two people may", order("evil.example", indicator.ScopeHost), 201, []authority.PersonID{"ana", "omar"}, nil, ""},
		{"what cannot be counted takes two", order("evil.example", indicator.ScopeHost), -1, []authority.PersonID{"ana"}, authority.ErrUnapproved, "nobody can tell"},
		{"one person twice is one", order("evil.example", indicator.ScopeHost), 201, []authority.PersonID{"ana", "ana"}, authority.ErrUnapproved, "201"},
		{"a whole domain takes two", order("evil.example", indicator.ScopeDomain), 0, []authority.PersonID{"ana"}, authority.ErrUnapproved, "whole domain"},
		{"two people block a domain", order("evil.example", indicator.ScopeDomain), 0, []authority.PersonID{"ana", "omar"}, nil, ""},
		{"one person lets anything weigh", func() response.Order {
			o := order("evil.example", indicator.ScopeDomain)
			o.Verdict = vedette.Allow
			return o
		}(), 5000, []authority.PersonID{"ana"}, nil, ""},
		{"nobody blocks a newspaper", order("paper.example", indicator.ScopeHost), 0, []authority.PersonID{"ana", "omar"}, vedette.ErrForbidden, "popular"},
		{"nor what stands below it", order("www2.paper.example", indicator.ScopeHost), 0, []authority.PersonID{"ana", "omar"}, vedette.ErrForbidden, "popular"},
		{"nor its front page", order("https://paper.example/", indicator.ScopeURL), 0, []authority.PersonID{"ana", "omar"}, vedette.ErrForbidden, "front page"},
		{"nor a shared host", order("pages.example", indicator.ScopeHost), 0, []authority.PersonID{"ana", "omar"}, vedette.ErrForbidden, "shared"},
		{"nor a public suffix", order("co.uk", indicator.ScopeDomain), 0, []authority.PersonID{"ana", "omar"}, vedette.ErrForbidden, "suffix"},
		{"a block ends", func() response.Order {
			o := order("evil.example", indicator.ScopeHost)
			o.Until = start.Add(91 * 24 * time.Hour)
			return o
		}(), 0, []authority.PersonID{"ana", "omar"}, vedette.ErrInvalid, "until"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t, response.Config{})
			*h.harm = tt.harm
			d, err := h.block(t, tt.order, tt.by...)
			if tt.kind != nil {
				if !errors.Is(err, tt.kind) || !strings.Contains(err.Error(), tt.says) {
					t.Fatalf("Block = %v, want %v that says %q", err, tt.kind, tt.says)
				}
				if len(h.lists.in) != 0 || !slices.Equal(h.book.kinds(), []string{"asked"}) {
					t.Errorf("in force %v, evidence %v: want nothing in force, and the refusal recorded", h.lists.in, h.book.kinds())
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(h.book.kinds(), []string{"block", "outcome"}) || d.State != response.Complete || d.Generation.IsZero() || d.Again {
				t.Errorf("Block = %+v, evidence %v", d, h.book.kinds())
			}
			for _, in := range h.lists.in {
				if in.Source != "cases" || in.Operator != "" || in.Ref != matter || !in.ValidUntil.Equal(until) || in.Verdict != tt.order.Verdict || in.Weight != 20000 {
					t.Errorf("in force: %+v", in)
				}
			}
			again, err := h.block(t, tt.order, tt.by...)
			if err != nil || !again.Again || len(h.lists.in) != 1 || len(h.book.records) != 2 {
				t.Errorf("the same again = %+v, %v, evidence %v", again, err, h.book.kinds())
			}
		})
	}
}

func TestAnActIsApprovedAsItIsDone(t *testing.T) {
	h := newHouse(t, response.Config{})
	o := order("evil.example", indicator.ScopeHost)
	act, err := o.Act()
	approvals := h.sign(t, act, err, "ana", "omar")
	if got, want := string(act.Canonical()), `{"act":"block","case":"case_0123456789abc","scope":"host","tenant":"chat-example","until":"2026-03-31T12:00:00Z","value":"evil.example","verdict":"block"}`; got != want {
		t.Errorf("the act is %s, want %s", got, want)
	}
	for name, change := range map[string]func(*response.Order){
		"another host":    func(o *response.Order) { o.Value = "good.example" },
		"another scope":   func(o *response.Order) { o.Scope = indicator.ScopeDomain },
		"another end":     func(o *response.Order) { o.Until = o.Until.Add(time.Hour) },
		"another verdict": func(o *response.Order) { o.Verdict = vedette.Warn },
		"another case":    func(o *response.Order) { o.Case = "case_other" },
		"another tenant":  func(o *response.Order) { o.Tenant = "other" },
	} {
		o := o
		change(&o)
		if _, err := h.Block(t.Context(), o, approvals); !errors.Is(err, authority.ErrUnapproved) {
			t.Errorf("%s: Block = %v, want unapproved", name, err)
		}
	}
	o.Value = "HTTPS://www.Evil.example" // as somebody may write a host
	if _, err := h.Block(t.Context(), o, approvals); err == nil {
		t.Error("a URL is no host")
	}
	o.Value = "WWW.Evil.example"
	if _, err := h.Block(t.Context(), o, approvals); err != nil {
		t.Errorf("another writing of the same host: %v", err)
	}
}

func TestUnblock(t *testing.T) {
	h := newHouse(t, response.Config{})
	d := h.mustBlock(t, order("evil.example", indicator.ScopeHost), "ana")
	h.at = h.at.Add(time.Minute)
	if _, err := h.unblock(t, d, "ana"); !errors.Is(err, authority.ErrUnapproved) || len(h.lists.in) != 1 {
		t.Fatalf("Unblock by one = %v, in force %d", err, len(h.lists.in))
	}
	u, err := h.unblock(t, d, "ana", "omar")
	if err != nil || len(h.lists.in) != 0 || u.About != d.Act {
		t.Fatalf("Unblock = %+v, %v", u, err)
	}
	if again, err := h.unblock(t, d, "ana", "omar"); err != nil || !again.Again {
		t.Errorf("Unblock again = %+v, %v", again, err)
	}
	if _, err := h.block(t, order("evil.example", indicator.ScopeHost), "ana"); !errors.Is(err, vedette.ErrConflict) || len(h.lists.in) != 0 {
		t.Errorf("the old approvals once more = %v, want conflict", err)
	}
	o := order("evil.example", indicator.ScopeHost)
	o.Until = o.Until.Add(time.Hour)
	h.mustBlock(t, o, "ana")
	if want := []string{"block", "outcome", "asked", "block", "outcome", "block", "outcome"}; !slices.Equal(h.book.kinds(), want) {
		t.Errorf("evidence %v, want %v", h.book.kinds(), want)
	}
	if _, err := h.Unblock(t.Context(), u.Act, why, nil); !errors.Is(err, vedette.ErrInvalid) {
		t.Errorf("Unblock of an unblock = %v", err)
	}
	if _, err := h.Unblock(t.Context(), vedette.Digest{1}, why, nil); !errors.Is(err, vedette.ErrUnknown) {
		t.Errorf("Unblock of nothing = %v", err)
	}
}

func TestTwoCasesBlockTheSame(t *testing.T) {
	h := newHouse(t, response.Config{})
	weak := order("evil.example", indicator.ScopeHost)
	weak.Verdict, weak.Case = vedette.Warn, "case_weak"
	first := h.mustBlock(t, weak, "ana")
	strong := order("evil.example", indicator.ScopeHost)
	second := h.mustBlock(t, strong, "ana")
	only := func() indicator.Indicator {
		t.Helper()
		if len(h.lists.in) != 1 {
			t.Fatalf("%d in force", len(h.lists.in))
		}
		for _, in := range h.lists.in {
			return in
		}
		panic("none")
	}
	if in := only(); in.Verdict != vedette.Block || in.Ref != matter {
		t.Errorf("in force %+v", in)
	}
	// One person must not lower what is in force by ordering less.
	for _, o := range []response.Order{
		{Case: "case_x", Tenant: tenant, Value: "evil.example", Scope: indicator.ScopeHost, Until: until, Verdict: vedette.Allow},
		{Case: "case_x", Tenant: tenant, Value: "evil.example", Scope: indicator.ScopeHost, Until: start.Add(time.Hour), Verdict: vedette.Block},
	} {
		if _, err := h.block(t, o, "ana", "omar"); !errors.Is(err, vedette.ErrConflict) {
			t.Errorf("less than what is in force = %v, want conflict", err)
		}
	}
	if _, err := h.unblock(t, second, "ana", "omar"); err != nil {
		t.Fatal(err)
	}
	if in := only(); in.Verdict != vedette.Warn || in.Ref != "case_weak" {
		t.Errorf("after the stronger was taken back: %+v", in)
	}
	if _, err := h.unblock(t, first, "ana", "omar"); err != nil || len(h.lists.in) != 0 {
		t.Errorf("Unblock of the last = %v, %d in force", err, len(h.lists.in))
	}
}

func TestWhatBreaksOffIsFinished(t *testing.T) {
	down := fmt.Errorf("down: %w", vedette.ErrUnavailable)
	for _, tt := range []struct {
		name  string
		fail  evidence.Kind // of the record that cannot be kept
		force error         // of putting it in force
		state response.State
		after []string // evidence after Finish, or after the second try
	}{
		{"the intent cannot be kept: nothing is done", evidence.KindBlock, nil, response.Intended, []string{"block", "outcome"}},
		{"the outcome cannot be kept: it is done and looks open", evidence.KindOutcome, nil, response.Intended, []string{"block", "block", "outcome"}},
		{"it cannot be put in force: it failed, and may be tried again", "", down, response.Failed, []string{"block", "outcome", "block", "outcome"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t, response.Config{})
			h.lists.err = tt.force
			h.book.fail = func(r evidence.Record) error {
				if r.Kind == tt.fail {
					return down
				}
				return nil
			}
			o := order("evil.example", indicator.ScopeHost)
			if _, err := h.block(t, o, "ana"); !errors.Is(err, vedette.ErrUnavailable) {
				t.Fatalf("Block = %v", err)
			}
			if tt.fail == evidence.KindBlock && len(h.lists.in) != 0 {
				t.Error("in force without an intent in evidence")
			}
			if list, err := h.deeds.List(t.Context(), ""); err != nil || len(list) != 1 || list[0].State != tt.state {
				t.Fatalf("deeds %+v, %v; want one %s", list, err, tt.state)
			}
			h.lists.err, h.book.fail = nil, nil
			h.restart(t, response.Config{})
			h.at = h.at.Add(time.Minute)
			n, err := h.Finish(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if tt.state == response.Failed {
				if n != 0 {
					t.Errorf("Finish = %d: what failed is for people to try again", n)
				}
				h.mustBlock(t, o, "ana")
			} else if n != 1 {
				t.Errorf("Finish = %d, want 1", n)
			}
			if len(h.lists.in) != 1 || !slices.Equal(h.book.kinds(), tt.after) {
				t.Errorf("in force %d, evidence %v, want %v", len(h.lists.in), h.book.kinds(), tt.after)
			}
			for _, in := range h.lists.in {
				if !in.KnownFrom.Equal(start) {
					t.Errorf("known from %s, want the intent's time", in.KnownFrom)
				}
			}
			if d, err := h.block(t, o, "ana"); err != nil || !d.Again {
				t.Errorf("Block again = %+v, %v", d, err)
			}
		})
	}
}

func TestAHouseThatObservesSaysWhatItWould(t *testing.T) {
	for _, tt := range []struct {
		name    string
		armed   vedette.Verdict
		is      vedette.Verdict
		observe bool
	}{{"nothing armed", vedette.Allow, vedette.Allow, true}, {"warnings armed", vedette.Warn, vedette.Warn, true}, {"all armed", vedette.Block, vedette.Block, false}} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHouse(t, response.Config{})
			if tt.armed > 0 {
				h.arm(t, response.TargetBlocks, tt.armed)
			}
			d := h.mustBlock(t, order("evil.example", indicator.ScopeHost), "ana")
			list := sightings(4)
			list[1].Was, list[1].Would = vedette.Warn, vedette.Warn
			list[2].Was = vedette.Block // never delivered
			list[3] = list[0]           // another link of the same message
			if got := h.sweep(t, d, list); got != (response.Swept{Seen: 4, Changed: 2, Same: 2}) {
				t.Fatalf("Sweep = %+v", got)
			}
			got := h.changes(t)
			if len(got) != 2 || got[0].Was != vedette.Allow || got[0].Is != tt.is || got[0].Would != vedette.Block || got[1].Is != max(tt.is, vedette.Warn) || got[1].Was != vedette.Warn {
				t.Fatalf("changes %+v", got)
			}
			b, err := json.Marshal(got[0])
			if err != nil || strings.Contains(string(b), `"observing":true`) != tt.observe || strings.Contains(string(b), "evil") {
				t.Errorf("%s, %v", b, err)
			}
			if got[0].Reasons[0].Armed != tt.armed || !got[0].Until.Equal(until) {
				t.Errorf("change %+v", got[0])
			}
			if got := h.sweep(t, d, list[:2]); got != (response.Swept{Seen: 2, Again: 2}) || len(h.changes(t)) != 2 {
				t.Errorf("Sweep again = %+v", got)
			}
		})
	}
}

func TestAMindChangesBack(t *testing.T) {
	h := newHouse(t, response.Config{})
	h.arm(t, authority.Ceiling, vedette.Block)
	list := sightings(1)
	a, b := order("evil.example", indicator.ScopeHost), order("evil.example", indicator.ScopeDomain)
	a.Verdict = vedette.Warn
	warn, block := h.mustBlock(t, a, "ana"), h.mustBlock(t, b, "ana", "omar")
	h.sweep(t, warn, list)
	h.sweep(t, block, list)
	back := func(d response.Done) response.Done {
		t.Helper()
		u, err := h.unblock(t, d, "ana", "omar")
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	h.sweep(t, back(block), list)
	last := back(warn)
	h.sweep(t, last, list)
	if got := h.sweep(t, last, list); got.Again != 1 {
		t.Errorf("Sweep again = %+v", got)
	}
	var said []string
	for _, c := range h.changes(t) {
		said = append(said, fmt.Sprintf("%s %s→%s", c.Cause, c.Was, c.Is))
	}
	if want := []string{"block allow→warn", "block warn→block", "revoked block→warn", "revoked warn→allow"}; !slices.Equal(said, want) {
		t.Errorf("said %q, want %q", said, want)
	}
	if _, err := h.Sweep(t.Context(), cause(t, block), each(sightings(2))); !errors.Is(err, response.ErrEnded) {
		t.Errorf("Sweep of what was taken back = %v, want ErrEnded", err)
	}
}

func TestWhatWillHoldIsToldAsCausesEnd(t *testing.T) {
	h := newHouse(t, response.Config{})
	h.arm(t, authority.Ceiling, vedette.Block)
	long, short := order("evil.example", indicator.ScopeHost), order("https://evil.example/x", indicator.ScopeURL)
	long.Verdict = vedette.Warn
	short.Until = start.Add(time.Hour)
	list := sightings(1)
	h.sweep(t, h.mustBlock(t, long, "ana"), list)
	h.sweep(t, h.mustBlock(t, short, "ana"), list)
	got := h.changes(t)
	if want := []response.Step{{At: short.Until, Is: vedette.Warn}, {At: until, Is: vedette.Allow}}; len(got) != 2 || !reflect.DeepEqual(got[1].Later, want) {
		t.Fatalf("changes %+v, want later %v", got, want)
	}
	h.at = short.Until
	third := order("evil.example", indicator.ScopeHost)
	third.Until = until.Add(time.Hour)
	h.sweep(t, h.mustBlock(t, third, "ana"), list)
	if c := h.changes(t)[2]; c.Was != vedette.Warn || c.Is != vedette.Block || !reflect.DeepEqual(c.Later, []response.Step{{At: third.Until, Is: vedette.Allow}}) {
		t.Errorf("after the shorter one ended: %+v", c)
	}
	weigh := order("evil.example", indicator.ScopeDomain)
	weigh.Verdict = vedette.Allow
	if s := h.sweep(t, h.mustBlock(t, weigh, "ana"), list); s.Same != 1 || s.Changed != 0 {
		t.Errorf("what only weighs: %+v", s)
	}
}

func TestAnImportedIndicatorChangesMindsAndIsTakenBack(t *testing.T) {
	h := newHouse(t, response.Config{})
	h.arm(t, "list:partner", vedette.Warn)
	c := response.Cause{
		Kind: response.CauseIndicator, Of: vedette.Digest{5}, Tenant: tenant, Generation: vedette.GenerationID{1},
		Reason: vedette.Reason{Rule: "list:partner", Verdict: vedette.Block, Weight: 15000, Link: -1, Text: "as published by partner on 2026-02-28"},
	}
	list := sightings(2)
	if _, err := h.Sweep(t.Context(), c, each(list[:1])); err != nil {
		t.Fatal(err)
	}
	list[1].Was, list[1].Rested, list[1].Rest = vedette.Warn, true, vedette.Allow // warned by the list when it passed
	revoked := c
	revoked.Kind, revoked.Of, revoked.Back, revoked.Reason.Verdict, revoked.Reason.Text = response.CauseRevoked, vedette.Digest{6}, c.Of, vedette.Allow, "withdrawn by partner"
	if s, err := h.Sweep(t.Context(), revoked, each(list)); err != nil || s.Changed != 2 {
		t.Fatalf("Sweep = %+v, %v", s, err)
	}
	got := h.changes(t)
	if len(got) != 3 || got[0].Is != vedette.Warn || got[1].Is != vedette.Allow || got[2].Was != vedette.Warn || got[2].Is != vedette.Allow {
		t.Errorf("changes %+v", got)
	}
	for name, change := range map[string]func(*response.Cause){
		"a forged block":           func(c *response.Cause) { c.Kind = response.CauseBlock },
		"under the cases' name":    func(c *response.Cause) { c.Reason.Rule = response.TargetBlocks },
		"with a recall":            func(c *response.Cause) { c.Recall = response.RecallRedaction },
		"with something to undo":   func(c *response.Cause) { c.Back = vedette.Digest{1} },
		"that tells too much":      func(c *response.Cause) { c.Reason.Text = strings.Repeat("x", 1001) },
		"without a digest":         func(c *response.Cause) { c.Of = vedette.Digest{} },
		"that ended":               func(c *response.Cause) { c.Until = start },
		"of no tenant":             func(c *response.Cause) { c.Tenant = "" },
		"that recalls by its name": func(c *response.Cause) { c.Reason.Rule = response.TargetRecalls },
	} {
		c := c
		c.Of = vedette.Digest{77}
		change(&c)
		if _, err := h.Sweep(t.Context(), c, each(sightings(9))); err == nil || len(h.changes(t)) != 3 {
			t.Errorf("%s: Sweep = %v", name, err)
		}
	}
}

func TestRecall(t *testing.T) {
	h := newHouse(t, response.Config{})
	h.arm(t, response.TargetRecalls, vedette.Block)
	recall := func(how response.Recall, by ...authority.PersonID) (response.Done, error) {
		o := response.RecallOrder{Case: matter, Tenant: tenant, How: how, Until: until}
		act, err := response.RecallAct(o)
		return h.Recall(t.Context(), o, h.sign(t, act, err, by...))
	}
	if _, err := recall(response.RecallRedaction, "ana"); !errors.Is(err, authority.ErrUnapproved) {
		t.Fatalf("a redaction by one = %v", err)
	}
	if _, err := response.RecallAct(response.RecallOrder{Case: matter, Tenant: tenant, How: "delete", Until: until}); !errors.Is(err, vedette.ErrInvalid) {
		t.Errorf("an unknown recall = %v", err)
	}
	warn, err := recall(response.RecallInterstitial, "ana")
	if err != nil {
		t.Fatal(err)
	}
	list := sightings(2)
	list[1].Was, list[1].Would = vedette.Warn, vedette.Warn // warned already; the recall is asked of the platform all the same
	h.sweep(t, warn, list)
	act, err := response.UnrecallAct(warn.Deed, why)
	lift, err := h.Unrecall(t.Context(), warn.Act, why, h.sign(t, act, err, "ana", "omar"))
	if err != nil {
		t.Fatal(err)
	}
	h.sweep(t, lift, list[:1])
	redact, err := recall(response.RecallRedaction, "ana", "omar")
	if err != nil {
		t.Fatal(err)
	}
	h.sweep(t, redact, list[:1])
	got := h.changes(t)
	want := []struct {
		is     vedette.Verdict
		recall response.Recall
		ends   bool
	}{{vedette.Warn, response.RecallInterstitial, true}, {vedette.Warn, response.RecallInterstitial, true}, {vedette.Allow, "", false}, {vedette.Block, response.RecallRedaction, false}}
	if len(got) != len(want) {
		t.Fatalf("changes %+v", got)
	}
	for i, w := range want {
		if c := got[i]; c.Is != w.is || c.Recall != w.recall || c.Until.IsZero() == w.ends {
			t.Errorf("change %d: %+v, want %+v", i, c, w)
		}
	}
	if _, err := response.UnrecallAct(redact.Deed, why); !errors.Is(err, vedette.ErrForbidden) {
		t.Errorf("undoing a redaction = %v, want forbidden", err)
	}
	if _, err := h.Unrecall(t.Context(), redact.Act, why, nil); !errors.Is(err, vedette.ErrForbidden) {
		t.Errorf("Unrecall of a redaction = %v, want forbidden", err)
	}
	c := cause(t, redact)
	c.Tenant = "other"
	if _, err := h.Sweep(t.Context(), c, each(list)); !errors.Is(err, vedette.ErrForbidden) {
		t.Errorf("another tenant's messages = %v, want forbidden", err)
	}
}

func TestARecallThatIsNotArmedAsksNothing(t *testing.T) {
	h := newHouse(t, response.Config{})
	o := response.RecallOrder{Case: matter, Tenant: tenant, How: response.RecallRedaction, Until: until}
	act, err := response.RecallAct(o)
	d, err := h.Recall(t.Context(), o, h.sign(t, act, err, "ana", "omar"))
	if err != nil {
		t.Fatal(err)
	}
	h.sweep(t, d, sightings(1))
	if c := h.changes(t)[0]; c.Recall != "" || c.Is != vedette.Allow || c.Would != vedette.Block {
		t.Errorf("change %+v", c)
	}
}

func TestTheBreaker(t *testing.T) {
	h := newHouse(t, response.Config{Changes: 10, Hourly: 25})
	h.arm(t, authority.Ceiling, vedette.Block)
	d := h.mustBlock(t, order("evil.example", indicator.ScopeHost), "ana")
	c := cause(t, d)
	list := sightings(30)
	_, err := h.Sweep(t.Context(), c, each(list))
	e, ok := errors.AsType[*response.Breaker](err)
	if !ok || e.Found != 30 || e.Limit != 10 || e.Per != "cause" || len(h.changes(t)) != 0 || !errors.Is(err, vedette.ErrForbidden) {
		t.Fatalf("Sweep of 30 = %v, %d changes", err, len(h.changes(t)))
	}
	// In pieces it is no more.
	h.sweep(t, d, list[:6])
	if _, err := h.Sweep(t.Context(), c, each(list[6:12])); err == nil || len(h.changes(t)) != 6 {
		t.Fatalf("Sweep of 6 more = %v, %d changes", err, len(h.changes(t)))
	}
	release := func(upto int, by ...authority.PersonID) error {
		act, err := response.ReleaseAct(c, upto)
		_, err = h.Release(t.Context(), c, upto, h.sign(t, act, err, by...))
		return err
	}
	if err := release(20, "ana"); !errors.Is(err, authority.ErrUnapproved) {
		t.Fatalf("Release by one = %v", err)
	}
	if err := release(20, "ana", "omar"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Sweep(t.Context(), c, each(list)); err == nil || len(h.changes(t)) != 6 {
		t.Fatalf("Sweep of 30, 20 released = %v", err)
	}
	if err := release(30, "ana", "omar"); err != nil {
		t.Fatal(err)
	}
	if s := h.sweep(t, d, list); s.Changed != 24 || s.Again != 6 {
		t.Fatalf("Sweep = %+v", s)
	}
	// Another cause stands before the hour's limit.
	other := h.mustBlock(t, order("other.example", indicator.ScopeHost), "ana")
	_, err = h.Sweep(t.Context(), cause(t, other), each([]response.Sighting{{Event: vedette.EventID{0xff}}}))
	if e, ok := errors.AsType[*response.Breaker](err); !ok || e.Per != "hour" {
		t.Fatalf("Sweep by another cause = %v, want the hour's breaker", err)
	}
	h.at = h.at.Add(time.Hour + time.Second)
	if s := h.sweep(t, other, []response.Sighting{{Event: vedette.EventID{0xff}}}); s.Changed != 1 {
		t.Errorf("an hour later: %+v", s)
	}
}

func TestTheKillSwitch(t *testing.T) {
	h := newHouse(t, response.Config{})
	d := h.mustBlock(t, order("evil.example", indicator.ScopeHost), "ana")
	halt := func(until time.Time, by ...authority.PersonID) (response.Done, error) {
		act, err := response.HaltAct(tenant, until, "the platform sees too many warnings")
		return h.Halt(t.Context(), tenant, until, "the platform sees too many warnings", h.sign(t, act, err, by...))
	}
	if _, err := halt(start.Add(25*time.Hour), "ana"); !errors.Is(err, authority.ErrUnapproved) {
		t.Errorf("one person for 25 hours = %v", err)
	}
	stop, err := halt(start.Add(24*time.Hour), "ana")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Sweep(t.Context(), cause(t, d), each(sightings(1))); !errors.Is(err, response.ErrHalted) {
		t.Errorf("Sweep = %v, want ErrHalted", err)
	}
	h.at = start.Add(30 * time.Hour)
	if _, err := halt(start.Add(40*time.Hour), "ana"); !errors.Is(err, authority.ErrUnapproved) {
		t.Errorf("one person again = %v", err)
	}
	if s := h.sweep(t, d, sightings(1)); s.Changed != 1 {
		t.Errorf("after the halt: %+v", s)
	}
	long, err := halt(start.Add(90*time.Hour), "ana", "omar")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Sweep(t.Context(), cause(t, d), each(sightings(2))); !errors.Is(err, response.ErrHalted) {
		t.Errorf("Sweep = %v, want ErrHalted", err)
	}
	act, err := response.ResumeAct(tenant, long.Act)
	if _, err := h.Resume(t.Context(), tenant, long.Act, h.sign(t, act, err, "ana")); !errors.Is(err, authority.ErrUnapproved) {
		t.Errorf("Resume by one = %v", err)
	}
	if _, err := h.Resume(t.Context(), tenant, long.Act, h.sign(t, act, nil, "ana", "omar")); err != nil {
		t.Fatal(err)
	}
	if s := h.sweep(t, d, sightings(2)); s.Changed != 1 || s.Again != 1 {
		t.Errorf("after Resume: %+v", s)
	}
	if _, err := h.Resume(t.Context(), "other", stop.Act, nil); !errors.Is(err, vedette.ErrInvalid) {
		t.Errorf("Resume of another tenant = %v", err)
	}
}

func TestWhatFailsInTheMiddleIsSweptAgain(t *testing.T) {
	h := newHouse(t, response.Config{Changes: 5000})
	d := h.mustBlock(t, order("evil.example", indicator.ScopeHost), "ana")
	n := 0
	h.book.fail = func(r evidence.Record) error {
		if n++; r.Kind == evidence.KindChanged && n == 2 {
			return vedette.ErrUnavailable
		}
		return nil
	}
	list := sightings(2500)
	s, err := h.Sweep(t.Context(), cause(t, d), each(list))
	if !errors.Is(err, vedette.ErrUnavailable) || s.Changed != 1000 || len(h.changes(t)) != 1000 {
		t.Fatalf("Sweep = %+v, %v", s, err)
	}
	if s := h.sweep(t, d, list); s.Changed != 1500 || s.Again != 1000 || len(h.changes(t)) != 2500 {
		t.Errorf("Sweep again = %+v", s)
	}
	broken := func(yield func(response.Sighting, error) bool) {
		_ = yield(response.Sighting{Event: vedette.EventID{9, 9, 9}}, nil) && yield(response.Sighting{}, vedette.ErrUnavailable)
	}
	if _, err := h.Sweep(t.Context(), cause(t, d), broken); !errors.Is(err, vedette.ErrUnavailable) || len(h.changes(t)) != 2500 {
		t.Errorf("Sweep of a broken hunt = %v", err)
	}
}

// Whatever is blocked, recalled, taken back and swept in whatever order: the last change of a message says what really holds, each change begins
// where the one before it ended, and nothing is stronger than what is armed.
func TestChangesFollowOnOneAnother(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		h := newHouse(t, response.Config{})
		armed := vedette.Verdict(rapid.IntRange(0, 3).Draw(rt, "armed"))
		if armed > 0 {
			h.arm(t, authority.Ceiling, armed)
		}
		s := sightings(1)
		s[0].Was = vedette.Verdict(rapid.IntRange(0, 1).Draw(rt, "was"))
		live := map[vedette.Digest]response.Done{}
		for i := range rapid.IntRange(1, 10).Draw(rt, "steps") {
			h.at = h.at.Add(time.Minute)
			if keys := slices.SortedFunc(mapKeys(live), func(a, b vedette.Digest) int { return slices.Compare(a[:], b[:]) }); len(keys) > 0 && rapid.Bool().Draw(rt, "back") {
				d := live[rapid.SampledFrom(keys).Draw(rt, "which")]
				u, err := h.unblock(t, d, "ana", "omar")
				if err != nil {
					rt.Fatal(err)
				}
				delete(live, d.Act)
				h.sweep(t, u, s)
				continue
			}
			o := order(fmt.Sprintf("h%d.example", i), indicator.ScopeHost)
			o.Verdict = vedette.Verdict(rapid.IntRange(0, 3).Draw(rt, "verdict"))
			d := h.mustBlock(t, o, "ana")
			live[d.Act] = d
			h.sweep(t, d, s)
		}
		is, would := s[0].Was, s[0].Was
		for _, d := range live {
			is, would = max(is, min(d.Verdict, armed)), max(would, d.Verdict)
		}
		last, lastWould := s[0].Was, s[0].Was
		for _, c := range h.changes(t) {
			if c.Was != last {
				rt.Fatalf("change %d begins at %s, the one before ended at %s", c.Seq, c.Was, last)
			}
			if c.Is > max(armed, s[0].Was) || c.Is > c.Would {
				rt.Fatalf("change %d is %s, would be %s, armed is %s", c.Seq, c.Is, c.Would, armed)
			}
			last, lastWould = c.Is, c.Would
		}
		if last != is || lastWould != would {
			rt.Fatalf("the last change says %s, would be %s; what holds is %s, %s", last, lastWould, is, would)
		}
	})
}

func mapKeys[K comparable, V any](m map[K]V) iter.Seq[K] {
	return func(yield func(K) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// Yesterday's bytes (docs/formats/changed.md).
const vector = `{"seq":12,"id":"chg_jbbbd4kwtjhqg8q9ghhh1kcy9r","event":"evt_041061050r3gg28a1c60t3gf20","tenant":"chat-example","at":"2026-03-01T12:00:00.123Z","was":"allow","is":"warn","would":"block","observing":true,"cause":"block","recall":"interstitial","until":"2026-03-31T12:00:00.000Z","later":[{"at":"2026-03-31T12:00:00.000Z","is":"allow"}],"reasons":[{"rule":"list:cases","verdict":"block","bits":20.0,"link":-1,"armed":"warn","text":"A constant text."}],"generation":"gen_10000000000000000000000000"}`

func TestChangedVector(t *testing.T) {
	var c response.Changed
	if err := json.Unmarshal([]byte(vector), &c); err != nil {
		t.Fatal(err)
	}
	want := response.Changed{
		Seq: 12, ID: c.ID, Event: vedette.EventID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, Tenant: tenant, At: start.Add(123 * time.Millisecond),
		Was: vedette.Allow, Is: vedette.Warn, Would: vedette.Block, Cause: response.CauseBlock, Recall: response.RecallInterstitial, Until: until, Later: []response.Step{{At: until, Is: vedette.Allow}},
		Reasons:    []vedette.Reason{{Rule: "list:cases", Verdict: vedette.Block, Weight: 20000, Link: -1, Armed: vedette.Warn, Text: "A constant text."}},
		Generation: vedette.GenerationID{8},
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("read %+v, want %+v", c, want)
	}
	b, err := json.Marshal(c)
	if err != nil || string(b) != vector {
		t.Errorf("written %s, %v; want %s", b, err, vector)
	}
}

func FuzzChanged(f *testing.F) {
	f.Add([]byte(vector))
	f.Add([]byte(`{"cause":"revoked","at":"2026-03-01T12:00:00.000Z"}`))
	f.Add([]byte(`{"reasons":[{"bits":-1.205}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var c, again response.Changed
		if err := json.Unmarshal(b, &c); err != nil {
			return
		}
		once, err := json.Marshal(c)
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		if err := json.Unmarshal(once, &again); err != nil {
			t.Fatalf("what was written cannot be read: %v: %s", err, once)
		}
		twice, err := json.Marshal(again)
		if err != nil || string(once) != string(twice) {
			t.Fatalf("not a fixed point: %s, then %s", once, twice)
		}
	})
}

func BenchmarkSweep(b *testing.B) {
	h := newHouse(b, response.Config{Changes: 1000, Hourly: 1e7})
	list := sightings(1000)
	d := h.mustBlock(b, order("evil.example", indicator.ScopeHost), "ana")
	h.sweep(b, d, list)
	b.ReportAllocs()
	for b.Loop() {
		h.sweep(b, d, list)
	}
}
