package vedette_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// licences are the kinds that we take, each by words that its text holds, white space and case aside. What is refused is looked for first: a
// text may speak of several.
var (
	refusedLicences = []string{
		"gnu affero", "gnu general public license", "gnu lesser general public", "server side public license", "business source license",
		"commons clause", "elastic license", "for non-commercial use only", "attribution-noncommercial",
	}
	licences = []struct{ name, words string }{
		{"Apache-2.0", "apache license version 2.0, january 2004"},
		{"MIT", "permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files"},
		{"BSD", "redistribution and use in source and binary forms, with or without modification, are permitted provided that the following conditions are met"},
		{"BSD", "redistribution. redistribution and use in source and binary forms, with or without modification, are permitted provided"},
		{"ISC", "permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby granted"},
		{"MPL-2.0", "mozilla public license version 2.0"},
		{"MPL-2.0", "mozilla public license, version 2.0"},
	}
	space = regexp.MustCompile(`\s+`)
	// The MPL names the GNU licences where it says with which it gets on.
	secondary = regexp.MustCompile(`means either the gnu general public license.{0,200}?any later versions of those licenses`)
)

// licenceOf names the licence in a module's folder, or says what is wrong.
func licenceOf(dir string) (name, wrong string) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return "", err.Error()
	}
	wrong = "no licence file"
	for _, f := range files {
		if l := strings.ToLower(f.Name()); f.IsDir() || !strings.HasPrefix(l, "licen") && !strings.HasPrefix(l, "copying") {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			return "", err.Error()
		}
		text := strings.ToLower(space.ReplaceAllString(string(b), " "))
		own := secondary.ReplaceAllString(text, "")
		for _, r := range refusedLicences {
			if strings.Contains(own, r) {
				return "", f.Name() + " speaks of " + r
			}
		}
		for _, l := range licences {
			if name == "" && strings.Contains(text, l.words) {
				name, wrong = l.name, ""
			}
		}
		if name == "" {
			wrong = f.Name() + " is of no kind that we know"
		}
	}
	return name, wrong
}

type module struct {
	Path, Dir      string
	Main, Indirect bool
}

// modules decodes what go list prints.
func modules(t *testing.T, args ...string) []module {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list"}, args...)...).Output()
	if err != nil {
		t.Fatalf("go list %s: %v", strings.Join(args, " "), err)
	}
	var all []module
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p struct {
			module
			Module *module
		}
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		if p.Module != nil {
			p.module = *p.Module
		}
		if p.Path != "" && !p.Main && !slices.ContainsFunc(all, func(m module) bool { return m.Path == p.Path }) {
			all = append(all, p.module)
		}
	}
	return all
}

// TestEveryModuleThatIsLinkedHasALicenceThatWeTake looks into the licence files of what the program is made of.
func TestEveryModuleThatIsLinkedHasALicenceThatWeTake(t *testing.T) {
	linked := modules(t, "-deps", "-json=Module", "./cmd/vedette")
	if len(linked) < 20 {
		t.Fatalf("only %d modules were found", len(linked))
	}
	for _, m := range linked {
		if _, wrong := licenceOf(m.Dir); wrong != "" {
			t.Errorf("%s: %s", m.Path, wrong)
		}
	}
}

// TestLicencesThatWeDoNotTakeAreFound holds the reading of licence files against texts that must be refused.
func TestLicencesThatWeDoNotTakeAreFound(t *testing.T) {
	for _, tt := range []struct{ name, file, text string }{
		{"a network copyleft", "LICENSE", "GNU AFFERO\nGENERAL PUBLIC LICENSE Version 3"},
		{"a source that may be looked at", "LICENSE.md", "Business Source\n License 1.1"},
		{"a second file that takes back what the first gives", "LICENSE-2", "Commons  Clause"},
		{"nothing that we know", "COPYING", "all rights reserved"},
		{"no file", "README", "MIT License"},
	} {
		dir := t.TempDir()
		if tt.file == "LICENSE-2" {
			if err := os.WriteFile(filepath.Join(dir, "LICENSE"), []byte(strings.ToUpper(licences[1].words)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(dir, tt.file), []byte(tt.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if name, wrong := licenceOf(dir); wrong == "" {
			t.Errorf("%s was taken as %s", tt.name, name)
		}
	}
}

// TestThePageOfDependenciesNamesEveryDirectModule with the licence that its file holds, and no other.
func TestThePageOfDependenciesNamesEveryDirectModule(t *testing.T) {
	page, err := os.ReadFile("docs/dependencies.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| `([^`]+)` \\| ([^|]+) \\| ([^|]+) \\|$")
	told := map[string]string{}
	for _, m := range row.FindAllStringSubmatch(string(page), -1) {
		told[m[1]] = m[3]
	}
	for _, m := range modules(t, "-m", "-json", "all") {
		if m.Indirect {
			continue
		}
		licence, ok := told[m.Path]
		delete(told, m.Path)
		if !ok {
			t.Errorf("docs/dependencies.md does not say what %s is for", m.Path)
			continue
		}
		if m.Dir == "" {
			continue // not fetched, since nothing here is built from it
		}
		if found, wrong := licenceOf(m.Dir); wrong != "" || found != licence {
			t.Errorf("docs/dependencies.md says that %s is under %s; its file says %s %s", m.Path, licence, found, wrong)
		}
	}
	for path := range told {
		t.Errorf("docs/dependencies.md names %s, which go.mod does not", path)
	}
}
