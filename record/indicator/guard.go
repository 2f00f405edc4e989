package indicator

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/gowebpki/jcs"

	"vedette"
	"vedette/link"
)

//go:embed popular.txt
var builtIn string

// ListKind says what a guard list's names are.
type ListKind uint8

// The kinds.
const (
	Popular ListKind = iota + 1 // each name belongs to one party, with all below it
	Shared                      // each name is shared; what stands below it belongs to different parties
)

func (k ListKind) String() string { return [...]string{"", "popular", "shared"}[min(k, 2)] }

// Guard keeps indicators from stopping the innocent. It is built once and then only read; to change it, build another.
//
// It spares everybody who uses a popular or shared host. It costs those who could have been warned of an attack that really owns such a
// host as a whole; two people can say so (Override).
type Guard struct {
	names     map[string]listing
	above     map[string]string // a parent of a listed name → that name
	ranges    map[int]map[netip.Prefix]string
	overrides map[string]Overridden // by scope and value
}

type listing struct {
	kind ListKind
	list string
}

// NewGuard returns a guard that knows public suffixes, known shared hosters and shorteners, and the short built-in list of popular names.
func NewGuard() *Guard {
	g := &Guard{names: map[string]listing{}, above: map[string]string{}, ranges: map[int]map[netip.Prefix]string{}, overrides: map[string]Overridden{}}
	kind := Popular
	for line := range strings.Lines(builtIn) {
		switch line = strings.TrimSpace(line); {
		case line == "" || line[0] == '#':
		case line == "= popular":
			kind = Popular
		case line == "= shared":
			kind = Shared
		default:
			g.put(line, kind, "the built-in list")
		}
	}
	return g
}

func (g *Guard) put(name string, kind ListKind, list string) {
	if old, ok := g.names[name]; ok && old.kind == Shared && kind == Popular {
		return // shared says more: what stands below is somebody else's
	}
	g.names[name] = listing{kind, list}
	for p := parent(name); strings.Contains(p, "."); p = parent(p) {
		if _, ok := g.above[p]; !ok {
			g.above[p] = name
		}
	}
}

// Names yields every listed name.
func (g *Guard) Names() iter.Seq[string] { return maps.Keys(g.names) }

// GuardReport tells what an added list brought.
type GuardReport struct {
	List    string   `json:"list"`
	Kind    string   `json:"kind"`
	Names   int      `json:"names"`
	Ranges  int      `json:"ranges"`  // networks
	Ignored int      `json:"ignored"` // hashes, patterns and other entries that are no names
	Sample  []string `json:"sample"`  // of the ignored
}

// maxGuardFile bounds a guard list.
const maxGuardFile = 64 << 20

// Add takes an operator's list: one name on a line with # comments, or a MISP warning list. kind 0 lets the list say: a warning list about
// dynamic DNS, shorteners, suffixes or hosters is shared, all else popular. Its error wraps vedette.ErrInvalid and names the file.
func (g *Guard) Add(name string, r io.Reader, kind ListKind) (GuardReport, error) {
	rep := GuardReport{List: name}
	data, err := io.ReadAll(io.LimitReader(r, maxGuardFile+1))
	if err != nil {
		return rep, fmt.Errorf("indicator: guard list %s: %w", name, err)
	}
	if len(data) > maxGuardFile {
		return rep, fmt.Errorf("indicator: guard list %s: over %d MiB: %w", name, maxGuardFile>>20, vedette.ErrTooLarge)
	}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	var entries []string
	if t := bytes.TrimSpace(data); len(t) > 0 && t[0] == '{' {
		var w struct {
			Name, Description, Type string
			List                    []string
		}
		if err := json.Unmarshal(t, &w); err != nil {
			return rep, fmt.Errorf("indicator: guard list %s: %s: %w", name, jsonPlace(t, err), vedette.ErrInvalid)
		}
		if w.List == nil {
			return rep, fmt.Errorf("indicator: guard list %s: has no \"list\": not a MISP warning list: %w", name, vedette.ErrInvalid)
		}
		if w.Type == "regex" || w.Type == "substring" {
			return rep, fmt.Errorf("indicator: guard list %s: type %s cannot be taken: only hostname, string and cidr: %w", name, w.Type, vedette.ErrInvalid)
		}
		if w.Name != "" {
			rep.List = w.Name
		}
		if kind == 0 {
			kind = Popular
			about := strings.ToLower(w.Name + " " + w.Description)
			for _, s := range []string{"dynamic dns", "dynamic-dns", "shorten", "tld", "gateway", "lots", "link in bio", "parking", "disposable"} {
				if strings.Contains(about, s) {
					kind = Shared
				}
			}
		}
		entries = w.List
	} else {
		sc := bufio.NewScanner(bytes.NewReader(data))
		for sc.Scan() {
			line, _, _ := strings.Cut(sc.Text(), "#")
			if line = strings.TrimSpace(line); line != "" {
				entries = append(entries, line)
			}
		}
		if err := sc.Err(); err != nil {
			return rep, fmt.Errorf("indicator: guard list %s: %w: %w", name, err, vedette.ErrInvalid)
		}
	}
	if kind == 0 {
		kind = Popular
	}
	rep.Kind = kind.String()
	for _, e := range entries {
		if p, err := netip.ParsePrefix(e); err == nil {
			g.addRange(p.Masked(), rep.List)
			rep.Ranges++
			continue
		}
		if a, err := netip.ParseAddr(e); err == nil {
			g.addRange(netip.PrefixFrom(a.Unmap(), a.Unmap().BitLen()), rep.List)
			rep.Ranges++
			continue
		}
		h := strings.TrimPrefix(strings.TrimPrefix(e, "*"), ".")
		h, port, err := hostPort(strings.TrimSuffix(h, "/"))
		if err != nil || port != "" {
			rep.Ignored++
			if len(rep.Sample) < 5 {
				rep.Sample = append(rep.Sample, e)
			}
			continue
		}
		g.put(stripWWW(h), kind, rep.List)
		rep.Names++
	}
	return rep, nil
}

func (g *Guard) addRange(p netip.Prefix, list string) {
	n := p.Bits()
	if p.Addr().Is6() {
		n += 1000
	}
	if g.ranges[n] == nil {
		g.ranges[n] = map[netip.Prefix]string{}
	}
	g.ranges[n][p] = list
}

// Ruling is what the guard says of an indicator.
type Ruling struct {
	Refused  bool
	Scope    Scope       // what may be taken: the indicator's own scope, or a narrower one
	Reason   string      // why it was refused or narrowed
	Override *Overridden // the decision of two people that let it pass
}

// Check rules on an indicator in canonical form at a time, overrides considered.
func (g *Guard) Check(in *Indicator, at time.Time) Ruling {
	r := g.Strict(in)
	if !r.Refused && r.Scope == in.Scope {
		return r
	}
	if o, ok := g.overrides[in.Scope.String()+" "+in.Value]; ok && !at.Before(o.At) && at.Before(o.Override.Expires) {
		return Ruling{Scope: in.Scope, Reason: r.Reason, Override: &o}
	}
	return r
}

// Strict rules without overrides. Hunts ask this: against popular, shared, news and civil-society hosts they have none.
func (g *Guard) Strict(in *Indicator) Ruling {
	host := hostOf(in.Value)
	refuse := func(format string, a ...any) Ruling { return Ruling{Refused: true, Reason: fmt.Sprintf(format, a...)} }
	if a, ok := address(host); ok {
		switch {
		case a.IsLoopback() || a.IsPrivate() || a.IsUnspecified() || a.IsLinkLocalUnicast() || a.IsMulticast():
			return refuse("%s is no address on the public internet: it means another machine to everyone", host)
		case in.Scope == ScopeURL || in.Scope == ScopePath:
			return Ruling{Scope: in.Scope}
		}
		if list := g.inRange(a); list != "" {
			return refuse("%s is an address that many share, by %s", host, list)
		}
		return Ruling{Scope: in.Scope}
	}
	if in.Scope == ScopeURL || in.Scope == ScopePath {
		return g.strictPath(in, host)
	}
	reg := link.Registrable(host)
	if reg == "" {
		return refuse("%s is a public suffix: all names below it belong to others", host)
	}
	// The names of one party stand under its registrable domain; the names of a shared host's tenants do not speak for the host.
	for name := host; ; name = parent(name) {
		if l, ok := g.names[name]; ok {
			switch {
			case name == host && l.kind == Shared:
				return refuse("%s is shared by many parties, by %s: name a URL or a path on it", host, l.list)
			case name == host:
				return refuse("%s is popular, by %s: name a URL or a path on it", host, l.list)
			case l.kind == Popular:
				return refuse("%s stands below %s, which is popular, by %s", host, name, l.list)
			}
			break // below a shared name: a tenant of its own
		}
		if name == reg || name == "" {
			break
		}
	}
	if l, ok := g.names["www."+host]; ok {
		return refuse("www.%s is %s, by %s: name a URL or a path on it", host, l.kind, l.list)
	}
	if u, err := link.Parse("https://" + host + "/"); err == nil {
		f := u.Shape().Flags
		switch {
		case f.Has(vedette.ShapeShortener):
			return refuse("%s shortens links for everyone: name a URL on it", host)
		case f.Has(vedette.ShapeSharedHost) && u.HostTenant() != host && host == reg && !isPrivateTenant(host):
			return refuse("%s is shared by many parties: name a URL or a path on it", host)
		}
	}
	if in.Scope == ScopeDomain {
		if name, ok := g.above[host]; ok {
			return Ruling{Scope: ScopeHost, Reason: fmt.Sprintf("below %s stands %s, which is %s, by %s", host, name, g.names[name].kind, g.names[name].list)}
		}
	}
	return Ruling{Scope: in.Scope}
}

// isPrivateTenant tells whether a name was registered directly below a suffix of the list's private part: then it is one party's own.
func isPrivateTenant(host string) bool {
	suffix, icann := link.PublicSuffix(host)
	return !icann && strings.Contains(suffix, ".") && suffix != host
}

// strictPath keeps a path or URL from standing for a whole popular host.
func (g *Guard) strictPath(in *Indicator, host string) Ruling {
	if _, rest := cutHost(in.Value); rest != "/" && rest != "" {
		return Ruling{Scope: in.Scope}
	}
	// The front page of a host is what nearly everyone sends of it.
	whole := Indicator{Value: host, Scope: ScopeHost}
	if r := g.Strict(&whole); r.Refused {
		r.Reason = "its front page: " + r.Reason
		return r
	}
	return Ruling{Scope: in.Scope}
}

func cutHost(value string) (host, rest string) {
	if i := strings.IndexAny(value, "/?"); i >= 0 {
		return value[:i], value[i:]
	}
	return value, ""
}

func (g *Guard) inRange(a netip.Addr) string {
	for n := range g.ranges {
		bits := n
		if bits >= 1000 {
			bits -= 1000
		}
		if (n >= 1000) != a.Is6() {
			continue
		}
		if p, err := a.Prefix(bits); err == nil {
			if list, ok := g.ranges[n][p]; ok {
				return list
			}
		}
	}
	return ""
}

// Approver says whether two people have approved an act. Package authority is one.
type Approver interface {
	TwoPeople(ctx context.Context, act []byte, approvals [][]byte, at time.Time) error
}

// MaxOverride is the longest term of an override.
const MaxOverride = 90 * 24 * time.Hour

// Override is the act that two people sign to let an indicator stand against the guard.
type Override struct {
	Value   string
	Scope   Scope
	Reason  string
	Expires time.Time
}

// Act returns the act as canonical JSON (RFC 8785), which is what is signed. Its error wraps vedette.ErrInvalid and names the field.
func (o *Override) Act() ([]byte, error) {
	value, err := Canonical(o.Value, o.Scope)
	switch {
	case err != nil:
		return nil, fmt.Errorf("indicator: override: value: %w", err)
	case len(strings.TrimSpace(o.Reason)) < 10:
		return nil, fmt.Errorf("indicator: override: reason: at least 10 characters that a stranger understands: %w", vedette.ErrInvalid)
	case o.Expires.IsZero():
		return nil, fmt.Errorf("indicator: override: expiry: none given: %w", vedette.ErrInvalid)
	}
	raw, err := json.Marshal(map[string]string{
		"act": "indicator.override", "value": value, "scope": o.Scope.String(), "reason": strings.TrimSpace(o.Reason),
		"expires": o.Expires.UTC().Truncate(time.Second).Format(time.RFC3339),
	})
	if err != nil {
		return nil, err
	}
	return jcs.Transform(raw)
}

// parseOverride reads what Act wrote.
func parseOverride(act []byte) (Override, error) {
	var a struct {
		Act, Value, Reason string
		Scope              Scope
		Expires            time.Time
	}
	if err := json.Unmarshal(act, &a); err != nil || a.Act != "indicator.override" {
		return Override{}, fmt.Errorf("indicator: override: not the act of one: %w", vedette.ErrInvalid)
	}
	o := Override{a.Value, a.Scope, a.Reason, a.Expires}
	again, err := o.Act()
	if err == nil && !bytes.Equal(again, act) {
		err = fmt.Errorf("indicator: override: not in canonical form: %w", vedette.ErrInvalid)
	}
	return o, err
}

// Overridden is an override with what proves it. It is checked anew whenever a guard takes it: whoever writes to the database cannot lower
// the guard.
type Overridden struct {
	Override  Override
	Act       []byte
	Approvals [][]byte
	At        time.Time // when it was approved
}

// Allow takes an override: approver must find two people behind the act at the given time. Its errors wrap vedette.ErrForbidden (from the
// approver) or vedette.ErrInvalid. The caller keeps the result in the Store.
func (g *Guard) Allow(ctx context.Context, approver Approver, act []byte, approvals [][]byte, at time.Time) (Overridden, error) {
	o, err := parseOverride(act)
	if err != nil {
		return Overridden{}, err
	}
	if term := o.Expires.Sub(at); term <= 0 || term > MaxOverride {
		return Overridden{}, fmt.Errorf("indicator: override: expiry %s: after the approval and at most %d days later: %w",
			o.Expires.Format(time.RFC3339), int(MaxOverride.Hours()/24), vedette.ErrInvalid)
	}
	if approver == nil {
		return Overridden{}, fmt.Errorf("indicator: override: nobody can check approvals here: %w", vedette.ErrForbidden)
	}
	if err := approver.TwoPeople(ctx, act, approvals, at); err != nil {
		return Overridden{}, fmt.Errorf("indicator: override: %w", err)
	}
	done := Overridden{Override: o, Act: bytes.Clone(act), At: at}
	for _, a := range approvals {
		done.Approvals = append(done.Approvals, bytes.Clone(a))
	}
	g.overrides[o.Scope.String()+" "+o.Value] = done
	return done, nil
}

// Overrides returns those that the guard has taken, by value.
func (g *Guard) Overrides() []Overridden {
	var out []Overridden
	for _, o := range g.overrides {
		out = append(out, o)
	}
	slices.SortFunc(out, func(a, b Overridden) int {
		return strings.Compare(a.Override.Value+a.Override.Scope.String(), b.Override.Value+b.Override.Scope.String())
	})
	return out
}

// Apply rules on an indicator and changes it accordingly: narrowed, or ending with the override that lets it pass. It reports false, with
// the reason, when nothing may be taken.
func (g *Guard) Apply(in *Indicator, at time.Time) (ok bool, why string) {
	r := g.Check(in, at)
	switch {
	case r.Refused:
		return false, r.Reason
	case r.Override != nil:
		if end := r.Override.Override.Expires; in.ValidUntil.IsZero() || end.Before(in.ValidUntil) {
			in.ValidUntil = end
		}
		in.Override = true
		in.Note = joinNotes(in.Note, "stands against the guard by two people's word until "+r.Override.Override.Expires.UTC().Format(time.DateOnly)+": "+r.Override.Override.Reason)
	case r.Scope != in.Scope:
		in.Note = joinNotes(in.Note, "narrowed from "+in.Scope.String()+" to "+r.Scope.String()+": "+r.Reason)
		in.Scope = r.Scope
		return true, r.Reason
	}
	return true, ""
}

func joinNotes(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}
