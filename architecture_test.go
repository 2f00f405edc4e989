package vedette_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the table of rooms into docs/ARCHITECTURE.md")

// wings are the floors of the house, from the top. A room may import rooms of its own wing, unless the wing's rooms are kept apart, and
// of the wings that its wing names. The list holds rooms that are not built yet, so that they have a place when they come.
var wings = []struct {
	name  string
	rooms []string
	below []string
	apart bool // rooms of this wing do not import one another
}{
	{name: "cmd", rooms: []string{"cmd/vedette"}, below: []string{"edge", "store", "inline", "watch", "act", "record", "link", "sim", "words"}},
	{name: "edge", rooms: []string{
		"edge/access", "edge/adapter", "edge/adapter/matrix", "edge/adapter/xmpp", "edge/adapter/webhook", "edge/adapter/stream",
		"edge/franking", "edge/intake", "edge/tiles", "edge/witness", "edge/anchoring", "edge/linkcheck", "edge/stix", "edge/exchange", "edge/console",
	}, below: []string{"inline", "watch", "act", "record", "link", "sim", "words"}},
	{
		name: "store", rooms: []string{"store/frames", "store/surrogates", "store/records", "store/history", "store/tiles", "store/storetest", "store/embedded", "store/clustered"},
		below: []string{"inline", "watch", "act", "record", "link", "sim", "words"},
	},
	{name: "inline", rooms: []string{"inline/feature", "inline/decision", "inline/sequence"}, below: []string{"record", "link", "words"}},
	{name: "watch", rooms: []string{"watch/population", "watch/rehearsal", "watch/targeting", "watch/sentry", "watch/attribution", "watch/hunt", "watch/sibling", "watch/campaign"}, below: []string{"record", "link", "words"}},
	{name: "act", rooms: []string{"act/casefile", "act/response", "act/exhibit"}, below: []string{"record", "link", "words"}},
	{name: "record", rooms: []string{"record/journal", "record/evidence", "record/authority", "record/vault", "record/indicator", "record/enrichment", "record/anchor", "record/order"}, below: []string{"link", "words"}},
	{name: "link", rooms: []string{"link"}, below: []string{"words"}},
	{name: "sim", rooms: []string{"sim", "sim/world", "sim/score", "sim/baseline"}, below: []string{"link", "words"}},
	{name: "words", rooms: []string{""}},
}

// tests are packages that exist for tests alone; they may import anything and only tests may import them. A room's own suite or double
// stands below the room and ends with "test".
var tests = []string{"internal/corpus", "store/storetest", "test"}

// only says where a package of others may be used at all, by the beginning of the room's path: the rest of the house stays free of it.
var only = map[string][]string{
	"net/http":                         {"edge/", "store/", "cmd/"},
	"net":                              {"edge/", "store/", "cmd/"},
	"net/netip":                        {""}, // names of addresses; they reach nothing
	"net/url":                          {""},
	"net/mail":                         {""},
	"net/textproto":                    {""},
	"os/exec":                          {},
	"plugin":                           {},
	"database/sql":                     {"store/"},
	"github.com/cockroachdb/pebble/v2": {"store/"},
	"modernc.org/sqlite":               {"store/"},
	"math/rand":                        {},
	"math/rand/v2":                     {"sim", "cmd/vedette"}, // drawn with a seed; whatever must not be guessed comes from crypto/rand
	"unsafe":                           {"inline/feature"},     // asks the kernel for huge pages under the tables; docs/decisions/0007-measures.md
}

// limitOf returns where a package may be used: what stands below a limited one is limited like it, unless it is named itself.
func limitOf(imp string) (where []string, limited bool) {
	for at := imp; at != ""; {
		if where, limited = only[at]; limited {
			return where, true
		}
		i := strings.LastIndexByte(at, '/')
		at = at[:max(i, 0)]
	}
	return nil, false
}

// names are words that say nothing.
var names = []string{"util", "utils", "common", "helper", "helpers", "model", "models", "manager", "base", "misc"}

type listed struct {
	ImportPath string
	Name       string
	Dir        string
	Doc        string
	GoFiles    []string
	Imports    []string
}

func list(t *testing.T) []listed {
	t.Helper()
	out, err := exec.Command("go", "list", "-json", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p listed
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		if len(p.GoFiles) > 0 {
			all = append(all, p)
		}
	}
	return all
}

func inside(path string) (string, bool) {
	if path == "vedette" {
		return "", true
	}
	return strings.CutPrefix(path, "vedette/")
}

// place returns the wing and room that a package belongs to. What stands in a room's own internal folder belongs to the room.
func place(path string) (wing int, at string, ok bool) {
	path, _, _ = strings.Cut(path, "/internal/")
	for i, w := range wings {
		if slices.Contains(w.rooms, path) {
			return i, path, true
		}
	}
	return 0, "", false
}

func forTests(path string) bool {
	return strings.HasSuffix(path, "test") || slices.ContainsFunc(tests, func(p string) bool { return path == p || strings.HasPrefix(path, p+"/") })
}

func TestEveryPackageHasItsPlaceAndImportsDownward(t *testing.T) {
	for _, p := range list(t) {
		path, ours := inside(p.ImportPath)
		if !ours || forTests(path) {
			continue
		}
		from, at, ok := place(path)
		if !ok {
			t.Errorf("%s has no place in the house: add it to a wing, with its reason in docs/decisions, or move it", path)
			continue
		}
		for _, imp := range p.Imports {
			if to, ours := inside(imp); ours {
				switch wing, into, ok := place(to); {
				case forTests(to):
					t.Errorf("%s imports %s, which is for tests", path, to)
				case !ok:
					// reported for the package itself
				case wing == from && !wings[from].apart, into == at:
				case slices.Contains(wings[from].below, wings[wing].name):
				default:
					t.Errorf("%s imports %s: %s may import only %s", path, to, wings[from].name, strings.Join(wings[from].below, ", "))
				}
				continue
			}
			if where, limited := limitOf(imp); limited && !slices.ContainsFunc(where, func(w string) bool { return strings.HasPrefix(path, w) }) {
				t.Errorf("%s imports %s, which belongs in %s", path, imp, strings.Join(where, ", "))
			}
		}
	}
}

func TestWhatIsLimitedIsLimitedWithAllBelowIt(t *testing.T) {
	for _, tt := range []struct {
		imp, room string
		want      bool
	}{
		{"net/http", "link", false},
		{"net/http/httptrace", "link", false},
		{"net/rpc", "record/vault", false},
		{"net/smtp", "inline/decision", false},
		{"net/http/httputil", "edge/intake", true},
		{"net/netip", "link", true},
		{"os/exec", "link", false},
		{"database/sql/driver", "record/indicator", false},
		{"github.com/cockroachdb/pebble/v2/vfs", "record/journal", false},
		{"modernc.org/sqlite/lib", "cmd/vedette", false},
		{"math/rand/v2", "record/vault", false},
		{"strings", "link", true},
	} {
		where, limited := limitOf(tt.imp)
		if got := !limited || slices.ContainsFunc(where, func(w string) bool { return strings.HasPrefix(tt.room, w) }); got != tt.want {
			t.Errorf("%s may import %s: %t, want %t", tt.room, tt.imp, got, tt.want)
		}
	}
}

func TestTheWordsNeedTheStandardLibraryAlone(t *testing.T) {
	for _, p := range list(t) {
		if p.ImportPath != "vedette" {
			continue
		}
		for _, imp := range p.Imports {
			if strings.Contains(imp, ".") {
				t.Errorf("package vedette imports %s", imp)
			}
		}
	}
}

func TestEveryPackageSaysWhatGoesInAndWhatComesOut(t *testing.T) {
	for _, p := range list(t) {
		path, _ := inside(p.ImportPath)
		if slices.Contains(names, p.Name) {
			t.Errorf("%s: %q says nothing; find the word that is missing", path, p.Name)
		}
		doc := comment(t, p)
		if doc == "" {
			t.Errorf("%s has no package comment", path)
			continue
		}
		if forTests(path) || p.Name == "main" || strings.Contains(path, "/internal/") {
			continue
		}
		for _, part := range []string{"In:", "Out:", "Keeps:", "Fails:", "Source:"} {
			if !strings.Contains(doc, part) {
				t.Errorf("%s: its package comment does not say %q", path, part)
			}
		}
	}
}

func comment(t *testing.T, p listed) string {
	t.Helper()
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			t.Fatal(err)
		}
		if f.Doc != nil {
			return f.Doc.Text()
		}
	}
	return ""
}

// TestThePageOfRoomsIsTrue holds docs/ARCHITECTURE.md against the code; -update writes it.
func TestThePageOfRoomsIsTrue(t *testing.T) {
	const path, begin, end = "docs/ARCHITECTURE.md", "<!-- rooms: begin -->\n", "<!-- rooms: end -->"
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	does := map[string]string{}
	for _, p := range list(t) {
		at, _ := inside(p.ImportPath)
		first, _, _ := strings.Cut(strings.ReplaceAll(comment(t, p), "\n", " "), ". ")
		first, _, _ = strings.Cut(first, ".  ")
		does[at] = strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(first, "Package "+p.Name+" "), "Command "+p.Name+" "), ".")
	}
	var b strings.Builder
	b.WriteString("| wing | room | what it does | may import |\n|---|---|---|---|\n")
	for _, w := range wings {
		for _, r := range w.rooms {
			if what, built := does[r]; built {
				name := r
				if r == "" {
					name = "(root)"
				}
				fmt.Fprintf(&b, "| %s | `%s` | %s | %s |\n", w.name, name, what, strings.Join(w.below, ", "))
			}
		}
	}
	head, rest, ok := strings.Cut(string(page), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table: %q … %q", path, begin, end)
	}
	want := head + begin + b.String() + end + tail
	if want == string(page) {
		return
	}
	if !*update {
		t.Fatalf("%s is not what the code says; run: go test -run %s . -update", path, t.Name())
	}
	if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}
