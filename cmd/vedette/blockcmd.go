package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette"
	"vedette/act/casefile"
	"vedette/act/response"
	"vedette/inline/decision"
	"vedette/link"
	"vedette/record/authority"
	"vedette/record/indicator"
	"vedette/record/journal"
	"vedette/watch/hunt"
)

// deedShown is what people ordered and what came of it, for people: hosts defanged, nobody's account.
type deedShown struct {
	Digest   vedette.Digest       `json:"digest"`
	What     response.What        `json:"what"`
	Case     string               `json:"case,omitempty"`
	Display  string               `json:"display,omitempty"`
	Scope    string               `json:"scope,omitempty"`
	Verdict  string               `json:"verdict,omitempty"`
	People   []authority.PersonID `json:"people"`
	Harmless int                  `json:"harmless"` // at most so many people, in bands, of whom nothing speaks but that they met it; -1: not known
	At       time.Time            `json:"at"`
	Until    time.Time            `json:"until,omitzero"`
	State    response.State       `json:"state"`
	Live     bool                 `json:"live"` // done, not undone, not ended
	Why      string               `json:"why,omitempty"`
}

func (h *house) deedShown(d *response.Deed) deedShown {
	out := deedShown{
		Digest: d.Act, What: d.What, Case: d.Case, Display: link.Defang(d.Value), People: append([]authority.PersonID{}, d.People...), Harmless: d.Harmless,
		At: d.At, Until: d.Until, State: d.State, Live: d.Live(h.now()), Why: d.Why,
	}
	if d.Value != "" {
		out.Scope = d.Scope.String()
	}
	if d.What == response.WhatBlock {
		out.Verdict = d.Verdict.String()
	}
	return out
}

// deedsOf lists what was ordered in a case that can be taken back, or in all cases when it is "".
func (h *house) deedsOf(ctx context.Context, matter string) ([]deedShown, error) {
	out := []deedShown{}
	list, err := h.deeds.List(ctx, "")
	if err != nil {
		return out, err
	}
	for i := range list {
		switch list[i].What {
		case response.WhatBlock, response.WhatInterstitial, response.WhatRedaction:
			if list[i].Tenant == h.cfg.Tenant && (matter == "" || list[i].Case == matter) {
				out = append(out, h.deedShown(&list[i]))
			}
		}
	}
	return out, nil
}

// ordering is what people want done. With Propose only the act is written that they must sign.
type ordering struct {
	Case      casefile.ID     `json:"case,omitempty"`
	Value     string          `json:"value,omitempty"`
	Scope     indicator.Scope `json:"scope"`
	Verdict   vedette.Verdict `json:"verdict"`
	How       response.Recall `json:"how,omitempty"`
	About     vedette.Digest  `json:"about,omitzero"` // what is taken back or let go on
	Upto      int             `json:"upto,omitempty"`
	Until     time.Time       `json:"until,omitzero"`
	Why       string          `json:"why,omitempty"`
	Approvals [][]byte        `json:"approvals,omitempty"`
	Propose   bool            `json:"propose,omitempty"`
}

// ordered is what became of an order.
type ordered struct {
	Act     []byte    `json:"act,omitempty"` // to be signed; nothing was done
	Deed    deedShown `json:"deed"`
	Again   bool      `json:"again"` // it had been done before
	Target  string    `json:"target,omitempty"`
	Armed   string    `json:"armed,omitempty"` // how far the target may change answers
	Swept   *sweptOut `json:"swept,omitempty"`
	Stopped string    `json:"stopped,omitempty"` // why the platform was not told of all delivered messages
	Found   int       `json:"found,omitempty"`   // messages that would change, where the breaker stopped it
}

// sweptOut is what a sweep did, as far as it is told: what the changes themselves show. How many messages were found besides would count, for one person's
// word and a block that asks for nothing, whom a host reached.
type sweptOut struct {
	Changed int `json:"changed"` // messages about which the platform is told
	Again   int `json:"again"`   // told before, by the same cause
}

func (h *house) ordered(d response.Done, err error) (ordered, error) {
	if err != nil {
		return ordered{}, err
	}
	return ordered{Deed: h.deedShown(&d.Deed), Again: d.Again}, nil
}

func (h *house) proposed(act authority.Act, err error) (ordered, error) {
	return ordered{Act: act.Canonical()}, err
}

var opBlock = operation[ordering, ordered]{"block", func(ctx context.Context, h *house, in ordering) (ordered, error) {
	if err := h.settle(ctx); err != nil {
		return ordered{}, err
	}
	if _, err := h.aCase(ctx, in.Case); err != nil {
		return ordered{}, err
	}
	o := response.Order{Case: string(in.Case), Tenant: h.cfg.Tenant, Value: in.Value, Scope: in.Scope, Until: in.Until, Verdict: in.Verdict}
	if in.Propose {
		if err := h.spared(in.Value, in.Scope); err != nil {
			return ordered{}, err
		}
		out, err := h.proposed(o.Act())
		out.Deed.What, out.Deed.Verdict = response.WhatBlock, o.Verdict.String()
		return h.withArmed(ctx, out, response.TargetBlocks, err)
	}
	d, err := h.desk.Block(ctx, o, in.Approvals)
	out, err := h.ordered(d, err)
	if err != nil {
		return out, err
	}
	return h.sweepFor(ctx, &d.Deed, out)
}}

// spared says why the guard lets nobody block a name, before anybody signs it for nothing. The desk asks it again where the block happens.
func (h *house) spared(value string, scope indicator.Scope) error {
	value, err := indicator.Canonical(value, scope)
	if err != nil {
		return err
	}
	in := indicator.Indicator{Value: value, Scope: scope, Source: response.Source}
	switch r := h.guardNow().Strict(&in); {
	case r.Refused:
		return fmt.Errorf("%s; nobody's approval changes that: %w", r.Reason, vedette.ErrForbidden)
	case r.Scope != scope:
		return fmt.Errorf("at most scope %s: %s: %w", r.Scope, r.Reason, vedette.ErrForbidden)
	}
	return nil
}

var opBlocks = operation[string, []deedShown]{"block.list", func(ctx context.Context, h *house, matter string) ([]deedShown, error) {
	return h.deedsOf(ctx, matter)
}}

var opUnblock = operation[ordering, ordered]{"block.undo", func(ctx context.Context, h *house, in ordering) (ordered, error) {
	return h.takeBack(ctx, in, response.UnblockAct, h.desk.Unblock)
}}

var opRecall = operation[ordering, ordered]{"recall", func(ctx context.Context, h *house, in ordering) (ordered, error) {
	if err := h.settle(ctx); err != nil {
		return ordered{}, err
	}
	whole, err := h.aCase(ctx, in.Case)
	if err != nil {
		return ordered{}, err
	}
	if !confirmedIn(whole) {
		return ordered{}, fmt.Errorf("nothing is confirmed in %s, so no message belongs to it for certain; first: vedette case confirm %s --host HOST: %w", in.Case, in.Case, vedette.ErrConflict)
	}
	o := response.RecallOrder{Case: string(in.Case), Tenant: h.cfg.Tenant, How: in.How, Until: in.Until}
	if in.Propose {
		out, err := h.proposed(response.RecallAct(o))
		if out.Deed.What = response.WhatInterstitial; o.How == response.RecallRedaction {
			out.Deed.What = response.WhatRedaction
		}
		return h.withArmed(ctx, out, response.TargetRecalls, err)
	}
	d, err := h.desk.Recall(ctx, o, in.Approvals)
	out, err := h.ordered(d, err)
	if err != nil {
		return out, err
	}
	return h.sweepFor(ctx, &d.Deed, out)
}}

var opUnrecall = operation[ordering, ordered]{"recall.lift", func(ctx context.Context, h *house, in ordering) (ordered, error) {
	return h.takeBack(ctx, in, response.UnrecallAct, h.desk.Unrecall)
}}

var opRelease = operation[ordering, ordered]{"changes.release", func(ctx context.Context, h *house, in ordering) (ordered, error) {
	deed, err := h.deed(ctx, in.About)
	if err != nil {
		return ordered{}, err
	}
	cause, err := deed.Cause(h.cfg.Tenant)
	if err != nil {
		return ordered{}, err
	}
	if in.Propose {
		return h.proposed(response.ReleaseAct(cause, in.Upto))
	}
	d, err := h.desk.Release(ctx, cause, in.Upto, in.Approvals)
	out, err := h.ordered(d, err)
	if err != nil {
		return out, err
	}
	return h.sweepFor(ctx, &deed, out)
}}

var opHalt = operation[ordering, ordered]{"changes.halt", func(ctx context.Context, h *house, in ordering) (ordered, error) {
	if in.Propose {
		return h.proposed(response.HaltAct(h.cfg.Tenant, in.Until, in.Why))
	}
	return h.ordered(h.desk.Halt(ctx, h.cfg.Tenant, in.Until, in.Why, in.Approvals))
}}

var opResume = operation[ordering, ordered]{"changes.resume", func(ctx context.Context, h *house, in ordering) (ordered, error) {
	halted, err := h.outbox.Halted(ctx, h.cfg.Tenant)
	if err != nil {
		return ordered{}, err
	}
	list, err := h.deeds.List(ctx, response.WhatHalt, response.Complete)
	if err != nil {
		return ordered{}, err
	}
	var last *response.Deed
	for i := range list {
		if list[i].Tenant == h.cfg.Tenant && list[i].Live(h.now()) {
			last = &list[i]
		}
	}
	if last == nil || !h.now().Before(halted) {
		return ordered{}, fmt.Errorf("nothing is halted: changed decisions go out: %w", vedette.ErrConflict)
	}
	if in.Propose {
		return h.proposed(response.ResumeAct(h.cfg.Tenant, last.Act))
	}
	return h.ordered(h.desk.Resume(ctx, h.cfg.Tenant, last.Act, in.Approvals))
}}

// deed finds what was ordered by its digest.
func (h *house) deed(ctx context.Context, act vedette.Digest) (response.Deed, error) {
	d, err := h.deeds.Deed(ctx, act)
	if errors.Is(err, vedette.ErrUnknown) || err == nil && d.Tenant != h.cfg.Tenant {
		return response.Deed{}, fmt.Errorf("nothing was ordered under this digest; see vedette block list: %w", vedette.ErrUnknown)
	}
	return d, err
}

// takeBack undoes a block or a recall, and tells the platform.
func (h *house) takeBack(ctx context.Context, in ordering, act func(response.Deed, string) (authority.Act, error),
	do func(context.Context, vedette.Digest, string, [][]byte) (response.Done, error),
) (ordered, error) {
	if err := h.settle(ctx); err != nil {
		return ordered{}, err
	}
	first, err := h.deed(ctx, in.About)
	if err != nil {
		return ordered{}, err
	}
	if in.Propose {
		return h.proposed(act(first, in.Why))
	}
	d, err := do(ctx, in.About, in.Why, in.Approvals)
	out, err := h.ordered(d, err)
	if err != nil {
		return out, err
	}
	return h.sweepFor(ctx, &d.Deed, out)
}

// withArmed says how far a target may change answers now.
func (h *house) withArmed(ctx context.Context, out ordered, target vedette.RuleID, err error) (ordered, error) {
	if err != nil {
		return out, err
	}
	armed, err := h.arms.Armed(ctx, h.now())
	out.Target, out.Armed = string(target), armed.Of(target).String()
	return out, err
}

// sweepFor tells the platform of the delivered messages that a deed changes. What stops it (the breaker, a halt) undoes nothing of the deed, and is
// told beside it.
func (h *house) sweepFor(ctx context.Context, deed *response.Deed, out ordered) (ordered, error) {
	cause, err := deed.Cause(h.cfg.Tenant)
	if err != nil {
		return out, err
	}
	if out, err = h.withArmed(ctx, out, cause.Reason.Rule, nil); err != nil {
		return out, err
	}
	names, err := h.swept(ctx, deed)
	if err != nil {
		return out, err
	}
	s, err := h.desk.Sweep(ctx, cause, h.sightings(ctx, names, cause.Kind == response.CauseRevoked))
	out.Swept = &sweptOut{s.Changed, s.Again}
	if b, ok := errors.AsType[*response.Breaker](err); ok {
		out.Stopped, out.Found = b.Error(), b.Found
		return out, nil
	}
	if errors.Is(err, response.ErrHalted) {
		out.Stopped = err.Error()
		return out, nil
	}
	return out, err
}

// swept are the names whose delivered messages a deed is about: a block's own, and all that was confirmed or blocked in a recall's case.
func (h *house) swept(ctx context.Context, deed *response.Deed) ([]hunt.Name, error) {
	switch deed.What {
	case response.WhatBlock, response.WhatUnblock:
		n, err := hunt.NameOf(deed.Value, deed.Scope)
		return []hunt.Name{n}, err
	}
	whole, err := h.aCase(ctx, casefile.ID(deed.Case))
	if err != nil {
		return nil, err
	}
	names := caseNames(whole)
	blocks, err := h.deeds.List(ctx, response.WhatBlock, response.Complete)
	if err != nil {
		return nil, err
	}
	for i := range blocks {
		if b := &blocks[i]; b.Case == deed.Case && b.Tenant == deed.Tenant && b.Live(h.now()) {
			if n, err := hunt.NameOf(b.Value, b.Scope); err == nil && !slices.Contains(names, n) {
				names = append(names, n)
			}
		}
	}
	return names, nil
}

// sightings yields the delivered messages that names cover, by their place in the journal: history says which, the journal how they were judged.
// back: a block was taken back, and what still speaks without it is told too.
func (h *house) sightings(ctx context.Context, names []hunt.Name, back bool) iter.Seq2[response.Sighting, error] {
	return func(yield func(response.Sighting, error) bool) {
		places, err := h.places(ctx, names)
		if err != nil {
			yield(response.Sighting{}, err)
			return
		}
		gen := h.judging.Load().generation
		for _, at := range places {
			for e, err := range h.journal.Read(ctx, at) {
				if err != nil {
					yield(response.Sighting{}, err)
					return
				}
				if e.Position != at {
					break // the journal's term has passed; history's row goes next
				}
				s := response.Sighting{Event: e.Event.ID, At: e.Event.At, Was: e.Decision.Verdict, Would: e.Decision.Would}
				if back && slices.ContainsFunc(e.Decision.Reasons, func(r vedette.Reason) bool { return r.Rule == response.TargetBlocks }) {
					now := gen.Decide(&decision.Input{Event: &e.Event, Measures: e.Measures, Missing: missing(&e.Decision), Hindsight: true})
					if now.Verdict < s.Was || now.Would < s.Would {
						s.Rested, s.Rest = true, min(now.Verdict, s.Was)
					}
				}
				if !yield(s, nil) {
					return
				}
				break
			}
		}
	}
}

// places are the positions of delivered messages that names cover, in order.
func (h *house) places(ctx context.Context, names []hunt.Name) ([]journal.Position, error) {
	tokens, err := h.tokensOf(h.cfg.Tenant)
	if err != nil {
		return nil, err
	}
	var out []journal.Position
	for _, n := range names {
		units, covers := hunt.Cover(tokens, n, hunt.Window{To: h.now().Add(24 * time.Hour)})
		_, err := h.past.Find(ctx, units, hunt.Window{}, func(_ int, s *hunt.Sighting) bool {
			if (s.Act == hunt.Sent || s.Act == hunt.Posted) && covers(s) {
				out = append(out, s.Position)
			}
			return true
		})
		if err != nil {
			return nil, err
		}
	}
	slices.SortFunc(out, func(a, b journal.Position) int {
		switch {
		case a.Less(b):
			return -1
		case b.Less(a):
			return 1
		}
		return 0
	})
	return slices.Compact(out), nil
}

type changesAsked struct {
	After uint64 `json:"after"`
	Limit int    `json:"limit"`
}

// changesRead is a part of what goes out to the platform, in its order.
type changesRead struct {
	First   uint64             `json:"first"` // of the oldest kept change
	Last    uint64             `json:"last"`  // of the newest
	Halted  time.Time          `json:"halted,omitzero"`
	Changes []response.Changed `json:"changes"`
}

var opChanges = operation[changesAsked, changesRead]{"changes.read", func(ctx context.Context, h *house, in changesAsked) (out changesRead, err error) {
	if out.First, out.Last, err = h.outbox.Bounds(ctx, h.cfg.Tenant); err != nil {
		return out, err
	}
	until, err := h.outbox.Halted(ctx, h.cfg.Tenant)
	if err != nil {
		return out, err
	}
	if h.now().Before(until) {
		out.Halted = until
	}
	list, err := h.outbox.After(ctx, in.After, h.cfg.Tenant, in.Limit)
	out.Changes = append([]response.Changed{}, list...)
	return out, err
}}

// signing are the flags of whatever people sign.
type signing struct {
	propose   string
	approvals []string
}

func (s *signing) flags(cmd *cobra.Command, who string) {
	cmd.Flags().StringVar(&s.propose, "propose", "", "only write the act to this file, for "+who+" to sign")
	cmd.Flags().StringArrayVar(&s.approvals, "approval", nil, "an approval's file; may be given again")
}

// run asks for an order, and writes the act or what became of it.
func (s *signing) run(cmd *cobra.Command, g *global, op operation[ordering, ordered], in ordering, who string) error {
	var err error
	in.Propose = s.propose != ""
	if in.Approvals, err = readApprovals(s.approvals); err != nil {
		return err
	}
	out, err := op.do(cmd.Context(), g, in)
	if err != nil {
		return unsigned(err, who, in.Propose || len(s.approvals) > 0)
	}
	w := cmd.OutOrStdout()
	if in.Propose {
		err := writeActFor(cmd, s.propose, out.Act, who+" must sign it")
		out.printArmed(w, g.paint(cmd))
		return err
	}
	if g.json {
		err = printJSON(w, out)
	} else {
		out.print(w, g.paint(cmd))
	}
	if err == nil && out.Stopped != "" {
		return &exit{code: exitPartial}
	}
	return err
}

// unsigned says how an act gets its signatures, when somebody brought none.
func unsigned(err error, who string, signed bool) error {
	if signed || !errors.Is(err, vedette.ErrForbidden) || !strings.Contains(err.Error(), "not approved") {
		return err
	}
	return fmt.Errorf("%w\nLet %s sign it: the same command with --propose act.json, then vedette approve act.json --person NAME --person-key FILE, then with --approval", err, who)
}

func writeFile(path string, b []byte) error { return os.WriteFile(path, append(b, '\n'), 0o600) }

func (g *global) block() *cobra.Command {
	var matter, until, scope, verdict string
	var s signing
	cmd := &cobra.Command{
		Use:   "block HOST --case ID --until DAY",
		Short: "Block a name by people's approval, and tell the platform of what was delivered already",
		Long: `Puts a name on the list that people's own blocks stand on (list:cases), until a day, for a case. One enrolled person may block a host or link that
touches few people; a whole domain, or more people than that, takes two. What the guard spares (popular, shared, news, civil society) nobody can block.
Then it sweeps: the platform is told, as decision.changed, of each delivered message that it covers. Answers change only as far as list:cases is armed.

Write the act with --propose, sign it with "vedette approve", and block with the approvals. The same again changes nothing.`,
		Example: `  vedette block 'evil[.]example' --case case_0123456789abc --until 2026-12-01 --propose act.json
  vedette approve act.json --person ana --person-key ana.key
  vedette block 'evil[.]example' --case case_0123456789abc --until 2026-12-01 --approval act.ana.approval`,
		Args: exactly(1, "a host, domain or link; or the word list"),
		RunE: func(cmd *cobra.Command, args []string) error {
			in, err := orderFor(cmd, matter, until)
			if err != nil {
				return err
			}
			in.Value = link.Refang(args[0])
			if in.Scope, err = indicator.ParseScope(scope); err != nil {
				return usage(cmd, "--scope: %s", err)
			}
			if err := scopeFits(cmd, in.Value, in.Scope); err != nil {
				return err
			}
			if in.Verdict, err = vedette.ParseVerdict(verdict); err != nil {
				return usage(cmd, "--verdict: %s", err)
			}
			return s.run(cmd, g, opBlock, in, signers(in))
		},
	}
	f := cmd.Flags()
	f.StringVar(&matter, "case", "", "the case that it is for (needed)")
	f.StringVar(&until, "until", "", "day on which it ends by itself, at most 90 days away (needed)")
	f.StringVar(&scope, "scope", "host", "host, domain, url or path")
	f.StringVar(&verdict, "verdict", "block", "the strongest answer it may ask for: block, hold, warn; allow only weighs")
	s.flags(cmd, "people")
	var of string
	list := &cobra.Command{
		Use: "list", Short: "List what people ordered: blocks and recalls, and what came of them", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out, err := opBlocks.do(cmd.Context(), g, of)
			if err != nil {
				return err
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), out)
			}
			if len(out) == 0 {
				_, err := fmt.Fprintln(cmd.OutOrStdout(), "Nobody has blocked or recalled anything here.")
				return err
			}
			printDeeds(cmd.OutOrStdout(), out, "")
			return nil
		},
	}
	list.Flags().StringVar(&of, "case", "", "only of this case")
	cmd.AddCommand(list)
	return cmd
}

func signers(in ordering) string {
	if in.Scope == indicator.ScopeDomain && in.Verdict != vedette.Allow || in.How == response.RecallRedaction {
		return "two people"
	}
	return "a person"
}

// orderFor reads what every order in a case has.
func orderFor(cmd *cobra.Command, matter, until string) (in ordering, err error) {
	if matter == "" || until == "" {
		return in, usage(cmd, "--case and --until are needed: which case it is for, and the day on which it ends by itself")
	}
	if in.Case, err = casefile.ParseID(matter); err != nil {
		return in, usage(cmd, "--case: %s", err)
	}
	if in.Until, err = parseDay(until); err != nil {
		return in, usage(cmd, "--until: %s", err)
	}
	// Before anybody signs it for nothing.
	if now := time.Now(); !in.Until.After(now) {
		return in, usage(cmd, "--until %s: it is past; a day in the future, at most 90 days away", until)
	} else if in.Until.After(now.Add(90 * 24 * time.Hour)) {
		return in, usage(cmd, "--until %s: too far away; at most 90 days", until)
	}
	return in, nil
}

// scopeFits says that a link needs the scope of one, where only a name may stand.
func scopeFits(cmd *cobra.Command, value string, scope indicator.Scope) error {
	if strings.Contains(value, "/") && (scope == indicator.ScopeHost || scope == indicator.ScopeDomain) {
		return usage(cmd, "%s is a link: give --scope url or --scope path, or the host alone", link.Defang(value))
	}
	return nil
}

func digestArg(cmd *cobra.Command, s string) (d vedette.Digest, err error) {
	if err = d.UnmarshalText([]byte(s)); err != nil {
		return d, usage(cmd, "%q is no digest: want 64 hexadecimal digits, from \"vedette block list\"", visible(s))
	}
	return d, nil
}

func (g *global) unblock() *cobra.Command {
	var why string
	var s signing
	cmd := &cobra.Command{
		Use:   "unblock DIGEST --why TEXT",
		Short: "Take a block back, with two people's approval",
		Long: `Takes a block back before its end, and tells the platform of the messages that it had changed. That lowers protection, so it takes a reason and two
people. Where another case blocks the same name, that block holds on.`,
		Example: "  vedette block list\n  vedette unblock 0123…cdef --why 'the host is a clinic; we were wrong' --propose act.json",
		Args:    exactly(1, "a block's digest, from \"vedette block list\""),
		RunE: func(cmd *cobra.Command, args []string) error {
			about, err := digestArg(cmd, args[0])
			if err != nil {
				return err
			}
			if strings.TrimSpace(why) == "" {
				return usage(cmd, "--why is needed: why, so that a stranger understands")
			}
			return s.run(cmd, g, opUnblock, ordering{About: about, Why: why}, "two people")
		},
	}
	cmd.Flags().StringVar(&why, "why", "", "why, so that a stranger understands; 10 to 500 characters (needed)")
	s.flags(cmd, "two people")
	return cmd
}

func (g *global) recall() *cobra.Command {
	var matter, until, lift, why string
	var forGood bool
	var s signing
	cmd := &cobra.Command{
		Use:   "recall --case ID --until DAY",
		Short: "Have a warning put before a case's delivered messages, or have them taken away",
		Long: `Asks the platform to put a warning before the links of all delivered messages of what was confirmed or blocked in a case: one person's approval, and it can
be lifted with --lift. With --for-good the messages are taken away from whoever got them; nothing brings them back, so that takes two people. The platform
is asked only as far as actuator:recall is armed ("vedette arm actuator:recall --verdict warn", or block for --for-good).`,
		Example: `  vedette recall --case case_0123456789abc --until 2026-12-01 --propose act.json
  vedette recall --case case_0123456789abc --until 2026-12-01 --approval act.ana.approval
  vedette recall --lift 0123…cdef --why 'the host is a clinic; we were wrong' --propose act.json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if lift != "" {
				about, err := digestArg(cmd, lift)
				if err != nil {
					return err
				}
				if strings.TrimSpace(why) == "" {
					return usage(cmd, "--why is needed with --lift: why, so that a stranger understands")
				}
				return s.run(cmd, g, opUnrecall, ordering{About: about, Why: why}, "two people")
			}
			in, err := orderFor(cmd, matter, until)
			if err != nil {
				return err
			}
			in.How = response.RecallInterstitial
			if forGood {
				in.How = response.RecallRedaction
			}
			return s.run(cmd, g, opRecall, in, signers(in))
		},
	}
	f := cmd.Flags()
	f.StringVar(&matter, "case", "", "the case whose messages are recalled (needed)")
	f.StringVar(&until, "until", "", "day on which the warning goes by itself, at most 90 days away (needed)")
	f.BoolVar(&forGood, "for-good", false, "take the messages away; nothing brings them back")
	f.StringVar(&lift, "lift", "", "take a warning back: the recall's digest, from \"vedette block list\"")
	f.StringVar(&why, "why", "", "with --lift: why, so that a stranger understands")
	s.flags(cmd, "people")
	return cmd
}

func (g *global) halt() *cobra.Command {
	var until, why string
	var s signing
	cmd := &cobra.Command{
		Use:   "halt --until TIME --why TEXT",
		Short: "Stop everything that is told to the platform after delivery: the kill switch",
		Long: `Stops sweeps, deliveries and the stream of changed decisions until a time. Blocks hold on: only what is told afterwards stops. One person's approval is enough
for up to 24 hours, once; two may for longer. It ends by itself, or with "vedette resume".`,
		Example: "  vedette halt --until 2026-11-25T20:00:00Z --why 'a sweep told too much' --propose act.json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if until == "" || strings.TrimSpace(why) == "" {
				return usage(cmd, "--until and --why are needed: when it ends by itself, and why, so that a stranger understands")
			}
			end, err := parseDay(until)
			if err != nil {
				return usage(cmd, "--until: %s", err)
			}
			if !end.After(time.Now()) {
				return usage(cmd, "--until %s: it is past", until)
			}
			return s.run(cmd, g, opHalt, ordering{Until: end, Why: why}, "a person, or two for more than 24 hours,")
		},
	}
	cmd.Flags().StringVar(&until, "until", "", "when it ends by itself, a day or an RFC 3339 time (needed)")
	cmd.Flags().StringVar(&why, "why", "", "why, so that a stranger understands; 10 to 500 characters (needed)")
	s.flags(cmd, "people")
	return cmd
}

func (g *global) resume() *cobra.Command {
	var s signing
	cmd := &cobra.Command{
		Use:     "resume",
		Short:   "Let things be told to the platform again before a halt ends, with two people's approval",
		Long:    "Ends the halt that is in force: one person stops, two start again. What was halted is told from where it stopped.",
		Example: "  vedette resume --propose act.json\n  vedette resume --approval act.ana.approval --approval act.omar.approval",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return s.run(cmd, g, opResume, ordering{}, "two people")
		},
	}
	s.flags(cmd, "two people")
	return cmd
}

func (g *global) changes() *cobra.Command {
	var in changesAsked
	cmd := &cobra.Command{
		Use:   "changes",
		Short: "Read the decisions that were changed after delivery, as the platform gets them",
		Long: `Reads what goes out to the platform as decision.changed (docs/formats/changed.md), in its order. It names messages by the handles of their decisions, and
holds no account, group or link. --after goes on where you stopped. Changes are kept for 90 days.`,
		Example: "  vedette changes --after 120 --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if in.Limit < 1 || in.Limit > response.MaxChunk {
				return usage(cmd, "--limit %d: 1 to %d", in.Limit, response.MaxChunk)
			}
			out, err := opChanges.do(cmd.Context(), g, in)
			if err != nil {
				return err
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), out)
			}
			out.print(cmd.OutOrStdout(), g.paint(cmd), in.After)
			return nil
		},
	}
	cmd.Flags().Uint64Var(&in.After, "after", 0, "go on after this number")
	cmd.Flags().IntVar(&in.Limit, "limit", 100, "how many at most")
	var upto int
	var s signing
	release := &cobra.Command{
		Use:   "release DIGEST --upto N",
		Short: "Let a block or recall change more messages than the breaker lets it, with two people's approval",
		Long: `A cause that would change more delivered messages than it may (1,000; and 10,000 an hour for a tenant) changes none: something wide was blocked, and people must look. Two
people can let it go on, up to a number.`,
		Example: "  vedette changes release 0123…cdef --upto 4000 --propose act.json",
		Args:    exactly(1, "a block's or recall's digest, from \"vedette block list\""),
		RunE: func(cmd *cobra.Command, args []string) error {
			about, err := digestArg(cmd, args[0])
			if err != nil {
				return err
			}
			if upto < 1 || upto > response.MaxRelease {
				return usage(cmd, "--upto: 1 to %s messages", count(response.MaxRelease))
			}
			return s.run(cmd, g, opRelease, ordering{About: about, Upto: upto}, "two people")
		},
	}
	release.Flags().IntVar(&upto, "upto", 0, "how many messages it may change (needed)")
	s.flags(release, "two people")
	cmd.AddCommand(release, g.delivery())
	return cmd
}

func (o *ordered) print(w io.Writer, p paint) {
	d := &o.Deed
	done := map[response.What]string{
		response.WhatBlock: "Blocked", response.WhatUnblock: "Taken back", response.WhatInterstitial: "A warning is ordered before the messages of " + d.Case,
		response.WhatRedaction: "The messages of " + d.Case + " are to be taken away for good", response.WhatUnrecall: "The warning is lifted",
		response.WhatRelease: "Let go on", response.WhatHalt: "Halted: nothing more is told to the platform", response.WhatResume: "Resumed: the platform is told again",
	}[d.What]
	fmt.Fprint(w, p.bold(done))
	if d.Display != "" {
		fmt.Fprintf(w, ": %s (%s)", d.Display, d.Scope)
	}
	if !d.Until.IsZero() {
		fmt.Fprintf(w, ", until %s", moment(d.Until))
	}
	fmt.Fprintf(w, ", by %s", peopleWords(d.People))
	if o.Again {
		fmt.Fprint(w, "; it had been done before")
	}
	fmt.Fprintf(w, "\ndigest %s\n", d.Digest)
	if d.What == response.WhatBlock {
		switch {
		case d.Harmless < 0:
			fmt.Fprintln(w, "How many people it touches cannot be told: more have met it than history keeps.")
		default:
			fmt.Fprintf(w, "It touches at most %s people who met it, its targets among them.\n", count(d.Harmless))
		}
	}
	o.printArmed(w, p)
	if s := o.Swept; s != nil {
		fmt.Fprintf(w, "Swept: the platform is told of %s delivered messages (%s told before). See vedette changes\n", count(s.Changed), count(s.Again))
	}
	if o.Stopped != "" {
		fmt.Fprintln(w, p.red("Not told: ")+o.Stopped)
		if o.Found > 0 {
			fmt.Fprintf(w, "Two people can: vedette changes release %s --upto %d --propose act.json\n", d.Digest, o.Found)
		} else {
			fmt.Fprintln(w, "Do the same again once it has ended, or vedette resume: it tells the rest.")
		}
	}
}

// printArmed says whether what was ordered changes anything yet, and what would let it.
func (o *ordered) printArmed(w io.Writer, p paint) {
	want := map[response.What]string{
		response.WhatBlock: o.Deed.Verdict, response.WhatInterstitial: vedette.Warn.String(), response.WhatRedaction: vedette.Block.String(),
	}[o.Deed.What]
	armed, errArmed := vedette.ParseVerdict(o.Armed)
	asks, errAsks := vedette.ParseVerdict(want)
	switch {
	case errArmed != nil || errAsks != nil || asks == vedette.Allow:
	case armed < asks:
		fmt.Fprintf(w, "%s may answer up to %s: what is told to the platform is what would hold, and is not told again later. Arm it first: vedette arm %s --verdict %s\n", o.Target, p.verdict(armed), o.Target, asks)
	default:
		fmt.Fprintf(w, "%s is armed up to %s.\n", o.Target, p.verdict(armed))
	}
}

func printDeeds(w io.Writer, list []deedShown, indent string) {
	t := newTable(w, indent+"digest", "what", "about", "until", "by", "state")
	for i := range list {
		d := &list[i]
		about := d.Case
		if d.Display != "" {
			about = fmt.Sprintf("%s (%s, %s)", d.Display, d.Scope, d.Verdict)
		}
		state := string(d.State)
		if d.State == response.Complete && !d.Live {
			state = "ended"
		}
		t.row(indent+d.Digest.String(), string(d.What), about, moment(d.Until), peopleWords(d.People), state)
	}
	t.flush()
}

func (r *changesRead) print(w io.Writer, p paint, after uint64) {
	if !r.Halted.IsZero() {
		fmt.Fprintf(w, "%s until %s: the platform gets none of these until then, or vedette resume\n", p.red("Halted"), moment(r.Halted))
	}
	if len(r.Changes) == 0 {
		if after > 0 {
			fmt.Fprintf(w, "No decision was changed after number %d.\n", after)
		} else {
			fmt.Fprintln(w, "No decision was changed after delivery.")
		}
		return
	}
	t := newTable(w, "seq", "at", "event", "was", "is", "would", "cause", "recall")
	for i := range r.Changes {
		c := &r.Changes[i]
		t.row(fmt.Sprint(c.Seq), moment(c.At), c.Event.String(), c.Was.String(), p.verdict(c.Is), c.Would.String(), string(c.Cause), cmp.Or(string(c.Recall), "-"))
	}
	t.flush()
	if last := r.Changes[len(r.Changes)-1].Seq; last < r.Last {
		fmt.Fprintf(w, "… and more: vedette changes --after %d\n", last)
	}
}
