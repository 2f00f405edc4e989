package main

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"time"

	"vedette"
	"vedette/act/casefile"
	"vedette/act/response"
	"vedette/record/authority"
)

// team is made-up people who sign in a story or a measured reaction. In a real house each has a key of their own, on a machine of their own.
type team struct {
	h    *house
	keys map[authority.PersonID]ed25519.PrivateKey
}

// sign approves an act in the name of each, now.
func (t team) sign(act authority.Act, by ...authority.PersonID) ([][]byte, error) {
	var out [][]byte
	for _, id := range by {
		a, err := authority.Approve(act, id, t.keys[id], t.h.now())
		if err != nil {
			return nil, err
		}
		b, err := json.Marshal(a)
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}

// confirm says that the first name of a case is bad, and returns the case as it is then.
func (t team) confirm(ctx context.Context, whole casefile.Whole, why string, by ...authority.PersonID) (casefile.Whole, error) {
	name := caseNames(whole)[0]
	c := casefile.Confirmation{Value: name.Value, Scope: name.Scope, Corroboration: why}
	act, err := t.h.cases.ConfirmAct(ctx, whole.ID, c)
	if err != nil {
		return whole, err
	}
	signed, err := t.sign(act, by...)
	if err != nil {
		return whole, err
	}
	if _, err := t.h.cases.Confirm(ctx, whole.ID, c, signed...); err != nil {
		return whole, err
	}
	return t.h.cases.Get(ctx, whole.ID)
}

// orders are the blocks that a case gives reason for: its confirmed name, then what was derived, as far as it may be felt.
func (s *scene) orders(whole casefile.Whole, until time.Time) []response.Order {
	name := caseNames(whole)[0]
	out := []response.Order{{Case: string(whole.ID), Tenant: whole.Tenant, Value: name.Value, Scope: name.Scope, Until: until, Verdict: vedette.Block}}
	for _, d := range s.derived {
		if d.Strength >= vedette.Warn {
			out = append(out, response.Order{Case: string(whole.ID), Tenant: whole.Tenant, Value: d.Host, Scope: d.Scope, Until: until, Verdict: d.Strength})
		}
	}
	return out
}

// block carries out an order, and tells the platform of what was delivered. It returns about how many messages.
func (t team) block(ctx context.Context, o response.Order, by ...authority.PersonID) (changed int, err error) {
	act, err := o.Act()
	if err != nil {
		return 0, err
	}
	signed, err := t.sign(act, by...)
	if err != nil {
		return 0, err
	}
	done, err := t.h.desk.Block(ctx, o, signed)
	if err != nil {
		return 0, err
	}
	out, err := t.h.sweepFor(ctx, &done.Deed, ordered{})
	if err == nil && out.Stopped != "" {
		err = fmt.Errorf("sweep: %s: %w", out.Stopped, vedette.ErrUnavailable)
	}
	if out.Swept != nil {
		changed = out.Swept.Changed
	}
	return changed, err
}

// permit asks to notify the people of a case within a day.
func (t team) permit(ctx context.Context, id casefile.ID, by ...authority.PersonID) (authority.Permit, error) {
	now := t.h.now().UTC()
	ask := authority.Ask{Purpose: authority.PurposeNotify, Tenant: t.h.cfg.Tenant, Case: string(id), Until: now.Add(24 * time.Hour).Truncate(time.Second)}
	act, err := ask.Act()
	if err != nil {
		return authority.Permit{}, err
	}
	signed, err := t.sign(act, by...)
	if err != nil {
		return authority.Permit{}, err
	}
	return t.h.people.Permit(ctx, ask, signed, now)
}
