package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette/record/authority"
	"vedette/record/vault"
)

type enrollingAtRisk struct {
	Raw   string    `json:"raw"`
	Until time.Time `json:"until"`
}

// opRiskEnrol tells nothing: neither whether the account was known nor whether it was enrolled before.
var opRiskEnrol = operation[enrollingAtRisk, struct{}]{"risk.enrol", func(ctx context.Context, h *house, in enrollingAtRisk) (struct{}, error) {
	return struct{}{}, h.vault.Enrol(ctx, h.cfg.Tenant, in.Raw, in.Until, vault.NewConsent(time.Now()))
}}

type withdrawing struct {
	Ask       authority.Ask `json:"ask"`
	Raw       string        `json:"raw"`
	Approvals [][]byte      `json:"approvals"`
}

var opRiskWithdraw = operation[withdrawing, struct{}]{"risk.withdraw", func(ctx context.Context, h *house, in withdrawing) (struct{}, error) {
	permit, err := h.people.Permit(ctx, in.Ask, in.Approvals, time.Now().UTC())
	if err != nil {
		return struct{}{}, err
	}
	return struct{}{}, h.vault.Withdraw(ctx, permit, h.cfg.Tenant, in.Raw)
}}

// rawID reads a platform's id from a file or standard input: the command line can be seen by other users of the machine.
func rawID(cmd *cobra.Command, file string) (string, error) {
	if file == "" {
		file = "-"
	}
	raw, _, err := readAll(file, cmd.InOrStdin())
	if err != nil {
		return "", err
	}
	id := strings.TrimSpace(string(raw))
	if id == "" {
		return "", usage(cmd, "no id on standard input")
	}
	return id, nil
}

func (g *global) risk() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "risk",
		Short: "Enrol people at risk who asked for it",
		Long: `Marks an account as a person at risk, who asked for it through the platform. It is a sealed bit that ends by itself, answers one question
about one surrogate, and cannot be listed or exported. No decision uses it; the watch over first contacts asks it, and it never lowers anything.`,
		Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var until, file string
	enrol := &cobra.Command{
		Use: "enrol --until DAY", Short: "Enrol an account; its id is read from standard input", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			end, err := parseDay(until)
			if err != nil {
				return usage(cmd, "--until: %s", err)
			}
			id, err := rawID(cmd, file)
			if err != nil {
				return err
			}
			if _, err := opRiskEnrol.do(cmd.Context(), g, enrollingAtRisk{id, end}); err != nil {
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "enrolled until %s\n", end.Format(time.DateOnly))
			return err
		},
	}
	enrol.Flags().StringVar(&until, "until", "", "day on which it ends, at most a year away (needed)")
	enrol.Flags().StringVar(&file, "id-file", "", "file with the platform's id (default: standard input)")
	var wUntil, wCase, propose, wFile string
	var approvals []string
	withdraw := &cobra.Command{
		Use: "withdraw --case NAME --until DAY", Short: "End an enrolment, with a person's approval", Args: cobra.NoArgs,
		Long: "Ends an enrolment before its time. Lowering protection is harm, so it takes a permit, and that it was asked is recorded.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := readConfig(g)
			if err != nil {
				return err
			}
			end, err := parseDay(wUntil)
			if err != nil {
				return usage(cmd, "--until: %s", err)
			}
			ask := authority.Ask{Purpose: authority.PurposeProtect, Tenant: cfg.Tenant, Case: wCase, Until: end}
			if propose != "" {
				act, err := ask.Act()
				if err != nil {
					return err
				}
				return writeAct(cmd, propose, act.Canonical())
			}
			id, err := rawID(cmd, wFile)
			if err != nil {
				return err
			}
			signed, err := readApprovals(approvals)
			if err != nil {
				return err
			}
			if _, err := opRiskWithdraw.do(cmd.Context(), g, withdrawing{ask, id, signed}); err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "the enrolment has ended")
			return err
		},
	}
	f := withdraw.Flags()
	f.StringVar(&wUntil, "until", "", "day on which the permit ends, at most 30 days away (needed)")
	f.StringVar(&wCase, "case", "", "the case that it is for; never a person's name (needed)")
	f.StringVar(&propose, "propose", "", "only write the act, for a person to approve")
	f.StringVar(&wFile, "id-file", "", "file with the platform's id (default: standard input)")
	f.StringArrayVar(&approvals, "approval", nil, "an approval's file")
	cmd.AddCommand(enrol, withdraw)
	return cmd
}
