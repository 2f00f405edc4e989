package authority

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"vedette"
)

// Purpose is what a permit is for. The set is closed; zero is none.
type Purpose uint8

// The purposes.
const (
	PurposeNotify  Purpose = iota + 1 // tell somebody on the platform that they were aimed at
	PurposeProtect                    // act on an account
	PurposeAppeal                     // judge what somebody on the platform says against an act
	PurposeErase                      // forget somebody
	PurposeFile                       // put something before a court or an authority
)

var purposeNames = [...]string{"", "notify", "protect", "appeal", "erase", "file"}

func (p Purpose) String() string {
	if int(p) >= len(purposeNames) {
		return fmt.Sprintf("purpose(%d)", uint8(p))
	}
	return purposeNames[p]
}

// ParsePurpose reads a purpose's name. Its error wraps vedette.ErrInvalid.
func ParsePurpose(s string) (Purpose, error) {
	for p := PurposeNotify; p <= PurposeFile; p++ {
		if p.String() == s {
			return p, nil
		}
	}
	return 0, fmt.Errorf("authority: purpose %q: notify, protect, appeal, erase or file: %w", s, vedette.ErrInvalid)
}

// MarshalText writes the name.
func (p Purpose) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads the name, or nothing.
func (p *Purpose) UnmarshalText(b []byte) (err error) {
	if len(b) == 0 {
		*p = 0
		return nil
	}
	*p, err = ParsePurpose(string(b))
	return err
}

// people is how many approve: two where somebody can be harmed who cannot object in time.
func (p Purpose) people() int {
	if p == PurposeErase || p == PurposeFile {
		return 2
	}
	return 1
}

// MaxPermit is how long a permit lasts at most.
const MaxPermit = 30 * 24 * time.Hour

// Ask is what somebody wants a permit for.
type Ask struct {
	Purpose Purpose
	Tenant  vedette.Tenant
	Case    string    // the case's name, 1 to 100 bytes; never a person on the platform
	Until   time.Time // at most MaxPermit from now; whole seconds
	// About narrows the permit to one thing: the digest of a hunt's question, of an id to erase. Zero: whatever the purpose allows in the case.
	About vedette.Digest
}

// Act is what people approve for the permit.
func (a Ask) Act() (Act, error) {
	if a.Purpose < PurposeNotify || a.Purpose > PurposeFile {
		return Act{}, fmt.Errorf("authority: permit: no purpose: %w", vedette.ErrInvalid)
	}
	if _, err := vedette.ParseTenant(string(a.Tenant)); err != nil {
		return Act{}, fmt.Errorf("authority: permit: %w", err)
	}
	if strings.TrimSpace(a.Case) == "" || len(a.Case) > 100 {
		return Act{}, fmt.Errorf("authority: permit: a case of 1 to 100 bytes: %w", vedette.ErrInvalid)
	}
	act := map[string]any{
		"act": "permit", "purpose": a.Purpose, "tenant": a.Tenant, "case": a.Case, "until": a.Until.UTC().Format(time.RFC3339),
	}
	if !a.About.IsZero() {
		act["about"] = a.About
	}
	return NewAct(act)
}

// Permit lets its holder do one kind of thing in one case, for a while. Register.Permit alone makes one; the zero Permit is refused.
// It lives in memory only and cannot be written down.
type Permit struct {
	purpose Purpose
	tenant  vedette.Tenant
	matter  string // the case
	people  []PersonID
	expires time.Time
	act     vedette.Digest
	about   vedette.Digest
}

// Permit gives a permit: on one person's approval to notify, protect or appeal, on two people's to erase or file. That it was asked is kept
// first, given or not. Its error is ErrUnapproved, or wraps vedette.ErrInvalid or ErrUnavailable.
func (r *Register) Permit(ctx context.Context, ask Ask, approvals [][]byte, at time.Time) (Permit, error) {
	act, err := ask.Act()
	if err != nil {
		return Permit{}, err
	}
	ps, err := r.People(ctx)
	if err != nil {
		return Permit{}, err
	}
	a := Asked{At: at, What: "permit", Purpose: ask.Purpose, Tenant: ask.Tenant, Case: ask.Case, Act: act.Digest()}
	until := ask.Until.Truncate(time.Second)
	if !until.After(at) || until.After(at.Add(MaxPermit)) {
		err = fmt.Errorf("authority: permit until %s: in the future, by at most 30 days: %w", until.UTC().Format(time.RFC3339), vedette.ErrInvalid)
	} else {
		a.People, err = judge(ps, act, approvals, at, ask.Purpose.people())
	}
	if err := r.record(ctx, a, err); err != nil {
		return Permit{}, err
	}
	return Permit{purpose: ask.Purpose, tenant: ask.Tenant, matter: ask.Case, people: a.People, expires: until, act: act.Digest(), about: ask.About}, nil
}

// Check says why the permit does not allow a purpose at a time. Its error is ErrNoPermit.
func (p Permit) Check(purpose Purpose, at time.Time) error {
	switch {
	case p.purpose == 0 || len(p.people) == 0:
		return ErrNoPermit
	case purpose == 0 || p.purpose != purpose:
		return fmt.Errorf("%w: it is to %s, not this", ErrNoPermit, p.purpose)
	case !at.Before(p.expires):
		return fmt.Errorf("%w: it ended at %s", ErrNoPermit, p.expires.UTC().Format(time.RFC3339))
	}
	return nil
}

// For says why the permit does not hold for a tenant. Its error is ErrNoPermit.
func (p Permit) For(t vedette.Tenant) error {
	if p.tenant == "" || p.tenant != t {
		return fmt.Errorf("%w: it is not for tenant %q", ErrNoPermit, t)
	}
	return nil
}

// Purpose returns what the permit is for; zero for the zero Permit.
func (p Permit) Purpose() Purpose { return p.purpose }

// Case returns the case's name.
func (p Permit) Case() string { return p.matter }

// People returns who approved it.
func (p Permit) People() []PersonID { return slices.Clone(p.people) }

// Expires returns when it ends.
func (p Permit) Expires() time.Time { return p.expires }

// Act returns the digest of what was approved.
func (p Permit) Act() vedette.Digest { return p.act }

// About returns what alone the permit is about, or zero when it holds for whatever its purpose allows in the case.
func (p Permit) About() vedette.Digest { return p.about }

// TwoPeople says why the permit does not carry the word of two people. Its error is ErrUnapproved.
func (p Permit) TwoPeople() error {
	if len(p.people) < 2 {
		return fmt.Errorf("%w: the permit carries the word of %d of 2 people", ErrUnapproved, len(p.people))
	}
	return nil
}

// Asked begins the record of a use of the permit.
func (p Permit) Asked(what string, t vedette.Tenant, at time.Time) Asked {
	return Asked{At: at.UTC().Truncate(time.Millisecond), What: what, Purpose: p.purpose, Tenant: t, Case: p.matter, People: p.People(), Act: p.act}
}

// Recipient is the class of who gets something. The set is closed; zero is none.
type Recipient uint8

// The classes.
const (
	ToSubject    Recipient = iota + 1 // whom it is about
	ToPartner                         // civil society, researchers, other defenders
	ToPlatform                        // another platform
	ToCourt                           // a court, by the platform's own filing
	ToGovernment                      // an authority that asked
	ToPublic
)

var recipientNames = [...]string{"", "subject", "partner", "platform", "court", "government", "public"}

func (r Recipient) String() string { return recipientNames[min(int(r), len(recipientNames)-1)] }

// Data is the class of what is disclosed. The set is closed; zero is none.
type Data uint8

// The classes.
const (
	DataCounts     Data = iota + 1 // numbers of ten and more
	DataIndicators                 // links and hosts of an operator
	DataMetadata                   // who, when, to whom, under labels
	DataIdentity                   // who somebody is
	DataContent                    // what a message says
)

var dataNames = [...]string{"", "counts", "indicators", "metadata", "identity", "content"}

func (d Data) String() string { return dataNames[min(int(d), len(dataNames)-1)] }

// Handing says what is to be disclosed, to whom, and why that is lawful.
type Handing struct {
	Recipient    Recipient
	Data         Data
	Tenant       vedette.Tenant
	Case         string
	Basis        string // the law, order or consent; needed for content and identity, and for a government whatever it gets
	Jurisdiction string // ISO 3166-1 alpha-2, of the recipient; needed with a basis
	Until        time.Time
	// About narrows the disclosure to one thing: the digest of an exhibit's choice. Zero: whatever is of the class in the case.
	About vedette.Digest
}

// Act is what two people approve for the disclosure.
func (h Handing) Act() (Act, error) {
	switch {
	case h.Recipient < ToSubject || h.Recipient > ToPublic || h.Data < DataCounts || h.Data > DataContent:
		return Act{}, fmt.Errorf("authority: disclosure: no recipient or no data class: %w", vedette.ErrInvalid)
	case strings.TrimSpace(h.Case) == "" || len(h.Case) > 100 || len(h.Basis) > 500:
		return Act{}, fmt.Errorf("authority: disclosure: a case of 1 to 100 bytes, a basis of at most 500: %w", vedette.ErrInvalid)
	case h.Jurisdiction != "" && !country(h.Jurisdiction):
		return Act{}, fmt.Errorf("authority: disclosure: jurisdiction %.10q is no ISO 3166-1 alpha-2 code: %w", h.Jurisdiction, vedette.ErrInvalid)
	}
	if _, err := vedette.ParseTenant(string(h.Tenant)); err != nil {
		return Act{}, fmt.Errorf("authority: disclosure: %w", err)
	}
	act := map[string]any{
		"act": "disclosure", "recipient": h.Recipient.String(), "data": h.Data.String(), "tenant": h.Tenant, "case": h.Case,
		"basis": h.Basis, "jurisdiction": h.Jurisdiction, "until": h.Until.UTC().Format(time.RFC3339),
	}
	if !h.About.IsZero() {
		act["about"] = h.About
	}
	return NewAct(act)
}

func country(s string) bool {
	return len(s) == 2 && s[0] >= 'A' && s[0] <= 'Z' && s[1] >= 'A' && s[1] <= 'Z'
}

// Disclosure lets one class of data go to one class of recipient. Register.Disclosure alone makes one; the zero Disclosure is refused.
type Disclosure struct {
	handing Handing
	people  []PersonID
	act     vedette.Digest
}

// Disclosure gives one on two people's approval, for at most MaxPermit. Content, an identity, or anything to a government needs a basis and a
// jurisdiction, whoever approves. That it was asked is kept first, given or not.
func (r *Register) Disclosure(ctx context.Context, h Handing, approvals [][]byte, at time.Time) (Disclosure, error) {
	act, err := h.Act()
	if err != nil {
		return Disclosure{}, err
	}
	ps, err := r.People(ctx)
	if err != nil {
		return Disclosure{}, err
	}
	a := Asked{At: at, What: "disclosure." + h.Data.String() + "." + h.Recipient.String(), Tenant: h.Tenant, Case: h.Case, Act: act.Digest()}
	h.Until = h.Until.Truncate(time.Second)
	switch sensitive := h.Data >= DataIdentity || h.Recipient == ToGovernment; {
	case sensitive && (strings.TrimSpace(h.Basis) == "" || h.Jurisdiction == ""):
		err = fmt.Errorf("authority: disclosure of %s to %s: no legal basis with its jurisdiction: %w", h.Data, h.Recipient, vedette.ErrForbidden)
	case !h.Until.After(at) || h.Until.After(at.Add(MaxPermit)):
		err = fmt.Errorf("authority: disclosure until %s: in the future, by at most 30 days: %w", h.Until.UTC().Format(time.RFC3339), vedette.ErrInvalid)
	default:
		a.People, err = judge(ps, act, approvals, at, 2)
	}
	if err := r.record(ctx, a, err); err != nil {
		return Disclosure{}, err
	}
	return Disclosure{handing: h, people: a.People, act: act.Digest()}, nil
}

// Check says why the disclosure does not allow this data to this recipient at a time. Its error is ErrNoPermit.
func (d Disclosure) Check(to Recipient, data Data, at time.Time) error {
	switch {
	case d.handing.Recipient == 0 || len(d.people) == 0:
		return fmt.Errorf("%w: no disclosure", ErrNoPermit)
	case to != d.handing.Recipient || data != d.handing.Data:
		return fmt.Errorf("%w: the disclosure is of %s to %s, not this", ErrNoPermit, d.handing.Data, d.handing.Recipient)
	case !at.Before(d.handing.Until):
		return fmt.Errorf("%w: the disclosure ended at %s", ErrNoPermit, d.handing.Until.UTC().Format(time.RFC3339))
	}
	return nil
}

// Handing returns what was approved.
func (d Disclosure) Handing() Handing { return d.handing }

// Act returns the digest of what was approved.
func (d Disclosure) Act() vedette.Digest { return d.act }

// People returns who approved it.
func (d Disclosure) People() []PersonID { return slices.Clone(d.people) }
