package targeting

import (
	"bytes"
	"slices"
	"testing"

	"vedette"
	"vedette/watch/population"
	"vedette/watch/rehearsal"
)

// forgetting plays a platform with senders who aim, up to an event, and forgets an account.
func forgetting(t *testing.T, events []vedette.Event, at int, known Known, a vedette.AccountID) (*Detector, *population.Population) {
	t.Helper()
	d, err := New(quick, known)
	if err != nil {
		t.Fatal(err)
	}
	p, err := population.New(population.Config{}, d)
	if err != nil {
		t.Fatal(err)
	}
	for i := range events[:at] {
		p.Take(0, &events[i])
	}
	p.State().Forget(a)
	d.Forget(p.State(), a)
	return d, p
}

// TestWhoIsForgottenIsInNothingThatIsSaved forgets each kind of account: who sent, who was reached, who only asked for a number, who did nothing special.
func TestWhoIsForgottenIsInNothingThatIsSaved(t *testing.T) {
	events, known := aimed(true)
	known.AtRisk, known.Key = nil, nil // so that what is saved is open
	more := &story{events: events}
	for i := range 3 {
		more.add(29*day, 333, &vedette.GroupJoined{Group: vedette.GroupID{5}, Member: acct(9 + 8*i), By: vedette.JoinAdded})
	}
	events = more.sorted()
	whole, _, _ := run(t, quick, known, events, 30*day)
	if len(whole.alerts) == 0 {
		t.Fatal("no alert: the story has changed")
	}
	who := map[string]vedette.AccountID{
		"whose contact was the strongest": whole.alerts[0].Finding.Subjects[0], "who was reached": whole.alerts[0].Reached[0],
		"who asked for a number": whole.looks.ring[0].asker, "whose number was asked for": whole.looks.ring[0].target,
		"who put people into a group": acct(333), "who was put there": acct(17),
	}
	for _, u := range whole.units.list {
		if !u.gone && len(u.Senders) > 0 && len(u.Reached) > 0 {
			who["a sender of the last week"], who["somebody reached in it"] = u.Senders[0], u.Reached[0]
		}
	}
	if len(whole.groups.list) != 1 || len(whole.groups.list[0].members) != 3 {
		t.Fatalf("%d groups: the story has changed", len(whole.groups.list))
	}
	for name, a := range who {
		d, p, _ := run(t, quick, known, events, 30*day)
		if err := d.Judge(d.alerts[0].ID, rehearsal.Wrong); err != nil {
			t.Fatal(err)
		}
		d.Forget(p.State(), a)
		b := d.Save(nil)
		if !bytes.Contains(whole.Save(nil), a[:]) {
			t.Errorf("%s: was not in what is saved before", name)
		}
		if bytes.Contains(b, a[:]) || bytes.Contains(b, []byte(a.String())) {
			t.Errorf("%s: still stands in what is saved", name)
		}
		for _, o := range events {
			for _, x := range [...][2]vedette.AccountID{{a, o.Actor}, {o.Actor, a}} {
				q := pairOf(x[0], x[1], vedette.Token{}, 0)
				if _, ok := d.pairs.people[q.people]; ok && x[0] != x[1] {
					t.Fatalf("%s: a link between the account and another one is remembered", name)
				}
			}
		}
		if len(d.alerts) != len(whole.alerts) || d.budget.Alerts != whole.budget.Alerts {
			t.Errorf("%s: %d alerts, want all %d", name, len(d.alerts), len(whole.alerts))
		}
		for i, x := range d.alerts {
			w := whole.alerts[i]
			is := func(o vedette.AccountID) bool { return o == a }
			if x.ID != w.ID || x.Score != w.Score || !slices.Equal(x.Finding.Subjects, without(w.Finding.Subjects, is)) || !slices.Equal(x.Reached, without(w.Reached, is)) {
				t.Errorf("%s: alert %d is of others and has changed", name, i)
			}
		}
		if d.alerts[0].Judged != rehearsal.Wrong {
			t.Errorf("%s: what a person made of an alert is forgotten", name)
		}
	}
}

// TestForgettingNobodyChangesNothing forgets somebody who was never here.
func TestForgettingNobodyChangesNothing(t *testing.T) {
	events, known := aimed(true)
	want, p, _ := run(t, quick, known, events, 30*day)
	b := want.Save(nil)
	want.Forget(p.State(), acct(1<<30))
	want.Forget(p.State(), vedette.AccountID{})
	if !bytes.Equal(want.Save(nil), b) {
		t.Error("what is kept of others has changed")
	}
}

// TestWhoeverForgotGoesOnTheSameAfterARestart saves after forgetting, at several places, and plays the rest on both.
func TestWhoeverForgotGoesOnTheSameAfterARestart(t *testing.T) {
	events, known := aimed(true)
	n := len(events)
	a := events[n-1].Actor
	for _, at := range []int{1, n / 2, n - 500, n - 1} {
		d, p := forgetting(t, events, at, known, a)
		b := d.Save(nil)
		again, err := Restore(quick, known, b)
		if err != nil {
			t.Fatalf("after %d events: %v", at, err)
		}
		if !bytes.Equal(again.Save(nil), b) {
			t.Errorf("after %d events: saved again it differs", at)
		}
		q, err := population.Restore(population.Config{}, p.Save(nil), again)
		if err != nil {
			t.Fatal(err)
		}
		for i := range events[at:] {
			p.Take(0, &events[at+i])
			q.Take(0, &events[at+i])
		}
		p.End(start.Add(30 * day))
		q.End(start.Add(30 * day))
		if !bytes.Equal(d.Save(nil), again.Save(nil)) {
			t.Errorf("after %d events: restored it ends elsewhere", at)
		}
	}
}

// TestAnErasedSenderDoesNotTakeHisLinkOutOfSight forgets the one who sent a new domain; another one sends it on.
func TestAnErasedSenderDoesNotTakeHisLinkOutOfSight(t *testing.T) {
	d, s := learned(t, Known{})
	dom := links(77_777, 1)
	first := score(d, s, 1, 300, &dom[0])
	first.Token, first.fresh = dom[0].Domain, true
	d.take(s, &population.Event{At: start.Add(30 * day)}, &first)
	u := d.units.of[ofToken(dom[0].Domain)]
	if u == nil || !slices.Contains(u.Senders, acct(1)) {
		t.Fatal("no unit of the domain has the sender")
	}
	was := u.Score
	d.Forget(s, acct(1))
	if now := d.units.of[ofToken(dom[0].Domain)]; now != u || u.Score != was || len(u.Senders) > 0 || d.units.of[ofAccount(acct(1))] != nil {
		t.Errorf("the domain's unit after its sender was erased: %+v", now)
	}
}

// TestForgettingDoesNotSayThatMoreIsRememberedThanIs fills the memory of links, and forgets one side of half of them.
func TestForgettingDoesNotSayThatMoreIsRememberedThanIs(t *testing.T) {
	d, err := New(quick, Known{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := population.New(population.Config{}, d)
	if err != nil {
		t.Fatal(err)
	}
	s := p.State()
	for i := range 3 {
		p.Take(0, &vedette.Event{ID: vedette.EventID(id('e', i)), Actor: acct(i), At: start, Body: &vedette.MessageSent{To: to(i + 1), Count: 1}})
	}
	p.End(start.Add(day))
	for i := range 2 * quick.Memory {
		d.pairs.add(pairOf(acct(i%2), acct(2), domain(i), uint32(1000+i)))
	}
	before := d.pairs.since()
	d.Forget(s, acct(1))
	if got := d.pairs.since(); got != before || before == 0 {
		t.Errorf("since = %d after forgetting, want %d as before", got, before)
	}
	kept, _ := d.pairs.judged(pairOf(acct(0), acct(2), domain(2*quick.Memory-2), 0))
	gone, met := d.pairs.judged(pairOf(acct(1), acct(2), domain(2*quick.Memory-1), 0))
	if !kept || gone || met {
		t.Errorf("another one's link is remembered: %v; the account's: %v, %v", kept, gone, met)
	}
}
