package link

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	whatwg "github.com/nlnwa/whatwg-url/url"
	"golang.org/x/text/unicode/norm"

	"vedette"
	"vedette/internal/corpus"
)

func load(t *testing.T, into any, elem ...string) {
	t.Helper()
	if err := json.Unmarshal(file(t, elem...), into); err != nil {
		t.Fatal(err)
	}
}

func file(t *testing.T, elem ...string) []byte {
	t.Helper()
	data, err := os.ReadFile(corpus.Path(t, append([]string{"conformance"}, elem...)...))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// onPurpose is a list of the vectors that we fail, in classes, each with its reason and the number of vectors in it. A vector that fails
// and is in no class fails the test; so does a class whose number is no longer right: the list must not grow stale.
type onPurpose []struct {
	reason string
	count  int
	holds  func(v vector) bool
}

type vector struct {
	input, want string
	status      string // of IdnaTestV2.txt
	fails       bool   // the standard wants an error
	got         string
	err         error
}

func (v vector) String() string {
	return fmt.Sprintf("%s: got %q, %v, want %q (fails: %v)", strconv.QuoteToASCII(v.input), v.got, v.err, v.want, v.fails)
}

func (p onPurpose) check(t *testing.T, failures []vector) {
	t.Helper()
	counts := make([]int, len(p))
	for _, v := range failures {
		i := slices.IndexFunc(p, func(c struct {
			reason string
			count  int
			holds  func(v vector) bool
		},
		) bool {
			return c.holds(v)
		})
		if i < 0 {
			t.Errorf("%s", v)
			continue
		}
		counts[i]++
	}
	for i, c := range p {
		if counts[i] != c.count {
			t.Errorf("%d vectors are failed on purpose since %s; the list says %d", counts[i], c.reason, c.count)
		}
	}
}

func among(inputs ...string) func(vector) bool {
	return func(v vector) bool { return slices.Contains(inputs, v.input) }
}

type urlVector struct {
	Input, Base, Href, Hostname, Protocol *string
	Failure                               bool
}

func urlVectors(t *testing.T) []urlVector {
	t.Helper()
	var out []urlVector
	for _, name := range []string{"urltestdata.json", "ada_extra_urltestdata.json", "ada_long_urltestdata.json"} {
		var raw []json.RawMessage
		load(t, &raw, "wpt-url", name)
		for _, r := range raw {
			var v urlVector
			if json.Unmarshal(r, &v) == nil && v.Input != nil {
				out = append(out, v)
			}
		}
	}
	if len(out) < 890 {
		t.Fatalf("only %d vectors", len(out))
	}
	return out
}

// What the library gives as it comes: this is what we stand on for paths, queries and foreign schemes, and why we read hosts ourselves.
func TestTheLibraryAgainstTheURLStandard(t *testing.T) {
	var failures []vector
	for _, v := range urlVectors(t) {
		base := ""
		if v.Base != nil {
			base = *v.Base
		}
		f := vector{input: *v.Input, fails: v.Failure}
		w, err := whatwg.NewParser().ParseRef(base, *v.Input)
		if err == nil {
			f.got = w.Href(false)
		}
		if f.err = err; v.Href != nil {
			f.want = *v.Href
		}
		if (err != nil) != v.Failure || f.got != f.want {
			failures = append(failures, f)
		}
	}
	onPurpose{
		{"it refuses A-labels that UTS #46 would not make, which the standard and browsers let pass", 8, func(v vector) bool {
			return v.err != nil && ascii(v.input) && strings.Contains(strings.ToLower(v.input), "xn--")
		}},
		{"it does not encode the last space of an opaque path, as the standard does since 2025", 6, func(v vector) bool {
			return strings.HasPrefix(v.input, "non-special:opaque") || strings.HasPrefix(v.input, "data:space")
		}},
		{"it does not encode ^ in a path by default; our parser is told to", 2, func(v vector) bool {
			return strings.Contains(v.input, "[\\]^_`{|}~")
		}},
	}.check(t, failures)
}

// The standard's vectors through Parse: what the standard reads, we read the same way; what it refuses, we refuse, or the shape says that we
// read it all the same.
func TestURLStandard(t *testing.T) {
	var failures []vector
	tried := 0
	for _, v := range urlVectors(t) {
		if v.Base != nil {
			continue // a link in a message has no base
		}
		tried++
		f := vector{input: *v.Input, fails: v.Failure}
		u, err := Parse(*v.Input)
		f.got, f.err = u.canonical, err
		if v.Failure {
			if err == nil && !u.shape.Flags.Has(vedette.ShapeUnread) {
				failures = append(failures, f)
			}
			continue
		}
		e, wantErr := Parse(*v.Href)
		f.want = *v.Href
		ok := err == nil && wantErr == nil && u.canonical == e.canonical && u.host == e.host
		if ok && v.Hostname != nil && (*v.Protocol == "http:" || *v.Protocol == "https:") {
			f.want = *v.Hostname
			ok = u.host == *v.Hostname
		}
		if !ok {
			failures = append(failures, f)
		}
	}
	t.Logf("%d vectors", tried)
	onPurpose{
		{"where there is no scheme, https is assumed", 4, among("a", "a/", "a//", "example.com`x.example.com")},
		{"no resolver takes a host of dots", 3, among("http://./", "http://../", "h://.")},
		{"dots at the end go first, and 09 is no number", 1, among("http://foo.09..")},
		{"the library does not encode the last space of an opaque path", 5, func(v vector) bool {
			return strings.HasPrefix(v.input, "non-special:opaque") || strings.HasPrefix(v.input, "data:space")
		}},
		{"name:word@host is a user and a host where nobody names a scheme", 1, func(v vector) bool { return strings.HasPrefix(v.input, "non-special:cannot-be-a-base-url-") }},
		{"the host of a foreign scheme is read like any other: it must be a name that a resolver takes", 6, func(v vector) bool {
			scheme, rest, ok := cutScheme(v.input)
			return ok && !special(scheme) && strings.HasPrefix(rest, "//") && v.err != nil
		}},
		{"no resolver takes a label over 63 characters or a name over 253", 0, func(v vector) bool { return strings.Contains(fmt.Sprint(v.err), "no resolver") }},
		{"a file on a host is not opened from a message: addresses and empty labels are refused", 0, func(v vector) bool { return strings.HasPrefix(v.input, "file:") }},
	}.check(t, failures)
}

// hostClasses is shared by the files with hosts.
func hostClasses(dots, none, long int) onPurpose {
	return onPurpose{
		{"no resolver takes a host of dots", none, func(v vector) bool { return v.err != nil && strings.Trim(v.want, ".") == "" && v.want != "" }},
		{"no resolver takes a label over 63 characters or a name over 253", long, func(v vector) bool {
			return !v.fails && strings.Contains(fmt.Sprint(v.err), "no resolver")
		}},
		{"empty labels are dropped: no resolver takes them, and whoever mends them drops the dot", dots, func(v vector) bool {
			return v.err == nil && (strings.Contains(v.want, "..") || strings.HasPrefix(v.want, "."))
		}},
	}
}

func TestIDNA(t *testing.T) {
	read := func(input string) (string, bool, error) {
		var flags vedette.ShapeFlag
		got, err := readHost(input, &flags)
		return got, flags.Has(vedette.ShapeUnread), err
	}
	for name, classes := range map[string]onPurpose{
		"toascii.json": hostClasses(2, 0, 7),
		"IdnaTestV2.json": append(hostClasses(116, 3, 46), onPurpose{
			{"these characters are younger than the tables of this edition of Go (Unicode 15.0)", 3, func(v vector) bool {
				return strings.ContainsAny(v.input, "\U00032931\U00032b9a")
			}},
		}...),
		"IdnaTestV2-removed.json": nil,
	} {
		t.Run(name, func(t *testing.T) {
			var raw []json.RawMessage
			load(t, &raw, "wpt-url", name)
			var failures []vector
			tried := 0
			for _, r := range raw {
				var v struct {
					Input  string
					Output *string
				}
				if json.Unmarshal(r, &v) != nil || v.Input == "" {
					continue
				}
				tried++
				got, unread, err := read(v.Input)
				f := vector{input: v.Input, got: got, err: err, fails: v.Output == nil}
				if v.Output == nil {
					if err == nil && !unread {
						failures = append(failures, f)
					}
				} else if f.want = *v.Output; err != nil || got != strings.TrimSuffix(f.want, ".") {
					failures = append(failures, f)
				}
			}
			t.Logf("%d vectors", tried)
			classes.check(t, failures)
		})
	}
	t.Run("IdnaTestV2.txt", func(t *testing.T) {
		var failures []vector
		tried := 0
		scanner := bufio.NewScanner(bytes.NewReader(file(t, "unicode", "IdnaTestV2.txt")))
		for scanner.Scan() {
			line, _, _ := strings.Cut(scanner.Text(), "#")
			fields := strings.Split(line, ";")
			if len(fields) < 7 {
				continue
			}
			for i := range fields {
				fields[i] = unquote(t, strings.TrimSpace(fields[i]))
			}
			source, want, status := fields[0], fields[0], fields[2]
			for _, w := range []string{fields[1], fields[3]} {
				if w != "" {
					want = w
				}
			}
			if fields[4] != "" {
				status = fields[4]
			}
			if source == "" {
				continue
			}
			tried++
			got, unread, err := read(source)
			f := vector{input: source, got: got, err: err, want: want, status: status, fails: status != "" && status != "[]"}
			if f.fails && err == nil && !unread || !f.fails && (err != nil || got != strings.TrimSuffix(want, ".")) {
				failures = append(failures, f)
			}
		}
		t.Logf("%d vectors", tried)
		append(onPurpose{
			{"a host in ASCII is taken as it is, as the URL standard does; ShapePunyInvalid tells of A-labels that cannot be read", 1943, func(v vector) bool {
				return v.err == nil && v.fails && ascii(v.input)
			}},
			{"newer editions than the file's (15.0) map these characters", 49, func(v vector) bool {
				return strings.Map(since15, v.input) != v.input && v.err == nil
			}},
			{"the URL standard does not check hyphens, nor whether a character may be part of a host name of 1985", 84, func(v vector) bool {
				return v.err == nil && strings.Trim(v.status, "[VUPX123456789 ,]") == ""
			}},
			{"the URL standard takes a name that ends in a number for an address", 21, func(v vector) bool {
				return v.err != nil && endsInNumber(strings.TrimSuffix(v.want, "."))
			}},
		}, hostClasses(0, 0, 0)...).check(t, failures)
	})
}

// unquote undoes \uXXXX and \x{XXXX}.
func unquote(t *testing.T, s string) string {
	t.Helper()
	if s == `""` {
		return ""
	}
	var b strings.Builder
	for s != "" {
		var hex string
		switch {
		case strings.HasPrefix(s, `\u`):
			hex, s = s[2:6], s[6:]
		case strings.HasPrefix(s, `\x{`):
			end := strings.IndexByte(s, '}')
			hex, s = s[3:end], s[end+1:]
		default:
			r, n := utf8.DecodeRuneInString(s)
			b.WriteRune(r)
			s = s[n:]
			continue
		}
		r, err := strconv.ParseUint(hex, 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		b.WriteRune(rune(r))
	}
	return b.String()
}

func TestNamesThatNoResolverTakes(t *testing.T) {
	var raw []json.RawMessage
	load(t, &raw, "wpt-url", "verifydnslength_tests.json")
	for _, r := range raw {
		var v struct {
			Input   *string
			Failure bool
		}
		if json.Unmarshal(r, &v) != nil || v.Input == nil {
			continue
		}
		// An empty label is read without it, and the shape says so.
		u, err := Parse(*v.Input)
		if (err != nil || u.shape.Flags.Has(vedette.ShapeUnread)) != v.Failure {
			t.Errorf("Parse(%q): %v, want failure %v", *v.Input, err, v.Failure)
		}
	}
}

func TestPublicSuffixVectors(t *testing.T) {
	registrable := func(name string) string {
		if name == "null" || strings.HasPrefix(name, ".") {
			return Registrable(strings.TrimPrefix(name, "null"))
		}
		u, err := Parse(name)
		if err != nil {
			t.Errorf("Parse(%q): %v", name, err)
		}
		return u.Registrable()
	}
	// The expected name may be in Unicode: its matching form is meant.
	matching := func(name string) string {
		if name == "null" {
			return ""
		}
		var flags vedette.ShapeFlag
		host, err := readHost(name, &flags)
		if err != nil {
			t.Errorf("readHost(%q): %v", name, err)
		}
		return host
	}
	tried := 0
	check := func(name, want string) {
		tried++
		if got := registrable(name); got != matching(want) {
			t.Errorf("registrable domain of %q: %q, want %q", name, got, matching(want))
		}
	}
	for line := range strings.Lines(string(file(t, "psl", "tests.txt"))) {
		if fields := strings.Fields(line); len(fields) == 2 && !strings.HasPrefix(line, "//") {
			check(fields[0], fields[1])
		}
	}
	for line := range strings.Lines(string(file(t, "psl", "test_psl.txt"))) {
		line, ok := strings.CutPrefix(strings.TrimSpace(line), "checkPublicSuffix(")
		if !ok {
			continue
		}
		name, want, _ := strings.Cut(strings.TrimSuffix(line, ");"), ", ")
		check(strings.Trim(name, "'"), strings.Trim(want, "'"))
	}
	if tried < 150 {
		t.Errorf("only %d vectors", tried)
	}
}

func TestConfusables(t *testing.T) {
	tried, composed := 0, 0
	for line := range strings.Lines(string(file(t, "unicode", "confusables.txt"))) {
		line, _, _ = strings.Cut(strings.TrimPrefix(line, "\ufeff"), "#")
		fields := strings.Split(line, ";")
		if len(fields) < 3 {
			continue
		}
		text := func(s string) string {
			var b strings.Builder
			for _, f := range strings.Fields(s) {
				r, err := strconv.ParseUint(f, 16, 32)
				if err != nil {
					t.Fatal(err)
				}
				b.WriteRune(rune(r))
			}
			return b.String()
		}
		from, to := text(fields[0]), text(fields[1])
		if norm.NFD.String(from) != from {
			composed++ // UTS #39 decomposes before it looks: these lines never apply
			continue
		}
		tried++
		if got := Skeleton(from); got != norm.NFD.String(to) && !ignorable([]rune(from)[0]) {
			t.Errorf("Skeleton(%+q) = %+q, want %+q", from, got, norm.NFD.String(to))
		}
	}
	if tried < 5400 || composed > 1100 {
		t.Errorf("%d pairs, %d with a character that is decomposed", tried, composed)
	}
}

func TestSafeBrowsingVectors(t *testing.T) {
	type quoted struct{ Q string }
	var doc struct {
		Tests map[string][]struct {
			URL    quoted          `json:"url"`
			Output json.RawMessage `json:"output"`
			Fail   bool            `json:"fail"`
		}
	}
	load(t, &doc, "safebrowsing", "urls_vectors.json")
	plain := func(q quoted) string {
		s, err := strconv.Unquote(q.Q)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	one := func(raw json.RawMessage) string {
		var q *quoted
		if err := json.Unmarshal(raw, &q); err != nil {
			t.Fatal(err)
		}
		if q == nil {
			return ""
		}
		return plain(*q)
	}
	many := func(raw json.RawMessage) string {
		var qs []quoted
		if len(raw) > 0 {
			if err := json.Unmarshal(raw, &qs); err != nil {
				t.Fatal(err)
			}
		}
		var out []string
		for _, q := range qs {
			out = append(out, plain(q))
		}
		slices.Sort(out)
		return strings.Join(out, "\n")
	}
	lines := func(s []string) string { slices.Sort(s); return strings.Join(s, "\n") }
	tests := map[string]struct {
		got  func(string) (string, error)
		want func(json.RawMessage) string
		fail onPurpose
	}{
		"TestCanonicalURL/vectors": {SafeBrowsing, one, nil},
		"TestCanonicalHost/vectors": {func(s string) (string, error) {
			_, host, _, _, err := safeBrowsing(s)
			return host, err
		}, one, onPurpose{
			{"the vector expects nothing, though the host is an address like any other", 1, among("http://[FEDC:BA98:7654:3210:FEDC:BA98:7654:3210]:80/index.html")},
			{"an IPv6 address is shortened, as the documentation says; the vectors keep its spelling", 1, among("http://[::192.9.5.5]/ipng")},
		}},
		"TestCanonicalPath/vectors": {func(s string) (string, error) {
			_, _, path, _, err := safeBrowsing(s)
			return path, err
		}, one, nil},
		"TestParseIPAddress/vectors": {func(s string) (string, error) {
			address, _ := readIPv4(s)
			return address, nil
		}, one, onPurpose{
			{"no client takes a part over 255, or text after an address", 2, among("276.2.3", "10.192.95.89 xy")},
		}},
		"TestGenerateLookupHosts/vectors": {func(s string) (string, error) {
			u, err := Parse(s)
			return lines(u.AppendHosts(nil)), err
		}, many, onPurpose{
			{"hosts begin at the registrable domain, as version 5 has it; the vectors go on into the public suffix, and stop at seven labels", 1, among("http://a.b.c.d.e.f.kita.tokyo.jp")},
			{"an IPv6 address is shortened", 1, among("http://[::192.9.5.5]/ipng")},
		}},
		"TestGenerateLookupPaths/vectors": {func(s string) (string, error) {
			u, err := Parse(s)
			return lines(u.AppendPaths(nil)), err
		}, many, nil},
		"TestGeneratePatterns/vectors": {func(s string) (string, error) {
			u, err := Parse(s)
			return lines(u.Expressions()), err
		}, many, onPurpose{
			{"at most five hosts, as the documentation says; the vectors allow seven", 3, func(v vector) bool {
				return strings.HasSuffix(v.input, "a.b.c.d.e.f.g.h.i/")
			}},
		}},
	}
	tried := 0
	for name, vectors := range doc.Tests {
		tt, ok := tests[name]
		if !ok {
			t.Errorf("%s is not tested", name)
			continue
		}
		t.Run(name, func(t *testing.T) {
			var failures []vector
			for _, v := range vectors {
				tried++
				f := vector{input: plain(v.URL), fails: v.Fail}
				if !v.Fail {
					f.want = tt.want(v.Output)
				}
				f.got, f.err = tt.got(f.input)
				if (f.err != nil) != v.Fail || !strings.EqualFold(f.got, f.want) {
					failures = append(failures, f)
				}
			}
			tt.fail.check(t, failures)
		})
	}
	if tried != 106 {
		t.Errorf("%d vectors, want 106", tried)
	}
}

func TestTheSuffixTableReadsAsTheLibraryDoes(t *testing.T) {
	for _, rule := range suffixes().rules {
		name := strings.TrimSuffix(strings.TrimLeft(rule, "*.!"), " private")
		for _, host := range []string{name, "a." + name, "b.a." + name, "c.b.a." + name, "x" + name} {
			suffix, icann := PublicSuffix(host)
			wantSuffix, wantICANN := librarySuffix(host)
			if suffix != wantSuffix || icann != wantICANN {
				t.Errorf("PublicSuffix(%q) = %q, %v; the library says %q, %v", host, suffix, icann, wantSuffix, wantICANN)
			}
		}
	}
}
