package main

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"vedette"
	"vedette/act/casefile"
	"vedette/record/vault"
	"vedette/watch/sentry"
)

// inventoried says what is kept about whom, until when: what a subpoena could obtain today.
type inventoried struct {
	At    time.Time   `json:"at"`
	Kept  []keptThing `json:"kept"`
	Not   []string    `json:"not_kept"`
	Bytes int64       `json:"bytes"`
}

type keptThing struct {
	What  string    `json:"what"`
	About string    `json:"about"`
	Form  string    `json:"form"`
	Count int       `json:"count"`
	None  bool      `json:"uncounted,omitempty"` // it is there, and nobody counts it
	Term  string    `json:"term"`
	From  time.Time `json:"oldest,omitzero"`
	Until time.Time `json:"oldest_ends,omitzero"`
	Bytes int64     `json:"bytes,omitempty"`
}

var opInventory = operation[struct{}, inventoried]{"inventory", func(ctx context.Context, h *house, _ struct{}) (inventoried, error) {
	out := inventoried{At: time.Now().UTC().Truncate(time.Second)}
	entries := keptThing{
		What: "events with their measures and decisions", About: "everybody on the platform who sent, got or did something",
		Form: "surrogates of accounts, groups, devices and networks; keyed tokens and shapes of links; no text, name, number, address or URL",
		Term: days(h.cfg.Retention) + " (retention), and every follower has passed",
	}
	for e, err := range h.journal.Read(ctx, h.journal.First()) {
		if err != nil {
			return out, err
		}
		if e.Event.Source == vedette.SourceJournal {
			continue
		}
		if entries.Count++; entries.From.IsZero() || e.Event.Seen.Before(entries.From) {
			entries.From = e.Event.Seen
		}
	}
	if !entries.From.IsZero() {
		entries.Until = entries.From.Add(h.cfg.Retention)
	}
	entries.Bytes = size(h.folder.dir, "journal")
	out.Kept = append(out.Kept, entries, keptThing{
		What: "the gate's memory: counts and first times by account, pair, device, network and link", About: "the same people",
		Form: "surrogates and tokens", None: true, Term: "pushed out by newer ones, at most 90 days without activity",
	})
	for _, kind := range vault.Kinds() {
		n, err := h.vault.Count(ctx, h.cfg.Tenant, kind)
		if err != nil {
			return out, err
		}
		k := kind.String()
		out.Kept = append(out.Kept, keptThing{
			What: "mapping of " + k + " ids to surrogates", About: "every " + k + " that an event named",
			Form: "keyed digest of the platform's id, and the id encrypted, under a key outside this folder", Count: n, Term: "erased (vedette erase)",
		})
	}
	out.Kept[len(out.Kept)-1].Bytes = size(h.folder.dir, "vault")
	bySource, err := h.known.Count(ctx)
	if err != nil {
		return out, err
	}
	n := 0
	for _, c := range bySource {
		n += c
	}
	people, err := h.people.People(ctx)
	if err != nil {
		return out, err
	}
	machines, err := h.machines.List(ctx)
	if err != nil {
		return out, err
	}
	out.Kept = append(out.Kept,
		keptThing{What: "indicators with their history", About: "infrastructure; nobody on the platform", Form: "clear text, as published", Count: n, Term: "history for ever", Bytes: size(h.folder.dir, "records.db")},
		keptThing{What: "people who work with vedette, their public keys and approvals", About: "staff", Form: "clear text", Count: len(people), Term: "for ever: who approved what must stay known"},
		keptThing{What: "keys of machines", About: "programs", Form: "digest of the secret", Count: len(machines), Term: "for ever"},
	)
	if err := h.settle(ctx); err != nil {
		return out, err
	}
	past, err := h.past.Stats(ctx)
	if err != nil {
		return out, err
	}
	cases, err := h.cases.List(ctx, casefile.Filter{Limit: 1000})
	if err != nil {
		return out, err
	}
	watched := sentry.Status{}
	if h.cfg.Watch.On {
		if watched, err = h.sentry.Status(ctx); err != nil {
			return out, err
		}
	}
	orders, err := h.db.Orders().Latest(ctx)
	if err != nil {
		return out, err
	}
	facts, err := h.facts.Names(ctx)
	if err != nil {
		return out, err
	}
	hist := keptThing{
		What: "history: rare links of first contacts", About: "who sent, got, saw, opened or reported a link that few have met",
		Form: "surrogates of accounts and groups, keys of link tokens, shape, verdict, time", Count: int(past.Sightings),
		Term: "90 days; less when 64 established people in distinct parts have met the link; sealed copies for a case up to 366 days", From: past.Oldest, Bytes: size(h.folder.dir, "history"),
	}
	if !hist.From.IsZero() {
		hist.Until = hist.From.Add(90 * 24 * time.Hour)
	}
	reported := 0
	for _, c := range cases {
		reported += c.Reports
	}
	out.Kept = append(out.Kept, hist,
		keptThing{
			What: "the watch: how old accounts are, whom they know, what they share, which new links they met; groups that look like a rehearsal", About: "everybody on the platform who was active in 90 days",
			Form: "surrogates and tokens, at most 16 acquaintances each; findings without accounts", Count: watched.Known, Term: "90 days without activity; groups 3 weeks; the person is erased",
		},
		keptThing{
			What: "partners' words for accounts", About: "people at risk whom a partner vouched for",
			Form: "keyed digests that answer about one account; partner, reason and staff in clear", Count: len(watched.Vouches), Term: "until they end, at most a year, and 100 days; the person is erased",
		},
		keptThing{
			What: "reports in open cases", About: "who reported, whom and which message",
			Form: "surrogates; the opened message and whole links sealed for the case; the reported host in clear", Count: reported,
			Term: "people and opened messages " + days(h.cfg.Retention) + " after all its cases are closed",
		},
		keptThing{What: "open leads and cases with their log", About: "links and hosts; staff who decided", Form: "clear text; never an account", Count: len(cases), Term: "for ever"},
		keptThing{What: "court orders and policies, in all versions, and notes of duties to report", About: "who is bound by an order, as its paper names them; staff", Form: "clear text, as a person entered it", Count: len(orders), Term: "for ever"},
		keptThing{What: "names with facts about them", About: "infrastructure; nobody on the platform", Form: "clear text, as imported", Count: facts, Term: "by hand (vedette facts)"},
		keptThing{What: "changed decisions for the platform to read", About: "messages, by their names here", Form: "event name, verdicts, reasons", None: true, Term: "90 days"},
		keptThing{
			What: "the evidence log", About: "what was sealed, asked, reported, confirmed, blocked; staff and cases, nobody on the platform",
			Form: "digests in the log; the fields, salted, in records.db", None: true, Term: "for ever; fields can be erased", Bytes: size(h.folder.dir, "evidence"),
		},
	)
	out.Not = []string{
		"texts of messages, but of those that somebody reported (sealed for the case)", "URLs and host names that people sent, but the reported ones", "names, numbers, addresses", "unknown fields of events (dropped and counted by name)",
		"a list of people at risk: enrolment answers one question about one surrogate and ends by itself, and so does a partner's word",
	}
	out.Bytes = size(h.folder.dir, "")
	return out, nil
}}

func size(dir, sub string) (n int64) {
	_ = filepath.WalkDir(filepath.Join(dir, sub), func(_ string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			if info, err := e.Info(); err == nil {
				n += info.Size()
			}
		}
		return nil
	})
	return n
}

func (g *global) inventory() *cobra.Command {
	return &cobra.Command{
		Use:   "inventory",
		Short: "Say what is kept about whom, until when",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out, err := opInventory.do(cmd.Context(), g, struct{}{})
			if err != nil {
				return err
			}
			if g.json {
				return printJSON(cmd.OutOrStdout(), out)
			}
			w := cmd.OutOrStdout()
			p := g.paint(cmd)
			for _, k := range out.Kept {
				if k.None {
					fmt.Fprintln(w, p.bold(k.What))
				} else {
					fmt.Fprintf(w, "%s: %s\n", p.bold(k.What), count(k.Count))
				}
				t := newTable(w)
				t.row("  about", k.About)
				t.row("  form", k.Form)
				t.row("  until", k.Term)
				if !k.Until.IsZero() {
					t.row("  oldest", k.From.Format(time.RFC3339)+", ends "+k.Until.Format(time.RFC3339))
				}
				if k.Bytes > 0 {
					t.row("  on disk", count(int(k.Bytes))+" bytes")
				}
				t.flush()
			}
			fmt.Fprintln(w, "Not kept:")
			for _, n := range out.Not {
				fmt.Fprintf(w, "  %s\n", n)
			}
			fmt.Fprintf(w, "The folder takes %s bytes.\n", count(int(out.Bytes)))
			return nil
		},
	}
}
