//go:build ignore

package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"vedette"
	"vedette/link"
)

// phish is the result of part 4.
type phish struct {
	sets    []set
	friends []*sending // every link
	first   [2][]*sending
	honest  [2]*sending
	front   *sending // the harmless domains' front pages, by a year-old account
	claims  map[string]*stop
	all     int
}

func (b *bench) phish() (*phish, error) {
	sets, err := b.phishing()
	if err != nil {
		return nil, err
	}
	out := &phish{sets: sets, claims: map[string]*stop{}}
	honest, err := b.honestDomains()
	if err != nil {
		return nil, err
	}
	for i := range sets {
		s := sets[i]
		if b.quick && len(s.links) > 500 {
			s.links = s.links[:500]
		}
		sets[i] = s
		friends, err := b.sendAll(s, amongFriends, "plain", nil)
		if err != nil {
			return nil, err
		}
		out.friends = append(out.friends, friends)
		out.all += len(s.links)
		for h, c := range friends.stops {
			out.claims[s.name+" "+h] = c
		}
		one := set{s.name, perDomain(s.links)}
		for n, how := range []setting{oldStranger, youngAccount} {
			x, err := b.sendAll(one, how, "plain", nil)
			if err != nil {
				return nil, err
			}
			out.first[n] = append(out.first[n], x)
		}
	}
	for n, how := range []setting{oldStranger, youngAccount} {
		if out.honest[n], err = b.sendAll(honest, how, "plain", nil); err != nil {
			return nil, err
		}
	}
	if out.front, err = b.sendAll(set{"harmless, front pages", frontPages(honest.links)}, oldStranger, "plain", nil); err != nil {
		return nil, err
	}
	return out, nil
}

func frontPages(links []string) (out []string) {
	for _, l := range links {
		if u, err := link.Parse(l); err == nil {
			out = append(out, "https://"+u.Host()+"/")
		}
	}
	return out
}

// honestDomains is one link for each domain of what honest people sent and of the test lists.
func (b *bench) honestDomains() (set, error) {
	chat, err := b.chatLinks()
	if err != nil {
		return set{}, err
	}
	tests, err := b.testLists()
	if err != nil {
		return set{}, err
	}
	s := set{"harmless: chats, corpus and test lists", perDomain(append(chat.links, tests.links...))}
	if b.quick {
		s.links = s.links[:min(len(s.links), 1000)]
	}
	return s, nil
}

// rules are what is warned of by rules alone: not by rules that speak since a list knows the link.
func (s *sending) rules() share { return s.warned }

func (x *phish) write(p *page) {
	p.say("## 4. A third class: commodity phishing\n")
	p.say("**Asked.** Lists of ordinary phishing are malicious and no spyware. What do the rules alone warn of, and what do the lists of spyware claim? First contacts are one")
	p.say("link for each registrable domain; each ten links have their own sender; nobody here sent the domain before. Among friends every link is sent.\n")
	p.head("set", "links", "among friends: warned of", "a spyware list claims", "domains", "first contact by a year-old account: warned of", "by an account of an hour: warned of")
	for i, s := range x.sets {
		f := x.friends[i]
		p.row(s.name, count(len(s.links)), f.warned.String(), f.links.String(), count(x.first[0][i].warned.n), x.first[0][i].rules().String(), x.first[1][i].rules().String())
	}
	p.row("**"+"harmless: chats, corpus and test lists**", "", "part 2", "part 2", count(x.honest[0].warned.n), x.honest[0].rules().String(), x.honest[1].rules().String())
	p.say("\nBy rule, all sets of phishing together, then the harmless ones:\n")
	for n, who := range []string{"a year-old account", "an account of an hour"} {
		by := map[string]int{}
		for _, s := range x.first[n] {
			for r, c := range s.by {
				by[r] += c
			}
		}
		p.say("- %s: phishing %s; harmless %s", who, tally(by), tally(x.honest[n].by))
	}
	p.say("\n**What a spyware list claims of the phishing lists, one by one:**\n")
	p.head("host", "set", "links", "claimed by")
	for _, key := range sorted(x.claims) {
		c := x.claims[key]
		p.row(shown(c.host), c.in, fmt.Sprint(c.links), strings.Join(c.lists, ", "))
	}
	if len(x.claims) == 0 {
		p.row("none", "", "", "")
	}
	p.say("\nThe last column shows how the rule for young accounts works: it asks whether the account is new and whether anybody here has sent the domain, not what")
	p.say("the domain is. Where nobody has sent it before, it warns of harmless links as much as of phishing. It earns its keep only where honest links are mostly")
	p.say("known to the platform; part 5 measures that.")
	var old share
	for i, s := range x.first[0] {
		if x.sets[i].name != "phishing addresses" {
			old.k, old.n = old.k+s.warned.k, old.n+s.warned.n
		}
	}
	p.say("From year-old accounts, bare addresses left aside, rules warn of %s of phishing. Of the harmless links as they were sent it is %s, but those have paths and the", old.percent(), x.honest[0].warned.percent())
	p.say("lists of phishing mostly name hosts; of the same harmless domains' front pages it is %s. The rules are no detector of commodity phishing, and do not claim to be.", x.front.warned.percent())
	p.say("")
}

// later is the result of part 5.
type later struct {
	early int // indicators known
	held  int // names held out
	known map[string]bool
	out   map[string]*heldOut
	order []string
	sent  []*sentHeld
}

type heldOut struct {
	runs     int
	attacks  share             // first contacts alone
	again    share             // later links of an attacker to the same person
	aged     share             // of the missed attacks: by accounts that were older than a week by then
	attacker map[string]*share // by sender and seed: what one sender meets hangs together
	missed   map[string]int    // runs in which a name was not warned of
	names    map[string]bool   // warned of in every message
	operator map[string]string // by name
	by       map[string]int
	first    share
	young    share // of first: by accounts younger than a week
	firstBy  map[string]int
	other    share
	senders  map[string]bool
	learned  int // attacks left out, since an early list knows the name
}

type sentHeld struct {
	name string
	how  setting
	x    *sending
}

// early tells whether a file of indicators was published before 2021, by the date in its name or its folder's. Files without a date are not.
func early(rel string) bool {
	parts := strings.Split(rel, "/")
	year := func(s string) bool { return len(s) >= 4 && s[:4] >= "2010" && s[:4] < "2021" }
	switch parts[0] {
	case "amnesty", "citizenlab", "volexity", "meta":
		return len(parts) > 1 && year(parts[1])
	}
	return false
}

func (b *bench) later(header []string, rows []listed, seeds []int) (*later, error) {
	lists, n, err := taken(filepath.Join(b.work, "early"))
	if err != nil {
		return nil, err
	}
	out := &later{early: n, known: map[string]bool{}, out: map[string]*heldOut{}}
	var held []listed
	seen := map[string]bool{}
	var hosts []string
	for _, r := range rows {
		if r.kind != "domain" || r.published < "2021" || r.popular || seen[r.value] {
			continue
		}
		seen[r.value] = true
		if by := lists.ask("https://" + r.value + "/x"); by[3] != "" {
			out.known[r.value] = true
			continue
		}
		held = append(held, r)
		hosts = append(hosts, r.value)
	}
	out.held = len(held)
	file, err := b.writeRows("held.csv", header, held)
	if err != nil {
		return nil, err
	}
	for _, c := range b.conversations() {
		if c.group {
			continue
		}
		for i, seed := range seeds {
			for _, young := range []bool{false, true} {
				args := []string{"--variant", "plain"}
				if !young {
					args = append(args, "--aged")
				}
				path, truthPath, _, err := b.overlay("later", b.overlayArgs(c, file, seed, args...)...)
				if err != nil {
					return nil, err
				}
				events, err := readEvents(path)
				if err != nil {
					return nil, err
				}
				truth, err := readTruth(truthPath)
				if err != nil {
					return nil, err
				}
				told, err := tellStrangers(path, events)
				if err != nil {
					return nil, err
				}
				for _, f := range []form{{young: young}, {young: young, told: true}} {
					stream := path
					if f.told {
						stream = told
					}
					_, judged, err := b.judge("early", stream, truthPath)
					if err != nil {
						return nil, err
					}
					name := c.name + ": " + f.String()
					h := out.out[name]
					if h == nil {
						h = &heldOut{names: map[string]bool{}, attacker: map[string]*share{}, missed: map[string]int{}, operator: map[string]string{}, by: map[string]int{}, firstBy: map[string]int{}, senders: map[string]bool{}}
						out.out[name] = h
						out.order = append(out.order, name)
					}
					h.runs++
					for at := range events {
						e, s := &events[at], &judged[at]
						if len(e.Links) == 0 {
							continue
						}
						warned := s.would >= vedette.Warn
						t, attack := truth[e.ID]
						switch {
						case attack && len(s.lists) > 0:
							h.learned++
						case attack && !e.first: // an attacker meets some people twice; harmless first contacts are no measure for that
							h.again.add(warned)
						case attack:
							h.attacks.add(warned)
							every(h.names, t.Value, warned)
							who := fmt.Sprintf("%s %d", e.From, seed)
							if h.attacker[who] == nil {
								h.attacker[who] = &share{}
							}
							h.attacker[who].add(warned)
							if !warned {
								h.missed[t.Value]++
								h.aged.add(e.age >= 7*24*time.Hour)
							}
							h.operator[t.Value] = t.Operator
							if warned {
								for _, r := range s.rules {
									h.by[r]++
								}
							}
						case i > 0: // the same messages as under the first seed
						case e.first:
							h.first.add(warned)
							if e.age >= 0 && e.age < 7*24*time.Hour {
								h.young.add(warned)
							}
							h.senders[e.From] = h.senders[e.From] || warned
							if warned {
								for _, r := range s.rules {
									h.firstBy[r]++
								}
							}
						default:
							h.other.add(warned)
						}
					}
					progress("held out: %s, seed %d", name, seed)
				}
			}
		}
	}
	// The attacker of the overlay is as the rules expect him: here the same names are sent by others too, and without a path made for one person.
	r := rand.New(rand.NewPCG(11, 0x5e1f))
	var front, oneTime []string
	for _, h := range perDomain(hosts) {
		front = append(front, "https://"+h+"/")
		oneTime = append(oneTime, "https://"+h+"/"+token(r))
	}
	honest, err := b.honestDomains()
	if err != nil {
		return nil, err
	}
	for _, s := range []set{
		{"held-out names, front page", front},
		{"held-out names, path made for one person", oneTime},
		{"harmless domains, front page", frontPages(honest.links)},
		{"harmless domains, link as sent", honest.links},
	} {
		for _, how := range []setting{amongFriends, oldStranger, youngAccount} {
			x, err := b.sendAll(s, how, "early", nil)
			if err != nil {
				return nil, err
			}
			out.sent = append(out.sent, &sentHeld{s.name, how, x})
		}
	}
	return out, nil
}

// token is a path segment as one-time links have, by the same letters as the overlay's.
func token(r *rand.Rand) string {
	const letters = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKMNPQRSTUVWXYZ23456789"
	b := make([]byte, 7+r.IntN(5))
	for i := range b {
		b[i] = letters[r.IntN(len(letters))]
	}
	return string(b)
}

func (x *later) write(p *page) {
	p.say("## 5. Hosts that no list knows: what rules see\n")
	p.say("**Asked.** Only the %s indicators of files dated before 2021 are imported (undated files are left out). The %s names that were published from 2021 on, of operators", count(x.early), count(x.held))
	p.say("old and new, are laid over conversations, spelled plainly (%d more are left out since an early list covers them). What do rules warn of, against how many", len(x.known))
	p.say("harmless first contacts? Rules warn at most: nothing here is stopped. The files of rules last changed in %s, this", changed("inline/decision/rules", false))
	p.say("evaluation was first committed in %s.", changed("scripts/evaluation.sh", true))
	p.say("\"People there before\" has no honest newcomer, \"everybody new\" nothing else at first: a platform lies between, and the column of young accounts says what its newcomers pay.")
	p.say("What one attacker meets hangs together (his account ages), so the interval of attacks comes from drawing attackers again, 2,000 times (bootstrap, constant seed). A name")
	p.say("is \"always\" warned of if it was so under all seeds. Harmless messages are the same under every seed and counted once; the column of people is their honest unit.\n")
	p.head("conversation and form", "seeds", "attacks that are first contacts: warned of", "names always warned of", "attackers' later links to the same person", "harmless first contacts warned of", "of those by accounts younger than a week", "people who wrote a first contact with a link: warned of at least once", "other harmless links warned of", "warnings for one true one, were 1 first contact with a link in 1,000 an attack", "in 100,000")
	for _, name := range x.order {
		h := x.out[name]
		q, r := float64(h.attacks.k)/float64(max(h.attacks.n, 1)), float64(h.first.k)/float64(max(h.first.n, 1))
		p.row(name, fmt.Sprint(h.runs), h.attackRate(), always(h.names).String(), h.again.percent(), h.first.String(), h.young.String(), always(h.senders).String(), h.other.String(),
			count(int(once(q, r, 1e-3))), count(int(once(q, r, 1e-5))))
	}
	p.say("\nBy rule:\n")
	for _, name := range x.order {
		h := x.out[name]
		p.say("- %s: attacks %s; harmless first contacts %s", name, tally(h.by), tally(h.firstBy))
	}
	for _, name := range x.order {
		if h := x.out[name]; h.aged.n > 0 {
			p.say("- of the missed first contacts, %s: %s came from accounts that were older than a week by then", name, h.aged)
		}
	}
	p.say("")
	p.say("By operator, names that are warned of in every message, first form above:\n")
	p.head("operator", "names")
	if len(x.order) > 0 {
		h := x.out[x.order[0]]
		ops := map[string]*share{}
		for name, always := range h.names {
			op := h.operator[name]
			if ops[op] == nil {
				ops[op] = &share{}
			}
			ops[op].add(always)
		}
		for _, op := range sorted(ops) {
			p.row(op, ops[op].String())
		}
	}
	if len(x.order) > 0 {
		h := x.out[x.order[0]]
		var missed []string
		for _, v := range byCount(h.missed) {
			missed = append(missed, fmt.Sprintf("%s %d", shown(v), h.missed[v]))
		}
		p.say("\nEvery miss in that form, by name, with the number of seeds (of %d) under which it was not warned of: %s.\n", h.runs, cmp.Or(strings.Join(missed, ", "), "none"))
	}
	p.say("\n**The same names by other senders.** In the overlay each attacker is as the rules expect him: an account made for the attack, a link with a path made for one person.")
	p.say("So the table above says how rules answer to that attacker, not how many attacks there are like it. Here the names, one for each domain, are sent in other ways:\n")
	p.head("links", "by a friend: warned of", "first contact by a year-old account", "by an account of an hour")
	for i := 0; i+2 < len(x.sent); i += 3 {
		p.row(x.sent[i].name, x.sent[i].x.warned.String(), x.sent[i+1].x.warned.String(), x.sent[i+2].x.warned.String())
	}
	p.say("\nRead down: what separates attack from honest first contact is the path made for one person and the age of the account, and neither is the attacker's necessity.\n")
}

// once is how many warnings there are for each that is right, where the part prior of first contacts is an attack.
func once(recall, wrong, prior float64) float64 {
	if recall == 0 {
		return 0
	}
	return math.Ceil((recall*prior + wrong*(1-prior)) / (recall * prior))
}

// attackRate is the share of attacks that were warned of, with an interval over attackers.
func (h *heldOut) attackRate() string {
	who := sorted(h.attacker)
	r := rand.New(rand.NewPCG(11, 0xb007))
	drawn := make([]float64, 2000)
	for i := range drawn {
		var s share
		for range who {
			a := h.attacker[who[r.IntN(len(who))]]
			s.k, s.n = s.k+a.k, s.n+a.n
		}
		drawn[i] = 100 * float64(s.k) / float64(max(s.n, 1))
	}
	slices.Sort(drawn)
	return fmt.Sprintf("%s of %s, %.1f %% (%.1f to %.1f; %d attackers)", count(h.attacks.k), count(h.attacks.n),
		100*float64(h.attacks.k)/float64(max(h.attacks.n, 1)), drawn[50], drawn[1949], len(who))
}

// again is the result of part 6.
type again struct {
	live      replayReport
	all       armReport
	lists     map[string]armReport
	asked     map[string]*share // decision show: same verdict, by what was asked
	different []string
}

type armReport struct {
	Events  int            `json:"events"`
	Links   int            `json:"links"`
	Spoke   int            `json:"spoke"`
	Changed map[string]int `json:"changed"`
}

// again judges an overlay from the journal alone.
func (b *bench) again(hosts string) (*again, error) {
	c := b.conversations()[0]
	path, truthPath, _, err := b.overlay("again", b.overlayArgs(c, hosts, 11, "--aged")...)
	if err != nil {
		return nil, err
	}
	events, err := readEvents(path)
	if err != nil {
		return nil, err
	}
	truth, err := readTruth(truthPath)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	near, err := squeeze(path, events, now.AddDate(0, 0, -6), now.Add(-time.Hour))
	if err != nil {
		return nil, err
	}
	out := &again{lists: map[string]armReport{}, asked: map[string]*share{}}
	var judged []said
	if out.live, judged, err = b.judge("plain", near, truthPath); err != nil {
		return nil, err
	}
	arm := func(target string) (r armReport, err error) {
		said, err := b.run("judged", "arm", target, "--verdict", "block", "--dry-run", "--json")
		if err == nil {
			err = json.Unmarshal(said, &r)
		}
		return r, err
	}
	if out.all, err = arm("all"); err != nil {
		return nil, err
	}
	for _, l := range sorted(out.live.ByReason) {
		if strings.HasPrefix(l, "list:") {
			if out.lists[l], err = arm(l); err != nil {
				return nil, err
			}
		}
	}
	var urls, names, honest []int
	seen := map[string]bool{}
	for i := range events {
		switch t, ok := truth[events[i].ID]; {
		case ok && t.Type == "url":
			if !seen[t.Value] { // each listed URL once, in whichever spelling came first
				urls = append(urls, i)
			}
			seen[t.Value] = true
		case ok:
			names = append(names, i)
		case len(events[i].Links) > 0:
			honest = append(honest, i)
		}
	}
	each := 100
	if b.quick {
		each = 10
	}
	r := rand.New(rand.NewPCG(11, 0xa6a1))
	for _, s := range []struct {
		name string
		of   []int
	}{{"injected, listed as a name", names}, {"injected, listed as a URL", urls}, {"harmless", honest}} {
		r.Shuffle(len(s.of), func(i, j int) { s.of[i], s.of[j] = s.of[j], s.of[i] })
		out.asked[s.name] = &share{}
		n := each
		if !b.quick && s.name == "injected, listed as a URL" {
			n = len(s.of)
		}
		for _, i := range s.of[:min(n, len(s.of))] {
			said, err := b.run("judged", "decision", "show", events[i].ID, "--json")
			if err != nil {
				return nil, err
			}
			var d struct {
				Would string `json:"would"`
				Again struct {
					Would string `json:"would"`
				} `json:"again"`
			}
			if err := json.Unmarshal(said, &d); err != nil {
				return nil, err
			}
			if d.Would != judged[i].would.String() {
				return nil, fmt.Errorf("decision show says %s of %s, the journal %s", d.Would, events[i].ID, judged[i].would)
			}
			same := d.Would == d.Again.Would
			out.asked[s.name].add(same)
			if !same {
				t := truth[events[i].ID]
				out.different = append(out.different, fmt.Sprintf("listed as %s, %s: %s, again %s", shown(t.Value), t.Variant, d.Would, d.Again.Would))
			}
		}
	}
	slices.Sort(out.different)
	out.different = slices.Compact(out.different)
	return out, nil
}

func (x *again) write(p *page) {
	p.say("## 6. The journal's tokens, against the links themselves\n")
	p.say("**Asked.** The journal keeps keyed tokens and shapes, no link. One overlay of part 1, moved into the last six days, is judged as it comes, and once more from the")
	p.say("journal alone (`vedette arm … --dry-run` over all of it, `vedette decision show` for a drawn sample). How much comes out the same?\n")
	p.head("verdict", "live", "from the journal")
	n := 0
	for _, v := range []string{"block", "hold", "warn"} {
		p.row(v, count(x.live.Decisions[v]), count(x.all.Changed[v]))
		n += x.all.Changed[v]
	}
	p.row("allow", count(x.live.Decisions["allow"]), count(x.all.Events-n))
	p.say("\nMessages of which a list speaks:\n")
	p.head("list", "live", "from the journal")
	for _, l := range sorted(x.lists) {
		p.row("`"+l+"`", count(x.live.ByReason[l]), count(x.lists[l].Spoke))
	}
	p.say("\nOne by one: each listed URL once, and messages drawn with a constant seed from the others:\n")
	p.head("drawn from", "same verdict")
	for _, k := range sorted(x.asked) {
		p.row(k, x.asked[k].String())
	}
	if len(x.different) > 0 {
		p.say("\nDifferent in the sample: %s.\n", strings.Join(x.different, "; "))
	} else {
		p.say("\nNone of the sample is different.\n")
	}
}
