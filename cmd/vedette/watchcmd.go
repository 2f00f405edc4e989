package main

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette"
	"vedette/act/casefile"
	"vedette/link"
	"vedette/record/authority"
	"vedette/record/evidence"
	"vedette/record/indicator"
	"vedette/record/journal"
	"vedette/watch/hunt"
	"vedette/watch/rehearsal"
	"vedette/watch/sentry"
)

// watchStatus is what the watch is doing, and how much of it may be felt.
type watchStatus struct {
	sentry.Status
	Lag   int    `json:"lag_events"`      // entries of the journal that it has not taken
	Armed string `json:"armed"`           // the strongest answer that watch entries may cause
	Gate  int    `json:"entries_in_gate"` // of the generation in force
}

var opWatchStatus = operation[struct{}, watchStatus]{"watch.status", func(ctx context.Context, h *house, _ struct{}) (watchStatus, error) {
	if !h.cfg.Watch.On {
		return watchStatus{}, errWatchOff
	}
	if !h.following.Load() {
		if err := h.sentry.CatchUp(ctx); err != nil {
			return watchStatus{}, err
		}
	}
	s, err := h.sentry.Status(ctx)
	if err != nil {
		return watchStatus{}, err
	}
	gen := h.judging.Load().generation
	out := watchStatus{Status: s, Armed: gen.Armed().For(vedette.RuleWatch).String(), Gate: len(gen.Watching())}
	t := trail{place: h.sentry.Position()}
	for e, err := range h.journal.Read(ctx, t.place) {
		if err != nil {
			return out, err
		}
		t.add(&e)
	}
	out.Lag = t.left
	return out, nil
}}

// watchCells are the groups that are followed, and the findings about first contacts. Neither has accounts.
type watchCells struct {
	Cells    []sentry.Cell `json:"cells"`
	Contacts []sentry.Told `json:"first_contacts"`
}

var opWatchCells = operation[struct{}, watchCells]{"watch.cells", func(ctx context.Context, h *house, _ struct{}) (out watchCells, err error) {
	if err := h.settleWatch(ctx); err != nil {
		return out, err
	}
	if out.Cells, err = h.sentry.Cells(ctx); err != nil {
		return out, err
	}
	out.Contacts, err = h.sentry.Told(ctx)
	return out, err
}}

// cellAsked names a cell, by its digest or the beginning of it. With approvals its members are told, under labels.
type cellAsked struct {
	Cell      string         `json:"cell"`
	Ask       *authority.Ask `json:"ask,omitempty"`
	Approvals [][]byte       `json:"approvals,omitempty"`
	Propose   bool           `json:"propose,omitempty"`
}

// cellShown is a cell with the way that it went. It names nobody.
type cellShown struct {
	Act []byte `json:"act,omitempty"`
	sentry.Cell
	Case     casefile.ID      `json:"case,omitempty"`
	Reasons  []vedette.Reason `json:"reasons"`
	Links    []cellLink       `json:"links"`
	Events   []string         `json:"events"` // behind the finding: vedette decision show ID
	Path     []cellStep       `json:"path"`
	Reached  string           `json:"reached"` // people outside who got one of its links, in bands
	Members  []cellMember     `json:"members,omitempty"`
	Withheld string           `json:"withheld,omitempty"`
}

type cellLink struct {
	Token string   `json:"token"`
	Known []string `json:"known"` // names, defanged, by which an indicator knows it
	Until string   `json:"watched_until,omitempty"`
	Warn  int      `json:"warned"`
	Ended string   `json:"ended,omitempty"`
}

type cellStep struct {
	At      time.Time `json:"at"`
	What    string    `json:"what"`
	Event   string    `json:"event,omitempty"`
	Verdict string    `json:"verdict,omitempty"`
}

type cellMember struct {
	Label string `json:"label"`
	sentry.Life
}

var errWatchOff = fmt.Errorf("the watch is off (watch.on): %w", vedette.ErrUnavailable)

// cellOf finds the cell that begins with some digits.
func (h *house) cellOf(ctx context.Context, name string) (sentry.Whole, error) {
	name = strings.ToLower(name)
	if _, err := hex.DecodeString(name + strings.Repeat("0", len(name)%2)); err != nil || len(name) < 8 {
		return sentry.Whole{}, fmt.Errorf("%q is no cell: at least 8 digits of what vedette watch cells shows: %w", name, vedette.ErrInvalid)
	}
	cells, err := h.sentry.Cells(ctx)
	if err != nil {
		return sentry.Whole{}, err
	}
	var found []vedette.Digest
	for _, c := range cells {
		if strings.HasPrefix(c.ID.String(), name) {
			found = append(found, c.ID)
		}
	}
	told, err := h.sentry.Told(ctx)
	if err != nil {
		return sentry.Whole{}, err
	}
	var contacts []sentry.Told
	for _, t := range told {
		if strings.HasPrefix(t.ID.String(), name) && !slices.ContainsFunc(contacts, func(x sentry.Told) bool { return x.ID == t.ID }) {
			contacts = append(contacts, t)
		}
	}
	switch n := len(found) + len(contacts); {
	case n == 0:
		return sentry.Whole{}, fmt.Errorf("no cell %s is followed, and no such finding is kept; see vedette watch cells: %w", name, vedette.ErrUnknown)
	case n > 1:
		return sentry.Whole{}, fmt.Errorf("%d cells and findings begin with %s: more digits are needed: %w", n, name, vedette.ErrInvalid)
	case len(found) == 1:
		return h.sentry.Cell(ctx, found[0])
	}
	t := contacts[0]
	return sentry.Whole{
		Cell: sentry.Cell{ID: t.ID, Score: t.Score, Size: t.Members, First: t.From, Last: t.To, Alerted: t.To, Channels: []sentry.Channel{}},
		Told: []sentry.Told{t},
	}, nil
}

var opWatchShow = operation[cellAsked, cellShown]{"watch.show", func(ctx context.Context, h *house, in cellAsked) (cellShown, error) {
	if err := h.settleWatch(ctx); err != nil {
		return cellShown{}, err
	}
	w, err := h.cellOf(ctx, in.Cell)
	if err != nil {
		return cellShown{}, err
	}
	out := cellShown{Cell: w.Cell, Reasons: []vedette.Reason{}, Links: []cellLink{}, Events: []string{}, Path: []cellStep{}}
	if out.Case, err = h.caseOf(ctx, &w); err != nil {
		return out, err
	}
	if in.Ask != nil {
		in.Ask.About = w.ID
		if in.Propose {
			act, err := in.Ask.Act()
			out.Act = act.Canonical()
			return out, err
		}
		if out.Members, err = h.cellMembers(ctx, &w, out.Case, in); err != nil {
			return cellShown{}, err
		}
	} else {
		out.Withheld = "members: a permit of two people, for the cell's case (vedette watch show --help)"
		if w.Members == nil {
			out.Withheld = "senders and whom they reached: vedette campaign show, for the case, with two people's permit"
		}
	}
	if n := len(w.Told); n > 0 {
		t := &w.Told[n-1]
		out.Reasons = t.Reasons
		for _, id := range t.Basis {
			out.Events = append(out.Events, id.String())
		}
	}
	tokens := w.Links()
	if out.Links, err = h.cellLinks(ctx, &w, tokens); err != nil {
		return out, err
	}
	return out, h.cellPath(ctx, &w, tokens, &out)
}}

// caseOf is the case that a cell's finding opened, or none.
func (h *house) caseOf(ctx context.Context, w *sentry.Whole) (casefile.ID, error) {
	told := map[vedette.Digest]bool{}
	for _, t := range w.Told {
		told[t.ID] = true
	}
	if len(told) == 0 {
		return "", nil
	}
	has := func(id casefile.ID) (bool, error) {
		whole, err := h.cases.Get(ctx, id)
		if errors.Is(err, vedette.ErrUnknown) {
			return false, nil
		}
		return err == nil && slices.ContainsFunc(whole.Log, func(s casefile.Step) bool { return told[s.Finding] }), err
	}
	for _, t := range w.Told {
		if len(t.Links) == 0 {
			continue
		}
		id := casefile.About(h.cfg.Tenant, t.Links[0])
		if ok, err := has(id); ok || err != nil {
			return id, err
		}
	}
	list, err := h.cases.List(ctx, casefile.Filter{Tenant: h.cfg.Tenant, Limit: 1000})
	if err != nil {
		return "", err
	}
	for _, c := range list {
		if c.Findings == 0 {
			continue
		}
		if ok, err := has(c.ID); ok || err != nil {
			return c.ID, err
		}
	}
	return "", nil
}

// cellMembers tells the members under labels of this answer: to a permit to notify, to protect or to file, by two people, in the case that the finding opened, about
// this very cell. That it was asked, given or not, is in the record first.
func (h *house) cellMembers(ctx context.Context, w *sentry.Whole, matter casefile.ID, in cellAsked) ([]cellMember, error) {
	now := h.now().UTC()
	if matter == "" || string(matter) != in.Ask.Case {
		return nil, fmt.Errorf("%w: it is for the case that the cell's finding opened (vedette watch show CELL)", authority.ErrNoPermit)
	}
	permit, err := h.people.Permit(ctx, *in.Ask, in.Approvals, now)
	if err != nil {
		return nil, err
	}
	refusal := permit.For(h.cfg.Tenant)
	switch p := permit.Purpose(); {
	case refusal != nil:
	case p != authority.PurposeNotify && p != authority.PurposeProtect && p != authority.PurposeFile:
		refusal = fmt.Errorf("%w: members are told to notify, to protect or to file, not to %s", authority.ErrNoPermit, p)
	case permit.Check(p, now) != nil:
		refusal = permit.Check(p, now)
	case permit.TwoPeople() != nil:
		refusal = permit.TwoPeople()
	case permit.About() != w.ID:
		refusal = fmt.Errorf("%w: it is about another cell", authority.ErrNoPermit)
	}
	if err := h.answered(ctx, permit.Asked("watch.members", h.cfg.Tenant, now), refusal); err != nil {
		return nil, err
	}
	out := []cellMember{}
	for i, l := range w.Lives {
		out = append(out, cellMember{fmt.Sprintf("Member %d", i+1), l})
	}
	return out, nil
}

// cellLinks are a cell's links, each with the names by which an indicator knows it.
func (h *house) cellLinks(ctx context.Context, w *sentry.Whole, tokens []vedette.Token) ([]cellLink, error) {
	known := map[vedette.Token][]string{}
	if len(tokens) > 0 {
		sealer, err := h.sealer()
		if err != nil {
			return nil, err
		}
		for in, err := range h.known.Known(ctx, time.Time{}) {
			if err != nil {
				return nil, err
			}
			for _, t := range tokens {
				name, ok := tokenName(&in, t.Kind)
				if ok && sealer.TokenIn(t.Epoch, t.Kind, name) == t {
					if d := link.Defang(name); !slices.Contains(known[t], d) {
						known[t] = append(known[t], d)
					}
				}
			}
		}
	}
	out := []cellLink{}
	for _, t := range tokens {
		l := cellLink{Token: tokenText(t), Known: append([]string{}, known[t]...)}
		for _, a := range w.Entries {
			if a.Token == t {
				l.Until, l.Warn, l.Ended = a.Until.Format(time.RFC3339), a.Warned, a.Ended
			}
		}
		out = append(out, l)
	}
	return out, nil
}

// tokenName is the name that an indicator's token of a kind would be made of.
func tokenName(in *indicator.Indicator, kind vedette.TokenKind) (string, bool) {
	n, err := hunt.NameOf(in.Value, in.Scope)
	if err != nil {
		return "", false
	}
	host, _, _ := strings.Cut(n.Value, "/")
	switch kind {
	case vedette.TokenDomain, vedette.TokenHost, vedette.TokenTenant:
		return host, in.Scope == indicator.ScopeDomain || in.Scope == indicator.ScopeHost
	}
	return "", false
}

// cellPath is the way from the first try to the first target, from the journal.
func (h *house) cellPath(ctx context.Context, w *sentry.Whole, tokens []vedette.Token, out *cellShown) error {
	asked := func(l *vedette.Link) bool {
		return slices.ContainsFunc(tokens, func(t vedette.Token) bool { return t == l.Domain || t == l.Host || t == l.Tenant || t == l.URL })
	}
	var sent []journal.Entry
	// Whoever sent one of the links before the group was told of was of it then, also if not now.
	hands := map[vedette.AccountID]bool{}
	for _, a := range w.Members {
		hands[a] = true
	}
	contacts := len(w.Told) > 0 && w.Told[0].Detector != rehearsal.Name // whoever sends is outside nothing
	for e, err := range h.journal.Read(ctx, h.journal.First()) {
		if err != nil {
			return err
		}
		b, ok := e.Event.Body.(*vedette.LinkSent)
		if !ok || !slices.ContainsFunc(b.Links, func(l vedette.Link) bool { return asked(&l) }) {
			continue
		}
		sent = append(sent, e)
		if !contacts && (w.Alerted.IsZero() || !e.Event.At.After(w.Alerted)) {
			hands[e.Event.Actor] = true
		}
	}
	inside := func(a vedette.AccountID) bool { return hands[a] }
	var tried, first, warned, passed bool
	reached := map[vedette.AccountID]bool{}
	for i := range sent {
		e := &sent[i]
		b := e.Event.Body.(*vedette.LinkSent)
		step := cellStep{At: e.Event.At, Event: e.Event.ID.String(), Verdict: e.Decision.Verdict.String()}
		say := func(once *bool, what string) {
			if !*once {
				*once, step.What = true, what
				out.Path = append(out.Path, step)
			}
		}
		to := b.To.Account
		if inside(e.Event.Actor) && (to.IsZero() || inside(to)) {
			say(&tried, "one of its links is first tried inside")
			continue
		}
		if to.IsZero() || inside(to) {
			continue
		}
		say(&first, "one of its links first goes to somebody outside")
		if slices.ContainsFunc(e.Decision.Reasons, func(r vedette.Reason) bool { return r.Rule == vedette.RuleWatch }) {
			say(&warned, "its watch entry first speaks")
		}
		if e.Decision.Verdict < vedette.Hold {
			say(&passed, "one of its links first reaches somebody outside")
			reached[to] = true
		}
	}
	if !contacts {
		out.Path = append(out.Path, cellStep{At: w.First, What: "it is first seen as a group"})
	}
	for _, t := range w.Told {
		out.Path = append(out.Path, cellStep{At: t.To, What: "it is told of"})
	}
	var from time.Time
	for _, a := range w.Entries {
		if from.IsZero() || a.First.Before(from) {
			from = a.First
		}
	}
	if !from.IsZero() {
		out.Path = append(out.Path, cellStep{At: from, What: "the gate is asked to warn of its links"})
	}
	slices.SortStableFunc(out.Path, func(a, b cellStep) int { return a.At.Compare(b.At) })
	switch n := len(reached); {
	case n == 0:
		out.Reached = "none"
	case n < 10:
		out.Reached = "some"
	default:
		out.Reached = "ten and more"
	}
	return nil
}

type cellJudged struct {
	Cell string                `json:"cell"`
	What rehearsal.Disposition `json:"what"`
	By   authority.PersonID    `json:"by"`
	Why  string                `json:"why"`
}

var opWatchJudge = operation[cellJudged, sentry.Cell]{"watch.judge", func(ctx context.Context, h *house, in cellJudged) (sentry.Cell, error) {
	if err := h.settleWatch(ctx); err != nil {
		return sentry.Cell{}, err
	}
	w, err := h.cellOf(ctx, in.Cell)
	if err != nil {
		return sentry.Cell{}, err
	}
	if err := h.enrolled(ctx, in.By); err != nil {
		return sentry.Cell{}, err
	}
	if len(in.Why) > 500 {
		return sentry.Cell{}, fmt.Errorf("a reason of %d bytes, at most 500: %w", len(in.Why), vedette.ErrInvalid)
	}
	_, err = h.proof.Append(ctx, evidence.Record{Kind: evidence.KindFinding, At: h.now().UTC().Truncate(time.Millisecond), Tenant: h.cfg.Tenant, Fields: []evidence.Field{
		{Name: "cell", Value: []byte(w.ID.String())},
		{Name: "judged", Value: []byte(sentry.Disposition(in.What))},
		{Name: "by", Value: []byte(in.By)},
		{Name: "why", Value: []byte(in.Why)},
	}})
	if err != nil {
		return sentry.Cell{}, err
	}
	if err := h.sentry.Judge(ctx, w.ID, in.What); err != nil {
		return sentry.Cell{}, err
	}
	if w.Members == nil {
		w.Judged = sentry.Disposition(in.What)
		return w.Cell, nil
	}
	w, err = h.sentry.Cell(ctx, w.ID)
	return w.Cell, err
}}

func (g *global) watch() *cobra.Command {
	cmd := &cobra.Command{
		Use: "watch", Short: "See what the slow watch follows: groups that look like a rehearsal",
		Long: `The watch reads what the gate has taken, and looks for groups of accounts that try something on one another before they use it. It tells of a group
within a budget of false alerts, opens a case, and asks the gate to warn of the group's links. A score is a lead: nobody is limited or blocked by it.`,
		Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	status := &cobra.Command{
		Use: "status", Short: "Say whether the watch sees enough, what it promised, and what came", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out, err := opWatchStatus.do(cmd.Context(), g, struct{}{})
			if err != nil {
				return err
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), out)
			}
			out.print(cmd.OutOrStdout(), g.paint(cmd))
			return nil
		},
	}
	cells := &cobra.Command{
		Use: "cells", Short: "List the groups that are followed, and the first contacts that were told of; never who", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out, err := opWatchCells.do(cmd.Context(), g, struct{}{})
			if err != nil {
				return err
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), out)
			}
			printCells(cmd.OutOrStdout(), out, g.paint(cmd))
			return nil
		},
	}
	cmd.AddCommand(status, cells, g.watchQueue(), g.watchShow(), g.watchJudge(), g.watchVouch(), g.watchUnvouch())
	return cmd
}

func (g *global) watchShow() *cobra.Command {
	var until, purpose, propose, matter string
	var approvals []string
	cmd := &cobra.Command{
		Use: "show CELL", Short: "Show one group: why, its links, the way from the first try to the first target",
		Long: `What the watch measured of a group, its links as tokens (and as names where an indicator knows them), the events behind the finding, and the way from
rehearsal to target. Members are told only for the case that the finding opened and with two people's approval, under labels of this answer: write the act with
--propose, let both sign it with "vedette approve". The act is about this very cell.`,
		Example: `  vedette watch show 0123456789ab
  vedette watch show 0123456789ab --case case_… --until 2026-12-01 --propose act.json
  vedette watch show 0123456789ab --case case_… --until 2026-12-01 --approval act.ana.approval --approval act.omar.approval`,
		Args: exactly(1, "a cell; see vedette watch cells"),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := cellAsked{Cell: args[0], Propose: propose != ""}
			var err error
			if propose != "" || len(approvals) > 0 {
				if matter == "" {
					return usage(cmd, "--case is needed: the case that the finding opened")
				}
				if in.Ask, err = g.caseAsk(cmd, matter, purpose, until); err != nil {
					return err
				}
			}
			if in.Approvals, err = readApprovals(approvals); err != nil {
				return err
			}
			out, err := opWatchShow.do(cmd.Context(), g, in)
			if err != nil {
				return err
			}
			if in.Propose {
				return writeAct(cmd, propose, out.Act)
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), out)
			}
			out.print(cmd.OutOrStdout(), g.paint(cmd))
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&matter, "case", "", "the case that the finding opened")
	f.StringVar(&until, "until", "", "day on which the permit ends, at most 30 days away")
	f.StringVar(&purpose, "purpose", "notify", "of the permit: notify, protect or file")
	f.StringVar(&propose, "propose", "", "only write the act, for two people to approve")
	f.StringArrayVar(&approvals, "approval", nil, "an approval's file; twice")
	return cmd
}

func (g *global) watchJudge() *cobra.Command {
	var confirmed, wrong, unclear bool
	var by, why string
	cmd := &cobra.Command{
		Use: "judge CELL --confirmed|--wrong|--unclear --by PERSON", Short: "Say what a person made of a group",
		Long: `A wrong or unclear one counts against the promised number of false alerts, which moves the bound, and its watch entries end. A confirmed one is no longer one
of the platform's own. It is recorded in the evidence log. It acts on nobody: what is done about links and people has its own commands and signatures.`,
		Args: exactly(1, "a cell; see vedette watch cells"),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := cellJudged{Cell: args[0], By: authority.PersonID(by), Why: why}
			n := 0
			for is, what := range map[*bool]rehearsal.Disposition{&confirmed: rehearsal.Confirmed, &wrong: rehearsal.Wrong, &unclear: rehearsal.Unclear} {
				if *is {
					in.What = what
					n++
				}
			}
			if n != 1 || by == "" {
				return usage(cmd, "one of --confirmed, --wrong and --unclear, and --by")
			}
			out, err := opWatchJudge.do(cmd.Context(), g, in)
			if err != nil {
				return err
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), out)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s is judged %s\n", short(out.ID), out.Judged)
			return err
		},
	}
	f := cmd.Flags()
	f.BoolVar(&confirmed, "confirmed", false, "it was an operator's")
	f.BoolVar(&wrong, "wrong", false, "it was something else")
	f.BoolVar(&unclear, "unclear", false, "nobody could tell")
	f.StringVar(&by, "by", "", "who judged it, an enrolled person (needed)")
	f.StringVar(&why, "why", "", "why, for those who come after you; never about a person on the platform")
	return cmd
}

// short is as much of a digest as people type.
func short(d vedette.Digest) string { return d.String()[:12] }

func (s *watchStatus) print(w io.Writer, p paint) {
	switch {
	case s.Silent != "":
		fmt.Fprintf(w, "%s: %s\n", p.amber("silent"), s.Silent)
	case s.Learning != "":
		fmt.Fprintf(w, "%s: %s\n", p.amber("learning"), s.Learning)
	default:
		fmt.Fprintf(w, "%s\n", p.bold("watching"))
	}
	if s.Rebuilt != "" {
		fmt.Fprintf(w, "Its saved state could not be used, and it began anew from the journal: %s\n", s.Rebuilt)
	}
	t := newTable(w)
	t.row("accounts", fmt.Sprintf("%s active, %s known", count(s.Active), count(s.Known)))
	if !s.Ticked.IsZero() {
		t.row("last look", moment(s.Ticked))
	}
	links := "seen"
	if !s.Links {
		links = "no token of any: nothing is measured of links"
	}
	t.row("links", links)
	t.row("cells", fmt.Sprintf("%s followed, %s told of", count(s.Cells), count(s.Alerted)))
	bound := "not set yet"
	if !s.Set.IsZero() {
		bound = fmt.Sprintf("%.1f bits, since %s", bits(s.Bound), moment(s.Set))
	}
	t.row("bound", bound)
	t.row("false alerts a week", fmt.Sprintf("%.1f promised, %.1f measured (%d of %d alerts)", s.Promised, s.Measured, s.False, s.Alerts))
	a := s.Aims
	aims := cmp.Or(a.Silent, a.Learning)
	if aims == "" {
		var bounds []string
		for _, q := range sorted(a.Bounds) {
			bounds = append(bounds, fmt.Sprintf("%s over %.1f bits", q, bits(a.Bounds[q])))
		}
		aims = fmt.Sprintf("%s; %.1f false alerts a week promised, %.1f measured (%d of %d alerts)", strings.Join(bounds, ", "), a.Promised, a.Measured, a.False, a.Alerts)
	}
	t.row("first contacts", aims)
	t.row("watch entries", fmt.Sprintf("%d in the gate, which may answer up to %s; %d of %d warnings this week", s.Gate, s.Armed, s.Warned, s.Allowed))
	t.row("events", fmt.Sprintf("%s taken, %s late, %s a day late and not taken", count(int(s.Counts.Taken)), count(int(s.Counts.Late)), count(int(s.Stale))))
	t.row("behind", counted(s.Lag, "event", "events"))
	t.flush()
	printVouches(w, s.Vouches, s.Ticked)
}

func printCells(w io.Writer, out watchCells, p paint) {
	cells := out.Cells
	if len(cells)+len(out.Contacts) == 0 {
		fmt.Fprintln(w, "No group is followed. vedette watch status says whether the watch sees enough.")
		return
	}
	t := newTable(w, "cell", "score", "size", "first", "last", "told", "judged", "speaks")
	for _, c := range cells {
		told := "-"
		if !c.Alerted.IsZero() {
			told = c.Alerted.Format("2006-01-02 15:04")
		}
		var speaks []string
		for _, ch := range c.Channels[:min(3, len(c.Channels))] {
			speaks = append(speaks, ch.Name)
		}
		t.row(short(c.ID), fmt.Sprintf("%.1f", bits(c.Score)), count(c.Size), c.First.Format(time.DateOnly), c.Last.Format(time.DateOnly), told, c.Judged, strings.Join(speaks, ", "))
	}
	t.flush()
	if len(out.Contacts) > 0 {
		fmt.Fprintln(w)
		t := newTable(w, "first contacts", "score", "senders", "first", "told", "speaks")
		for _, c := range out.Contacts[:min(20, len(out.Contacts))] {
			var speaks []string
			for _, r := range c.Reasons[:min(3, len(c.Reasons))] {
				if r.Weight > 0 {
					speaks = append(speaks, strings.TrimPrefix(string(r.Rule), c.Detector+"/"))
				}
			}
			t.row(short(c.ID), fmt.Sprintf("%.1f", bits(c.Score)), count(c.Members), c.From.Format(time.DateOnly), c.To.Format("2006-01-02 15:04"), strings.Join(speaks, ", "))
		}
		t.flush()
	}
	fmt.Fprintln(w, p.dim("A score is a lead: how seldom the platform's own groups look like this, in bits. vedette watch show CELL"))
}

func (c *cellShown) print(w io.Writer, p paint) {
	what := "cell"
	if c.Members == nil && len(c.Channels) == 0 && len(c.Reasons) > 0 && !strings.HasPrefix(string(c.Reasons[0].Rule), rehearsal.Name) {
		what = "first contacts"
	}
	fmt.Fprintf(w, what+" %s: %s accounts, %.1f bits, from %s to %s, judged: %s\n", p.bold(short(c.ID)), count(c.Size), bits(c.Score), moment(c.First), moment(c.Last), c.Judged)
	if c.Case != "" {
		fmt.Fprintf(w, "case %s\n", c.Case)
	}
	for _, r := range c.Reasons {
		fmt.Fprintf(w, "  %5.1f bits  %s (%s)\n", bits(r.Weight), r.Text, r.Rule)
	}
	if len(c.Reasons) == 0 {
		for _, ch := range c.Channels {
			fmt.Fprintf(w, "  %5.1f bits  %s\n", bits(ch.Bits), ch.Name)
		}
		fmt.Fprintln(w, p.dim("  Nothing was told of it: it is not over the bound, or one kind of evidence speaks alone."))
	}
	if len(c.Links) > 0 {
		fmt.Fprintln(w, "\nIts links:")
		for _, l := range c.Links {
			line := l.Token
			if len(l.Known) > 0 {
				line = strings.Join(l.Known, ", ") + " (" + l.Token + ")"
			}
			switch {
			case l.Ended != "":
				line += "; no more watched for: " + l.Ended
			case l.Until != "":
				line += fmt.Sprintf("; watched for until %s, %s warned", l.Until, counted(l.Warn, "person", "people"))
			}
			fmt.Fprintln(w, "  "+line)
		}
	}
	fmt.Fprintln(w, "\nFrom rehearsal to target:")
	t := newTable(w)
	for _, s := range c.Path {
		t.row("  "+s.At.Format("2006-01-02 15:04"), s.What, s.Verdict, s.Event)
	}
	t.flush()
	fmt.Fprintf(w, "people outside who got one of its links: %s\n", p.bold(c.Reached))
	if len(c.Events) > 0 {
		fmt.Fprintf(w, "%d events stand behind it, such as %s: vedette decision show ID\n", len(c.Events), strings.Join(c.Events[:min(3, len(c.Events))], ", "))
	}
	if c.Members != nil {
		t := newTable(w, "\nmember", "registered", "came back", "last", "shared devices", "shared networks", "new links")
		day := func(at time.Time) string {
			if at.IsZero() {
				return "-"
			}
			return at.Format("2006-01-02 15:04")
		}
		for _, m := range c.Members {
			t.row(m.Label, day(m.Registered), day(m.Woke), day(m.Last), count(m.Devices), count(m.Networks), count(m.Links))
		}
		t.flush()
	}
	if c.Withheld != "" {
		fmt.Fprintln(w, p.dim("\nwithheld: "+c.Withheld))
	}
}
