package authority_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vedette"
	"vedette/record/authority"
	"vedette/record/authority/authoritytest"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestMemory(t *testing.T) {
	authoritytest.Run(t, func(*testing.T) (authoritytest.Store, func() authoritytest.Store) {
		m := new(authority.Memory)
		return m, func() authoritytest.Store { return m }
	})
}

// house is a register with its people's private keys.
type house struct {
	*authority.Register
	store *authority.Memory
	keys  map[authority.PersonID]ed25519.PrivateKey
}

func newHouse(t testing.TB) *house {
	t.Helper()
	m := new(authority.Memory)
	h := &house{authority.NewRegister(m), m, map[authority.PersonID]ed25519.PrivateKey{}}
	h.enrol(t, "ana", nil, start)
	h.enrol(t, "omar", nil, start)
	return h
}

func (h *house) person(t testing.TB, id authority.PersonID) authority.Person {
	t.Helper()
	pub, priv, err := authority.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	h.keys[id] = priv
	return authority.Person{ID: id, Name: "A Person", Role: authority.RoleAnalyst, Key: pub}
}

func (h *house) enrol(t testing.TB, id authority.PersonID, by []authority.PersonID, at time.Time) {
	t.Helper()
	p := h.person(t, id)
	act, err := authority.EnrolAct(p)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Enrol(t.Context(), p, h.sign(t, act, at, by...), at); err != nil {
		t.Fatal(err)
	}
}

func (h *house) sign(t testing.TB, act authority.Act, at time.Time, by ...authority.PersonID) (out [][]byte) {
	t.Helper()
	for _, id := range by {
		a, err := authority.Approve(act, id, h.keys[id], at)
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

func act(t testing.TB, v any) authority.Act {
	t.Helper()
	a, err := authority.NewAct(v)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// twins is a store in which somebody put one key under two names.
type twins struct{ *authority.Memory }

func (s twins) People(ctx context.Context) ([]authority.Person, error) {
	ps, err := s.Memory.People(ctx)
	for i := range ps {
		ps[i].Key = ps[0].Key
	}
	return ps, err
}

func TestOneKeyUnderTwoNamesIsOnePerson(t *testing.T) {
	h := newHouse(t)
	a := act(t, map[string]any{"act": "guard.override", "host": "news.example"})
	var approvals [][]byte
	for _, name := range []authority.PersonID{"ana", "omar"} {
		b, err := authority.Approve(a, name, h.keys["ana"], start)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		approvals = append(approvals, text)
	}
	if _, err := authority.NewRegister(twins{h.store}).Approved(t.Context(), a, approvals, start); !errors.Is(err, authority.ErrUnapproved) {
		t.Errorf("one key under two names: %v, want it unapproved", err)
	}
}

func TestTwoPeople(t *testing.T) {
	h := newHouse(t)
	h.enrol(t, "noor", []authority.PersonID{"ana", "omar"}, start)
	h.enrol(t, "lena", []authority.PersonID{"ana", "omar"}, start)
	late := start.Add(80 * time.Hour)
	revoke, err := authority.RevokeAct("lena")
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Revoke(t.Context(), "lena", h.sign(t, revoke, late, "ana", "omar"), late); err != nil {
		t.Fatal(err)
	}
	a := act(t, map[string]any{"act": "guard.override", "host": "news.example"})
	other := act(t, map[string]any{"act": "guard.override", "host": "news2.example"})
	sign := func(at time.Time, by ...authority.PersonID) [][]byte { return h.sign(t, a, at, by...) }
	as := func(key, name authority.PersonID, at time.Time) []byte {
		b, err := authority.Approve(a, name, h.keys[key], at)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for _, tt := range []struct {
		name      string
		approvals [][]byte
		at        time.Time
		says      string // "": approved
	}{
		{"two founders at once", sign(start, "ana", "omar"), start, ""},
		{"in any order", sign(start, "omar", "ana"), start, ""},
		{"nobody", nil, start, "0 of 2"},
		{"one", sign(start, "ana"), start, "1 of 2 people approved (ana)"},
		{"one twice", sign(start, "ana", "ana"), start, "1 of 2"},
		{"one twice at two times", append(sign(start, "ana"), sign(start.Add(time.Minute), "ana")...), start.Add(time.Hour), "1 of 2"},
		{"one under the other's name", [][]byte{as("ana", "ana", start), as("ana", "omar", start)}, start, "omar: signature does not match"},
		{"somebody not enrolled", [][]byte{as("ana", "ana", start), as("ana", "eve", start)}, start, "eve: is not enrolled"},
		{"another act", append(sign(start, "ana"), h.sign(t, other, start, "omar")...), start, "omar: approved another act"},
		{"a new person before 72 hours", sign(start, "ana", "noor"), start.Add(72*time.Hour - time.Second), "noor: enrolled less than 72 hours ago"},
		{"a new person after 72 hours", sign(start, "ana", "noor"), start.Add(72 * time.Hour), ""},
		{"a revoked key before", sign(late, "ana", "lena"), late.Add(-time.Second), ""},
		{"a revoked key after", sign(late, "ana", "lena"), late, "lena: key was revoked"},
		{"approvals of 7 days", sign(start, "ana", "omar"), start.Add(7 * 24 * time.Hour), ""},
		{"approvals older than 7 days", sign(start, "ana", "omar"), start.Add(7*24*time.Hour + time.Second), "older than 7 days"},
		{"approvals from the future", sign(start.Add(time.Hour), "ana", "omar"), start, "approved in the future"},
		{"a clock a little ahead", sign(start.Add(time.Minute), "ana", "omar"), start, ""},
		{"two good ones and rubbish", append(sign(start, "ana", "omar"), []byte("{}")), start, ""},
		{"one good one and rubbish", append(sign(start, "ana"), []byte("{}")), start, "no approval file"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := h.TwoPeople(t.Context(), a.Canonical(), tt.approvals, tt.at)
			switch {
			case tt.says == "" && err != nil:
				t.Errorf("TwoPeople = %v, want approved", err)
			case tt.says != "" && (!errors.Is(err, authority.ErrUnapproved) || !errors.Is(err, vedette.ErrForbidden) || !strings.Contains(err.Error(), tt.says)):
				t.Errorf("TwoPeople = %v, want %q", err, tt.says)
			}
		})
	}
	if err := h.TwoPeople(t.Context(), []byte(` { "host" : "news.example", "act":"guard.override"}`), sign(start, "ana", "omar"), start); err != nil {
		t.Errorf("the same act in another writing: %v", err)
	}
	if err := h.TwoPeople(t.Context(), []byte(`[]`), sign(start, "ana", "omar"), start); !errors.Is(err, vedette.ErrInvalid) {
		t.Errorf("no act: %v", err)
	}
}

func TestEnrolment(t *testing.T) {
	h := newHouse(t)
	ps, err := h.People(t.Context())
	if err != nil || len(ps) != 2 || !ps[0].Founder || !ps[1].Founder {
		t.Fatalf("founders: %+v, %v", ps, err)
	}
	eve := h.person(t, "eve")
	if _, err := h.Enrol(t.Context(), eve, nil, start); !errors.Is(err, authority.ErrUnapproved) {
		t.Errorf("a third without approvals: %v", err)
	}
	eve.Founder = true
	if _, err := h.Enrol(t.Context(), eve, nil, start); !errors.Is(err, authority.ErrUnapproved) {
		t.Errorf("a third who says to be a founder: %v", err)
	}
	// The approval is for that key and name, not for whoever comes with it.
	noor, swapped := h.person(t, "noor"), h.person(t, "noor")
	a, err := authority.EnrolAct(noor)
	if err != nil {
		t.Fatal(err)
	}
	good := h.sign(t, a, start, "ana", "omar")
	if _, err := h.Enrol(t.Context(), swapped, good, start); !errors.Is(err, authority.ErrUnapproved) {
		t.Errorf("another key under the approved name: %v", err)
	}
	p, err := h.Enrol(t.Context(), noor, good, start)
	if err != nil || p.Founder || !reflect.DeepEqual(p.EnrolledBy, []authority.PersonID{"ana", "omar"}) {
		t.Errorf("Enrol = %+v, %v", p, err)
	}
	if _, err := h.Enrol(t.Context(), noor, good, start); !errors.Is(err, vedette.ErrConflict) {
		t.Errorf("twice: %v", err)
	}
	// Founders who left leave no place behind them.
	for _, id := range []authority.PersonID{"ana", "omar"} {
		r, err := authority.RevokeAct(id)
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Revoke(t.Context(), id, h.sign(t, r, start, id), start); err != nil {
			t.Errorf("%s leaves alone: %v", id, err)
		}
		if err := h.Revoke(t.Context(), "noor", h.sign(t, r, start, id), start); !errors.Is(err, authority.ErrUnapproved) {
			t.Errorf("%s's leaving revoked another: %v", id, err)
		}
	}
	if _, err := h.Enrol(t.Context(), h.person(t, "eve2"), nil, start); !errors.Is(err, authority.ErrUnapproved) {
		t.Errorf("a new founder after the founders left: %v", err)
	}
	asked, err := h.store.Asked(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	given, refused := 0, 0
	for _, a := range asked {
		if a.Given {
			given++
		} else if refused++; a.Why == "" {
			t.Errorf("refused without a reason: %+v", a)
		}
	}
	if given != 6 || refused != 6 {
		t.Errorf("%d given and %d refused are recorded, want 6 and 6", given, refused)
	}
	if who, err := h.Who(t.Context(), noor.Key); err != nil || who.ID != "noor" {
		t.Errorf("Who = %v, %v", who.ID, err)
	}
}

func TestPermit(t *testing.T) {
	h := newHouse(t)
	ask := func(p authority.Purpose) authority.Ask {
		return authority.Ask{Purpose: p, Tenant: "a", Case: "case-7", Until: start.Add(24 * time.Hour)}
	}
	signed := func(a authority.Ask, by ...authority.PersonID) [][]byte {
		act, err := a.Act()
		if err != nil {
			t.Fatal(err)
		}
		return h.sign(t, act, start, by...)
	}
	for p := authority.PurposeNotify; p <= authority.PurposeFile; p++ {
		two := p == authority.PurposeErase || p == authority.PurposeFile
		a := ask(p)
		if _, err := h.Permit(t.Context(), a, nil, start); !errors.Is(err, authority.ErrUnapproved) {
			t.Errorf("to %s, by nobody: %v", p, err)
		}
		if _, err := h.Permit(t.Context(), a, signed(a, "ana"), start); errors.Is(err, authority.ErrUnapproved) != two {
			t.Errorf("to %s, by one: %v", p, err)
		}
		got, err := h.Permit(t.Context(), a, signed(a, "ana", "omar"), start)
		if err != nil {
			t.Fatal(err)
		}
		for q := authority.Purpose(0); q <= authority.PurposeFile+1; q++ {
			if err := got.Check(q, start); (err == nil) != (q == p) {
				t.Errorf("a permit to %s, asked to %s: %v", p, q, err)
			}
		}
		if got.Check(p, a.Until.Add(-time.Second)) != nil || !errors.Is(got.Check(p, a.Until), authority.ErrNoPermit) {
			t.Errorf("a permit to %s does not hold until its end", p)
		}
		if got.For("a") != nil || !errors.Is(got.For("b"), vedette.ErrForbidden) || got.For("") == nil {
			t.Errorf("a permit to %s is for its tenant alone", p)
		}
		// An approval for one permit is none for another.
		b := ask(p)
		b.Case = "case-8"
		if _, err := h.Permit(t.Context(), b, signed(a, "ana", "omar"), start); !errors.Is(err, authority.ErrUnapproved) {
			t.Errorf("approvals of another case: %v", err)
		}
	}
	for q := range authority.PurposeFile + 2 {
		if err := (authority.Permit{}).Check(q, start); !errors.Is(err, authority.ErrNoPermit) {
			t.Errorf("the zero permit, to %s: %v", q, err)
		}
	}
	long := ask(authority.PurposeNotify)
	long.Until = start.Add(authority.MaxPermit + time.Second)
	if _, err := h.Permit(t.Context(), long, signed(long, "ana"), start); !errors.Is(err, vedette.ErrInvalid) {
		t.Errorf("a permit for too long: %v", err)
	}
	for _, bad := range []authority.Ask{{}, {Purpose: 9, Tenant: "a", Case: "c"}, {Purpose: 1, Case: "c"}, {Purpose: 1, Tenant: "a"}, {Purpose: 1, Tenant: "a", Case: " "}} {
		if _, err := h.Permit(t.Context(), bad, nil, start); !errors.Is(err, vedette.ErrInvalid) {
			t.Errorf("Permit(%+v) = %v", bad, err)
		}
	}
}

// broken is a record that cannot be kept.
type broken struct{ *authority.Memory }

func (broken) Record(context.Context, authority.Asked) error { return errors.New("disk full") }

func TestNothingIsGivenUnrecorded(t *testing.T) {
	h := newHouse(t)
	r := authority.NewRegister(broken{h.store})
	ask := authority.Ask{Purpose: authority.PurposeNotify, Tenant: "a", Case: "c", Until: start.Add(time.Hour)}
	a, err := ask.Act()
	if err != nil {
		t.Fatal(err)
	}
	p, err := r.Permit(t.Context(), ask, h.sign(t, a, start, "ana"), start)
	if !errors.Is(err, vedette.ErrUnavailable) || p.Check(authority.PurposeNotify, start) == nil {
		t.Errorf("Permit = %v", err)
	}
}

func TestDisclosure(t *testing.T) {
	h := newHouse(t)
	base := authority.Handing{Recipient: authority.ToPartner, Data: authority.DataIndicators, Tenant: "a", Case: "c", Until: start.Add(time.Hour)}
	for _, tt := range []struct {
		name   string
		change func(*authority.Handing)
		by     []authority.PersonID
		want   error
	}{
		{"indicators to a partner", func(*authority.Handing) {}, []authority.PersonID{"ana", "omar"}, nil},
		{"by one", func(*authority.Handing) {}, []authority.PersonID{"ana"}, authority.ErrUnapproved},
		{"content without a basis", func(h *authority.Handing) { h.Data = authority.DataContent }, []authority.PersonID{"ana", "omar"}, vedette.ErrForbidden},
		{"counts to a government without a basis", func(h *authority.Handing) { h.Recipient, h.Data = authority.ToGovernment, authority.DataCounts }, []authority.PersonID{"ana", "omar"}, vedette.ErrForbidden},
		{"a basis without a jurisdiction", func(h *authority.Handing) { h.Data, h.Basis = authority.DataContent, "consent" }, []authority.PersonID{"ana", "omar"}, vedette.ErrForbidden},
		{"content with a basis", func(h *authority.Handing) {
			h.Data, h.Basis, h.Jurisdiction = authority.DataContent, "consent of the subject", "US"
		}, []authority.PersonID{"ana", "omar"}, nil},
		{"no recipient", func(h *authority.Handing) { h.Recipient = 0 }, nil, vedette.ErrInvalid},
		{"no data", func(h *authority.Handing) { h.Data = 0 }, nil, vedette.ErrInvalid},
		{"a jurisdiction that is none", func(h *authority.Handing) { h.Jurisdiction = "usa" }, nil, vedette.ErrInvalid},
		{"ended", func(h *authority.Handing) { h.Until = start }, []authority.PersonID{"ana", "omar"}, vedette.ErrInvalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			x := base
			tt.change(&x)
			var approvals [][]byte
			if a, err := x.Act(); err == nil {
				approvals = h.sign(t, a, start, tt.by...)
			}
			d, err := h.Disclosure(t.Context(), x, approvals, start)
			if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
				t.Fatalf("Disclosure = %v, want %v", err, tt.want)
			}
			if got := d.Check(x.Recipient, x.Data, start); (got == nil) != (tt.want == nil) {
				t.Errorf("Check = %v", got)
			}
			if d.Check(authority.ToPublic, x.Data, start) == nil || d.Check(x.Recipient, authority.DataIdentity, start) == nil || d.Check(x.Recipient, x.Data, x.Until) == nil {
				t.Error("it allows more than was approved")
			}
		})
	}
	if (authority.Disclosure{}).Check(0, 0, start) == nil {
		t.Error("the zero disclosure allows nothing to nobody")
	}
}

func TestArming(t *testing.T) {
	h := newHouse(t)
	s := authority.NewArms(h.store, h.Register)
	raise := func(target vedette.RuleID, v vedette.Verdict, until, at time.Time) {
		t.Helper()
		if _, err := s.Change(t.Context(), authority.Change{Target: target, Verdict: v, By: []string{"ana"}, Until: until}, nil, at); err != nil {
			t.Fatal(err)
		}
	}
	armed := func(at time.Time) authority.Armed {
		t.Helper()
		a, err := s.Armed(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	if a := armed(start); a.Ceiling != vedette.Allow || len(a.Each) != 0 || a.Of("rule:x") != vedette.Allow {
		t.Errorf("fresh: %+v", a)
	}
	if _, err := s.Change(t.Context(), authority.Change{Target: "rule:x", Verdict: vedette.Warn}, nil, start); !errors.Is(err, vedette.ErrInvalid) {
		t.Errorf("by nobody: %v", err)
	}
	raise("list:a", vedette.Block, time.Time{}, start)
	raise("rule:x", vedette.Warn, start.Add(time.Hour), start)
	raise(authority.Ceiling, vedette.Hold, start.Add(2*time.Hour), start)
	if a := armed(start); a.Of("list:a") != vedette.Block || a.Of("rule:x") != vedette.Hold || a.Of("rule:y") != vedette.Hold || !a.Next.Equal(start.Add(time.Hour)) {
		t.Errorf("armed: %+v", a)
	}
	if a := armed(start.Add(2 * time.Hour)); a.Of("list:a") != vedette.Block || a.Of("rule:x") != vedette.Allow || !a.Next.IsZero() {
		t.Errorf("after the ends: %+v", a)
	}
	later := start.Add(3 * time.Hour)
	lower := authority.Change{Target: "list:a", Verdict: vedette.Warn, Until: later.Add(time.Hour), Why: "false stops", By: []string{"eve"}}
	if _, err := s.Change(t.Context(), lower, nil, later); !errors.Is(err, authority.ErrUnapproved) {
		t.Errorf("lowered by one shell: %v", err)
	}
	a, err := authority.LowerAct(lower, armed(later).Revision)
	if err != nil {
		t.Fatal(err)
	}
	two := h.sign(t, a, later, "ana", "omar")
	if _, err := s.Change(t.Context(), lower, two[:1], later); !errors.Is(err, authority.ErrUnapproved) {
		t.Errorf("lowered by one person: %v", err)
	}
	for name, change := range map[string]func(*authority.Change){
		"further":          func(c *authority.Change) { c.Verdict = vedette.Allow },
		"longer":           func(c *authority.Change) { c.Until = c.Until.Add(time.Hour) },
		"another target":   func(c *authority.Change) { c.Target = "list:b"; raise("list:b", vedette.Block, time.Time{}, later) },
		"without an end":   func(c *authority.Change) { c.Until = time.Time{} },
		"without a reason": func(c *authority.Change) { c.Why = "" },
	} {
		c := lower
		change(&c)
		if _, err := s.Change(t.Context(), c, two, later); err == nil {
			t.Errorf("lowered %s than approved", name)
		}
	}
	if _, err := s.Change(t.Context(), lower, two, later); !errors.Is(err, authority.ErrUnapproved) {
		t.Errorf("approved from an older revision: %v", err) // list:b was armed meanwhile
	}
	if a, err = authority.LowerAct(lower, armed(later).Revision); err != nil {
		t.Fatal(err)
	}
	two = h.sign(t, a, later, "ana", "omar")
	got, err := s.Change(t.Context(), lower, two, later)
	if err != nil || !reflect.DeepEqual(got.By, []string{"ana", "omar"}) {
		t.Fatalf("Change = %+v, %v", got, err)
	}
	if armed(later).Of("list:a") != vedette.Warn || armed(later.Add(time.Hour)).Of("list:a") != vedette.Block {
		t.Error("lowered until its end, and then as before")
	}
	again := authority.Change{Target: "list:a", Verdict: vedette.Warn, By: []string{"eve"}}
	if _, err := s.Change(t.Context(), again, nil, later.Add(time.Second)); err == nil {
		t.Error("one shell made lowering last")
	}
	raise("list:a", vedette.Block, time.Time{}, later.Add(time.Minute))
	if _, err := s.Change(t.Context(), lower, two, later.Add(2*time.Minute)); !errors.Is(err, authority.ErrUnapproved) {
		t.Errorf("the same approvals again: %v", err)
	}
}

// TestOneShellNeverLowers is the law: whatever one shell changes without approvals, at no later time is less armed than it would have been.
func TestOneShellNeverLowers(t *testing.T) {
	h := newHouse(t)
	rapid.Check(t, func(r *rapid.T) {
		s := authority.NewArms(new(authority.Memory), h.Register)
		at := start
		for range rapid.IntRange(1, 12).Draw(r, "changes") {
			at = at.Add(time.Duration(rapid.IntRange(0, 90).Draw(r, "minutes")) * time.Minute)
			before, err := s.History(context.Background())
			if err != nil {
				r.Fatal(err)
			}
			c := authority.Change{
				Target: rapid.SampledFrom([]vedette.RuleID{authority.Ceiling, "rule:a", "rule:b"}).Draw(r, "target"), By: []string{"eve"},
				Verdict: vedette.Verdict(rapid.IntRange(0, 3).Draw(r, "verdict")),
			}
			if h := rapid.IntRange(0, 3).Draw(r, "hours"); h > 0 {
				c.Until = at.Add(time.Duration(h) * time.Hour)
			}
			c.Why = "w"
			if rapid.IntRange(0, 3).Draw(r, "approved") == 0 { // then it may lower
				var from uint64
				if len(before) > 0 {
					from = before[len(before)-1].Revision
				}
				a, err := authority.LowerAct(c, from)
				if err != nil {
					r.Fatal(err)
				}
				if _, err := s.Change(context.Background(), c, h.sign(t, a, at, "ana", "omar"), at); err != nil && !errors.Is(err, vedette.ErrInvalid) {
					r.Fatal(err)
				}
				continue
			}
			if _, err := s.Change(context.Background(), c, nil, at); err != nil {
				if !errors.Is(err, vedette.ErrForbidden) && !errors.Is(err, vedette.ErrInvalid) {
					r.Fatal(err)
				}
				continue
			}
			after, err := s.History(context.Background())
			if err != nil {
				r.Fatal(err)
			}
			for m := 0; m < 60*12; m += 15 {
				then := at.Add(time.Duration(m) * time.Minute)
				was, is := authority.ArmedAt(before, then), authority.ArmedAt(after, then)
				for _, id := range []vedette.RuleID{authority.Ceiling, "rule:a", "rule:b"} {
					if is.Of(id) < was.Of(id) {
						r.Fatalf("%q at %s: %s, was %s, after %+v", id, then, is.Of(id), was.Of(id), c)
					}
				}
			}
		}
	})
}

func TestAct(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     error
	}{
		{"an object with a kind", `{"act":"x","n":1,"deep":{"a":[1,{"b":null}]}}`, nil},
		{"no kind", `{"a":1}`, vedette.ErrInvalid},
		{"a kind that is no text", `{"act":1}`, vedette.ErrInvalid},
		{"a kind further down", `{"a":{"act":"x"}}`, vedette.ErrInvalid},
		{"no object", `["act"]`, vedette.ErrInvalid},
		{"nothing", ``, vedette.ErrInvalid},
		{"two values", `{"act":"x"}{"act":"y"}`, vedette.ErrInvalid},
		{"a member twice", `{"act":"x","act":"y"}`, vedette.ErrInvalid},
		{"a member twice, once escaped", `{"act":"x","a":1,"\u0061":2}`, vedette.ErrInvalid},
		{"a member twice further down", `{"act":"x","o":{"a":1,"a":2}}`, vedette.ErrInvalid},
		{"a fraction", `{"act":"x","n":1.5}`, vedette.ErrInvalid},
		{"a number that double precision rounds", `{"act":"x","n":9007199254740993}`, vedette.ErrInvalid},
		{"an exponent", `{"act":"x","n":1e3}`, vedette.ErrInvalid},
		{"not UTF-8", "{\"act\":\"x\xff\"}", vedette.ErrInvalid},
		{"too deep", `{"act":"x","d":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, vedette.ErrInvalid},
		{"too long", `{"act":"` + strings.Repeat("x", 70000) + `"}`, vedette.ErrTooLarge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := authority.ParseAct([]byte(tt.in)); !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
				t.Errorf("ParseAct(%.60q) = %v, want %v", tt.in, err, tt.want)
			}
		})
	}
}

// TestApprovalVector pins docs/formats/approval.md.
func TestApprovalVector(t *testing.T) {
	seed := make([]byte, ed25519.SeedSize)
	for i := range seed {
		seed[i] = byte(i)
	}
	a := act(t, map[string]any{"host": "news.example", "act": "guard.override"})
	if got := string(a.Canonical()); got != `{"act":"guard.override","host":"news.example"}` {
		t.Errorf("canonical %s", got)
	}
	ap, err := authority.Approve(a, "ana", ed25519.NewKeyFromSeed(seed), start)
	if err != nil {
		t.Fatal(err)
	}
	got, err := json.Marshal(ap)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"format":"vedette-approval-1","person":"ana","act":"8ff1917c5cc9726b6a7bd4c9f8a72ac4e61a6f64eebfcc946aea1905aa08ec88",` +
		`"at":"2026-03-01T12:00:00Z","signature":"lwxM8ENIAexpz//wQI1mhRKdwlIWoU2V3aNlbDYJ33nn+dtKGAN+HsjVn8lf600Urk8/K26AEHdaT7ApnKnvBg=="}`
	if string(got) != want {
		t.Errorf("approval\n%s, want\n%s", got, want)
	}
}

func FuzzParseApproval(f *testing.F) {
	h := newHouse(f)
	a := act(f, map[string]any{"act": "x"})
	good := h.sign(f, a, start, "ana")[0]
	f.Add(good)
	f.Add(bytes.ReplaceAll(good, []byte(`"person"`), []byte(`"Person"`)))
	f.Add(bytes.Replace(good, []byte(`{`), []byte(`{"person":"omar",`), 1))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := authority.ParseApproval(b)
		if err != nil {
			if !errors.Is(err, vedette.ErrInvalid) {
				t.Fatalf("error without a kind: %v", err)
			}
			return
		}
		// What is read and written again reads as the same.
		w, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		q, err := authority.ParseApproval(w)
		if err != nil || q != p {
			t.Fatalf("%s reads as %+v, %v; was %+v", w, q, err, p)
		}
		// No change of the file gives an approval by somebody else, of another act or time: the signature covers them all.
		g, err := authority.ParseApproval(good)
		if err != nil {
			t.Fatal(err)
		}
		if p != g {
			if err := h.TwoPeople(context.Background(), a.Canonical(), [][]byte{good, b}, start); err == nil {
				t.Fatalf("two people: %s", b)
			}
		}
	})
}

func FuzzParseAct(f *testing.F) {
	for _, s := range []string{`{"act":"x","n":1}`, `{"act":"x","s":"\u00e9\ud83d\ude00"}`, `{"act":"x","o":{"b":[true,null,"" ]}}`, `{"act":"x","\u0061":1}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := authority.ParseAct(b)
		if err != nil {
			if !errors.Is(err, vedette.ErrInvalid) && !errors.Is(err, vedette.ErrTooLarge) {
				t.Fatalf("error without a kind: %v", err)
			}
			return
		}
		// The canonical form is a fixed point and means the same.
		c, err := authority.ParseAct(a.Canonical())
		if err != nil || c.Digest() != a.Digest() || !bytes.Equal(c.Canonical(), a.Canonical()) || c.Kind() != a.Kind() {
			t.Fatalf("%q is canonically %q, and that %q: %v", b, a.Canonical(), c.Canonical(), err)
		}
		var x, y any
		if json.Unmarshal(b, &x) != nil || json.Unmarshal(a.Canonical(), &y) != nil || !reflect.DeepEqual(x, y) {
			t.Fatalf("%q means another thing than %q", a.Canonical(), b)
		}
	})
}

func TestKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ana.key")
	_, key, err := authority.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := authority.WriteKey(path, key); err != nil {
		t.Fatal(err)
	}
	if got, err := authority.ReadKey(path); err != nil || !got.Equal(key) {
		t.Errorf("ReadKey = %v", err)
	}
	if err := authority.WriteKey(path, key); !errors.Is(err, vedette.ErrConflict) {
		t.Errorf("WriteKey over a key = %v", err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := authority.ReadKey(path); !errors.Is(err, vedette.ErrForbidden) {
		t.Errorf("ReadKey of a file that others read = %v", err)
	}
	if _, err := authority.ReadKey(path + "x"); !errors.Is(err, vedette.ErrUnknown) {
		t.Errorf("ReadKey of nothing = %v", err)
	}
	bad := filepath.Join(t.TempDir(), "bad")
	if err := os.WriteFile(bad, []byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := authority.ReadKey(bad); !errors.Is(err, vedette.ErrInvalid) {
		t.Errorf("ReadKey of rubbish = %v", err)
	}
}

func TestScopes(t *testing.T) {
	s, err := authority.ParseScope("events, decide")
	if err != nil || s.String() != "decide,events" || !s.Has(authority.ScopeEvents) || s.Has(authority.ScopeRead) || s.Has(0) {
		t.Errorf("ParseScope = %s, %v", s, err)
	}
	for _, bad := range []string{"", "decide,", "write", "admin read"} {
		if _, err := authority.ParseScope(bad); !errors.Is(err, vedette.ErrInvalid) {
			t.Errorf("ParseScope(%q) = %v", bad, err)
		}
	}
}

func TestApprovedByAsManyAsAnActNeeds(t *testing.T) {
	h := newHouse(t)
	a := act(t, map[string]any{"act": "case.confirm", "case": "case_1"})
	one := h.sign(t, a, start, "ana")
	for _, tt := range []struct {
		need int
		ok   bool
	}{{-1, true}, {0, true}, {1, true}, {2, false}} {
		by, err := h.ApprovedBy(t.Context(), a, one, start, tt.need)
		if ok := err == nil && len(by) == 1 && by[0] == "ana"; ok != tt.ok {
			t.Errorf("ApprovedBy one, %d needed = %v, %v", tt.need, by, err)
		}
	}
	if by, err := h.ApprovedBy(t.Context(), a, nil, start, 0); !errors.Is(err, authority.ErrUnapproved) {
		t.Errorf("ApprovedBy nobody, none needed = %v, %v, want unapproved", by, err)
	}
}
