//go:build ignore

package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"vedette/link"
	"vedette/sim"
)

// event is what scoring needs of a line.
type event struct {
	ID   string    `json:"id"`
	Kind string    `json:"kind"`
	At   time.Time `json:"at"`
	From string    `json:"actor"`
	To   struct {
		Account string `json:"account"`
		Group   string `json:"group"`
	} `json:"to"`
	Links []struct {
		URL string `json:"url"`
	} `json:"links"`
	first bool          // to a person to or from whom nothing went before in this stream
	age   time.Duration // of the sender's account; negative: its registration is not in the stream
}

// readEvents reads a stream whole, and marks first contacts.
func readEvents(path string) (all []event, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	met := map[[2]string]bool{}
	born := map[string]time.Time{}
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		var e event
		if err := json.Unmarshal(sc.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", path, len(all)+1, err)
		}
		if e.Kind == "account.registered" {
			born[e.From] = e.At
		}
		e.age = -1
		if at, ok := born[e.From]; ok {
			e.age = e.At.Sub(at)
		}
		if e.To.Account != "" {
			pair := [2]string{min(e.From, e.To.Account), max(e.From, e.To.Account)}
			e.first = !met[pair]
			met[pair] = true
		}
		all = append(all, e)
	}
	return all, sc.Err()
}

func readTruth(path string) (map[string]sim.Truth, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return sim.ReadTruth(f)
}

// tellStrangers writes the stream as a platform does whose clients say whether the sender is a contact: here, whether anything went between
// the two before. The overlay itself says nothing of that.
func tellStrangers(path string, events []event) (string, error) {
	return rewrite(path, path+".told", func(i int, line []byte) []byte {
		if events[i].Kind != "link.sent" || events[i].To.Account == "" {
			return line
		}
		return fmt.Appendf(line[:len(line)-1], `,"stranger":%t}`, events[i].first)
	})
}

// squeeze moves all times into the given days before now, in proportion, so that what looks back over a week sees everything.
func squeeze(path string, events []event, from, to time.Time) (string, error) {
	first, last := events[0].At, events[len(events)-1].At
	f := float64(to.Sub(from)) / float64(last.Sub(first))
	return rewrite(path, path+".near", func(i int, line []byte) []byte {
		at := from.Add(time.Duration(float64(events[i].At.Sub(first)) * f))
		begin := bytes.Index(line, []byte(`"at":"`)) + 6
		end := begin + bytes.IndexByte(line[begin:], '"')
		return slices.Concat(line[:begin], at.UTC().AppendFormat(nil, wireTime), line[end:])
	})
}

const wireTime = "2006-01-02T15:04:05.000Z"

func rewrite(from, to string, change func(i int, line []byte) []byte) (string, error) {
	in, err := os.Open(from)
	if err != nil {
		return "", err
	}
	defer func() { _ = in.Close() }()
	out, err := os.Create(to)
	if err != nil {
		return "", err
	}
	w := bufio.NewWriterSize(out, 1<<20)
	sc := bufio.NewScanner(in)
	sc.Buffer(nil, 1<<20)
	for i := 0; sc.Scan(); i++ {
		_, _ = w.Write(change(i, slices.Clone(sc.Bytes())))
		_ = w.WriteByte('\n')
	}
	return to, errors.Join(sc.Err(), w.Flush(), out.Close())
}

// writer writes events of our own: links in one of three settings.
type writer struct {
	w  *bufio.Writer
	f  *os.File
	n  int
	at time.Time
}

func newWriter(path string, at time.Time) (*writer, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	return &writer{w: bufio.NewWriterSize(f, 1<<20), f: f, at: at}, nil
}

func (w *writer) event(kind, from string, more map[string]any) {
	w.n++
	m := map[string]any{"id": fmt.Sprintf("v%d", w.n), "kind": kind, "at": w.at.UTC().Format(wireTime), "actor": from}
	for k, v := range more {
		m[k] = v
	}
	b, err := json.Marshal(m)
	if err != nil {
		panic(err) // strings, booleans and maps of them
	}
	_, _ = w.w.Write(append(b, '\n'))
}

func (w *writer) link(from, to, url string, stranger bool) int {
	w.event("link.sent", from, map[string]any{"to": map[string]string{"account": to}, "stranger": stranger, "links": []map[string]string{{"url": url}}})
	return w.n - 1
}

func (w *writer) close() error { return errors.Join(w.w.Flush(), w.f.Close()) }

// setting is how the links of a set are sent.
type setting int

const (
	amongFriends setting = iota // by people who have known each other for two months
	oldStranger                 // each tenth link by another account, a year old, to people it never wrote to
	youngAccount                // the same by accounts made an hour before
)

const people = 400

// send writes each link as one message, and returns the number of the line of each.
func send(path string, links []string, how setting) (lines []int, err error) {
	begin := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	w, err := newWriter(path, begin.AddDate(-1, 0, 0))
	if err != nil {
		return nil, err
	}
	senders := (len(links) + 9) / 10
	for i := range people {
		w.event("account.registered", fmt.Sprintf("p%d.example", i), nil)
	}
	if how == oldStranger {
		for i := range senders {
			w.event("account.registered", fmt.Sprintf("s%d.example", i), nil)
		}
	}
	if how == amongFriends {
		w.at = begin.AddDate(0, -2, 0)
		for i := range people {
			a, b := fmt.Sprintf("p%d.example", i), fmt.Sprintf("p%d.example", (i+1)%people)
			w.event("message.sent", a, map[string]any{"to": map[string]string{"account": b}})
			w.event("message.sent", b, map[string]any{"to": map[string]string{"account": a}})
		}
	} else if how == oldStranger {
		// They are in use: an account that slept is judged otherwise.
		w.at = begin.AddDate(0, 0, -1)
		for i := range senders {
			w.event("message.sent", fmt.Sprintf("s%d.example", i), map[string]any{"to": map[string]string{"account": fmt.Sprintf("s%d.example", (i+1)%senders)}})
		}
	}
	w.at = begin
	for i, l := range links {
		if how == amongFriends {
			lines = append(lines, w.link(fmt.Sprintf("p%d.example", i%people), fmt.Sprintf("p%d.example", (i+1)%people), l, false))
		} else {
			from := fmt.Sprintf("s%d.example", i/10)
			if how == youngAccount && i%10 == 0 {
				w.event("account.registered", from, nil)
				w.at = w.at.Add(time.Hour)
			}
			lines = append(lines, w.link(from, fmt.Sprintf("p%d.example", i%people), l, true))
		}
		w.at = w.at.Add(time.Second)
	}
	return lines, w.close()
}

// set is links or hosts from one place, each once.
type set struct {
	name  string
	links []string
}

// popularLists are warning lists about what many people use; an operator would give these to the guard.
var popularLists = []string{
	"tranco10k.json", "majestic_million.json", "cloudflare-top10k.json", "moz-top500.json", "university_domains.json", "bank-website.json", "lots-project.json",
	"captive-portals.json", "security-provider-blogpost.json", "url-shortener.json", "link-in-bio.json", "public-ipfs-gateways.json", "second-level-tlds.json",
	"dynamic-dns.json", "cisco_top20k.json",
}

var linkFiles = []string{"slack_links.tsv.gz", "irc_train_links.tsv.gz", "kasztp.txt"}

func (b *bench) guardLists() (out []string) {
	for _, l := range popularLists {
		out = append(out, b.path("benign", "misp-warninglists", l))
	}
	return out
}

// testLists are sites that measurement projects watch, by country: news, rights, religion, health, and much that somebody somewhere blocks.
func (b *bench) testLists() (set, error) {
	files, err := filepath.Glob(b.path("benign", "testlists", "*.csv"))
	if err != nil {
		return set{}, err
	}
	s := set{name: "test lists of measurement projects"}
	for _, path := range files {
		f, err := os.Open(path)
		if err != nil {
			return s, err
		}
		r := csv.NewReader(f)
		r.FieldsPerRecord, r.LazyQuotes = -1, true
		for {
			row, err := r.Read()
			if errors.Is(err, io.EOF) {
				break
			}
			if err == nil && strings.HasPrefix(row[0], "http") {
				s.links = append(s.links, row[0])
			}
		}
		_ = f.Close()
	}
	return s.once(), nil
}

// warningLists are names that honest infrastructure uses; those of addresses, hashes and mail servers are no links.
func (b *bench) warningLists() (set, error) {
	s := set{name: "warning lists"}
	for _, name := range append(slices.Clone(popularLists), "disposable-email.json", "parking-domain-ns.json") {
		var w struct {
			List []string `json:"list"`
		}
		if err := readJSON(b.path("benign", "misp-warninglists", name), &w); err != nil {
			return s, err
		}
		for _, h := range w.List {
			s.links = append(s.links, "https://"+strings.TrimPrefix(h, ".")+"/")
		}
	}
	hosts, err := readLines(b.path("benign", "url-shorteners", "list"))
	if err != nil {
		return s, err
	}
	for _, h := range hosts {
		s.links = append(s.links, "https://"+h+"/")
	}
	var eth struct {
		Whitelist []string `json:"whitelist"`
	}
	if err := readJSON(b.path("phish", "eth-phishing-detect", "config.json"), &eth); err != nil {
		return s, err
	}
	for _, h := range eth.Whitelist {
		s.links = append(s.links, "https://"+h+"/")
	}
	return s.once(), nil
}

// chatLinks are the links of the three files that the overlay lays over conversations.
func (b *bench) chatLinks() (set, error) {
	s := set{name: "links of two public chats and a corpus of URLs"}
	for _, name := range linkFiles {
		lines, err := readLines(b.path("benign", "urls", name))
		if err != nil {
			return s, err
		}
		for _, l := range lines {
			if i := strings.LastIndexByte(l, '\t'); i >= 0 {
				l = l[i+1:]
			}
			if strings.Contains(l, "://") && len(l) < 8<<10 {
				s.links = append(s.links, strings.TrimSpace(l))
			}
		}
	}
	return s.once(), nil
}

// phishing is what lists of commodity phishing name.
func (b *bench) phishing() (sets []set, err error) {
	var names struct {
		Domains   []string `json:"domains"`
		Blacklist []string `json:"blacklist"`
	}
	add := func(name string, values []string) {
		s := set{name: name}
		for _, v := range values {
			if !strings.Contains(v, "://") {
				v = "https://" + v + "/"
			}
			s.links = append(s.links, v)
		}
		sets = append(sets, s.once())
	}
	for _, l := range []struct{ name, path string }{
		{"phishing domains", "phishing-database/phishing-domains-ACTIVE2.txt"},
		{"phishing addresses", "phishing-database/phishing-IPs-ACTIVE1.txt"},
		{"phishing URLs, a day's feed", "openphish/feed.txt"},
	} {
		lines, err := readLines(b.path("phish", l.path))
		if err != nil {
			return nil, err
		}
		add(l.name, lines)
	}
	for _, l := range []struct{ name, path string }{
		{"phishing of gamers and chat users", "discord-nikolaischunk/domain-list.json"},
		{"suspected, of the same kind", "discord-nikolaischunk/suspicious-list.json"},
		{"phishing of cryptocurrency users", "eth-phishing-detect/config.json"},
	} {
		names.Domains, names.Blacklist = nil, nil
		if err := readJSON(b.path("phish", l.path), &names); err != nil {
			return nil, err
		}
		add(l.name, append(names.Domains, names.Blacklist...))
	}
	return sets, nil
}

func (s set) once() set {
	seen := map[string]bool{}
	s.links = slices.DeleteFunc(s.links, func(l string) bool {
		twice := seen[l]
		seen[l] = true
		return twice || len(l) > 8<<10 || strings.ContainsRune(l, 0) // the wire takes neither
	})
	return s
}

// perDomain keeps the first link of each registrable domain (of each host where there is none), so that links are independent of one another.
func perDomain(links []string) (out []string) {
	seen := map[string]bool{}
	for _, l := range links {
		u, err := link.Parse(l)
		if err != nil {
			continue
		}
		name := u.Registrable()
		if name == "" {
			name = u.Host()
		}
		if !seen[name] {
			seen[name] = true
			out = append(out, l)
		}
	}
	return out
}

func readJSON(path string, to any) error {
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, to)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func readLines(path string) (out []string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	var r io.Reader = f
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			return nil, err
		}
	}
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		if l := strings.TrimSpace(strings.TrimPrefix(sc.Text(), "\ufeff")); l != "" && l[0] != '#' {
			out = append(out, l)
		}
	}
	return out, sc.Err()
}

// listed is a row of the table of published names.
type listed struct {
	row                                                   []string
	kind, value, registrable, operator, published, source string
	popular                                               bool
}

// published reads the table, without what stands in running text alone: no importer reads that.
func (b *bench) published() (header []string, rows, unreadable []listed, err error) {
	f, err := os.Open(b.path("derived", "indicators_by_operator.csv"))
	if err != nil {
		return nil, nil, nil, err
	}
	defer func() { _ = f.Close() }()
	all, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return nil, nil, nil, err
	}
	for _, r := range all[1:] {
		l := listed{row: r, kind: r[0], value: r[1], registrable: r[2], operator: r[3], published: r[5], source: r[6], popular: r[8] == "1"}
		if strings.Contains(l.source, "README") || strings.HasSuffix(l.source, ".yaml") {
			unreadable = append(unreadable, l)
			continue
		}
		rows = append(rows, l)
	}
	return all[0], rows, unreadable, nil
}

func (b *bench) writeRows(name string, header []string, rows []listed) (string, error) {
	path := filepath.Join(b.work, name)
	f, err := os.Create(path)
	if err != nil {
		return "", err
	}
	w := csv.NewWriter(f)
	_ = w.Write(header)
	for _, r := range rows {
		_ = w.Write(r.row)
	}
	w.Flush()
	return path, errors.Join(w.Error(), f.Close())
}
