package main

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette"
	"vedette/record/authority"
	"vedette/record/evidence"
	"vedette/record/order"
)

// assertionShown is what somebody asserted of an order, clause by clause, and what courts found since.
type assertionShown struct {
	Asserted vedette.Digest `json:"asserted"` // of what was signed
	Order    string         `json:"order"`
	Version  int            `json:"version"`
	By       string         `json:"by"`
	At       time.Time      `json:"at"`
	Acts     []string       `json:"acts"`
	Clauses  []clauseStatus `json:"clauses"`
	Record   uint64         `json:"record"` // in the evidence log
}

type clauseStatus struct {
	Clause  string              `json:"clause"`
	Status  string              `json:"status"`
	Finding *order.CourtFinding `json:"finding,omitempty"`
}

// opOrderAssertions reads from the evidence log what was asserted: there is no other list of it.
var opOrderAssertions = operation[struct{}, []assertionShown]{"order.assertions", func(ctx context.Context, h *house, _ struct{}) ([]assertionShown, error) {
	return h.assertions(ctx)
}}

func (h *house) assertions(ctx context.Context) ([]assertionShown, error) {
	log, err := h.proof.get()
	if err != nil {
		return nil, err
	}
	out := []assertionShown{}
	for k, err := range log.Read(ctx, 0) {
		if err != nil {
			return nil, err
		}
		get := func(name string) string { b, _ := k.Get(name); return string(b) }
		var id vedette.Digest
		if k.Kind != evidence.KindOrder || get("asserted") == "" || id.UnmarshalText([]byte(get("asserted"))) != nil {
			continue
		}
		clauses := strings.Split(get("clauses"), ",")
		if get("court") == "" {
			a := assertionShown{Asserted: id, Order: get("id"), By: get("by"), At: k.At, Acts: strings.Split(get("acts"), ","), Record: k.Index}
			a.Version, _ = strconv.Atoi(get("version")) // written by us; 0 shows what was erased
			said, err := order.Assertion{}.Assert(a.By, id)
			if err != nil {
				return nil, err
			}
			for _, c := range clauses {
				a.Clauses = append(a.Clauses, clauseStatus{Clause: c, Status: said.Words()})
			}
			out = append(out, a)
			continue
		}
		for i := range out {
			a := &out[i]
			if a.Asserted != id {
				continue
			}
			said, err := order.Assertion{}.Assert(a.By, id)
			if err != nil {
				return nil, err
			}
			f := order.CourtFinding{Court: get("court"), Instrument: get("instrument"), Outcome: order.Outcome(get("outcome"))}
			if said, err = said.Enter(f); err != nil {
				return nil, err
			}
			for c := range a.Clauses {
				if slices.Contains(clauses, a.Clauses[c].Clause) {
					a.Clauses[c].Status, a.Clauses[c].Finding = said.Words(), &f
				}
			}
		}
	}
	return out, nil
}

type entering struct {
	Asserted  string             `json:"asserted"` // its digest, or the beginning of it
	Clauses   []string           `json:"clauses"`
	Finding   order.CourtFinding `json:"finding"`
	Approvals [][]byte           `json:"approvals,omitempty"`
	Propose   bool               `json:"propose,omitempty"`
}

type entered struct {
	Act []byte `json:"act,omitempty"`
	assertionShown
}

// opOrderFinding enters a court's finding about clauses of what was asserted: a person signs court, paper, outcome and clauses.
var opOrderFinding = operation[entering, entered]{"order.finding", func(ctx context.Context, h *house, in entering) (out entered, err error) {
	list, err := h.assertions(ctx)
	if err != nil {
		return out, err
	}
	list = slices.DeleteFunc(list, func(a assertionShown) bool {
		return len(in.Asserted) < 8 || !strings.HasPrefix(a.Asserted.String(), strings.ToLower(in.Asserted))
	})
	if len(list) != 1 {
		return out, fmt.Errorf("%d assertions begin with %q, of which 8 digits are needed; see vedette order assertions: %w", len(list), in.Asserted, vedette.ErrUnknown)
	}
	a := &list[0]
	said, err := order.Assertion{}.Assert(a.By, a.Asserted)
	if err == nil {
		_, err = said.Enter(in.Finding)
	}
	if err != nil {
		return out, err
	}
	slices.Sort(in.Clauses)
	in.Clauses = slices.Compact(in.Clauses)
	for _, c := range in.Clauses {
		if !slices.ContainsFunc(a.Clauses, func(s clauseStatus) bool { return s.Clause == c }) {
			return out, fmt.Errorf("nothing was asserted there of a clause %.40q: %w", c, vedette.ErrUnknown)
		}
	}
	act, err := authority.NewAct(map[string]any{
		"act": "order.finding", "tenant": h.cfg.Tenant, "asserted": a.Asserted, "clauses": in.Clauses, "court": in.Finding.Court, "instrument": in.Finding.Instrument, "outcome": in.Finding.Outcome,
	})
	if err != nil || in.Propose {
		out.Act = act.Canonical()
		return out, err
	}
	now := h.now().UTC().Truncate(time.Millisecond)
	people, refusal := h.people.ApprovedBy(ctx, act, in.Approvals, now, 1)
	if err := h.answered(ctx, authority.Asked{At: now, What: "order.finding", Tenant: h.cfg.Tenant, People: people, Act: act.Digest()}, refusal); err != nil {
		return out, err
	}
	_, err = h.proof.Append(ctx, evidence.Record{Kind: evidence.KindOrder, At: now, Tenant: h.cfg.Tenant, Fields: []evidence.Field{
		{Name: "id", Value: []byte(a.Order)},
		{Name: "asserted", Value: []byte(a.Asserted.String())},
		{Name: "clauses", Value: []byte(strings.Join(in.Clauses, ","))},
		{Name: "court", Value: []byte(in.Finding.Court)},
		{Name: "instrument", Value: []byte(in.Finding.Instrument)},
		{Name: "outcome", Value: []byte(in.Finding.Outcome)},
		{Name: "by", Value: []byte(peopleWords(people))},
	}})
	if err != nil {
		return out, err
	}
	list, err = h.assertions(ctx)
	for _, x := range list {
		if x.Asserted == a.Asserted {
			out.assertionShown = x
		}
	}
	return out, err
}}

func (g *global) orderAssertions() *cobra.Command {
	return &cobra.Command{
		Use: "assertions", Short: "List what somebody asserted of an order, clause by clause, and what a court found", Args: noArgs,
		Long: "Lists, from the evidence log, which element tests somebody signed, and where each clause stands: asserted and alleged, until a court's finding is entered.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			out, err := opOrderAssertions.do(cmd.Context(), g, struct{}{})
			if err != nil {
				return err
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), out)
			}
			if len(out) == 0 {
				_, err := fmt.Fprintln(cmd.OutOrStdout(), "Nobody has asserted anything. See vedette order hold --help")
				return err
			}
			for i := range out {
				printAssertion(cmd, g.paint(cmd), &out[i])
			}
			return nil
		},
	}
}

func printAssertion(cmd *cobra.Command, p paint, a *assertionShown) {
	w := cmd.OutOrStdout()
	fmt.Fprintf(w, "%s  %s, version %d, by %s, %s: %s\n", p.bold(a.Asserted.String()[:12]), a.Order, a.Version, a.By, moment(a.At), strings.Join(a.Acts, ", "))
	t := newTable(w)
	for _, c := range a.Clauses {
		t.row("  "+c.Clause, visible(c.Status))
	}
	t.flush()
}

func (g *global) orderFinding() *cobra.Command {
	var court, instrument, outcome, propose string
	var clauses, approvals []string
	cmd := &cobra.Command{
		Use: "finding ASSERTED --clause ID --court NAME --instrument PAPER --outcome OUTCOME", Short: "Enter what a court found of an assertion",
		Long: `Enters a court's finding about clauses of what somebody asserted: the court, the paper, and whether it was found or not found. Only this ends "alleged". One
person signs it (--propose, "vedette approve", --approval); a later finding, as on appeal, takes the place of an earlier one, and both stay in the evidence log.`,
		Example: "  vedette order finding 0123456789ab --clause C4 --court 'Example District Court' --instrument 'docket entry 900' --outcome found --propose act.json",
		Args:    exactly(1, "the beginning of an assertion's digest, from \"vedette order assertions\""),
		RunE: func(cmd *cobra.Command, args []string) error {
			if court == "" || instrument == "" || len(clauses) == 0 {
				return usage(cmd, "--clause, --court and --instrument are needed: what was found of which clause, by whom, in which paper")
			}
			if outcome != string(order.Found) && outcome != string(order.NotFound) {
				return usage(cmd, "--outcome %q: found, or 'not found'", outcome)
			}
			signed, err := readApprovals(approvals)
			if err != nil {
				return err
			}
			in := entering{args[0], clauses, order.CourtFinding{Court: court, Instrument: instrument, Outcome: order.Outcome(outcome)}, signed, propose != ""}
			out, err := opOrderFinding.do(cmd.Context(), g, in)
			switch {
			case err != nil:
				return unsigned(err, "a person", propose != "" || len(signed) > 0)
			case propose != "":
				return writeActFor(cmd, propose, out.Act, "one person signs it, with the court's paper at hand")
			case g.json:
				return printJSON(cmd.OutOrStdout(), out.assertionShown)
			}
			printAssertion(cmd, g.paint(cmd), &out.assertionShown)
			return nil
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&clauses, "clause", nil, "a clause that it is about (needed)")
	f.StringVar(&court, "court", "", "the court (needed)")
	f.StringVar(&instrument, "instrument", "", "the paper: docket entry, date (needed)")
	f.StringVar(&outcome, "outcome", "", "found, or 'not found' (needed)")
	f.StringVar(&propose, "propose", "", "only write the act to this file, for a person to sign")
	f.StringArrayVar(&approvals, "approval", nil, "an approval's file")
	return cmd
}
