// Package sim plays platforms whose truth is known: real conversations with attacks laid over them, a made-up story, and plain load.
//
// In:     files of real conversations, real links and listed hosts, by path; a seed; nothing from a network.
// Out:    events on the wire (docs/formats/event.md), one JSON object a line, and the truth beside them (docs/formats/truth.md).
// Keeps:  24 bytes for each message of a conversation and one number for each person while it writes; no text, no name of a real person.
// Fails:  on a file that it cannot read as what it is, naming line and reason. The same seed and files give the same bytes, always.
// Source: docs/decisions/0011-sim.md
package sim

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"vedette"
)

// maxURL is the longest link that the wire takes, in bytes.
const maxURL = 8 << 10

// OverlayOptions says what is laid over what.
type OverlayOptions struct {
	Seed uint64
	// Conversations are files of real conversations; each gives timing and structure. At least one.
	Conversations []string
	// Links are files of harmless links: tab-separated with the link in the last column and "ts" first in the header, or one a line;
	// also gzipped. They are taken in turn, each file from its start again when it ends. None: messages hold no links.
	Links []string
	// Hosts is a list of known bad names: CSV with a "value" column, or one host or URL a line. Empty: nothing is injected.
	Hosts string
	// Start moves the first message of each conversation to this time; End the last one. At most one is set; gaps stay as they were.
	// Neither: the times of the sources.
	Start, End time.Time
	// LinkEvery is how many messages there are for each message with links, where the source does not tell. Default 8.
	LinkEvery int
	// AllLinks puts as many links into a message as it takes to write every link of every file at least once, at most 32.
	AllLinks bool
	// Each is how many spellings each bad name is injected in, taken in turn. Default 0: all of them.
	Each int
	// Variants are the names of the spellings to use. Default: all.
	Variants []string
	// Operators limits the bad names to these operators. Default: all.
	Operators []string
	// URLs injects listed URLs also, not only host names.
	URLs bool
	// Popular injects also what the list itself marks as a popular or legitimate host. An importer's guard narrows these.
	Popular bool
	// Registrable tells the registrable domain of a host where the list does not. nil: then no name below it is made up.
	Registrable func(host string) string
	// Aged registers the people of the conversations 30 to 400 days before the first message, as on a platform that has been there for
	// a while. Default: where they first appear, so that everybody is young. Attackers' accounts are always made for it.
	Aged bool
	// Campaigns is how many campaigns are laid over the conversations, of the kinds named in turn (default: all CampaignKinds), each against
	// five to eight people; then Hosts gives their hosts (none: made-up names), and nothing else is injected.
	Campaigns     int
	CampaignKinds []string
	// Facts gets made-up facts about the campaigns' hosts, their harmless neighbours, and many other names (docs/formats/enrichment.md). Whatever
	// it says of a name is invented, also where the name is real. nil: nothing is written.
	Facts io.Writer
	// Messages is how many messages of the conversations are used at most. Default 0: all.
	Messages int
}

// OverlayReport counts what was written.
type OverlayReport struct {
	Events     int            `json:"events"`
	Messages   int            `json:"messages"` // of the conversations
	Accounts   int            `json:"accounts"`
	Groups     int            `json:"groups"`
	Links      int            `json:"links"`      // harmless ones written
	LinksKnown int            `json:"links_read"` // lines that hold a link, in all files together
	Targets    int            `json:"targets"`    // bad names used
	Injected   int            `json:"injected"`
	ByVariant  map[string]int `json:"by_variant"`
	Campaigns  int            `json:"campaigns,omitzero"`
	LeftOut    map[string]int `json:"left_out"` // entries of the list, by reason
	First      time.Time      `json:"first"`
	Last       time.Time      `json:"last"`
}

// Validate names the option that cannot be.
func (o *OverlayOptions) Validate() error {
	switch {
	case len(o.Conversations) == 0:
		return fmt.Errorf("sim: overlay: at least one conversation is needed: %w", vedette.ErrInvalid)
	case !o.Start.IsZero() && !o.End.IsZero():
		return fmt.Errorf("sim: overlay: start and end are both set: %w", vedette.ErrInvalid)
	case o.LinkEvery < 0 || o.Each < 0 || o.Messages < 0 || o.Campaigns < 0:
		return fmt.Errorf("sim: overlay: a count is negative: %w", vedette.ErrInvalid)
	case o.AllLinks && len(o.Links) == 0:
		return fmt.Errorf("sim: overlay: all links, but no file of links: %w", vedette.ErrInvalid)
	}
	return nil
}

// Overlay writes events to w and the truth about the injected ones to truth, in the order of time. Every account is registered where it
// first appears, every group created. It stops when ctx ends.
func Overlay(ctx context.Context, w, truth io.Writer, o OverlayOptions) (OverlayReport, error) {
	rep := OverlayReport{ByVariant: map[string]int{}, LeftOut: map[string]int{}}
	if err := o.Validate(); err != nil {
		return rep, err
	}
	var plan []injection
	var err error
	if o.Campaigns == 0 {
		if plan, err = o.injections(&rep); err != nil {
			return rep, err
		}
	}
	accounts, groups := &people{number: map[string]int32{}}, &people{number: map[string]int32{}}
	talk, err := o.talk(accounts, groups)
	if err != nil {
		return rep, err
	}
	links, err := openLinks(o.Links)
	if err != nil {
		return rep, err
	}
	defer links.close()
	rep.LinksKnown, rep.Messages = links.total, len(talk)

	p := &player{
		out: bufio.NewWriterSize(w, 1<<16), truth: bufio.NewWriterSize(truth, 1<<16), rep: &rep, links: links,
		rng:   rand.New(rand.NewPCG(o.Seed, 0x5eed)),
		every: cmp.Or(o.LinkEvery, 8), perMessage: 1,
		known: make([]bool, accounts.next), joined: map[[2]int32]bool{}, sizes: make([]int, groups.next), next: accounts.next,
	}
	if len(o.Links) == 0 {
		p.every = 0
	}
	if o.AllLinks {
		p.every, p.perMessage = 1, min(vedette.MaxLinks, (links.total+len(talk)-1)/len(talk))
	}
	if o.Aged {
		if err := p.age(accounts.next, talk[0].at, o.Seed); err != nil {
			return rep, err
		}
	}
	acts, err := o.campaigns(talk, accounts.next, &rep)
	if err != nil {
		return rep, err
	}
	p.next += acts.accounts
	done := 0
	for i, s := range talk {
		if i%1024 == 0 && ctx.Err() != nil {
			return rep, fmt.Errorf("sim: overlay: %w", ctx.Err())
		}
		rep.Last = time.UnixMilli(s.at).UTC()
		if err := p.say(s); err != nil {
			return rep, err
		}
		if err := acts.play(p, i, s); err != nil {
			return rep, err
		}
		// The k-th injection follows message (k+1/2)·messages/injections, so that they are spread evenly and anyone can say where.
		for done < len(plan) && (2*done+1)*len(talk) < 2*(i+1)*len(plan) {
			if err := p.attack(s, plan[done], done); err != nil {
				return rep, err
			}
			done++
		}
	}
	rep.Accounts, rep.Groups = p.registered, int(groups.next)
	return rep, errors.Join(p.out.Flush(), p.truth.Flush())
}

// talk reads all conversations, moves each to its time, and lays them beside one another.
func (o *OverlayOptions) talk(accounts, groups *people) ([]said, error) {
	var all []said
	for i, path := range o.Conversations {
		one, err := readConversation(path, i, accounts, groups)
		if err != nil {
			return nil, err
		}
		var shift int64
		if !o.Start.IsZero() {
			shift = o.Start.UnixMilli() - one[0].at
		} else if !o.End.IsZero() {
			shift = o.End.UnixMilli() - one[len(one)-1].at
		}
		for j := range one {
			one[j].at += shift
		}
		all = append(all, one...)
	}
	slices.SortStableFunc(all, func(a, b said) int { return cmp.Compare(a.at, b.at) })
	if o.Messages > 0 && len(all) > o.Messages {
		if o.End.IsZero() {
			return all[:o.Messages], nil
		}
		return all[len(all)-o.Messages:], nil
	}
	return all, nil
}

// injection is one bad name in one spelling.
type injection struct {
	target  *Target
	variant Variant
}

func (o *OverlayOptions) injections(rep *OverlayReport) ([]injection, error) {
	vs, err := variantsNamed(o.Variants)
	if err != nil || o.Hosts == "" {
		return nil, err
	}
	keep := func(t *Target, popular bool) string {
		switch {
		case popular && !o.Popular:
			return "popular or legitimate host"
		case t.Type == "url" && !o.URLs:
			return "type url"
		case len(o.Operators) > 0 && !slices.Contains(o.Operators, t.Operator):
			return "another operator"
		}
		return ""
	}
	targets, err := readTargets(o.Hosts, keep, o.Registrable, rep.LeftOut)
	if err != nil {
		return nil, err
	}
	if len(targets) == 0 {
		return nil, fmt.Errorf("sim: hosts: nothing in the list can be injected: %w", vedette.ErrInvalid)
	}
	rep.Targets = len(targets)
	var plan []injection
	for i := range targets {
		t := &targets[i]
		n := 0
		for j := range vs {
			v := vs[(i+j)%len(vs)]
			if v.below && !t.wide() || v.drops && t.Type == "url" {
				continue
			}
			plan = append(plan, injection{t, v})
			if n++; n == o.Each {
				break
			}
		}
	}
	r := rand.New(rand.NewPCG(o.Seed, 0x91a9))
	r.Shuffle(len(plan), func(i, j int) { plan[i], plan[j] = plan[j], plan[i] })
	return plan, nil
}

// victimsEach is how many links one attacking account sends before the next one takes over.
const victimsEach = 25

// player writes the events.
type player struct {
	out, truth *bufio.Writer
	rep        *OverlayReport
	links      *linkFiles
	rng        *rand.Rand
	l          line
	id         []byte
	events     uint64

	every, perMessage int
	known             []bool // by account number: registered
	joined            map[[2]int32]bool
	sizes             []int // by group number
	next              int32 // the next account number
	registered        int
	attacker          int32
	urls              []string
}

func (p *player) open(kind string, at time.Time, actor string) *line {
	if p.events++; p.events == 1 {
		p.rep.First = at.UTC()
	}
	p.id = appendID(p.id[:0], 'e', p.events)
	return p.l.open(p.id, kind, at).text("actor", actor)
}

func (p *player) write() error {
	p.rep.Events++
	b := append(p.l.close(), '\n')
	p.l.b = b[:0]
	if _, err := p.out.Write(b); err != nil {
		return fmt.Errorf("sim: overlay: %w", err)
	}
	return nil
}

func account(n int32) string { return fmt.Sprintf("u%d.example", n+1) }
func group(n int32) string   { return fmt.Sprintf("g%d.example", n+1) }

func (p *player) meet(n int32, at time.Time) error {
	for int(n) >= len(p.known) {
		p.known = append(p.known, false)
	}
	if p.known[n] {
		return nil
	}
	p.known[n] = true
	p.registered++
	p.open("account.registered", at, account(n))
	return p.write()
}

// age registers the first n accounts before the given time.
func (p *player) age(n int32, before int64, seed uint64) error {
	type born struct {
		at int64
		n  int32
	}
	const day = 24 * 60 * 60 * 1000
	r := rand.New(rand.NewPCG(seed, 0xa9e))
	all := make([]born, n)
	for i := range all {
		all[i] = born{before - 30*day - r.Int64N(370*day), int32(i)}
	}
	slices.SortFunc(all, func(a, b born) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.n, b.n)) })
	for _, b := range all {
		if err := p.meet(b.n, time.UnixMilli(b.at)); err != nil {
			return err
		}
	}
	return nil
}

// join makes the account a member, and the group exist.
func (p *player) join(n, g int32, at time.Time) error {
	if p.joined[[2]int32{n, g}] {
		return nil
	}
	p.joined[[2]int32{n, g}] = true
	if p.sizes[g]++; p.sizes[g] == 1 {
		p.open("group.created", at, account(n)).text("group", group(g)).number("size", 1)
	} else {
		p.open("group.joined", at, account(n)).text("group", group(g)).text("by", "invite-link").number("size", p.sizes[g])
	}
	return p.write()
}

func (p *player) say(s said) error {
	at := time.UnixMilli(s.at)
	if err := p.meet(s.from, at); err != nil {
		return err
	}
	if s.group {
		if err := p.join(s.from, s.to, at); err != nil {
			return err
		}
	} else if err := p.meet(s.to, at); err != nil {
		return err
	}
	// Drawn for every message, so that one more file of links does not move the rest.
	withLink := p.rng.IntN(max(p.every, 1)) == 0
	if s.group && p.every > 1 {
		withLink = s.link
	}
	kind := "message.sent"
	if p.every > 0 && withLink {
		kind = "link.sent"
	}
	l := p.open(kind, at, account(s.from))
	if s.group {
		l.toGroup(group(s.to), p.sizes[s.to])
	} else {
		l.toAccount(account(s.to))
	}
	if kind == "link.sent" {
		p.urls = p.urls[:0]
		for range p.perMessage {
			u, err := p.links.next()
			if err != nil {
				return err
			}
			p.urls = append(p.urls, u)
		}
		p.rep.Links += len(p.urls)
		l.links(p.urls...)
	}
	return p.write()
}

// attack sends the link to the person who spoke last.
func (p *player) attack(s said, in injection, number int) error {
	at := time.UnixMilli(s.at)
	if number%victimsEach == 0 {
		p.attacker = p.next
		p.next++
		if err := p.meet(p.attacker, at); err != nil {
			return err
		}
	}
	path := in.target.Path
	if in.target.Type == "domain" {
		path = "/" + oneTime(p.rng)
	}
	url := in.variant.Spell(in.target.Host, path)
	p.open("link.sent", at, account(p.attacker)).toAccount(account(s.from)).links(url)
	t := Truth{
		ID: string(p.id), Injected: true, Host: in.target.Host, Value: in.target.Value, Type: in.target.Type,
		Operator: in.target.Operator, Variant: in.variant.Name, Want: vedette.Block,
	}
	p.rep.Injected++
	p.rep.ByVariant[in.variant.Name]++
	b, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("sim: overlay: %w", err)
	}
	if _, err := p.truth.Write(append(b, '\n')); err != nil {
		return fmt.Errorf("sim: overlay: %w", err)
	}
	return p.write()
}

// oneTime makes up a one-time path segment.
func oneTime(r *rand.Rand) string {
	const letters = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKMNPQRSTUVWXYZ23456789"
	b := make([]byte, 7+r.IntN(5))
	for i := range b {
		b[i] = letters[r.IntN(len(letters))]
	}
	b[0] |= 0x20 // a small letter first, which some spellings need
	if b[0] < 'a' || b[0] > 'z' {
		b[0] = 'k'
	}
	return string(b)
}

// linkFiles gives the links of several files in turn, one file after another by message, each again from its start when it ends.
type linkFiles struct {
	paths []string
	files []*linkFile
	total int
	taken []int // by file
	sizes []int
}

type linkFile struct {
	f    *os.File
	sc   *bufio.Scanner
	tabs bool
}

func openLinks(paths []string) (*linkFiles, error) {
	l := &linkFiles{paths: paths, files: make([]*linkFile, len(paths)), taken: make([]int, len(paths)), sizes: make([]int, len(paths))}
	for i := range paths {
		if err := l.open(i); err != nil {
			l.close()
			return nil, err
		}
		for _, ok := l.files[i].scan(); ok; _, ok = l.files[i].scan() {
			l.sizes[i]++
		}
		if err := l.files[i].sc.Err(); err != nil {
			l.close()
			return nil, fmt.Errorf("sim: links %d: %w", i, err)
		}
		if l.sizes[i] == 0 {
			l.close()
			return nil, fmt.Errorf("sim: links %d: no link in it: %w", i, vedette.ErrInvalid)
		}
		l.total += l.sizes[i]
		if err := l.open(i); err != nil {
			l.close()
			return nil, err
		}
	}
	return l, nil
}

func (l *linkFiles) open(i int) error {
	if l.files[i] != nil {
		_ = l.files[i].f.Close()
		l.files[i] = nil
	}
	f, err := os.Open(l.paths[i])
	if err != nil {
		return fmt.Errorf("sim: links: %w", err)
	}
	r := bufio.NewReaderSize(f, 1<<15)
	if magic, _ := r.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(r)
		if err != nil {
			_ = f.Close()
			return fmt.Errorf("sim: links %d: %w: %w", i, err, vedette.ErrInvalid)
		}
		r = bufio.NewReaderSize(z, 1<<15)
	}
	if bom, _ := r.Peek(3); bytes.Equal(bom, []byte("\ufeff")) {
		_, _ = r.Discard(3)
	}
	head, _ := r.Peek(3)
	lf := &linkFile{f: f, sc: bufio.NewScanner(r), tabs: bytes.Equal(head, []byte("ts\t"))}
	lf.sc.Buffer(nil, 1<<20)
	if lf.tabs {
		lf.sc.Scan()
	}
	l.files[i] = lf
	return nil
}

// scan returns the next link of the file. The column with the user's name is not looked at.
func (f *linkFile) scan() (string, bool) {
	for f.sc.Scan() {
		s := f.sc.Text()
		if f.tabs {
			s = s[strings.LastIndexByte(s, '\t')+1:]
		}
		if s = strings.TrimSpace(s); s != "" && len(s) <= maxURL {
			return s, true
		}
	}
	return "", false
}

// next takes from the file of which the smallest part was written so far, so that all of them end together.
func (l *linkFiles) next() (string, error) {
	best := 0
	for i := range l.files {
		if l.taken[i]*l.sizes[best] < l.taken[best]*l.sizes[i] {
			best = i
		}
	}
	l.taken[best]++
	if s, ok := l.files[best].scan(); ok {
		return s, nil
	}
	if err := l.open(best); err != nil {
		return "", err
	}
	s, ok := l.files[best].scan()
	if !ok {
		return "", fmt.Errorf("sim: links %d: changed while it was read: %w", best, vedette.ErrConflict)
	}
	return s, nil
}

func (l *linkFiles) close() {
	for _, f := range l.files {
		if f != nil {
			_ = f.f.Close()
		}
	}
}
