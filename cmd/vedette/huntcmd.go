package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"vedette"
	"vedette/act/casefile"
	"vedette/link"
	"vedette/record/authority"
	"vedette/record/indicator"
	"vedette/watch/hunt"
)

// hunting is what a hunt asks for. With approvals it asks for people.
type hunting struct {
	Question  hunt.Question  `json:"question"`
	By        string         `json:"by"`
	Ask       *authority.Ask `json:"ask,omitempty"`
	Approvals [][]byte       `json:"approvals,omitempty"`
	Keep      bool           `json:"keep,omitempty"`
	Until     time.Time      `json:"until,omitzero"` // of a standing hunt
	Again     string         `json:"again,omitempty"`
}

// hunted is the answer: for nobody in particular, or with people under labels.
type hunted struct {
	hunt.Answer
	Revealed *revealed `json:"revealed,omitempty"`
	Kept     int       `json:"kept,omitempty"`
	Standing string    `json:"standing,omitempty"`
}

// revealed is what a permit opens, with people and groups under labels of this answer.
type revealed struct {
	Case      string        `json:"case"`
	People    hunt.People   `json:"people"`
	Targets   []labelled    `json:"targets"`
	Senders   []labelled    `json:"senders"`
	Groups    []labelled    `json:"groups"`
	Names     []foundName   `json:"names"`
	Sightings []sighted     `json:"sightings"`
	First     time.Time     `json:"first,omitzero"`
	Last      time.Time     `json:"last,omitzero"`
	Cut       bool          `json:"cut,omitzero"`
	Damage    []hunt.Damage `json:"damage,omitempty"`
}

type labelled struct {
	Label string    `json:"label"`
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
	What  string    `json:"what"`
}

type foundName struct {
	Name      string      `json:"name"`
	Scope     string      `json:"scope"`
	Note      string      `json:"note,omitzero"`
	Sightings int         `json:"sightings"`
	People    hunt.People `json:"people"`
	Senders   int         `json:"senders"`
	First     time.Time   `json:"first,omitzero"`
	Last      time.Time   `json:"last,omitzero"`
}

type sighted struct {
	At      time.Time       `json:"at"`
	What    string          `json:"what"`
	From    string          `json:"from"`
	To      string          `json:"to,omitzero"`
	Group   string          `json:"group,omitzero"`
	Verdict vedette.Verdict `json:"verdict"`
	Would   vedette.Verdict `json:"would"`
}

type costing struct {
	Cost    hunt.Cost      `json:"cost"`
	Refused []hunt.Refused `json:"refused"`
}

var opHuntCost = operation[hunt.Question, costing]{"hunt.cost", func(ctx context.Context, h *house, q hunt.Question) (costing, error) {
	if err := h.settle(ctx); err != nil {
		return costing{}, err
	}
	c, refused, err := h.hunter.Cost(ctx, q)
	return costing{c, refused}, err
}}

var opHunt = operation[hunting, hunted]{"hunt.ask", func(ctx context.Context, h *house, in hunting) (hunted, error) {
	if err := h.settle(ctx); err != nil {
		return hunted{}, err
	}
	switch {
	case in.Ask != nil:
		return h.reveal(ctx, in)
	case in.Again != "":
		a, err := h.hunter.Again(ctx, in.Again, in.By, h.progress)
		return hunted{Answer: a}, err
	case !in.Until.IsZero():
		s, a, err := h.hunter.Stand(ctx, h.backed(ctx, in.Question), in.By, in.Until, h.progress)
		return hunted{Answer: a, Standing: s.ID}, err
	}
	a, err := h.hunter.Ask(ctx, h.backed(ctx, in.Question), in.By, h.progress)
	return hunted{Answer: a}, explainRefused(a.Refused, err)
}}

// MarshalJSON writes empty lists as lists.
func (o hunted) MarshalJSON() ([]byte, error) {
	type plain hunted
	x := plain(o)
	if x.Names == nil {
		x.Names = []hunt.NameAnswer{}
	}
	if x.Refused == nil {
		x.Refused = []hunt.Refused{}
	}
	if x.Damage == nil {
		x.Damage = []hunt.Damage{}
	}
	if x.Leads == nil {
		x.Leads = []vedette.Digest{}
	}
	return json.Marshal(x)
}

// explainRefused says why each name was refused: the error alone would not.
func explainRefused(refused []hunt.Refused, err error) error {
	if err == nil || len(refused) == 0 {
		return err
	}
	for i, r := range refused {
		if i == 10 {
			return fmt.Errorf("%w\n  … and %d more", err, len(refused)-10)
		}
		err = fmt.Errorf("%w\n  %s (%s): %s", err, r.Display, r.Scope, defanged(r.Why, r.Display))
	}
	return err
}

// backed adds who calls the names bad, as far as this house knows: a hit on what two sources or a very good one say opens a lead.
func (h *house) backed(ctx context.Context, q hunt.Question) hunt.Question {
	for _, n := range q.Names {
		vs, err := h.known.Lookup(ctx, n.Value)
		if err != nil {
			continue // it only opens fewer leads
		}
		for _, v := range vs {
			if v.Change != indicator.Revoked && v.Scope == n.Scope {
				q.Backing = append(q.Backing, hunt.Backing{Name: n, Source: v.Source, Grade: v.Grade})
			}
		}
	}
	return q
}

func (h *house) reveal(ctx context.Context, in hunting) (hunted, error) {
	if _, err := h.aCase(ctx, casefile.ID(in.Ask.Case)); err != nil { // what two people sign is for a case that others can look at
		return hunted{}, err
	}
	canonical, err := in.Question.Canonical()
	if err != nil {
		return hunted{}, err
	}
	in.Ask.About = canonical.Digest()
	permit, err := h.people.Permit(ctx, *in.Ask, in.Approvals, h.now().UTC())
	if err != nil {
		return hunted{}, err
	}
	f, err := h.hunter.Reveal(ctx, permit, in.Question)
	if err != nil {
		return hunted{Answer: hunt.Answer{Refused: f.Refused}}, explainRefused(f.Refused, err)
	}
	out := hunted{Answer: hunt.Answer{ID: f.ID, Question: f.Question, From: f.Window.From, To: f.Window.To, Refused: f.Refused, Damage: f.Damage, Names: []hunt.NameAnswer{}}}
	out.Revealed = labels(&f)
	if in.Keep {
		sealer, err := h.sealer()
		if err != nil {
			return out, err
		}
		if out.Kept, err = h.hunter.Keep(ctx, permit, in.Question, sealer); err != nil {
			return out, err
		}
	}
	return out, nil
}

// labels names people by their order in this answer, never by their surrogates.
func labels(f *hunt.Found) *revealed {
	r := &revealed{
		Case: f.Case, People: f.People, First: f.First, Last: f.Last, Cut: f.Cut, Damage: f.Damage,
		Targets: []labelled{}, Senders: []labelled{}, Groups: []labelled{}, Names: []foundName{}, Sightings: []sighted{},
	}
	target, sender, group := map[vedette.AccountID]string{}, map[vedette.AccountID]string{}, map[vedette.GroupID]string{}
	for i, p := range f.Persons {
		target[p.Account] = fmt.Sprintf("Target %d", i+1)
		what := "refused"
		switch {
		case p.Opened > 0:
			what = "opened"
		case p.Previewed > 0:
			what = "previewed"
		case p.Delivered > 0:
			what = "delivered"
		case p.Reported > 0:
			what = "reported"
		}
		if p.Reported > 0 && what != "reported" {
			what += ", reported"
		}
		r.Targets = append(r.Targets, labelled{target[p.Account], p.First, p.Last, what})
	}
	for i, s := range f.Senders {
		sender[s.Account] = fmt.Sprintf("Sender %d", i+1)
		r.Senders = append(r.Senders, labelled{sender[s.Account], s.First, s.Last, counted(s.Sightings, "link", "links")})
	}
	for i, s := range f.Groups {
		group[s.Group] = fmt.Sprintf("Group %d", i+1)
		r.Groups = append(r.Groups, labelled{group[s.Group], s.First, s.Last, counted(s.Sightings, "link", "links")})
	}
	for _, n := range f.Names {
		r.Names = append(r.Names, foundName{n.Name.Display(), n.Name.Scope.String(), n.Note, n.Sightings, n.People, n.Senders, n.First, n.Last})
	}
	for i := range f.Sightings {
		s := &f.Sightings[i]
		r.Sightings = append(r.Sightings, sighted{s.At, s.Act.String(), sender[s.From], target[s.To], group[s.Group], s.Verdict, s.Would})
	}
	return r
}

func (g *global) hunt() *cobra.Command {
	var o huntOptions
	cmd := &cobra.Command{
		Use:   "hunt --indicator HOST",
		Short: "Ask the past who else was reached",
		Long: `Asks history, the rare links of first contacts of the last 90 days, for hosts or links. Without a case it answers none, some, or ten and
more, and never an account; a hit on what two sources or a very good one call bad opens a lead. With a case and two people's approval of this very
question it tells who was reached, when, by whom, under labels: write the act with --propose, let both sign it with "vedette approve".

Popular and shared hosts, news sites and civil society are refused, whoever asks: who reads a newspaper is nobody's business. What is asked, and what
was refused, is in the evidence log before it is answered.`,
		Example: `  vedette hunt --indicator 'evil[.]example' --json
  vedette hunt --file pegasus.stix2 --source lab --from 2026-01-01
  vedette hunt --indicator evil.example --case case_0123456789abc --until 2026-12-01 --propose act.json
  vedette hunt --indicator evil.example --case case_0123456789abc --until 2026-12-01 --approval act.ana.approval --approval act.omar.approval`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return g.runHunt(cmd, &o) },
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.names, "indicator", nil, "a host, domain or link, defanged or not; may be given again")
	f.StringVar(&o.scope, "scope", "", "url, path, host or domain (default: what the value itself says)")
	f.StringVar(&o.file, "file", "", "a file of indicators: STIX, MISP, CSV or a list")
	f.StringVar(&o.source, "source", "", "who published the file (default: its name)")
	f.StringVar(&o.grade, "grade", "F6", "the source's Admiralty grade, A1 to F6")
	f.StringVar(&o.from, "from", "", "first day to ask (default: as far as history reaches)")
	f.StringVar(&o.to, "to", "", "first day not to ask (default: until now)")
	f.StringVar(&o.matter, "case", "", "the case that people are asked for")
	f.StringVar(&o.purpose, "purpose", "notify", "of a permit: notify, protect or file")
	f.StringVar(&o.until, "until", "", "day on which the permit, or with --stand the standing hunt, ends")
	f.StringVar(&o.propose, "propose", "", "only write the act, for two people to approve")
	f.StringArrayVar(&o.approvals, "approval", nil, "an approval's file; twice")
	f.BoolVar(&o.keep, "keep", false, "seal a copy of what is found for the case, so that it outlives the 90 days")
	f.BoolVar(&o.stand, "stand", false, "ask each new event too, until --until: a standing hunt")
	f.BoolVar(&o.cost, "cost", false, "only tell what it would read")
	f.StringVar(&o.again, "again", "", "repeat an earlier hunt by its id")
	f.StringVar(&o.by, "by", "", "who asks, for the record (default: your user name here)")
	cmd.AddCommand(g.huntStanding(), g.huntEnd(), g.huntLog())
	return cmd
}

type huntOptions struct {
	names, approvals                                                                 []string
	scope, file, source, grade, from, to, matter, purpose, until, propose, by, again string
	keep, stand, cost                                                                bool
}

// me is who sits at the keyboard, as far as the system knows: for the record, never a proof.
func me() string {
	for _, name := range []string{"SUDO_USER", "USER", "LOGNAME"} {
		if v := os.Getenv(name); v != "" && len(v) <= 100 {
			return v
		}
	}
	return "command line"
}

func (g *global) runHunt(cmd *cobra.Command, o *huntOptions) error {
	ctx := cmd.Context()
	cfg, err := readConfig(g)
	if err != nil {
		return err
	}
	in := hunting{By: o.by, Again: o.again, Keep: o.keep}
	if in.By == "" {
		in.By = me()
	}
	var unread []indicator.Refusal
	if o.again == "" {
		if in.Question, unread, err = g.question(cmd, o, cfg.Tenant); err != nil {
			return err
		}
	}
	asksPeople := o.matter != "" || o.propose != "" || len(o.approvals) > 0
	var end time.Time
	if asksPeople || o.stand {
		if o.until == "" {
			return usage(cmd, "--until is needed: the day on which it ends")
		}
		if end, err = parseDay(o.until); err != nil {
			return usage(cmd, "--until: %s", err)
		}
	}
	if asksPeople {
		if o.matter == "" {
			return usage(cmd, "--case is needed: people are told for a case alone")
		}
		purpose, err := authority.ParsePurpose(o.purpose)
		if err != nil {
			return usage(cmd, "%s", err)
		}
		q, err := in.Question.Canonical()
		if err != nil {
			return err
		}
		if _, err := opCase.do(ctx, g, casefile.ID(o.matter)); err != nil { // before anybody signs for nothing
			return err
		}
		in.Ask = &authority.Ask{Purpose: purpose, Tenant: cfg.Tenant, Case: o.matter, Until: end, About: q.Digest()}
		if o.propose != "" {
			act, err := in.Ask.Act()
			if err != nil {
				return err
			}
			return writeAct(cmd, o.propose, act.Canonical())
		}
		if in.Approvals, err = readApprovals(o.approvals); err != nil {
			return err
		}
		if len(in.Approvals) < 2 {
			return fmt.Errorf("people are told to two people's approval alone: write the act with --propose FILE, let both sign it with \"vedette approve\", and give both files with --approval: %w", vedette.ErrForbidden)
		}
	} else if o.stand {
		in.Until = end
	}
	p := g.paint(cmd)
	if o.again == "" {
		cost, err := opHuntCost.do(ctx, g, in.Question)
		if err != nil {
			return err
		}
		if o.cost {
			if g.json {
				return printJSON(cmd.OutOrStdout(), cost)
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s\n", costText(&cost, len(in.Question.Names)))
			return err
		}
		if !g.json {
			fmt.Fprintln(cmd.ErrOrStderr(), p.dim(costText(&cost, len(in.Question.Names))))
		}
	}
	if !g.json && terminal(cmd.ErrOrStderr()) {
		var bar *progressbar.ProgressBar
		g.progress = func(done, total int) {
			if bar == nil {
				bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(cmd.ErrOrStderr()), progressbar.OptionSetDescription("hunt"),
					progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())
			}
			_ = bar.Set(done)
		}
	}
	out, err := opHunt.do(ctx, g, in)
	if err != nil {
		return err
	}
	if g.json {
		if out.Revealed != nil {
			return printJSON(cmd.OutOrStdout(), out.Revealed)
		}
		return printJSON(cmd.OutOrStdout(), out)
	}
	printHunt(cmd.OutOrStdout(), &out, unread, p)
	return nil
}

func costText(c *costing, names int) string {
	s := fmt.Sprintf("%s, %s, about %s; at most %s", counted(names, "name", "names"), counted(c.Cost.Days, "day", "days"), counted(int(c.Cost.Rows), "sighting", "sightings"),
		counted(int(c.Cost.Lookups), "look-up", "look-ups"))
	if n := len(c.Refused); n > 0 {
		s += "; " + counted(n, "name is", "names are") + " refused"
	}
	return s
}

// question reads what is asked for, from flags and a file.
func (g *global) question(cmd *cobra.Command, o *huntOptions, tenant vedette.Tenant) (hunt.Question, []indicator.Refusal, error) {
	q := hunt.Question{Tenant: tenant}
	var err error
	for _, d := range []struct {
		name, text string
		to         *time.Time
	}{{"from", o.from, &q.Window.From}, {"to", o.to, &q.Window.To}} {
		if d.text != "" {
			if *d.to, err = parseDay(d.text); err != nil {
				return q, nil, usage(cmd, "--%s: %s", d.name, err)
			}
		}
	}
	scope := indicator.ScopeNone
	if o.scope != "" {
		if scope, err = indicator.ParseScope(o.scope); err != nil {
			return q, nil, usage(cmd, "--scope: %s", err)
		}
	}
	var unread []indicator.Refusal
	if o.file != "" {
		data, name, err := readAll(o.file, cmd.InOrStdin())
		if err != nil {
			return q, nil, err
		}
		grade, err := indicator.ParseAdmiralty(o.grade)
		if err != nil {
			return q, nil, usage(cmd, "--grade: %s", err)
		}
		source := o.source
		if source == "" {
			source = "file"
		}
		var list []indicator.Indicator
		im := indicator.Importer{Guard: indicator.NewGuard(), Each: func(in *indicator.Indicator) { list = append(list, *in) }}
		rep, err := im.Import(cmd.Context(), bytes.NewReader(data), name, indicator.ImportOptions{Source: source, Grade: grade, At: time.Now().UTC().Truncate(time.Millisecond)})
		if err != nil {
			return q, nil, err
		}
		unread = rep.Refusals
		q = hunt.QuestionOf(tenant, list, q.Window)
	}
	for _, text := range o.names {
		n, err := hunt.NameOf(link.Refang(text), scope)
		if err != nil {
			return q, nil, fmt.Errorf("--indicator %q: want a host, a domain, an address or a URL; accounts and numbers cannot be asked for: %w", link.Defang(text), vedette.ErrInvalid)
		}
		q.Names = append(q.Names, n)
	}
	if len(q.Names) == 0 {
		if len(unread) > 0 {
			return q, unread, fmt.Errorf("nothing in %s may be asked: %s (%s): %w", o.file, unread[0].Value, unread[0].Reason, vedette.ErrForbidden)
		}
		return q, nil, usage(cmd, "what to hunt for: --indicator HOST or --file FILE")
	}
	return q, unread, nil
}

// defanged writes a text with the name that it is about as people are shown names.
func defanged(text, display string) string {
	if display == "" {
		return text
	}
	return strings.ReplaceAll(text, link.Refang(display), display)
}

func printHunt(w io.Writer, out *hunted, unread []indicator.Refusal, p paint) {
	if r := out.Revealed; r != nil {
		printRevealed(w, r, p)
	} else {
		found := out.Found.String()
		if out.Found > hunt.None {
			found = p.red(found)
		}
		fmt.Fprintf(w, "found: %s\n", found)
		if len(out.Names) > 1 || len(out.Names) == 1 && out.Names[0].Note != "" {
			t := newTable(w, "name", "scope", "found", "note")
			shown := 0
			for _, n := range out.Names {
				if n.Found > hunt.None || len(out.Names) <= 20 {
					t.row(n.Display, n.Scope, n.Found.String(), n.Note)
					shown++
				}
			}
			if shown > 0 {
				t.flush()
			}
		}
		if len(out.Leads) > 0 {
			fmt.Fprintf(w, "%s opened or joined: vedette case list\n", counted(len(out.Leads), "lead was", "leads were"))
		}
		if out.Before > 0 {
			fmt.Fprintf(w, "asked before, it was: %s\n", out.Before)
		}
		if out.Standing != "" {
			fmt.Fprintf(w, "stands as %s: each new event is asked too\n", out.Standing)
		}
		if out.Found > hunt.None {
			fmt.Fprintln(w, p.dim("Who was reached is told for a case, to two people: vedette hunt --help"))
		}
		fmt.Fprintln(w, p.dim("hunt "+out.ID+"; repeat it with: vedette hunt --again "+out.ID))
	}
	if out.Kept > 0 {
		fmt.Fprintf(w, "%s sealed for the case\n", counted(out.Kept, "sighting is", "sightings are"))
	}
	for i, r := range out.Refused {
		if i == 0 {
			fmt.Fprintln(w, "\nNot asked:")
		}
		if i == 20 {
			fmt.Fprintf(w, "  … and %s more; --json lists them\n", count(len(out.Refused)-20))
			break
		}
		fmt.Fprintf(w, "  %s (%s): %s\n", r.Display, r.Scope, defanged(r.Why, r.Display))
	}
	for i, r := range unread {
		if i == 0 {
			fmt.Fprintln(w, "\nNot read from the file:")
		}
		if i == 20 {
			fmt.Fprintf(w, "  … and %s more\n", count(len(unread)-20))
			break
		}
		fmt.Fprintf(w, "  %s, %s: %s\n", r.Where, r.Value, defanged(r.Reason, r.Value))
	}
	for _, d := range out.Damage {
		fmt.Fprintf(w, "%s %s: %s; what it held is missing from this answer\n", p.red("damaged:"), d.File, d.What)
	}
}

func printRevealed(w io.Writer, r *revealed, p paint) {
	fmt.Fprintf(w, "%s people reached: %d delivered, %d previewed, %d opened, %d reported; %d whom it was kept from\n", p.bold(count(r.People.Reached)),
		r.People.Delivered, r.People.Previewed, r.People.Opened, r.People.Reported, r.People.Refused)
	if !r.First.IsZero() {
		fmt.Fprintf(w, "from %s to %s\n", r.First.Format(time.RFC3339), r.Last.Format(time.RFC3339))
	}
	t := newTable(w, "who", "first", "last", "what")
	for _, l := range slices.Concat(r.Targets, r.Senders, r.Groups) {
		t.row(l.Label, l.First.Format(time.RFC3339), l.Last.Format(time.RFC3339), l.What)
	}
	t.flush()
	t = newTable(w, "name", "scope", "sightings", "reached", "senders", "note")
	for _, n := range r.Names {
		t.row(n.Name, n.Scope, count(n.Sightings), count(n.People.Reached), count(n.Senders), n.Note)
	}
	t.flush()
	if r.Cut {
		fmt.Fprintln(w, "There is more than can be told at once: ask for fewer days.")
	}
	fmt.Fprintln(w, p.dim("Labels are of this answer alone. It and its two approvals are in the evidence log."))
}

type standingHunts struct {
	Standing []hunt.Standing `json:"standing"`
}

var opHuntStanding = operation[struct{}, standingHunts]{"hunt.standing", func(ctx context.Context, h *house, _ struct{}) (standingHunts, error) {
	list, err := h.hunter.Standing(ctx)
	if list == nil {
		list = []hunt.Standing{}
	}
	return standingHunts{list}, err
}}

var opHuntEnd = operation[[2]string, struct{}]{"hunt.end", func(ctx context.Context, h *house, in [2]string) (struct{}, error) {
	return struct{}{}, h.hunter.End(ctx, in[0], in[1])
}}

type huntLog struct {
	Hunts []hunt.Entry `json:"hunts"`
}

var opHuntLog = operation[int, huntLog]{"hunt.log", func(ctx context.Context, h *house, limit int) (huntLog, error) {
	// The ledger gives the earliest first; the latest are what somebody would hide behind many others.
	var list []hunt.Entry
	now := h.now()
	for span := 24 * time.Hour; ; span *= 4 {
		all := span > 36_500*24*time.Hour
		since := now.Add(-span)
		if all {
			since = time.Time{}
		}
		var err error
		if list, err = h.db.Hunts().Entries(ctx, h.cfg.Tenant, since, math.MaxInt32); err != nil {
			return huntLog{}, err
		}
		if len(list) >= limit || all {
			return huntLog{append([]hunt.Entry{}, list[max(0, len(list)-limit):]...)}, nil
		}
	}
}}

func (g *global) huntStanding() *cobra.Command {
	return &cobra.Command{
		Use: "standing", Short: "List the standing hunts", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out, err := opHuntStanding.do(cmd.Context(), g, struct{}{})
			if err != nil {
				return err
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), out)
			}
			if len(out.Standing) == 0 {
				_, err := fmt.Fprintln(cmd.OutOrStdout(), "No hunt stands. Begin one: vedette hunt --indicator HOST --stand --until DAY")
				return err
			}
			t := newTable(cmd.OutOrStdout(), "id", "by", "from", "until")
			for _, s := range out.Standing {
				t.row(s.ID, s.By, s.From.Format(time.DateOnly), s.Until.Format(time.DateOnly))
			}
			t.flush()
			return nil
		},
	}
}

func (g *global) huntEnd() *cobra.Command {
	var by string
	cmd := &cobra.Command{
		Use: "end ID", Short: "End a standing hunt", Args: exactly(1, "the standing hunt's id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if by == "" {
				by = me()
			}
			if _, err := opHuntEnd.do(cmd.Context(), g, [2]string{args[0], by}); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s stands no more\n", args[0])
			return err
		},
	}
	cmd.Flags().StringVar(&by, "by", "", "who ends it, for the record (default: your user name here)")
	return cmd
}

func (g *global) huntLog() *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use: "log", Short: "List what was asked of the past, and what was refused", Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 {
				return usage(cmd, "--limit %d: at least 1", limit)
			}
			out, err := opHuntLog.do(cmd.Context(), g, limit)
			if err != nil {
				return err
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), out)
			}
			t := newTable(cmd.OutOrStdout(), "when", "id", "what", "by", "names", "refused", "case", "answer")
			for _, e := range out.Hunts {
				answer := e.Found.String()
				switch {
				case !e.Given:
					answer = "refused: " + e.Why
				case e.What == hunt.WhatHit:
					answer = "an event met " + e.Of
				}
				t.row(e.At.Format(time.RFC3339), e.ID, string(e.What), e.By, count(e.Names), count(e.Refused), e.Case, answer)
			}
			t.flush()
			return nil
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 50, "at most so many, the latest")
	return cmd
}
