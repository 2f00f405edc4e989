package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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

// clockAsked is what is noted of a duty, or nothing: then it is only looked at.
type clockAsked struct {
	What   order.Noting       `json:"what,omitempty"`
	Duty   string             `json:"duty,omitempty"`  // of a new clock
	Clock  string             `json:"clock,omitempty"` // of done
	Step   string             `json:"step,omitempty"`
	Matter string             `json:"matter,omitempty"`
	At     time.Time          `json:"at,omitzero"`
	By     authority.PersonID `json:"by,omitempty"`
	Why    string             `json:"why,omitempty"`
}

type clocksShown struct {
	Now    time.Time     `json:"now"`
	Clocks []order.Clock `json:"clocks"`
	Duties []order.Duty  `json:"duties"`
}

// opClocks tells how the duties that people noted stand, by the house's clock, and which duties are known.
var opClocks = operation[struct{}, clocksShown]{"clock.list", func(ctx context.Context, h *house, _ struct{}) (out clocksShown, err error) {
	out.Now = h.now().UTC().Truncate(time.Second)
	d, err := h.duties()
	if err != nil {
		return out, err
	}
	notes, err := h.db.Orders().Notes(ctx)
	if err != nil {
		return out, err
	}
	out.Duties = d.Duties
	out.Clocks, err = order.Reckon(notes, out.Now)
	out.Clocks = append([]order.Clock{}, out.Clocks...)
	return out, err
}}

// duties are those of the house, and over them those of duties.yaml in the folder.
func (h *house) duties() (*order.Duties, error) {
	own := filepath.Join(h.folder.dir, "duties.yaml")
	if _, err := os.Stat(own); errors.Is(err, fs.ErrNotExist) {
		return order.BuiltIn(), nil
	}
	b, err := boundedFile(own)
	if err != nil {
		return nil, err
	}
	d, err := order.ReadDuties(b)
	if err != nil {
		return nil, inFile(own, err)
	}
	return d.Over(order.BuiltIn()), nil
}

// opClockNote adds one note, in the evidence log first.
var opClockNote = operation[clockAsked, order.Clock]{"clock.note", func(ctx context.Context, h *house, in clockAsked) (order.Clock, error) {
	if err := h.enrolled(ctx, in.By); err != nil {
		return order.Clock{}, err
	}
	now := h.now().UTC().Truncate(time.Millisecond)
	if len(in.Why) < 10 || len(in.Why) > 2000 || len(in.Matter) > 200 {
		return order.Clock{}, fmt.Errorf("a reason of 10 to 2000 bytes that a stranger understands, and a matter of at most 200: %w", vedette.ErrInvalid)
	}
	if in.At.After(now.Add(time.Minute)) {
		return order.Clock{}, fmt.Errorf("%s is in the future: what has not happened is not noted: %w", moment(in.At), vedette.ErrInvalid)
	}
	h.entering.Lock()
	defer h.entering.Unlock()
	store := h.db.Orders()
	notes, err := store.Notes(ctx)
	if err != nil {
		return order.Clock{}, err
	}
	n := order.Note{Clock: in.Clock, Number: 1, What: in.What, Matter: in.Matter, Step: in.Step, At: in.At.UTC().Truncate(time.Millisecond), Noted: now, By: string(in.By), Why: in.Why}
	if n.What != order.NoteDone {
		if n.Duties, err = h.dutyAlone(in.Duty); err != nil {
			return order.Clock{}, err
		}
		count := 1
		for _, x := range notes {
			if x.Number == 1 {
				count++
			}
		}
		n.Clock = "clock-" + strconv.Itoa(count)
	} else if n.Number, err = h.fits(notes, &n); err != nil {
		return order.Clock{}, err
	}
	clocks, err := order.Reckon(append(notes, n), now)
	if err != nil {
		return order.Clock{}, err
	}
	i := slices.IndexFunc(clocks, func(c order.Clock) bool { return c.ID == n.Clock })
	if i < 0 {
		return order.Clock{}, fmt.Errorf("no clock %.40q; see vedette clock list: %w", n.Clock, vedette.ErrUnknown)
	}
	c := clocks[i]
	rec := evidence.Record{Kind: evidence.KindClock, At: now, Tenant: h.cfg.Tenant}
	for _, s := range c.Steps {
		if n.What == order.NoteStarted && !s.Deadline.IsZero() {
			rec.Fields = append(rec.Fields, evidence.Field{Name: "deadline", Value: []byte(s.ID + " " + s.Deadline.Format(time.RFC3339))})
			break // the first; the others follow from the duty and the notes
		}
	}
	for _, f := range []struct{ name, value string }{
		{"clock", n.Clock}, {"duty", c.Duty.ID}, {"source", c.Duty.Source}, {"what", string(n.What)}, {"matter", c.Matter}, {"step", n.Step}, {"by", n.By}, {"why", n.Why},
	} {
		if f.value != "" {
			rec.Fields = append(rec.Fields, evidence.Field{Name: f.name, Value: []byte(f.value)})
		}
	}
	if !n.At.IsZero() {
		rec.Fields = append(rec.Fields, evidence.Field{Name: "at", Value: []byte(n.At.Format(time.RFC3339Nano))})
	}
	if _, err := h.proof.Append(ctx, rec); err != nil {
		return c, err
	}
	return c, store.AddNote(ctx, n)
}}

// dutyAlone is a duty with the calendars that it is counted by, as they are read today: a clock that runs is not changed by another file.
func (h *house) dutyAlone(id string) (*order.Duties, error) {
	all, err := h.duties()
	if err != nil {
		return nil, err
	}
	d, err := all.Find(id)
	if err != nil {
		return nil, err
	}
	out := &order.Duties{Format: order.FormatDuties, Duties: []order.Duty{*d}}
	for _, c := range all.Calendars {
		if slices.ContainsFunc(d.Steps, func(s order.Step) bool { return s.Calendar == c.ID }) {
			out.Calendars = append(out.Calendars, c)
		}
	}
	return out, nil
}

// fits tells which number a note of a step has, or why the step cannot be noted.
func (h *house) fits(notes []order.Note, n *order.Note) (int, error) {
	number := 1
	var first *order.Note
	for i := range notes {
		x := &notes[i]
		if x.Clock != n.Clock {
			continue
		}
		number++
		if first == nil {
			first = x
		}
		if x.What == order.NoteDone && x.Step == n.Step {
			return 0, fmt.Errorf("%s of %s was noted as done at %s: %w", n.Step, n.Clock, moment(x.At), vedette.ErrConflict)
		}
	}
	switch {
	case first == nil:
		return 0, fmt.Errorf("no clock %.40q; see vedette clock list: %w", n.Clock, vedette.ErrUnknown)
	case first.What != order.NoteStarted:
		return 0, fmt.Errorf("%s was noted as not triggered; start another one: %w", n.Clock, vedette.ErrInvalid)
	case n.At.Before(first.At):
		return 0, fmt.Errorf("%s is before %s was triggered, %s: %w", moment(n.At), n.Clock, moment(first.At), vedette.ErrInvalid)
	}
	var ids []string
	for _, s := range first.Duties.Duties[0].Steps {
		if s.ID == n.Step {
			return number, nil
		}
		ids = append(ids, s.ID)
	}
	return 0, fmt.Errorf("%s has no step %.40q, it has %s: %w", n.Clock, n.Step, strings.Join(ids, ", "), vedette.ErrUnknown)
}

func (g *global) clock() *cobra.Command {
	cmd := &cobra.Command{
		Use: "clock", Short: "Keep the clocks of duties to report, and what did not trigger one", Aliases: []string{"clocks"},
		Long: `Keeps one clock for each duty to report and each trigger: GDPR 33, NIS2 23, DSA 18, CRA 14, SEC 8-K 1.05, and what counsel adds in duties.yaml of the
data folder (docs/formats/duty.md). A person says that a duty was triggered, when and why, or that it was not, because. It reports nothing to anybody, and it is a
reading of the law that counsel must confirm.`,
		Example: "  vedette clock list\n  vedette clock start nis2-23 --matter case_0123456789abc --at 2026-11-20T10:00:00Z --by ana --why 'aware of a significant incident'",
		Args:    noArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(g.clockList(), g.clockNew("start", order.NoteStarted), g.clockNew("not-triggered", order.NoteNotTriggered), g.clockDone())
	return cmd
}

func (g *global) clockList() *cobra.Command {
	var duties bool
	cmd := &cobra.Command{
		Use: "list", Short: "List the clocks, what is due when, and what needs a reminder", Args: noArgs,
		Long: `Lists the clocks with their steps. A step that should be thought of now is marked. Exit code 3 when one is overdue, so that a timer of yours can tell
somebody. --duties lists the duties that are known, with their sources.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out, err := opClocks.do(cmd.Context(), g, struct{}{})
			if err != nil {
				return err
			}
			late := slices.ContainsFunc(out.Clocks, func(c order.Clock) bool {
				return slices.ContainsFunc(c.Steps, func(d order.Due) bool { return d.State == "overdue" })
			})
			w, p := cmd.OutOrStdout(), g.paint(cmd)
			switch {
			case g.json:
				err = printJSON(w, out)
			case duties:
				for _, d := range out.Duties {
					fmt.Fprintf(w, "%s  %s\n  %s\n  when %s\n  to %s\n", p.bold(d.ID), visible(d.Name), visible(d.Source), visible(d.Trigger), visible(d.To))
					for _, s := range d.Steps {
						from := ""
						if s.From != "" {
							from = " after " + s.From
						}
						fmt.Fprintf(w, "  - %s: %s%s: %s\n", s.ID, s.After, from, visible(s.What))
					}
					fmt.Fprintf(w, "  %s\n", p.amber(visible(d.Confirm)))
				}
				return nil
			case len(out.Clocks) == 0:
				_, err = fmt.Fprintln(w, "No clock. See vedette clock list --duties, and clock start --help")
			default:
				for i := range out.Clocks {
					printClock(cmd, p, &out.Clocks[i], out.Now)
				}
			}
			if err == nil && late {
				return &exit{code: exitFinding}
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&duties, "duties", false, "list the duties that are known")
	return cmd
}

func printClock(cmd *cobra.Command, p paint, c *order.Clock, now time.Time) {
	w := cmd.OutOrStdout()
	switch c.State {
	case order.NoteNotTriggered:
		fmt.Fprintf(w, "%s  %s, %s: not triggered, because %s  (%s, %s)\n", p.bold(c.ID), c.Duty.ID, visible(c.Matter), visible(c.Why), c.By, moment(c.Noted))
		return
	default:
		fmt.Fprintf(w, "%s  %s, %s: triggered at %s: %s  (%s)\n", p.bold(c.ID), c.Duty.ID, visible(c.Matter), moment(c.Triggered), visible(c.Why), c.By)
	}
	t := newTable(w)
	for _, s := range c.Steps {
		state := s.State
		switch {
		case s.State == "due" || s.State == "overdue":
			left := s.Deadline.Sub(now)
			state = fmt.Sprintf("%s at %s", s.State, moment(s.Deadline))
			if left >= 0 {
				state += ", in " + roughly(left)
			}
		case !s.Done.IsZero():
			state += " " + moment(s.Done)
		case s.State == "waiting":
			state += " for " + s.From
		case s.Why != "":
			state += ": " + visible(s.Why)
		}
		mark := ""
		if s.Remind {
			mark = "<- now"
		}
		t.row("  "+s.ID, visible(s.What), state, mark)
	}
	t.flush()
	fmt.Fprintf(w, "  %s: %s\n", visible(c.Duty.Source), visible(c.Duty.Confirm))
}

func (g *global) clockNew(verb string, what order.Noting) *cobra.Command {
	var matter, when, by, why string
	started := what == order.NoteStarted
	cmd := &cobra.Command{
		Use: verb + " DUTY --matter TEXT --by NAME --why TEXT", Short: map[bool]string{true: "Note that a duty was triggered, when and why", false: "Note that a duty was not triggered, because"}[started],
		Long: map[bool]string{
			true:  "Notes that a duty to report was triggered: --at is when what triggers it happened (awareness, determination), which is not always when it is noted.",
			false: "Notes that somebody looked, and that a duty was not triggered: --why is the reason that an authority would ask for. It can be started later all the same.",
		}[started],
		Args: exactly(1, "a duty's id, from \"vedette clock list --duties\""),
		RunE: func(cmd *cobra.Command, args []string) error {
			if matter == "" || by == "" || why == "" || started && when == "" {
				return usage(cmd, "--matter, --by and --why are needed%s", map[bool]string{true: ", and --at: when it was triggered"}[started])
			}
			in := clockAsked{What: what, Duty: args[0], Matter: matter, By: authority.PersonID(by), Why: why}
			if started {
				var err error
				if in.At, err = time.Parse(time.RFC3339, when); err != nil {
					return usage(cmd, "--at: %q is no time like 2026-11-20T10:00:00Z", when)
				}
			}
			return g.noteClock(cmd, in)
		},
	}
	f := cmd.Flags()
	f.StringVar(&matter, "matter", "", "what it is about: a case's id, or words (needed)")
	f.StringVar(&by, "by", "", "your short name, as enrolled (needed)")
	f.StringVar(&why, "why", "", "why, so that a stranger understands (needed)")
	if started {
		f.StringVar(&when, "at", "", "when it was triggered, RFC 3339 (needed)")
	} else {
		f.StringVar(&why, "because", "", "the same as --why")
	}
	return cmd
}

func (g *global) clockDone() *cobra.Command {
	var step, when, by, why string
	cmd := &cobra.Command{
		Use: "done CLOCK --step ID --by NAME --why TEXT", Short: "Note that a step of a duty was done",
		Long: "Notes that a step was done, when (default: now), and under which reference: --why names it.",
		Args: exactly(1, "a clock's id, from \"vedette clock list\""),
		RunE: func(cmd *cobra.Command, args []string) error {
			if step == "" || by == "" || why == "" {
				return usage(cmd, "--step, --by and --why are needed: which step, who says so, under which reference")
			}
			in := clockAsked{What: order.NoteDone, Clock: args[0], Step: step, By: authority.PersonID(by), Why: why, At: time.Now().UTC()}
			if when != "" {
				var err error
				if in.At, err = time.Parse(time.RFC3339, when); err != nil {
					return usage(cmd, "--at: %q is no time like 2026-11-20T10:00:00Z", when)
				}
			}
			return g.noteClock(cmd, in)
		},
	}
	f := cmd.Flags()
	f.StringVar(&step, "step", "", "the step's id (needed)")
	f.StringVar(&when, "at", "", "when it was done, RFC 3339 (default: now)")
	f.StringVar(&by, "by", "", "your short name, as enrolled (needed)")
	f.StringVar(&why, "why", "", "under which reference, in words (needed)")
	return cmd
}

func (g *global) noteClock(cmd *cobra.Command, in clockAsked) error {
	c, err := opClockNote.do(cmd.Context(), g, in)
	if err != nil {
		return err
	}
	if g.json {
		return printJSON(cmd.OutOrStdout(), c)
	}
	printClock(cmd, g.paint(cmd), &c, time.Now())
	return nil
}
