package main

import (
	"context"
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
	"vedette/record/indicator"
)

type caseList struct {
	States []casefile.State `json:"states"`
	Limit  int              `json:"limit"`
}

var opCases = operation[caseList, []casefile.Case]{"case.list", func(ctx context.Context, h *house, in caseList) ([]casefile.Case, error) {
	if err := h.settle(ctx); err != nil {
		return nil, err
	}
	list, err := h.cases.List(ctx, casefile.Filter{Tenant: h.cfg.Tenant, States: in.States, Limit: in.Limit})
	return append([]casefile.Case{}, list...), err
}}

// caseShown is a case with everything about it that names nobody.
type caseShown struct {
	casefile.Whole
	Times  casefile.Times `json:"times"`
	Blocks []deedShown    `json:"blocks"`
}

var opCase = operation[casefile.ID, caseShown]{"case.show", func(ctx context.Context, h *house, id casefile.ID) (caseShown, error) {
	if err := h.settle(ctx); err != nil {
		return caseShown{}, err
	}
	whole, err := h.aCase(ctx, id)
	if err != nil {
		return caseShown{}, err
	}
	out := caseShown{Whole: whole, Blocks: []deedShown{}}
	if out.Times, err = h.cases.Clock(ctx, id); err != nil {
		return out, err
	}
	out.Blocks, err = h.deedsOf(ctx, string(id))
	return out, err
}}

// aCase finds a case, and says where to look when there is none.
func (h *house) aCase(ctx context.Context, id casefile.ID) (casefile.Whole, error) {
	whole, err := h.cases.Get(ctx, id)
	if errors.Is(err, vedette.ErrUnknown) || err == nil && whole.Tenant != h.cfg.Tenant {
		return casefile.Whole{}, fmt.Errorf("no case %s; see vedette case list: %w", id, vedette.ErrUnknown)
	}
	return whole, err
}

type confirming struct {
	Case      casefile.ID           `json:"case"`
	What      casefile.Confirmation `json:"what"`
	Approvals [][]byte              `json:"approvals,omitempty"`
	Propose   bool                  `json:"propose,omitempty"`
}

type confirmed struct {
	Act    []byte               `json:"act,omitempty"`
	Case   casefile.ID          `json:"case"`
	Host   string               `json:"display"` // defanged
	Scope  string               `json:"scope"`
	People []authority.PersonID `json:"people"`
}

var opConfirm = operation[confirming, confirmed]{"case.confirm", func(ctx context.Context, h *house, in confirming) (confirmed, error) {
	if err := h.settle(ctx); err != nil {
		return confirmed{}, err
	}
	if _, err := h.aCase(ctx, in.Case); err != nil {
		return confirmed{}, err
	}
	value, err := indicator.Canonical(in.What.Value, in.What.Scope)
	if err != nil {
		return confirmed{}, err
	}
	out := confirmed{Case: in.Case, Host: link.Defang(value), Scope: in.What.Scope.String()}
	if in.Propose {
		act, err := h.cases.ConfirmAct(ctx, in.Case, in.What)
		out.Act = act.Canonical()
		return out, err
	}
	out.People, err = h.cases.Confirm(ctx, in.Case, in.What, in.Approvals...)
	return out, err
}}

type moving struct {
	Case casefile.ID        `json:"case"`
	To   casefile.State     `json:"to"`
	By   authority.PersonID `json:"by"`
	Why  string             `json:"why"`
}

var opMove = operation[moving, casefile.Case]{"case.move", func(ctx context.Context, h *house, in moving) (casefile.Case, error) {
	if err := h.settle(ctx); err != nil {
		return casefile.Case{}, err
	}
	if _, err := h.aCase(ctx, in.Case); err != nil {
		return casefile.Case{}, err
	}
	people, err := h.people.People(ctx)
	if err != nil {
		return casefile.Case{}, err
	}
	// A log by people who don't exist would be worth nothing. It is no signature: these steps harm nobody.
	if !slices.ContainsFunc(people, func(p authority.Person) bool { return p.ID == in.By && p.Revoked.IsZero() }) {
		return casefile.Case{}, fmt.Errorf("nobody is enrolled as %q; see vedette person list: %w", in.By, vedette.ErrInvalid)
	}
	move, ok := map[casefile.State]func(context.Context, casefile.ID, casefile.Note) error{
		casefile.Open: h.cases.TakeUp, casefile.Contained: h.cases.Contain, casefile.Swept: h.cases.Sweep, casefile.Closed: h.cases.Close,
	}[in.To]
	if !ok {
		return casefile.Case{}, fmt.Errorf("a case cannot be moved to %q: %w", in.To, vedette.ErrInvalid)
	}
	if err := move(ctx, in.Case, casefile.Note{By: in.By, Why: in.Why}); err != nil {
		return casefile.Case{}, err
	}
	whole, err := h.cases.Get(ctx, in.Case)
	return whole.Case, err
}}

func (g *global) caseCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use: "case", Short: "Look at leads and cases, and move them on", Aliases: []string{"cases"},
		Long: `A report or a hit opens a lead about one name: a domain, a host, a party on a shared host, or one link. Enough weight makes a case of it, or a
person who takes it up. A person's signature confirms that a name is bad; then it is blocked, the past is swept, and the case is closed.
There is no account in a case: whom it is about takes a permit ("vedette hunt --case").`,
		Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(g.caseList(), g.caseShow(), g.caseConfirm(),
		g.caseMove("take-up", casefile.Open, "Make a case of a lead", "somebody looks at it from now on"),
		g.caseMove("contain", casefile.Contained, "Note that what was confirmed is blocked", "the blocks have their own approvals: vedette block --help"),
		g.caseMove("sweep", casefile.Swept, "Note that the past was asked who else was reached", "the question itself is vedette hunt --case"),
		g.caseMove("close", casefile.Closed, "End a case", "it lifts no block; new reports can make it a lead again"))
	return cmd
}

func (g *global) caseList() *cobra.Command {
	var states []string
	var limit int
	cmd := &cobra.Command{
		Use: "list", Short: "List leads and cases, the heaviest first", Args: noArgs,
		Long: `Lists leads and cases by weight: how many people report it who are independent of one another, how well they are known, and what proves that the
message was sent. 1.0 is one such reporter whose report the platform's tag proves.`,
		Example: "  vedette case list\n  vedette case list --state confirmed --state contained",
		RunE: func(cmd *cobra.Command, _ []string) error {
			in := caseList{Limit: limit}
			if limit < 1 || limit > 1000 {
				return usage(cmd, "--limit %d: 1 to 1000", limit)
			}
			for _, s := range states {
				st, err := parseState(s)
				if err != nil {
					return usage(cmd, "--state: %s", err)
				}
				in.States = append(in.States, st)
			}
			out, err := opCases.do(cmd.Context(), g, in)
			if err != nil {
				return err
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), out)
			}
			w := cmd.OutOrStdout()
			if len(out) == 0 {
				_, err := fmt.Fprintln(w, "No lead and no case. Reports open them: vedette report submit FILE")
				return err
			}
			t := newTable(w, "case", "about", "state", "weight", "reporters", "best", "last report")
			for i := range out {
				c := &out[i]
				t.row(string(c.ID), about(c), stateWord(c.State), weight(c.Weight), count(c.Voices), gradeWord(c.Best), moment(c.Last))
			}
			t.flush()
			return nil
		},
	}
	cmd.Flags().StringArrayVar(&states, "state", nil, "lead, case, confirmed, contained, swept or closed; may be given again (default: all that are not closed)")
	cmd.Flags().IntVar(&limit, "limit", 40, "how many at most")
	return cmd
}

func (g *global) caseShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show a case: its log, hosts, weight, blocks and times; never an account",
		Example: "  vedette case show case_0123456789abc --json",
		Args:    exactly(1, "a case's id, from \"vedette case list\""),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := casefile.ParseID(args[0])
			if err != nil {
				return usage(cmd, "%s", err)
			}
			out, err := opCase.do(cmd.Context(), g, id)
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
}

func (g *global) caseConfirm() *cobra.Command {
	var host, scope, corroboration, propose string
	var approvals []string
	cmd := &cobra.Command{
		Use:   "confirm ID --host HOST",
		Short: "Confirm, by a person's signature, that a name is bad",
		Long: `Confirms that a name which was reported is bad: a host unless --scope says more or less. One enrolled person signs it: write the act with --propose,
sign it with "vedette approve", and confirm with the approval. What no report proves to have been sent needs --corroboration: what else speaks for it,
in your words, so that a stranger understands. It stops nothing yet: see "vedette block".`,
		Example: `  vedette case confirm case_0123456789abc --host 'evil[.]example' --propose act.json
  vedette approve act.json --person ana --person-key ana.key
  vedette case confirm case_0123456789abc --host 'evil[.]example' --approval act.ana.approval`,
		Args: exactly(1, "a case's id, from \"vedette case list\""),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := casefile.ParseID(args[0])
			if err != nil {
				return usage(cmd, "%s", err)
			}
			if host == "" {
				return usage(cmd, "--host is needed: which name is bad")
			}
			in := confirming{Case: id, What: casefile.Confirmation{Value: link.Refang(host), Corroboration: corroboration}, Propose: propose != ""}
			if in.What.Scope, err = indicator.ParseScope(scope); err != nil {
				return usage(cmd, "--scope: %s", err)
			}
			if err := scopeFits(cmd, in.What.Value, in.What.Scope); err != nil {
				return err
			}
			if in.Approvals, err = readApprovals(approvals); err != nil {
				return err
			}
			out, err := opConfirm.do(cmd.Context(), g, in)
			if err != nil {
				return unsigned(err, "a person", in.Propose || len(approvals) > 0)
			}
			w := cmd.OutOrStdout()
			switch {
			case in.Propose:
				return writeActFor(cmd, propose, out.Act, "one person signs it")
			case g.json:
				return printJSON(w, out)
			}
			fmt.Fprintf(w, "Confirmed in %s by %s: %s (%s)\n", out.Case, peopleWords(out.People), out.Host, out.Scope)
			fmt.Fprintf(w, "Next: vedette block '%s' --scope %s --case %s --until DAY --propose FILE\n", out.Host, out.Scope, out.Case)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&host, "host", "", "the host, domain, link or path; defanged or not (needed)")
	f.StringVar(&scope, "scope", "host", "host, domain, url or path")
	f.StringVar(&corroboration, "corroboration", "", "what besides reports speaks for it; needed where no report is franked")
	f.StringVar(&propose, "propose", "", "only write the act to this file, for a person to sign")
	f.StringArrayVar(&approvals, "approval", nil, "an approval's file")
	return cmd
}

func (g *global) caseMove(verb string, to casefile.State, short, note string) *cobra.Command {
	var by, why string
	cmd := &cobra.Command{
		Use:     verb + " ID --by NAME --why TEXT",
		Short:   short,
		Long:    short + ": " + note + ". It goes into the case's log and into the evidence log.",
		Example: fmt.Sprintf("  vedette case %s case_0123456789abc --by ana --why 'two reports, one operator'", verb),
		Args:    exactly(1, "a case's id, from \"vedette case list\""),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := casefile.ParseID(args[0])
			if err != nil {
				return usage(cmd, "%s", err)
			}
			if by == "" || strings.TrimSpace(why) == "" {
				return usage(cmd, "--by and --why are needed: your short name, and why, so that a stranger understands")
			}
			out, err := opMove.do(cmd.Context(), g, moving{id, to, authority.PersonID(by), why})
			if err != nil {
				return err
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), out)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s (%s) is %s now\n", out.ID, about(&out), stateWord(out.State))
			return err
		},
	}
	cmd.Flags().StringVar(&by, "by", "", "your short name, as enrolled (needed)")
	cmd.Flags().StringVar(&why, "why", "", "why, so that a stranger understands (needed)")
	return cmd
}

func (c *caseShown) print(w io.Writer, p paint) {
	fmt.Fprintf(w, "%s  %s\n", p.bold(string(c.ID)), about(&c.Case))
	fmt.Fprintf(w, "%s since %s; weight %s by %s apart, of %s", stateWord(c.State), moment(c.Changed), weight(c.Weight), counted(c.Voices, "reporter who counts", "reporters who count"), counted(c.Reports, "report", "reports"))
	if c.Best > 0 {
		fmt.Fprintf(w, ", the best %s", c.Best)
	}
	if c.Findings > 0 {
		fmt.Fprintf(w, "; %s of detectors", counted(c.Findings, "finding", "findings"))
	}
	fmt.Fprintln(w)
	if c.Shared > 0 {
		fmt.Fprintf(w, "%s of the reporters agreed that others get it\n", count(c.Shared))
	}
	fmt.Fprintln(w, "\nHosts of what was reported")
	if len(c.Hosts) == 0 {
		fmt.Fprintln(w, "  none is known: only tokens were told")
	}
	t := newTable(w)
	for _, x := range c.Hosts {
		t.row("  "+x.Display, counted(x.Reports, "report", "reports"))
	}
	t.flush()
	fmt.Fprintln(w, "\nLog")
	t = newTable(w)
	for _, s := range c.Log {
		what := s.Why
		if s.Display != "" {
			what = fmt.Sprintf("%s (%s): %s", s.Display, s.Scope, what)
		}
		t.row("  "+moment(s.At), stateWord(s.State), strings.Join(s.By, ", "), visible(what))
	}
	t.flush()
	if len(c.Blocks) > 0 {
		fmt.Fprintln(w, "\nBlocks and recalls")
		printDeeds(w, c.Blocks, "  ")
	}
	fmt.Fprintln(w, "\nTimes of the loop")
	t = newTable(w)
	for _, x := range []struct {
		name string
		at   time.Time
	}{
		{"reported", c.Times.Reported},
		{"confirmed", c.Times.Confirmed},
		{"blocked", c.Times.Blocked},
		{"swept", c.Times.Swept},
		{"closed", c.Times.Closed},
	} {
		if !x.at.IsZero() {
			after := ""
			if d := x.at.Sub(c.Times.Reported); !c.Times.Reported.IsZero() && d > 0 {
				after = roughly(d) + " after the first report"
			}
			t.row("  "+x.name, moment(x.at), after)
		}
	}
	t.flush()
}

// about says what a case is about, for people. A link may name a person, so it is not shown.
func about(c *casefile.Case) string {
	switch {
	case c.Display != "":
		return c.Display
	case c.Kind == "url":
		return "one link"
	case c.Kind == "finding":
		return "a finding"
	}
	return "a " + c.Kind + " known by its token alone"
}

// stateWord is a state as people say it: a signal is a lead.
func stateWord(s casefile.State) string {
	if s == casefile.Signal {
		return "lead"
	}
	return string(s)
}

func parseState(s string) (casefile.State, error) {
	if s == "lead" {
		return casefile.Signal, nil
	}
	st, err := casefile.ParseState(s)
	if err != nil {
		return "", fmt.Errorf("%q: lead, case, confirmed, contained, swept or closed", s)
	}
	return st, nil
}

func gradeWord(g casefile.Grade) string {
	if g == 0 {
		return "-"
	}
	return g.String()
}

func weight(v casefile.Voices) string { return fmt.Sprintf("%.2f", float64(v)/1000) }

func moment(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

// roughly writes how long something took: to the second below a day, else in days and hours.
func roughly(d time.Duration) string {
	if d < 24*time.Hour {
		return d.Round(time.Second).String()
	}
	h := int(d.Round(time.Hour) / time.Hour)
	return fmt.Sprintf("%s, %d h", counted(h/24, "day", "days"), h%24)
}

func peopleWords(ids []authority.PersonID) string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = string(id)
	}
	return strings.Join(out, " and ")
}

// writeActFor writes an act for people to sign, and says how many.
func writeActFor(cmd *cobra.Command, path string, act []byte, who string) error {
	if err := writeFile(path, act); err != nil {
		return err
	}
	_, err := fmt.Fprintf(cmd.OutOrStdout(), "wrote %s; %s: vedette approve %s --person NAME --person-key FILE\n", path, who, path)
	return err
}

// answered records a question to authority with its answer, before anything is done. It returns the refusal, if that is the answer.
func (h *house) answered(ctx context.Context, asked authority.Asked, refusal error) error {
	if asked.Given = refusal == nil; refusal != nil {
		asked.Why = refusal.Error()
	}
	if err := h.proof.recorder(h.db.People()).Record(ctx, asked); err != nil {
		return err
	}
	return refusal
}
