package decision

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"vedette"
)

// WatchText is the reason that a watch entry gives, whoever is behind it.
const WatchText = "first seen inside a group that looks like a rehearsal"

// The bounds of watch entries.
const (
	MaxWatch    = 256            // entries of one generation
	MaxWatchFor = 72 * time.Hour // how long an entry speaks
	watchWeight = 6000           // milli-bits: a cell is followed when at most one of 64 of the platform's own groups looks as odd
	watchMany   = 64             // senders of a domain from which on it is nobody's in particular, whatever the entry says
)

// watchList are a generation's entries. It is immutable.
type watchList map[vedette.Token]vedette.Watched

// watch makes the list. Its error wraps vedette.ErrInvalid and names the entry.
func watch(entries []vedette.Watched) (watchList, error) {
	if len(entries) > MaxWatch {
		return nil, fmt.Errorf("decision: %d watch entries, at most %d: %w", len(entries), MaxWatch, vedette.ErrInvalid)
	}
	l := watchList{}
	for i, e := range entries {
		e.From, e.Until = e.From.UTC().Truncate(time.Millisecond), e.Until.UTC().Truncate(time.Millisecond)
		wrong := ""
		switch _, twice := l[e.Token]; {
		case e.Token.Kind == vedette.TokenNone || e.Token.Kind > vedette.TokenURL:
			wrong = "no token"
		case twice:
			wrong = "the token of another one"
		case e.Cell.IsZero():
			wrong = "no cell"
		case !e.Until.After(e.From) || e.Until.Sub(e.From) > MaxWatchFor:
			wrong = "it does not end within " + MaxWatchFor.String() + " after it begins"
		}
		if wrong != "" {
			return nil, fmt.Errorf("decision: watch entry %d: %s: %w", i, wrong, vedette.ErrInvalid)
		}
		l[e.Token] = e
	}
	return l, nil
}

// sorted returns the entries by kind, epoch and bytes of their tokens.
func (l watchList) sorted() []vedette.Watched {
	return slices.SortedFunc(maps.Values(l), func(a, b vedette.Watched) int {
		return cmp.Or(cmp.Compare(a.Token.Kind, b.Token.Kind), cmp.Compare(a.Token.Epoch, b.Token.Epoch), bytes.Compare(a.Token.Bytes[:], b.Token.Bytes[:]))
	})
}

// describe writes the lines of docs/formats/generation.md.
func (l watchList) describe(b *strings.Builder) {
	for _, e := range l.sorted() {
		fmt.Fprintf(b, "watch %d %d %x %d %d %s\n", e.Token.Kind, e.Token.Epoch, e.Token.Bytes, e.From.UnixMilli(), e.Until.UnixMilli(), e.Cell)
	}
}

// of returns the entry that a link falls under. Of a host that many parties use neither the host nor its domain counts.
func (l watchList) of(k *vedette.Link) (vedette.Watched, bool) {
	for _, t := range [...]vedette.Token{k.Tenant, k.URL} {
		if e, ok := l[t]; ok && !t.IsZero() {
			return e, true
		}
	}
	if !k.Tenant.IsZero() || k.Shape.Flags.Has(vedette.ShapeSharedHost) {
		return vedette.Watched{}, false
	}
	for _, t := range [...]vedette.Token{k.Domain, k.Host} {
		if e, ok := l[t]; ok && !t.IsZero() {
			return e, true
		}
	}
	return vedette.Watched{}, false
}

// Watching returns the watch entries, by token. The slice is the caller's.
func (g *Generation) Watching() []vedette.Watched { return g.watching.sorted() }

// Watched returns the entry that speaks about a link at a time, whoever sent it.
func (g *Generation) Watched(k *vedette.Link, at time.Time) (vedette.Watched, bool) {
	e, ok := g.watching.of(k)
	return e, ok && !at.Before(e.From) && !at.After(e.Until)
}

// watch asks the watch entries about the links of a first contact.
func (g *Generation) watch(s *scratch, in *Input) {
	if len(g.watching) == 0 {
		return
	}
	defer s.broken(vedette.DegradedRules)
	b, ok := in.Event.Body.(*vedette.LinkSent)
	if !ok || b.Stranger == vedette.No {
		return
	}
	for i := range b.Links {
		if _, ok := g.Watched(&b.Links[i], in.Event.At); !ok {
			continue
		}
		m := g.measures(s, in, i)
		// What is not known is no first contact: the cell's own tries must neither spend the entry's warnings nor tell the operator of it.
		if first, ok := m.Get(vedette.MeasureFirstContact); b.Stranger != vedette.Yes && (!ok || first != 1) {
			continue
		}
		if n, ok := m.Get(vedette.MeasureDomainPeople); ok && n >= watchMany && b.Links[i].Tenant.IsZero() && !b.Links[i].Shape.Flags.Has(vedette.ShapeSharedHost) {
			continue
		}
		s.reasons = append(s.reasons, vedette.Reason{
			Rule: vedette.RuleWatch, Verdict: vedette.Warn, Weight: watchWeight, Link: int8(i), Armed: g.armed.For(vedette.RuleWatch), Text: WatchText,
		})
	}
}
