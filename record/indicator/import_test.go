package indicator

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"vedette"
	"vedette/internal/corpus"
)

// take imports a text and returns what was taken, kept and refused, each as one line.
func take(t testing.TB, name, text string, opts ImportOptions) ([]string, Report, error) {
	t.Helper()
	var got []string
	im := Importer{Guard: NewGuard(), Each: func(in *Indicator) { got = append(got, in.Scope.String()+" "+in.Value) }}
	if opts.Source == "" {
		opts.Source = "desk"
	}
	opts.At = now
	rep, err := im.Import(t.Context(), strings.NewReader(text), name, opts)
	if rep.Taken+rep.KeptSum()+rep.Refused != rep.Seen || len(got) != rep.Taken {
		t.Errorf("Import(%s): taken %d (%d handed out) + kept %d + refused %d is not seen %d", name, rep.Taken, len(got), rep.KeptSum(), rep.Refused, rep.Seen)
	}
	for _, k := range sortedKeys(rep.Kept) {
		got = append(got, fmt.Sprintf("kept %s %d", k, rep.Kept[k]))
	}
	for _, r := range rep.Refusals {
		got = append(got, "refused "+r.Where+": "+r.Reason)
	}
	return got, rep, err
}

func TestListsAreReadAsPeopleWriteThem(t *testing.T) {
	text := "\ufeff# a comment\r\n" + strings.Join([]string{
		"bad.example", "BAD2.Example.", "hxxps://evil[.]example/login?id=1", "evil2[.]test  # seen in May", "*.wild.example", "||ads.example^", "0.0.0.0 hosts.example",
		"c2.sub.example", "192.0.2.7", "192.0.2[.]8:4233", "192.0.2.9:443", "2001:db8::5", "[2001:db8::6]:8080", "198.51.100.0/24", "198.51.100.5/32",
		"host.example/a/b/", "host.example/a/b", "http://whole.example", "http://front.example/", "bücher.example",
		"d41d8cd98f00b204e9800998ecf8427e", "a@bad.example", "/private/var/tmp/x", "C:\\x.exe", "payload.apk", "76DAB334-7E17-475D-A5D6-0794EB5818A5",
		"word", "two words here", "tcp://192.0.2.7:1", "google.com", "https://bit.ly/Abc", "bit.ly", "exa mple.test/a", "", "; another comment", "! and another",
	}, "\r\n")
	got, rep, err := take(t, "x.txt", text, ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"domain bad.example", "domain bad2.example", "url evil.example/login?id=1", "domain evil2.test", "domain wild.example", "domain ads.example", "domain hosts.example",
		"host c2.sub.example", "host 192.0.2.7", "host 192.0.2.8:4233", "host 192.0.2.9", "host [2001:db8::5]", "host [2001:db8::6]:8080", "host 198.51.100.5",
		"path host.example/a/b", "url host.example/a/b", "host whole.example", "url front.example/", "domain xn--bcher-kva.example", "url bit.ly/Abc",
		"kept address range 1", "kept email 1", "kept file 1", "kept hash 1", "kept identifier 1", "kept path 2",
		`refused line 28: "word" is a single word, neither a host nor a URL`, `refused line 29: "two words here" is text, neither a host nor a URL`,
		"refused line 30: scheme tcp is not one that a link opens", "refused line 31: google.com is popular, by the built-in list: name a URL or a path on it",
		"refused line 33: bit.ly shortens links for everyone: name a URL on it", `refused line 34: "exa mple.test/a" is text, neither a host nor a URL`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("taken, kept and refused differ (-want +got):\n%s", d)
	}
	if rep.Refusals[3].Value != "google[.]com" {
		t.Errorf("a refused value is shown as %q, want it defanged", rep.Refusals[3].Value)
	}
}

func TestTablesAreReadByTheirHeaders(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       []string
	}{
		{
			"a type and a value", "type,value,comment\ndomain,bad.example,x\nmd5,d41d8cd98f00b204e9800998ecf8427e,\nurl,hxxp://bad[.]example/x,\ndomain|ip,a.example|192.0.2.1,\nip-dst|port,192.0.2.2|81,\n",
			[]string{"domain bad.example", "url bad.example/x", "domain a.example", "host 192.0.2.1", "host 192.0.2.2:81", "kept hash 1"},
		},
		{
			"a column for each type, semicolons", "Domain;IP_Address;MD5\nbad.example;192.0.2.1;\n;;d41d8cd98f00b204e9800998ecf8427e\n",
			[]string{"domain bad.example", "host 192.0.2.1", "kept hash 1"},
		},
		{
			"a type that disagrees with the value", "type,value\nip,bad.example\ndomain,192.0.2.1\ndomain,https://bad.example/a\nmd5,bad.example\n",
			[]string{"host bad.example", "host 192.0.2.1", "url bad.example/a", "kept hash 1"},
		},
		{
			"quotes, line ends inside them, and a quote never closed", "type,value,note\ndomain,\"a.example\",\"two\nlines \"\"here\"\"\"\ndomain,\"b.example,x\ndomain,c.example,\n",
			[]string{"domain a.example", "domain c.example", "refused line 4: a quote that is never closed"},
		},
		{
			"no header", "bad.example,some words\nd41d8cd98f00b204e9800998ecf8427e,other.example\nnothing,here\n",
			[]string{"domain bad.example", "domain other.example", "kept hash 1", "refused line 3: no cell of the row is a host, an address or a URL"},
		},
		{
			"short rows and empty values", "type,value\ndomain\ndomain,\n,\n\ndomain,bad.example\n",
			[]string{"domain bad.example", "refused line 2: the row has no value", "refused line 3: the row has no value"},
		},
		{"references alone are kept as such", "title,link\nx,https://news.example/a\n", []string{"kept reference 1"}},
		{"an end that is no date", "type,value,valid_until\ndomain,bad.example,soon\n", []string{"refused line 2: its end \"soon\" is no date"}},
	} {
		got, _, err := take(t, "x.csv", tt.text, ImportOptions{})
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s: differs (-want +got):\n%s", tt.name, d)
		}
	}
}

const bundle = `{"type":"bundle","id":"bundle--1","spec_version":"2.0","objects":[
 {"type":"indicator","id":"indicator--1","created":"2021-07-18T00:00:00Z","pattern":"[domain-name:value='bad.example']","valid_from":"2021-07-01T00:00:00Z","confidence":80,"object_marking_refs":["marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"]},
 {"type":"indicator","id":"indicator--2","pattern":"[url:value = 'https://evil.example/a?b=c' OR ipv4-addr:value = '192.0.2.7']","labels":["malicious-activity"]},
 {"type":"indicator","id":"indicator--3","pattern":"[domain-name:value='a.example' AND file:name='x']"},
 {"type":"indicator","id":"indicator--4","pattern":"[domain-name:value='gone.example']","revoked":true},
 {"type":"indicator","id":"indicator--5","pattern":"[domain-name:value=","pattern_type":"stix"},
 {"type":"indicator","id":"indicator--6","pattern":"rule x {}","pattern_type":"yara"},
 {"type":"malware","id":"malware--1","name":"Product 1","is_family":true},
 {"type":"threat-actor","id":"threat-actor--1","name":"Vendor 1"},
 {"type":"relationship","id":"relationship--1","relationship_type":"indicates","source_ref":"indicator--1","target_ref":"malware--1"},
 {"type":"relationship","id":"relationship--2","relationship_type":"indicates","source_ref":"indicator--1","target_ref":"threat-actor--1"},
 {"type":"domain-name","id":"domain-name--1","value":"seen.example"},
 7, {"id":"x"}
]}`

func TestBundlesAreReadAndNamedByObject(t *testing.T) {
	var first Indicator
	im := Importer{Guard: NewGuard(), Each: func(in *Indicator) {
		if in.Ref == "indicator--1" {
			first = *in
		}
	}}
	if _, err := im.Import(t.Context(), strings.NewReader(bundle), "x.json", ImportOptions{Source: "desk", At: now}); err != nil {
		t.Fatal(err)
	}
	if p, ok := first.Confidence.Percent(); first.Operator != "Vendor 1" || first.TLP != TLPGreen || !ok || p != 80 || first.Label() != "as published by desk on 2021-07-18" ||
		!first.ValidFrom.Equal(time.Date(2021, 7, 1, 0, 0, 0, 0, time.UTC)) || first.Original != "[domain-name:value='bad.example']" || !first.KnownFrom.Equal(now) {
		t.Errorf("the first indicator = %+v", first)
	}
	got, rep, err := take(t, "x.json", bundle, ImportOptions{})
	if err != nil || rep.Format != "stix" {
		t.Errorf("Import = %v, format %q", err, rep.Format)
	}
	want := []string{
		"domain bad.example", "url evil.example/a?b=c", "host 192.0.2.7", "kept file 1", "kept observable 1", "kept rule 1",
		"refused object 12: not an object", "refused object x: an object without a type",
		"refused object indicator--3: joined to other conditions: alone it would cover more than the source said",
		"refused object indicator--4: its source took it back", `refused object indicator--5: "[domain-name:value=": pattern: "domain-name:value" is compared with nothing`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("differs (-want +got):\n%s", d)
	}
	if d := cmp.Diff(map[string]int{"malware": 1, "threat-actor": 1, "relationship": 2}, rep.Context); d != "" {
		t.Errorf("Context differs:\n%s", d)
	}
}

func TestADamagedFileKeepsWhatIsGoodAndNamesThePlace(t *testing.T) {
	cut := bundle[:strings.Index(bundle, `{"type":"malware"`)+10]
	event := `{"response":[{"Event":{"info":"x","date":"2021-07-18","Attribute":[
{"type":"domain","value":"bad.example","to_ids":true},
{"type":"ip-dst","value":"192.0.2.7","to_ids":false,"deleted":false},
{"type":"domain","value":"gone.example","deleted":true},
{"type":"domain|ip","value":"pair.example|192.0.2.8"}, 7, {"type":"domain"},
{"type":"text","value":"words"}],"Object":[{"name":"url","Attribute":[{"type":"url","value":"hxxps://bad[.]example/a"},{"type":"text","value":"/a"},{"type":"port","value":"81"}]}],
"Tag":[{"name":"tlp:amber"}]}}]}`
	for _, tt := range []struct {
		name, text, err string
		want            []string
	}{
		{"a bundle cut in the middle", cut, "line 8", []string{"domain bad.example", "url evil.example/a?b=c", "host 192.0.2.7", "kept file 1", "kept rule 1"}},
		{"an event", event, "", []string{"domain bad.example", "host 192.0.2.7", "domain pair.example", "host 192.0.2.8", "url bad.example/a", "kept context 2", "kept text 1"}},
		{"an event cut in the middle", event[:strings.Index(event, `"Object"`)+30], "line 6", []string{"domain bad.example", "host 192.0.2.7", "domain pair.example", "host 192.0.2.8", "kept text 1"}},
		{"an event without its list", event[strings.Index(event, `[{"Event"`)+1 : len(event)-2], "", []string{"domain bad.example", "host 192.0.2.7", "domain pair.example", "host 192.0.2.8", "url bad.example/a", "kept context 2", "kept text 1"}},
		{"a warning list", `{"name":"x","list":["google.com"]}`, "guard", nil},
		{"JSON of another kind", `{"a":1}`, "without STIX objects", nil},
		{"not JSON at all", `{bad`, "line 1", nil},
		{"a single object", `{"type":"indicator","id":"indicator--1","pattern":"[domain-name:value='bad.example']"}`, "", []string{"domain bad.example"}},
		{"a bare array", `[{"type":"indicator","id":"indicator--1","pattern":"[hostname:value='bad.example']"}, 3]`, "", []string{"host bad.example"}},
		{"two documents", `{"type":"bundle","id":"b","objects":[]} {}`, "follows", nil},
	} {
		got, _, err := take(t, "x.json", tt.text, ImportOptions{})
		if (err == nil) != (tt.err == "") || err != nil && (!strings.Contains(err.Error(), tt.err) || !strings.Contains(err.Error(), "x.json") || !errors.Is(err, vedette.ErrInvalid)) {
			t.Errorf("%s: Import = %v, want an error with %q", tt.name, err, tt.err)
		}
		var good []string
		for _, l := range got {
			if !strings.HasPrefix(l, "refused") {
				good = append(good, l)
			}
		}
		if d := cmp.Diff(tt.want, good); d != "" {
			t.Errorf("%s: differs (-want +got):\n%s", tt.name, d)
		}
	}
}

func TestAPersonsWordAndTheGradeDecideTheVerdict(t *testing.T) {
	block := vedette.Block
	a1, _ := ParseAdmiralty("a1")
	b2, _ := ParseAdmiralty("B2")
	for _, tt := range []struct {
		name   string
		opts   ImportOptions
		text   string
		want   vedette.Verdict
		weight vedette.MilliBits
	}{
		{"an unknown source observes", ImportOptions{}, "type,value\ndomain,bad.example\n", vedette.Allow, 5000},
		{"a fair source observes", ImportOptions{Grade: b2}, "type,value\ndomain,bad.example\n", vedette.Allow, 15000},
		{"the best source warns", ImportOptions{Grade: a1}, "type,value\ndomain,bad.example\n", vedette.Warn, 20000},
		{"confidence lowers the weight", ImportOptions{Grade: a1}, "type,value,confidence\ndomain,bad.example,50\n", vedette.Warn, 10000},
		{"a person blocks", ImportOptions{Verdict: &block}, "type,value\ndomain,bad.example\n", vedette.Block, 5000},
		{"what is not for detection observes", ImportOptions{Grade: a1}, "type,value,to_ids\ndomain,bad.example,0\n", vedette.Allow, 20000},
		{"unless a person blocks", ImportOptions{Grade: a1, Verdict: &block}, "type,value,to_ids\ndomain,bad.example,0\n", vedette.Block, 20000},
	} {
		var got Indicator
		im := Importer{Guard: NewGuard(), Each: func(in *Indicator) { got = *in }}
		tt.opts.Source, tt.opts.At = "desk", now
		if _, err := im.Import(t.Context(), strings.NewReader(tt.text), "x.csv", tt.opts); err != nil {
			t.Error(err)
		}
		if got.Verdict != tt.want || got.Weight != tt.weight {
			t.Errorf("%s: %s, %s, want %s, %s", tt.name, got.Verdict, got.Weight, tt.want, tt.weight)
		}
	}
}

func TestAWiderWishFallsBackWhereTheGuardObjects(t *testing.T) {
	got, rep, err := take(t, "x.txt", "https://bad.example/a\nhttps://drive.google.com/file/d/1\nx.bad.example\n192.0.2.1\n", ImportOptions{Scope: ScopeDomain})
	want := []string{"domain bad.example", "url drive.google.com/file/d/1", "domain x.bad.example", "host 192.0.2.1"}
	if d := cmp.Diff(want, got); d != "" || err != nil || rep.Narrowed != 1 || !strings.Contains(rep.Narrow[0].Reason, "google.com") {
		t.Errorf("differs (-want +got):\n%s\n%v %+v", d, err, rep.Narrow)
	}
}

func TestImportRefusesToBeginWithoutWhatItNeeds(t *testing.T) {
	for name, opts := range map[string]ImportOptions{
		"no source": {At: now}, "a source with a colon": {Source: "a:b", At: now}, "no time": {Source: "desk"},
		"an end before the beginning": {Source: "desk", At: now, ValidFrom: now, ValidUntil: now}, "a format that there is not": {Source: "desk", At: now, Format: "xls"},
	} {
		im := Importer{Guard: NewGuard()}
		if _, err := im.Import(t.Context(), strings.NewReader("bad.example"), "x.txt", opts); !errors.Is(err, vedette.ErrInvalid) {
			t.Errorf("%s: Import = %v, want ErrInvalid", name, err)
		}
	}
}

func TestTLPMarkingsHaveTheirOfficialIds(t *testing.T) {
	for label, id := range map[TLP]string{
		TLPClear: "94868c89-83c2-464b-929b-a1a8aa3c8487", TLPGreen: "bab4a63c-aed9-4cf5-a766-dfca5abac2bb", TLPAmber: "55d920b0-5e8b-4f79-9ee9-91f868d9b421",
		TLPAmberStrict: "939a9414-2ddd-4d32-a0cd-375ea402b003", TLPRed: "e828b379-4e03-4974-9ac4-e53a884c97c1",
	} {
		got, err := ParseTLP(label.MarkingID())
		if label.MarkingID() != "marking-definition--"+id || got != label || err != nil {
			t.Errorf("%s: MarkingID = %s, want %s; read back %s, %v", label, label.MarkingID(), id, got, err)
		}
		if got, err := ParseTLP(label.String()); got != label || err != nil {
			t.Errorf("ParseTLP(%q) = %s, %v", label.String(), got, err)
		}
	}
	for s, want := range map[string]TLP{
		"tlp:white": TLPClear, "TLP:GREEN": TLPGreen, "amber+strict": TLPAmberStrict, "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9": TLPClear,
		"marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da": TLPGreen, "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82": TLPAmber,
		"marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed": TLPRed,
	} {
		if got, err := ParseTLP(s); got != want || err != nil {
			t.Errorf("ParseTLP(%q) = %s, %v, want %s", s, got, err, want)
		}
	}
	if _, err := ParseTLP("osint:source-type"); !errors.Is(err, vedette.ErrInvalid) {
		t.Errorf("ParseTLP of no label = %v, want ErrInvalid", err)
	}
}

func TestPatternsOfTheStandardAreReadOrNamed(t *testing.T) {
	data, err := os.ReadFile(corpus.Path(t, "conformance", "stix21", "patterns", "validator_cases.json"))
	if err != nil {
		t.Fatal(err)
	}
	var cases struct {
		Pass []json.RawMessage
		Fail []json.RawMessage
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	text := func(raw json.RawMessage) string {
		var s string
		var o struct{ Pattern string }
		if json.Unmarshal(raw, &s) == nil {
			return s
		}
		_ = json.Unmarshal(raw, &o)
		return o.Pattern
	}
	for _, raw := range cases.Pass {
		if _, err := parsePattern(text(raw)); err != nil {
			t.Errorf("parsePattern(%q) = %v, want no error", text(raw), err)
		}
	}
	lenient := 0
	for _, raw := range cases.Fail {
		if _, err := parsePattern(text(raw)); err == nil {
			lenient++
			t.Logf("read leniently: %s", text(raw))
		}
	}
	t.Logf("%d valid patterns read; of %d invalid ones %d are read leniently", len(cases.Pass), len(cases.Fail), lenient)
	spec, err := os.ReadFile(corpus.Path(t, "conformance", "stix21", "patterns", "spec_examples.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(spec)) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if _, err := parsePattern(line); err != nil {
			t.Errorf("parsePattern(%q) = %v, want no error", line, err)
		}
	}
}

func TestATermIsTakenOnlyWhereItStandsAlone(t *testing.T) {
	for pattern, want := range map[string][]string{
		`[domain-name:value = 'a.example' OR domain-name:value = "b.example"]`:                           {"domain a.example", "domain b.example"},
		`[domain-name:value IN ('a.example', 'b.example')]`:                                              {"domain a.example", "domain b.example"},
		`[domain-name:value='a.example'] OR [ipv4-addr:value=='192.0.2.1']`:                              {"domain a.example", "host 192.0.2.1"},
		`[domain-name:value='a.example'] AND [ipv4-addr:value='192.0.2.1']`:                              {},
		`[domain-name:value='a.example'] FOLLOWEDBY [url:value='https://b.example/']`:                    {},
		`[domain-name:value != 'a.example']`:                                                             {},
		`[domain-name:value NOT = 'a.example']`:                                                          {},
		`[domain-name:value LIKE '%.a.example']`:                                                         {},
		`[domain-name:value MATCHES '.*']`:                                                               {},
		`[url:value LIKE 'https://a.example/b/%']`:                                                       {"path a.example/b"},
		`[url:value LIKE 'https://a.example/%']`:                                                         {},
		`[network-traffic:dst_ref.type = 'ipv4-addr' AND network-traffic:dst_ref.value = '192.0.2.1']`:   {"host 192.0.2.1"},
		`[ipv4-addr:value = '192.0.2.1' AND network-traffic:dst_port = 8443]`:                            {"host 192.0.2.1:8443"},
		`[domain-name:value = 'a.example' AND domain-name:resolves_to_refs[*].value = '192.0.2.1']`:      {"domain a.example"},
		`[ipv4-addr:value = '192.0.2.0/24']`:                                                             {},
		`[url:value='https://a.example/x\'y']`:                                                           {"url a.example/x'y"},
		`([domain-name:value='a.example']) WITHIN 300 SECONDS`:                                           {"domain a.example"},
		`[file:hashes.'SHA-256' = 'aec0' OR domain-name:value = 'a.example'] START t'2020' STOP t'2021'`: {"domain a.example"},
	} {
		raw, _ := json.Marshal(map[string]any{"type": "bundle", "id": "b", "objects": []any{map[string]any{"type": "indicator", "id": "indicator--1", "pattern": pattern}}})
		var got []string
		all, rep, err := take(t, "x.json", string(raw), ImportOptions{})
		for _, l := range all {
			if !strings.HasPrefix(l, "refused") && !strings.HasPrefix(l, "kept") {
				got = append(got, l)
			}
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: taken %v (%v, refused %v), want %v", pattern, got, err, rep.Refusals, want)
		}
	}
}

func FuzzNothingInAFileIsDropped(f *testing.F) {
	f.Add("x.json", bundle)
	f.Add("x.csv", "type,value\ndomain,bad.example\n\"")
	f.Add("x.txt", "hxxp://bad[.]example\n*.x.example\n[2001:db8::1]\n")
	f.Add("x.json", `{"Event":{"Attribute":[{"type":"domain|ip","value":"a.example|192.0.2.1"}]}}`)
	f.Fuzz(func(t *testing.T, name, text string) {
		var list []Indicator
		im := Importer{Guard: NewGuard(), Each: func(in *Indicator) { list = append(list, *in) }}
		rep, _ := im.Import(t.Context(), strings.NewReader(text), name, ImportOptions{Source: "desk", At: now})
		if rep.Taken+rep.KeptSum()+rep.Refused != rep.Seen || len(list) != rep.Taken {
			t.Fatalf("taken %d (%d) + kept %d + refused %d is not seen %d", rep.Taken, len(list), rep.KeptSum(), rep.Refused, rep.Seen)
		}
		for _, in := range list {
			if again, err := Canonical(in.Value, in.Scope); err != nil || again != in.Value {
				t.Fatalf("Canonical(%q, %s) = %q, %v: not a fixed point", in.Value, in.Scope, again, err)
			}
		}
		if _, err := Build(slices.Values(list), nil); err != nil {
			t.Fatalf("what was taken does not build: %v", err)
		}
	})
}

func FuzzCanonicalIsAFixedPoint(f *testing.F) {
	for _, s := range []string{"bad.example", "www.Bad.example:81", "192.0.2.1", "[::1]", "https://a.example/x/../y?z#f", "a.example//b//"} {
		f.Add(s, uint8(1))
		f.Add(s, uint8(3))
	}
	f.Fuzz(func(t *testing.T, s string, scope uint8) {
		sc := Scope(scope%4) + 1
		once, err := Canonical(s, sc)
		if err != nil {
			return
		}
		if twice, err := Canonical(once, sc); err != nil || twice != once {
			t.Fatalf("Canonical(%q, %s) = %q, and of that %q, %v", s, sc, once, twice, err)
		}
	})
}
