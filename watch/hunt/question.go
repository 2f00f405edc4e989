package hunt

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/gowebpki/jcs"

	"vedette"
	"vedette/link"
	"vedette/record/indicator"
	"vedette/record/vault"
)

// Limits of a question.
const (
	MaxNames    = 10_000  // names in one question
	maxQuestion = 4 << 20 // bytes of all its names
)

// Errors of the room.
var (
	// ErrRefused says that nothing of a question may be asked: the guard spares every name of it.
	ErrRefused = fmt.Errorf("hunt: refused: %w", vedette.ErrForbidden)
	// ErrNotAskable says that tokens can express no name of a question.
	ErrNotAskable = fmt.Errorf("hunt: not askable here: %w", vedette.ErrInvalid)
)

// Name is what is asked for: a value as NameOf gives it, and how much of it is meant. It is shown to people defanged.
type Name struct {
	Value string          `json:"value"`
	Scope indicator.Scope `json:"scope"`
}

// NameOf reads a name. With indicator.ScopeNone the value itself says how much is meant: what has a path or a query is that URL, what was
// itself registered is a domain, any other name is one host, as is an address. It does not refang. Its error wraps vedette.ErrInvalid.
func NameOf(value string, scope indicator.Scope) (Name, error) {
	value = strings.TrimSpace(value)
	if scope == indicator.ScopeNone {
		scope = indicator.ScopeHost
		_, rest, hasScheme := strings.Cut(value, "://")
		if !hasScheme {
			rest = value
		}
		if i := strings.IndexAny(rest, "/?"); i >= 0 && rest[i:] != "/" {
			scope = indicator.ScopeURL
		} else {
			if hasScheme || i >= 0 {
				u, err := link.Parse(value)
				if err != nil {
					return Name{}, fmt.Errorf("hunt: name: %w", err)
				}
				if value, _, _ = strings.Cut(rest, "/"); !strings.Contains(value, ":") {
					value = u.Host() // without the user part
				}
			}
			if c, err := indicator.Canonical(value, indicator.ScopeDomain); err == nil && link.Registrable(c) == c {
				scope = indicator.ScopeDomain
			}
		}
	}
	c, err := indicator.Canonical(value, scope)
	if err != nil {
		return Name{}, fmt.Errorf("hunt: name: %w", err)
	}
	return nameOf(c, scope), nil
}

// nameOf makes a name of a value in the form of indicator.Canonical. That form drops a leading "www.", and so is none of its own where another one
// follows: such a name keeps both, lest reading it again would widen it.
func nameOf(canonical string, scope indicator.Scope) Name {
	if again, err := indicator.Canonical(canonical, scope); err == nil && again != canonical {
		canonical = "www." + canonical
	}
	return Name{canonical, scope}
}

// covered returns the name in the form of indicator.Canonical, as the guard reads it.
func (n Name) covered() string {
	if c, err := indicator.Canonical(n.Value, n.Scope); err == nil {
		return c
	}
	return n.Value
}

// Display returns the name as people should see it.
func (n Name) Display() string { return link.Defang(n.Value) }

func (n Name) compare(m Name) int {
	return cmp.Or(strings.Compare(n.Value, m.Value), cmp.Compare(n.Scope, m.Scope))
}

// Backing is one source that calls a name bad, and how that source is graded.
type Backing struct {
	Name   Name
	Source string
	Grade  indicator.Admiralty
}

// Question is what is asked of one tenant's past. It is about names; there is no way to put a person into it.
type Question struct {
	Tenant vedette.Tenant
	Names  []Name
	// Window is rounded outward to whole days (UTC): whoever may choose moments could single out one message.
	Window Window
	// Backing says who calls the names bad: a hit on a corroborated one opens a lead. It is no part of the question's digest.
	Backing []Backing
}

// QuestionOf asks for what indicators say, with their sources as backing.
func QuestionOf(tenant vedette.Tenant, list []indicator.Indicator, w Window) Question {
	q := Question{Tenant: tenant, Window: w}
	for i := range list {
		in := &list[i]
		n := nameOf(in.Value, in.Scope)
		q.Names = append(q.Names, n)
		q.Backing = append(q.Backing, Backing{n, in.Source, in.Grade})
	}
	return q
}

// Canonical returns the question with its names canonical, sorted, each once, and its window in whole days. Its error wraps vedette.ErrInvalid
// or ErrTooLarge and names what is wrong.
func (q Question) Canonical() (Question, error) {
	if _, err := vedette.ParseTenant(string(q.Tenant)); err != nil {
		return Question{}, fmt.Errorf("hunt: question: %w", err)
	}
	if len(q.Names) == 0 {
		return Question{}, fmt.Errorf("hunt: question: no names: %w", vedette.ErrInvalid)
	}
	w := q.Window
	if !w.From.IsZero() && !w.To.IsZero() && !w.From.Before(w.To) {
		return Question{}, fmt.Errorf("hunt: question: the window ends at or before its beginning: %w", vedette.ErrInvalid)
	}
	for _, t := range []time.Time{w.From, w.To} {
		if !t.IsZero() && (t.Year() < 1970 || t.Year() > 9998) {
			return Question{}, fmt.Errorf("hunt: question: window: years 1970 to 9998: %w", vedette.ErrInvalid)
		}
	}
	out := Question{Tenant: q.Tenant, Window: days(w), Names: make([]Name, 0, min(len(q.Names), MaxNames))}
	bytes := 0
	for i, n := range q.Names {
		c, err := NameOf(n.Value, n.Scope)
		if err != nil {
			return Question{}, fmt.Errorf("hunt: question: name %d: %w", i+1, err)
		}
		out.Names = append(out.Names, c)
		bytes += len(c.Value)
	}
	slices.SortFunc(out.Names, Name.compare)
	out.Names = slices.Compact(out.Names)
	if len(out.Names) > MaxNames || bytes > maxQuestion {
		return Question{}, fmt.Errorf("hunt: question: %d names of %d bytes: at most %d of %d: %w", len(out.Names), bytes, MaxNames, maxQuestion, vedette.ErrTooLarge)
	}
	for _, b := range q.Backing {
		if c, err := NameOf(b.Name.Value, b.Name.Scope); err == nil {
			b.Name = c
			out.Backing = append(out.Backing, b)
		}
	}
	return out, nil
}

// Validate says what is wrong with the question. Its error wraps vedette.ErrInvalid or ErrTooLarge.
func (q Question) Validate() error {
	_, err := q.Canonical()
	return err
}

// wire is a question as it is digested and kept: RFC 8785 over this object.
type wire struct {
	Format string         `json:"format"`
	Tenant vedette.Tenant `json:"tenant"`
	From   string         `json:"from"` // a day, or "": from the beginning
	To     string         `json:"to"`   // the first day that is not asked, or "": no end
	Names  []Name         `json:"names"`
}

const questionFormat = "vedette-question-1"

// text writes a canonical question.
func (q Question) text() ([]byte, error) {
	day := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.Format(time.DateOnly)
	}
	raw, err := json.Marshal(wire{questionFormat, q.Tenant, day(q.Window.From), day(q.Window.To), q.Names})
	if err == nil {
		raw, err = jcs.Transform(raw)
	}
	if err != nil {
		return nil, fmt.Errorf("hunt: question: %w: %w", vedette.ErrInvalid, err)
	}
	return raw, nil
}

// parseQuestion reads what text wrote. Its error wraps vedette.ErrInvalid.
func parseQuestion(text []byte) (Question, error) {
	var w wire
	if err := json.Unmarshal(text, &w); err != nil || w.Format != questionFormat {
		return Question{}, fmt.Errorf("hunt: no question of this format: %w", vedette.ErrInvalid)
	}
	q := Question{Tenant: w.Tenant, Names: w.Names}
	for _, d := range []struct {
		s  string
		to *time.Time
	}{{w.From, &q.Window.From}, {w.To, &q.Window.To}} {
		if d.s == "" {
			continue
		}
		t, err := time.Parse(time.DateOnly, d.s)
		if err != nil {
			return Question{}, fmt.Errorf("hunt: question: %w: %w", vedette.ErrInvalid, err)
		}
		*d.to = t
	}
	q, err := q.Canonical()
	if err != nil {
		return Question{}, err
	}
	if again, err := q.text(); err != nil || !bytes.Equal(again, text) {
		return Question{}, errors.Join(err, fmt.Errorf("hunt: question: not in canonical form: %w", vedette.ErrInvalid))
	}
	return q, nil
}

// Digest returns what a permit for this question must be about: SHA-256 over "vedette-hunt-question-1", a newline and the canonical question.
// It is zero for a question that Validate refuses.
func (q Question) Digest() vedette.Digest {
	c, err := q.Canonical()
	if err != nil {
		return vedette.Digest{}
	}
	text, err := c.text()
	if err != nil {
		return vedette.Digest{}
	}
	return digest("vedette-hunt-question-1\n", text)
}

func digest(domain string, parts ...[]byte) vedette.Digest {
	h := sha256.New()
	h.Write([]byte(domain))
	for _, p := range parts {
		h.Write(p)
	}
	return vedette.Digest(h.Sum(nil))
}

// days rounds a window outward to whole days, UTC. Open ends stay open.
func days(w Window) Window {
	if !w.From.IsZero() {
		w.From = w.From.UTC().Truncate(24 * time.Hour)
	}
	if !w.To.IsZero() {
		to := w.To.UTC().Truncate(24 * time.Hour)
		if to.Before(w.To) {
			to = to.Add(24 * time.Hour)
		}
		w.To = to
	}
	return w
}

// Tokens makes the tokens of one tenant's names.
type Tokens interface {
	// Epochs returns the epochs that a window with two ends touches.
	Epochs(w Window) []uint16
	Token(epoch uint16, kind vedette.TokenKind, name string) vedette.Token
}

// TokensOf makes tokens with a tenant's sealer.
func TokensOf(s *vault.Sealer) Tokens { return sealed{s} }

type sealed struct{ s *vault.Sealer }

func (t sealed) Epochs(w Window) (out []uint16) {
	if !w.From.Before(w.To) {
		return nil
	}
	// To is not in the window; times are milliseconds.
	for e, to := vault.EpochOf(w.From), vault.EpochOf(w.To.Add(-time.Millisecond)); e <= to; e++ {
		out = append(out, e)
		if e == to {
			break
		}
	}
	return out
}

func (t sealed) Token(epoch uint16, kind vedette.TokenKind, name string) vedette.Token {
	return t.s.TokenIn(epoch, kind, name)
}

// expression is a name as tokens know it: kind says which of the texts is the name, the others under what it is kept.
type expression struct {
	kind                      vedette.TokenKind
	domain, host, tenant, url string // "": none
}

// express returns what tokens can find of a canonical name, never more than it covers; note says what of it they cannot find. Without any it
// says why.
func express(n Name) (found []expression, note, why string) {
	u, err := link.Parse("https://" + n.Value)
	if err != nil {
		return nil, "", "it cannot be read as a link"
	}
	host := u.Host()
	_, addr := address(host)
	reg := ""
	if !addr {
		reg = link.Registrable(host)
	}
	read := func(kind vedette.TokenKind, texts ...string) {
		for _, text := range texts {
			if u, err := link.Parse(text); err == nil {
				e := expression{kind: kind, domain: u.Registrable(), host: u.Host(), tenant: u.HostTenant()}
				if kind == vedette.TokenURL {
					e.url = text
				}
				found = append(found, e)
			}
		}
	}
	// A host covers itself with "www." before it; www.www.x covers itself alone, since a link to www.x is one to x.
	doubled := n.covered() != n.Value
	switch n.Scope {
	case indicator.ScopeHost:
		switch {
		case n.Value != host:
			return nil, "", "tokens do not tell ports"
		case reg == "":
			read(vedette.TokenHost, "https://"+host)
		case doubled:
			read(vedette.TokenHost, "https://"+host)
		default:
			read(vedette.TokenHost, "https://"+host, "https://www."+host)
		}
	case indicator.ScopeDomain:
		switch {
		case addr:
			read(vedette.TokenHost, "https://"+host)
		case reg == host:
			found = []expression{{kind: vedette.TokenDomain, domain: host}}
			if u.HostTenant() == host {
				found[0].tenant = host // a hoster's tenant is kept under that
			}
		case reg != "":
			read(vedette.TokenHost, "https://"+host)
			note = "only the host itself: tokens do not tell what stands below it"
		default:
			return nil, "", "it is no name that somebody registered"
		}
	case indicator.ScopeURL:
		note = "by http and https, on their own ports alone"
		switch {
		case doubled:
			read(vedette.TokenURL, "https://"+n.Value, "http://"+n.Value)
		case reg != "":
			read(vedette.TokenURL, "https://"+n.Value, "http://"+n.Value, "https://www."+n.Value, "http://www."+n.Value)
		default:
			read(vedette.TokenURL, "https://"+n.Value, "http://"+n.Value)
		}
	case indicator.ScopePath:
		if u.HostTenant() != n.Value {
			return nil, "", "tokens tell a path only where it is a hoster's tenant"
		}
		found = []expression{{kind: vedette.TokenTenant, tenant: n.Value}}
	default:
		return nil, "", "it has no scope"
	}
	return found, note, ""
}

// in returns, for one epoch, the units under which sightings of the name can be kept, and its own tokens. Which unit it is, the event said: a
// client of tier 1 may not have known that a host is shared, or have told some of the tokens alone.
func (e expression) in(t Tokens, epoch uint16) (units []Key, own []vedette.Token) {
	for _, x := range [...]struct {
		kind vedette.TokenKind
		text string
	}{{vedette.TokenTenant, e.tenant}, {vedette.TokenDomain, e.domain}, {vedette.TokenHost, e.host}, {vedette.TokenURL, e.url}} {
		if x.text == "" {
			continue
		}
		tok := t.Token(epoch, x.kind, x.text)
		if tok.IsZero() {
			continue
		}
		units = append(units, KeyOf(tok))
		if x.kind == e.kind || e.kind == vedette.TokenDomain { // a domain's own tenant is the domain
			own = append(own, tok)
		}
	}
	return units, own
}

func address(host string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return a, err == nil
}

// Refused names what was not asked, and why.
type Refused struct {
	Name    Name   `json:"-"`
	Display string `json:"name"` // defanged
	Scope   string `json:"scope"`
	Why     string `json:"why"`
	Guard   bool   `json:"guard"` // true: the guard spares it; false: tokens cannot express it
}

// asked is one name on its way.
type asked struct {
	name   Name            // as it was asked
	note   string          // what of it cannot be found, or was narrowed
	tokens []vedette.Token // its own: a sighting of it has one of them
	units  []Key           // under which sightings of it can be kept
}

// rule holds a name against the guard, without overrides, and more strictly than for blocking: who got an article of a newspaper is a
// question about its readers, so URLs and paths of what belongs to one popular party are not asked either. It spares readers; it costs
// finding a link that an attacker placed on such a party's own host.
func rule(g *indicator.Guard, n Name) (as Name, note, why string) {
	r := g.Strict(&indicator.Indicator{Value: n.covered(), Scope: n.Scope})
	if r.Refused {
		return n, "", r.Reason
	}
	if n.Scope == indicator.ScopeURL || n.Scope == indicator.ScopePath {
		u, err := link.Parse("https://" + n.Value)
		if err != nil {
			return n, "", "it cannot be read as a link"
		}
		host := u.Host()
		if _, addr := address(host); !addr && u.Shape().Flags&(vedette.ShapeSharedHost|vedette.ShapeShortener) == 0 {
			// Whatever stands below a popular party's name is refused; below a shared name it is somebody's own.
			if g.Strict(&indicator.Indicator{Value: "a." + host, Scope: indicator.ScopeHost}).Refused {
				return n, "", host + " belongs to one party that very many people read, or that people at risk depend on: who got a page of it is not asked"
			}
		}
	}
	if r.Scope != n.Scope {
		return nameOf(n.covered(), r.Scope), "narrowed to " + r.Scope.String() + ": " + r.Reason, ""
	}
	return n, "", ""
}

// plan turns a canonical question into tokens. What may not or cannot be asked comes back with its reason.
func plan(g *indicator.Guard, t Tokens, names []Name, w Window) (ask []asked, refused []Refused) {
	epochs := t.Epochs(w)
	for _, n := range names {
		as, note, why := rule(g, n)
		if why != "" {
			refused = append(refused, Refused{n, n.Display(), n.Scope.String(), why, true})
			continue
		}
		found, part, why := express(as)
		if why != "" {
			refused = append(refused, Refused{n, n.Display(), n.Scope.String(), why, false})
			continue
		}
		if part != "" && note != "" {
			note += "; "
		}
		a := asked{name: n, note: note + part}
		for _, e := range epochs {
			for _, x := range found {
				units, own := x.in(t, e)
				a.units, a.tokens = append(a.units, units...), append(a.tokens, own...)
			}
		}
		ask = append(ask, a)
	}
	return ask, refused
}

// nothing is the error of a question of which no name is left.
func nothing(refused []Refused) error {
	for _, r := range refused {
		if r.Guard {
			return ErrRefused
		}
	}
	return ErrNotAskable
}
