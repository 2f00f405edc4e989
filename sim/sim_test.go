package sim_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"vedette"
	"vedette/internal/corpus"
	"vedette/sim"
)

// wire is what the tests look at of an event.
type wire struct {
	ID    string    `json:"id"`
	Kind  string    `json:"kind"`
	At    time.Time `json:"at"`
	Actor string    `json:"actor"`
	Group string    `json:"group"`
	To    struct{ Account, Group string }
	Links []struct{ URL string }
}

func events(t *testing.T, ndjson []byte) []wire {
	t.Helper()
	var out []wire
	sc := bufio.NewScanner(bytes.NewReader(ndjson))
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		var w wire
		d := json.NewDecoder(bytes.NewReader(sc.Bytes()))
		if err := d.Decode(&w); err != nil {
			t.Fatalf("line %d: %v: %s", len(out)+1, err, sc.Bytes())
		}
		out = append(out, w)
	}
	return out
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const (
	edges = "% from to weight time\n7 9 1 1000\n9 7 1 1001\n7 8 1 1060\n8 8 1 1061\n8 9 1 2000\n"
	chat  = `<slack><message conversation_id="2"><ts>2017-05-12T11:48:05.5</ts><user>Zebedee</user><text>see &lt;https://x.example&gt;</text></message>
<message conversation_id="1"><ts>2017-05-12T11:47:05.175228</ts><user>Florence</user><text>hello</text></message></slack>`
	list = "# remarks\nevil.example # why\nhxxps://bad[.]example/a?b\n10.0.0.1\nEVIL.example\n"
)

func overlay(t *testing.T, o sim.OverlayOptions) (out, truth []byte, rep sim.OverlayReport) {
	t.Helper()
	var w, tw bytes.Buffer
	rep, err := sim.Overlay(t.Context(), &w, &tw, o)
	if err != nil {
		t.Fatalf("Overlay(%+v): %v", o, err)
	}
	return w.Bytes(), tw.Bytes(), rep
}

func small(t *testing.T) sim.OverlayOptions {
	return sim.OverlayOptions{
		Seed:          3,
		Conversations: []string{write(t, "graph.txt", edges), write(t, "chat.xml", chat)},
		Links:         []string{write(t, "links.tsv", "ts\tuser\turl\n2017\tDougal\thttps://a.example/1\n2018\tErmintrude\thttps://a.example/2\n"), write(t, "links.txt", "\ufeffhttps://b.example/ä\"\n")},
		Hosts:         write(t, "list.txt", list),
		URLs:          true,
		End:           time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		Registrable:   func(h string) string { return h },
	}
}

func TestOverlayOfASmallWorld(t *testing.T) {
	out, truth, rep := overlay(t, small(t))
	evs := events(t, out)
	if rep.Events != len(evs) || rep.Messages != 6 || rep.Groups != 1 {
		t.Errorf("report = %+v, want %d events, 6 messages, 1 group", rep, len(evs))
	}
	truths, err := sim.ReadTruth(bytes.NewReader(truth))
	if err != nil {
		t.Fatal(err)
	}
	// The host in every spelling; the URL in those that keep host and path.
	if want := map[string]int{"not a plain host name": 1, "listed twice": 1}; rep.LeftOut["not a plain host name"] != 1 || rep.LeftOut["listed twice"] != 1 {
		t.Errorf("left out = %v, want %v", rep.LeftOut, want)
	}
	if rep.Targets != 2 || rep.ByVariant["plain"] != 2 || rep.ByVariant["www"] != 1 || rep.ByVariant["no-path"] != 1 || len(rep.ByVariant) != len(sim.Variants()) {
		t.Errorf("targets %d, by variant %v", rep.Targets, rep.ByVariant)
	}
	if rep.Injected != len(truths) {
		t.Errorf("injected %d, truths %d", rep.Injected, len(truths))
	}
	known, seen, last := map[string]bool{}, map[string]bool{}, time.Time{}
	named := regexp.MustCompile(`^[ug]\d+\.example$`)
	for _, e := range evs {
		if seen[e.ID] {
			t.Errorf("id %q comes twice", e.ID)
		}
		seen[e.ID] = true
		if e.At.Before(last) {
			t.Errorf("event %q goes back in time", e.ID)
		}
		last = e.At
		if _, err := vedette.ParseKind(e.Kind); err != nil {
			t.Errorf("event %q: %v", e.ID, err)
		}
		for _, n := range []string{e.Actor, e.To.Account, e.To.Group, e.Group} {
			if n != "" && !named.MatchString(n) {
				t.Errorf("event %q names %q", e.ID, n)
			}
		}
		if e.Kind == "account.registered" {
			known[e.Actor] = true
		}
		if !known[e.Actor] || e.To.Account != "" && !known[e.To.Account] {
			t.Errorf("event %q: %q or %q acts before it is registered", e.ID, e.Actor, e.To.Account)
		}
		if tr, ok := truths[e.ID]; ok && (e.Kind != "link.sent" || !tr.Injected || tr.Want != vedette.Block || len(e.Links) != 1) {
			t.Errorf("event %+v has truth %+v", e, tr)
		}
	}
	if want := small(t).End; !last.Equal(want) || !rep.Last.Equal(want) {
		t.Errorf("the last event is at %v, want %v", last, want)
	}
	for _, name := range []string{"Zebedee", "Florence", "Dougal", "Ermintrude", "hello"} {
		if bytes.Contains(out, []byte(name)) || bytes.Contains(truth, []byte(name)) {
			t.Errorf("%q of the source was written", name)
		}
	}
	if !bytes.Contains(out, []byte(`\"`)) {
		t.Error("a quote in a link was not escaped, or the link was not written")
	}
}

func TestTheSameSeedGivesTheSameBytes(t *testing.T) {
	o := small(t)
	out1, truth1, _ := overlay(t, o)
	out2, truth2, _ := overlay(t, o)
	if !bytes.Equal(out1, out2) || !bytes.Equal(truth1, truth2) {
		t.Error("two overlays with one seed differ")
	}
	o.Seed++
	if out3, _, _ := overlay(t, o); bytes.Equal(out1, out3) {
		t.Error("another seed gives the same overlay")
	}
	play := func(seed uint64) (b []byte) {
		for s := range sim.Story(seed, o.End) {
			b = append(append(b, s.Wire...), '\n')
		}
		return b
	}
	if !bytes.Equal(play(1), play(1)) || bytes.Equal(play(1), play(2)) {
		t.Error("a story is not made by its seed alone")
	}
	load := func(seed uint64) (b []byte) {
		for l := range sim.Traffic(seed, 100, 500) {
			b = append(append(b, l...), '\n')
		}
		return b
	}
	if !bytes.Equal(load(1), load(1)) || bytes.Equal(load(1), load(2)) {
		t.Error("traffic is not made by its seed alone")
	}
}

func TestGapsStayAndTimesMove(t *testing.T) {
	o := small(t)
	o.Hosts, o.Conversations = "", o.Conversations[:1]
	o.End, o.Start = time.Time{}, time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	out, _, _ := overlay(t, o)
	var got []time.Duration
	for _, e := range events(t, out) {
		if strings.HasSuffix(e.Kind, ".sent") {
			got = append(got, e.At.Sub(o.Start))
		}
	}
	if want := []time.Duration{0, time.Second, time.Minute, 1000 * time.Second}; !slices.Equal(got, want) {
		t.Errorf("messages at %v after the start, want %v", got, want)
	}
}

func TestAgedPeopleWereThereBefore(t *testing.T) {
	o := small(t)
	o.Aged = true
	out, truth, rep := overlay(t, o)
	truths, err := sim.ReadTruth(bytes.NewReader(truth))
	if err != nil {
		t.Fatal(err)
	}
	born, last := map[string]time.Time{}, time.Time{}
	for _, e := range events(t, out) {
		if e.At.Before(last) {
			t.Errorf("event %q goes back in time", e.ID)
		}
		last = e.At
		if e.Kind == "account.registered" {
			born[e.Actor] = e.At
			continue
		}
		age, known := e.At.Sub(born[e.Actor]), !born[e.Actor].IsZero()
		if _, attack := truths[e.ID]; !known || !attack && age < 30*24*time.Hour || attack && age > 24*time.Hour {
			t.Errorf("event %q by an account of %v (known: %v)", e.ID, age, known)
		}
	}
	if len(born) != rep.Accounts {
		t.Errorf("%d registered, report says %d", len(born), rep.Accounts)
	}
}

func TestAllLinksAreWritten(t *testing.T) {
	o := small(t)
	o.AllLinks = true
	out, _, rep := overlay(t, o)
	for _, u := range []string{"https://a.example/1", "https://a.example/2", "https://b.example/ä"} {
		if !bytes.Contains(out, []byte(u)) {
			t.Errorf("%q was never written (%d of %d)", u, rep.Links, rep.LinksKnown)
		}
	}
}

func TestWhatCannotBeReadIsNamed(t *testing.T) {
	good := write(t, "g", edges)
	for _, tt := range []struct {
		name string
		o    sim.OverlayOptions
		want string
	}{
		{"no conversation", sim.OverlayOptions{}, "at least one conversation"},
		{"start and end", sim.OverlayOptions{Conversations: []string{good}, Start: time.Unix(1, 0), End: time.Unix(2, 0)}, "both set"},
		{"an edge without a time", sim.OverlayOptions{Conversations: []string{write(t, "g", "1 2\n")}}, "line 1"},
		{"a time that is none", sim.OverlayOptions{Conversations: []string{write(t, "g", "1 2 3 4\n1 2 3 soon\n")}}, "line 2"},
		{"an empty conversation", sim.OverlayOptions{Conversations: []string{write(t, "g", "% none\n")}}, "no messages"},
		{"chat without a user", sim.OverlayOptions{Conversations: []string{write(t, "g", "<a><message><ts>2017-05-12T11:47:05</ts></message></a>")}}, "no user"},
		{"broken chat", sim.OverlayOptions{Conversations: []string{write(t, "g", "<a><message>")}}, "EOF"},
		{"an empty list of links", sim.OverlayOptions{Conversations: []string{good}, Links: []string{write(t, "l", "ts\tuser\turl\n")}}, "no link"},
		{"a list without hosts", sim.OverlayOptions{Conversations: []string{good}, Hosts: write(t, "h", "10.0.0.1\n")}, "can be injected"},
		{"an unknown variant", sim.OverlayOptions{Conversations: []string{good}, Hosts: write(t, "h", "evil.example\n"), Variants: []string{"plain", "magic"}}, `"magic"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := sim.Overlay(t.Context(), io.Discard, io.Discard, tt.o)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !errors.Is(err, vedette.ErrInvalid) {
				t.Errorf("Overlay = %v, want an invalid input that says %q", err, tt.want)
			}
		})
	}
}

func TestTruthIsReadBack(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"no JSON", "{\n", "line 1"},
		{"no id", `{"injected":true}`, "no id"},
		{"twice", "{\"id\":\"a\"}\n{\"id\":\"a\"}\n", "line 2"},
		{"no verdict", `{"id":"a","want":"maybe"}`, "maybe"},
	} {
		if _, err := sim.ReadTruth(strings.NewReader(tt.in)); !errors.Is(err, vedette.ErrInvalid) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: ReadTruth(%q) = %v, want %q", tt.name, tt.in, err, tt.want)
		}
	}
}

func TestStory(t *testing.T) {
	start := time.Date(2026, 3, 1, 6, 0, 0, 0, time.UTC)
	n, told, last := 0, 0, time.Time{}
	want := map[vedette.Verdict]int{}
	ids := map[string]bool{}
	for s := range sim.Story(1, start) {
		n++
		w := events(t, s.Wire)[0]
		if ids[w.ID] || s.At.Before(last) || !w.At.Equal(s.At) {
			t.Fatalf("scene %d: %+v at %v after %v", n, w, s.At, last)
		}
		ids[w.ID], last = true, s.At
		if s.Say != "" {
			told++
		}
		if s.Truth != nil {
			if s.Truth.ID != w.ID || len(w.Links) != 1 {
				t.Errorf("truth %+v of %+v", s.Truth, w)
			}
			if s.Truth.Injected {
				want[s.Truth.Want]++
			}
		}
		for _, l := range w.Links {
			if !strings.Contains(strings.ToLower(l.URL), "example") && s.Truth == nil {
				t.Errorf("scene %d leads to %q", n, l.URL)
			}
		}
	}
	if n < 1500 || n > 3000 || told < 12 || want[vedette.Block] != 8 || want[vedette.Warn] != 4 || want[vedette.Allow] != 2 {
		t.Errorf("%d scenes, %d told, wanted verdicts %v", n, told, want)
	}
	if last.After(start.Add(72 * time.Hour)) {
		t.Errorf("the story ends at %v", last)
	}
	var b struct {
		Objects []struct{ Type, Pattern string }
	}
	if err := json.Unmarshal(sim.StoryBundle(), &b); err != nil || len(b.Objects) != 13 {
		t.Errorf("bundle: %v, %d objects", err, len(b.Objects))
	}
	for _, o := range b.Objects[1:] {
		host := strings.TrimSuffix(strings.TrimPrefix(o.Pattern, "[domain-name:value='"), "']")
		if !bytes.Contains(sim.StoryIndicators(), []byte("\n"+host+"\n")) {
			t.Errorf("%q is in the bundle and not in the list", host)
		}
	}
}

func TestTraffic(t *testing.T) {
	kinds, actors, registered, last := map[string]int{}, map[string]int{}, map[string]bool{}, time.Time{}
	const n = 20000
	for l := range sim.Traffic(5, 1000, n) {
		w := events(t, l)[0]
		kinds[w.Kind]++
		actors[w.Actor]++
		if w.Kind == "account.registered" {
			if registered[w.Actor] {
				t.Errorf("%q is registered twice", w.Actor)
			}
			registered[w.Actor] = true
		}
		if !registered[w.Actor] || w.At.Before(last) || w.To.Account == w.Actor {
			t.Fatalf("%s", l)
		}
		last = w.At
	}
	if kinds["link.sent"] < n/20 || kinds["message.sent"] < n/2 {
		t.Errorf("kinds %v", kinds)
	}
	counts := make([]int, 0, len(actors))
	for _, c := range actors {
		counts = append(counts, c)
	}
	slices.Sort(counts)
	top := 0
	for _, c := range counts[len(counts)-len(counts)/10:] {
		top += c
	}
	if top < n/2 {
		t.Errorf("a tenth of the accounts sends %d of %d: no heavy tail", top, n)
	}
}

// realNames reads every user name of a real chat.
func realNames(t *testing.T, path string) map[string]bool {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	d, names := xml.NewDecoder(z), map[string]bool{}
	d.Strict = false
	for {
		tok, err := d.Token()
		if err != nil {
			return names
		}
		if el, ok := tok.(xml.StartElement); ok && el.Name.Local == "user" {
			var s string
			if err := d.DecodeElement(&s, &el); err != nil {
				t.Fatal(err)
			}
			names[s] = true
		}
	}
}

func TestRealConversationsWithRealLinksAndHosts(t *testing.T) {
	slack := corpus.Path(t, "graphs", "slack", "racket", "2018", "merged-racket-general.xml.gz")
	o := sim.OverlayOptions{
		Seed:          1,
		Conversations: []string{corpus.Path(t, "graphs", "uci-messages-konect", "graph.txt"), slack},
		Links: []string{
			corpus.Path(t, "benign", "urls", "slack_links.tsv.gz"), corpus.Path(t, "benign", "urls", "irc_train_links.tsv.gz"),
			corpus.Path(t, "benign", "urls", "kasztp.txt"),
		},
		Hosts: corpus.Path(t, "derived", "indicators_by_operator.csv"),
		End:   time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC), Each: 2, AllLinks: true,
	}
	out, truth, rep := overlay(t, o)
	t.Logf("%+v", rep)
	if rep.Messages != 59835+9709-self(t, o.Conversations[0]) || rep.Groups != 1 || rep.Links < rep.LinksKnown {
		t.Errorf("report %+v", rep)
	}
	truths, err := sim.ReadTruth(bytes.NewReader(truth))
	if err != nil || len(truths) != rep.Injected || rep.Injected < 2*rep.Targets-100 {
		t.Errorf("%d truths, %v, %d injected, %d targets", len(truths), err, rep.Injected, rep.Targets)
	}
	names := realNames(t, slack)
	if len(names) < 100 {
		t.Fatalf("only %d real names were found to look for", len(names))
	}
	named := regexp.MustCompile(`^[ug]\d+\.example$`)
	urls := regexp.MustCompile(`\{"url":"(?:[^"\\]|\\.)*"\}`)
	sc := bufio.NewScanner(bytes.NewReader(out))
	sc.Buffer(nil, 1<<20)
	word := regexp.MustCompile(`[\pL\d_.-]+`)
	for sc.Scan() {
		// What people posted as links stays as it is; nothing else may hold a name.
		rest := urls.ReplaceAll(sc.Bytes(), nil)
		for _, w := range word.FindAll(rest, -1) {
			if names[string(w)] {
				t.Fatalf("a real name was written: %s", rest)
			}
		}
	}
	for _, e := range events(t, out) {
		for _, n := range []string{e.Actor, e.To.Account, e.To.Group, e.Group} {
			if n != "" && !named.MatchString(n) {
				t.Fatalf("event %q names %q", e.ID, n)
			}
		}
	}
	again, _, _ := overlay(t, o)
	if !bytes.Equal(out, again) {
		t.Error("a second overlay differs")
	}
}

// self counts edges from somebody to himself.
func self(t *testing.T, path string) (n int) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(string(b)) {
		if f := strings.Fields(l); len(f) == 4 && f[0] == f[1] {
			n++
		}
	}
	return n
}

func BenchmarkTraffic(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		for range sim.Traffic(1, 100_000, 10_000) {
		}
	}
	b.ReportMetric(float64(b.N)*10_000/b.Elapsed().Seconds(), "lines/s")
}

// FuzzOverlay states: whatever lies in the files, Overlay either writes whole lines of JSON with a truth for each injection, or names
// what it cannot read.
func FuzzOverlay(f *testing.F) {
	f.Add(edges, "ts\tuser\turl\n2017\tDougal\thttps://a.example/1\n", list)
	f.Add(chat, "https://b.example/\n", "type,value,registrable,operator\ndomain,evil.example,evil.example,O\n")
	f.Fuzz(func(t *testing.T, talk, links, hosts string) {
		dir := t.TempDir()
		o := sim.OverlayOptions{URLs: true, Each: 3, AllLinks: true}
		for name, text := range map[string]string{"talk": talk, "links": links, "hosts": hosts} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		o.Conversations, o.Links, o.Hosts = []string{filepath.Join(dir, "talk")}, []string{filepath.Join(dir, "links")}, filepath.Join(dir, "hosts")
		var w, tw bytes.Buffer
		rep, err := sim.Overlay(t.Context(), &w, &tw, o)
		if err != nil {
			return
		}
		truths, err := sim.ReadTruth(&tw)
		if n := len(events(t, w.Bytes())); err != nil || n != rep.Events || len(truths) != rep.Injected {
			t.Fatalf("%d events, %d truths (%v), report %+v", n, len(truths), err, rep)
		}
	})
}
