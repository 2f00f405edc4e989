package indicator

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vedette"
	"vedette/internal/corpus"
	"vedette/link"
)

var now = time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)

// counts are what a reading by hand and by other tools gave for a file.
type counts struct{ taken, kept, refused int }

// corpora are the counts that were established outside of this package (a CSV reader and a JSON reader of another language).
var corpora = map[string]counts{
	"amnesty/2021-12-16_cytrox/cytrox.stix2":                       {336, 7, 0},
	"mvt/candiru/candiru.stix2":                                    {125, 0, 0},
	"citizenlab/201909_MissingLink/misp.json":                      {58, 12, 1}, // one URL without its colon
	"amnesty/2021-07-18_nso/v2_domains.txt":                        {96, 0, 0},
	"amnesty/2021-07-18_nso/v3_domains.txt":                        {610, 0, 0},
	"amnesty/2018-08-01_nso/indicators.csv":                        {1208, 0, 0},
	"amnesty/2020-09-25_finfisher/sha256.csv":                      {0, 12, 0},
	"amnesty/2021-12-16_cytrox/config_profiles.txt":                {0, 1, 0},
	"amnesty/2021-12-16_cytrox/file_paths.txt":                     {0, 6, 0},
	"citizenlab/201512_PackRAT/md5-c2.csv":                         {50, 50, 0},
	"citizenlab/201512_PackRAT/domains.csv":                        {22, 22, 0},
	"citizenlab/202006_DarkBasin/iocs.csv":                         {462, 17, 0},
	"citizenlab/202006_DarkBasin/misp.json":                        {462, 17, 0},
	"citizenlab/201611_KeyBoy/misp.json":                           {12, 67, 0},
	"citizenlab/201611_KeyBoy/iocs.csv":                            {12, 21, 0},
	"citizenlab/201905_EndlessMayfly/iocs.csv":                     {2, 4, 0},
	"eset/swc-candiru/swc-candiru_misp.json":                       {73, 27, 0},
	"meta/2021_12_taking_action_against_surveillance_for_hire.csv": {312, 0, 1},
	"stalkerware/network.csv":                                      {1034, 0, 0},
	"targetedthreats/reports.csv":                                  {0, 101, 0},
	"targetedthreats/targetedthreats_no_nso2021.csv":               {2483, 0, 1},
	"volexity/2019/2019-09-02_-_Digital_Crackdown__Large-Scale_Surveillance_and_Exploitation_of_Uyghurs/indicators/indicators.csv": {25, 0, 0},
}

func indicatorFiles(t testing.TB) (root string, files []string) {
	root = corpus.Path(t, "indicators")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		switch filepath.Ext(path) {
		case ".stix2", ".csv", ".txt", ".json":
			rel, _ := filepath.Rel(root, path)
			files = append(files, rel)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(files)
	return root, files
}

// sourceOf makes a source's name of a folder's.
func sourceOf(rel string) string { s, _, _ := strings.Cut(filepath.ToSlash(rel), "/"); return s }

func importFile(t testing.TB, im *Importer, path, source string) Report {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	block := vedette.Block
	grade, _ := ParseAdmiralty("A1")
	rep, err := im.Import(t.Context(), f, path, ImportOptions{Source: source, Grade: grade, Verdict: &block, At: now})
	if err != nil {
		t.Errorf("Import(%s) = %v, want no error", path, err)
	}
	return rep
}

func TestEveryRealFileLoadsWithoutLoss(t *testing.T) {
	root, files := indicatorFiles(t)
	var table strings.Builder
	var all Report
	reasons := map[string]int{}
	for _, rel := range files {
		rep := importFile(t, &Importer{Guard: NewGuard()}, filepath.Join(root, rel), sourceOf(rel))
		if rep.Taken+rep.KeptSum()+rep.Refused != rep.Seen {
			t.Errorf("%s: taken %d + kept %d + refused %d is not seen %d", rel, rep.Taken, rep.KeptSum(), rep.Refused, rep.Seen)
		}
		byGuard := 0
		for _, r := range rep.Refusals {
			reasons[rel+"  "+r.Where+"  "+r.Value+"  "+r.Reason]++
			if strings.Contains(r.Reason, "popular") || strings.Contains(r.Reason, "shared") || strings.Contains(r.Reason, "shortens") || strings.Contains(r.Reason, "suffix:") || strings.Contains(r.Reason, "public internet") {
				byGuard++
			}
		}
		if want, ok := corpora[filepath.ToSlash(rel)]; ok && (rep.Taken+byGuard != want.taken || rep.KeptSum() != want.kept || rep.Refused-byGuard != want.refused) {
			t.Errorf("%s: taken %d and %d by the guard refused, kept %d %v, refused otherwise %d, want %+v", rel, rep.Taken, byGuard, rep.KeptSum(), rep.Kept, rep.Refused-byGuard, want)
		}
		fmt.Fprintf(&table, "%-78.78s %-5s %5d %5d %5d %5d %5d  %v\n", rel, rep.Format, rep.Seen, rep.Taken, rep.Narrowed, rep.KeptSum(), rep.Refused, rep.Kept)
		all.Seen += rep.Seen
		all.Taken += rep.Taken
		all.Narrowed += rep.Narrowed
		all.Refused += rep.Refused
	}
	t.Logf("\n%-78s %-5s %5s %5s %5s %5s %5s\n%s%-84s %5d %5d %5d %5d %5d\n", "file", "form", "seen", "taken", "narr.", "kept", "refus", table.String(),
		fmt.Sprint(len(files), " files"), all.Seen, all.Taken, all.Narrowed, all.Seen-all.Taken-all.Refused, all.Refused)
	var lines []string
	for l := range reasons {
		lines = append(lines, l)
	}
	slices.Sort(lines)
	t.Logf("refused, one by one:\n%s", strings.Join(lines, "\n"))
}

// TestEveryRealIndicatorIsFoundInEverySpelling tries what slips past glob matching.
func TestEveryRealIndicatorIsFoundInEverySpelling(t *testing.T) {
	root, files := indicatorFiles(t)
	var list []Indicator
	for _, rel := range files {
		importFile(t, &Importer{Guard: NewGuard(), Each: func(in *Indicator) { list = append(list, *in) }}, filepath.Join(root, rel), sourceOf(rel))
	}
	s := build(t, nil, list...)
	tried := 0
	for _, in := range list {
		host, rest := cutHost(in.Value)
		name, port := hostOf(in.Value), ""
		if len(name) != len(host) {
			port = host[len(name):]
		}
		if rest == "" && in.Scope != ScopeURL {
			rest = "/some/Path?q=1"
		}
		_, isAddress := address(name)
		spellings := []string{
			"https://" + name + port + rest, "http://" + name + port + rest, "HTTPS://" + strings.ToUpper(name) + port + rest, name + port + rest,
			"https://user@" + name + port + rest, "https://user:word@" + name + port + rest + "#part", "https://" + name[:1] + "\u00ad" + name[1:] + port + rest,
		}
		if port == "" {
			spellings = append(spellings, "https://"+name+":8443"+rest)
		}
		if !isAddress {
			spellings = append(spellings, "https://www."+name+port+rest, "https://"+name+"."+port+rest, "https://%"+fmt.Sprintf("%02x", name[0])+name[1:]+port+rest,
				"https://"+strings.ReplaceAll(name, ".", "。")+port+rest)
		}
		if in.Scope == ScopeDomain {
			spellings = append(spellings, "https://a.b.c."+name+rest)
		}
		for _, raw := range spellings {
			u, err := link.Parse(raw)
			if err != nil {
				t.Errorf("link.Parse(%q) = %v", raw, err)
				continue
			}
			tried++
			if len(s.Match(&u, now, false, nil)) == 0 {
				t.Errorf("%s %s is not found as %q (%s)", in.Scope, in.Value, raw, u.Canonical())
			}
		}
	}
	t.Logf("%d indicators, %d spellings found", len(list), tried)
}
