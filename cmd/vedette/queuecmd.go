package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette/act/casefile"
	"vedette/watch/sentry"
)

// queueShown is a day's first contacts with what people need to look at them. It has neither senders nor whom they reached.
type queueShown struct {
	Day    time.Time   `json:"day"`
	Leads  []leadShown `json:"leads"`
	Left   int         `json:"left"`
	Latest time.Time   `json:"latest,omitzero"`
	Silent string      `json:"silent"`
}

type leadShown struct {
	sentry.Lead
	Case  casefile.ID `json:"case,omitempty"`
	Known []cellLink  `json:"known_links"`
}

var opWatchQueue = operation[time.Time, queueShown]{"watch.queue", func(ctx context.Context, h *house, day time.Time) (queueShown, error) {
	if err := h.settleWatch(ctx); err != nil {
		return queueShown{}, err
	}
	d, err := h.sentry.Queue(ctx, day)
	if err != nil {
		return queueShown{}, err
	}
	out := queueShown{Day: d.Day, Leads: []leadShown{}, Left: d.Left, Latest: d.Latest, Silent: d.Silent}
	for _, l := range d.Leads {
		w := sentry.Whole{Told: []sentry.Told{l.Told}}
		x := leadShown{Lead: l}
		if x.Case, err = h.caseOf(ctx, &w); err != nil {
			return out, err
		}
		if x.Known, err = h.cellLinks(ctx, &w, w.Links()); err != nil {
			return out, err
		}
		out.Leads = append(out.Leads, x)
	}
	return out, nil
}}

func (g *global) watchQueue() *cobra.Command {
	var day string
	cmd := &cobra.Command{
		Use: "queue", Short: "Show a day's first contacts that look aimed, the strongest first; never whom they reached",
		Long: `The first contacts of one day, UTC, that were told of: as many as a week's budget allows, the strongest first, and how many more there were. Each with why, in
words; its links as tokens, and as names where an indicator knows them; the rehearsal that led to it, and its case. Senders and whom they reached are told for the
case alone, with two people's approval: vedette campaign show --help.`,
		Example: "  vedette watch queue\n  vedette watch queue --day 2026-12-01 --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var at time.Time
			if day != "" {
				var err error
				if at, err = parseDay(day); err != nil {
					return usage(cmd, "--day: %s", err)
				}
			}
			out, err := opWatchQueue.do(cmd.Context(), g, at)
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
	cmd.Flags().StringVar(&day, "day", "", "the day (default: that of the latest event)")
	return cmd
}

func (q *queueShown) print(w io.Writer, p paint) {
	day := q.Day.Format(time.DateOnly)
	switch {
	case len(q.Leads) > 0:
		fmt.Fprintf(w, "First contacts told of on %s: %s", p.bold(day), count(len(q.Leads)))
		if q.Left > 0 {
			fmt.Fprintf(w, ", the strongest; %s more remain: vedette watch cells", count(q.Left))
		}
		fmt.Fprintln(w)
	case q.Silent != "":
		fmt.Fprintf(w, "%s: %s\n", p.amber("No first contact is told of"), q.Silent)
	case q.Latest.IsZero():
		fmt.Fprintf(w, "No first contact was told of on %s, nor on another day.\n", day)
	default:
		fmt.Fprintf(w, "No first contact was told of on %s. The latest day with one: vedette watch queue --day %s\n", day, q.Latest.Format(time.DateOnly))
	}
	for _, l := range q.Leads {
		fmt.Fprintf(w, "\n%s  %.1f bits, %s, %s, told %s, judged: %s\n", p.bold(short(l.ID)), bits(l.Score), l.Queue, counted(l.Members, "sender", "senders"), l.To.Format("15:04"), l.Judged)
		for _, r := range l.Reasons {
			if r.Rule == "targeting/path" || r.Rule == "targeting/what-this-is" { // said below, once
				continue
			}
			if r.Weight != 0 {
				fmt.Fprintf(w, "  %5.1f bits  %s\n", bits(r.Weight), r.Text)
			} else {
				fmt.Fprintf(w, "              %s\n", r.Text)
			}
		}
		for _, x := range l.Known {
			line := x.Token
			if len(x.Known) > 0 {
				line = strings.Join(x.Known, ", ") + " (" + x.Token + ")"
			}
			fmt.Fprintln(w, "  link  "+line)
		}
		if !l.Cell.IsZero() {
			fmt.Fprintf(w, "  path  from the rehearsal of cell %s: vedette watch show %s\n", short(l.Cell), short(l.Cell))
		}
		if l.Case != "" {
			fmt.Fprintf(w, "  case  %s\n", l.Case)
		}
	}
	if len(q.Leads) > 0 {
		fmt.Fprintln(w, p.dim("\nA lead, nobody's guilt, and no ground to act on anybody. Judge each within a week: vedette watch judge NAME. Whom they reached is told for the case, to two people."))
	}
}
