// Package casefile gathers what people must judge, and who decided what.
//
// In:     reports, findings without accounts, people's decisions.
// Out:    leads and cases, with reports weighed by how independent their reporters are.
// Keeps:  through a Store, reports (their opened message sealed for the case), cases and their log, which is only added to.
// Fails:  errors wrap the kinds of package vedette; a report that was taken is never lost.
// Source: docs/decisions/0019-report.md, docs/formats/report.md
package casefile

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"vedette"
)

// Grade is how far a report proves that the message was sent. Stronger is larger.
type Grade uint8

// The grades.
const (
	Claim      Grade = iota + 1 // somebody says so
	Screenshot                  // text that somebody says was on a screen
	Transcript                  // messages in order, by the reporter's client
	Franked                     // the platform's own tag over the committed message was verified: it convinces the platform, nobody else
)

var gradeNames = [...]string{Claim: "claim", Screenshot: "screenshot", Transcript: "transcript", Franked: "franked"}

func (g Grade) String() string {
	if g == 0 || int(g) >= len(gradeNames) {
		return fmt.Sprintf("grade(%d)", uint8(g))
	}
	return gradeNames[g]
}

// ParseGrade reads a grade's name. Its error wraps vedette.ErrInvalid.
func ParseGrade(s string) (Grade, error) {
	for g := Claim; g <= Franked; g++ {
		if gradeNames[g] == s {
			return g, nil
		}
	}
	return 0, fmt.Errorf("casefile: grade %q: claim, screenshot, transcript or franked: %w", s, vedette.ErrInvalid)
}

// MarshalText writes the name; nothing for zero.
func (g Grade) MarshalText() ([]byte, error) {
	if g == 0 {
		return nil, nil
	}
	return []byte(g.String()), nil
}

// UnmarshalText reads the name, or nothing.
func (g *Grade) UnmarshalText(b []byte) (err error) {
	if len(b) == 0 {
		*g = 0
		return nil
	}
	*g, err = ParseGrade(string(b))
	return err
}

// ID names a case: "case_" and 13 characters of base 32, from what it is about.
type ID string

var letters = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

const idPrefix = "case_"

// ParseID checks a case's name. Its error wraps vedette.ErrInvalid.
func ParseID(s string) (ID, error) {
	rest, ok := strings.CutPrefix(s, idPrefix)
	if ok {
		b, err := letters.DecodeString(rest)
		ok = err == nil && len(b) == 8 && letters.EncodeToString(b) == rest
	}
	if !ok {
		return "", fmt.Errorf("casefile: %.40q is no case: %w", s, vedette.ErrInvalid)
	}
	return ID(s), nil
}

// About names the case that is about a token: two reports of one name meet in it, and it tells nothing without the tenant's key. A name has other tokens
// every 400 days (docs/formats/token.md), and then another case.
func About(t vedette.Tenant, unit vedette.Token) ID {
	b := append([]byte{byte(unit.Kind)}, 0, 0)
	binary.BigEndian.PutUint16(b[1:], unit.Epoch)
	return idOf(t, "link", append(b, unit.Bytes[:]...))
}

func idOf(t vedette.Tenant, what string, b []byte) ID {
	h := sha256.New()
	fmt.Fprintf(h, "vedette-case-1\n%s\n%s\n", t, what)
	h.Write(b)
	return ID(idPrefix + letters.EncodeToString(h.Sum(nil)[:8]))
}

// Unit returns the name by which reports of a link meet: the hoster's tenant or the URL on a shared host, else the registrable domain, or the host where it
// has none. A client's token of a tenant says that the host is shared, since other hosts have no such name. Zero: nothing of the link was read.
func Unit(l *vedette.Link) vedette.Token {
	shared := l.Shape.Flags.Has(vedette.ShapeSharedHost)
	switch {
	case !l.Tenant.IsZero():
		return l.Tenant
	case !shared && !l.Domain.IsZero():
		return l.Domain
	case !shared && !l.Host.IsZero():
		return l.Host
	}
	return l.URL
}

// State is how far a case has come.
type State string

// The states, in order.
const (
	Signal    State = "signal"
	Open      State = "case"
	Confirmed State = "confirmed"
	Contained State = "contained"
	Swept     State = "swept"
	Closed    State = "closed"
)

var states = [...]State{Signal, Open, Confirmed, Contained, Swept, Closed}

// ParseState reads a state's name. Its error wraps vedette.ErrInvalid.
func ParseState(s string) (State, error) {
	for _, st := range states {
		if string(st) == s {
			return st, nil
		}
	}
	return "", fmt.Errorf("casefile: state %.20q: signal, case, confirmed, contained, swept or closed: %w", s, vedette.ErrInvalid)
}

// Link is one link of a reported message, opened for the case.
type Link struct {
	Host    string       `json:"host"`    // canonical
	Display string       `json:"display"` // defanged
	Tokens  vedette.Link `json:"-"`       // as the journal has it; zero tokens where the report alone has the link
	URL     []byte       `json:"-"`       // the whole link, sealed for the case: a one-time link names one person
	Case    ID           `json:"case"`    // which case it belongs to; "": nothing of it was read
}

// Report is what somebody on the platform told, as it is kept.
type Report struct {
	ID       vedette.EventID // of the user.reported event
	Tenant   vedette.Tenant
	Bytes    vedette.Digest // keyed digest of the bytes received, as the event has it
	At       time.Time      // when it was told, by the platform's clock
	Taken    time.Time      // when it reached us
	Reporter vedette.AccountID
	Subject  vedette.AccountID // whom it is about; zero: not told
	Message  vedette.EventID   // the reported event; zero: not told
	Category vedette.ReportCategory
	Grade    Grade
	Recorded bool   // the journal has the message, from this sender, with each of these links
	Why      string // in words: how the grade came about
	Share    bool   // the reporter agreed that third parties get it
	Links    []Link
	Case     ID     // for which case the opened message is sealed: its first link's; "": it has none
	Opened   []byte // the opened message, sealed for the case; nil: nothing was opened
	// Age is how long the reporter's account was known then; negative: not measured. Standing says how much it counts.
	Age time.Duration
	// Component is equal for reporters who hang together, as whoever hands the report over computed it; 0: not known. They count once.
	Component uint64
}

// Case is a lead or a case as a list shows it. There is no account in it, and no way from it to one without a permit.
type Case struct {
	ID       ID                `json:"id"`
	Tenant   vedette.Tenant    `json:"tenant"`
	State    State             `json:"state"`
	About    vedette.Token     `json:"-"`
	Kind     string            `json:"kind"`           // what it is about: "domain", "host", "tenant", "url" or "finding"
	Name     string            `json:"-"`              // canonical; "" for a URL, which may name a person, and where nobody told more than tokens
	Display  string            `json:"display"`        // the same, defanged
	Opened   time.Time         `json:"opened"`         // when it first was a lead
	Changed  time.Time         `json:"changed"`        // when its state last changed
	First    time.Time         `json:"first,omitzero"` // when the first report reached us
	Last     time.Time         `json:"last,omitzero"`
	Weight   Voices            `json:"weight"`    // thousandths of a voice
	Voices   int               `json:"reporters"` // who count apart from one another
	Reports  int               `json:"reports"`
	Shared   int               `json:"shared"`         // of them, by reporters who agreed that third parties get it
	Best     Grade             `json:"best,omitzero"`  // the strongest grade of a report that counts
	Findings int               `json:"findings"`       // of detectors
	Score    vedette.MilliBits `json:"score,omitzero"` // the strongest of them
	Steps    int               `json:"steps"`          // entries of its log

	Settled Voices `json:"-"` // its weight when it was closed
	Version uint64 `json:"-"` // of the row: one more with each change
}

// Step is one entry of a case's log. It is only ever added.
type Step struct {
	Case    ID             `json:"case"`
	Number  int            `json:"number"` // from 1
	At      time.Time      `json:"at"`
	State   State          `json:"state"` // from here on
	By      []string       `json:"by"`    // ids of enrolled people, or "vedette"
	Why     string         `json:"why"`
	Act     vedette.Digest `json:"act,omitzero"`     // what they signed
	Value   string         `json:"-"`                // what was confirmed, canonical in its scope
	Display string         `json:"display,omitzero"` // the same, defanged
	Scope   string         `json:"scope,omitzero"`   // "url", "path", "host" or "domain"
	Finding vedette.Digest `json:"finding,omitzero"`
}

// Voice is how much one independent reporter counts in one case.
type Voice struct {
	Case ID
	Who  [17]byte // a component or a reporter; see voiceOf
	Voices
}

// Counted is one host of a case's links, and how often it was reported.
type Counted struct {
	Host    string `json:"-"`
	Display string `json:"display"`
	Reports int    `json:"reports"`
}
