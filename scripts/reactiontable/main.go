//go:build ignore

// Writes docs/reaction.md: campaigns laid over real conversations, a report of each, and what the program makes of it.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"vedette/sim"
)

type sum struct {
	Campaigns int `json:"campaigns"`
	Reported  int `json:"reported"`
	Targets   int `json:"targets"`
	ByHost    int `json:"by_host"`
	Found     int `json:"found"`
	Extra     int `json:"extra"`
	Derived   int `json:"derived"`
	Right     int `json:"right"`
	Later     int `json:"later"`
	Stopped   int `json:"later_stopped"`
	Back      int `json:"return"`
	Caught    int `json:"return_caught"`
	BackC     int `json:"return_campaigns"`
	CaughtC   int `json:"return_campaigns_caught"`
}

func (s *sum) add(o sum) {
	s.Campaigns += o.Campaigns
	s.Reported += o.Reported
	s.Targets += o.Targets
	s.ByHost += o.ByHost
	s.Found += o.Found
	s.Extra += o.Extra
	s.Derived += o.Derived
	s.Right += o.Right
	s.Later += o.Later
	s.Stopped += o.Stopped
	s.Back += o.Back
	s.Caught += o.Caught
	s.BackC += o.BackC
	s.CaughtC += o.CaughtC
}

type one struct {
	Name    string   `json:"name"`
	Kind    string   `json:"kind"`
	Targets int      `json:"targets"`
	Found   int      `json:"found"`
	Extra   []string `json:"extra"`
	Wrong   []string `json:"wrong"`
	Why     string   `json:"why"`
	Block   float64  `json:"report_to_blocked_minutes"`
	Swept   float64  `json:"report_to_swept_minutes"`
	Machine float64  `json:"machine_ms"`
	Again   float64  `json:"return_to_caught_minutes"`
	Back    int      `json:"return"`
}

type result struct {
	Events    int            `json:"events"`
	Campaigns []one          `json:"campaigns"`
	Whole     sum            `json:"whole"`
	ByKind    map[string]sum `json:"by_kind"`
	Person    string         `json:"person"`
	Facts     int            `json:"facts"`
}

type run struct {
	conversation, variant string
	seed                  int
	out                   result
}

func main() {
	bin, corpora, out, commit, command := flag.String("bin", "", ""), flag.String("corpora", "", ""), flag.String("out", "", ""), flag.String("commit", "", ""), flag.String("command", "", "")
	seeds, first := flag.Int("seeds", 4, ""), flag.Int("first", 31, "")
	flag.Parse()
	log.SetFlags(0)
	work, err := os.MkdirTemp("", "reaction-")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(work) }()
	graph := func(parts ...string) string { return filepath.Join(append([]string{*corpora, "graphs"}, parts...)...) }
	conversations := []struct{ name, path string }{
		{"students' messages (UCI)", graph("uci-messages-konect", "graph.txt")},
		{"a students' forum (fb-forum)", graph("fb-forum", "fb-forum.edges")},
		{"a company's mail (Enron)", graph("enron", "ia-enron-employees.edges")},
	}
	variants := []struct {
		name string
		args []string
	}{{"whole", nil}, {"no facts", nil}, {"reported host alone", []string{"--host-only"}}}
	begin := time.Now()
	g, ctx := errgroup.WithContext(context.Background())
	g.SetLimit(6) // most of each is waiting for signed checkpoints
	var runs []*run
	for ci, c := range conversations {
		for s := range *seeds {
			seed := *first + s
			base := filepath.Join(work, fmt.Sprintf("%d-%d", ci, seed))
			overlay := exec.Command(*bin, "sim", "overlay", "--conversation", c.path, "--links", filepath.Join(*corpora, "benign", "urls", "slack_links.tsv.gz"),
				"--links", filepath.Join(*corpora, "benign", "urls", "irc_train_links.tsv.gz"), "--aged", "--start", "2022-01-03", "--campaigns", "20", "--seed", fmt.Sprint(seed),
				"--hosts", filepath.Join(*corpora, "derived", "indicators_by_operator.csv"), "--out", base+".ndjson", "--truth", base+".truth", "--facts", base+".facts")
			if b, err := overlay.CombinedOutput(); err != nil {
				log.Fatalf("overlay: %v: %s", err, b)
			}
			for _, v := range variants {
				r := &run{conversation: c.name, variant: v.name, seed: seed}
				runs = append(runs, r)
				args := append([]string{"sim", "react", base + ".ndjson", "--truth", base + ".truth", "--seed", fmt.Sprint(seed), "--json"}, v.args...)
				if v.name != "no facts" {
					args = append(args, "--facts", base+".facts")
				}
				g.Go(func() error {
					cmd := exec.CommandContext(ctx, *bin, args...)
					cmd.Env = append(os.Environ(), "TMPDIR="+work, "VEDETTE_KEY_FILE=")
					b, err := cmd.Output()
					if err != nil {
						if x, ok := err.(*exec.ExitError); ok {
							return fmt.Errorf("%s, seed %d, %s: %s", c.name, seed, v.name, x.Stderr)
						}
						return err
					}
					return json.Unmarshal(b, &r.out)
				})
			}
		}
	}
	if err := g.Wait(); err != nil {
		log.Fatal(err)
	}
	page := write(runs, *commit, *command, time.Since(begin), *first, *seeds)
	if err := os.WriteFile(*out, []byte(page), 0o644); err != nil {
		log.Fatal(err)
	}
}

var kinds = []string{"one-time", "family", "infra", "shared", "cell"}

func share(k, n int) string {
	if n == 0 {
		return "none"
	}
	low, high := sim.Wilson(k, n)
	return fmt.Sprintf("%d of %d, %.1f %% (%.1f to %.1f)", k, n, 100*float64(k)/float64(n), 100*low, 100*high)
}

func write(runs []*run, commit, command string, took time.Duration, first, seeds int) string {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	total := func(variant, conversation string, kind ...string) (s sum) {
		for _, r := range runs {
			if r.variant != variant || conversation != "" && r.conversation != conversation {
				continue
			}
			for _, k := range kinds {
				if len(kind) == 0 || slices.Contains(kind, k) {
					s.add(r.out.ByKind[k])
				}
			}
		}
		return s
	}
	p("# From one report to the whole campaign: how much is found, and how fast\n")
	p("Made by one command; do not edit. %s, commit %s, `%s`, seeds %d to %d, in %.0f minutes.\n", time.Now().UTC().Format("2 January 2006"), commit, command, first, first+seeds-1, took.Minutes())
	p("**Asked.** Campaigns are laid over real conversations: made-up accounts of an operator rehearse, then write to five to eight people who really spoke then; one")
	p("of them reports (the wait is drawn; half within 45 minutes). The hosts are real: published names of mercenary-spyware and hack-for-hire operators, which no list")
	p("in this house knows. A simulated person looks at the report, confirms the host and signs the block; a second one signs the sweep. From then on the block holds.")
	p("Later the operator returns with new accounts on the same devices and another of his hosts. How many of the people reached before the sweep are found? Who is named")
	p("wrongly? How long does it take, and is the return caught?\n")
	share5 := []string{"one-time", "family", "infra", "shared"}
	w := total("whole", "", share5...)
	p("## In short\n")
	p("| asked | came out |\n|---|---|")
	p("| People reached by campaigns that share a host or a sibling: found (goal: 98 %%) | %s |", share(w.Found, w.Targets))
	p("| Of the people named: really reached (goal: 80 %%) | %s |", share(w.Found, w.Found+w.Extra))
	p("| The same by the reported host alone, as a list would | %s |", share(w.ByHost, w.Targets))
	n := total("no facts", "", share5...)
	p("| The same without any imported facts, by names, senders and devices alone | %s |", share(n.Found, n.Targets))
	c := total("whole", "", "cell")
	p("| Campaigns whose hosts have nothing in common but their senders | %s; named rightly %s |", share(c.Found, c.Targets), share(c.Found, c.Found+c.Extra))
	a := total("whole", "")
	p("| Messages to further targets after the block: stopped or warned of | %s |", share(a.Stopped, a.Later))
	p("| Campaigns whose return was caught by what had been blocked or derived | %s |", share(a.CaughtC, a.BackC))
	var blocks, sweeps, machine, again []float64
	for _, r := range runs {
		if r.variant != "whole" {
			continue
		}
		for _, x := range r.out.Campaigns {
			if x.Block > 0 {
				blocks, sweeps, machine = append(blocks, x.Block), append(sweeps, x.Swept), append(machine, x.Machine)
			}
			if x.Again >= 0 && x.Back > 0 {
				again = append(again, x.Again)
			}
		}
	}
	p("| From report to block, in minutes: median, nine in ten | %.0f, %.0f: the simulated person's; of it the program's own part is %.1f s (median; %.1f at worst) |",
		sim.Quantile(blocks, 0.5), sim.Quantile(blocks, 0.9), sim.Quantile(machine, 0.5)/1000, sim.Quantile(machine, 1)/1000)
	p("| From report to sweep, in minutes: median, nine in ten | %.0f, %.0f |", sim.Quantile(sweeps, 0.5), sim.Quantile(sweeps, 0.9))
	p("| From the first message of a return that was caught to the first one caught, in minutes: median, worst | %.0f, %.0f |\n", sim.Quantile(again, 0.5), sim.Quantile(again, 1))
	p("The minutes are a guess about people: %s. The program's own part is mostly waiting for signed checkpoints of the evidence log, a tenth of", runs[0].out.Person)
	p("a second for each step that is recorded. The operator is made up, though his hosts are real: his habits (devices used again, hosts registered within hours) are what")
	p("is looked for, so that the columns with facts flatter. What feeds say about the hosts is invented; what the names themselves give is the row without facts. Thresholds")
	p("of siblings and drawing were not changed on these seeds; two faults of matching were found and mended on seeds 1 and 3 over the first conversation.\n")
	p("## By kind\n")
	p("| campaigns | kind | people reached | found by host | found | no facts: found | named rightly | hosts derived: the operator's | after the block: stopped | return caught |")
	p("|---|---|---|---|---|---|---|---|---|---|")
	for _, k := range kinds {
		s, n := total("whole", "", k), total("no facts", "", k)
		p("| %d (%d reported) | %s | %d | %s | %s | %s | %s | %d of %d | %s | %s |", s.Campaigns, s.Reported, k, s.Targets, share(s.ByHost, s.Targets), share(s.Found, s.Targets),
			share(n.Found, n.Targets), share(s.Found, s.Found+s.Extra), s.Right, s.Derived, share(s.Stopped, s.Later), share(s.CaughtC, s.BackC))
	}
	p("\nA campaign that nobody reported, since too few people spoke in its time, has no reaction and is in no share but that of the return.")
	p("Of the hosts derived most only score: they come out as leads and stop nothing. Those that were the operator's are what blocks; the others are listed below where they may be felt.\n")
	p("## By conversation\n")
	p("| conversation | variant | events | people reached | found | named rightly | return caught |\n|---|---|---|---|---|---|---|")
	var names []string
	for _, r := range runs {
		if !slices.Contains(names, r.conversation) {
			names = append(names, r.conversation)
		}
	}
	for _, name := range names {
		for _, v := range []string{"whole", "no facts", "reported host alone"} {
			s := total(v, name)
			events := 0
			for _, r := range runs {
				if r.conversation == name && r.variant == v {
					events += r.out.Events
				}
			}
			p("| %s | %s | %d | %d | %s | %s | %s |", name, v, events, s.Targets, share(s.Found, s.Targets), share(s.Found, s.Found+s.Extra), share(s.CaughtC, s.BackC))
		}
	}
	p("\nThe numbers of people differ between variants of one stream: what is blocked earlier reaches fewer.\n")
	p("## Every miss and every wrong name\n")
	p("Whole variant. *Named wrongly* says by what a person came in who was no target.\n")
	p("| conversation | seed | campaign | reached | found | named wrongly | derived hosts of others that may warn or block |\n|---|---|---|---|---|---|---|")
	for _, r := range runs {
		if r.variant != "whole" {
			continue
		}
		for _, x := range r.out.Campaigns {
			var felt []string
			for _, h := range x.Wrong {
				if !strings.HasSuffix(h, " allow") {
					felt = append(felt, "`"+h+"`")
				}
			}
			if x.Found < x.Targets || len(x.Extra) > 0 || len(felt) > 0 || x.Why != "" {
				p("| %s | %d | %s, %s | %d | %d | %s | %s |", r.conversation, r.seed, x.Name, x.Kind, x.Targets, x.Found, strings.Join(append(x.Extra, x.Why), ", "), strings.Join(felt, ", "))
			}
		}
	}
	return b.String()
}
