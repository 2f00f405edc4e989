package enrichment_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"vedette"
	"vedette/internal/corpus"
	"vedette/record/enrichment"
)

var at = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const table = "192.0.2.0/24,64500,Reef Networks\n3325256704,3325256959,64501,\"Cove, Hosting\"\n"

func importString(t testing.TB, m enrichment.Store, name, data string, format string) (enrichment.Report, error) {
	t.Helper()
	asns, _, err := enrichment.LoadASNs(strings.NewReader(table), "made-up table")
	if err != nil {
		t.Fatal(err)
	}
	im := enrichment.Importer{Store: m, ASNs: asns}
	return im.Import(t.Context(), strings.NewReader(data), name, enrichment.Options{Source: "feed", Format: format, At: at})
}

// said writes facts as lines.
func said(t testing.TB, m enrichment.Store, host string) string {
	t.Helper()
	facts, err := m.Of(t.Context(), host)
	if err != nil {
		t.Fatal(err)
	}
	day := func(t time.Time) string {
		if t.IsZero() {
			return "-"
		}
		return t.Format("2006-01-02T15:04")
	}
	var out []string
	for _, f := range facts {
		out = append(out, fmt.Sprintf("%s=%s %s %s (%s)", f.Kind, f.Value, day(f.First), day(f.Last), f.Source))
	}
	return strings.Join(out, "\n")
}

func TestImport(t *testing.T) {
	sum := strings.Repeat("ab", 32)
	for _, tt := range []struct {
		name, file, in, host, want, format string
		seen, taken, ignored, refused      int
	}{
		{
			"a table with a header in its own order", "facts.csv",
			"kind,host,first,last,value,source\nns,Gull.Example.,2026-02-11T09:12:00Z,2026-02-12,NS1.reef.example.,Other Feed\nasn,gull.example,,,AS64500,\n",
			"gull.example", "asn=64500 - - (feed)\nns=ns1.reef.example 2026-02-11T09:12 2026-02-12T00:00 (Other Feed)", "csv", 2, 2, 0, 0,
		},
		{
			"a table without a header", "facts.txt", "gull.example,registered,1770801120\ngull.example,seen,,2026-02-11\n",
			"gull.example", "registered=2026-02-11T09:12:00Z - - (feed)\nseen= 2026-02-11T00:00 - (feed)", "csv", 2, 2, 0, 0,
		},
		{
			"a bad row costs itself", "facts.csv", "host,kind,value\ngull.example,colour,grey\n\"gull.example,ns,x\n192.0.2.1,ns,ns1.example\ngull.example,address,300.1.1.1\ngull.example,ns,ns1.example\n",
			"gull.example", "ns=ns1.example - - (feed)", "csv", 5, 1, 0, 4,
		},
		{
			"passive DNS, with the number of the network", "dns.jsonl",
			`{"rrname":"gull.example.","rrtype":"A","rdata":["192.0.2.7","198.51.100.9"],"time_first":1770801120,"time_last":1770887520,"count":3}` + "\n" +
				`{"rrname":"gull.example","rrtype":"NS","rdata":"ns1.reef.example.","time_first":1770801120,"time_last":1770801120}` + "\n" +
				`{"rrname":"gull.example","rrtype":"MX","rdata":"mx.example"}` + "\n" + `{"rrname":"gull.example","rrtype":"A"}` + "\n{nonsense\n",
			"gull.example", "address=192.0.2.7 2026-02-11T09:12 2026-02-12T09:12 (feed)\naddress=198.51.100.9 2026-02-11T09:12 2026-02-12T09:12 (feed)\n" +
				"asn=64500 2026-02-11T09:12 2026-02-12T09:12 (made-up table)\nasn=64501 2026-02-11T09:12 2026-02-12T09:12 (made-up table)\n" +
				"ns=ns1.reef.example 2026-02-11T09:12 2026-02-11T09:12 (feed)", "json", 5, 2, 1, 2,
		},
		{
			"certificates; names that are none are passed over", "ct.jsonl",
			`{"names":["*.gull.example","gull.example","10.0.0.1","printer"],"sha256":"` + strings.ToUpper(sum) + `","issuer":"Made-up  CA 2","not_before":"2026-02-11T10:42:00Z","not_after":"2026-05-12T10:42:00Z"}` + "\n" +
				`{"names":["printer"],"sha256":"` + sum + `"}` + "\n" + `{"names":["a.example"],"sha256":"abc"}` + "\n",
			"gull.example", "certificate=" + sum + " 2026-02-11T10:42 2026-02-11T10:42 (feed)\nissuer=made-up ca 2 2026-02-11T10:42 2026-02-11T10:42 (feed)", "json", 3, 1, 0, 2,
		},
		{
			"a registration", "reg.jsonl", `{"domain":"gull.example","created":"2026-02-11","registrar":{"name":"Registrar Nine, Inc."},"nameservers":["NS1.reef.example"]}`,
			"gull.example", "ns=ns1.reef.example - - (feed)\nregistered=2026-02-11T00:00:00Z 2026-02-11T00:00 - (feed)\nregistrar=registrar nine, inc 2026-02-11T00:00 - (feed)", "json", 1, 1, 0, 0,
		},
		{
			"a whole answer of RDAP", "rdap.json", `{
  "objectClassName": "domain", "ldhName": "GULL.EXAMPLE",
  "events": [{"eventAction": "registration", "eventDate": "2026-02-11T09:12:00Z"}, {"eventAction": "last update of RDAP database", "eventDate": "2026-03-01T00:00:00Z"}],
  "nameservers": [{"objectClassName": "nameserver", "ldhName": "ns1.reef.example"}],
  "entities": [{"roles": ["abuse"]}, {"roles": ["registrar"], "vcardArray": ["vcard", [["version", {}, "text", "4.0"], ["fn", {}, "text", "Registrar Nine"]]]}]
}`, "gull.example", "ns=ns1.reef.example - 2026-03-01T00:00 (feed)\nregistered=2026-02-11T09:12:00Z 2026-02-11T09:12 2026-03-01T00:00 (feed)\nregistrar=registrar nine 2026-02-11T09:12 2026-03-01T00:00 (feed)", "json", 1, 1, 0, 0,
		},
		{
			"a list of objects", "list.json", `[{"domain":"gull.example","nameservers":["a.example"]},{"rrname":"gull.example","rrtype":"NS","rdata":["b.example"]},7]`,
			"gull.example", "ns=a.example - - (feed)\nns=b.example - - (feed)", "json", 3, 2, 0, 1,
		},
		{
			"new names, some of them written for people", "new.txt", "# today\ngull.example\nxn--bcher-kva.example\ntern[.]example 17\n\nno name\nB\xc3\xbccher.example\n",
			"tern.example", "seen= 2026-03-01T12:00 2026-03-01T12:00 (feed)", "names", 5, 4, 0, 1,
		},
		{"a byte order mark and ends of lines of another kind", "new.txt", "\ufeffgull.example\r\ntern.example\r\n", "gull.example", "seen= 2026-03-01T12:00 2026-03-01T12:00 (feed)", "names", 2, 2, 0, 0},
		{"an empty file", "new.txt", "", "gull.example", "", "names", 0, 0, 0, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := enrichment.NewMemory()
			rep, err := importString(t, m, tt.file, tt.in, "")
			if err != nil {
				t.Fatal(err)
			}
			if got := said(t, m, tt.host); got != tt.want {
				t.Errorf("facts of %s:\n%s\nwant\n%s", tt.host, got, tt.want)
			}
			got := []any{rep.Format, rep.Seen, rep.Taken, rep.Ignored, rep.Refused}
			if want := []any{tt.format, tt.seen, tt.taken, tt.ignored, tt.refused}; !reflect.DeepEqual(got, want) {
				t.Errorf("report %v, want %v: %v", got, want, rep.Refusals)
			}
			if rep.Added+rep.Widened+rep.Same != rep.Facts || len(rep.Refusals) != rep.Refused {
				t.Errorf("%d facts: %d added, %d widened, %d same; %d of %d refusals named", rep.Facts, rep.Added, rep.Widened, rep.Same, len(rep.Refusals), rep.Refused)
			}
			var packed bytes.Buffer
			z := gzip.NewWriter(&packed)
			_, _ = z.Write([]byte(tt.in))
			_ = z.Close()
			again, err := importString(t, m, tt.file+".gz", packed.String(), "")
			if err != nil || again.Added != 0 || again.Widened != 0 {
				t.Errorf("packed, the same again: %d added, %d widened, %v", again.Added, again.Widened, err)
			}
		})
	}
}

func TestImportOfHostileFilesIsBounded(t *testing.T) {
	bomb := func(line string, n int) io.Reader {
		pr, pw := io.Pipe()
		go func() { // ends when the reader is closed
			z := gzip.NewWriter(pw)
			for range n {
				if _, err := io.WriteString(z, line); err != nil {
					break
				}
			}
			_ = z.Close()
			_ = pw.Close()
		}()
		t.Cleanup(func() { _ = pr.Close() })
		return pr
	}
	im := enrichment.Importer{Store: enrichment.NewMemory()}
	opts := enrichment.Options{Source: "feed", At: at}
	for _, tt := range []struct {
		name string
		in   io.Reader
		want error
	}{
		{"a line without end that unpacks to a gigabyte", bomb(strings.Repeat("a", 1<<20), 1<<10), vedette.ErrTooLarge},
		{"a document without end", io.MultiReader(strings.NewReader("["), bomb(strings.Repeat("a", 1<<20), 0), strings.NewReader(strings.Repeat(" ", 33<<20))), vedette.ErrTooLarge},
		{"a torn gzip", strings.NewReader("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff\x01\x02"), vedette.ErrInvalid},
		{"deep nesting", strings.NewReader(`{"domain":` + strings.Repeat("[", 50_000) + "\n"), nil},
		{"a certificate of ten thousand names", strings.NewReader(`{"issuer":"x","names":[` + strings.Repeat(`"a.example",`, 10_000) + `"b.example"]}`), nil},
		{"a source that breaks out of where it is shown", strings.NewReader("gull.example,seen,,,,<script>\n"), nil},
		{"a long line", strings.NewReader("gull.example,ns," + strings.Repeat("x", 2<<20) + "\ngull.example,seen,\n"), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rep, err := im.Import(t.Context(), tt.in, "feed", opts)
			if !errors.Is(err, tt.want) || tt.want == nil && (err != nil || rep.Refused != 1) {
				t.Errorf("Import = %v, %d refused, want %v or one refusal", err, rep.Refused, tt.want)
			}
			for _, r := range rep.Refusals {
				if len(r.Value) > 400 || len(r.Reason) > 600 {
					t.Errorf("a refusal of %d and %d bytes", len(r.Value), len(r.Reason))
				}
			}
		})
	}
	for _, o := range []enrichment.Options{{At: at}, {Source: "feed"}, {Source: "feed", At: at, Format: "xml"}, {Source: strings.Repeat("a", 65), At: at}} {
		if _, err := im.Import(t.Context(), strings.NewReader("gull.example"), "f", o); !errors.Is(err, vedette.ErrInvalid) {
			t.Errorf("Import(%+v) = %v, want ErrInvalid", o, err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := im.Import(ended, strings.NewReader(strings.Repeat("gull.example\n", 5000)), "f", opts); !errors.Is(err, context.Canceled) {
		t.Errorf("Import, called off = %v, want Canceled", err)
	}
}

// Whatever a file holds: each line is taken, ignored or refused; every fact is canonical; the same file again brings nothing.
func FuzzImport(f *testing.F) {
	for _, s := range []string{
		"host,kind,value\na.example,ns,b.example\n", `{"rrname":"a.example","rrtype":"A","rdata":"192.0.2.1"}`, `{"names":["a.example"],"issuer":"x"}`,
		`[{"domain":"a.example","registrar":"x"}]`, "a.example\nb.example", "\"", "{\n}", "[",
	} {
		f.Add(s, "")
		f.Add(s, "csv")
	}
	f.Fuzz(func(t *testing.T, data, format string) {
		m := enrichment.NewMemory()
		rep, err := importString(t, m, "f", data, format)
		if rep.Seen != rep.Taken+rep.Ignored+rep.Refused {
			t.Fatalf("%d seen, %d taken, %d ignored, %d refused", rep.Seen, rep.Taken, rep.Ignored, rep.Refused)
		}
		if err != nil {
			return
		}
		again, err := importString(t, m, "f", data, format)
		if err != nil || again.Added != 0 || again.Widened != 0 || again.Taken != rep.Taken {
			t.Fatalf("again: %+v, %v", again, err)
		}
	})
}

func TestASNs(t *testing.T) {
	a, refused, err := enrichment.LoadASNs(strings.NewReader("first,last,asn,name\n"+table+
		"192.0.2.128/25,64502\n10,5,64503\nx\n2001:db8::/32,AS64504,Six\n198.51.100.0,198.51.100.127,64505\n203.0.113.9/32,0\n"), "made-up table")
	if err != nil || len(refused) != 3 || a.Len() != 5 {
		t.Fatalf("LoadASNs = %d spans, %v, %v", a.Len(), refused, err)
	}
	for _, tt := range []struct {
		addr string
		asn  uint32
		name string
	}{
		{"192.0.2.1", 64500, "Reef Networks"},
		{"192.0.2.127", 64500, "Reef Networks"},
		{"192.0.2.128", 64502, ""},
		{"192.0.2.255", 64502, ""},
		{"192.0.3.0", 0, ""},
		{"198.51.100.5", 64505, ""},
		{"198.51.100.200", 64501, "Cove, Hosting"},
		{"::ffff:192.0.2.1", 64500, "Reef Networks"},
		{"2001:db8:5::1", 64504, "Six"},
		{"2001:db9::1", 0, ""},
		{"0.0.0.1", 0, ""},
	} {
		asn, name, ok := a.Origin(netip.MustParseAddr(tt.addr))
		if asn != tt.asn || name != tt.name || ok != (tt.asn != 0) {
			t.Errorf("Origin(%s) = %d, %q, %v, want %d, %q", tt.addr, asn, name, ok, tt.asn, tt.name)
		}
	}
	if _, _, err := enrichment.LoadASNs(strings.NewReader("nothing\n"), "x"); !errors.Is(err, vedette.ErrInvalid) {
		t.Errorf("LoadASNs of nothing = %v, want ErrInvalid", err)
	}
}

func TestRanges(t *testing.T) {
	s, refused, err := enrichment.LoadRanges(strings.NewReader(`{"cdn":{"reef":["192.0.2.0/24","x"]},"waf":{"cove":["2001:db8::/32"]},"cloud":{"big":["198.51.100.0/24"]},"common":{"a":["cdn.example"]}}`), "made-up")
	if err != nil || len(refused) != 1 || s.Len() != 2 {
		t.Fatalf("LoadRanges = %d, %v, %v", s.Len(), refused, err)
	}
	for addr, want := range map[string]string{"192.0.2.9": "reef", "2001:db8::1": "cove", "198.51.100.1": "", "203.0.113.1": ""} {
		if name, ok := s.Shared(netip.MustParseAddr(addr)); name != want || ok != (want != "") {
			t.Errorf("Shared(%s) = %q, %v, want %q", addr, name, ok, want)
		}
	}
	list, _, err := enrichment.LoadRanges(strings.NewReader("192.0.2.0/24 # theirs\n198.51.100.1\n"), "our list")
	if err != nil || list.Len() != 2 {
		t.Fatalf("LoadRanges(list) = %d, %v", list.Len(), err)
	}
	if name, _ := list.Shared(netip.MustParseAddr("198.51.100.1")); name != "our list" {
		t.Errorf("Shared = %q", name)
	}
	for _, bad := range []string{"", "{", "{}", "x"} {
		if _, _, err := enrichment.LoadRanges(strings.NewReader(bad), "made-up"); !errors.Is(err, vedette.ErrInvalid) {
			t.Errorf("LoadRanges(%q) = %v, want ErrInvalid", bad, err)
		}
	}
}

// The public tables load whole, and answer as a search of every row does.
func TestPublicTables(t *testing.T) {
	open := func(elem ...string) *os.File {
		f, err := os.Open(corpus.Path(t, elem...))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		return f
	}
	a, refused, err := enrichment.LoadASNs(open("infra", "asn-ipv4-num.csv.gz"), "public table")
	if err != nil || len(refused) != 0 || a.Len() < 400_000 {
		t.Fatalf("LoadASNs = %d spans, %d refused (%v), %v", a.Len(), len(refused), refused[:min(3, len(refused))], err)
	}
	if asn, name, ok := a.Origin(netip.MustParseAddr("1.1.1.1")); asn != 13335 || !strings.HasPrefix(name, "Cloudflare") || !ok {
		t.Errorf("Origin(1.1.1.1) = %d, %q", asn, name)
	}
	s, refused, err := enrichment.LoadRanges(open("infra", "cdncheck_sources.json.gz"), "public ranges")
	if err != nil || len(refused) != 0 || s.Len() < 1000 {
		t.Fatalf("LoadRanges = %d, %d refused, %v", s.Len(), len(refused), err)
	}
	if name, ok := s.Shared(netip.MustParseAddr("104.16.1.1")); !ok {
		t.Errorf("Shared(104.16.1.1) = %q", name)
	}
	t.Logf("%d spans, %d shared networks", a.Len(), s.Len())
}

func TestCanonicalIsAFixedPoint(t *testing.T) {
	for _, f := range []enrichment.Fact{
		{Host: " *.B\xc3\xbccher.Example. ", Kind: enrichment.Address, Value: "[2001:DB8::0001]", Source: "s"},
		{Host: "a.example", Kind: enrichment.Origin, Value: "AS064500", Source: "s"},
		{Host: "a.example", Kind: enrichment.Registered, Value: "2026-02-11 09:12:00", First: at.In(time.FixedZone("x", 3600)), Source: "s"},
	} {
		c, err := enrichment.Canonical(f)
		if err != nil {
			t.Errorf("Canonical(%v): %v", f, err)
			continue
		}
		if again, err := enrichment.Canonical(c); again != c || err != nil {
			t.Errorf("Canonical(%v) = %v, %v", c, again, err)
		}
	}
	if !slices.IsSorted(enrichment.Kinds()) && len(enrichment.Kinds()) != 8 {
		t.Error("a kind is missing")
	}
}
