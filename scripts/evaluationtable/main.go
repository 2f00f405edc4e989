//go:build ignore

// Command evaluationtable measures how well the gate as it stands detects, with the true program on data that nobody here wrote, and writes the
// page: what was asked, what came out, every miss and every false stop.
//
// It runs `vedette indicator import`, `sim overlay`, `replay`, `arm --dry-run` and `decision show` in folders of its own, and reads the verdicts
// from the journals that they leave. It never resolves or fetches a host; every name in the page is defanged.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"vedette/link"
	"vedette/sim"
)

var (
	begin         = time.Now()
	spellingOrder = func() (out []string) {
		for _, v := range sim.Variants() {
			out = append(out, v.Name)
		}
		return out
	}()
)

func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%4.0f s  %s\n", time.Since(begin).Seconds(), fmt.Sprintf(format, args...))
}

func main() {
	quick := flag.Bool("quick", false, "one conversation, one seed, parts of the sets: to see that it works")
	bin := flag.String("bin", "bin/vedette", "the program")
	corpora := flag.String("corpora", "", "folder of the real data")
	command := flag.String("command", "make evaluation", "how this was started, for the page")
	at := flag.String("commit", "unknown", "which commit the program was built of, read before it was built")
	out := flag.String("out", "", "the page")
	flag.Parse()
	if err := evaluate(*bin, *corpora, *command, *at, *out, *quick); err != nil {
		fmt.Fprintln(os.Stderr, "evaluation:", err)
		os.Exit(1)
	}
}

func evaluate(bin, corpora, command, commit, out string, quick bool) (err error) {
	if bin, err = filepath.Abs(bin); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "vedette-evaluation-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	b := &bench{bin: bin, corpora: corpora, work: work, quick: quick, ran: map[string]int{}}
	seeds := []int{11, 12, 13, 14, 15}
	if quick {
		seeds = seeds[:1]
	}

	var reports, guardReports []importReport
	var failed [3]error
	var wg sync.WaitGroup
	wg.Go(func() { reports, failed[0] = b.fill("plain", nil, nil) })
	wg.Go(func() { guardReports, failed[1] = b.fill("guarded", b.guardLists(), nil) })
	wg.Go(func() { _, failed[2] = b.fill("early", nil, early) })
	wg.Wait()
	if err := errors.Join(failed[:]...); err != nil {
		return err
	}
	lists, n, err := taken(filepath.Join(work, "plain"))
	if err != nil {
		return err
	}
	header, rows, unreadable, err := b.published()
	if err != nil {
		return err
	}
	// A list as it comes: what was taken, what the guard refused, and what the table of published names has besides.
	everything, _, err := taken(filepath.Join(work, "plain"))
	if err != nil {
		return err
	}
	for _, r := range reports {
		for _, x := range r.Refusals {
			if v := strings.ToLower(link.Refang(x.Value)); strings.Contains(v, ".") {
				everything.add(v, strings.Contains(v, "://"))
			}
		}
	}
	var popular []listed
	for _, r := range rows {
		if r.kind == "domain" || r.kind == "url" {
			everything.add(link.Refang(r.value), r.kind == "url")
		}
		if r.popular {
			popular = append(popular, r)
		}
	}
	hosts, err := b.writeRows("hosts.csv", header, rows)
	if err != nil {
		return err
	}
	popularFile, err := b.writeRows("popular.csv", header, popular)
	if err != nil {
		return err
	}
	progress("lists imported: %d indicators", n)

	k, err := b.known(hosts, seeds, lists)
	if err != nil {
		return err
	}
	spared, sparedShare, err := b.spared(popularFile)
	if err != nil {
		return err
	}
	x, err := b.benign(lists, everything)
	if err != nil {
		return err
	}
	ph, err := b.phish()
	if err != nil {
		return err
	}
	la, err := b.later(header, rows, seeds)
	if err != nil {
		return err
	}
	ag, err := b.again(hosts)
	if err != nil {
		return err
	}

	var p page
	p.say("# How well the gate detects\n")
	p.say("Made by one command; do not edit. %s, commit %s, `%s`, %s.\n", time.Now().UTC().Format("2 January 2006"), commit, command, seedText(seeds))
	if quick {
		p.say("**This is the quick form: one conversation, one seed, parts of the sets. It shows that the command works, and no more.**\n")
	}
	summary(&p, k, x, ph, la, ag, n)
	data(&p, reports, guardReports, k, n)
	k.write(&p, whyMissed(b, "plain", reports), whyMissed(b, "guarded", guardReports), uncovered(unreadable, lists), spared, sparedShare)
	x.write(&p)
	writeBaselines(&p, k, x, n)
	ph.write(&p)
	la.write(&p)
	ag.write(&p)
	limits(&p)
	p.say("\nCommands of the program that were run: %s; %.0f minutes in all.", tally(b.ran), time.Since(begin).Minutes())
	return os.WriteFile(out, []byte(p.String()), 0o644)
}

// changed names the last commit that changed a path, or the first.
func changed(path string, first bool) string {
	out, err := exec.Command("git", "log", "--format=`%h` (%ad)", "--date=format:%Y-%m-%d %H:%M", "--", path).Output()
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if err != nil || lines[0] == "" {
		return "an unknown commit"
	}
	if first {
		return lines[len(lines)-1]
	}
	return lines[0]
}

// uncovered is what stands in running text alone, is no legitimate site by the table's word, and is covered by nothing that was taken.
func uncovered(ls []listed, lists *baselines) (out []listed) {
	for _, l := range ls {
		text := link.Refang(l.value)
		if !strings.Contains(text, "://") {
			text = "https://" + text + "/"
		}
		if by := lists.ask(text); by[3] == "" && !l.popular && !strings.HasSuffix(l.value, ".py") {
			out = append(out, l)
		}
	}
	return out
}

func seedText(seeds []int) string {
	if len(seeds) == 1 {
		return fmt.Sprintf("seed %d", seeds[0])
	}
	return fmt.Sprintf("seeds %d to %d", seeds[0], seeds[len(seeds)-1])
}

// whyMissed looks for the reason that a listed value did not stop a link: the guard's, or the scope by which it was taken.
func whyMissed(b *bench, folder string, reports []importReport) func(string) string {
	refused := map[string]string{}
	for _, r := range reports {
		for _, x := range r.Refusals {
			refused[strings.ToLower(link.Refang(x.Value))] = x.Reason
		}
	}
	return func(value string) string {
		out, err := b.run(folder, "indicator", "lookup", link.Refang(value))
		if err != nil {
			return "not told"
		}
		scopes := map[string]bool{}
		for _, l := range strings.Split(string(out), "\n") {
			if _, rest, ok := strings.Cut(l, ": scope "); ok {
				scope, rest, _ := strings.Cut(rest, ",")
				by := ""
				if _, s, ok := strings.Cut(rest, "published by "); ok {
					by, _, _ = strings.Cut(s, ",")
					by, _, _ = strings.Cut(by, " on ")
				}
				scopes[strings.TrimSpace(scope+" by "+by)] = true
			}
		}
		reason := refused[strings.ToLower(link.Refang(value))]
		switch {
		case len(scopes) > 0 && reason != "":
			return "taken as " + strings.Join(sorted(scopes), ", ") + "; refused elsewhere: " + reason
		case len(scopes) > 0:
			return "taken as " + strings.Join(sorted(scopes), ", ") + ", and no wider than its source says"
		case reason != "":
			return "refused: " + reason
		}
		return "in no list that was taken"
	}
}

func summary(p *page, k *known, x *benign, ph *phish, la *later, ag *again, n int) {
	p.say("## In short\n")
	p.head("asked", "came out", "part")
	p.row("Injected hosts that a list knows, in 28 spellings: stopped", "of names and spellings "+k.all.injected().String()+"; of names, all spellings "+k.all.perName().String(), "1")
	p.row("The same, with an operator's guard lists", "of names and spellings "+k.allGuard.injected().String()+"; of names "+k.allGuard.perName().String(), "1")
	p.row("Harmless messages with links over the same conversations: stopped", k.all.harmless.String(), "1")
	p.row("The same messages: warned of, where people were there before", k.all.warned.String(), "1")
	l, d := x.sum(x.plain)
	gl, gd := x.sum(x.guarded)
	p.row("Links and hosts of honest sets, sent by friends: stopped", l.String()+"; domains: "+d.String(), "2")
	p.row("The same, with guard lists", gl.String()+"; domains: "+gd.String(), "2")
	best, hit, wrong := "", share{}, share{}
	for n, name := range baselineNames {
		h, w := k.baseline(n), share{}
		for _, s := range x.plain {
			w.k, w.n = w.k+s.base[n].k, w.n+s.base[n].n
		}
		if best == "" || float64(h.k)*float64(hit.n) > float64(hit.k)*float64(h.n) {
			best, hit, wrong = name, h, w
		}
	}
	p.row("Four other ways of using the list: the one that stops most of the injected messages, "+best, fmt.Sprintf("%.1f %% of them; of the honest sets it stops %s", 100*float64(hit.k)/float64(hit.n), wrong), "3")
	p.row("Links of commodity phishing that a spyware list claims", share{claims(ph), ph.all}.String(), "4")
	for _, name := range la.order {
		if h := la.out[name]; !strings.Contains(name, "clients tell") {
			p.row("Hosts that no list knows, first contacts by the overlay's attacker, "+name+": warned of", h.attackRate()+"; harmless first contacts "+h.first.percent(), "5")
		}
	}
	p.row("Hosts that no list knows, front page, first contact by a year-old account: warned of", la.sent[1].x.warned.String(), "5")
	live := ag.live.Decisions["block"] + ag.live.Decisions["hold"]
	p.row("Stops that the journal's tokens alone do not give again", share{live - ag.all.Changed["block"] - ag.all.Changed["hold"], live}.String(), "6")
	p.say("\nThe first rows are no news about unknown attacks: a list finds what is on it. They say that these spellings do not hide a listed host, and what that costs.")
	p.say("Part 5 is the only one about hosts that nobody has listed, and its attacker is made up: his habits are those that the rules ask about.\n")
}

func claims(ph *phish) (n int) {
	for _, c := range ph.claims {
		n += c.links
	}
	return n
}

func data(p *page, reports, guarded []importReport, k *known, n int) {
	p.say("## Of what\n")
	sum := func(rs []importReport) (files, seen, taken, narrowed, observed, refused int) {
		for _, r := range rs {
			files++
			seen += r.Seen
			taken += r.Taken
			narrowed += r.Narrowed
			observed += r.Observed
			refused += r.Refused
		}
		return
	}
	f, s, t, na, ob, re := sum(reports)
	_, _, gt, gna, _, gre := sum(guarded)
	p.say("*Lists.* %d files of nine publishers, each imported as a list of its own, at block by a person's word (`--grade A1 --verdict block`): %s values, %s taken (%s", f, count(s), count(t), count(n))
	p.say("in force after duplicates, %s observed only since their source marks them as not for detection), %s narrowed and %s refused; with an operator's guard lists", count(ob), count(na), count(re))
	p.say("%s taken, %s narrowed, %s refused. By default lists warn at most: the verdicts here are what they would be once a person has said block and all is armed.\n", count(gt), count(gna), count(gre))
	p.head("data", "from", "licence")
	for _, r := range [][3]string{
		{"indicators of mercenary spyware and hack-for-hire", "Amnesty International; Citizen Lab; MVT; ESET; Volexity; Meta; maltrail; targetedthreats", "CC BY 2.0; CC BY-NC-SA 4.0; MIT; BSD 2-clause; BSD 2-clause; MIT; MIT; CC BY-SA 4.0"},
		{"indicators of stalkerware", "Echap", "CC BY 4.0"},
		{"who is listed under which operator and when", "a table made of the above", "as its sources"},
		{"conversations", "UCI messages (KONECT); Enron and fb-forum (network repository); Slack chats of Racket and Elm users", "CC BY-SA 2.0 DE; CC BY-SA; none stated, collected with the admins' consent"},
		{"harmless links", "links of those Slack chats and of an IRC channel; a corpus of URLs (kasztp)", "none stated; CC BY 4.0; MIT"},
		{"honest sites and names", "test lists of Citizen Lab; MISP warning lists; a list of shorteners; the allow list of eth-phishing-detect", "CC BY-NC-SA 4.0; CC0; CC BY-SA 4.0; DBAD"},
		{"commodity phishing", "Phishing.Database; OpenPhish's public feed; two lists of Discord phishing; eth-phishing-detect", "MIT; not stated; MIT; DBAD"},
	} {
		p.row(r[:]...)
	}
	p.say("\nNone of it is part of this repository. Conversations give times and who wrote to whom; no text is read. The IRC logs are text without dates in a line, which the")
	p.say("overlay does not read, so that IRC gives links only. People's messages are real; which link stands in which message is ours, but for Slack, where a message with a")
	p.say("link has one. With `--all-links` every message has links, so that each link of the three files is sent at least once.\n")
	p.head("conversation", "messages", "accounts", "harmless links sent", "names injected", "injections a run", "left out")
	for i, r := range k.reports {
		p.row(strings.ReplaceAll(k.order[firstOf(k, i)], " | ", ": "), count(r.Messages), count(r.Accounts), count(r.Links), count(r.Targets), count(r.Injected), tally(r.LeftOut))
	}
	p.say("")
}

// firstOf finds the place of the i-th conversation's first form.
func firstOf(k *known, i int) int {
	seen := -1
	last := ""
	for n, name := range k.order {
		c, _, _ := strings.Cut(name, " | ")
		if c != last {
			seen, last = seen+1, c
		}
		if seen == i {
			return n
		}
	}
	return 0
}

func limits(p *page) {
	p.say("## What this does not show\n")
	for _, s := range []string{
		"That no spelling hides a listed host. The 28 are a list of this project's own making; the reader was tested on them while it was written. Averages over them, the baselines' too, depend on which spellings stand in the list and say nothing about how often each is used.",
		"How many real attacks would be stopped. Lists hold what was found, years later and by few laboratories; the operators' names in use today are not on them. A recall of nearly all listed names is a statement about spelling and reading, not about attackers.",
		"Whether the lists were right at the time. Everything is judged in hindsight, with every list at block; names expire and are sold on, which part 2 shows.",
		"How a messenger's traffic behaves. Students' messages of 2004, a company's mail of 2001 and chats of programmers are real, and none is a messenger of today; how often honest strangers send links there nobody has published. False warnings of rules depend on exactly that.",
		"That attackers behave like the overlay's. Its accounts are made for the attack and send 25 links each, with a path made for one person. Part 5 says what is left when they do not.",
		"Anything about redirects, shortened links, files and codes in pictures: vedette never fetches, so a shortener in front of a listed host hides it. No spelling here tries that, since it leads to another host.",
		"Independence of the data from the code. The indicator files, conversations and links could be seen by those who wrote importers, guard, rules and overlay, and false stops and warnings had been counted on several of these sets before (docs/decisions/0006, 0008, 0011). Parts 1 and 2 are therefore no test on unseen data. In part 5 names are held out from the lists only: who wrote the rules could see all published names, those from 2021 on included, and the generator of paths. Other operators, years and conversations are kept apart, for scoring by others.",
		"Slow detection, reports by people, and anything but links: those rules had no events to speak of here.",
	} {
		p.say("- %s", s)
	}
}
