package response

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vedette"
	"vedette/record/authority"
	"vedette/record/indicator"
)

// Order is what people want blocked.
type Order struct {
	Case    string
	Tenant  vedette.Tenant // of the case; the block holds in every tenant of the house
	Value   string         // a host, path or URL, in any writing
	Scope   indicator.Scope
	Until   time.Time       // whole seconds; a block ends by itself
	Verdict vedette.Verdict // the strongest that it may ask for; allow: it is counted and weighs, and stops nothing
}

// BlockAct is what people approve for a block. Its error wraps vedette.ErrInvalid and names the field.
func BlockAct(matter string, tenant vedette.Tenant, value string, scope indicator.Scope, until time.Time, verdict vedette.Verdict) (authority.Act, error) {
	if err := checkCase(matter, tenant); err != nil {
		return authority.Act{}, err
	}
	value, err := indicator.Canonical(value, scope)
	if err != nil {
		return authority.Act{}, fmt.Errorf("response: block: %w", err)
	}
	if verdict > vedette.Block {
		return authority.Act{}, fmt.Errorf("response: block: no such verdict: %w", vedette.ErrInvalid)
	}
	return authority.NewAct(map[string]any{
		"act": WhatBlock, "case": matter, "tenant": tenant, "value": value, "scope": scope, "until": second(until), "verdict": verdict,
	})
}

// Act is what people approve for the order.
func (o *Order) Act() (authority.Act, error) {
	return BlockAct(o.Case, o.Tenant, o.Value, o.Scope, o.Until, o.Verdict)
}

// TooMany says that a block touches more harmless people than one person may decide on.
type TooMany struct {
	People int // -1: not known
	Limit  int
}

func (e *TooMany) Error() string {
	who := "nobody can tell how many harmless people it would touch"
	if e.People >= 0 {
		who = fmt.Sprintf("it would touch %d harmless people, and one person may decide on %d", e.People, e.Limit)
	}
	return "response: block: " + who + ": let a second person approve, or order verdict allow, which weighs and stops nothing"
}

// Unwrap gives the kind.
func (e *TooMany) Unwrap() error { return authority.ErrUnapproved }

// grade of what people confirmed in a case, by their own eyes.
var grade = func() indicator.Admiralty {
	g, err := indicator.ParseAdmiralty("A1")
	if err != nil {
		panic(err)
	}
	return g
}()

// indicator is what the block puts in force.
func (x *Deed) indicator() indicator.Indicator {
	return indicator.Indicator{
		Value: x.Value, Scope: x.Scope, Source: Source, Grade: grade, KnownFrom: x.At, ValidUntil: x.Until, Verdict: x.Verdict,
		Weight: indicator.DefaultWeight(grade, 0), Original: x.Value, Ref: x.Case,
	}
}

// Block blocks what was ordered. One enrolled person's approval is enough for one host, path or URL that touches at most Config.Harmless
// harmless people, and for a block that only weighs; two are needed above that, and for a whole domain. What the guard spares (popular,
// shared, news and civil-society hosts) is refused whoever approves. The same act again does nothing and says so.
// Its error is a *TooMany or authority.ErrUnapproved, or wraps vedette.ErrForbidden (the guard), ErrInvalid, ErrConflict or ErrUnavailable.
func (d *Desk) Block(ctx context.Context, o Order, approvals [][]byte) (Done, error) {
	act, err := o.Act()
	if err != nil {
		return Done{}, err
	}
	d.acts.Lock()
	defer d.acts.Unlock()
	old, again, known, err := d.once(ctx, act)
	if err != nil || again {
		return Done{Deed: old, Again: again}, err
	}
	at := d.moment()
	value, err := indicator.Canonical(o.Value, o.Scope)
	if err != nil {
		return Done{}, fmt.Errorf("response: block: %w", err)
	}
	deed := Deed{
		Act: act.Digest(), What: WhatBlock, Text: act.Canonical(), Case: o.Case, Tenant: o.Tenant, At: at, Until: o.Until.UTC().Truncate(time.Second),
		Value: value, Scope: o.Scope, Verdict: o.Verdict, Harmless: -1,
	}
	if known {
		deed.At = old.At
	}
	if err := d.mayBlock(ctx, act, &deed, approvals, at); err != nil {
		return Done{}, d.refuse(ctx, &deed, err)
	}
	return d.carry(ctx, deed, known)
}

// mayBlock says why not. It asks for one approval before it tells anybody anything about people.
func (d *Desk) mayBlock(ctx context.Context, act authority.Act, deed *Deed, approvals [][]byte, at time.Time) (err error) {
	if err := d.checkUntil(deed.Until, at); err != nil {
		return err
	}
	if deed.People, err = d.deps.People.ApprovedBy(ctx, act, approvals, at, 1); err != nil {
		return fmt.Errorf("response: block: %w", err)
	}
	in := deed.indicator()
	switch r := d.deps.Guard().Strict(&in); {
	case r.Refused:
		return fmt.Errorf("response: block: %s; nobody's approval changes that: %w", r.Reason, vedette.ErrForbidden)
	case r.Scope != deed.Scope:
		return fmt.Errorf("response: block: at most scope %s: %s: %w", r.Scope, r.Reason, vedette.ErrForbidden)
	}
	if err := d.notWeaker(ctx, deed, at); err != nil {
		return err
	}
	people, ok, err := d.deps.Harm.Harmless(ctx, &in)
	if err != nil {
		return fmt.Errorf("response: block: count the harmless: %w", err)
	}
	deed.Harmless = -1
	if ok {
		deed.Harmless = max(people, 0)
	}
	if deed.Verdict == vedette.Allow || len(deed.People) >= 2 {
		return nil
	}
	if !ok || deed.Harmless > d.cfg.Harmless {
		return &TooMany{deed.Harmless, d.cfg.Harmless}
	}
	if deed.Scope == indicator.ScopeDomain {
		return fmt.Errorf("response: block: a whole domain takes two people: %w", authority.ErrUnapproved)
	}
	return nil
}

// notWeaker refuses an order that would weaken a block in force: one statement stands for one name, and lowering protection takes Unblock.
func (d *Desk) notWeaker(ctx context.Context, deed *Deed, at time.Time) error {
	list, err := d.live(ctx, WhatBlock, at)
	if err != nil {
		return err
	}
	for _, x := range list {
		if x.Act != deed.Act && x.Value == deed.Value && x.Scope == deed.Scope && (x.Verdict > deed.Verdict || x.Until.After(deed.Until)) {
			return fmt.Errorf("response: block: case %s has it at %s until %s already; an order for less would lower that: %w", x.Case, x.Verdict, second(x.Until), vedette.ErrConflict)
		}
	}
	return nil
}

// UnblockAct is what two people approve for taking a block back.
func UnblockAct(block Deed, why string) (authority.Act, error) {
	if err := checkWhy(why); err != nil {
		return authority.Act{}, err
	}
	return authority.NewAct(map[string]any{
		"act": WhatUnblock, "case": block.Case, "tenant": block.Tenant, "value": block.Value, "scope": block.Scope, "block": block.Act, "why": why,
	})
}

// Unblock takes a block back. That lowers protection, so it takes two people and a reason. Where another case blocks the same, that block
// holds on. Its error is authority.ErrUnapproved, or wraps vedette.ErrUnknown, ErrInvalid, ErrConflict or ErrUnavailable.
func (d *Desk) Unblock(ctx context.Context, block vedette.Digest, why string, approvals [][]byte) (Done, error) {
	return d.undo(ctx, block, why, approvals, WhatUnblock, UnblockAct, WhatBlock)
}

// undo takes a deed back by two people.
func (d *Desk) undo(ctx context.Context, about vedette.Digest, why string, approvals [][]byte, what What, makeAct func(Deed, string) (authority.Act, error), of ...What) (Done, error) {
	d.acts.Lock()
	defer d.acts.Unlock()
	first, err := d.deps.Deeds.Deed(ctx, about)
	if err != nil {
		return Done{}, fmt.Errorf("response: %s: %w", what, err)
	}
	if !first.What.isOne(of) {
		return Done{}, fmt.Errorf("response: %s: act %s is a %s: %w", what, about, first.What, vedette.ErrInvalid)
	}
	act, err := makeAct(first, why)
	if err != nil {
		return Done{}, err
	}
	old, again, known, err := d.once(ctx, act)
	if err != nil || again {
		return Done{Deed: old, Again: again}, err
	}
	deed := Deed{
		Act: act.Digest(), What: what, Text: act.Canonical(), Case: first.Case, Tenant: first.Tenant, At: d.moment(),
		Value: first.Value, Scope: first.Scope, Harmless: -1, About: about,
	}
	if known {
		deed.At = old.At
	} else if first.State != Complete {
		return Done{}, fmt.Errorf("response: %s: %s is %s, not done: %w", what, about, first.State, vedette.ErrConflict)
	}
	if deed.People, err = d.deps.People.ApprovedBy(ctx, act, approvals, deed.At, 2); err != nil {
		return Done{}, d.refuse(ctx, &deed, fmt.Errorf("response: %s: %w", what, err))
	}
	return d.carry(ctx, deed, known)
}

// unblock is the undoing itself.
func (d *Desk) unblock(ctx context.Context, deed *Deed) (g vedette.GenerationID, err error) {
	list, err := d.live(ctx, WhatBlock, deed.At)
	if err != nil {
		return g, err
	}
	var rest *Deed // each later block of a name is at least as strong as the ones before it
	for i, x := range list {
		if x.Act != deed.About && x.Value == deed.Value && x.Scope == deed.Scope {
			rest = &list[i]
		}
	}
	if rest != nil {
		g, err = d.deps.Indicators.Put(ctx, rest.indicator(), deed.At)
	} else {
		in := deed.indicator()
		if g, err = d.deps.Indicators.Revoke(ctx, in.Key(), "taken back by two people in "+deed.Case, deed.At); errors.Is(err, vedette.ErrUnknown) {
			err = nil // it is gone: somebody revoked it by hand
		}
	}
	if err != nil {
		return g, err
	}
	return g, d.deps.Deeds.Became(ctx, deed.About, Undone, deed.At, vedette.GenerationID{}, "")
}
