package response

import (
	"context"
	"fmt"
	"slices"
	"time"

	"vedette"
	"vedette/record/authority"
)

// RecallOrder is what people want done about a case's messages that were delivered.
type RecallOrder struct {
	Case   string
	Tenant vedette.Tenant
	How    Recall
	Until  time.Time // whole seconds; after it an interstitial goes by itself, and no further message is redacted
}

// RecallAct is what people approve for a recall. Its error wraps vedette.ErrInvalid.
func RecallAct(o RecallOrder) (authority.Act, error) {
	if err := checkCase(o.Case, o.Tenant); err != nil {
		return authority.Act{}, err
	}
	what, ok := recalls[o.How]
	if !ok {
		return authority.Act{}, fmt.Errorf("response: recall %.40q: %s or %s: %w", o.How, RecallInterstitial, RecallRedaction, vedette.ErrInvalid)
	}
	return authority.NewAct(map[string]any{"act": what, "case": o.Case, "tenant": o.Tenant, "until": second(o.Until)})
}

var recalls = map[Recall]What{RecallInterstitial: WhatInterstitial, RecallRedaction: WhatRedaction}

// how is the recall that a deed is.
func (x *Deed) how() Recall {
	for _, r := range []Recall{RecallInterstitial, RecallRedaction} {
		if recalls[r] == x.What {
			return r
		}
	}
	return RecallNone
}

// Recall orders a recall: one person for an interstitial, two for a redaction. Sweep then carries it to the messages that belong to the case.
// Its error is authority.ErrUnapproved, or wraps vedette.ErrInvalid, ErrConflict or ErrUnavailable.
func (d *Desk) Recall(ctx context.Context, o RecallOrder, approvals [][]byte) (Done, error) {
	act, err := RecallAct(o)
	if err != nil {
		return Done{}, err
	}
	need := 1
	if !o.How.Reversible() {
		need = 2
	}
	deed := Deed{What: recalls[o.How], Case: o.Case, Tenant: o.Tenant, Until: o.Until.UTC().Truncate(time.Second)}
	return d.order(ctx, act, deed, need, approvals, func(at time.Time) error { return d.checkUntil(deed.Until, at) })
}

// order does a deed that needs nothing but a number of people. fit says why it may not be at a time; nil: nothing can be wrong.
func (d *Desk) order(ctx context.Context, act authority.Act, deed Deed, need int, approvals [][]byte, fit func(at time.Time) error) (Done, error) {
	d.acts.Lock()
	defer d.acts.Unlock()
	old, again, known, err := d.once(ctx, act)
	if err != nil || again {
		return Done{Deed: old, Again: again}, err
	}
	at := d.moment()
	deed.Act, deed.Text, deed.At, deed.Harmless = act.Digest(), act.Canonical(), at, -1
	if known {
		deed.At = old.At
	}
	if err = fit(at); err == nil {
		deed.People, err = d.deps.People.ApprovedBy(ctx, act, approvals, at, need)
	}
	if err != nil {
		return Done{}, d.refuse(ctx, &deed, fmt.Errorf("response: %s: %w", deed.What, err))
	}
	return d.carry(ctx, deed, known)
}

// UnrecallAct is what two people approve for lifting an interstitial. Its error wraps vedette.ErrForbidden for what cannot be undone.
func UnrecallAct(recall Deed, why string) (authority.Act, error) {
	switch {
	case recall.What == WhatRedaction:
		return authority.Act{}, fmt.Errorf("response: %s cannot be undone: %w", recall.What, vedette.ErrForbidden)
	case recall.What != WhatInterstitial:
		return authority.Act{}, fmt.Errorf("response: act %s is no recall: %w", recall.Act, vedette.ErrInvalid)
	}
	if err := checkWhy(why); err != nil {
		return authority.Act{}, err
	}
	return authority.NewAct(map[string]any{"act": WhatUnrecall, "case": recall.Case, "tenant": recall.Tenant, "recall": recall.Act, "why": why})
}

// Unrecall lifts an interstitial, by two people; a redaction cannot be undone. Sweep with its cause then tells the platform.
func (d *Desk) Unrecall(ctx context.Context, recall vedette.Digest, why string, approvals [][]byte) (Done, error) {
	return d.undo(ctx, recall, why, approvals, WhatUnrecall, UnrecallAct, WhatInterstitial, WhatRedaction)
}

// MaxHalt is how long one person alone may stop what leaves.
const MaxHalt = 24 * time.Hour

// HaltAct is what people approve for stopping everything that leaves for a tenant: sweeps, deliveries, the stream.
func HaltAct(tenant vedette.Tenant, until time.Time, why string) (authority.Act, error) {
	if _, err := vedette.ParseTenant(string(tenant)); err != nil {
		return authority.Act{}, fmt.Errorf("response: %w", err)
	}
	if err := checkWhy(why); err != nil {
		return authority.Act{}, err
	}
	return authority.NewAct(map[string]any{"act": WhatHalt, "tenant": tenant, "until": second(until), "why": why})
}

// Halt is the kill switch. One person pulls it, for at most MaxHalt and not again within MaxHalt of having been pulled by one; two people may
// for Config.Term. It ends by itself. Blocks hold on: only what is told afterwards stops.
func (d *Desk) Halt(ctx context.Context, tenant vedette.Tenant, until time.Time, why string, approvals [][]byte) (Done, error) {
	act, err := HaltAct(tenant, until, why)
	if err != nil {
		return Done{}, err
	}
	deed := Deed{What: WhatHalt, Tenant: tenant, Until: until.UTC().Truncate(time.Second)}
	at := d.moment()
	need := 1
	if deed.Until.After(at.Add(MaxHalt)) {
		need = 2
	}
	before, err := d.deps.Deeds.List(ctx, WhatHalt, Complete)
	if err != nil {
		return Done{}, fmt.Errorf("response: halt: %w", err)
	}
	for _, x := range before {
		if x.Act != act.Digest() && x.Tenant == tenant && len(x.People) < 2 && at.Before(x.Until.Add(MaxHalt)) {
			need = 2
		}
	}
	return d.order(ctx, act, deed, need, approvals, func(at time.Time) error { return d.checkUntil(deed.Until, at) })
}

// ResumeAct is what two people approve for letting things leave again before a halt ends. halt makes it work once.
func ResumeAct(tenant vedette.Tenant, halt vedette.Digest) (authority.Act, error) {
	return authority.NewAct(map[string]any{"act": WhatResume, "tenant": tenant, "halt": halt})
}

// Resume ends a halt early: one person stops, two start again.
func (d *Desk) Resume(ctx context.Context, tenant vedette.Tenant, halt vedette.Digest, approvals [][]byte) (Done, error) {
	first, err := d.deps.Deeds.Deed(ctx, halt)
	if err != nil {
		return Done{}, fmt.Errorf("response: resume: %w", err)
	}
	if first.What != WhatHalt || first.Tenant != tenant {
		return Done{}, fmt.Errorf("response: resume: act %s is no halt of tenant %s: %w", halt, tenant, vedette.ErrInvalid)
	}
	act, err := ResumeAct(tenant, halt)
	if err != nil {
		return Done{}, err
	}
	return d.order(ctx, act, Deed{What: WhatResume, Tenant: tenant, About: halt}, 2, approvals, func(time.Time) error { return nil })
}

// isOne tells whether a kind is one of several.
func (w What) isOne(of []What) bool { return slices.Contains(of, w) }
