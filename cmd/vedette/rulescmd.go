package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"vedette"
	"vedette/inline/decision"
)

// ruleSet loads rules without opening the folder's stores: a folder that a server owns, a folder of rule files, or the starter set.
func (g *global) ruleSet(args []string) (*decision.RuleSet, string, error) {
	if len(args) > 0 {
		if !isDir(args[0]) {
			return nil, "", fmt.Errorf("%s is no folder of rule files: %w", args[0], vedette.ErrInvalid)
		}
		rs, err := decision.Load(os.DirFS(args[0]))
		return rs, args[0], err
	}
	cfg, err := readConfig(g)
	if err != nil {
		return nil, "", err
	}
	h := &house{folder: &folder{dir: g.data}, cfg: cfg}
	rs, err := h.loadRules()
	return rs, h.rulesFrom(), err
}

func (g *global) rules() *cobra.Command {
	cmd := &cobra.Command{Use: "rules", Short: "Test, explain and load the rules", Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	test := &cobra.Command{
		Use:   "test [FOLDER]",
		Short: "Load rules and run their examples",
		Long:  "Loads the rule files of a folder (default: the rules in force) and runs every example. Exits with 3 when one fails.",
		Args:  atMostOne,
		RunE: func(cmd *cobra.Command, args []string) error {
			rs, from, err := g.ruleSet(args)
			if err != nil {
				return err
			}
			results := rs.Test(cmd.Context())
			failed := 0
			for _, r := range results {
				if !r.Pass {
					failed++
				}
			}
			if g.json {
				err = printJSON(cmd.OutOrStdout(), map[string]any{"from": from, "rules": rs.Len(), "examples": len(results), "failed": failed, "results": results})
			} else {
				w := cmd.OutOrStdout()
				for _, r := range results {
					if !r.Pass {
						fmt.Fprintf(w, "FAIL %s %s: %s\n  got  %s\n  want %s\n", r.Place, r.Rule, r.Example, r.Got, r.Want)
					}
				}
				fmt.Fprintf(w, "%d rules from %s, %d examples, %d failed\n", rs.Len(), from, len(results), failed)
			}
			if err == nil && failed > 0 {
				return &exit{code: exitFinding}
			}
			return err
		},
	}
	explain := &cobra.Command{
		Use:   "explain RULE",
		Short: "Say what a rule does, whom it spares and whom it costs",
		Args:  exactly(1, "the name of a rule; \"vedette rules list\" has them"),
		RunE: func(cmd *cobra.Command, args []string) error {
			rs, _, err := g.ruleSet(nil)
			if err != nil {
				return err
			}
			if g.json {
				info, err := rs.Rule(vedette.RuleID(args[0]))
				if err != nil {
					return err
				}
				return printJSON(cmd.OutOrStdout(), info)
			}
			text, err := rs.Explain(vedette.RuleID(args[0]))
			if err != nil {
				return err
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), text)
			return err
		},
	}
	list := &cobra.Command{
		Use:   "list",
		Short: "List the rules in force",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			rs, from, err := g.ruleSet(nil)
			if err != nil {
				return err
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), map[string]any{"from": from, "digest": rs.Digest(), "rules": rs.Report()})
			}
			t := newTable(cmd.OutOrStdout(), "rule", "asks for", "mode", "cost bound", "what it is")
			for _, r := range rs.Report() {
				t.row(strings.TrimPrefix(string(r.ID), "rule:"), r.Verdict.String(), r.Mode, fmt.Sprint(r.Cost), r.Title)
			}
			t.flush()
			fmt.Fprintf(cmd.OutOrStdout(), "from %s\n", from)
			return nil
		},
	}
	reload := &cobra.Command{
		Use:   "reload",
		Short: "Put changed rule files in force, without a pause",
		Long:  "Loads the folder's rules again. When one of them is wrong nothing changes, and every mistake is listed.",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out, err := opReload.do(cmd.Context(), g, struct{}{})
			if err != nil {
				return err
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), out)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "generation %s is in force: %d rules, %s indicators\n", out.Generation, out.Rules, count(out.Indicators))
			return err
		},
	}
	cmd.AddCommand(test, explain, list, reload)
	return cmd
}

// inForce tells what judges from now on.
type inForce struct {
	Generation string `json:"generation"`
	Rules      int    `json:"rules"`
	Indicators int    `json:"indicators"`
}

func (h *house) inForce() inForce {
	return inForce{h.judging.Load().generation.ID().String(), h.judging.Load().rules.Len(), h.judging.Load().set.Len()}
}

var opReload = operation[struct{}, inForce]{"rules.reload", func(ctx context.Context, h *house, _ struct{}) (inForce, error) {
	if err := h.reload(ctx); err != nil {
		return inForce{}, err
	}
	return h.inForce(), nil
}}

// rulesFrom says where the rules in force come from.
func (h *house) rulesFrom() string {
	switch dir := h.rulesDir(); dir {
	case "":
		return "the starter set of this build"
	default:
		return dir
	}
}
