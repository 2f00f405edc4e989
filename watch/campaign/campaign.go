// Package campaign draws what hangs together around an incident: accounts, groups, devices, networks, links, hosts, cells, reports, indicators.
//
// In:     an incident of a case, a permit, the journal and history within a window, imported facts.
// Out:    a bounded graph, the same for the same input, as JSON, GraphML and SVG, with people under labels; how long each step of a campaign's course took.
// Keeps:  nothing.
// Fails:  a budget that runs out is told, with what was left out; never a free query over people.
// Source: docs/decisions/0017-campaign.md, docs/formats/campaign.md
package campaign

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"vedette"
	"vedette/link"
	"vedette/record/authority"
	"vedette/record/enrichment"
	"vedette/record/indicator"
	"vedette/record/journal"
	"vedette/watch/hunt"
	"vedette/watch/sibling"
)

// Indicator is a statement about a host that a list holds.
type Indicator struct {
	Entry  string // how the list calls it, as people may see it: a source and a number, never the value undefanged
	Source string
	Grade  string // Admiralty, "B2"; "": none
}

// Wanted is a name as history knows it: all of a unit (hunt.Sighting.Unit), or what of it has a name besides.
type Wanted struct {
	Unit hunt.Key
	Name hunt.Key // URL, host, tenant or domain of a sighting; zero, or the unit again: whatever is of the unit
}

// Host is a name that the case has confirmed or that was reported in it, or one that was derived from it.
type Host struct {
	Name  string // canonical; it is shown defanged
	Scope indicator.Scope
	// Reported says that nobody has confirmed it: somebody reported it, and that is all. Anybody can report anything: it is drawn, and nothing is said to be
	// blocked for it, nor for what was derived from it.
	Reported bool
	// Wanted is the name in every token epoch of the window and under every unit that it may be kept under, as narrow as the scope is.
	Wanted     []Wanted
	Indicators []Indicator
	Facts      []enrichment.Fact // imported; only those that two hosts share are drawn
}

// Derived is a sibling as history knows it, with what else is known of it.
type Derived struct {
	sibling.Derived
	Wanted     []Wanted
	Indicators []Indicator
	Facts      []enrichment.Fact
}

// Report is what the graph needs of a report.
type Report struct {
	ID       vedette.EventID // of the report
	At       time.Time
	Message  vedette.EventID   // the reported event; zero: not told
	Reporter vedette.AccountID // zero: not told
	Links    []vedette.Link    // that it names, as the journal would have them: for a report without a message
	Grade    string            // in words: "franked", "transcript", "screenshot", "claim"
	Category vedette.ReportCategory
}

// Incident is where a campaign is drawn from.
type Incident struct {
	Case      string
	Tenant    vedette.Tenant
	At        time.Time          // when it is drawn; the permit must be live then
	Events    []vedette.EventID  // messages that were reported or found, or the reports themselves
	Positions []journal.Position // the same by their place
	Hosts     []Host             // confirmed
	Window    hunt.Window
	Reports   []Report
}

// Digest is what a permit that is about one incident alone is about. The order of what is listed makes no difference.
func (in Incident) Digest() vedette.Digest {
	var b bytes.Buffer
	fmt.Fprintf(&b, "vedette/campaign/1\n%q\n%q\n%d %d\n", in.Case, in.Tenant, stamp(in.Window.From), stamp(in.Window.To))
	var lines []string
	for _, e := range in.Events {
		lines = append(lines, "event "+e.String())
	}
	for _, p := range in.Positions {
		lines = append(lines, "position "+p.String())
	}
	for _, h := range in.Hosts {
		lines = append(lines, fmt.Sprintf("host %d %q", h.Scope, h.Name))
	}
	for _, r := range in.Reports {
		lines = append(lines, "report "+r.ID.String())
	}
	slices.Sort(lines)
	b.WriteString(strings.Join(slices.Compact(lines), "\n"))
	return sha256.Sum256(b.Bytes())
}

// Names digests what a drawing follows whole: the names of the case, and those derived from them that may ask for more than allow. A permit that is about
// it holds until others stand there: who may import facts could else have a permit of yesterday tell whom today's sibling reached. It is SHA-256 over
// "vedette/campaign-names/1", the case and the tenant, quoted, and a line for each name, sorted: its scope, a blank, the name, quoted.
func Names(in Incident, s Sources) vedette.Digest {
	var lines []string
	for _, h := range in.Hosts {
		lines = append(lines, fmt.Sprintf("%s %q", h.Scope, h.Name))
	}
	for _, d := range s.Derived {
		if d.Strength > vedette.Allow {
			lines = append(lines, fmt.Sprintf("%s %q", d.Scope, d.Host))
		}
	}
	slices.Sort(lines)
	return sha256.Sum256(fmt.Appendf(nil, "vedette/campaign-names/1\n%q\n%q\n%s", in.Case, in.Tenant, strings.Join(slices.Compact(lines), "\n")))
}

func stamp(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// Sources are where the graph is read from.
type Sources struct {
	// Read yields the journal's entries that happened within a span, in order; a zero end is open. Without it there is no cell.
	Read func(ctx context.Context, from, to time.Time) iter.Seq2[journal.Entry, error]
	// Find returns one entry; its error wraps vedette.ErrUnknown when there is none any more.
	Find func(ctx context.Context, id vedette.EventID) (journal.Entry, error)
	// History is the tenant's. Without it the graph holds the incident's own messages alone.
	History hunt.History
	Derived []Derived
	// Erased tells whether a person was erased since: such a person is not drawn. Without it nobody counts as erased.
	Erased func(ctx context.Context, account vedette.AccountID) (bool, error)
	// Recorder keeps that it was asked, before anything is read. Draw refuses to work without it.
	Recorder authority.Recorder
	// Progress is told how far it is, never backwards; nil: nobody asks.
	Progress func(done, total int64)
}

// Budget bounds a graph. A zero field takes its default.
type Budget struct {
	// Accounts is how many senders and accounts of their cell are followed and drawn. Default and most: 64.
	Accounts int
	// Nodes is how many nodes are drawn. Default 500, at most 5,000.
	Nodes int
	// Sightings is how many sightings are held at once. Default 100,000, at most 1,000,000.
	Sightings int
	// Evidence is how many pieces of evidence stand on one edge; how many more there are is told. Default 8, at most 1,000.
	Evidence int
}

// Rarity is how many people may have met a link that nobody confirmed, for it to be followed.
const Rarity = 64

// CellSize is how many accounts may share a device, a network, a number block or a group, for it to tie two of them.
const CellSize = 16

// CellThreshold is how much two accounts must share to be drawn as one cell.
//
// It spares households: what they share (a home network, numbers in a row, a family group) sums to less whatever the sums, since without a
// shared device or hosting network nobody is drawn in. It costs cells whose accounts meet on home networks alone.
const CellThreshold vedette.MilliBits = 8000

func (b Budget) filled() (Budget, error) {
	for _, f := range []struct {
		name      string
		v         *int
		def, most int
	}{{"accounts", &b.Accounts, 64, 64}, {"nodes", &b.Nodes, 500, 5000}, {"sightings", &b.Sightings, 100_000, 1_000_000}, {"evidence", &b.Evidence, 8, 1000}} {
		if *f.v == 0 {
			*f.v = f.def
		}
		if *f.v < 1 || *f.v > f.most {
			return b, fmt.Errorf("campaign: budget.%s: %d is not within 1 and %d: %w", f.name, *f.v, f.most, vedette.ErrInvalid)
		}
	}
	return b, nil
}

// Draw draws the campaign around an incident. The permit must be live for the tenant and the case, to notify, protect or file, and carry the word
// of two people. Its error is authority.ErrNoPermit or ErrUnapproved, or wraps vedette.ErrInvalid, vedette.ErrUnknown when nothing of the
// incident can be found any more, or what a source said.
func Draw(ctx context.Context, permit authority.Permit, in Incident, s Sources, b Budget) (*Graph, error) {
	b, err := b.filled()
	if err == nil {
		err = in.check(s)
	}
	if err == nil && s.Recorder == nil {
		err = fmt.Errorf("campaign: nothing keeps that it was asked: %w", vedette.ErrInvalid)
	}
	if err != nil {
		return nil, err
	}
	refusal := allowed(permit, in, s)
	asked := permit.Asked("campaign.draw", in.Tenant, in.At)
	asked.Given = refusal == nil
	if refusal != nil {
		asked.Why = refusal.Error()
	}
	if err := s.Recorder.Record(ctx, asked); err != nil {
		return nil, fmt.Errorf("campaign: record that it was asked: %w: %w", vedette.ErrUnavailable, err)
	}
	if refusal != nil {
		return nil, refusal
	}
	f := newSearch(in, s, b)
	if err := f.run(ctx); err != nil {
		return nil, err
	}
	return f.graph(), nil
}

// Outline draws what may be seen without a permit: hosts, links, reports and indicators, how many people were reached as none, some, or 10 and
// more, and days instead of times. There is no person, group or device in it, and nothing that leads to one.
func Outline(ctx context.Context, in Incident, s Sources) (*Graph, error) {
	b, err := Budget{}.filled()
	if err == nil {
		err = in.check(s)
	}
	if err != nil {
		return nil, err
	}
	f := newSearch(in, s, b)
	f.outline = true
	if err := f.run(ctx); err != nil {
		return nil, err
	}
	return f.graph(), nil
}

func (in Incident) check(s Sources) error {
	if _, err := vedette.ParseTenant(string(in.Tenant)); err != nil {
		return fmt.Errorf("campaign: %w", err)
	}
	switch {
	case strings.TrimSpace(in.Case) == "" || len(in.Case) > 100:
		return fmt.Errorf("campaign: a case of 1 to 100 bytes: %w", vedette.ErrInvalid)
	case in.At.IsZero():
		return fmt.Errorf("campaign: no time at which it is drawn: %w", vedette.ErrInvalid)
	case len(in.Events)+len(in.Positions)+len(in.Hosts) == 0:
		return fmt.Errorf("campaign: no event, position or host to begin at: %w", vedette.ErrInvalid)
	case len(in.Events)+len(in.Positions)+len(in.Hosts)+len(s.Derived)+len(in.Reports) > 10_000:
		return fmt.Errorf("campaign: more than 10,000 things to begin at: %w", vedette.ErrTooLarge)
	case len(in.Events) > 0 && s.Find == nil, len(in.Positions) > 0 && s.Read == nil:
		return fmt.Errorf("campaign: no journal to find the incident's events in: %w", vedette.ErrInvalid)
	}
	return nil
}

func allowed(p authority.Permit, in Incident, s Sources) error {
	switch p.Purpose() {
	case authority.PurposeNotify, authority.PurposeProtect, authority.PurposeFile:
	default:
		return fmt.Errorf("%w: a campaign is drawn to notify, protect or file", authority.ErrNoPermit)
	}
	if err := p.Check(p.Purpose(), in.At); err != nil {
		return err
	}
	if err := p.For(in.Tenant); err != nil {
		return err
	}
	if p.Case() != in.Case {
		return fmt.Errorf("%w: it is for another case", authority.ErrNoPermit)
	}
	if about := p.About(); !about.IsZero() && about != in.Digest() && about != Names(in, s) {
		return fmt.Errorf("%w: it is about something else in the case", authority.ErrNoPermit)
	}
	return p.TwoPeople()
}

// wholeHoster tells whether a name is a host that many parties share, whole: its tenants and URLs can be followed, it cannot.
func wholeHoster(h Host) bool {
	if h.Scope == indicator.ScopeURL || h.Scope == indicator.ScopePath {
		return false
	}
	u, err := link.Parse("https://" + h.Name + "/")
	return err == nil && u.Shape().Flags.Has(vedette.ShapeSharedHost) && u.HostTenant() == ""
}

func canonicalJSON(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", " ")
	_ = e.Encode(v) // a bytes.Buffer takes everything, and nothing here is a channel or a function
	return b.Bytes()
}

func before(a, b hunt.Sighting) int {
	return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Position.Frame, b.Position.Frame), cmp.Compare(a.Position.Index, b.Position.Index),
		cmp.Compare(a.Act, b.Act), cmp.Compare(a.URL, b.URL), cmp.Compare(a.Host, b.Host), cmp.Compare(a.Domain, b.Domain),
		bytes.Compare(a.From[:], b.From[:]), bytes.Compare(a.To[:], b.To[:]), bytes.Compare(a.Group[:], b.Group[:]))
}
