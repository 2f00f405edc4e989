package response

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"vedette"
	"vedette/record/authority"
	"vedette/record/evidence"
)

// Sighting is one message that was judged when it passed, and that a cause now covers.
type Sighting struct {
	Event      vedette.EventID
	At         time.Time       // when it passed
	Was, Would vedette.Verdict // what was answered, and what would have been, were everything armed
	// Rested says that the recorded verdict rested on what is revoked, and Rest what remains of it without. Read for CauseRevoked alone.
	Rested bool
	Rest   vedette.Verdict
}

// Cause is what changes minds.
type Cause struct {
	Kind       CauseKind
	Of         vedette.Digest // the act that people approved; for an indicator, a digest of its statement and of when it was known
	Back       vedette.Digest // of CauseRevoked: the Of that it takes back
	Tenant     vedette.Tenant
	Reason     vedette.Reason // a constant text; what it asks for, and under which name it is armed
	Generation vedette.GenerationID
	Until      time.Time // zero: no end of its own
	Recall     Recall
}

// The texts of reasons. They say nothing about anybody.
const (
	textBlock    = "People confirmed this in a case and had it blocked, after the message was delivered."
	textRecall   = "People had the messages of a case recalled."
	textUnblock  = "Two people took back what was blocked in a case."
	textUnrecall = "Two people lifted the warning that stood before the messages of a case."
)

// Cause returns what the deed changes in a tenant; its error wraps vedette.ErrInvalid when it changes no message.
func (x *Deed) Cause(tenant vedette.Tenant) (Cause, error) {
	c := Cause{Of: x.Act, Tenant: tenant, Generation: x.Generation, Until: x.Until}
	switch x.What {
	case WhatBlock:
		c.Kind = CauseBlock
		c.Reason = vedette.Reason{Rule: TargetBlocks, Verdict: x.Verdict, Weight: x.indicatorWeight(), Link: -1, Text: textBlock}
	case WhatInterstitial, WhatRedaction:
		c.Kind, c.Recall = CauseRecall, x.how()
		c.Reason = vedette.Reason{Rule: TargetRecalls, Verdict: x.how().verdict(), Link: -1, Text: textRecall}
	case WhatUnblock:
		c.Kind, c.Back, c.Reason = CauseRevoked, x.About, vedette.Reason{Rule: TargetBlocks, Link: -1, Text: textUnblock}
	case WhatUnrecall:
		c.Kind, c.Back, c.Reason = CauseRevoked, x.About, vedette.Reason{Rule: TargetRecalls, Link: -1, Text: textUnrecall}
	default:
		return Cause{}, fmt.Errorf("response: %s changes no message: %w", x.What, vedette.ErrInvalid)
	}
	return c, nil
}

func (x *Deed) indicatorWeight() vedette.MilliBits { return x.indicator().Weight }

// ErrEnded says that a cause holds no more, or never did.
var ErrEnded = fmt.Errorf("response: the cause does not hold: %w", vedette.ErrConflict)

// check says what is wrong with a cause. What people ordered must stand among the deeds as it says.
func (d *Desk) check(ctx context.Context, c *Cause, at time.Time) error {
	if _, err := vedette.ParseTenant(string(c.Tenant)); err != nil {
		return fmt.Errorf("response: sweep: %w", err)
	}
	switch {
	case c.Of.IsZero() || c.Reason.Rule == "" || c.Reason.Text == "":
		return fmt.Errorf("response: sweep: a cause without its digest or reason: %w", vedette.ErrInvalid)
	case len(c.Reason.Rule) > 200 || len(c.Reason.Text) > 1000:
		return fmt.Errorf("response: sweep: a rule of up to 200 bytes, a text of up to 1000: %w", vedette.ErrTooLarge) // a webhook must stay below 20 kB
	case (c.Kind == CauseRevoked) != !c.Back.IsZero():
		return fmt.Errorf("response: sweep: what is revoked names what it takes back, and nothing else does: %w", vedette.ErrInvalid)
	case !c.Until.IsZero() && !at.Before(c.Until):
		return fmt.Errorf("%w: it ended at %s", ErrEnded, second(c.Until))
	}
	deed, err := d.deps.Deeds.Deed(ctx, c.Of)
	switch {
	case errors.Is(err, vedette.ErrUnknown) && (c.Kind == CauseIndicator || c.Kind == CauseRevoked) && c.Recall == RecallNone && c.Reason.Rule != TargetBlocks && c.Reason.Rule != TargetRecalls:
		return nil // of an imported list
	case errors.Is(err, vedette.ErrUnknown):
		return fmt.Errorf("%w: nobody approved it", ErrEnded)
	case err != nil:
		return fmt.Errorf("response: sweep: %w", err)
	case !deed.Live(at):
		return fmt.Errorf("%w: it is %s", ErrEnded, deed.State)
	}
	want, err := deed.Cause(c.Tenant)
	if err != nil {
		return err
	}
	if want.Recall != RecallNone && deed.Tenant != c.Tenant {
		return fmt.Errorf("response: sweep: the recall is of tenant %s: %w", deed.Tenant, vedette.ErrForbidden)
	}
	if want != *c {
		return fmt.Errorf("response: sweep: the cause says another thing than what was approved: %w", vedette.ErrInvalid)
	}
	return nil
}

// Swept tells what a sweep did.
type Swept struct {
	Seen    int `json:"seen"`    // sightings
	Changed int `json:"changed"` // messages about which the platform is told
	Again   int `json:"again"`   // told before, by the same cause
	Same    int `json:"same"`    // nothing to tell: another link of the same message, the message was refused then, or the cause asks for nothing
}

// Breaker says that a cause would change more delivered messages than it may, and that nothing was changed.
type Breaker struct {
	Cause Cause
	Found int    // messages that would change, those already changed by the cause included
	Limit int    // how many may
	Per   string // "cause" or "hour"
}

func (e *Breaker) Error() string {
	return fmt.Sprintf("response: sweep stopped: %d delivered messages would change, at most %d may for each %s: two people can let it go on", e.Found, e.Limit, e.Per)
}

// Unwrap gives the kind.
func (e *Breaker) Unwrap() error { return authority.ErrUnapproved }

// MaxRelease is how many messages two people may let one cause change.
const MaxRelease = 1_000_000

// ReleaseAct is what two people approve for letting a cause change more messages than the breaker does, up to a number.
func ReleaseAct(c Cause, upto int) (authority.Act, error) {
	if upto < 1 || upto > MaxRelease {
		return authority.Act{}, fmt.Errorf("response: release: up to %d: 1 to %d: %w", upto, MaxRelease, vedette.ErrInvalid)
	}
	return authority.NewAct(map[string]any{"act": WhatRelease, "tenant": c.Tenant, "cause": c.Kind, "of": c.Of, "upto": upto})
}

// Release lets a cause change up to so many messages, by two people. Sweep then does not stop before that.
func (d *Desk) Release(ctx context.Context, c Cause, upto int, approvals [][]byte) (Done, error) {
	act, err := ReleaseAct(c, upto)
	if err != nil {
		return Done{}, err
	}
	deed := Deed{What: WhatRelease, Tenant: c.Tenant, About: c.Of, Upto: upto}
	return d.order(ctx, act, deed, 2, approvals, func(at time.Time) error { return d.check(ctx, &c, at) })
}

// released returns how many messages two people let a cause change, or 0.
func (d *Desk) released(ctx context.Context, c *Cause) (upto int, err error) {
	list, err := d.deps.Deeds.List(ctx, WhatRelease, Complete)
	if err != nil {
		return 0, fmt.Errorf("response: sweep: %w", err)
	}
	for _, x := range list {
		if x.About == c.Of && x.Tenant == c.Tenant {
			upto = max(upto, x.Upto)
		}
	}
	return upto, nil
}

// mind is what holds of a message: what was answered when it passed, and what every change since asks for that was not taken back and has not
// ended.
func mind(s *Sighting, changes []Changed, at time.Time) (is, would vedette.Verdict) {
	is, would = s.Was, max(s.Was, s.Would)
	back := map[vedette.Digest]bool{}
	for i := range changes {
		if c := &changes[i]; c.Cause == CauseRevoked {
			back[c.Back] = true
			if c.Rested {
				is, would = min(is, c.Asks), min(would, c.AsksWould)
			}
		}
	}
	for i := range changes {
		if c := &changes[i]; c.Cause != CauseRevoked && !back[c.Of] && (c.Until.IsZero() || at.Before(c.Until)) {
			is, would = max(is, c.Asks), max(would, c.AsksWould)
		}
	}
	return is, max(is, would)
}

// change is what a cause changes about a message, given what changed about it before. ok is false when the cause asks for nothing, or takes
// back what never held of this message. A cause that asks for what holds already is told all the same: it may hold for longer, and it stays when
// the other is taken back.
func change(c *Cause, armed vedette.Verdict, s *Sighting, before []Changed, at time.Time) (out Changed, ok bool) {
	out = Changed{
		ID: changeID(c.Tenant, s.Event, c.Kind, c.Of), Event: s.Event, Tenant: c.Tenant, At: at, Generation: c.Generation, Cause: c.Kind,
		Until: c.Until, Of: c.Of, Back: c.Back,
	}
	if c.Kind == CauseRevoked {
		out.Until = time.Time{}
		if s.Rested {
			out.Rested, out.Asks, out.AsksWould = true, s.Rest, s.Rest
		}
		ok = s.Rested || slices.ContainsFunc(before, func(x Changed) bool { return x.Of == c.Back })
	} else {
		out.Asks, out.AsksWould = min(c.Reason.Verdict, armed), c.Reason.Verdict
		if c.Recall != RecallNone && armed >= c.Recall.verdict() {
			out.Recall = c.Recall // a house that observes asks the platform to do nothing
		}
		if !c.Recall.Reversible() {
			out.Until = time.Time{} // no further message is redacted then; what was stays so
		}
		ok = out.AsksWould > vedette.Allow
	}
	reason := c.Reason
	reason.Armed = armed
	out.Reasons = []vedette.Reason{reason}
	out.Was, _ = mind(s, before, at)
	all := append(slices.Clip(before), out)
	out.Is, out.Would = mind(s, all, at)
	out.Later = later(s, all, out.Is, at)
	return out, ok
}

// later is what will hold as causes end by themselves. A verdict only falls by that, so there are at most three steps.
func later(s *Sighting, changes []Changed, is vedette.Verdict, at time.Time) (out []Step) {
	var ends []time.Time
	for i := range changes {
		if u := changes[i].Until; u.After(at) {
			ends = append(ends, u)
		}
	}
	slices.SortFunc(ends, time.Time.Compare)
	for _, t := range ends {
		if then, _ := mind(s, changes, t); then != is {
			out, is = append(out, Step{t, then}), then
		}
	}
	return out
}

// Sweep tells the platform, through the outbox, of every delivered message whose decision the cause changes: once for each message and cause,
// however often it is called. A message that was refused when it passed is left out: it is not there. Where the cause would change more
// messages than it may, nothing is changed and the error is a *Breaker. Its error may also be ErrHalted or ErrEnded, wrap what events yields,
// or wrap vedette.ErrInvalid or ErrUnavailable; then a part may have been told, and calling it again does the rest.
func (d *Desk) Sweep(ctx context.Context, c Cause, events iter.Seq2[Sighting, error]) (Swept, error) {
	d.sweeps.Lock()
	defer d.sweeps.Unlock()
	var done Swept
	at := d.moment()
	if err := d.halted(ctx, c.Tenant, at); err != nil {
		return done, err
	}
	if err := d.check(ctx, &c, at); err != nil {
		return done, err
	}
	armed, err := d.deps.Arms.Armed(ctx, at)
	if err != nil {
		return done, fmt.Errorf("response: sweep: what is armed: %w", err)
	}
	limit, err := d.allowance(ctx, &c, at)
	if err != nil {
		return done, err
	}
	g := gathering{desk: d, cause: &c, armed: armed.Of(c.Reason.Rule), at: at, limit: limit.left, seen: map[vedette.EventID]bool{}}
	if err := g.gather(ctx, events); err != nil {
		return done, err
	}
	done = g.swept
	if g.found > limit.left {
		d.stops.Inc()
		d.log.LogAttrs(ctx, slog.LevelError, "a sweep stopped: two people must look", slog.String("cause", string(c.Kind)), slog.String("of", c.Of.String()), slog.Int("messages", g.found+limit.used))
		return Swept{Seen: done.Seen, Again: done.Again, Same: done.Same}, &Breaker{Cause: c, Found: g.found + limit.used, Limit: limit.left + limit.used, Per: limit.per}
	}
	for chunk := range slices.Chunk(g.list, MaxChunk) {
		n, err := d.tell(ctx, &c, chunk)
		done.Changed += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// allowance is how many messages may change now.
type allowance struct {
	left, used int
	per        string
}

func (d *Desk) allowance(ctx context.Context, c *Cause, at time.Time) (allowance, error) {
	used, err := d.deps.Outbox.Count(ctx, c.Tenant, c.Of, time.Time{})
	if err != nil {
		return allowance{}, fmt.Errorf("response: sweep: %w", err)
	}
	upto, err := d.released(ctx, c)
	if err != nil {
		return allowance{}, err
	}
	a := allowance{left: max(0, max(d.cfg.Changes, upto)-used), used: used, per: "cause"}
	if upto > 0 {
		return a, nil // two people looked at this one
	}
	hour, err := d.deps.Outbox.Count(ctx, c.Tenant, vedette.Digest{}, at.Add(-time.Hour))
	if err != nil {
		return allowance{}, fmt.Errorf("response: sweep: %w", err)
	}
	if left := max(0, d.cfg.Hourly-hour); left < a.left {
		a = allowance{left: left, used: hour, per: "hour"}
	}
	return a, nil
}

func (d *Desk) halted(ctx context.Context, tenant vedette.Tenant, at time.Time) error {
	until, err := d.deps.Outbox.Halted(ctx, tenant)
	if err != nil {
		return fmt.Errorf("response: sweep: %w", err)
	}
	if at.Before(until) {
		return fmt.Errorf("%w: until %s", ErrHalted, second(until))
	}
	return nil
}

// gathering collects what a cause changes, and counts on beyond the limit without keeping more.
type gathering struct {
	desk  *Desk
	cause *Cause
	armed vedette.Verdict
	at    time.Time
	limit int

	seen  map[vedette.EventID]bool
	chunk []Sighting
	list  []Changed
	found int
	swept Swept
}

func (g *gathering) gather(ctx context.Context, events iter.Seq2[Sighting, error]) error {
	for s, err := range events {
		if err != nil {
			return fmt.Errorf("response: sweep: %w", err)
		}
		if s.Event == (vedette.EventID{}) || max(s.Was, s.Would, s.Rest) > vedette.Block {
			return fmt.Errorf("response: sweep: a sighting without event or with no such verdict: %w", vedette.ErrInvalid)
		}
		g.swept.Seen++
		switch {
		case g.seen[s.Event]: // another link of the same message
			g.swept.Same++
			continue
		case s.Was == vedette.Block:
			g.swept.Same++
			continue
		case s.Rested && s.Rest > s.Was:
			return fmt.Errorf("response: sweep: a sighting of which more remains than there was: %w", vedette.ErrInvalid)
		}
		if len(g.seen) >= MaxRelease {
			return fmt.Errorf("response: sweep: over %d messages: %w", MaxRelease, vedette.ErrTooLarge)
		}
		g.seen[s.Event] = true
		if g.chunk = append(g.chunk, s); len(g.chunk) == MaxChunk {
			if err := g.judge(ctx); err != nil {
				return err
			}
		}
	}
	return g.judge(ctx)
}

func (g *gathering) judge(ctx context.Context) error {
	if len(g.chunk) == 0 {
		return nil
	}
	ids := make([]vedette.EventID, len(g.chunk))
	for i := range g.chunk {
		ids[i] = g.chunk[i].Event
	}
	known, err := g.desk.deps.Outbox.Of(ctx, g.cause.Tenant, ids)
	if err != nil {
		return fmt.Errorf("response: sweep: %w", err)
	}
	before := map[vedette.EventID][]Changed{}
	for _, c := range known {
		before[c.Event] = append(before[c.Event], c)
	}
	for i := range g.chunk {
		s := &g.chunk[i]
		c, ok := change(g.cause, g.armed, s, before[s.Event], g.at)
		switch {
		case slices.ContainsFunc(before[s.Event], func(x Changed) bool { return x.ID == c.ID }):
			g.swept.Again++
		case !ok:
			g.swept.Same++
		default:
			if g.found++; g.found <= g.limit {
				g.list = append(g.list, c)
			}
		}
	}
	g.chunk = g.chunk[:0]
	return nil
}

// tell puts a chunk into evidence and then into the outbox. A block that is being undone, or a switch that was pulled, stops it here.
func (d *Desk) tell(ctx context.Context, c *Cause, chunk []Changed) (int, error) {
	d.acts.Lock()
	defer d.acts.Unlock()
	at := d.moment()
	if err := d.halted(ctx, c.Tenant, at); err != nil {
		return 0, err
	}
	if err := d.check(ctx, c, at); err != nil {
		return 0, err
	}
	// 16 bytes for each message: they fit into one field, and can be erased from it.
	events := make([]byte, 0, 16*len(chunk))
	var is [vedette.Block + 1]int
	for i := range chunk {
		events = append(events, chunk[i].Event[:]...)
		is[chunk[i].Is]++
	}
	f := []evidence.Field{
		{Name: "cause", Value: []byte(c.Kind)},
		{Name: "digest", Value: c.Of[:]},
		{Name: "generation", Value: c.Generation[:]},
		{Name: "messages", Value: []byte(strconv.Itoa(len(chunk)))},
		{Name: "recall", Value: []byte(chunk[0].Recall)},
		{Name: "events", Value: events},
	}
	for v := vedette.Allow; v <= vedette.Block; v++ {
		f = append(f, evidence.Field{Name: "is_" + v.String(), Value: []byte(strconv.Itoa(is[v]))})
	}
	if _, err := d.deps.Book.Append(ctx, evidence.Record{Kind: evidence.KindChanged, At: at, Tenant: c.Tenant, Fields: f}); err != nil {
		return 0, fmt.Errorf("response: sweep: into evidence: %w", err)
	}
	n, err := d.deps.Outbox.Put(ctx, chunk)
	if err != nil {
		return n, fmt.Errorf("response: sweep: %w", err)
	}
	d.changes.WithLabelValues(string(c.Kind)).Add(float64(n))
	return n, nil
}
