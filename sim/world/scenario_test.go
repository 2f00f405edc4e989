package world

import (
	"errors"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"vedette"
)

func TestReadScenarioNamesLineAndField(t *testing.T) {
	tests := []struct {
		name, in string
		want     []string // parts of the error, all of them
	}{
		{"an unknown key", "extends: default\nacounts: 5", []string{"line 2: acounts: is unknown"}},
		{"a key deep down", "extends: default\nteams:\n  L0:\n    links: {sendz: 3}", []string{"line 4: teams.L0.links.sendz: is unknown"}},
		{
			"all faults at once",
			"extends: default\ntier: 9\naccounts: many\nteams:\n  L1:\n    attack: {targets: [8, 5]}\n    members: 0",
			[]string{
				"line 2: tier: 9 is not between 0 and 2", `line 3: accounts: want a number, got "many"`,
				"line 6: teams.L1.attack.targets: 8 is above 5", "line 7: teams.L1.members: 0 is not between 1 and 250",
			},
		},
		{"a share above one", "extends: default\nenrolled: {targets: 1.5}", []string{"line 2: enrolled.targets: 1.5 is not between 0 and 1"}},
		{"no number", "extends: default\nbackground: {sessions: .nan}", []string{"background.sessions: want a number"}},
		{"half an account", "extends: default\naccounts: 1000.5", []string{"line 2: accounts: want a whole number"}},
		{"three ends", "extends: default\nteams: {L0: {members: [1, 2, 3]}}", []string{"teams.L0.members: want a number, [low, high] or [low, high, log]"}},
		{"a logarithm of nothing", "extends: default\nteams: {L0: {ties: {outside: [0, 3, log]}}}", []string{"teams.L0.ties.outside: a logarithm begins above 0"}},
		{"an unknown kind of network", "extends: default\nteams: {L0: {networks: {kinds: {moon: 1}}}}", []string{"teams.L0.networks.kinds.moon: is unknown; want home, office"}},
		{"a weight below nothing", "extends: default\nteams: {L0: {networks: {kinds: {home: -1}}}}", []string{"networks.kinds.home: a weight is not below 0", "networks.kinds: no weight is above 0"}},
		{"a key said twice", "extends: default\ntier: 1\ntier: 2", []string{"line 3: tier: is said twice"}},
		{"a team like nobody", "extends: default\nteams: {new: {like: nobody}}", []string{`teams.new.like: no team "nobody" stands before this one`}},
		{"no such base", "extends: other\n", []string{`line 1: extends: want "default"`}},
		{"no day", "extends: default\nstart: tomorrow", []string{"line 2: start: want a day"}},
		{"weeks that are not there", "extends: default\nlearning: 0", []string{"teams.L0.count: there are no such weeks"}},
		{"too long", "extends: default\ntest: 360", []string{"a world lasts 1 to 365 days, not 402"}},
		{"neither true nor false", "extends: default\nteams: {L0: {links: {mute: perhaps}}}", []string{"teams.L0.links.mute: want true or false"}},
		{"a list for a map", "extends: default\nteams: [1]", []string{"line 2: teams: want names of teams"}},
		{"no map at all", "- 1\n", []string{"line 1: want keys and values"}},
		{"no YAML", "a: [", []string{"no YAML"}},
		{"nothing", "", []string{"no YAML"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ReadScenario(strings.NewReader(tt.in))
			if !errors.Is(err, vedette.ErrInvalid) {
				t.Fatalf("ReadScenario(%q) = %v, want an error that wraps ErrInvalid", tt.in, err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("ReadScenario(%q) = %v\nwant in it %q", tt.in, err, want)
				}
			}
		})
	}
}

func TestAScenarioChangesSomeThingsOfTheStandardOne(t *testing.T) {
	s, err := ReadScenario(strings.NewReader(`
extends: default
name: mine
accounts: 20_000
teams:
  L0: {count: {test: 50}}
  L5: {attack: null}
  twin: {like: L2, members: 3}
`))
	if err != nil {
		t.Fatal(err)
	}
	d := Default()
	if s.Name != "mine" || s.Accounts != 20_000 || s.Background != d.Background || s.Test != d.Test {
		t.Errorf("%+v", s)
	}
	l0 := s.Teams.Find("L0")
	if l0.Count.Test != 50 || l0.Count.Learning != 3 || !reflect.DeepEqual(l0.Links, d.Teams.Find("L0").Links) {
		t.Errorf("L0 is %+v", l0)
	}
	if s.Teams.Find("L5").Attack != nil {
		t.Error("L5 still attacks")
	}
	twin, l2 := s.Teams.Find("twin"), s.Teams.Find("L2")
	if twin.Members != (Range{3, 3, false}) || !reflect.DeepEqual(twin.Attack, l2.Attack) || l2.Members == twin.Members {
		t.Errorf("the twin is %+v", twin)
	}
	if !reflect.DeepEqual(d, Default()) {
		t.Error("reading changed the standard range")
	}
}

func TestValidateKnowsWhatReadKnows(t *testing.T) {
	s := Default()
	if err := s.Validate(); err != nil {
		t.Fatalf("the standard range: %v", err)
	}
	s.Tier, s.Teams[0].Days.Low = 7, -1
	err := s.Validate()
	if !errors.Is(err, vedette.ErrInvalid) || !strings.Contains(err.Error(), "tier: 7") || !strings.Contains(err.Error(), "teams.family.days: -1") {
		t.Errorf("Validate: %v", err)
	}
	if _, err := New(s, 1); !errors.Is(err, vedette.ErrInvalid) {
		t.Errorf("New: %v", err)
	}
}

// TestThePageOfScenariosIsTrue holds docs/formats/scenario.md: its examples are taken and can be played, and every key is on it.
func TestThePageOfScenariosIsTrue(t *testing.T) {
	raw, err := os.ReadFile("../../docs/formats/scenario.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(raw)
	blocks := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(page, -1)
	if len(blocks) < 2 {
		t.Fatalf("%d examples, want two at least", len(blocks))
	}
	for _, b := range blocks {
		s, err := ReadScenario(strings.NewReader(b[1]))
		if err != nil {
			t.Errorf("an example is refused: %v\n%s", err, b[1])
			continue
		}
		s.Accounts = 2000
		w, err := New(s, 1)
		if err != nil {
			t.Errorf("an example cannot be played: %v\n%s", err, b[1])
			continue
		}
		w.Play(func(*vedette.Event) bool { return true })
	}
	d := Default()
	for i := range d.Teams {
		if !strings.Contains(page, d.Teams[i].Name) {
			t.Errorf("the page does not name the team %s", d.Teams[i].Name)
		}
	}
	var walk func(x reflect.Type)
	walk = func(x reflect.Type) {
		if x.Kind() == reflect.Pointer || x.Kind() == reflect.Slice {
			x = x.Elem()
		}
		if x.Kind() != reflect.Struct || x.PkgPath() != "vedette/sim/world" || x == reflect.TypeFor[Range]() {
			if x.Kind() == reflect.Pointer {
				walk(x.Elem())
			}
			return
		}
		for i := range x.NumField() {
			f := x.Field(i)
			key := f.Tag.Get("yaml")
			if key == "" {
				t.Errorf("%s.%s has no key", x.Name(), f.Name)
			} else if key != "-" && !strings.Contains(page, "`"+key+"`") && !strings.Contains(page, "`"+key+":`") {
				t.Errorf("the page does not name %s of %s", key, x.Name())
			}
			walk(f.Type)
		}
	}
	walk(reflect.TypeFor[Scenario]())
	for _, names := range mixNames {
		for _, n := range names {
			if !strings.Contains(page, "`"+n+"`") {
				t.Errorf("the page does not name %s", n)
			}
		}
	}
}

func FuzzReadScenario(f *testing.F) {
	f.Add("extends: default\nteams: {L0: {members: [1, 3]}}")
	f.Add("accounts: 5\n<<: *x")
	f.Add("a: &a {<<: *a}")
	f.Fuzz(func(t *testing.T, in string) {
		s, err := ReadScenario(strings.NewReader(in))
		if err != nil && !errors.Is(err, vedette.ErrInvalid) {
			t.Errorf("%q: %v", in, err)
		}
		if err == nil && s.Validate() != nil {
			t.Errorf("%q is read and not valid: %v", in, s.Validate())
		}
	})
}
