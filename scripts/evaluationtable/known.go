//go:build ignore

package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"vedette"
	"vedette/link"
	"vedette/sim"
)

// conversation is a real one, laid under an overlay.
type conversation struct {
	name  string
	files []string
	group bool // everybody talks to a group: there is no first contact among honest people
	each  int  // spellings of each name, in turn; 0: all
}

func (b *bench) conversations() []conversation {
	g := func(parts ...string) string { return b.path(append([]string{"graphs"}, parts...)...) }
	all := []conversation{
		{"students' messages (UCI)", []string{g("uci-messages-konect", "graph.txt")}, false, 0},
		{"Slack, four chats", []string{
			g("slack", "racket", "2017", "merged-racket-general.xml.gz"), g("slack", "racket", "2018", "merged-racket-general.xml.gz"),
			g("slack", "racket", "2019", "merged-racket-general.xml.gz"), g("slack", "elmlang", "2019", "merged-elmlang-general.xml.gz"),
		}, true, 7},
		{"a company's mail (Enron)", []string{g("enron", "ia-enron-employees.edges")}, false, 7},
		{"a students' forum (fb-forum)", []string{g("fb-forum", "fb-forum.edges")}, false, 7},
	}
	if b.quick {
		return all[:1]
	}
	return all
}

func (b *bench) overlayArgs(c conversation, hosts string, seed int, more ...string) []string {
	args := []string{"--seed", fmt.Sprint(seed), "--hosts", hosts, "--all-links", "--urls"}
	if b.quick {
		args = append(args, "--messages", "8000", "--each", "2")
	}
	if c.each > 0 && !b.quick {
		args = append(args, "--each", fmt.Sprint(c.each))
	}
	for _, f := range c.files {
		args = append(args, "--conversation", f)
	}
	for _, f := range linkFiles {
		args = append(args, "--links", b.path("benign", "urls", f))
	}
	return append(args, more...)
}

// outcome gathers what one kind of run gave, over its seeds.
type outcome struct {
	runs                          int
	messages                      int
	sent                          int             // injected messages, over all seeds
	pairs                         map[string]bool // by name and spelling: stopped under every seed
	names                         map[string]bool
	seeds                         map[share]int // seeds by what was warned of and stopped of the harmless: they repeat the same messages
	harmless                      share         // stopped, of harmless messages with links, of the first seed
	links                         int
	warned                        share // warned of, of harmless messages with links
	firstWarned                   share // the same of harmless first contacts to a person
	by                            map[string]int
	injectedWarned, injectedAllow int
	falseHosts                    map[string]int
}

func newOutcome() *outcome {
	return &outcome{names: map[string]bool{}, pairs: map[string]bool{}, seeds: map[share]int{}, by: map[string]int{}, falseHosts: map[string]int{}}
}

func (o *outcome) perName() share  { return always(o.names) }
func (o *outcome) injected() share { return always(o.pairs) }

// always counts what held every time.
func always(m map[string]bool) (s share) {
	for _, held := range m {
		s.add(held)
	}
	return s
}

// every notes that something held or not, which must hold every time.
func every(m map[string]bool, key string, holds bool) {
	before, seen := m[key]
	m[key] = (before || !seen) && holds
}

type miss struct {
	value, spelling, text string
	verdict               vedette.Verdict
	times                 int
}

// spellings is what came out for one spelling.
type spellings struct {
	messages int
	names    map[string]bool
	base     [4]share
}

// known is the result of part 1 (and of part 3 for the injected ones).
type known struct {
	order    []string
	out      map[string]*outcome
	spelled  map[string]*spellings
	misses   map[string]*miss // without guard lists
	guarded  map[string]*miss
	base     [4]share // false stops of the baselines among harmless links
	baseHits [4]map[string]int
	all      *outcome // without guard lists, aged, as it comes: all conversations together
	allGuard *outcome
	reports  []overlayReport
	notRead  int
}

type form struct{ young, told, guarded bool }

func (f form) String() string {
	s := "people there before"
	if f.young {
		s = "everybody new"
	}
	if f.told {
		s += ", clients tell strangers"
	}
	if f.guarded {
		s += ", with guard lists"
	}
	return s
}

func (b *bench) known(hosts string, seeds []int, lists *baselines) (*known, error) {
	k := &known{out: map[string]*outcome{}, spelled: map[string]*spellings{}, misses: map[string]*miss{}, guarded: map[string]*miss{}, all: newOutcome(), allGuard: newOutcome()}
	for i := range k.baseHits {
		k.baseHits[i] = map[string]int{}
	}
	for n, c := range b.conversations() {
		for i, seed := range seeds {
			for _, young := range []bool{false, true} {
				if young && i > 0 {
					continue
				}
				more := []string{"--aged"}
				if young {
					more = nil
				}
				path, truthPath, rep, err := b.overlay("known", b.overlayArgs(c, hosts, seed, more...)...)
				if err != nil {
					return nil, err
				}
				if i == 0 && !young {
					k.reports = append(k.reports, rep)
				}
				events, err := readEvents(path)
				if err != nil {
					return nil, err
				}
				truth, err := readTruth(truthPath)
				if err != nil {
					return nil, err
				}
				forms := []form{{young: young}}
				if !young && i < 2 {
					forms = append(forms, form{guarded: true})
				}
				if n == 0 && i == 0 {
					forms = append(forms, form{young: young, told: true})
				}
				for _, f := range forms {
					stream, base := path, "plain"
					if f.told {
						if stream, err = tellStrangers(path, events); err != nil {
							return nil, err
						}
					}
					if f.guarded {
						base = "guarded"
					}
					sum, judged, err := b.judge(base, stream, truthPath)
					if err != nil {
						return nil, err
					}
					into := []*outcome{k.of(c.name + " | " + f.String())}
					switch {
					case f == form{}:
						into = append(into, k.all)
					case f == form{guarded: true}:
						into = append(into, k.allGuard)
					}
					stopped := k.score(events, judged, truth, f, into, lists, i == 0)
					if sum.Truth == nil || sum.Truth.Stopped != stopped {
						return nil, fmt.Errorf("replay counts %+v, its journal %d stopped: one of the two is wrong", sum.Truth, stopped)
					}
					progress("%s, seed %d, %s", c.name, seed, f)
				}
			}
		}
	}
	return k, nil
}

func (k *known) of(name string) *outcome {
	o, ok := k.out[name]
	if !ok {
		o = newOutcome()
		k.out[name] = o
		k.order = append(k.order, name)
	}
	return o
}

// score adds a run to its outcomes, and to the tables of spellings and baselines where it is a plain one.
func (k *known) score(events []event, judged []said, truth map[string]sim.Truth, f form, into []*outcome, lists *baselines, firstSeed bool) (stopped int) {
	warned, wrong := 0, 0
	for _, o := range into {
		o.runs++
	}
	for i := range events {
		e, s := &events[i], &judged[i]
		for _, o := range into {
			if e.Kind == "message.sent" || e.Kind == "link.sent" {
				o.messages++
			}
		}
		if len(e.Links) == 0 {
			continue
		}
		t, told := truth[e.ID]
		if !told {
			if s.would == vedette.Warn {
				warned++
			}
			if s.stopped() {
				wrong++
			}
			if !firstSeed { // another seed moves the attacks; the harmless messages are the same, and counting them again would feign certainty
				continue
			}
			for _, o := range into {
				o.links += len(e.Links)
				o.harmless.add(s.stopped())
				o.warned.add(s.would == vedette.Warn)
				if e.first {
					o.firstWarned.add(s.would == vedette.Warn)
				}
				if s.would == vedette.Warn {
					for _, r := range s.rules {
						o.by[r]++
					}
				}
				if s.stopped() {
					o.falseHosts[hostsOf(e)+" by "+strings.Join(s.lists, ", ")]++
				}
			}
			if f == (form{}) {
				for _, l := range e.Links {
					for n, by := range lists.ask(l.URL) {
						k.base[n].add(by != "")
						if by != "" {
							k.baseHits[n][by]++
						}
					}
				}
			}
			continue
		}
		if s.stopped() {
			stopped++
		}
		for _, o := range into {
			o.sent++
			every(o.pairs, t.Value+" "+t.Variant, s.stopped())
			every(o.names, t.Value, s.stopped())
			switch s.would {
			case vedette.Warn:
				o.injectedWarned++
			case vedette.Allow:
				o.injectedAllow++
			}
		}
		if !s.stopped() && !f.told && !f.young {
			m := k.misses
			if f.guarded {
				m = k.guarded
			}
			key := t.Value + " " + t.Variant
			if m[key] == nil {
				m[key] = &miss{value: t.Value, spelling: t.Variant, text: e.Links[0].URL, verdict: s.would}
			}
			m[key].times++
		}
		if f == (form{}) {
			sp := k.spelled[t.Variant]
			if sp == nil {
				sp = &spellings{names: map[string]bool{}}
				k.spelled[t.Variant] = sp
			}
			sp.messages++
			every(sp.names, t.Value, s.stopped())
			for n, by := range lists.ask(e.Links[0].URL) {
				sp.base[n].add(by != "")
			}
		}
	}
	into[0].seeds[share{warned, wrong}]++
	return stopped
}

func hostsOf(e *event) string {
	var out []string
	for _, l := range e.Links {
		if u, err := link.Parse(l.URL); err == nil && !slices.Contains(out, u.Host()) {
			out = append(out, u.Host())
		}
	}
	return strings.Join(out, " ")
}

// spared injects what the table itself marks as a popular or legitimate host: what the guard exists for.
func (b *bench) spared(hosts string) (values map[string]bool, n share, err error) {
	c := b.conversations()[0]
	path, truthPath, _, err := b.overlay("spared", "--seed", "11", "--hosts", hosts, "--conversation", c.files[0], "--aged", "--urls", "--popular", "--variant", "plain")
	if err != nil {
		return nil, n, err
	}
	events, err := readEvents(path)
	if err != nil {
		return nil, n, err
	}
	truth, err := readTruth(truthPath)
	if err != nil {
		return nil, n, err
	}
	_, judged, err := b.judge("plain", path, truthPath)
	if err != nil {
		return nil, n, err
	}
	values = map[string]bool{}
	for i := range events {
		if t, ok := truth[events[i].ID]; ok {
			n.add(judged[i].stopped())
			values[t.Value] = judged[i].stopped()
		}
	}
	return values, n, nil
}

// write writes parts 1 and 3.
func (k *known) write(p *page, why, whyGuarded func(value string) string, unreadable []listed, popular map[string]bool, popularShare share) {
	p.say("## 1. Known hosts, in every spelling, over real timing\n")
	p.say("**Asked.** Every published name of a host or URL that stands in a table or list that a program can read is injected once in each of the 28 spellings")
	p.say("(docs/formats/truth.md), over the conversations after the first in seven of them in turn, to keep the time down. An account made for it sends it to the person who")
	p.say("spoke last; about it, real people talk at their real times and send real links. Seeds 11 to 15; everybody new and told strangers with the first alone, guard lists with two. Does the gate stop each? Does it stop or warn of anything else?\n")
	p.head("conversation and form", "seeds", "injected messages", "name and spelling: always stopped", "names: always stopped in all spellings tried", "harmless messages with links: stopped", "warned of", "harmless first contacts: warned of")
	for _, name := range k.order {
		o := k.out[name]
		first := "none (group)"
		if o.firstWarned.n > 0 {
			first = o.firstWarned.String()
		}
		p.row(strings.ReplaceAll(name, " | ", ": "), fmt.Sprint(o.runs), count(o.sent), o.injected().String(), o.perName().String(), o.harmless.String(), o.warned.String(), first)
	}
	p.say("\nIntervals: Wilson, 95 %%. Seeds move the same names in the same spellings to other places, so that each pair is counted once, as stopped if it was so under every")
	p.say("seed; spellings of one name are not independent either, and the column of names is the honest unit for recall. The harmless messages are the same under every")
	p.say("seed and counted under the first alone; %s. Their links repeat: part 2 counts each link and each domain once.\n", k.sameSeeds())
	p.say("### By spelling\n")
	p.say("All conversations and seeds, people there before, without guard lists. A to D are the baselines of part 3: the share of the same messages that they stop.\n")
	p.head("spelling", "messages", "names always stopped", "(a) equal", "(b) glob", "(c) substring", "(d) net/url")
	for _, v := range spellingOrder {
		s := k.spelled[v]
		if s == nil {
			continue
		}
		cells := []string{v, count(s.messages), always(s.names).String()}
		for i := range s.base {
			cells = append(cells, fmt.Sprintf("%.1f %%", 100*float64(s.base[i].k)/float64(s.base[i].n)))
		}
		p.row(cells...)
	}
	p.say("\n### Every miss\n")
	writeMisses(p, "Without guard lists", k.misses, why)
	writeMisses(p, "With an operator's guard lists (fifteen warning lists about popular and shared names)", k.guarded, whyGuarded)
	p.say("**Named in running text alone**, which no importer reads, and covered by nothing that was taken (some are only mentioned there: sites that were imitated or abused):")
	p.say("%s.\n", values(unreadable))
	p.say("**What the table itself marks as popular or legitimate** (a hoster, a shortener, a site that was abused) is not counted above. Injected plainly, %s is", popularShare)
	p.say("stopped, without guard lists: its URL, its tenant, or the host itself, and part 2 shows where that is too much. Passed, one by one: %s.\n", only(popular, false))
	p.say("### Every false stop over the conversations\n")
	none := true
	for _, name := range k.order {
		for _, h := range sorted(k.out[name].falseHosts) {
			host, by, _ := strings.Cut(h, " by ")
			p.say("- %s: %s by %s, %d times", strings.ReplaceAll(name, " | ", ": "), shown(host), by, k.out[name].falseHosts[h])
			none = false
		}
	}
	if none {
		p.say("None.")
	}
	p.say("\n### False warnings by rule\n")
	p.say("Harmless messages that are warned of, by the rules that spoke (several can).\n")
	p.head("conversation and form", "warned of", "by")
	for _, name := range k.order {
		o := k.out[name]
		p.row(strings.ReplaceAll(name, " | ", ": "), o.warned.String(), tally(o.by))
	}
	p.say("")
}

// sameSeeds says whether the harmless messages were judged alike under all seeds.
func (k *known) sameSeeds() string {
	var not []string
	for _, name := range k.order {
		var warned, stopped []int
		for s := range k.out[name].seeds {
			warned, stopped = append(warned, s.k), append(stopped, s.n)
		}
		if len(warned) > 1 {
			not = append(not, fmt.Sprintf("%s: %d to %d warned of, %d to %d stopped", strings.ReplaceAll(name, " | ", ", "),
				slices.Min(warned), slices.Max(warned), slices.Min(stopped), slices.Max(stopped)))
		}
	}
	if len(not) == 0 {
		return "under the others as many were warned of and stopped"
	}
	return "the verdicts differ a little by seed, since memory estimates how many people sent a domain (sketches) and the error depends on how accounts are numbered (" +
		strings.Join(not, "; ") + ")"
}

func writeMisses(p *page, title string, m map[string]*miss, why func(string) string) {
	byValue := map[string][]*miss{}
	n := 0
	for _, key := range sorted(m) {
		byValue[m[key].value] = append(byValue[m[key].value], m[key])
		n += m[key].times
	}
	p.say("**%s:** %s messages missed, with %s names.\n", title, count(n), count(len(byValue)))
	if n == 0 {
		return
	}
	p.head("listed", "spellings missed", "messages", "answered", "why")
	for _, v := range sorted(byValue) {
		var spelled []string
		times, verdicts := 0, map[string]bool{}
		for _, x := range byValue[v] {
			spelled = append(spelled, x.spelling)
			times += x.times
			verdicts[x.verdict.String()] = true
		}
		which := strings.Join(spelled, ", ")
		if len(spelled) > 6 {
			which = fmt.Sprintf("%d of them", len(spelled))
		}
		p.row(shown(v), which, fmt.Sprint(times), strings.Join(sorted(verdicts), ", "), why(v))
	}
	p.say("")
}

func values(ls []listed) string {
	seen := map[string]bool{}
	for _, l := range ls {
		if l.kind == "domain" || l.kind == "url" {
			seen[shown(l.value)] = true
		}
	}
	return cmp.Or(strings.Join(sorted(seen), ", "), "none")
}

func only(m map[string]bool, want bool) string {
	var out []string
	for _, v := range sorted(m) {
		if m[v] == want {
			out = append(out, shown(v))
		}
	}
	return cmp.Or(strings.Join(out, ", "), "none")
}
