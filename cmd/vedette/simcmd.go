package main

import (
	"bufio"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"vedette"
	"vedette/link"
	"vedette/sim"
)

func (g *global) sim() *cobra.Command {
	cmd := &cobra.Command{
		Use: "sim", Short: "Write streams of events whose truth is known",
		Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var o sim.OverlayOptions
	var start, end, out, truth, facts string
	overlay := &cobra.Command{
		Use:   "overlay --conversation FILE --hosts FILE --out FILE --truth FILE",
		Short: "Lay known bad hosts and harmless links over real conversations",
		Long: `Writes events with the timing and structure of real conversations, with harmless links, and with known bad hosts at known places in
every spelling that slips past a careless reader; the truth is written beside it. Metadata and made-up names only: no text. The same seed
gives the same bytes.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			for _, d := range []struct {
				name, text string
				to         *time.Time
			}{{"start", start, &o.Start}, {"end", end, &o.End}} {
				if d.text != "" {
					if *d.to, err = parseDay(d.text); err != nil {
						return usage(cmd, "--%s: %s", d.name, err)
					}
				}
			}
			if out == "" || truth == "" {
				return usage(cmd, "--out and --truth are needed")
			}
			o.Registrable = link.Registrable
			fo, err := os.Create(out)
			if err != nil {
				return fmt.Errorf("%w: %w", err, vedette.ErrInvalid)
			}
			defer func() { _ = fo.Close() }()
			ft, err := os.Create(truth)
			if err != nil {
				return fmt.Errorf("%w: %w", err, vedette.ErrInvalid)
			}
			defer func() { _ = ft.Close() }()
			wo, wt := bufio.NewWriterSize(fo, 1<<20), bufio.NewWriter(ft)
			var ff *os.File
			if facts != "" {
				if ff, err = os.Create(facts); err != nil {
					return fmt.Errorf("%w: %w", err, vedette.ErrInvalid)
				}
				defer func() { _ = ff.Close() }()
				o.Facts = ff
			}
			rep, err := sim.Overlay(cmd.Context(), wo, wt, o)
			if err != nil {
				return err
			}
			ends := []func() error{wo.Flush, wt.Flush, fo.Close, ft.Close}
			if ff != nil {
				ends = append(ends, ff.Close)
			}
			for _, f := range ends {
				if err := f(); err != nil {
					return err
				}
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), rep)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s events, %s harmless links, %s bad names injected in %s places, %s to %s\n",
				count(rep.Events), count(rep.Links), count(rep.Targets), count(rep.Injected), rep.First.Format(time.DateOnly), rep.Last.Format(time.DateOnly))
			return err
		},
	}
	f := overlay.Flags()
	f.Uint64Var(&o.Seed, "seed", 1, "the same seed gives the same bytes")
	f.StringArrayVar(&o.Conversations, "conversation", nil, "file of a real conversation; may be given again")
	f.StringArrayVar(&o.Links, "links", nil, "file of harmless links; may be given again")
	f.StringVar(&o.Hosts, "hosts", "", "list of known bad names: CSV with a value column, or one a line")
	f.StringVar(&start, "start", "", "time of the first message (default: as in the source)")
	f.StringVar(&end, "end", "", "time of the last message")
	f.IntVar(&o.LinkEvery, "link-every", 8, "messages for each message with links")
	f.BoolVar(&o.AllLinks, "all-links", false, "write every link of every file at least once")
	f.IntVar(&o.Each, "each", 0, "spellings of each bad name (default: all)")
	f.StringArrayVar(&o.Variants, "variant", nil, "spellings to use (default: all)")
	f.StringArrayVar(&o.Operators, "operator", nil, "only bad names of these operators")
	f.BoolVar(&o.Aged, "aged", false, "people have been on the platform for longer than the stream lasts")
	f.IntVar(&o.Campaigns, "campaigns", 0, "lay this many campaigns over the conversations instead of single links")
	f.StringArrayVar(&o.CampaignKinds, "campaign-kind", nil, "kinds of campaigns, in turn: one-time, family, infra, shared, cell (default: all)")
	f.StringVar(&facts, "facts", "", "file for made-up facts about the campaigns' hosts and many others")
	f.BoolVar(&o.URLs, "urls", false, "inject listed URLs too")
	f.BoolVar(&o.Popular, "popular", false, "inject also what the list marks as popular")
	f.IntVar(&o.Messages, "messages", 0, "messages to use at most (default: all)")
	f.StringVar(&out, "out", "", "file for the events (needed)")
	f.StringVar(&truth, "truth", "", "file for the truth (needed)")
	cmd.AddCommand(overlay, g.react())
	return cmd
}
