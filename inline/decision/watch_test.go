package decision

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"vedette"
)

// watched is an entry for a domain token, in force for three days around exampleTime.
func watched(n byte) vedette.Watched {
	return vedette.Watched{Token: token(n), From: exampleTime.Add(-time.Hour), Until: exampleTime.Add(71 * time.Hour), Cell: vedette.Digest{9}}
}

// strange makes a first contact with a link on a domain that one person has sent.
func strange(n byte) *Input {
	in := sent(n)
	in.Event.Body.(*vedette.LinkSent).Stranger = yes
	in.Measures[0].Set(vedette.MeasureFirstContact, 1)
	in.Measures[0].Set(vedette.MeasureDomainPeople, 1)
	return in
}

func ofWatch(d vedette.Decision) []vedette.Reason {
	return slices.DeleteFunc(slices.Clone(d.Reasons), func(r vedette.Reason) bool { return r.Rule != vedette.RuleWatch })
}

func TestAWatchEntryWarnsAtMost(t *testing.T) {
	quiet := mustLoad(t, ruleFile("a|warn|active|account_age < 0"))
	for _, tt := range []struct {
		name  string
		armed Armed
		want  vedette.Verdict
	}{
		{"observing", Armed{}, vedette.Allow},
		{"armed to warn", Armed{Each: map[vedette.RuleID]vedette.Verdict{vedette.RuleWatch: vedette.Warn}}, vedette.Warn},
		{"armed to block", Armed{Each: map[vedette.RuleID]vedette.Verdict{vedette.RuleWatch: vedette.Block}}, vedette.Warn},
		{"everything armed to block", Armed{Ceiling: vedette.Block}, vedette.Warn},
	} {
		g := mustMake(t, Parts{Rules: quiet, Indicators: knows(nil), Armed: tt.armed, Watch: []vedette.Watched{watched(3)}})
		d := g.Decide(strange(3))
		if d.Verdict != tt.want || d.Would != vedette.Warn || len(d.Reasons) != 1 || d.Reasons[0].Rule != vedette.RuleWatch || d.Reasons[0].Text != WatchText {
			t.Errorf("%s: Decide = %+v, want %s of warn by %s", tt.name, d, tt.want, vedette.RuleWatch)
		}
	}
}

func TestAWatchEntrySparesAndEnds(t *testing.T) {
	g := mustMake(t, Parts{Rules: starterSet(t), Indicators: knows(nil), Armed: Armed{Ceiling: vedette.Block}, Watch: []vedette.Watched{watched(3)}})
	e := watched(3)
	for _, tt := range []struct {
		name   string
		change func(in *Input)
		speaks bool
	}{
		{"a first contact", func(*Input) {}, true},
		{"at its last moment", func(in *Input) { in.Event.At = e.Until }, true},
		{"after it", func(in *Input) { in.Event.At = e.Until.Add(time.Millisecond) }, false},
		{"at its first moment", func(in *Input) { in.Event.At = e.From }, true},
		{"before it, also with hindsight", func(in *Input) { in.Event.At, in.Hindsight = e.From.Add(-time.Millisecond), true }, false},
		{"seen late", func(in *Input) { in.Event.Seen = e.Until.Add(24 * time.Hour) }, true},
		{"another domain", func(in *Input) { in.Event.Links()[0].Domain = token(4) }, false},
		{"another epoch", func(in *Input) { in.Event.Links()[0].Domain.Epoch = 2 }, false},
		{"a friend", func(in *Input) { in.Event.Body.(*vedette.LinkSent).Stranger = no }, false},
		{"a stranger by measure", func(in *Input) { in.Event.Body.(*vedette.LinkSent).Stranger = unknown }, true},
		{"somebody written to before", func(in *Input) {
			in.Event.Body.(*vedette.LinkSent).Stranger = unknown
			in.Measures[0].Set(vedette.MeasureFirstContact, 0)
		}, false},
		{"nobody knows who", func(in *Input) {
			in.Event.Body.(*vedette.LinkSent).Stranger = unknown
			in.Missing = vedette.DegradedMeasures
		}, false},
		{"a shared host", func(in *Input) { in.Event.Links()[0].Shape.Flags |= vedette.ShapeSharedHost }, false},
		{"a tenant of a hoster", func(in *Input) {
			in.Event.Links()[0].Tenant = vedette.Token{Kind: vedette.TokenTenant, Epoch: 1, Bytes: [16]byte{3}}
		}, false},
		{"many people's", func(in *Input) { in.Measures[0].Set(vedette.MeasureDomainPeople, watchMany) }, false},
		{"an opening", func(in *Input) { in.Event.Body = &vedette.LinkOpened{Links: in.Event.Links()} }, false},
	} {
		in := strange(3)
		tt.change(in)
		if d := g.Decide(in); len(ofWatch(d)) > 0 != tt.speaks {
			t.Errorf("%s: Decide = %+v, want it to speak: %v", tt.name, d, tt.speaks)
		}
	}
}

func TestWatchEntriesOnlyAddWarnings(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	p := Parts{Rules: starterSet(t), Indicators: knows(nil), Armed: Armed{Ceiling: vedette.Block}}
	without := mustMake(t, p)
	p.Watch = []vedette.Watched{watched(0), watched(1)}
	with := mustMake(t, p)
	spoke := 0
	for range 4000 {
		in := randomInput(r.IntN)
		in.Event.At = exampleTime
		a, b := without.Decide(in), with.Decide(in)
		if len(ofWatch(b)) == 0 {
			b.Generation = a.Generation
			if !reflect.DeepEqual(a, b) {
				t.Fatalf("%+v: %+v without entries, %+v with entries that say nothing", in.Event, a, b)
			}
			continue
		}
		spoke++
		if b.Verdict != max(a.Verdict, vedette.Warn) || b.Would != max(a.Would, vedette.Warn) {
			t.Fatalf("%+v: %+v without entries, %+v with", in.Event, a, b)
		}
	}
	if spoke == 0 {
		t.Error("no entry spoke")
	}
}

func TestWatchEntriesArePartOfTheGeneration(t *testing.T) {
	p := Parts{Rules: starterSet(t), Indicators: knows(nil), Lists: "a"}
	plain := mustMake(t, p)
	if strings.Contains(plain.Description(), "watch") {
		t.Errorf("a generation without entries is described as\n%s", plain.Description())
	}
	p.Watch = []vedette.Watched{watched(4), watched(3)}
	g := mustMake(t, p)
	want := plain.Description() +
		"watch 1 1 03000000000000000000000000000000 1767265200000 1767524400000 0900000000000000000000000000000000000000000000000000000000000000\n" +
		"watch 1 1 04000000000000000000000000000000 1767265200000 1767524400000 0900000000000000000000000000000000000000000000000000000000000000\n"
	if g.Description() != want {
		t.Errorf("Description =\n%s\nwant\n%s", g.Description(), want)
	}
	slices.Reverse(p.Watch)
	if again := mustMake(t, p); again.ID() != g.ID() {
		t.Errorf("the order of entries makes another generation: %v, %v", again.ID(), g.ID())
	}
	armed, err := g.Rearm(Armed{Ceiling: vedette.Warn})
	if err != nil || !reflect.DeepEqual(armed.Watching(), g.Watching()) {
		t.Errorf("Rearm keeps %v, %v; want %v", armed.Watching(), err, g.Watching())
	}
	again := mustMake(t, p)
	if a, b := g.Decide(strange(3)), again.Decide(strange(3)); !reflect.DeepEqual(a, b) || len(ofWatch(a)) != 1 {
		t.Errorf("made again from its parts it says %+v, before %+v", b, a)
	}
	for name, change := range map[string]func(e *vedette.Watched){
		"too long": func(e *vedette.Watched) { e.Until = e.From.Add(MaxWatchFor + time.Millisecond) }, "no end": func(e *vedette.Watched) { e.Until = time.Time{} },
		"no token": func(e *vedette.Watched) { e.Token = vedette.Token{} }, "no cell": func(e *vedette.Watched) { e.Cell = vedette.Digest{} },
		"a token twice": func(e *vedette.Watched) { e.Token = token(4) },
	} {
		bad := []vedette.Watched{watched(4), watched(3)}
		change(&bad[1])
		if _, err := Make(Parts{Watch: bad}); !errors.Is(err, vedette.ErrInvalid) {
			t.Errorf("%s: Make = %v, want invalid", name, err)
		}
	}
	if _, err := Make(Parts{Watch: make([]vedette.Watched, MaxWatch+1)}); !errors.Is(err, vedette.ErrInvalid) {
		t.Errorf("Make of %d entries = %v, want invalid", MaxWatch+1, err)
	}
}
