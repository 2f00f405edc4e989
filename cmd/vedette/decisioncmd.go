package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette"
	"vedette/inline/decision"
)

// shown is one recorded decision, with all that it depended on.
type shown struct {
	Event      string           `json:"event"`
	Position   string           `json:"position"`
	Kind       string           `json:"kind"`
	At         time.Time        `json:"at"`
	Seen       time.Time        `json:"seen"`
	Tier       string           `json:"tier"`
	Verdict    string           `json:"verdict"`
	Would      string           `json:"would"`
	Degraded   []string         `json:"degraded"`
	Reasons    []reasonOut      `json:"reasons"`
	Links      []shaped         `json:"links"`
	Measures   []map[string]any `json:"measures"`
	Watch      string           `json:"watch,omitempty"` // what a watch entry's reason rests on
	Generation string           `json:"generation"`
	Took       string           `json:"took"`
	Again      again            `json:"again"`
}

// again is the decision computed once more from what the journal keeps.
type again struct {
	Generation string `json:"generation"`
	Same       bool   `json:"same_generation"`
	Would      string `json:"would"`
	Text       string `json:"text"`
}

type showing struct {
	Tenant vedette.Tenant `json:"tenant"`
	ID     string         `json:"id"`
}

var opShow = operation[showing, shown]{"decision.show", showDecision}

func showDecision(ctx context.Context, h *house, in showing) (shown, error) {
	var id vedette.EventID
	if err := id.UnmarshalText([]byte(in.ID)); err != nil {
		s, err := h.vault.Tenant(in.tenant(h))
		if err != nil {
			return shown{}, err
		}
		id = s.EventID(in.ID)
	}
	e, err := h.journal.Find(ctx, in.tenant(h), id, time.Time{})
	if err != nil {
		if errors.Is(err, vedette.ErrUnknown) {
			return shown{}, fmt.Errorf("no decision about this event: never sent here, or longer ago than %s: %w", days(h.cfg.Retention), vedette.ErrUnknown)
		}
		return shown{}, err
	}
	d := &e.Decision
	out := shown{
		Event: e.Event.ID.String(), Position: e.Position.String(), Kind: e.Event.Kind().String(), At: e.Event.At, Seen: e.Event.Seen,
		Tier: e.Event.Tier.String(), Verdict: d.Verdict.String(), Would: d.Would.String(), Degraded: append([]string{}, d.Degraded.Names()...),
		Reasons: reasonsOut(d.Reasons), Generation: d.Generation.String(), Took: d.Took.String(), Links: []shaped{}, Measures: []map[string]any{},
	}
	for _, l := range e.Event.Links() {
		out.Links = append(out.Links, shapeOut(l.Shape))
	}
	for i := range e.Measures {
		m := map[string]any{}
		for k := vedette.Measure(0); k < vedette.MeasureCount; k++ {
			if v, ok := e.Measures[i].Get(k); ok {
				m[k.String()] = v
			}
		}
		out.Measures = append(out.Measures, m)
	}
	gen := h.judging.Load().generation
	for _, r := range d.Reasons {
		if links := e.Event.Links(); r.Rule == vedette.RuleWatch && int(r.Link) < len(links) {
			out.Watch = "A group that looks like a rehearsal was among the first to meet this link, so the watch asked the gate to warn strangers of it: at most a warning, at most 72 hours, within a budget of warnings. It is a lead, and nobody's guilt."
			if w, ok := gen.Watched(&links[r.Link], e.Event.At); ok {
				out.Watch += " vedette watch show " + short(w.Cell)
			} else {
				out.Watch += " The entry has ended since."
			}
		}
	}
	re := gen.Decide(&decision.Input{Event: &e.Event, Measures: e.Measures, Missing: missing(d), Hindsight: e.Event.Source == vedette.SourceReplay})
	out.Again = again{Generation: gen.ID().String(), Same: gen.ID() == d.Generation, Would: re.Would.String()}
	switch {
	case re.Would == d.Would && out.Again.Same:
		out.Again.Text = "judged again from the journal by the same generation: the same"
	case re.Would == d.Would:
		out.Again.Text = "judged again from the journal by today's generation: the same"
	case out.Again.Same:
		out.Again.Text = "judged again from the journal's tokens by the same generation: " + re.Would.String() +
			"; an indicator for a path or for part of a domain can be found by the URL alone, which is not kept"
	default:
		out.Again.Text = "judged again from the journal by today's generation: " + re.Would.String()
	}
	return out, nil
}

func (in showing) tenant(h *house) vedette.Tenant {
	if in.Tenant != "" {
		return in.Tenant
	}
	return h.cfg.Tenant
}

func (g *global) decision() *cobra.Command {
	cmd := &cobra.Command{Use: "decision", Short: "Explain a recorded decision", Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	var tenant string
	show := &cobra.Command{
		Use:   "show ID",
		Short: "Show one decision: what was asked, measured, answered, and why",
		Long: `Shows the decision about one event, named by the platform's own id or by the evt_… of the answer. There is no way to list
events by person. The decision is judged once more from what the journal keeps.`,
		Args: exactly(1, "the platform's id of an event, or its evt_…"),
		RunE: func(cmd *cobra.Command, args []string) error {
			out, err := opShow.do(cmd.Context(), g, showing{vedette.Tenant(tenant), args[0]})
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
	show.Flags().StringVar(&tenant, "tenant", "", "the tenant (default: the configured one)")
	cmd.AddCommand(show)
	return cmd
}

func (s *shown) print(w io.Writer, p paint) {
	v, _ := vedette.ParseVerdict(s.Verdict)
	would, _ := vedette.ParseVerdict(s.Would)
	fmt.Fprintf(w, "%s  %s at %s, %s\n", p.verdict(v), s.Kind, s.At.Format(time.RFC3339), s.Event)
	if would > v {
		fmt.Fprintf(w, "Judged %s; answered %s, since what spoke was not armed.\n", p.verdict(would), p.verdict(v))
	}
	for _, r := range s.Reasons {
		shadow := ""
		if r.Shadow {
			shadow = ", in shadow: counted only"
		}
		fmt.Fprintf(w, "  %-5s %5.1f bits  %s (%s%s)\n", r.Verdict, r.Bits, r.Text, r.Rule, shadow)
	}
	if s.Watch != "" {
		fmt.Fprintln(w, "  "+s.Watch)
	}
	if len(s.Reasons) == 0 {
		fmt.Fprintln(w, "  nothing spoke against it")
	}
	if len(s.Degraded) > 0 {
		fmt.Fprintf(w, "Given without: %s\n", strings.Join(s.Degraded, ", "))
	}
	for i, m := range s.Measures {
		fmt.Fprintf(w, "\nMeasured for link %d, before the event itself counted:\n", i)
		t := newTable(w)
		for k := vedette.Measure(0); k < vedette.MeasureCount; k++ {
			if v, ok := m[k.String()]; ok {
				t.row("  "+k.String(), fmt.Sprint(v))
			}
		}
		t.flush()
		if i < len(s.Links) && len(s.Links[i].Properties) > 0 {
			fmt.Fprintf(w, "  shape: %s\n", strings.Join(s.Links[i].Properties, ", "))
		}
	}
	fmt.Fprintf(w, "\n%s\nJournal position %s, generation %s, waited %s.\n", s.Again.Text, s.Position, s.Generation, s.Took)
}
