package response

import (
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"vedette"
)

// CauseKind says what changed a mind. The set is closed.
type CauseKind string

// The kinds.
const (
	CauseBlock     CauseKind = "block"     // people had a host or link blocked
	CauseRecall    CauseKind = "recall"    // people had delivered messages recalled
	CauseIndicator CauseKind = "indicator" // an indicator came that was not known when the message was judged
	CauseRevoked   CauseKind = "revoked"   // one of the above was taken back
)

// Recall says what is asked of the platform about a message that was delivered. The set is closed; "" asks nothing.
type Recall string

// The recalls. What cannot be undone says so in its name.
const (
	RecallNone         Recall = ""
	RecallInterstitial Recall = "interstitial"    // a warning stands before the link, until it ends or is lifted
	RecallRedaction    Recall = "redact-for-good" // the message is taken away from whoever got it; nothing brings it back
)

// Reversible tells whether a recall can be undone.
func (r Recall) Reversible() bool { return r != RecallRedaction }

// verdict is what a recall asks for.
func (r Recall) verdict() vedette.Verdict {
	switch r {
	case RecallInterstitial:
		return vedette.Warn
	case RecallRedaction:
		return vedette.Block
	}
	return vedette.Allow
}

// ChangeID names a change for ever: the same message changed by the same cause has the same one, however often it is swept or sent.
type ChangeID [16]byte

var letters = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

func (c ChangeID) String() string { return "chg_" + letters.EncodeToString(c[:]) }

// MarshalText writes "chg_" and 26 characters.
func (c ChangeID) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads what MarshalText writes. Its error wraps vedette.ErrInvalid.
func (c *ChangeID) UnmarshalText(b []byte) error {
	raw, ok := strings.CutPrefix(string(b), "chg_")
	got, err := letters.DecodeString(raw)
	if !ok || err != nil || len(got) != len(c) || ChangeID(got).String() != string(b) {
		return fmt.Errorf("response: %.40q is not chg_ and 26 base-32 characters: %w", b, vedette.ErrInvalid)
	}
	copy(c[:], got)
	return nil
}

// changeID computes the id (docs/formats/changed.md).
func changeID(tenant vedette.Tenant, event vedette.EventID, cause CauseKind, of vedette.Digest) ChangeID {
	h := sha256.New()
	h.Write([]byte("vedette-changed-1\n" + string(tenant) + "\n" + string(cause) + "\n"))
	h.Write(event[:])
	h.Write(of[:])
	return ChangeID(h.Sum(nil)[:16])
}

// Changed is a decision that was changed after delivery. It names the message by the handle that its decision was answered with, so that the
// platform finds its own; it holds no account, no group and no link.
type Changed struct {
	Seq        uint64 // of the tenant's changes, from 1, without gaps; an Outbox sets it
	ID         ChangeID
	Event      vedette.EventID
	Tenant     vedette.Tenant
	At         time.Time       // when the mind changed; milliseconds, UTC
	Was        vedette.Verdict // what held until now
	Is         vedette.Verdict // what holds now: no more than what is armed
	Would      vedette.Verdict // what would hold, were everything armed
	Reasons    []vedette.Reason
	Generation vedette.GenerationID // that came of the cause
	Cause      CauseKind
	Recall     Recall
	Until      time.Time // when the cause ends by itself; zero: it does not, or it was taken back
	Later      []Step    // what will hold, unless told otherwise; none: Is holds without end

	// Kept to know later what still holds, and told to nobody.
	Of, Back        vedette.Digest  // what caused it; what it takes back
	Asks, AsksWould vedette.Verdict // what the cause alone asks for: armed, and were all armed
	Rested          bool            // the recorded verdict rested on what was taken back: Asks is what is left of it
}

// Step is a verdict that holds from a time on.
type Step struct {
	At time.Time       `json:"at"`
	Is vedette.Verdict `json:"is"`
}

// bits is a weight on the wire: a decimal number of at most three places.
type bits vedette.MilliBits

func (b bits) MarshalJSON() ([]byte, error) {
	n, sign := int64(b), ""
	if n < 0 {
		n, sign = -n, "-"
	}
	s := fmt.Sprintf("%s%d.%03d", sign, n/1000, n%1000)
	for strings.HasSuffix(s, "0") && !strings.HasSuffix(s, ".0") {
		s = s[:len(s)-1]
	}
	return []byte(s), nil
}

func (b *bits) UnmarshalJSON(raw []byte) error {
	bad := fmt.Errorf("bits: %.20s: a decimal number of at most three places: %w", raw, vedette.ErrInvalid)
	rest, negative := strings.CutPrefix(string(raw), "-")
	whole, fraction, _ := strings.Cut(rest, ".")
	if len(fraction) > 3 || len(whole) == 0 || strings.Trim(whole+fraction, "0123456789") != "" {
		return bad
	}
	n, err := strconv.ParseInt(whole+fraction+strings.Repeat("0", 3-len(fraction)), 10, 32)
	if err != nil {
		return bad
	}
	if negative {
		n = -n
	}
	*b = bits(n)
	return nil
}

type reasonJSON struct {
	Rule    vedette.RuleID  `json:"rule"`
	Verdict vedette.Verdict `json:"verdict"`
	Bits    bits            `json:"bits"`
	Link    int8            `json:"link"`
	Armed   vedette.Verdict `json:"armed"`
	Text    string          `json:"text"`
}

type stepJSON struct {
	At string          `json:"at"`
	Is vedette.Verdict `json:"is"`
}

type changedJSON struct {
	Seq        uint64               `json:"seq"`
	ID         ChangeID             `json:"id"`
	Event      vedette.EventID      `json:"event"`
	Tenant     vedette.Tenant       `json:"tenant"`
	At         string               `json:"at"`
	Was        vedette.Verdict      `json:"was"`
	Is         vedette.Verdict      `json:"is"`
	Would      vedette.Verdict      `json:"would"`
	Observing  bool                 `json:"observing"`
	Cause      CauseKind            `json:"cause"`
	Recall     Recall               `json:"recall,omitempty"`
	Until      string               `json:"until,omitempty"`
	Later      []stepJSON           `json:"later,omitempty"`
	Reasons    []reasonJSON         `json:"reasons"`
	Generation vedette.GenerationID `json:"generation"`
}

const stamp = "2006-01-02T15:04:05.000Z"

// MarshalJSON writes the change as docs/formats/changed.md has it: the same bytes for the same change.
func (c Changed) MarshalJSON() ([]byte, error) {
	w := changedJSON{
		Seq: c.Seq, ID: c.ID, Event: c.Event, Tenant: c.Tenant, At: c.At.UTC().Format(stamp), Was: c.Was, Is: c.Is, Would: c.Would,
		Observing: c.Would > c.Is, Cause: c.Cause, Recall: c.Recall, Reasons: make([]reasonJSON, len(c.Reasons)), Generation: c.Generation,
	}
	if !c.Until.IsZero() {
		w.Until = c.Until.UTC().Format(stamp)
	}
	for _, l := range c.Later {
		w.Later = append(w.Later, stepJSON{l.At.UTC().Format(stamp), l.Is})
	}
	for i, r := range c.Reasons {
		w.Reasons[i] = reasonJSON{r.Rule, r.Verdict, bits(r.Weight), r.Link, r.Armed, r.Text}
	}
	return json.Marshal(w)
}

// UnmarshalJSON reads what MarshalJSON writes; members that it does not know are left out. Its error wraps vedette.ErrInvalid.
func (c *Changed) UnmarshalJSON(b []byte) error {
	var w changedJSON
	if err := json.Unmarshal(b, &w); err != nil {
		return fmt.Errorf("response: change: %w: %w", vedette.ErrInvalid, err)
	}
	switch w.Cause {
	case CauseBlock, CauseRecall, CauseIndicator, CauseRevoked:
	default:
		return fmt.Errorf("response: change: cause %.20q: block, recall, indicator or revoked: %w", w.Cause, vedette.ErrInvalid)
	}
	switch w.Recall {
	case RecallNone, RecallInterstitial, RecallRedaction:
	default:
		return fmt.Errorf("response: change: recall %.20q: interstitial or redact-for-good: %w", w.Recall, vedette.ErrInvalid)
	}
	at, err := parseStamp("at", w.At)
	if err != nil {
		return err
	}
	var until time.Time
	if w.Until != "" {
		if until, err = parseStamp("until", w.Until); err != nil {
			return err
		}
	}
	var later []Step
	for _, l := range w.Later {
		t, err := parseStamp("later.at", l.At)
		if err != nil {
			return err
		}
		later = append(later, Step{t, l.Is})
	}
	*c = Changed{
		Seq: w.Seq, ID: w.ID, Event: w.Event, Tenant: w.Tenant, At: at, Was: w.Was, Is: w.Is, Would: w.Would, Cause: w.Cause,
		Recall: w.Recall, Until: until, Later: later, Generation: w.Generation,
	}
	for _, r := range w.Reasons {
		c.Reasons = append(c.Reasons, vedette.Reason{Rule: r.Rule, Verdict: r.Verdict, Weight: vedette.MilliBits(r.Bits), Link: r.Link, Armed: r.Armed, Text: r.Text})
	}
	return nil
}

func parseStamp(name, s string) (time.Time, error) {
	t, err := time.Parse(stamp, s)
	if err != nil {
		return time.Time{}, fmt.Errorf("response: change: %s %.40q: a time in UTC with milliseconds: %w", name, s, vedette.ErrInvalid)
	}
	return t, nil
}
