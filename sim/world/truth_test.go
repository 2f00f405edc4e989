package world

import (
	"bytes"
	"reflect"
	"runtime"
	"slices"
	"testing"
	"time"

	"vedette"
)

// dense is a small world with as many operators as a large one.
func dense(n int) *Scenario {
	s := small(n)
	f := 100_000 / float64(n)
	for _, p := range s.Teams {
		c := &p.Count
		if p.Hostile {
			c.Learning, c.Test = c.Learning*f, c.Test*f
		} else if p.Count.Any < 100 {
			c.Any *= f / 4
		}
	}
	return s
}

// TestTheTruthIsTrue holds the truth against the events: whoever is named there did what is said of them, and nobody knew a team's domain before.
func TestTheTruthIsTrue(t *testing.T) {
	w, err := New(dense(8000), 11)
	if err != nil {
		t.Fatal(err)
	}
	type sight struct {
		actor vedette.AccountID
		at    time.Time
	}
	type told struct {
		kind  vedette.Kind
		actor vedette.AccountID
		to    vedette.AccountID
		at    time.Time
	}
	first := map[vedette.Token]sight{}
	did := map[vedette.AccountID]vedette.Kind{}
	events := map[vedette.EventID]told{}
	registered := map[vedette.AccountID]time.Time{}
	n := 0
	w.Play(func(e *vedette.Event) bool {
		n++
		if at, ok := registered[e.Actor]; e.Kind() == vedette.KindAccountRegistered {
			if did[e.Actor] != 0 {
				n, _ := w.number(e.Actor)
				t.Errorf("%s of %d/%d at %v comes after %v (registered before: %v, %v)", e.Kind(), n, w.ordinary, e.At, did[e.Actor], ok, at)
			}
			registered[e.Actor] = e.At
		}
		did[e.Actor] = e.Kind()
		for _, l := range e.Links() {
			for _, tok := range []vedette.Token{l.Domain, l.Tenant} {
				if _, ok := first[tok]; !ok && !tok.IsZero() {
					first[tok] = sight{e.Actor, e.At}
				}
			}
		}
		x := told{kind: e.Kind(), actor: e.Actor, at: e.At}
		switch b := e.Body.(type) {
		case *vedette.LinkSent:
			x.to = b.To.Account
		case *vedette.MessageSent:
			x.to = b.To.Account
		case *vedette.GroupJoined:
			x.to = b.Member
		default:
			return true
		}
		events[e.ID] = x
		return true
	})
	tr := w.Truth()
	if tr.Events != n {
		t.Errorf("the truth tells of %d events, %d were played", tr.Events, n)
	}
	if tr.Accounts != len(did) {
		t.Errorf("the truth tells of %d active accounts, %d were active", tr.Accounts, len(did))
	}
	count, kinds := map[string][2]int{}, map[string]int{}
	silent, members, targets, enrolled := 0, 0, 0, 0
	for _, team := range tr.Teams {
		kinds[team.Kind]++
		for _, m := range team.Members {
			members++
			if did[m] == 0 {
				silent++
			}
		}
		if team.Begins.After(team.Ends) {
			t.Errorf("%s begins at %v and ends at %v", team.Name, team.Begins, team.Ends)
		}
		for _, d := range team.Domains {
			if f, ok := first[d]; ok && !slices.Contains(team.Members, f.actor) && !(len(team.Targets) > 0) {
				t.Errorf("%s: a stranger met its domain first, at %v", team.Name, f.at)
			}
		}
		if !team.Hostile {
			if len(team.Targets) > 0 {
				t.Errorf("%s has targets", team.Name)
			}
			continue
		}
		if len(team.Targets) == 0 {
			t.Errorf("%s has no targets", team.Name)
			continue
		}
		c := count[team.Kind]
		at := team.Targets[0].At
		switch {
		case at.Before(tr.Learning):
			t.Errorf("%s attacks in the warm-up, at %v", team.Name, at)
		case at.Before(tr.Test):
			c[0]++
		default:
			c[1]++
		}
		count[team.Kind] = c
		if !team.Begins.Before(at) {
			t.Errorf("%s begins at %v, its attack at %v", team.Name, team.Begins, at)
		}
		for i, g := range team.Targets {
			targets++
			if g.Enrolled {
				enrolled++
			}
			x, ok := events[g.Event]
			if !ok || x.actor != g.By || !x.at.Equal(g.At) || x.to != g.Account {
				t.Errorf("%s: target %d: the event is %+v", team.Name, i, x)
			}
			if !slices.Contains(team.Members, g.By) {
				t.Errorf("%s: target %d was written to by somebody who is no member", team.Name, i)
			}
			if g.Enrolled != w.Enrolled(g.Account) {
				t.Errorf("%s: target %d: enrolled %v", team.Name, i, g.Enrolled)
			}
		}
	}
	t.Logf("teams: %v", kinds)
	t.Logf("campaigns in learning and test weeks: %v; %d targets, %d enrolled", count, targets, enrolled)
	if silent > 0 {
		t.Errorf("%d of %d members never did anything", silent, members)
	}
	for _, level := range []string{"L0", "L1", "L2", "L3", "L4", "L5"} {
		if c := count[level]; c[0] != 3 || c[1] != 7 {
			t.Errorf("%s: %d campaigns in the learning and %d in the test weeks, want 3 and 7", level, c[0], c[1])
		}
	}
	if share := float64(enrolled) / float64(targets); share < 0.3 || share > 0.5 {
		t.Errorf("%.2f of the targets are enrolled, want about 0.4", share)
	}
	var b bytes.Buffer
	if err := tr.Write(&b); err != nil {
		t.Fatal(err)
	}
	back, err := ReadTruth(&b)
	if err != nil || !reflect.DeepEqual(back, tr) {
		t.Errorf("the truth, written and read: %v, equal %v", err, reflect.DeepEqual(back, tr))
	}
}

// TestOnlyPeopleAtRiskAreVouchedFor: an operator may enrol his accounts, and nobody vouches for them.
func TestOnlyPeopleAtRiskAreVouchedFor(t *testing.T) {
	s := dense(4000)
	for _, p := range s.Teams {
		p.Accounts.Enrolled = 1
	}
	w, err := New(s, 5)
	if err != nil {
		t.Fatal(err)
	}
	w.Play(func(*vedette.Event) bool { return true })
	vouched := 0
	targets := map[vedette.AccountID]bool{}
	for _, team := range w.Truth().Teams {
		for _, g := range team.Targets {
			targets[g.Account] = true
		}
	}
	for _, team := range w.Truth().Teams {
		for _, m := range team.Members {
			if !w.Vouched(m) {
				continue
			}
			vouched++
			if !w.Enrolled(m) {
				t.Errorf("%s: vouched for and not enrolled", team.Name)
			}
			if !team.AtRisk && !targets[m] && !slices.Contains(team.Taken, m) {
				if a, _ := w.number(m); a >= w.ordinary {
					t.Errorf("%s: an account that the team made is vouched for", team.Name)
				}
			}
		}
	}
	if vouched == 0 {
		t.Error("nobody is vouched for")
	}
	if w.Enrolled(vedette.AccountID{1, 2, 3}) || w.Vouched(vedette.AccountID{}) {
		t.Error("an account that does not exist is enrolled")
	}
}

// TestTheEngineDoesNotAskWhoIsHostile: who is called hostile, and how a team is called, changes nothing that happens.
func TestTheEngineDoesNotAskWhoIsHostile(t *testing.T) {
	play := func(change func(*Plan)) string {
		s := dense(3000)
		for _, p := range s.Teams {
			change(p)
		}
		w, err := New(s, 9)
		if err != nil {
			t.Fatal(err)
		}
		return digest(w)
	}
	want := play(func(*Plan) {})
	if got := play(func(p *Plan) { p.Hostile = !p.Hostile; p.AtRisk = !p.AtRisk; p.Name += "-again" }); got != want {
		t.Errorf("with all sides changed the events are %s, not %s", got, want)
	}
}

// TestMemoryIsBounded plays a small and a larger world: what the larger one needs more is at most 64 bytes for each account.
func TestMemoryIsBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("plays a million accounts' bytes")
	}
	need := func(n int) (held, most uint64) {
		s := small(n)
		s.Warmup, s.Learning, s.Test = 2, 7, 7
		before := heap()
		w, err := New(s, 1)
		if err != nil {
			t.Fatal(err)
		}
		i, slot := 0, 0
		w.Play(func(*vedette.Event) bool {
			if i++; w.slot > slot && w.slot%8 == 3 {
				slot = w.slot
				most = max(most, heap()-before)
			}
			return true
		})
		held = heap() - before
		runtime.KeepAlive(w)
		return held, most
	}
	_, a := need(10_000)
	held, b := need(100_000)
	per := float64(b-a) / 90_000
	t.Logf("10,000 accounts: %d bytes; 100,000: %d while playing, %d after; %.1f for each account", a, b, held, per)
	if per > 64 {
		t.Errorf("%.1f bytes for each account", per)
	}
}
