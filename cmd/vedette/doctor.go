package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"vedette"
	"vedette/inline/decision"
	"vedette/record/authority"
)

// diagnosis is what doctor finds.
type diagnosis struct {
	OK         bool           `json:"ok"`
	Findings   []diagnosed    `json:"findings"`
	Keys       string         `json:"keys"`
	Window     string         `json:"window"`
	Events     int            `json:"events"`
	Links      int            `json:"links"`
	ByKind     map[string]int `json:"by_kind"`
	ByTier     map[string]int `json:"by_tier"`
	LinksRead  int            `json:"links_in_clear"`
	LinksToken int            `json:"links_by_token"`
	Degraded   map[string]int `json:"degraded"`
	Coverage   []coverage     `json:"coverage"`
	Force      inForce        `json:"in_force"`
}

type diagnosed struct {
	Level string `json:"level"` // wrong, warn, note
	Text  string `json:"text"`
	Do    string `json:"do"`
}

// coverage says how much of what is sent a rule can see: silence never reads as safety.
type coverage struct {
	Rule       string  `json:"rule"`
	Kinds      int     `json:"events_of_its_kinds"`
	Measurable int     `json:"measurable"`
	Share      float64 `json:"share_of_links"` // of all events with links, those that the rule could judge
	Fired      int     `json:"fired"`
	Armed      string  `json:"armed"`
}

var opDoctor = operation[struct{}, diagnosis]{"doctor", diagnose}

func diagnose(ctx context.Context, h *house, _ struct{}) (diagnosis, error) {
	d := diagnosis{
		Findings: []diagnosed{}, Window: armWindow.String(), ByKind: map[string]int{}, ByTier: map[string]int{}, Degraded: map[string]int{},
		Coverage: []coverage{}, Force: h.inForce(),
	}
	find := func(level, do, format string, args ...any) {
		d.Findings = append(d.Findings, diagnosed{level, fmt.Sprintf(format, args...), do})
	}
	if h.vault.Unprotected() {
		d.Keys = "UNPROTECTED"
		find("wrong", "give a key outside the data folder: --key-file, VEDETTE_KEY_FILE, or a systemd credential named vedette.key",
			"UNPROTECTED: the root key lies in the data folder, so whoever copies the folder can read who people are")
	} else {
		d.Keys = h.keyFrom
	}
	// An append of nothing says whether there is room; a gate that runs knows of every other failure too.
	if err := h.journal.Append(ctx); err != nil {
		find("wrong", "make room on the disk of "+h.folder.dir+"; it goes on by itself", "no event gets a verdict, since none could be kept: %v", err)
	} else if h.seq != nil {
		if err := h.seq.Ready(); err != nil {
			find("wrong", "look at the log of the server and at the disk of "+h.folder.dir, "no event gets a verdict: %v", err)
		}
	}
	// Judged once more by a generation of its own, so that its counts are of this window alone.
	from := time.Now().Add(-armWindow)
	gen := h.judging.Load().generation
	fresh, err := gen.Rearm(gen.Armed())
	if err != nil {
		return d, err
	}
	trails := h.trails(ctx, find)
	withLinks := 0
	for e, err := range h.journal.Read(ctx, h.journal.First()) {
		if err != nil {
			find("wrong", "restore the folder from a backup, or purge what is damaged; everything after it is not read", "the journal is damaged: %v", err)
			break
		}
		for i := range trails {
			trails[i].add(&e)
		}
		if e.Event.Seen.Before(from) || e.Event.Source == vedette.SourceJournal {
			continue
		}
		d.Events++
		d.ByKind[e.Event.Kind().String()]++
		d.ByTier[e.Event.Tier.String()]++
		links := e.Event.Links()
		if d.Links += len(links); len(links) > 0 {
			withLinks++
			if e.Event.Tier == vedette.Tier1 {
				d.LinksToken += len(links)
			} else {
				d.LinksRead += len(links)
			}
		}
		for _, part := range e.Decision.Degraded.Names() {
			d.Degraded[part]++
		}
		fresh.Decide(&decision.Input{Event: &e.Event, Measures: e.Measures, Missing: missing(&e.Decision), Hindsight: true})
	}
	if err := h.diagnoseBeside(ctx, find, trails, h.now()); err != nil {
		return d, err
	}
	counts := fresh.Counts()
	armedSomething := gen.Armed().Ceiling > vedette.Allow
	for _, r := range h.judging.Load().rules.Report() {
		c := counts.Rules[r.ID]
		cov := coverage{Rule: string(r.ID), Kinds: int(c.Evaluated), Measurable: int(c.Evaluated - c.NotMeasurable), Fired: int(c.Fired), Armed: gen.Armed().For(r.ID).String()}
		if d.Links > 0 {
			cov.Share = min(1, float64(cov.Measurable)/float64(d.Links))
		}
		d.Coverage = append(d.Coverage, cov)
		if c.Evaluated > 100 && c.NotMeasurable == c.Evaluated {
			find("warn", "see its needs: vedette rules explain "+strings.TrimPrefix(string(r.ID), "rule:"), "%s never had what it needs, in %d events: the platform does not tell", r.ID, c.Evaluated)
		}
	}
	for _, v := range gen.Armed().Each {
		armedSomething = armedSomething || v > vedette.Allow
	}
	asks := h.judging.Load().set.Asks()
	for _, list := range slices.Sorted(maps.Keys(asks)) {
		if armed := gen.Armed().For(list); armed > asks[list] && gen.Armed().Each[list] > vedette.Allow {
			find("warn", "vedette indicator import FILE --source "+strings.TrimPrefix(string(list), "list:")+" --verdict block", "%s is armed up to %s, but its indicators ask for %s at most: it never stops anything", list, armed, asks[list])
		}
	}
	if h.judging.Load().set.Len() == 0 {
		find("warn", "vedette indicator import FILE --source NAME --grade B2 --verdict block", "there are no indicators: only rules speak")
	}
	if !armedSomething {
		find("note", "vedette arm list:NAME --verdict block, after looking at what it shows", "nothing is armed: every answer is allow")
	}
	if d.Events == 0 {
		find("note", "send events (README.md), or vedette replay FILE", "no event in the last 7 days")
	} else if d.Links == 0 {
		find("warn", "an adapter of tier 2, or clients that send tokens (tier 1)", "no event of the last 7 days had a link: indicators and rules about links see nothing")
	}
	if d.Events > 1000 && d.ByKind[vedette.KindAccountRegistered.String()] == 0 {
		find("warn", "send account.registered, at least from now on", "no account was registered in %d events: rules about young accounts stay silent", d.Events)
	}
	for _, part := range sorted(d.Degraded) {
		n := d.Degraded[part]
		find("warn", "look at the metric vedette_decision_degraded_total and at the disk", "%d of %d events of the last 7 days were judged without %s", n, d.Events, part)
	}
	if c := h.judging.Load().set.Coverage(); c.None > 0 && d.ByTier["1"] > 0 {
		find("note", "for those, tier 2 is needed", "%d of %d indicators cannot be found by tokens", c.None, h.judging.Load().set.Len())
	}
	if d.ByTier["1"] > 0 {
		find("note", "two custodians of the token key, when that is built", "tokens are made under one key: the platform can test guesses")
	}
	if open := worldReadable(h.folder.dir); open != "" {
		find("wrong", "chmod -R go-rwx "+h.folder.dir, "%s can be read by other users of this machine", open)
	}
	people, err := h.people.People(ctx)
	if err != nil {
		return d, err
	}
	live := 0
	for _, p := range people {
		if p.Revoked.IsZero() {
			live++
		}
	}
	if live < 2 {
		find("note", "vedette person enrol --help", "what needs two people (disarming, overriding the guard, erasing) cannot be done: %d of 2 are enrolled", live)
	}
	// What judges was loaded at the start or the last reload; what lies on the disk is what the next start gets.
	switch onDisk, err := h.loadRules(); {
	case err != nil:
		find("wrong", "vedette rules test; then vedette rules reload", "the rules in %s do not load; those loaded before still judge, but the server would not start again: %s", h.rulesFrom(), words(err))
	case onDisk.Digest() != h.judging.Load().rules.Digest():
		find("warn", "vedette rules test; then vedette rules reload", "the rules in %s have changed and are not in force yet", h.rulesFrom())
	}
	machines, err := h.machines.List(ctx)
	if err != nil {
		return d, err
	}
	sending := 0
	for _, m := range machines {
		if m.Live(time.Now()) == nil && (m.Scopes.Has(authority.ScopeDecide) || m.Scopes.Has(authority.ScopeEvents)) {
			sending++
		}
	}
	if sending == 0 {
		find("note", "vedette key create --scope decide,events", "no key may send events")
	}
	urgent := map[string]int{"wrong": 0, "warn": 1}
	slices.SortStableFunc(d.Findings, func(a, b diagnosed) int {
		rank := func(f diagnosed) int {
			if r, ok := urgent[f.Level]; ok {
				return r
			}
			return len(urgent)
		}
		return rank(a) - rank(b)
	})
	d.OK = true
	for _, f := range d.Findings {
		d.OK = d.OK && f.Level != "wrong"
	}
	return d, nil
}

// worldReadable returns a file of the folder that others may read, or "".
func worldReadable(dir string) string {
	found := ""
	_ = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || found != "" {
			return fs.SkipAll
		}
		if path == dir {
			if st, err := os.Stat(path); err == nil && st.Mode().Perm()&0o077 == 0 {
				return fs.SkipAll // nobody else gets in
			}
			return nil
		}
		if info, err := e.Info(); err == nil && !e.IsDir() && info.Mode().Perm()&0o044 != 0 {
			found = path
		}
		return nil
	})
	return found
}

func (g *global) doctor() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Say what is wrong with the configuration, and how much of the platform vedette can see",
		Long: `Looks at keys, rights, rules and indicators, at what runs beside the gate (history, the evidence log, cases, blocks, what is told to the platform), and at
the last 7 days of events: coverage by kind, tier and rule. Silence never reads as safety: what a rule could not judge is counted. Exits with 3 when something is wrong.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := opDoctor.do(cmd.Context(), g, struct{}{})
			if err != nil {
				return err
			}
			if g.json {
				err = printJSON(cmd.OutOrStdout(), d)
			} else {
				d.print(cmd.OutOrStdout(), g.paint(cmd))
			}
			if err == nil && !d.OK {
				return &exit{code: exitFinding}
			}
			return err
		},
	}
}

func (d *diagnosis) print(w io.Writer, p paint) {
	for _, f := range d.Findings {
		word := p.dim("note ")
		switch f.Level {
		case "wrong":
			word = p.red("WRONG")
		case "warn":
			word = p.amber("warn ")
		}
		fmt.Fprintf(w, "%s %s\n      %s\n", word, f.Text, p.dim("→ "+f.Do))
	}
	if len(d.Findings) == 0 {
		fmt.Fprintln(w, "Nothing is wrong.")
	}
	fmt.Fprintf(w, "\nkeys: %s\ngeneration %s: %d rules, %s indicators\n", d.Keys, d.Force.Generation, d.Force.Rules, count(d.Force.Indicators))
	fmt.Fprintf(w, "\nLast 7 days: %s events, %s links (%s in clear, %s by token)\n", count(d.Events), count(d.Links), count(d.LinksRead), count(d.LinksToken))
	if d.Events == 0 {
		return
	}
	t := newTable(w, "  kind", "events")
	for _, k := range byCount(d.ByKind) {
		t.row("  "+k, count(d.ByKind[k]))
	}
	t.row("  tier", "events")
	for _, k := range byCount(d.ByTier) {
		t.row("  "+k, count(d.ByTier[k]))
	}
	t.flush()
	fmt.Fprintln(w, "\nWhat each rule could see")
	t = newTable(w, "  rule", "asked", "measurable", "of all links", "fired", "may answer")
	for _, c := range d.Coverage {
		t.row("  "+strings.TrimPrefix(c.Rule, "rule:"), count(c.Kinds), count(c.Measurable), fmt.Sprintf("%.0f %%", 100*c.Share), count(c.Fired), c.Armed)
	}
	t.flush()
}
