package response

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vedette"
	"vedette/record/authority"
	"vedette/record/evidence"
	"vedette/record/indicator"
)

// Source is the name of the list that people's own blocks stand on. Nothing is imported under it.
const Source = "cases"

// What must be armed for a block to change an answer, and for a recall to be asked of the platform.
const (
	TargetBlocks  = vedette.RuleID("list:" + Source)
	TargetRecalls = vedette.RuleID("actuator:recall")
)

// ErrHalted says that changes of a tenant were stopped by a person.
var ErrHalted = fmt.Errorf("response: changes are halted: %w", vedette.ErrUnavailable)

// Config is what may be set. Zero means the default.
type Config struct {
	// Harmless is how many harmless people a block may touch on one person's word. More need two people. Default 200; 1 to 1000000.
	Harmless int
	// Term is how long a block or a recall may last at most. Default 2160h; 1h to 8760h.
	Term time.Duration
	// Changes is how many delivered messages one cause may change. More need two people. Default 1000; 1 to 1000000.
	Changes int
	// Hourly is how many delivered messages of a tenant may change in an hour, by whatever causes. More need two people. Default 10000; Changes to 10000000.
	Hourly int
}

func (c Config) withDefaults() Config {
	or := func(n *int, v int) {
		if *n == 0 {
			*n = v
		}
	}
	or(&c.Harmless, 200)
	or(&c.Changes, 1000)
	or(&c.Hourly, max(10_000, c.Changes))
	if c.Term == 0 {
		c.Term = 90 * 24 * time.Hour
	}
	return c
}

// Validate names the key that is out of range. Its error wraps vedette.ErrInvalid.
func (c Config) Validate() error {
	c = c.withDefaults()
	switch {
	case c.Harmless < 1 || c.Harmless > 1e6:
		return fmt.Errorf("response.harmless: %d is not from 1 to 1000000: %w", c.Harmless, vedette.ErrInvalid)
	case c.Term < time.Hour || c.Term > 8760*time.Hour:
		return fmt.Errorf("response.term: %s is not from 1h to 8760h: %w", c.Term, vedette.ErrInvalid)
	case c.Changes < 1 || c.Changes > 1e6:
		return fmt.Errorf("response.changes: %d is not from 1 to 1000000: %w", c.Changes, vedette.ErrInvalid)
	case c.Hourly < c.Changes || c.Hourly > 1e7:
		return fmt.Errorf("response.hourly: %d is not from %d (response.changes) to 10000000: %w", c.Hourly, c.Changes, vedette.ErrInvalid)
	}
	return nil
}

// People says whose approvals are good. *authority.Register is one.
type People interface {
	// ApprovedBy returns who approved an act, in order of enrolment, at least need of them. Its error wraps vedette.ErrForbidden.
	ApprovedBy(ctx context.Context, act authority.Act, approvals [][]byte, at time.Time, need int) ([]authority.PersonID, error)
}

// Guard rules on indicators without overrides. *indicator.Guard is one.
type Guard interface {
	Strict(in *indicator.Indicator) indicator.Ruling
}

// Harm tells whom a block would touch.
type Harm interface {
	// Harmless returns how many people, of whom nothing speaks but that they met what the indicator covers, it would touch, in all tenants:
	// indicators hold for the whole house. known is false when that cannot be told; it then counts as above every limit.
	Harmless(ctx context.Context, in *indicator.Indicator) (people int, known bool, err error)
}

// Indicators puts what was approved in force, and takes it back.
type Indicators interface {
	// Put keeps an indicator and makes the generation that holds it; the same again changes nothing. It returns the generation then in force.
	Put(ctx context.Context, in indicator.Indicator, at time.Time) (vedette.GenerationID, error)
	// Revoke ends an indicator and makes the generation without it; where there is none it changes nothing.
	Revoke(ctx context.Context, key indicator.Key, why string, at time.Time) (vedette.GenerationID, error)
}

// Arms tells what is armed. *authority.Arms is one.
type Arms interface {
	Armed(ctx context.Context, at time.Time) (authority.Armed, error)
}

// Deps is what the desk needs of other rooms. All but the last three are required.
type Deps struct {
	People     People
	Guard      func() Guard // the guard in force; asked for each block
	Harm       Harm
	Indicators Indicators
	Arms       Arms
	Book       evidence.Book
	Deeds      Deeds
	Outbox     Outbox

	Now        func() time.Time // nil: the clock
	Log        *slog.Logger     // nil logs nothing
	Registerer prometheus.Registerer
}

// Desk does what was approved. It is safe for concurrent use, and starts nothing.
type Desk struct {
	cfg  Config
	deps Deps
	now  func() time.Time
	log  *slog.Logger

	deeds   *prometheus.CounterVec
	changes *prometheus.CounterVec
	stops   prometheus.Counter

	acts   sync.Mutex // one deed at a time, and no change is put while what it rests on is being undone
	sweeps sync.Mutex // one sweep at a time: each sees what the one before it changed
}

// New makes a desk. Its error wraps vedette.ErrInvalid when a dependency is missing or a setting out of range.
func New(cfg Config, deps Deps) (*Desk, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.People == nil || deps.Guard == nil || deps.Harm == nil || deps.Indicators == nil || deps.Arms == nil || deps.Book == nil || deps.Deeds == nil || deps.Outbox == nil {
		return nil, fmt.Errorf("response: People, Guard, Harm, Indicators, Arms, Book, Deeds and Outbox are needed: %w", vedette.ErrInvalid)
	}
	d := &Desk{cfg: cfg.withDefaults(), deps: deps, now: deps.Now, log: deps.Log}
	if d.now == nil {
		d.now = time.Now
	}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	d.deeds = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "vedette_response_deeds_total",
		Help: "Deeds that people ordered, by what and how they ended. A rise of refused means that orders lack approvals or stand against the guard.",
	}, []string{"what", "outcome"})
	d.changes = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "vedette_response_changes_total",
		Help: "Decisions changed after delivery, by cause. A steep rise means that something wide was blocked: look at the cause in the evidence log.",
	}, []string{"cause"})
	d.stops = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "vedette_response_breaker_total",
		Help: "Sweeps that stopped since they would change too many delivered messages. A rise means that two people must look.",
	})
	if deps.Registerer != nil {
		for _, c := range []prometheus.Collector{d.deeds, d.changes, d.stops} {
			if err := deps.Registerer.Register(c); err != nil {
				return nil, fmt.Errorf("response: register metrics: %w", err)
			}
		}
	}
	return d, nil
}

// Done is a deed that is done, and whether it had been before.
type Done struct {
	Deed
	Again bool
}

func (d *Desk) moment() time.Time { return d.now().UTC().Truncate(time.Millisecond) }

// second brings a time that stands in an act into the act's form.
func second(t time.Time) string { return t.UTC().Truncate(time.Second).Format(time.RFC3339) }

// checkCase says what is wrong with a case's name or a tenant.
func checkCase(matter string, tenant vedette.Tenant) error {
	if strings.TrimSpace(matter) == "" || len(matter) > 100 {
		return fmt.Errorf("response: case: 1 to 100 bytes: %w", vedette.ErrInvalid)
	}
	if _, err := vedette.ParseTenant(string(tenant)); err != nil {
		return fmt.Errorf("response: %w", err)
	}
	return nil
}

func checkWhy(why string) error {
	if n := len(strings.TrimSpace(why)); n < 10 || len(why) > 500 {
		return fmt.Errorf("response: why: 10 to 500 characters that a stranger understands: %w", vedette.ErrInvalid)
	}
	return nil
}

func (d *Desk) checkUntil(until, at time.Time) error {
	if !until.After(at) || until.After(at.Add(d.cfg.Term)) {
		return fmt.Errorf("response: until %s: in the future, by at most %s: %w", second(until), d.cfg.Term, vedette.ErrInvalid)
	}
	return nil
}

// once looks for a deed by its act. again: it is done, and nothing is left to do. known: it was intended before, or failed.
func (d *Desk) once(ctx context.Context, act authority.Act) (old Deed, again, known bool, err error) {
	old, err = d.deps.Deeds.Deed(ctx, act.Digest())
	switch {
	case errors.Is(err, vedette.ErrUnknown):
		return Deed{}, false, false, nil
	case err != nil:
		return Deed{}, false, false, fmt.Errorf("response: %s: %w", act.Kind(), err)
	case old.State == Undone:
		return old, false, true, fmt.Errorf("response: %s: was done and undone on %s; the same approvals do not do it again: approve another end: %w", act.Kind(), old.Ended.Format(time.DateOnly), vedette.ErrConflict)
	}
	return old, old.State == Complete, true, nil
}

// refuse keeps that something was asked and not given, and returns the refusal.
func (d *Desk) refuse(ctx context.Context, deed *Deed, refusal error) error {
	d.deeds.WithLabelValues(string(deed.What), "refused").Inc()
	r := evidence.Record{Kind: evidence.KindAsked, At: d.moment(), Tenant: deed.Tenant, Fields: append(d.fields(deed),
		evidence.Field{Name: "given", Value: []byte("no")}, evidence.Field{Name: "why", Value: []byte(bounded(refusal.Error(), 2000))})}
	if _, err := d.deps.Book.Append(ctx, r); err != nil {
		return errors.Join(refusal, fmt.Errorf("response: record the refusal: %w", err))
	}
	return refusal
}

func bounded(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}

// fields is a deed in evidence.
func (d *Desk) fields(deed *Deed) []evidence.Field {
	people := make([]string, len(deed.People))
	for i, p := range deed.People {
		people[i] = string(p)
	}
	f := []evidence.Field{
		{Name: "what", Value: []byte(deed.What)},
		{Name: "act", Value: bytes.Clone(deed.Text)},
		{Name: "digest", Value: deed.Act[:]},
		{Name: "matter", Value: []byte(deed.Case)},
		{Name: "people", Value: []byte(strings.Join(people, ","))},
	}
	if deed.What == WhatBlock {
		harmless := "unknown"
		if deed.Harmless >= 0 {
			harmless = strconv.Itoa(deed.Harmless)
		}
		f = append(f, evidence.Field{Name: "harmless", Value: []byte(harmless)}, evidence.Field{Name: "harmless_limit", Value: []byte(strconv.Itoa(d.cfg.Harmless))})
	}
	return f
}

// carry does a deed whose approvals were found good: intent in evidence, the thing itself, outcome in evidence. The caller holds acts.
// A deed that broke off in the middle is done again from the start; each step can be.
func (d *Desk) carry(ctx context.Context, deed Deed, known bool) (Done, error) {
	if !known {
		if err := d.deps.Deeds.Intend(ctx, deed); err != nil {
			return Done{}, fmt.Errorf("response: %s: %w", deed.What, err)
		}
	}
	if _, err := d.deps.Book.Append(ctx, evidence.Record{Kind: evidence.KindBlock, At: d.moment(), Tenant: deed.Tenant, Fields: d.fields(&deed)}); err != nil {
		return Done{}, fmt.Errorf("response: %s: intent into evidence, nothing was done: %w", deed.What, err)
	}
	ctx = context.WithoutCancel(ctx) // from here on a hung-up caller must not leave it half done
	g, fault := d.do(ctx, &deed)
	deed.State, deed.Ended, deed.Generation = Complete, d.moment(), g
	if fault != nil {
		deed.State, deed.Why = Failed, bounded(fault.Error(), 500)
	}
	out := []evidence.Field{
		{Name: "what", Value: []byte(deed.What)},
		{Name: "digest", Value: deed.Act[:]},
		{Name: "outcome", Value: []byte(deed.State)},
		{Name: "generation", Value: g[:]},
	}
	if fault != nil {
		out = append(out, evidence.Field{Name: "why", Value: []byte(deed.Why)})
	}
	// Without its outcome in evidence the deed stays intended, and Finish does both again.
	if _, err := d.deps.Book.Append(ctx, evidence.Record{Kind: evidence.KindOutcome, At: deed.Ended, Tenant: deed.Tenant, Fields: out}); err != nil {
		return Done{}, errors.Join(fault, fmt.Errorf("response: %s: outcome into evidence: %w", deed.What, err))
	}
	if err := d.deps.Deeds.Became(ctx, deed.Act, deed.State, deed.Ended, g, deed.Why); err != nil {
		return Done{}, errors.Join(fault, fmt.Errorf("response: %s: %w", deed.What, err))
	}
	if fault != nil {
		d.deeds.WithLabelValues(string(deed.What), "failed").Inc()
		return Done{}, fmt.Errorf("response: %s: %w", deed.What, fault)
	}
	d.deeds.WithLabelValues(string(deed.What), "done").Inc()
	d.log.LogAttrs(ctx, slog.LevelInfo, "done what was approved", slog.String("what", string(deed.What)), slog.String("case", deed.Case), slog.String("act", deed.Act.String()))
	return Done{Deed: deed}, nil
}

// do does the thing itself. Everything it needs stands in the deed, so that it can be done again after a crash.
func (d *Desk) do(ctx context.Context, deed *Deed) (vedette.GenerationID, error) {
	switch deed.What {
	case WhatBlock:
		return d.deps.Indicators.Put(ctx, deed.indicator(), deed.At)
	case WhatUnblock:
		return d.unblock(ctx, deed)
	case WhatUnrecall:
		return vedette.GenerationID{}, d.deps.Deeds.Became(ctx, deed.About, Undone, deed.At, vedette.GenerationID{}, "")
	case WhatHalt:
		return vedette.GenerationID{}, d.deps.Outbox.Halt(ctx, deed.Tenant, deed.Until)
	case WhatResume:
		return vedette.GenerationID{}, d.deps.Outbox.Halt(ctx, deed.Tenant, time.Time{})
	case WhatInterstitial, WhatRedaction, WhatRelease:
		return vedette.GenerationID{}, nil // the word itself is the deed: sweeps ask for it
	}
	return vedette.GenerationID{}, fmt.Errorf("response: no such deed %q: %w", deed.What, vedette.ErrInvalid)
}

// Finish does again what was intended and broke off, so that no intent stays without an outcome. It is called after a start. Who approved was
// judged before the intent; time that passed since does not undo that, but a deed that has ended meanwhile is not done any more.
func (d *Desk) Finish(ctx context.Context) (int, error) {
	d.acts.Lock()
	defer d.acts.Unlock()
	list, err := d.deps.Deeds.List(ctx, "", Intended)
	if err != nil {
		return 0, fmt.Errorf("response: finish: %w", err)
	}
	n := 0
	for i, deed := range list {
		if !deed.Until.IsZero() && !d.moment().Before(deed.Until) {
			err = errors.Join(err, d.deps.Deeds.Became(ctx, deed.Act, Failed, d.moment(), vedette.GenerationID{}, "ended before it was done"))
			continue
		}
		if _, fault := d.carry(ctx, list[i], true); fault != nil {
			err = errors.Join(err, fault)
			continue
		}
		n++
	}
	return n, err
}

// live returns the deeds of a kind that hold at a time.
func (d *Desk) live(ctx context.Context, what What, at time.Time) ([]Deed, error) {
	list, err := d.deps.Deeds.List(ctx, what, Complete)
	if err != nil {
		return nil, fmt.Errorf("response: %s: %w", what, err)
	}
	return slices.DeleteFunc(list, func(x Deed) bool { return !x.Live(at) }), nil
}
