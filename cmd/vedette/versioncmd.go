package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"vedette/inline/decision"
	"vedette/link"
)

func (g *global) version() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Say which build this is",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b := thisBuild()
			b.Lists = link.ListsVersion()
			if rules, err := decision.Load(decision.Starter()); err == nil {
				b.Rules = rules.Digest().String()
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), b)
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "vedette %s %s (%s)\nlink tables %s\nstarter rules %s\n", b.Version, b.Revision, b.Go, b.Lists, b.Rules)
			return err
		},
	}
}
