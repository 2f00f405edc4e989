package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette"
	"vedette/act/casefile"
	"vedette/edge/franking"
	"vedette/edge/intake"
	"vedette/record/journal"
)

// submitted is what became of a report, for the people of the house: a reporter is told none of it.
type submitted struct {
	ID    string          `json:"id"`
	Event vedette.EventID `json:"event"`
	New   bool            `json:"new"`
	Grade casefile.Grade  `json:"grade"`
	Why   string          `json:"why"`
	Cases []casefile.Case `json:"cases"`
}

var opReport = operation[[]byte, submitted]{"report.submit", func(ctx context.Context, h *house, body []byte) (submitted, error) {
	door, err := intake.New(intake.Config{Budget: h.cfg.Sequence.Budget}, intake.Deps{
		Gate: h.seq, Sealers: func(t vedette.Tenant) (intake.Sealer, error) { return h.vault.Tenant(t) }, Keys: h.machines,
		Find: func(ctx context.Context, t vedette.Tenant, id vedette.EventID) (journal.Entry, error) {
			return h.journal.Find(ctx, t, id, time.Time{})
		},
		Reports: h.cases, Franking: h.franking, Logger: h.log, Now: h.now,
	})
	if err != nil {
		return submitted{}, err
	}
	f, err := door.File(ctx, h.cfg.Tenant, string(h.cfg.Tenant), body)
	if err != nil {
		return submitted{}, err
	}
	out := submitted{ID: f.ID, Event: f.Event, New: f.New, Grade: f.Grade, Why: f.Why, Cases: []casefile.Case{}}
	seen := map[casefile.ID]bool{}
	for _, id := range f.Cases {
		if seen[id] {
			continue
		}
		seen[id] = true
		whole, err := h.cases.Get(ctx, id)
		if err != nil {
			return out, err
		}
		out.Cases = append(out.Cases, whole.Case)
	}
	return out, nil
}}

func (g *global) report() *cobra.Command {
	cmd := &cobra.Command{
		Use: "report", Short: "Hand over what a user reported",
		Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	submit := &cobra.Command{
		Use:   "submit FILE",
		Short: "Take one report, as POST /v1/reports does",
		Long: `Takes one report, in the form of POST /v1/reports (docs/formats/report.md; also gzipped; - is standard input). It goes the same way: read
strictly, graded by what proves that the message was sent, through the gate, into the book of cases. Each name that its links are about is a lead,
or joins one. The message that was opened is sealed for its case.

What is printed is for you. The reporter, who may be the operator, is told that the report was taken and nothing else.`,
		Example: "  vedette report submit report.json\n  vedette case list",
		Args:    exactly(1, "a file with one report, or - for standard input"),
		RunE: func(cmd *cobra.Command, args []string) error {
			body, name, err := readAll(args[0], cmd.InOrStdin())
			if err != nil {
				return err
			}
			if body, err = unpackReport(body); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			out, err := opReport.do(cmd.Context(), g, body)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), out)
			}
			out.print(cmd.OutOrStdout(), g.paint(cmd))
			return nil
		},
	}
	keys := &cobra.Command{
		Use: "keys", Short: "Look at the keys by which the platform tags what it carries",
		Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	keys.AddCommand(&cobra.Command{
		Use:     "check FILE",
		Short:   "Say whether a file of franking keys can be read, and which keys it has for this tenant",
		Long:    "Reads a file of franking keys as the server would (docs/formats/franking.md), and prints the ids of this tenant's keys. It prints no key.",
		Example: "  vedette report keys check franking.keys",
		Args:    exactly(1, "a file of keys"),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := readConfig(g)
			if err != nil {
				return err
			}
			ring, err := franking.ReadKeys(args[0])
			if err != nil {
				return err
			}
			list, err := ring.FrankingKeys(cfg.Tenant)
			if errors.Is(err, vedette.ErrUnknown) {
				return fmt.Errorf("%s: no key of tenant %s, so no report could be franked; each line is: tenant, id, 32 bytes in base64: %w", args[0], cfg.Tenant, vedette.ErrInvalid)
			}
			if err != nil {
				return err
			}
			ids := make([]string, len(list))
			for i, k := range list {
				ids[i] = k.ID
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), map[string]any{"tenant": cfg.Tenant, "keys": ids, "in_use": cfg.Franking == args[0]})
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s of tenant %s: %s\n", counted(len(ids), "key", "keys"), cfg.Tenant, strings.Join(ids, ", "))
			if cfg.Franking == "" {
				fmt.Fprintf(cmd.OutOrStdout(), "Not in use yet. Put into the configuration: franking: %s\n", args[0])
			}
			return nil
		},
	})
	cmd.AddCommand(submit, keys)
	return cmd
}

// unpackReport takes a report out of gzip, when it is packed, up to one byte more than a report may have.
func unpackReport(b []byte) ([]byte, error) {
	if len(b) < 2 || b[0] != 0x1f || b[1] != 0x8b {
		return b, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err == nil {
		b, err = io.ReadAll(io.LimitReader(z, intake.MaxReport+1))
	}
	if err != nil {
		return nil, fmt.Errorf("not whole gzip: %w", errors.Join(err, vedette.ErrInvalid))
	}
	return b, nil
}

func (s *submitted) print(w io.Writer, p paint) {
	again := ""
	if !s.New {
		again = ", known before"
	}
	fmt.Fprintf(w, "%s taken%s: %s (%s)\n", p.bold("Report "+visible(s.ID)), again, s.Grade, s.Why)
	fmt.Fprintf(w, "event %s\n", s.Event)
	if len(s.Cases) == 0 {
		fmt.Fprintln(w, "It names no link, so it opens no case.")
		return
	}
	t := newTable(w, "case", "about", "state", "weight", "reporters", "best")
	for _, c := range s.Cases {
		t.row(string(c.ID), about(&c), stateWord(c.State), weight(c.Weight), count(c.Voices), gradeWord(c.Best))
	}
	t.flush()
	fmt.Fprintf(w, "Next: vedette case show %s\n", s.Cases[0].ID)
}
