//go:build ignore

package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"vedette"
	"vedette/link"
)

// sending is what came out for one set in one setting.
type sending struct {
	links   share // stopped
	domains map[string]bool
	warned  share
	by      map[string]int
	unread  int
	stops   map[string]*stop // by host
	base    [4]share
	baseBy  [4]map[string]int
}

type stop struct {
	host, in string
	links    int
	lists    []string
}

func nameOf(text string) (host, domain string, ok bool) {
	u, err := link.Parse(text)
	if err != nil {
		return "", "", false
	}
	return u.Host(), u.Registrable(), true
}

// sendAll sends a set and scores it.
func (b *bench) sendAll(s set, how setting, base string, lists *baselines) (*sending, error) {
	path := filepath.Join(b.work, "send.ndjson")
	lines, err := send(path, s.links, how)
	if err != nil {
		return nil, err
	}
	_, judged, err := b.judge(base, path, "")
	if err != nil {
		return nil, err
	}
	out := &sending{domains: map[string]bool{}, by: map[string]int{}, stops: map[string]*stop{}}
	for i := range out.baseBy {
		out.baseBy[i] = map[string]int{}
	}
	for i, text := range s.links {
		v := &judged[lines[i]]
		host, domain, ok := nameOf(text)
		if !ok {
			out.unread++
			host = text
		}
		if domain == "" {
			domain = host
		}
		out.links.add(v.stopped())
		out.domains[domain] = out.domains[domain] || v.stopped()
		out.warned.add(v.would == vedette.Warn)
		if v.would == vedette.Warn {
			for _, r := range v.rules {
				out.by[r]++
			}
		}
		if v.stopped() {
			x := out.stops[host]
			if x == nil {
				x = &stop{host: host, in: s.name}
				out.stops[host] = x
			}
			x.links++
			for _, l := range v.lists {
				if !slices.Contains(x.lists, l) {
					x.lists = append(x.lists, l)
				}
			}
		}
		if lists != nil {
			for n, by := range lists.ask(text) {
				out.base[n].add(by != "")
				if by != "" {
					out.baseBy[n][by]++
				}
			}
		}
	}
	progress("%s, setting %d, %s", s.name, how, base)
	return out, nil
}

func (s *sending) perDomain() (n share) {
	for _, stopped := range s.domains {
		n.add(stopped)
	}
	return n
}

// benign is the result of part 2.
type benign struct {
	sets    []set
	plain   []*sending
	guarded []*sending
	raw     []*sending // baseline (d) with every published name, guarded by nothing
}

func (b *bench) benign(lists, everything *baselines) (*benign, error) {
	out := &benign{}
	for _, f := range []func() (set, error){b.chatLinks, b.testLists, b.warningLists} {
		s, err := f()
		if err != nil {
			return nil, err
		}
		if b.quick && len(s.links) > 2000 {
			s.links = s.links[:2000]
		}
		plain, err := b.sendAll(s, amongFriends, "plain", lists)
		if err != nil {
			return nil, err
		}
		guarded, err := b.sendAll(s, amongFriends, "guarded", nil)
		if err != nil {
			return nil, err
		}
		raw := &sending{}
		raw.baseBy[3] = map[string]int{}
		for _, l := range s.links {
			by := everything.ask(l)
			raw.base[3].add(by[3] != "")
			if by[3] != "" {
				raw.baseBy[3][by[3]]++
			}
		}
		out.sets, out.plain, out.guarded, out.raw = append(out.sets, s), append(out.plain, plain), append(out.guarded, guarded), append(out.raw, raw)
	}
	return out, nil
}

func (x *benign) sum(of []*sending) (links, domains share) {
	all := map[string]bool{}
	for _, s := range of {
		links.k += s.links.k
		links.n += s.links.n
		for d, stopped := range s.domains {
			all[d] = all[d] || stopped
		}
	}
	for _, stopped := range all {
		domains.add(stopped)
	}
	return links, domains
}

func (x *benign) write(p *page) {
	p.say("## 2. What honest people use, sent by people whom the recipient knows\n")
	p.say("**Asked.** Each link once, each host of a list of hosts once as `https://host/`, every list at block, in hindsight. What is stopped?\n")
	p.head("set", "links", "domains", "links stopped", "domains with a stop", "with guard lists: links stopped", "domains", "links warned of", "by")
	for i, s := range x.sets {
		a, g := x.plain[i], x.guarded[i]
		p.row(s.name, count(len(s.links)), count(len(a.domains)), a.links.String(), a.perDomain().String(), g.links.String(), g.perDomain().String(), a.warned.String(), tally(a.by))
	}
	l, d := x.sum(x.plain)
	gl, gd := x.sum(x.guarded)
	p.row("**all**", count(l.n), count(d.n), l.String(), d.String(), gl.String(), gd.String(), "", "")
	p.say("\nThe guard lists are most of the warning lists, so that the column \"with guard lists\" says something independent for the other two sets only.")
	p.say("The cases below are false by the sets' word; some sites are on both kinds of list for a reason, and only people can settle that.\n")
	p.say("**Every false stop, one by one:**\n")
	p.head("host", "set", "links", "stopped by", "with guard lists")
	n := 0
	for i := range x.sets {
		for _, h := range sorted(x.plain[i].stops) {
			s := x.plain[i].stops[h]
			still := "passes"
			if x.guarded[i].stops[h] != nil {
				still = "stopped"
			}
			p.row(shown(h), s.in, fmt.Sprint(s.links), strings.Join(s.lists, ", "), still)
			n++
		}
		for _, h := range sorted(x.guarded[i].stops) {
			if x.plain[i].stops[h] == nil {
				s := x.guarded[i].stops[h]
				p.row(shown(h), s.in, fmt.Sprint(s.links), strings.Join(s.lists, ", "), "stopped only here")
				n++
			}
		}
	}
	if n == 0 {
		p.row("none", "", "", "", "")
	}
	p.say("")
}

// baseline is what one of the four stops of all injected messages.
func (k *known) baseline(n int) (hit share) {
	for _, s := range k.spelled {
		hit.k, hit.n = hit.k+s.base[n].k, hit.n+s.base[n].n
	}
	return hit
}

// rough is a share of messages that repeat, and so has no interval.
func rough(s share) string { return fmt.Sprintf("%.2f %%", 100*float64(s.k)/float64(max(s.n, 1))) }

// writeBaselines writes part 3.
func writeBaselines(p *page, k *known, x *benign, listLen int) {
	p.say("## 3. Next to other ways of using the same list\n")
	p.say("**Asked.** The same messages as in part 1 (people there before, all seeds), the same harmless links as there, and the sets of part 2, judged by four common ways,")
	p.say("each given the very %s indicators that vedette took, already without what its built-in guard refuses. \"Unguarded\" is (d) with what the guard", count(listLen))
	p.say("refused besides, as a list comes. vedette stands first, without guard lists and with. Each of the four could be mended for some spellings by a line of code: (c) by small")
	p.say("letters first, (d) by trimming and adding a scheme. The table by spelling in part 1 shows where each fails; a mean over spellings rests on the choice of spellings.\n")
	p.head("way", "injected: stopped", "injected, spelled plainly", "harmless links of part 1: stopped", "links of part 2: stopped")
	l, _ := x.sum(x.plain)
	gl, _ := x.sum(x.guarded)
	p.row("**vedette**", k.all.injected().percent(), always(k.spelled["plain"].names).percent(), share{k.all.harmless.k, k.all.links}.String(), l.String())
	p.row("**vedette, with guard lists**", k.allGuard.injected().percent(), "", share{k.allGuard.harmless.k, k.allGuard.links}.String(), gl.String())
	for n, name := range baselineNames {
		hit, plain := k.baseline(n), k.spelled["plain"].base[n]
		var part2 share
		for _, s := range x.plain {
			part2.k += s.base[n].k
			part2.n += s.base[n].n
		}
		p.row(name, rough(hit), rough(plain), k.base[n].String(), part2.String())
	}
	var raw share
	for _, s := range x.raw {
		raw.k += s.base[3].k
		raw.n += s.base[3].n
	}
	p.row("(d), unguarded", "at least (d)", "", "at least (d)", raw.String())
	p.say("\nBy what the baselines stop harmless links (both parts, number of links):\n")
	for n, name := range append(slices.Clone(baselineNames), "(d), unguarded") {
		by := map[string]int{}
		if n < 4 {
			for v, c := range k.baseHits[n] {
				by[v] += c
			}
			for _, s := range x.plain {
				for v, c := range s.baseBy[n] {
					by[v] += c
				}
			}
		} else {
			for _, s := range x.raw {
				for v, c := range s.baseBy[3] {
					by[v] += c
				}
			}
		}
		var parts []string
		for i, v := range byCount(by) {
			if i == 40 {
				parts = append(parts, fmt.Sprintf("and %d more names", len(by)-40))
				break
			}
			parts = append(parts, fmt.Sprintf("%s %s", shown(v), count(by[v])))
		}
		if len(parts) == 0 {
			parts = []string{"none"}
		}
		p.say("- %s: %s", name, strings.Join(parts, ", "))
	}
	p.say("")
}
