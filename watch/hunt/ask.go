package hunt

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vedette"
	"vedette/record/evidence"
	"vedette/record/indicator"
)

// Config is the hunt's own.
type Config struct {
	// PerDay is how many questions a tenant may ask in 24 hours. Default 200; 1 to 10,000.
	PerDay int
	// Burst is how many of them in 10 minutes. Default 20; 1 to PerDay.
	Burst int
	// NamesPerDay is how many names they may hold together. Default 50,000; at least 1.
	NamesPerDay int
	// Standing is how many standing hunts a tenant may have. Default 100; 1 to 1,000.
	Standing int
	// Texts is how long the names of a question are kept, to repeat it. Default 90 days; 1 day to 366.
	Texts time.Duration
	// KeepFor is how long sealed copies for cases are kept. Default 366 days; 1 day to 10 years.
	KeepFor time.Duration
	// MaxFound is how many sightings a permit opens at once. Default 100,000; at least 1.
	MaxFound int
}

const (
	burst     = 10 * time.Minute
	oneDay    = 24 * time.Hour
	house     = "vedette" // who asks when nobody does
	threshold = 10        // people; fewer are never counted
	detector  = "hunt"
)

func (c Config) filled() Config {
	for _, n := range []struct {
		at *int
		to int
	}{{&c.PerDay, 200}, {&c.NamesPerDay, 50_000}, {&c.Standing, 100}, {&c.MaxFound, 100_000}} {
		if *n.at == 0 {
			*n.at = n.to
		}
	}
	if c.Burst == 0 {
		c.Burst = min(20, c.PerDay)
	}
	if c.Texts == 0 {
		c.Texts = 90 * oneDay
	}
	if c.KeepFor == 0 {
		c.KeepFor = 366 * oneDay
	}
	return c
}

// Validate names the key that is wrong. Its error wraps vedette.ErrInvalid.
func (c Config) Validate() error {
	c = c.filled()
	for _, x := range []struct {
		bad  bool
		what string
	}{
		{c.PerDay < 1 || c.PerDay > 10_000, fmt.Sprintf("hunt.per_day: %d: 1 to 10,000", c.PerDay)},
		{c.Burst < 1 || c.Burst > c.PerDay, fmt.Sprintf("hunt.burst: %d: 1 to hunt.per_day", c.Burst)},
		{c.NamesPerDay < 1, fmt.Sprintf("hunt.names_per_day: %d: at least 1", c.NamesPerDay)},
		{c.Standing < 1 || c.Standing > 1000, fmt.Sprintf("hunt.standing: %d: 1 to 1,000", c.Standing)},
		{c.Texts < oneDay || c.Texts > 366*oneDay, fmt.Sprintf("hunt.texts: %s: 1 to 366 days", c.Texts)},
		{c.KeepFor < oneDay || c.KeepFor > 3660*oneDay, fmt.Sprintf("hunt.keep_for: %s: 1 day to 10 years", c.KeepFor)},
		{c.MaxFound < 1, fmt.Sprintf("hunt.max_found: %d: at least 1", c.MaxFound)},
	} {
		if x.bad {
			return fmt.Errorf("%s: %w", x.what, vedette.ErrInvalid)
		}
	}
	return nil
}

// Deps are what a Hunter works with. All but Log and Registerer are required.
type Deps struct {
	History History
	Tokens  func(t vedette.Tenant) (Tokens, error) // its error wraps vedette.ErrUnknown for a tenant that is not here
	Guard   func() *indicator.Guard                // the one in force
	Ledger  Ledger
	Book    evidence.Book
	Report  func(ctx context.Context, f vedette.Finding) error // takes leads; the same finding may come again
	Now     func() time.Time

	Log        *slog.Logger
	Registerer prometheus.Registerer
}

// Hunter asks history. It is safe for concurrent use.
type Hunter struct {
	config Config
	deps   Deps
	log    *slog.Logger
	m      *hunterMetrics

	mu    sync.Mutex // one question at a time passes the allowance and is recorded; also guards changes of watch
	watch atomic.Pointer[watch]
}

// New makes a hunter. Its error wraps vedette.ErrInvalid.
func New(config Config, deps Deps) (*Hunter, error) {
	if err := config.Validate(); err != nil {
		return nil, fmt.Errorf("hunt: %w", err)
	}
	if deps.History == nil || deps.Tokens == nil || deps.Guard == nil || deps.Ledger == nil || deps.Book == nil || deps.Report == nil || deps.Now == nil {
		return nil, fmt.Errorf("hunt: a part is missing: %w", vedette.ErrInvalid)
	}
	h := &Hunter{config: config.filled(), deps: deps, log: deps.Log, m: newHunterMetrics(deps.Registerer)}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	return h, nil
}

// Busy says when to ask again.
type Busy struct{ Until time.Time }

func (b *Busy) Error() string {
	return fmt.Sprintf("hunt: the allowance of questions is used up until %s: %v", b.Until.UTC().Format(time.RFC3339), vedette.ErrBusy)
}

// Unwrap returns vedette.ErrBusy.
func (b *Busy) Unwrap() error { return vedette.ErrBusy }

// NameAnswer is the answer for one name.
type NameAnswer struct {
	Name    Name   `json:"-"`
	Display string `json:"name"` // defanged
	Scope   string `json:"scope"`
	Found   Count  `json:"found"`
	Note    string `json:"note,omitzero"` // what of the name could not be asked
}

// Answer is what anybody who may ask is told. It has no accounts, no sender, no time finer than the days that were asked, and no number.
//
// Found is that of the strongest name. People of several names are never added up: whoever may choose the names could otherwise count people
// below ten, by adding names of which he knows the count. So each name's answer is told too, and the question's tells nothing more.
type Answer struct {
	ID       string           `json:"id"`
	Question vedette.Digest   `json:"question"`
	From     time.Time        `json:"from,omitzero"` // as it was asked, in whole days
	To       time.Time        `json:"to,omitzero"`
	Found    Count            `json:"found"`
	Names    []NameAnswer     `json:"names"` // in the order of the canonical question
	Refused  []Refused        `json:"refused"`
	Damage   []Damage         `json:"damage"`
	Leads    []vedette.Digest `json:"leads"`           // findings that were reported
	Before   Count            `json:"before,omitzero"` // what the repeated hunt was told then; Again alone sets it
}

// Cost tells what a question would read, and what of it would be refused. It tells nothing about what is there: whether a filter rules a name
// out is an answer, so that Possible is only the most that it can be, and rows are rounded up. It costs nothing of the allowance.
func (h *Hunter) Cost(ctx context.Context, q Question) (Cost, []Refused, error) {
	p, err := h.prepare(ctx, q)
	if err != nil {
		return Cost{}, nil, err
	}
	if len(p.ask) == 0 {
		return Cost{}, p.refused, nil
	}
	units, _ := index(p.ask)
	c, err := h.deps.History.Cost(ctx, units, p.question.Window)
	if err != nil {
		return Cost{}, nil, fmt.Errorf("hunt: cost: %w", err)
	}
	c.Possible = c.Lookups
	c.Rows = coarse(c.Rows)
	return c, p.refused, nil
}

// coarse rounds up to two digits, and to a hundred at least where there is anything.
func coarse(n int64) int64 {
	if n <= 0 {
		return 0
	}
	unit := int64(100)
	for n > 100*unit {
		unit *= 10
	}
	return (n + unit - 1) / unit * unit
}

// prepared is a question that was read and ruled on.
type prepared struct {
	question Question
	text     []byte
	digest   vedette.Digest
	ask      []asked
	refused  []Refused
}

func (h *Hunter) prepare(ctx context.Context, q Question) (prepared, error) {
	q, err := q.Canonical()
	if err != nil {
		return prepared{}, err
	}
	st, err := h.deps.History.Stats(ctx)
	if err != nil {
		return prepared{}, fmt.Errorf("hunt: what history holds: %w", err)
	}
	// Tokens are made for the epochs that the past reaches, within the window.
	w := Window{st.Oldest, st.Newest.Add(time.Millisecond)}
	if st.Newest.IsZero() {
		w = Window{}
	}
	return h.prepareIn(q, meet(w, q.Window))
}

func (h *Hunter) prepareIn(q Question, w Window) (prepared, error) {
	tokens, err := h.deps.Tokens(q.Tenant)
	if err != nil {
		return prepared{}, fmt.Errorf("hunt: tokens of %s: %w", q.Tenant, err)
	}
	p := prepared{question: q}
	if p.text, err = q.text(); err != nil {
		return prepared{}, err
	}
	p.digest = digest("vedette-hunt-question-1\n", p.text)
	p.ask, p.refused = plan(h.deps.Guard(), tokens, q.Names, w)
	return p, nil
}

// meet returns the span that is in both windows; the first has two ends.
func meet(w, in Window) Window {
	if in.From.After(w.From) {
		w.From = in.From
	}
	if !in.To.IsZero() && in.To.Before(w.To) {
		w.To = in.To
	}
	return w
}

// index returns the units that the names may be kept under, sorted, each once, and the names of each key.
func index(ask []asked) ([]Key, map[Key][]int) {
	of := map[Key][]int{}
	var units []Key
	for i, a := range ask {
		for _, t := range a.tokens {
			if k := KeyOf(t); k != 0 && !slices.Contains(of[k], i) {
				of[k] = append(of[k], i)
			}
		}
		units = append(units, a.units...)
	}
	slices.Sort(units)
	return slices.Compact(units), of
}

// names calls f for each name that a sighting is of, each once.
func (s *Sighting) names(of map[Key][]int, f func(name int)) {
	var room [8]int
	seen := room[:0]
	for _, k := range [...]Key{s.URL, s.Host, s.Tenant, s.Domain} {
		if k == 0 {
			continue
		}
		for _, i := range of[k] {
			if !slices.Contains(seen, i) {
				seen = append(seen, i)
				f(i)
			}
		}
	}
}

// reached tells whether somebody got, saw or reported the link: a refused message reached nobody.
func (s *Sighting) reached() bool {
	return !s.To.IsZero() && (s.Act != Sent || s.Verdict < vedette.Hold)
}

// tally counts the people of one name, up to the threshold.
type tally struct {
	any         bool
	people      []vedette.AccountID
	first, last time.Time
}

func (t *tally) add(s *Sighting) {
	if !t.any || s.At.Before(t.first) {
		t.first = s.At
	}
	if !t.any || s.At.After(t.last) {
		t.last = s.At
	}
	t.any = true
	if len(t.people) < threshold && s.reached() && !slices.Contains(t.people, s.To) {
		t.people = append(t.people, s.To)
	}
}

func (t *tally) count() Count {
	switch {
	case len(t.people) >= threshold:
		return TenAndMore
	case t.any:
		return Some
	}
	return None
}

// step is how many names are asked of history at once, between two calls of progress.
const step = 1024

// walk asks history for all names and counts for each.
func (h *Hunter) walk(ctx context.Context, p *prepared, progress func(done, total int)) ([]tally, []Damage, error) {
	tallies := make([]tally, len(p.ask))
	var damage []Damage
	for from := 0; from < len(p.ask); from += step {
		to := min(from+step, len(p.ask))
		units, of := index(p.ask[from:to])
		if len(units) > 0 { // none when the past is empty
			d, err := h.deps.History.Find(ctx, units, p.question.Window, func(_ int, s *Sighting) bool {
				s.names(of, func(i int) { tallies[from+i].add(s) })
				return true
			})
			if err != nil {
				return nil, nil, fmt.Errorf("hunt: find: %w", err)
			}
			damage = append(damage, d...)
		}
		if progress != nil {
			progress(to, len(p.ask))
		}
	}
	return tallies, tidy(damage), nil
}

func tidy(d []Damage) []Damage {
	slices.SortFunc(d, func(a, b Damage) int { return strings.Compare(a.File+"\n"+a.What, b.File+"\n"+b.What) })
	return slices.Compact(d)
}

// Ask asks the past for nobody in particular. by is who asks, as access knows them: 1 to 100 bytes. progress may be nil; it is told how
// many names are done. That it was asked is in the evidence before history is read. Its error is ErrRefused or ErrNotAskable when no name may
// or can be asked (the answer then holds the reasons), a *Busy, or wraps vedette.ErrInvalid, ErrTooLarge or ErrUnavailable.
func (h *Hunter) Ask(ctx context.Context, q Question, by string, progress func(done, total int)) (Answer, error) {
	return h.ask(ctx, q, by, Entry{What: WhatAsk}, progress)
}

// Again repeats an earlier hunt: the same names and days, asked of what history holds now. It is an ask like any other. Its error wraps
// vedette.ErrUnknown when there is none or its names are no longer kept, and else is as Ask's.
func (h *Hunter) Again(ctx context.Context, id, by string, progress func(done, total int)) (Answer, error) {
	e, err := h.deps.Ledger.Entry(ctx, id)
	if err != nil {
		return Answer{}, fmt.Errorf("hunt: again: %w", err)
	}
	if e.What != WhatAsk && e.What != WhatAgain && e.What != WhatStand {
		return Answer{}, fmt.Errorf("hunt: again: %s is no ask: what takes a permit takes it anew: %w", id, vedette.ErrForbidden)
	}
	if len(e.Text) == 0 {
		return Answer{}, fmt.Errorf("hunt: again: the names of %s are no longer kept: %w", id, vedette.ErrUnknown)
	}
	q, err := parseQuestion(e.Text)
	if err != nil {
		return Answer{}, fmt.Errorf("hunt: again %s: %w", id, err)
	}
	a, err := h.ask(ctx, q, by, Entry{What: WhatAgain, Of: id}, progress)
	a.Before = e.Found
	return a, err
}

func (h *Hunter) ask(ctx context.Context, q Question, by string, e Entry, progress func(done, total int)) (Answer, error) {
	if err := staff(by); err != nil {
		return Answer{}, err
	}
	p, err := h.prepare(ctx, q)
	if err != nil {
		return Answer{}, err
	}
	a := Answer{Question: p.digest, From: p.question.Window.From, To: p.question.Window.To, Refused: p.refused}
	e.By = by
	if a.ID, err = h.admit(ctx, &p, e); err != nil {
		return a, err
	}
	tallies, damage, err := h.walk(ctx, &p, progress)
	if err != nil {
		return Answer{}, err
	}
	a.Found, a.Damage = None, damage
	a.Names = make([]NameAnswer, len(p.ask))
	for i := range p.ask {
		n := p.ask[i].name
		a.Names[i] = NameAnswer{n, n.Display(), n.Scope.String(), tallies[i].count(), p.ask[i].note}
		a.Found = max(a.Found, a.Names[i].Found)
	}
	if a.Leads, err = h.leads(ctx, &p, tallies); err != nil {
		return Answer{}, err
	}
	if err := h.deps.Ledger.Answer(ctx, a.ID, a.Found); err != nil {
		return Answer{}, fmt.Errorf("hunt: note the answer: %w", err)
	}
	h.m.asked.WithLabelValues(a.Found.String()).Inc()
	return a, nil
}

func staff(by string) error {
	if by == "" || len(by) > 100 || by == house {
		return fmt.Errorf("hunt: who asks: a name of 1 to 100 bytes: %w", vedette.ErrInvalid)
	}
	return nil
}

// admit records a question within the allowance, or refuses it; either is recorded before it is answered.
func (h *Hunter) admit(ctx context.Context, p *prepared, e Entry) (id string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := milli(h.deps.Now())
	refusal := error(nil)
	if len(p.ask) == 0 {
		refusal = nothing(p.refused)
	} else if refusal, err = h.allowance(ctx, p, now); err != nil {
		return "", err
	}
	return h.record(ctx, p, e, now, refusal)
}

// allowance says why a tenant may not ask more now: a *Busy, or too many names for any day.
func (h *Hunter) allowance(ctx context.Context, p *prepared, now time.Time) (refusal, err error) {
	names := len(p.ask)
	if names > h.config.NamesPerDay {
		return fmt.Errorf("hunt: %d names, and %d may be asked a day: %w", names, h.config.NamesPerDay, vedette.ErrTooLarge), nil
	}
	spent, err := h.deps.Ledger.Spent(ctx, p.question.Tenant, now.Add(-oneDay+time.Millisecond))
	if err != nil {
		return nil, fmt.Errorf("hunt: what was asked: %w", err)
	}
	var until time.Time
	later := func(t time.Time) {
		if t.After(until) {
			until = t
		}
	}
	if n := len(spent); n >= h.config.PerDay {
		later(spent[n-h.config.PerDay].At.Add(oneDay))
	}
	if n := len(spent); n >= h.config.Burst {
		later(spent[n-h.config.Burst].At.Add(burst))
	}
	for i, sum := len(spent)-1, names; i >= 0; i-- {
		if sum += spent[i].Names; sum > h.config.NamesPerDay {
			later(spent[i].At.Add(oneDay))
			break
		}
	}
	if until.After(now) {
		return &Busy{until}, nil
	}
	return nil, nil
}

// record writes a question, or its refusal, into the evidence and then the ledger, and returns the entry's id, or the refusal.
func (h *Hunter) record(ctx context.Context, p *prepared, e Entry, now time.Time, refusal error) (string, error) {
	e.At, e.Tenant, e.Question, e.Names, e.Refused = now, p.question.Tenant, p.digest, len(p.ask), len(p.refused)
	e.Text, e.Given = p.text, refusal == nil
	if refusal != nil {
		e.Why = clip(refusal.Error(), 500)
	}
	var err error
	if e.ID, err = h.name(ctx, &e); err != nil {
		return "", errors.Join(refusal, err)
	}
	fields := []evidence.Field{
		{Name: "what", Value: []byte(e.What)},
		{Name: "hunt", Value: []byte(e.ID)},
		{Name: "question", Value: []byte(e.Question.String())},
		{Name: "by", Value: []byte(e.By)},
		{Name: "given", Value: []byte(strconv.FormatBool(e.Given))},
		{Name: "names", Value: []byte(strconv.Itoa(e.Names))},
		{Name: "refused", Value: []byte(strconv.Itoa(e.Refused))},
	}
	for _, f := range []struct{ name, value string }{{"case", e.Case}, {"why", e.Why}, {"of", e.Of}} {
		if f.value != "" {
			fields = append(fields, evidence.Field{Name: f.name, Value: []byte(f.value)})
		}
	}
	if len(p.refused) > 0 {
		// The first of them by name: somebody who asks for a newspaper must be seen to have asked.
		list, err := json.Marshal(p.refused[:min(len(p.refused), 50)])
		if err != nil || len(list) > 60<<10 {
			list = []byte("[]")
		}
		fields = append(fields, evidence.Field{Name: "refused_names", Value: list})
	}
	if _, err := h.deps.Book.Append(ctx, evidence.Record{Kind: evidence.KindHunt, At: now, Tenant: e.Tenant, Fields: fields}); err != nil {
		return "", errors.Join(refusal, fmt.Errorf("hunt: record that it was asked: %w: %w", vedette.ErrUnavailable, err))
	}
	if err := h.deps.Ledger.Add(ctx, e); err != nil {
		return "", errors.Join(refusal, fmt.Errorf("hunt: note that it was asked: %w", err))
	}
	h.m.refused.WithLabelValues("guard").Add(float64(guarded(p.refused)))
	h.m.refused.WithLabelValues("not expressible").Add(float64(len(p.refused) - guarded(p.refused)))
	var busy *Busy
	switch {
	case errors.As(refusal, &busy):
		h.m.asked.WithLabelValues("busy").Inc()
	case refusal != nil:
		h.m.asked.WithLabelValues("refused").Inc()
	}
	h.log.LogAttrs(ctx, slog.LevelInfo, "the past was asked", slog.String("hunt", e.ID), slog.String("what", string(e.What)),
		slog.String("by", e.By), slog.Bool("given", e.Given), slog.Int("names", e.Names), slog.Int("refused", e.Refused))
	return e.ID, refusal
}

func guarded(list []Refused) (n int) {
	for _, r := range list {
		if r.Guard {
			n++
		}
	}
	return n
}

func clip(s string, n int) string {
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "")
	}
	return s
}

// name gives an entry its id, from what it is: 64 bits, and another when it is taken.
func (h *Hunter) name(ctx context.Context, e *Entry) (string, error) {
	for n := range byte(255) {
		d := digest("vedette-hunt-1\n", []byte(e.Tenant), []byte{0}, e.Question[:], []byte(e.At.Format(time.RFC3339Nano)), []byte{0},
			[]byte(e.What), []byte{0}, []byte(e.By), []byte{0}, []byte(e.Case), []byte{0}, []byte(e.Of), []byte{n})
		id := "hunt_" + hex.EncodeToString(d[:8])
		_, err := h.deps.Ledger.Entry(ctx, id)
		switch {
		case errors.Is(err, vedette.ErrUnknown):
			return id, nil
		case err != nil:
			return "", fmt.Errorf("hunt: name a hunt: %w", err)
		}
	}
	return "", fmt.Errorf("hunt: too many at once: %w", vedette.ErrBusy)
}

// corroborated tells whether two independent sources, or one that is reliable and confirmed (A1, A2, B1), call a name bad. Two statements of
// one source count once.
func corroborated(of []Backing) bool {
	first := ""
	for _, b := range of {
		switch b.Grade.String() {
		case "A1", "A2", "B1":
			return true
		}
		switch s := strings.ToLower(strings.TrimSpace(b.Source)); {
		case s == "" || s == first:
		case first == "":
			first = s
		default:
			return true
		}
	}
	return false
}

// backings sorts a question's backing by name.
func backings(list []Backing) map[Name][]Backing {
	of := map[Name][]Backing{}
	for _, b := range list {
		of[b.Name] = append(of[b.Name], b)
	}
	return of
}

// leads reports a finding for each corroborated name that the past knows.
func (h *Hunter) leads(ctx context.Context, p *prepared, tallies []tally) (out []vedette.Digest, err error) {
	of := backings(p.question.Backing)
	for i := range p.ask {
		a := &p.ask[i]
		if backing := of[a.name]; tallies[i].any && corroborated(backing) {
			f := lead(p.question.Tenant, a, backing, &tallies[i])
			if err := h.deps.Report(ctx, f); err != nil {
				return nil, fmt.Errorf("hunt: report a lead: %w", err)
			}
			h.m.leads.Inc()
			out = append(out, f.ID)
		}
	}
	return out, nil
}

// lead makes the finding of a name: no subjects, no events, whole days. One name of a tenant is always the same finding.
func lead(t vedette.Tenant, a *asked, backing []Backing, found *tally) vedette.Finding {
	w := days(Window{found.first, found.last.Add(time.Millisecond)})
	f := vedette.Finding{
		ID:       digest("vedette-hunt-lead-1\n", []byte(t), []byte{0}, []byte(a.name.Scope.String()), []byte{0}, []byte(a.name.Value)),
		Detector: detector, Links: slices.Clone(a.tokens), From: w.From, To: w.To,
	}
	backing = slices.Clone(backing)
	slices.SortFunc(backing, func(x, y Backing) int {
		return strings.Compare(x.Source+"\n"+x.Grade.String(), y.Source+"\n"+y.Grade.String())
	})
	for _, b := range slices.Compact(backing) {
		w := indicator.DefaultWeight(b.Grade, indicator.Confidence(0))
		f.Score = max(f.Score, w)
		f.Reasons = append(f.Reasons, vedette.Reason{
			Rule: vedette.RuleID("list:" + b.Source), Weight: w, Link: -1, Text: "the past knows a name that this source lists, graded " + b.Grade.String(),
		})
	}
	return f
}

// NewIndicators asks the past for what was just learnt, whoever's past it is, and reports a lead for each corroborated name that it knows. Of what
// is not corroborated nothing is told: else whoever may import could ask without limit. It tells how many leads there are.
func (h *Hunter) NewIndicators(ctx context.Context, t vedette.Tenant, list []indicator.Indicator) (leads int, err error) {
	q := Question{Tenant: t}
	for i := range list {
		q.Backing = append(q.Backing, Backing{nameOf(list[i].Value, list[i].Scope), list[i].Source, list[i].Grade})
	}
	for n, of := range backings(q.Backing) {
		if corroborated(of) {
			q.Names = append(q.Names, n)
		}
	}
	slices.SortFunc(q.Names, Name.compare)
	for part := range slices.Chunk(q.Names, MaxNames) {
		p, err := h.prepare(ctx, Question{Tenant: t, Names: part, Backing: q.Backing})
		if err != nil {
			return leads, err
		}
		var refusal error
		if len(p.ask) == 0 {
			refusal = nothing(p.refused)
		}
		h.mu.Lock()
		_, err = h.record(ctx, &p, Entry{What: WhatNew, By: house}, milli(h.deps.Now()), refusal)
		h.mu.Unlock()
		switch {
		case refusal != nil && (errors.Is(err, ErrRefused) || errors.Is(err, ErrNotAskable)) && !errors.Is(err, vedette.ErrUnavailable):
			continue // recorded; there is nothing to ask of this part
		case err != nil:
			return leads, err
		}
		tallies, _, err := h.walk(ctx, &p, nil)
		if err != nil {
			return leads, err
		}
		out, err := h.leads(ctx, &p, tallies)
		if leads += len(out); err != nil {
			return leads, err
		}
	}
	return leads, nil
}

// Expire takes out of the ledger what has ended by at: once a day is enough.
func (h *Hunter) Expire(ctx context.Context, at time.Time) (int64, error) {
	n, err := h.deps.Ledger.Expire(ctx, at, at.Add(-h.config.Texts))
	if err != nil {
		return n, fmt.Errorf("hunt: expire: %w", err)
	}
	return n, nil
}

// Entries returns what was asked of a tenant's past since a time, in order, at most limit of it: who asked, in which case, and whether it was
// given, never what was found of people.
func (h *Hunter) Entries(ctx context.Context, t vedette.Tenant, since time.Time, limit int) ([]Entry, error) {
	return h.deps.Ledger.Entries(ctx, t, since, limit)
}

type hunterMetrics struct {
	asked   *prometheus.CounterVec
	refused *prometheus.CounterVec
	leads   prometheus.Counter
	reveals *prometheus.CounterVec
}

func newHunterMetrics(reg prometheus.Registerer) *hunterMetrics {
	m := &hunterMetrics{
		asked: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vedette_hunt_asked_total", Help: "Questions to the past without a permit, by answer. A rise of busy or refused means that somebody tries the past out.",
		}, []string{"answer"}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vedette_hunt_refused_names_total", Help: "Names that were not asked: spared by the guard, or not expressible as tokens.",
		}, []string{"why"}),
		leads: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "vedette_hunt_leads_total", Help: "Leads reported. A rise means that people have to look.",
		}),
		reveals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vedette_hunt_permits_total", Help: "Uses of a permit on the past, given or not. Any that was not given is worth a look.",
		}, []string{"given"}),
	}
	if reg != nil {
		reg.MustRegister(m.asked, m.refused, m.leads, m.reveals)
	}
	return m
}
