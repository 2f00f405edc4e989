package order_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vedette"
	"vedette/record/order"
)

func example(t testing.TB) *order.Order {
	t.Helper()
	return read(t, exampleText(t))
}

func exampleText(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "docs", "examples", "order.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func read(t testing.TB, text string) *order.Order {
	t.Helper()
	o, err := order.Read([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func at(t testing.TB, s string) time.Time {
	t.Helper()
	x, err := time.Parse(time.RFC3339, s)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// TestInForce asks the made-up order. Its court's days begin at 07:00 or 08:00 UTC.
func TestInForce(t *testing.T) {
	o := example(t)
	for _, tt := range []struct {
		clause, party, at string
		want              order.Truth
		why               string // in a reason
	}{
		// the order itself: its day is not its hour
		{"C3", "vendor", "2025-10-17T06:59:59Z", order.No, "it was not in force then"},
		{"C3", "vendor", "2025-10-17T12:00:00Z", order.No, "after the time asked about"}, // no notice yet, whatever the hour of the order
		{"C3", "vendor", "2025-10-18T02:00:00Z", order.Unknown, "whether that was so then is not known"},
		{"C3", "vendor", "2025-10-18T07:00:00Z", order.Yes, "served through the court"},
		// the stay began on a day between 19 and 22 December
		{"C3", "vendor", "2025-12-19T07:59:59.999Z", order.Yes, "until another instrument"},
		{"C3", "vendor", "2025-12-19T08:00:00Z", order.Unknown, "is stayed from some time between"},
		{"C3", "vendor", "2025-12-20T12:00:00Z", order.Unknown, "not known"},
		{"C3", "vendor", "2025-12-23T07:59:59.999Z", order.Unknown, "not known"},
		{"C3", "vendor", "2025-12-23T08:00:00Z", order.No, "is stayed"},
		{"C3", "vendor", "2026-01-05T07:59:59.999Z", order.No, "is stayed"},
		// no paper says when it ended
		{"C3", "vendor", "2026-01-05T08:00:00Z", order.Unknown, "a time that no paper tells"},
		{"C3", "vendor", "2026-02-05T08:00:00Z", order.Unknown, "a time that no paper tells"},
		{"C3", "vendor", "2036-01-01T00:00:00Z", order.Unknown, "a time that no paper tells"},
		// a party without recorded service, by its name
		{"C3", "Vendor Holding Example S.A.", "2025-11-01T00:00:00Z", order.Unknown, "no service"},
		// an officer: notice in some hour of a week, and no longer officer
		{"C3", "chief", "2025-10-19T00:00:00Z", order.No, "after the time asked about"},
		{"C3", "chief", "2025-10-22T00:00:00Z", order.Unknown, "whether before the time asked about is not known"},
		{"C3", "chief", "2025-10-25T07:00:00Z", order.Yes, "officer, agent, servant"},
		{"C3", "chief", "2026-05-01T00:00:00Z", order.No, "was not that at the time"},
		// active concert: found, and alleged
		{"C3", "reseller", "2025-11-10T08:59:59Z", order.No, "after the time asked about"},
		{"C3", "reseller", "2025-11-10T09:00:00Z", order.Yes, "in active concert"},
		{"C3", "integrator", "2025-11-10T09:00:00Z", order.No, "after the time asked about"},
		{"C3", "integrator", "2026-06-01T00:00:00Z", order.Unknown, "alleged, and nobody has found it"},
		// strangers, and who is excluded
		{"C3", "somebody", "2025-11-10T09:00:00Z", order.No, "a stranger to the order"},
		{"C3", "government", "2025-11-10T09:00:00Z", order.No, "X1"},
		// what was modified, and what holds instead
		{"C6", "reseller", "2025-11-20T00:00:00Z", order.Yes, "until another instrument"},
		{"C6a", "reseller", "2025-11-20T00:00:00Z", order.No, "it was not in force then"},
		{"C6", "reseller", "2026-03-02T20:00:00Z", order.No, "C6a holds instead"},
		{"C6a", "reseller", "2026-03-02T20:00:00Z", order.Unknown, "is stayed"}, // a stay of the whole reaches what stands in, too
		{"C6a", "reseller", "2026-03-02T19:59:59Z", order.No, "it was not in force then"},
	} {
		got, err := o.InForce(tt.clause, tt.party, at(t, tt.at))
		if err != nil {
			t.Errorf("InForce(%s, %s, %s): %v", tt.clause, tt.party, tt.at, err)
			continue
		}
		if got.Answer != tt.want {
			t.Errorf("InForce(%s, %s, %s) = %s, want %s: %+v", tt.clause, tt.party, tt.at, got.Answer, tt.want, got.Reasons)
		}
		if !slices.ContainsFunc(got.Reasons, func(r order.Reason) bool { return strings.Contains(r.Text, tt.why) }) {
			t.Errorf("InForce(%s, %s, %s): no reason says %q: %+v", tt.clause, tt.party, tt.at, tt.why, got.Reasons)
		}
	}
	o.Party("chief").Notice = nil
	if got, _ := o.InForce("C3", "chief", at(t, "2025-12-01T00:00:00Z")); got.Answer != order.No {
		t.Errorf("an officer of whom no notice is recorded: %s", got.Answer)
	}
	if _, err := o.InForce("C2", "vendor", at(t, "2025-11-01T00:00:00Z")); !errors.Is(err, vedette.ErrUnknown) || !strings.Contains(err.Error(), "C1, C3, C4") {
		t.Errorf("a clause that is not there: %v", err)
	}
	if _, err := o.InForce("C3", " ", at(t, "2025-11-01T00:00:00Z")); !errors.Is(err, vedette.ErrInvalid) {
		t.Errorf("nobody: %v", err)
	}
}

// TestThePaperThatEndsTheStay enters what was missing.
func TestThePaperThatEndsTheStay(t *testing.T) {
	text := strings.Replace(exampleText(t), "to: {earliest: 2026-01-05, latest: unknown}", "to: 2026-02-02T17:00:00-08:00", 1)
	text = strings.Replace(text, "from: {earliest: 2025-12-19, latest: 2025-12-22}", "from: 2025-12-19T10:00:00-08:00", 1)
	o := read(t, text)
	for when, want := range map[string]order.Truth{
		"2025-12-19T17:59:59Z": order.Yes, "2025-12-19T18:00:00Z": order.No, "2026-02-03T00:59:59Z": order.No, "2026-02-03T01:00:00Z": order.Yes,
	} {
		if got, _ := o.InForce("C3", "vendor", at(t, when)); got.Answer != want {
			t.Errorf("at %s: %s, want %s", when, got.Answer, want)
		}
	}
	text = strings.Replace(text, "intervals:\n", "intervals:\n  - state: vacated\n    from: 2026-09-01T00:00:00Z\n    instrument: mandate of the court of appeals\n", 1)
	o = read(t, text)
	for when, want := range map[string]order.Truth{"2026-08-31T23:59:59Z": order.Yes, "2026-09-01T00:00:00Z": order.No, "2030-01-01T00:00:00Z": order.No} {
		if got, _ := o.InForce("C3", "vendor", at(t, when)); got.Answer != want {
			t.Errorf("vacated: at %s: %s, want %s", when, got.Answer, want)
		}
	}
	// A stay of which nothing is known but that there was one leaves everything open.
	text = strings.Replace(exampleText(t), "to: {earliest: 2026-01-05, latest: unknown}", "to: unknown", 1)
	if got, _ := read(t, text).InForce("C3", "vendor", at(t, "2025-12-28T00:00:00Z")); got.Answer != order.Unknown {
		t.Errorf("a stay whose end is wholly unknown: %s", got.Answer)
	}
}

func TestAPolicyIsTheLesserAuthority(t *testing.T) {
	o := read(t, `
format: vedette-order-1
id: terms
kind: policy
issuer: Chat Example Inc.
caption: Terms of service
date: 2024-01-01
platforms: [chat.example]
clauses:
  - {id: T4, wording: verbatim, text: No automated testing., sha256: `+order.Digest("No automated testing.").String()+`, verb: test, object: automatically, acts: [testing]}
parties:
  - {id: vendor, name: Vendor Example Ltd., bound_as: acceptance, ground: documented, proof: sign-up record, notice: [{who: itself, when: 2024-05-01, how: accepted at sign-up, proof: sign-up record}]}
intervals:
  - {state: in_force, from: 2024-01-01, instrument: version 7 of the terms}
`)
	a, err := o.InForce("T4", "vendor", at(t, "2025-01-01T00:00:00Z"))
	if err != nil || a.Answer != order.Yes || a.Authority != order.KindPolicy {
		t.Errorf("%+v, %v", a, err)
	}
	if a, _ := o.InForce("T4", "other", at(t, "2025-01-01T00:00:00Z")); a.Answer != order.No {
		t.Errorf("who accepted nothing: %s", a.Answer)
	}
}

// TestEverythingThatIsWrongIsToldAtOnce reads a file with many faults.
func TestEverythingThatIsWrongIsToldAtOnce(t *testing.T) {
	text := exampleText(t)
	for was, is := range map[string]string{
		"court: Example District Court": "cort: Example District Court",
		"date: 2025-10-17\n":            "date: October\n",
		"shall not assist others":       "shall not ever assist others",
		"bound_as: agent":               "bound_as: servant",
		"to: 2026-03-31":                "to: 2022-03-31",
		"ground: found\n    proof: order of 12 January 2026, docket entry 850": "ground: found",
		"clauses: [C6]": "clauses: [C66]",
		"acts: [account-created, test-account-kept]": "acts: [account-made]",
		"platforms: [photos.example]":                "platforms: [chat.example]",
		"latest: 2025-10-24}":                        "latest: 2025-10-14}",
	} {
		if !strings.Contains(text, was) {
			t.Fatalf("the example has no %q", was)
		}
		text = strings.Replace(text, was, is, 1)
	}
	_, err := order.Read([]byte(text))
	faults, ok := errors.AsType[order.Faults](err)
	if !ok || !errors.Is(err, vedette.ErrInvalid) {
		t.Fatalf("%v", err)
	}
	lines := strings.Split(text, "\n")
	for _, want := range []struct{ line, what string }{
		{"cort:", "cort: is unknown; known are"},
		{"format:", "court: is missing"},
		{"date: October", "date: want a day like"},
		{"sha256", "clauses[4].sha256: is not that of the text"},
		{"bound_as: servant", "parties[3].bound_as: \"servant\": want party, agent, concert"},
		{"to: 2022", "parties[3].to: ends before it begins"},
		{"- id: reseller", "parties[4].proof: is missing"},
		{"clauses: [C66]", "intervals[3].clauses[1]: there is no clause \"C66\""},
		{"acts: [account-made]", "clauses[3].acts[1]: \"account-made\": want account-created"},
		{"platforms: [chat.example]", "chat.example is one of the order's own platforms"},
		{"when: {earliest", "the latest is before the earliest"},
	} {
		i := slices.IndexFunc(faults, func(f order.Fault) bool { return strings.Contains(f.Error(), want.what) })
		if i < 0 {
			t.Errorf("nobody says %q in\n%v", want.what, err)
			continue
		}
		if l := lines[faults[i].Line-1]; want.line != "format:" && !strings.Contains(l, want.line) {
			t.Errorf("%q is told of line %d: %q", want.what, faults[i].Line, l)
		}
	}
	if !slices.IsSortedFunc(faults, func(a, b order.Fault) int { return a.Line - b.Line }) {
		t.Errorf("not by line:\n%v", err)
	}
}

func TestWhatIsNoOrder(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":            "",
		"a list":             "- a\n",
		"no YAML":            "format: [\n",
		"not UTF-8":          "format: \xff\n",
		"two documents":      exampleText(t) + "\n---\nformat: x\n",
		"an alias":           "format: &a vedette-order-1\nid: *a\n",
		"another format":     strings.Replace(exampleText(t), "vedette-order-1", "vedette-order-2", 1),
		"a key twice":        strings.Replace(exampleText(t), "kind: order\n", "kind: order\nkind: order\n", 1),
		"deep":               "format: " + strings.Repeat("[", 40) + strings.Repeat("]", 40),
		"long":               "note: " + strings.Repeat("x", order.MaxFile),
		"many":               "platforms: [" + strings.Repeat("a.example,", 600) + "]",
		"a control":          strings.Replace(exampleText(t), "kind: order\n", "kind: \"or\\bder\"\n", 1),
		"no such zone":       strings.Replace(exampleText(t), "America/Los_Angeles", "Mars/Olympus", 1),
		"the host's zone":    strings.Replace(exampleText(t), "America/Los_Angeles", "Local", 1),
		"an agent of nobody": strings.Replace(exampleText(t), "of: vendor", "of: reseller", 1),
		"one name twice":     strings.Replace(exampleText(t), "name: Reseller Example FZE", "name: vendor", 1),
		"one id twice":       strings.Replace(exampleText(t), "- id: C4", "- id: C3", 1),
	} {
		if _, err := order.Read([]byte(text)); !errors.Is(err, vedette.ErrInvalid) || !strings.Contains(err.Error(), "line ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDiff(t *testing.T) {
	a, text := example(t), exampleText(t)
	if d := order.Diff(a, example(t)); len(d) != 0 {
		t.Errorf("an order differs from itself: %v", d)
	}
	b := read(t, strings.Replace(text, "latest: unknown}", "latest: 2026-02-05}", 1))
	b.Clauses[0], b.Clauses[1] = b.Clauses[1], b.Clauses[0]
	d := order.Diff(a, b)
	if len(d) != 1 || d[0].Where != "intervals[2].to" || !strings.Contains(d[0].Was, "no paper tells") || !strings.Contains(d[0].Is, "2026-02-06 08:00Z") {
		t.Errorf("%+v", d)
	}
}

// TestNothingChangesBetweenInstants draws orders and asks them at every instant and between.
func TestNothingChangesBetweenInstants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := drawn(t)
		all := o.Instants()
		for i, from := range all {
			ask := func(x time.Time) order.Truth {
				a, err := o.InForce("A", "p", x)
				if err != nil {
					t.Fatal(err)
				}
				return a.Answer
			}
			to := from.Add(100 * time.Hour)
			if i+1 < len(all) {
				to = all[i+1]
			}
			first := ask(from)
			for _, x := range []time.Time{from.Add(to.Sub(from) / 2), to.Add(-time.Nanosecond)} {
				if got := ask(x); got != first {
					t.Fatalf("%s at %v, %s at %v, and no instant between: %v", first, from, got, x, all)
				}
			}
		}
	})
}

// TestWhatMoreIsKnownDoes adds to drawn orders: a notice takes no yes away, a stay gives none, and knowing less gives no yes either.
func TestWhatMoreIsKnownDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := drawn(t)
		x := day(t, "asked")
		ask := func() order.Truth {
			a, err := o.InForce("A", "p", x)
			if err != nil {
				t.Fatal(err)
			}
			return a.Answer
		}
		before := ask()
		switch rapid.IntRange(0, 3).Draw(t, "what") {
		case 0:
			o.Parties[0].Notice = append(o.Parties[0].Notice, order.Notice{When: moment(t, "notice")})
			if got := ask(); before == order.Yes && got != order.Yes {
				t.Fatalf("a notice turned yes into %s", got)
			}
		case 1:
			o.Intervals = append(o.Intervals, order.Interval{State: rapid.SampledFrom([]order.State{order.Stayed, order.Vacated}).Draw(t, "state"), From: moment(t, "from")})
			if got := ask(); got == order.Yes && before != order.Yes {
				t.Fatalf("a stay turned %s into yes", before)
			}
		case 2:
			o.Parties[0].Ground = order.GroundAlleged
			if got := ask(); got == order.Yes || before == order.No && got != order.No {
				t.Fatalf("an allegation turned %s into %s", before, got)
			}
		case 3: // an end that nobody knows any more
			i := rapid.IntRange(0, len(o.Intervals)-1).Draw(t, "interval")
			o.Intervals[i].From, o.Intervals[i].To = order.Moment{}, &order.Moment{}
			if got := ask(); before != order.Yes && got == order.Yes {
				t.Fatalf("knowing less turned %s into yes", before)
			}
		}
	})
}

func day(t *rapid.T, name string) time.Time {
	return time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(rapid.IntRange(0, 50).Draw(t, name)) * 12 * time.Hour)
}

func moment(t *rapid.T, name string) order.Moment {
	a, b := day(t, name), day(t, name+" too")
	if b.Before(a) {
		a, b = b, a
	}
	switch rapid.IntRange(0, 4).Draw(t, name+" known") {
	case 0:
		return order.Moment{Earliest: a}
	case 1:
		return order.Moment{Latest: b}
	case 2:
		return order.Exactly(a)
	}
	return order.Moment{Earliest: a, Latest: b}
}

func drawn(t *rapid.T) *order.Order {
	p := order.Party{ID: "p", Way: rapid.SampledFrom([]order.Way{order.WayParty, order.WayAgent, order.WayConcert}).Draw(t, "way"), Ground: order.GroundFound}
	if rapid.Bool().Draw(t, "since") {
		m := moment(t, "since when")
		p.From = &m
	}
	for range rapid.IntRange(0, 3).Draw(t, "notices") {
		p.Notice = append(p.Notice, order.Notice{When: moment(t, "notice")})
	}
	o := &order.Order{ID: "o", Kind: order.KindOrder, Clauses: []order.Clause{{ID: "A"}, {ID: "B"}}, Parties: []order.Party{p}}
	for range rapid.IntRange(1, 4).Draw(t, "intervals") {
		v := order.Interval{State: rapid.SampledFrom([]order.State{order.InForce, order.InForce, order.Stayed, order.Modified, order.Vacated}).Draw(t, "state"), From: moment(t, "from")}
		if v.State == order.Modified {
			v.Clauses, v.As = []string{"A"}, "B"
			if rapid.Bool().Draw(t, "back") {
				v.Clauses, v.As = []string{"B"}, "A"
			}
		}
		if rapid.Bool().Draw(t, "ends") {
			m := moment(t, "to")
			v.To = &m
		}
		o.Intervals = append(o.Intervals, v)
	}
	return o
}

// FuzzRead: whatever stands in a file, reading it ends, says a line for each fault, and what is read answers.
func FuzzRead(f *testing.F) {
	f.Add([]byte(exampleText(f)))
	f.Add([]byte("format: vedette-order-1\nclauses: [{id: a, text: b}]\nintervals: [{from: unknown, to: {earliest: 2020-01-01}}]\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := order.Read(b)
		if err != nil {
			faults, ok := errors.AsType[order.Faults](err)
			if !ok || len(faults) == 0 || slices.ContainsFunc(faults, func(f order.Fault) bool { return f.Line < 1 }) {
				t.Fatalf("%v", err)
			}
			return
		}
		for _, c := range o.Clauses {
			for _, x := range o.Instants() {
				a, err := o.InForce(c.ID, "anybody", x)
				if err != nil || a.Answer == "" || len(a.Reasons) == 0 {
					t.Fatalf("%+v, %v", a, err)
				}
			}
		}
	})
}

// FuzzReadOthers: the same law for acts, which are then held against the example, and for duties, whose deadlines end.
func FuzzReadOthers(f *testing.F) {
	for _, name := range []string{"../../docs/examples/acts.yaml", "duties.yaml"} {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	o := example(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		acts, err := order.ReadActs(b)
		if _, ok := errors.AsType[order.Faults](err); err != nil && !ok {
			t.Fatalf("%v", err)
		}
		if err == nil {
			for i := range acts {
				if got := order.Hold(&acts[i], o); len(got) != len(o.Clauses) {
					t.Fatalf("%d tests", len(got))
				}
			}
		}
		d, err := order.ReadDuties(b)
		if _, ok := errors.AsType[order.Faults](err); err != nil && !ok {
			t.Fatalf("%v", err)
		}
		if err == nil {
			for i := range d.Duties {
				for k := range d.Duties[i].Steps {
					from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
					if x, err := d.Deadline(&d.Duties[i].Steps[k], from); err == nil && !x.IsZero() && !x.After(from) {
						t.Fatalf("%+v is due %v", d.Duties[i].Steps[k], x)
					}
				}
			}
		}
	})
}

// TestThePagesNameEveryKey: what can be written in a file stands on its page.
func TestThePagesNameEveryKey(t *testing.T) {
	for page, types := range map[string][]reflect.Type{
		"order.md": {
			reflect.TypeFor[order.Order](), reflect.TypeFor[order.Clause](), reflect.TypeFor[order.Exception](), reflect.TypeFor[order.Party](), reflect.TypeFor[order.Notice](),
			reflect.TypeFor[order.Interval](), reflect.TypeFor[order.Exclusion](), reflect.TypeFor[order.Act](), reflect.TypeFor[order.Actor](), reflect.TypeFor[order.Condition](),
			reflect.TypeFor[order.Defence](),
		},
		"duty.md": {reflect.TypeFor[order.Duties](), reflect.TypeFor[order.Duty](), reflect.TypeFor[order.Step](), reflect.TypeFor[order.Calendar]()},
	} {
		b, err := os.ReadFile(filepath.Join("..", "..", "docs", "formats", page))
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range types {
			for f := range x.Fields() {
				if key := "`" + f.Tag.Get("yaml") + "`"; !strings.Contains(string(b), key) {
					t.Errorf("%s does not name %s of %s", page, key, x.Name())
				}
			}
		}
		for _, k := range order.ActKinds() {
			if page == "order.md" && !strings.Contains(string(b), "`"+string(k)+"`") {
				t.Errorf("%s does not name %s", page, k)
			}
		}
	}
}
