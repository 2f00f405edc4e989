package campaign

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"vedette"
	"vedette/record/enrichment"
	"vedette/record/indicator"
	"vedette/watch/hunt"
)

type graphml struct {
	XMLName xml.Name `xml:"http://graphml.graphdrawing.org/xmlns graphml"`
	Desc    string   `xml:"desc"`
	Keys    []struct {
		ID   string `xml:"id,attr"`
		For  string `xml:"for,attr"`
		Name string `xml:"attr.name,attr"`
		Type string `xml:"attr.type,attr"`
	} `xml:"key"`
	Graphs []struct {
		ID      string `xml:"id,attr"`
		Default string `xml:"edgedefault,attr"`
		Nodes   []struct {
			ID   string  `xml:"id,attr"`
			Data []datum `xml:"data"`
		} `xml:"node"`
		Edges []struct {
			ID     string  `xml:"id,attr"`
			Source string  `xml:"source,attr"`
			Target string  `xml:"target,attr"`
			Data   []datum `xml:"data"`
		} `xml:"edge"`
	} `xml:"graph"`
}

type datum struct {
	Key   string `xml:"key,attr"`
	Value string `xml:",chardata"`
}

// checkGraphML holds a file against what the GraphML schema asks of structure: keys before the graph, declared once and for what they stand on,
// unique ids that are NMTOKENs, edges between nodes that are there, values of their types.
func checkGraphML(b []byte, g *Graph) error {
	var m graphml
	if err := xml.Unmarshal(b, &m); err != nil {
		return err
	}
	if len(m.Graphs) != 1 || m.Graphs[0].Default != "directed" {
		return fmt.Errorf("%d graphs, %+v", len(m.Graphs), m.Graphs)
	}
	if i, j := bytes.LastIndex(b, []byte("<key ")), bytes.Index(b, []byte("<graph ")); i > j {
		return errors.New("a key after the graph")
	}
	keys := map[string]string{}
	ids := map[string]bool{}
	take := func(id string) error {
		if id == "" || ids[id] || strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
			return fmt.Errorf("id %q", id)
		}
		ids[id] = true
		return nil
	}
	for _, k := range m.Keys {
		if err := take(k.ID); err != nil {
			return err
		}
		if !slices.Contains([]string{"boolean", "int", "long", "float", "double", "string"}, k.Type) {
			return fmt.Errorf("key %s of type %s", k.ID, k.Type)
		}
		keys[k.ID] = k.For + " " + k.Type
	}
	data := func(of string, list []datum) error {
		seen := map[string]bool{}
		for _, d := range list {
			what, typ, _ := strings.Cut(keys[d.Key], " ")
			if what != of || seen[d.Key] {
				return fmt.Errorf("data %s on a %s", d.Key, of)
			}
			seen[d.Key] = true
			var n int64
			if typ != "string" {
				if _, err := fmt.Sscan(d.Value, &n); err != nil {
					return fmt.Errorf("data %s: %q", d.Key, d.Value)
				}
			}
		}
		return nil
	}
	nodes := map[string]bool{}
	for _, n := range m.Graphs[0].Nodes {
		nodes[n.ID] = true
		if err := errors.Join(take(n.ID), data("node", n.Data)); err != nil {
			return err
		}
	}
	for _, e := range m.Graphs[0].Edges {
		if !nodes[e.Source] || !nodes[e.Target] {
			return fmt.Errorf("edge %s from %s to %s", e.ID, e.Source, e.Target)
		}
		if err := errors.Join(take(e.ID), data("edge", e.Data)); err != nil {
			return err
		}
	}
	if len(m.Graphs[0].Nodes) != len(g.Nodes) || len(m.Graphs[0].Edges) != len(g.Edges) {
		return fmt.Errorf("%d nodes and %d edges of %d and %d", len(m.Graphs[0].Nodes), len(m.Graphs[0].Edges), len(g.Nodes), len(g.Edges))
	}
	return nil
}

// checkSVG holds a picture against its promises: it stands alone, runs nothing, and can be read aloud.
func checkSVG(b []byte) error {
	if !utf8.Valid(b) {
		return errors.New("no UTF-8")
	}
	d := xml.NewDecoder(bytes.NewReader(b))
	var titled, described bool
	ids := map[string]bool{}
	for {
		t, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		e, ok := t.(xml.StartElement)
		if !ok {
			continue
		}
		switch e.Name.Local {
		case "svg", "g", "rect", "circle", "path", "text", "style":
		case "title":
			titled = true
		case "desc":
			described = true
		default:
			return fmt.Errorf("element %s", e.Name.Local)
		}
		for _, a := range e.Attr {
			switch {
			case strings.HasPrefix(strings.ToLower(a.Name.Local), "on"), a.Name.Local == "href", a.Name.Local == "src", a.Name.Local == "style":
				return fmt.Errorf("attribute %s on %s", a.Name.Local, e.Name.Local)
			case a.Name.Local == "id":
				if ids[a.Value] {
					return fmt.Errorf("id %s twice", a.Value)
				}
				ids[a.Value] = true
			case a.Name.Local == "aria-label":
			case strings.Contains(a.Value, "url("), strings.Contains(a.Value, "javascript:"):
				return fmt.Errorf("attribute %s=%q", a.Name.Local, a.Value)
			}
		}
	}
	if !titled || !described {
		return errors.New("no title or no description")
	}
	style := string(b[bytes.Index(b, []byte("<style>")):bytes.Index(b, []byte("</style>"))])
	if strings.Contains(style, "@import") || strings.Contains(style, "url(") {
		return errors.New("its style refers to something")
	}
	return nil
}

func checkOutputs(g *Graph) error {
	if !json.Valid(g.JSON()) {
		return errors.New("no JSON")
	}
	if err := checkGraphML(g.GraphML(), g); err != nil {
		return fmt.Errorf("GraphML: %w", err)
	}
	if err := checkSVG(g.SVG()); err != nil {
		return fmt.Errorf("SVG: %w", err)
	}
	return nil
}

func TestOutputsAreWellFormed(t *testing.T) {
	_, in, s := attack(t)
	o, err := Outline(t.Context(), in, s)
	if err != nil {
		t.Fatal(err)
	}
	p := newPlatform(t)
	alone := draw(t, p.incident(p.send("a", "b", "https://evil.example/")), p.play(), Budget{})
	for name, g := range map[string]*Graph{"campaign": draw(t, in, s, Budget{}), "outline": o, "large": large(t), "one message": alone} {
		if err := checkOutputs(g); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// hostile is a graph whose every word somebody else chose.
func hostile(t testing.TB, word string) *Graph {
	p := newPlatform(t)
	seed := p.send("op", "t1", "https://evil.example/a")
	p.send("op2", "t2", "https://kin.example/a")
	in := p.incident(seed)
	in.Case = "c" + word
	if len(in.Case) > 100 {
		in.Case = in.Case[:100]
	}
	h := confirmed(t, "evil.example")
	h.Name = word + ".evil.example"
	h.Indicators = []Indicator{{Entry: word, Source: word, Grade: word}}
	h.Facts = []enrichment.Fact{{Kind: enrichment.NameServer, Value: word, Source: word}}
	in.Hosts = []Host{h}
	in.Reports = []Report{{Message: seed, Grade: word, At: start}}
	s := p.play()
	d := derivedFrom(t, "kin.example", h.Name, vedette.Warn)
	d.Why, d.Ties[0].Text, d.Ties[0].Source = word, word, []string{word}
	d.Facts = h.Facts
	s.Derived = []Derived{d}
	return draw(t, in, s, Budget{})
}

func TestMarkupInNamesIsText(t *testing.T) {
	for _, word := range []string{
		`<script>alert(1)</script>`, `"><image href="x"/>`, `]]>`, `&amp;&lt;`, "nul\x00and\x1b", "\xff\xfe", "\u202egnp.exe", `' onload='x`, "--><!--", "\ud7ff\ufffe", strings.Repeat("long", 200),
	} {
		g := hostile(t, word)
		if err := checkOutputs(g); err != nil {
			t.Errorf("with %q: %v", word, err)
		}
		for _, out := range [][]byte{g.SVG(), g.GraphML()} {
			if bytes.Contains(out, []byte("<script")) || bytes.Contains(out, []byte("<image")) {
				t.Errorf("with %q: markup came through", word)
			}
		}
	}
}

// FuzzWellFormed: whatever words stand in a graph, its three forms can be read by strict readers and hold no markup but their own.
func FuzzWellFormed(f *testing.F) {
	f.Add("a<b", "c&d", "e\"f", int64(5), uint8(3))
	f.Add("\x00\xff", "]]>", "evil[.]example", int64(-1), uint8(200))
	f.Fuzz(func(t *testing.T, label, text, kind string, n int64, many uint8) {
		g := &Graph{Version: Version, Case: label, Tenant: vedette.Tenant(text), At: time.UnixMilli(n % (1 << 40)).UTC(), Notes: []string{text}, Left: []Left{{kind, text, n}}}
		roles := []Role{RoleSender, RoleCell, RoleForwarder, RoleTarget, RoleConfirmed, RoleOther, Role(kind)}
		for i := range int(many) {
			k := kinds[i%len(kinds)]
			if i%13 == 0 {
				k = Kind(kind)
			}
			g.Nodes = append(g.Nodes, Node{
				ID: fmt.Sprint("n", i+1), Kind: k, Label: label, Role: roles[i%len(roles)], Text: text, Reach: reachNames[i%len(reachNames)],
				People: hunt.Count(i % 4), Links: i, Weight: vedette.MilliBits(n), First: g.At, Evidence: []string{label},
			})
			g.Edges = append(g.Edges, Edge{
				From: fmt.Sprint("n", (i*7)%int(many)+1), To: fmt.Sprint("n", i+1), Kind: []EdgeKind{Sent, Opened, Forwarded, OnDevice, SiblingOf, Matches, EdgeKind(kind)}[i%7],
				Text: text, Count: n, Via: []string{label, text},
			})
		}
		g.Blocks = []Block{{Display: label, Scope: indicator.ScopeHost, Why: text}}
		if err := checkOutputs(g); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(g.SVG(), g.SVG()) || !bytes.Equal(g.GraphML(), g.GraphML()) || !bytes.Equal(g.JSON(), g.JSON()) {
			t.Fatal("the same graph gives other bytes")
		}
	})
}

// The picture clips what is long: no text is wider than its card. Checked by the number of runes, at the widest face that is asked for.
func TestLongNamesAreClipped(t *testing.T) {
	p := newPlatform(t)
	host := strings.Repeat("very-long-label-", 3) + "of-a-host.example"
	seed := p.send("op", "t1", "https://"+host+"/a")
	in := p.incident(seed)
	in.Hosts = []Host{confirmed(t, host)}
	g := draw(t, in, p.play(), Budget{})
	svg := string(g.SVG())
	for line := range strings.SplitSeq(svg, "<text ") {
		if _, body, ok := strings.Cut(line, ">"); ok && strings.HasPrefix(line, `class="lab"`) {
			body, _, _ = strings.Cut(body, "<")
			if utf8.RuneCountInString(body) > 40 {
				t.Errorf("a label of %d runes: %q", utf8.RuneCountInString(body), body)
			}
		}
	}
	if !strings.Contains(svg, strings.ReplaceAll(host, ".", "[.]")) {
		t.Error("the whole name stands nowhere, not even in the text alternatives")
	}
}

func TestTheJSONIsTheOneThatIsDocumented(t *testing.T) {
	p := newPlatform(t)
	seed := p.send("op", "t1", "https://evil.example/a")
	in := p.incident(seed)
	in.Hosts = []Host{confirmed(t, "evil.example")}
	g := draw(t, in, p.play(), Budget{})
	const want = `{"version":1,"case":"case 7","tenant":"north","outline":false,"at":"2026-03-01T13:01:00Z","from":"2026-02-28T12:00:00Z","to":"2026-03-01T13:01:00Z",` +
		`"reached":{"people":"some","delivered":1,"senders":1,"hosts":1,"first":"2026-03-01T12:01:00Z","last":"2026-03-01T12:01:00Z","persons":[{"label":"Target 1",` +
		`"reach":"delivered","basis":"confirmed","delivered":"2026-03-01T12:01:00Z","last":"2026-03-01T12:01:00Z","by":["Sender 1"],"links":["Host 1: evil[.]example"]}]},` +
		`"block":[{"host":"evil[.]example","scope":"domain","confirmed":true,"strongest":"block","why":"confirmed in the case"}],"nodes":[` +
		`{"id":"n1","kind":"indicator","label":"Indicator 1: list:made-up#1","text":"A list's statement, by made-up, graded B2."},` +
		`{"id":"n2","kind":"host","label":"Host 1: evil[.]example","role":"confirmed","text":"Confirmed in the case.","links":1,"first":"2026-03-01T12:01:00Z","last":"2026-03-01T12:01:00Z"},` +
		`{"id":"n3","kind":"account","label":"Sender 1","role":"sender","text":"Sent 1 link of this campaign.","first":"2026-03-01T12:01:00Z","last":"2026-03-01T12:01:00Z"},` +
		`{"id":"n4","kind":"account","label":"Target 1","role":"target","text":"Aimed at by 1 of the links and hosts; the farthest that one came: delivered.","reach":"delivered","basis":"confirmed","first":"2026-03-01T12:01:00Z","last":"2026-03-01T12:01:00Z"}],` +
		`"edges":[{"from":"n1","to":"n2","kind":"matches","count":1,"evidence":["indicator list:made-up#1"]},` +
		`{"from":"n2","to":"n4","kind":"reached","first":"2026-03-01T12:01:00Z","last":"2026-03-01T12:01:00Z","count":1,"via":["Sender 1"],"evidence":["journal 1/0","event evt_bfqaygkyw2zwt6kvdxhg23s78m"]},` +
		`{"from":"n3","to":"n2","kind":"sent","first":"2026-03-01T12:01:00Z","last":"2026-03-01T12:01:00Z","count":1,"evidence":["journal 1/0","event evt_bfqaygkyw2zwt6kvdxhg23s78m"]}],` +
		`"left_out":[],"damaged":[],"notes":[]}`
	var got bytes.Buffer
	if err := json.Compact(&got, g.JSON()); err != nil {
		t.Fatal(err)
	}
	if got.String() != want {
		t.Errorf("JSON():\n got %s\nwant %s", got.String(), want)
	}
}
