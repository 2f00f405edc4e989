package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette"
	"vedette/act/casefile"
	"vedette/act/response"
	"vedette/watch/campaign"
	"vedette/watch/hunt"
	"vedette/watch/rehearsal"
	"vedette/watch/sentry"
)

// timed is one campaign with what can be learned from its course. It names nobody on the platform.
type timed struct {
	Cases    []casefile.ID    `json:"cases"`
	About    []string         `json:"about"` // of the cases, defanged
	Cells    []vedette.Digest `json:"cells"`
	Contacts []vedette.Digest `json:"first_contacts"` // findings
	FoundBy  string           `json:"found_by"`
	Judged   string           `json:"judged,omitempty"` // of its findings, the latest that was judged; empty: it has none
	campaign.Timing
}

var opTimes = operation[struct{}, []timed]{"campaign.times", func(ctx context.Context, h *house, _ struct{}) ([]timed, error) {
	if err := h.settle(ctx); err != nil {
		return nil, err
	}
	var found []sentry.Lead
	if h.cfg.Watch.On {
		if err := h.settleWatch(ctx); err != nil {
			return nil, err
		}
		var err error
		if found, err = h.sentry.Findings(ctx); err != nil {
			return nil, err
		}
	}
	cases, err := h.cases.List(ctx, casefile.Filter{Tenant: h.cfg.Tenant, Limit: 1000, States: []casefile.State{
		casefile.Signal, casefile.Open, casefile.Confirmed, casefile.Contained, casefile.Swept, casefile.Closed,
	}})
	if err != nil {
		return nil, err
	}
	ms, err := h.matters(ctx, found, cases)
	if err != nil {
		return nil, err
	}
	courses := make([]campaign.Course, len(ms))
	for i := range ms {
		if courses[i], err = h.course(ctx, &ms[i]); err != nil {
			return nil, err
		}
	}
	times, err := campaign.Times(h.journal.Read(ctx, h.journal.First()), courses)
	if err != nil {
		return nil, err
	}
	out := []timed{}
	for i := range ms {
		t := ms[i].timed
		t.Timing = times[i]
		out = append(out, t)
	}
	slices.SortStableFunc(out, func(a, b timed) int { return a.Found.Compare(b.Found) })
	return out, nil
}}

// matter is what is one campaign: findings and cases that share a cell, a case, or a link.
type matter struct {
	timed
	found []sentry.Lead
	cases []casefile.Whole
	keys  []hunt.Key
}

// matters puts together what is one campaign. What a person judged wrong is none, nor is a lead that nobody took up.
func (h *house) matters(ctx context.Context, found []sentry.Lead, cases []casefile.Case) ([]matter, error) {
	var ms []matter
	join := func(m matter, same func(*matter) bool) {
		rest := ms[:0:0]
		for i := range ms {
			if o := &ms[i]; same(o) || slices.ContainsFunc(o.keys, func(k hunt.Key) bool { return slices.Contains(m.keys, k) }) {
				m.found, m.cases, m.keys = append(o.found, m.found...), append(o.cases, m.cases...), append(o.keys, m.keys...)
			} else {
				rest = append(rest, *o)
			}
		}
		ms = append(rest, m)
	}
	for _, l := range found {
		if l.Judged == sentry.Disposition(rehearsal.Wrong) {
			continue
		}
		m := matter{found: []sentry.Lead{l}}
		for _, t := range l.Links {
			if k := hunt.KeyOf(t); k != 0 {
				m.keys = append(m.keys, k)
			}
		}
		join(m, func(o *matter) bool {
			return !l.Cell.IsZero() && slices.ContainsFunc(o.found, func(x sentry.Lead) bool { return x.Cell == l.Cell })
		})
	}
	for _, c := range cases {
		whole, err := h.cases.Get(ctx, c.ID)
		if err != nil {
			return nil, err
		}
		of := func(o *matter) bool {
			return slices.ContainsFunc(whole.Log, func(s casefile.Step) bool {
				return !s.Finding.IsZero() && slices.ContainsFunc(o.found, func(x sentry.Lead) bool { return x.ID == s.Finding })
			})
		}
		dropped := whole.State == casefile.Closed && !confirmedIn(whole)
		if !slices.ContainsFunc(ms, func(m matter) bool { return of(&m) }) && (whole.State == casefile.Signal || dropped) {
			continue
		}
		m := matter{cases: []casefile.Whole{whole}}
		if m.keys, err = h.caseKeys(ctx, whole); err != nil {
			return nil, err
		}
		join(m, of)
	}
	return ms, nil
}

// caseKeys are the keys of what a case is about: its link, and the names that people confirmed.
func (h *house) caseKeys(ctx context.Context, whole casefile.Whole) (keys []hunt.Key, err error) {
	if k := hunt.KeyOf(whole.Case.About); k != 0 {
		keys = append(keys, k)
	}
	tokens, err := h.tokensOf(whole.Tenant)
	if err != nil {
		return nil, err
	}
	w := hunt.Window{From: whole.Opened.Add(-reach), To: h.now().UTC()}
	for _, n := range caseNames(whole) {
		_, own := hunt.Keys(tokens, n, w)
		keys = append(keys, own...)
	}
	return keys, nil
}

// course gathers what is known of a campaign beside the journal's messages.
func (h *house) course(ctx context.Context, m *matter) (c campaign.Course, err error) {
	m.Cases, m.About, m.Cells, m.Contacts = []casefile.ID{}, []string{}, []vedette.Digest{}, []vedette.Digest{}
	c.Keys = m.keys
	tell := func(at time.Time, by string) {
		if !at.IsZero() && (c.Found.IsZero() || at.Before(c.Found)) {
			c.Found, m.FoundBy = at, by
		}
	}
	for _, l := range m.found {
		tell(l.To, l.Detector)
		if m.Judged == "" || l.Judged != sentry.Disposition(rehearsal.Unjudged) {
			m.Judged = l.Judged
		}
		if l.Detector != rehearsal.Name {
			m.Contacts = append(m.Contacts, l.ID)
		} else if !slices.Contains(m.Cells, l.Cell) {
			m.Cells = append(m.Cells, l.Cell)
		}
		for _, id := range l.Basis {
			if e, err := h.journal.Find(ctx, h.cfg.Tenant, id, time.Time{}); err == nil && (c.Begun.IsZero() || e.Event.At.Before(c.Begun)) {
				c.Begun = e.Event.At
			}
		}
	}
	for _, id := range m.Cells {
		if w, err := h.sentry.Cell(ctx, id); err == nil { // else it is not followed any more
			c.Members = append(c.Members, w.Members...)
		}
	}
	if c.Cell = len(m.Cells) > 0; c.Cell {
		c.Rules = append(c.Rules, vedette.RuleWatch)
	}
	deeds, err := h.deedsOf(ctx, "")
	if err != nil {
		return c, err
	}
	for _, whole := range m.cases {
		tell(whole.First, "report")
		m.Cases, m.About = append(m.Cases, whole.ID), append(m.About, about(&whole.Case))
		for _, d := range deeds {
			if d.Case == string(whole.ID) && (d.State == response.Complete || d.State == response.Undone) {
				c.Acts = append(c.Acts, campaign.Act{What: done(&d), At: d.At, Block: d.What == response.WhatBlock})
				c.Rules = append(c.Rules, response.TargetBlocks)
			}
		}
		if !confirmedIn(whole) {
			continue
		}
		for _, n := range caseNames(whole) {
			host, _, _ := strings.Cut(n.Value, "/")
			c.Names = append(c.Names, host)
		}
		s, err := h.scene(ctx, whole)
		if err != nil {
			return c, err
		}
		for _, d := range s.derived {
			c.Derived = append(c.Derived, d.Host)
		}
	}
	return c, nil
}

func done(d *deedShown) string {
	what := "messages recalled"
	if d.What == response.WhatBlock {
		what = d.Display + " blocked"
	}
	return fmt.Sprintf("%s by %s", what, counted(len(d.People), "signature", "signatures"))
}

func (g *global) campaignTimes() *cobra.Command {
	return &cobra.Command{
		Use: "times", Short: "Say of each campaign how long it took to find and to stop, and who was first",
		Long: `What can be learned from each campaign that was told of, or that somebody took up, from what the folder holds: time to detect (from its first event until
it was told of or reported), time to disrupt (from then until the first warning, block or recall because of it), lead time (until its first target), how many were
reached before it was blocked, in a band and of the link that reached most, and the time to return (until the next campaign that shares an account, a host, or a
host derived from its own). What cannot be known says why. Findings and cases that share a cell or a link are one campaign; what was judged wrong is none.`,
		Example: "  vedette campaign times\n  vedette campaign times --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out, err := opTimes.do(cmd.Context(), g, struct{}{})
			if err != nil {
				return err
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), out)
			}
			printTimes(cmd.OutOrStdout(), out, g.paint(cmd))
			return nil
		},
	}
}

func printTimes(w io.Writer, out []timed, p paint) {
	if len(out) == 0 {
		fmt.Fprintln(w, "No campaign was told of or taken up. vedette watch status says whether the watch sees enough.")
		return
	}
	for i := range out {
		c := &out[i]
		var names []string
		for j, id := range c.Cases {
			names = append(names, fmt.Sprintf("%s (%s)", id, c.About[j]))
		}
		for _, id := range c.Cells {
			names = append(names, "cell "+short(id))
		}
		for _, id := range c.Contacts {
			names = append(names, "first contacts "+short(id))
		}
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintln(w, p.bold(strings.Join(names, ", ")))
		took := func(s campaign.Span, say func(d time.Duration) string) string {
			if s.Why != "" {
				return p.dim("not known, because " + s.Why)
			}
			return say(s.Took)
		}
		t := newTable(w)
		t.row("  time to detect", took(c.Detect, func(d time.Duration) string {
			return fmt.Sprintf("%s: first event %s, found by %s %s", roughly(d), moment(c.First), c.FoundBy, moment(c.Found))
		}))
		t.row("  time to disrupt", took(c.Disrupt, func(d time.Duration) string {
			return fmt.Sprintf("%s: %s, %s", roughly(d), c.By, moment(c.Stopped))
		}))
		t.row("  lead time", took(c.Lead, func(d time.Duration) string {
			if d < 0 {
				return fmt.Sprintf("none: its first target was %s before it was found", roughly(-d))
			}
			return fmt.Sprintf("%s before its first target, %s", roughly(d), moment(c.Target))
		}))
		block := "; nothing of it was blocked"
		switch {
		case !c.Blocked.IsZero():
			block = " before it was blocked, " + moment(c.Blocked)
		case c.Apart:
			block = "; when it was blocked among its events is not known"
		}
		t.row("  reached", c.Reached.String()+block)
		t.row("  time to return", took(c.Return, roughly))
		if c.Judged != "" {
			t.row("  judged", c.Judged)
		}
		t.flush()
	}
}
