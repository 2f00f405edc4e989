package hunt_test

import (
	"testing"
	"time"

	"vedette"
	"vedette/record/journal"
	"vedette/watch/hunt"
)

func TestWhoReadWhatAFriendSentIsNotKept(t *testing.T) {
	const url = "https://evil.example/a"
	l := []vedette.Link{linkAt(t, url, noon)}
	look := func(at time.Time, from, who int, body func(from vedette.AccountID) vedette.Body) journal.Entry {
		return journal.Entry{Event: event(at, who, body(account(from))), Measures: measures(rare(nil))}
	}
	previewed := func(from vedette.AccountID) vedette.Body { return &vedette.LinkPreviewed{From: from, Links: l} }
	opened := func(from vedette.AccountID) vedette.Body { return &vedette.LinkOpened{From: from, Links: l} }
	for _, restarted := range []bool{false, true} {
		j, h := journal.NewMemory(), hunt.NewMemory()
		first := []journal.Entry{
			send(t, noon, 1, 2, url, rare(nil)),                                                // a stranger's
			send(t, noon.Add(time.Minute), 3, 4, url, rare(m{vedette.MeasureFirstContact: 0})), // a friend's
		}
		then := []journal.Entry{
			look(noon.Add(2*time.Minute), 1, 2, previewed), look(noon.Add(3*time.Minute), 1, 2, opened),
			look(noon.Add(4*time.Minute), 3, 4, previewed), look(noon.Add(5*time.Minute), 3, 4, opened),
			look(noon.Add(6*time.Minute), 1, 4, opened), // the right sender, and somebody who did not get it from him
		}
		put(t, j, first...)
		r := recording(t, hunt.Rules{}, hunt.RecordingDeps{Journal: j, History: h})
		if restarted {
			if err := r.CatchUp(t.Context()); err != nil {
				t.Fatal(err)
			}
			r = recording(t, hunt.Rules{}, hunt.RecordingDeps{Journal: j, History: h})
		}
		put(t, j, then...)
		if err := r.CatchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := map[hunt.Act]int{}
		for _, s := range all(t, h, url) {
			got[s.Act]++
			if s.From != account(1) || s.To != account(2) {
				t.Errorf("restarted %v: kept %v between contacts", restarted, s.Act)
			}
		}
		if got[hunt.Sent] != 1 || got[hunt.Previewed] != 1 || got[hunt.Opened] != 1 {
			t.Errorf("restarted %v: kept %v, want one of each", restarted, got)
		}
	}
}
