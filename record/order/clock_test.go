package order_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vedette"
	"vedette/record/order"
)

func TestDeadline(t *testing.T) {
	d := order.BuiltIn()
	us := "us-federal"
	for _, tt := range []struct{ after, calendar, from, want string }{
		{"72 hours", "", "2026-11-20T10:30:00Z", "2026-11-23T10:30:00Z"},
		{"24 hours", us, "2026-03-08T01:00:00-05:00", "2026-03-09T06:00:00Z"}, // an hour is an hour, also when clocks change
		{"14 days", "", "2026-02-20T23:59:00Z", "2026-03-07T00:00:00Z"},       // the end of 6 March
		{"1 month", "", "2026-01-31T12:00:00Z", "2026-03-01T00:00:00Z"},       // the end of 28 February
		{"1 month", "", "2028-01-31T12:00:00Z", "2028-03-01T00:00:00Z"},       // of 29 February
		{"1 month", "", "2026-12-15T12:00:00Z", "2027-01-16T00:00:00Z"},
		{"4 business days", us, "2026-11-23T15:00:00Z", "2026-12-01T05:00:00Z"}, // Monday; Thanksgiving and a weekend between: Monday the 30th
		{"4 business days", us, "2026-07-01T15:00:00Z", "2026-07-09T04:00:00Z"}, // 3 July is observed
		{"1 business day", us, "2026-11-20T03:00:00Z", "2026-11-21T05:00:00Z"},  // still Thursday in New York
		{"1 business day", us, "2026-11-21T15:00:00Z", "2026-11-24T05:00:00Z"},
	} {
		got, err := d.Deadline(&order.Step{After: tt.after, Calendar: tt.calendar}, at(t, tt.from))
		if err != nil || !got.Equal(at(t, tt.want)) {
			t.Errorf("Deadline(%s, %s, %s) = %v, %v, want %s", tt.after, tt.calendar, tt.from, got, err, tt.want)
		}
	}
	for _, s := range []string{"promptly", "open"} {
		if got, err := d.Deadline(&order.Step{After: s}, at(t, "2026-01-01T00:00:00Z")); err != nil || !got.IsZero() {
			t.Errorf("%s: %v, %v", s, got, err)
		}
	}
	for _, from := range []string{"2025-12-31T12:00:00Z", "2027-12-29T12:00:00Z", "2031-01-01T00:00:00Z"} {
		if _, err := d.Deadline(&order.Step{After: "4 business days", Calendar: us}, at(t, from)); !errors.Is(err, vedette.ErrUnknown) {
			t.Errorf("a calendar that does not reach %s: %v", from, err)
		}
	}
}

// TestDeadlinesKeepTheirOrder: a later trigger is never due earlier, more days never come earlier, and no deadline is before its trigger.
func TestDeadlinesKeepTheirOrder(t *testing.T) {
	d := order.BuiltIn()
	rapid.Check(t, func(t *rapid.T) {
		unit := rapid.SampledFrom([]string{"hours", "days", "business days", "months"}).Draw(t, "unit")
		n := rapid.IntRange(1, 30).Draw(t, "n")
		from := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(rapid.IntRange(0, 365*24*60).Draw(t, "minute")) * time.Minute)
		more := time.Duration(rapid.IntRange(0, 60*24*60).Draw(t, "later")) * time.Minute
		due := func(n int, from time.Time) time.Time {
			x, err := d.Deadline(&order.Step{After: string(rune('0'+n/10)) + string(rune('0'+n%10)) + " " + unit, Calendar: "us-federal"}, from)
			if n < 10 {
				x, err = d.Deadline(&order.Step{After: string(rune('0'+n)) + " " + unit, Calendar: "us-federal"}, from)
			}
			if err != nil {
				t.Fatal(err)
			}
			return x
		}
		a := due(n, from)
		if !a.After(from) || due(n, from.Add(more)).Before(a) || due(n+1, from).Before(a) {
			t.Fatalf("%d %s from %v is %v; from %v later %v; one more %v", n, unit, from, a, more, due(n, from.Add(more)), due(n+1, from))
		}
	})
}

func TestReckon(t *testing.T) {
	d := order.BuiltIn()
	only := func(id string) *order.Duties {
		x, err := d.Find(id)
		if err != nil {
			t.Fatal(err)
		}
		return &order.Duties{Duties: []order.Duty{*x}, Calendars: d.Calendars}
	}
	start := at(t, "2026-11-20T10:00:00Z")
	notes := []order.Note{
		{Clock: "clock-1", What: order.NoteStarted, At: start, By: "ana", Matter: "m", Duties: only("nis2-23")},
		{Clock: "clock-2", What: order.NoteNotTriggered, By: "omar", Why: "no personal data were read", Duties: only("gdpr-33")},
		{Clock: "clock-3", What: order.NoteStarted, At: start, By: "ana", Duties: only("cra-14-vulnerability")},
	}
	state := func(now time.Time) []string {
		t.Helper()
		cs, err := order.Reckon(notes, now)
		if err != nil || len(cs) != 3 || cs[1].State != order.NoteNotTriggered || cs[1].Why == "" || len(cs[1].Steps) != 0 {
			t.Fatalf("%+v, %v", cs, err)
		}
		var out []string
		for _, s := range cs[0].Steps {
			out = append(out, s.State)
		}
		return out
	}
	want := func(now time.Time, states ...string) {
		t.Helper()
		if got := state(now); !slices.Equal(got, states) {
			t.Errorf("at %v: %v, want %v", now, got, states)
		}
	}
	want(start, "due", "due", "waiting")
	cs, _ := order.Reckon(notes, start.Add(11*time.Hour))
	if cs[0].Steps[0].Remind {
		t.Errorf("reminded before its time: %v", cs[0].Steps[0].Reminders)
	}
	cs, _ = order.Reckon(notes, start.Add(12*time.Hour))
	if !cs[0].Steps[0].Remind || cs[0].Steps[1].Remind {
		t.Errorf("12 hours before: %+v", cs[0].Steps)
	}
	if cs[2].Steps[2].State != "open" || cs[2].Steps[3].State != "waiting" {
		t.Errorf("%+v", cs[2].Steps)
	}
	want(start.Add(24*time.Hour), "due", "due", "waiting")
	want(start.Add(24*time.Hour+time.Second), "overdue", "due", "waiting")
	done := func(step string, when time.Time) {
		notes = append(notes, order.Note{Clock: "clock-1", Number: len(notes), What: order.NoteDone, Step: step, At: when, By: "ana"})
	}
	done("early-warning", start.Add(25*time.Hour))
	done("notification", start.Add(70*time.Hour))
	want(start.Add(80*time.Hour), "done late", "done", "due")
	cs, _ = order.Reckon(notes, start.Add(80*time.Hour))
	if got := cs[0].Steps[2].Deadline; !got.Equal(at(t, "2026-12-24T00:00:00Z")) { // done on the 23rd
		t.Errorf("the final report is due %v", got)
	}
	done("final", start.Add(90*time.Hour))
	if cs, _ = order.Reckon(notes, start.Add(1000*time.Hour)); cs[0].State != order.NoteDone || cs[2].State != order.NoteStarted {
		t.Errorf("%s, %s", cs[0].State, cs[2].State)
	}
	short := &order.Duties{Duties: []order.Duty{{ID: "a", Steps: []order.Step{{ID: "s", After: "24 hours", Remind: []string{"48 hours", "2 hours"}}}}}}
	cs, _ = order.Reckon([]order.Note{{Clock: "clock-1", What: order.NoteStarted, At: start, Duties: short}}, start)
	if s := cs[0].Steps[0]; s.Remind || len(s.Reminders) != 1 {
		t.Errorf("reminded before it was triggered: %+v", s)
	}
	if _, err := order.Reckon([]order.Note{{Clock: "clock-9", What: order.NoteStarted}}, start); !errors.Is(err, vedette.ErrInvalid) {
		t.Errorf("a clock without a duty: %v", err)
	}
}

func TestDutiesAreReadStrictly(t *testing.T) {
	d := order.BuiltIn()
	for _, id := range []string{"gdpr-33", "nis2-23", "dsa-18", "cra-14-vulnerability", "cra-14-incident", "sec-8k-105"} {
		x, err := d.Find(id)
		if err != nil || !strings.Contains(x.Confirm, "counsel must confirm") || x.Source == "" {
			t.Errorf("%s: %+v, %v", id, x, err)
		}
	}
	_, err := order.ReadDuties([]byte(`format: vedette-duties-1
duties:
  - id: a
    name: x
    source: x
    trigger: x
    to: x
    steps:
      - {id: s, what: x, after: soon}
      - {id: t, what: x, after: 3 business days}
      - {id: u, what: x, after: 3 days, from: w, calendar: none}
      - {id: v, what: x, after: 3 days, remind: [2 days]}
calendars:
  - {id: c, zone: Moon, source: x, weekend: [sonntag], from: x, through: 2026-01-01}
`))
	for _, want := range []string{
		"duties[1].confirm: is missing", `steps[1].after: "soon"`, "steps[2].calendar: is missing", `steps[3].from: no step "w"`, `steps[3].calendar: there is no calendar "none"`,
		`steps[4].remind[1]: "2 days"`, `zone: "Moon" is no time zone`, `weekend[1]: "sonntag"`, `from: "x": want a day`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("nobody says %q in\n%v", want, err)
		}
	}
	over, err := order.ReadDuties([]byte("format: vedette-duties-1\nduties:\n  - {id: gdpr-33, name: ours, source: s, trigger: t, to: w, confirm: confirmed by counsel, steps: [{id: s, what: w, after: 48 hours}]}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if x, _ := over.Over(d).Find("gdpr-33"); x == nil || x.Name != "ours" || len(over.Over(d).Duties) != len(d.Duties) {
		t.Errorf("a duty of one's own: %+v", x)
	}
}
