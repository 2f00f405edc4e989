package campaign_test

import (
	"encoding/json"
	"iter"
	"strings"
	"testing"
	"time"

	"vedette"
	"vedette/record/journal"
	"vedette/watch/campaign"
	"vedette/watch/hunt"
)

var (
	monday = time.Date(2026, time.March, 2, 8, 0, 0, 0, time.UTC)
	lure   = vedette.Token{Kind: vedette.TokenDomain, Epoch: 1, Bytes: [16]byte{1, 1, 1}}
	other  = vedette.Token{Kind: vedette.TokenDomain, Epoch: 1, Bytes: [16]byte{2, 2, 2}}
)

const (
	testers  = 100 // accounts from here on are the operator's
	readable = vedette.RuleID("list:cases")
)

func one(n byte) vedette.AccountID { return vedette.AccountID{n} }

// sent is a message with a link, some hours after Monday morning, and what was answered.
func sent(hours float64, from, to byte, t vedette.Token, v vedette.Verdict, rule vedette.RuleID) journal.Entry {
	e := journal.Entry{Event: vedette.Event{
		Actor: one(from), At: monday.Add(time.Duration(hours * float64(time.Hour))), Source: vedette.SourceHTTP,
		Body: &vedette.LinkSent{To: vedette.Recipient{Account: one(to)}, Links: []vedette.Link{{Domain: t}}},
	}, Decision: vedette.Decision{Verdict: v, Would: v}}
	if rule != "" {
		e.Decision.Reasons = []vedette.Reason{{Rule: rule, Verdict: vedette.Block, Armed: vedette.Block}}
	}
	return e
}

func entries(list []journal.Entry) iter.Seq2[journal.Entry, error] {
	return func(yield func(journal.Entry, error) bool) {
		for _, e := range list {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// rehearsed is a cell of two that tries its link for an hour, is found in the third, and writes to targets from the tenth hour on.
func rehearsed() ([]journal.Entry, campaign.Course) {
	list := []journal.Entry{
		sent(0.5, testers, testers+1, lure, vedette.Allow, ""),
		sent(1, testers+1, testers, lure, vedette.Allow, ""),
		sent(10, testers+2, 1, lure, vedette.Warn, vedette.RuleWatch),
		sent(11, testers+2, 2, lure, vedette.Allow, ""),
		sent(12, testers+2, 3, lure, vedette.Block, readable),
		sent(13, testers+2, 4, lure, vedette.Allow, ""),
		sent(14, 5, 6, other, vedette.Allow, ""),
	}
	return list, campaign.Course{
		Keys: []hunt.Key{hunt.KeyOf(lure)}, Members: []vedette.AccountID{one(testers), one(testers + 1)}, Begun: monday, Found: monday.Add(2 * time.Hour), Cell: true,
		Rules: []vedette.RuleID{vedette.RuleWatch, readable},
	}
}

func times(t *testing.T, list []journal.Entry, cs ...campaign.Course) []campaign.Timing {
	t.Helper()
	out, err := campaign.Times(entries(list), cs)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestACampaignsTimes(t *testing.T) {
	list, c := rehearsed()
	got := times(t, list, c)[0]
	for name, x := range map[string]struct {
		got  campaign.Span
		want time.Duration
	}{
		"detect":  {got.Detect, 2 * time.Hour},
		"disrupt": {got.Disrupt, 8 * time.Hour},
		"lead":    {got.Lead, 8 * time.Hour},
	} {
		if x.got.Why != "" || x.got.Took != x.want {
			t.Errorf("time to %s = %+v, want %s", name, x.got, x.want)
		}
	}
	if got.By != "warn by watch:cell" || !got.Blocked.Equal(monday.Add(12*time.Hour)) || got.Reached != hunt.Some {
		t.Errorf("stopped by %q, blocked %s, reached %s", got.By, got.Blocked, got.Reached)
	}
	if got.Return.Why == "" {
		t.Errorf("it came back after %s, and nothing later is of it", got.Return.Took)
	}
}

// TestWhatCannotBeKnownIsSaidToBeUnknown takes away one thing at a time.
func TestWhatCannotBeKnownIsSaidToBeUnknown(t *testing.T) {
	act := campaign.Act{What: "blocked by two people", At: monday.Add(240 * 24 * time.Hour), Block: true}
	for _, tt := range []struct {
		name   string
		change func(*[]journal.Entry, *campaign.Course)
		span   func(*campaign.Timing) campaign.Span
		why    string
	}{
		{"nothing in the journal, first event", func(l *[]journal.Entry, c *campaign.Course) { *l, c.Begun = nil, time.Time{} }, func(x *campaign.Timing) campaign.Span { return x.Detect }, "in the journal any more"},
		{"nothing in the journal, target", func(l *[]journal.Entry, _ *campaign.Course) { *l = nil }, func(x *campaign.Timing) campaign.Span { return x.Lead }, "sent to anybody outside"},
		{"nothing in the journal, end", func(l *[]journal.Entry, _ *campaign.Course) { *l = nil }, func(x *campaign.Timing) campaign.Span { return x.Return }, "when it ended"},
		{"tried inside alone", func(l *[]journal.Entry, _ *campaign.Course) { *l = (*l)[:2] }, func(x *campaign.Timing) campaign.Span { return x.Lead }, "sent to anybody outside"},
		{"found by nobody", func(_ *[]journal.Entry, c *campaign.Course) { c.Found = time.Time{} }, func(x *campaign.Timing) campaign.Span { return x.Disrupt }, "neither told of nor reported"},
		{"answered by other rules", func(_ *[]journal.Entry, c *campaign.Course) { c.Rules = nil }, func(x *campaign.Timing) campaign.Span { return x.Disrupt }, "nothing that was found of it"},
		{"its cell is gone", func(_ *[]journal.Entry, c *campaign.Course) { c.Members = nil }, func(x *campaign.Timing) campaign.Span { return x.Return }, "nothing to know its hand by"},
		{"an act by another clock", func(l *[]journal.Entry, c *campaign.Course) {
			for i := range *l {
				(*l)[i].Event.Source = vedette.SourceReplay
			}
			c.Rules, c.Acts = nil, []campaign.Act{act}
		}, func(x *campaign.Timing) campaign.Span { return x.Disrupt }, "by the house's clock, and its events were replayed"},
	} {
		list, c := rehearsed()
		tt.change(&list, &c)
		got := times(t, list, c)[0]
		if got.Apart != (len(c.Acts) > 0) {
			t.Errorf("%s: acts of another clock: %v", tt.name, got.Apart)
		}
		if s := tt.span(&got); !strings.Contains(s.Why, tt.why) {
			t.Errorf("%s: %+v, want not known because …%s…", tt.name, s, tt.why)
		}
	}
}

// TestAnActCountsAndEndsWhatIsDelivered lets two people block it an hour after it is found.
func TestAnActCountsAndEndsWhatIsDelivered(t *testing.T) {
	list, c := rehearsed()
	c.Acts = []campaign.Act{{What: "blocked by two people", At: monday.Add(3 * time.Hour), Block: true}, {What: "before", At: monday.Add(time.Hour)}}
	if got := times(t, list, c)[0]; got.Disrupt.Took != time.Hour || got.By != "blocked by two people" || got.Reached != hunt.None {
		t.Errorf("disrupted after %+v by %q, reached %s", got.Disrupt, got.By, got.Reached)
	}
}

// TestOneHandComesBack follows a campaign by an account of its cell, by a derived host, and not by anything else.
func TestOneHandComesBack(t *testing.T) {
	list, c := rehearsed()
	c.Names, c.Derived = []string{"a.example"}, []string{"b.example"}
	later := campaign.Course{Keys: []hunt.Key{hunt.KeyOf(other)}, Found: monday.Add(20 * time.Hour)}
	for name, tt := range map[string]struct {
		change func(*campaign.Course)
		want   bool
	}{
		"an account":        {func(o *campaign.Course) { o.Members = []vedette.AccountID{one(testers)} }, true},
		"a derived host":    {func(o *campaign.Course) { o.Names = []string{"b.example"} }, true},
		"the same host":     {func(o *campaign.Course) { o.Names = []string{"a.example"} }, true},
		"nothing":           {func(o *campaign.Course) { o.Names = []string{"c.example"} }, false},
		"derived from both": {func(o *campaign.Course) { o.Derived = []string{"b.example"} }, false},
	} {
		o := later
		tt.change(&o)
		got := times(t, list, c, o)[0].Return
		if tt.want != (got.Why == "") || tt.want && got.Took != time.Hour {
			t.Errorf("%s: %+v, want it back after an hour: %v", name, got, tt.want)
		}
	}
}

// TestPeopleOfSeveralLinksAreNotAddedUp sends six people one link and six others another one.
func TestPeopleOfSeveralLinksAreNotAddedUp(t *testing.T) {
	var list []journal.Entry
	for i := range byte(12) {
		l := lure
		if i%2 == 1 {
			l = other
		}
		list = append(list, sent(float64(i), testers, 1+i, l, vedette.Allow, ""))
	}
	c := campaign.Course{Keys: []hunt.Key{hunt.KeyOf(lure), hunt.KeyOf(other)}, Found: monday}
	if got := times(t, list, c)[0].Reached; got != hunt.Some {
		t.Errorf("reached %s, want some", got)
	}
}

func TestASpanReadsWhatItWrote(t *testing.T) {
	for _, want := range []campaign.Span{{Took: -3 * time.Hour}, {}, {Why: "its events are past their term"}} {
		b, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var got campaign.Span
		if err := json.Unmarshal(b, &got); err != nil || got != want {
			t.Errorf("%s is read as %+v, %v", b, got, err)
		}
	}
}
