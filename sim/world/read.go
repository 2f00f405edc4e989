package world

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Plans are the kinds of teams, in the order in which the file names them.
type Plans []*Plan

// Find returns the plan of that name, or nil.
func (p Plans) Find(name string) *Plan {
	for _, x := range p {
		if x.Name == name {
			return x
		}
	}
	return nil
}

// The names that a Mix may have, by its key.
var (
	attestations = []string{"fail", "none", "basic", "strong"}
	netKinds     = []string{"home", "office", "mobile", "vpn", "hosting", "proxy"}
	carriers     = []string{"mobile", "fixed", "voip", "machine"}
	patterns     = []string{"all", "pairs", "star"}
	audiences    = []string{"pair", "members", "group"}
	senders      = []string{"member", "fresh", "taken"}
	methods      = []string{"link", "device-link", "group-add"}

	mixNames = map[string][]string{
		"accounts.attestation": attestations, "networks.kinds": netKinds, "numbers.carriers": carriers, "talk.pattern": patterns,
		"links.audience": audiences, "attack.sender": senders, "attack.method": methods,
	}
)

// limits are what a number may be, by the end of its key. What is not here is a share, 0 to 1.
var limits = map[string][2]float64{
	"tier": {0, 2}, "accounts": {100, 5_000_000}, "warmup": {0, 365}, "learning": {0, 365}, "test": {0, 365}, "countries": {1, 16},
	"background.sessions": {0, 20}, "background.spread": {0, 3}, "background.strangers": {0, 10}, "background.lookups": {0, 10},
	"background.by_hand": {0, 10}, "background.blocks": {0, 10}, "background.reports": {0, 10}, "background.device_links": {0, 10},
	"background.new_groups": {0, 1}, "background.profiles": {0, 10}, "background.newcomers": {0, 0.1}, "background.leavers": {0, 0.1},
	"background.sites": {0, 2000}, "background.popular": {10, 1_000_000},
	"networks.mobile": {1, 100_000}, "networks.office": {1, 10_000}, "networks.exits": {1, 100_000},
	"count.any": {0, 20_000}, "count.warmup": {0, 20_000}, "count.learning": {0, 20_000}, "count.test": {0, 20_000},
	"days": {0.01, 365}, "members": {1, 250},
	"accounts.age": {0, 3650}, "accounts.span": {0, 60}, "accounts.taken": {0, 50},
	"devices.accounts": {1, 100}, "ties.outside": {0, 50}, "per_day": {0, 500}, "talk.sessions": {0, 50},
	"groups.made": {0, 50}, "links.domains": {0, 60}, "links.sends": {0, 500}, "links.life": {0, 90}, "links.opens": {0, 50},
	"probes.lookups": {0, 100}, "probes.blocks": {0, 100}, "probes.reports": {0, 100}, "probes.reregisters": {0, 100},
	"probes.device_links": {0, 100}, "probes.restores": {0, 100},
	"attack.delay": {0, 30}, "attack.targets": {1, 50}, "attack.gap": {0, 240}, "attack.senders": {1, 10},
}

// limitOf takes the whole key, or its last two parts, or the last one where it means the same everywhere.
func limitOf(key string) (lo, hi float64) {
	parts := strings.Split(key, ".")
	last := parts[len(parts)-1]
	for _, k := range []string{key, strings.Join(parts[max(0, len(parts)-2):], "."), last} {
		if l, ok := limits[k]; ok && (k != last || len(parts) == 1 || last == "per_day") {
			return l[0], l[1]
		}
	}
	return 0, 1
}

func newPlan(name string) *Plan {
	one := Range{Low: 1, High: 1}
	return &Plan{
		Name: name, Days: one, Members: one,
		Accounts: Accounts{Attestation: Mix{"strong": 1}},
		Devices:  Devices{Accounts: one},
		Networks: Networks{Kinds: Mix{"home": 0.5, "mobile": 0.5}},
		Numbers:  Numbers{Carriers: Mix{"mobile": 1}},
		Ties:     Ties{Contacts: one},
		Talk:     Talk{Pattern: Mix{"all": 1}},
		Groups:   Groups{Members: one},
		Links:    Links{Audience: Mix{"members": 1}, Preview: Range{0.8, 0.8, false}, Opens: Range{0.5, 0.5, false}, Life: one, Late: Range{0, 1, false}},
	}
}

func newAttack() *Attack {
	one := Range{Low: 1, High: 1}
	return &Attack{Targets: one, Senders: one, Sender: Mix{"member": 1}, Method: Mix{"link": 1}, Preview: Range{0.8, 0.8, false}}
}

// reader turns YAML into a scenario and remembers every fault.
type reader struct {
	lines  map[string]int
	faults []error
}

func (r *reader) fault(n *yaml.Node, path, format string, args ...any) {
	what := fmt.Sprintf(format, args...)
	if path != "" {
		what = path + ": " + what
	}
	r.faults = append(r.faults, fmt.Errorf("line %d: %s", n.Line, what))
}

func (s *Scenario) read(b []byte) error {
	var doc yaml.Node
	if err := yaml.NewDecoder(bytes.NewReader(b)).Decode(&doc); err != nil {
		return fmt.Errorf("no YAML: %w", err)
	}
	root := &doc
	if root.Kind == yaml.DocumentNode && len(root.Content) == 1 {
		root = root.Content[0]
	}
	if root.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: want keys and values", max(root.Line, 1))
	}
	r := &reader{lines: map[string]int{}}
	rest := &yaml.Node{Kind: yaml.MappingNode, Line: root.Line}
	for i := 0; i+1 < len(root.Content); i += 2 {
		k, v := root.Content[i], root.Content[i+1]
		if k.Value != "extends" {
			rest.Content = append(rest.Content, k, v)
			continue
		}
		if v.Value != "default" {
			r.fault(v, "extends", `want "default", got %q`, v.Value)
			continue
		}
		*s = *Default()
	}
	r.into(rest, reflect.ValueOf(s).Elem(), "")
	if err := s.check(r.lines); err != nil {
		r.faults = append(r.faults, err)
	}
	return errors.Join(r.faults...)
}

func (r *reader) into(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	r.lines[path] = n.Line
	switch p := v.Addr().Interface().(type) {
	case *Range:
		r.rangeOf(n, p, path)
		return
	case *Mix:
		*p = Mix{}
		if n.Kind != yaml.MappingNode {
			r.fault(n, path, "want names with weights")
			return
		}
		r.pairs(n, path, func(k string, kn, x *yaml.Node, sub string) {
			f, ok := r.number(x, sub)
			if ok {
				(*p)[k] = f
			}
			r.lines[sub] = kn.Line
		})
		return
	case *Plans:
		r.plans(n, p, path)
		return
	case **Attack:
		if n.Tag == "!!null" {
			*p = nil
			return
		}
		if *p == nil {
			*p = newAttack()
		} else {
			c := **p
			*p = &c
		}
		r.into(n, reflect.ValueOf(*p).Elem(), path)
		return
	case *time.Time:
		t, err := time.Parse(time.DateOnly, n.Value)
		if err != nil {
			r.fault(n, path, "want a day like 2026-03-02, got %q", n.Value)
			return
		}
		*p = t
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		if n.Kind != yaml.MappingNode {
			r.fault(n, path, "want keys and values")
			return
		}
		r.pairs(n, path, func(k string, kn, x *yaml.Node, sub string) {
			if k == "like" && v.Type() == reflect.TypeFor[Plan]() {
				return // read before
			}
			for i := range v.NumField() {
				if v.Type().Field(i).Tag.Get("yaml") == k {
					r.into(x, v.Field(i), sub)
					return
				}
			}
			r.fault(kn, sub, "is unknown")
		})
	case reflect.String:
		if n.Kind != yaml.ScalarNode {
			r.fault(n, path, "want text")
			return
		}
		v.SetString(n.Value)
	case reflect.Bool:
		b, err := strconv.ParseBool(n.Value)
		if err != nil {
			r.fault(n, path, "want true or false, got %q", n.Value)
			return
		}
		v.SetBool(b)
	case reflect.Int:
		f, ok := r.number(n, path)
		if ok && f != math.Trunc(f) {
			r.fault(n, path, "want a whole number, got %s", n.Value)
		} else if ok {
			v.SetInt(int64(f))
		}
	case reflect.Float64:
		if f, ok := r.number(n, path); ok {
			v.SetFloat(f)
		}
	default:
		panic("world: no reader for " + v.Type().String()) // a field of a new type needs one
	}
}

func (r *reader) pairs(n *yaml.Node, path string, each func(k string, kn, x *yaml.Node, sub string)) {
	seen := map[string]bool{}
	content := n.Content
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Tag != "!!merge" {
			continue
		}
		// What stands here outweighs what it is laid over.
		content = slices.Delete(slices.Clone(n.Content), i, i+2)
		over := n.Content[i+1]
		if over.Kind == yaml.AliasNode {
			over = over.Alias
		}
		if over.Kind != yaml.MappingNode {
			r.fault(over, path, "want keys and values to lay this over")
			break
		}
		for k := 0; k+1 < len(over.Content); k += 2 {
			if !hasKey(content, over.Content[k].Value) {
				content = append(content, over.Content[k], over.Content[k+1])
			}
		}
		break
	}
	for i := 0; i+1 < len(content); i += 2 {
		k := content[i]
		sub := k.Value
		if path != "" {
			sub = path + "." + k.Value
		}
		if seen[k.Value] {
			r.fault(k, sub, "is said twice")
			continue
		}
		seen[k.Value] = true
		each(k.Value, k, content[i+1], sub)
	}
}

func hasKey(content []*yaml.Node, key string) bool {
	for i := 0; i+1 < len(content); i += 2 {
		if content[i].Value == key {
			return true
		}
	}
	return false
}

func (r *reader) number(n *yaml.Node, path string) (float64, bool) {
	f, err := strconv.ParseFloat(strings.ReplaceAll(n.Value, "_", ""), 64)
	if n.Kind != yaml.ScalarNode || err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		r.fault(n, path, "want a number, got %q", n.Value)
		return 0, false
	}
	return f, true
}

func (r *reader) rangeOf(n *yaml.Node, p *Range, path string) {
	if n.Kind == yaml.ScalarNode {
		if f, ok := r.number(n, path); ok {
			*p = Range{Low: f, High: f}
		}
		return
	}
	if n.Kind != yaml.SequenceNode || len(n.Content) != 2 && !(len(n.Content) == 3 && n.Content[2].Value == "log") {
		r.fault(n, path, "want a number, [low, high] or [low, high, log]")
		return
	}
	lo, ok1 := r.number(n.Content[0], path)
	hi, ok2 := r.number(n.Content[1], path)
	if ok1 && ok2 {
		*p = Range{Low: lo, High: hi, Log: len(n.Content) == 3}
	}
}

func (r *reader) plans(n *yaml.Node, p *Plans, path string) {
	if n.Kind != yaml.MappingNode {
		r.fault(n, path, "want names of teams with what they do")
		return
	}
	*p = slices.Clone(*p)
	r.pairs(n, path, func(k string, kn, x *yaml.Node, sub string) {
		plan := p.Find(k)
		switch {
		case plan != nil:
			c := *plan
			(*p)[slices.Index(*p, plan)] = &c
			plan = &c
		default:
			plan = newPlan(k)
			*p = append(*p, plan)
		}
		if x.Kind == yaml.MappingNode {
			for i := 0; i+1 < len(x.Content); i += 2 {
				if x.Content[i].Value != "like" {
					continue
				}
				of := p.Find(x.Content[i+1].Value)
				if of == nil || of == plan {
					r.fault(x.Content[i+1], sub+".like", "no team %q stands before this one", x.Content[i+1].Value)
					continue
				}
				*plan = *of
				plan.Name = k
			}
		}
		r.into(x, reflect.ValueOf(plan).Elem(), sub)
	})
}

// check tells everything that cannot be, with the line where one is known.
func (s *Scenario) check(lines map[string]int) error {
	var faults []error
	fault := func(path, format string, args ...any) {
		what := path + ": " + fmt.Sprintf(format, args...)
		for p := path; ; {
			if n, ok := lines[p]; ok && p != "" {
				what = fmt.Sprintf("line %d: %s", n, what)
				break
			}
			i := strings.LastIndexByte(p, '.')
			if i < 0 {
				break
			}
			p = p[:i]
		}
		faults = append(faults, errors.New(what))
	}
	within := func(path, key string, f float64) bool {
		lo, hi := limitOf(key)
		if math.IsNaN(f) || f < lo || f > hi {
			fault(path, "%v is not between %v and %v", f, lo, hi)
			return false
		}
		return true
	}
	// key is the path inside a plan, which limits and names go by.
	var walk func(v reflect.Value, path, key string)
	walk = func(v reflect.Value, path, key string) {
		join := func(a, b string) string {
			if a == "" {
				return b
			}
			return a + "." + b
		}
		switch p := v.Addr().Interface().(type) {
		case *Range:
			if within(path, key, p.Low) && within(path, key, p.High) {
				switch {
				case p.Low > p.High:
					fault(path, "%v is above %v", p.Low, p.High)
				case p.Log && p.Low <= 0:
					fault(path, "a logarithm begins above 0, not at %v", p.Low)
				}
			}
			return
		case *Mix:
			sum := 0.0
			for _, k := range slices.Sorted(maps.Keys(*p)) {
				switch f := (*p)[k]; {
				case !slices.Contains(mixNames[key], k):
					fault(join(path, k), "is unknown; want %s", strings.Join(mixNames[key], ", "))
				case f < 0 || math.IsNaN(f) || math.IsInf(f, 0):
					fault(join(path, k), "a weight is not below 0")
				default:
					sum += f
				}
			}
			if sum <= 0 {
				fault(path, "no weight is above 0")
			}
			return
		case *Plans:
			for i, plan := range *p {
				if plan.Name == "" || (*p).Find(plan.Name) != (*p)[i] {
					fault(path, "team %d has no name of its own", i+1)
				}
				walk(reflect.ValueOf(plan).Elem(), join(path, plan.Name), "")
			}
			return
		case **Attack:
			if *p != nil {
				walk(reflect.ValueOf(*p).Elem(), path, key)
			}
			return
		case *time.Time:
			if p.IsZero() || p.Year() < 1971 || p.Year() > 9000 || !p.Equal(p.Truncate(24*time.Hour)) {
				fault(path, "want a whole day, from 1971 on")
			}
			return
		}
		switch v.Kind() {
		case reflect.Struct:
			for i := range v.NumField() {
				if k := v.Type().Field(i).Tag.Get("yaml"); k != "-" {
					walk(v.Field(i), join(path, k), join(key, k))
				}
			}
		case reflect.Int:
			within(path, key, float64(v.Int()))
		case reflect.Float64:
			within(path, key, v.Float())
		}
	}
	walk(reflect.ValueOf(s).Elem(), "", "")
	if d := s.Days(); d < 1 || d > 365 {
		fault("test", "a world lasts 1 to 365 days, not %d", d)
	}
	for _, p := range s.Teams {
		if p.Attack != nil && (p.Count.Learning > 0 && s.Learning == 0 || p.Count.Test > 0 && s.Test == 0) {
			fault("teams."+p.Name+".count", "there are no such weeks")
		}
	}
	return errors.Join(faults...)
}
