package main

import (
	"context"
	"fmt"
	"iter"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette"
	"vedette/act/casefile"
	"vedette/record/enrichment"
	"vedette/record/evidence"
	"vedette/record/indicator"
	"vedette/watch/attribution"
)

var opAttribute = operation[casefile.ID, attribution.Assessment]{"attribute", func(ctx context.Context, h *house, id casefile.ID) (attribution.Assessment, error) {
	if err := h.settle(ctx); err != nil {
		return attribution.Assessment{}, err
	}
	whole, err := h.cases.Get(ctx, id)
	if err != nil {
		return attribution.Assessment{}, err
	}
	now := h.now().UTC().Truncate(time.Second)
	ev := attribution.Evidence{Context: attribution.Context{Case: string(id), First: whole.First, At: now}}
	for _, n := range caseNames(whole) {
		host, _, _ := strings.Cut(n.Value, "/")
		ev.Hosts = append(ev.Hosts, host)
		facts, err := h.facts.Of(ctx, host)
		if err != nil {
			return attribution.Assessment{}, err
		}
		ev.Facts = append(ev.Facts, facts...)
	}
	for _, x := range whole.Hosts {
		ev.Hosts = append(ev.Hosts, x.Host)
	}
	knowledge, err := h.knowledge(ctx)
	if err != nil {
		return attribution.Assessment{}, err
	}
	a := knowledge.Weigh(ev, attribution.Params{})
	_, err = h.proof.Append(ctx, evidence.Record{Kind: evidence.KindAttr, At: now, Tenant: h.cfg.Tenant, Fields: []evidence.Field{
		{Name: "case", Value: []byte(id)}, {Name: "assessment", Value: []byte(a.Text())},
	}})
	return a, err
}}

// knowledge is what the lists of this house say about operators.
func (h *house) knowledge(ctx context.Context) (*attribution.Knowledge, error) {
	var list []indicator.Indicator
	for in, err := range h.known.Known(ctx, time.Time{}) {
		if err != nil {
			return nil, err
		}
		if in.Source != "cases" { // our own blocks are no publication
			list = append(list, in)
		}
	}
	var facts iter.Seq[enrichment.Fact]
	var failed error
	if n, err := h.facts.Names(ctx); err != nil {
		return nil, err
	} else if n > 0 {
		facts = func(yield func(enrichment.Fact) bool) {
			for _, in := range list {
				host, _, _ := strings.Cut(in.Value, "/")
				fs, err := h.facts.Of(ctx, host)
				if err != nil {
					failed = err
					return
				}
				for _, f := range fs {
					if !yield(f) {
						return
					}
				}
			}
		}
	}
	k := attribution.Learn(func(yield func(indicator.Indicator) bool) {
		for _, in := range list {
			if !yield(in) {
				return
			}
		}
	}, attribution.Options{Facts: facts, Guard: h.guardNow()})
	return k, failed
}

func (g *global) attribute() *cobra.Command {
	var lint bool
	cmd := &cobra.Command{
		Use:   "attribute CASE",
		Short: "Weigh who may stand behind a case, against all others",
		Long: `Three separate claims: which campaign, whose tooling, which customer. Each holds every operator that a list names, an operator not known
here, an imitator, commodity phishing and an ordinary site side by side, with what each piece of evidence says for each. "Unknown" is the default and wins
on thin evidence. It is a lead for people: nothing acts on it.

With --lint FILE it reads an analyst's own text instead, and names words of confidence and likelihood that stand wrongly.`,
		Example: "  vedette attribute case_0123456789abc --json\n  vedette attribute --lint memo.txt",
		Args:    atMostOne,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage(cmd, "a case's id, or --lint and a file")
			}
			if lint {
				return g.lint(cmd, args[0])
			}
			id, err := casefile.ParseID(args[0])
			if err != nil {
				return err
			}
			out, err := opAttribute.do(cmd.Context(), g, id)
			if err != nil {
				return err
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), out)
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), out.Text())
			return err
		},
	}
	cmd.Flags().BoolVar(&lint, "lint", false, "read a text and name what is said wrongly in it")
	return cmd
}

func (g *global) lint(cmd *cobra.Command, path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("%w: %w", err, vedette.ErrInvalid)
	}
	found := attribution.Lint(string(b))
	if g.json {
		if found == nil {
			found = []attribution.Finding{}
		}
		if err := printJSON(cmd.OutOrStdout(), found); err != nil {
			return err
		}
	} else {
		for _, f := range found {
			fmt.Fprintf(cmd.OutOrStdout(), "%s:%d:%d: %s: %q; %s\n", path, f.Line, f.Column, f.Rule, f.Text, f.Instead)
		}
	}
	if len(found) > 0 {
		return &exit{code: exitFinding}
	}
	return nil
}
