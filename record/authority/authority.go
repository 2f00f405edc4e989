// Package authority knows who may do what: enrolled people and their keys, approvals by two of them, permits, keys of machines, and what is armed.
//
// In:     acts as canonical JSON, signatures over their digests.
// Out:    a yes or a named no; permits and disclosures that only this room can make.
// Keeps:  people, their public keys, what was asked and what was armed, through a Store. Never a private key.
// Fails:  ErrUnapproved names what is missing; the zero Permit and the zero Disclosure are refused wherever one is used.
// Source: docs/decisions/0005-two-people.md, docs/formats/approval.md, RFC 8032 (Ed25519), RFC 8785 (canonical JSON)
package authority

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"vedette"
)

// Errors of the room.
var (
	ErrUnapproved = fmt.Errorf("authority: not approved: %w", vedette.ErrForbidden)
	ErrNoPermit   = fmt.Errorf("authority: no permit: %w", vedette.ErrForbidden)
)

// What time does to people and approvals.
const (
	Waiting     = 72 * time.Hour     // before a newly enrolled person's approval counts, founders excepted
	MaxApproval = 7 * 24 * time.Hour // age of an approval
	maxSkew     = 5 * time.Minute    // by which an approver's clock may be ahead
	founders    = 2
)

// PersonID is the short name of an enrolled person: a-z, 0-9, hyphen, 1 to 40 of them.
type PersonID string

// Person is somebody who works with vedette, never somebody on the platform.
type Person struct {
	ID         PersonID          `json:"id"`
	Name       string            `json:"name"` // as colleagues know them; at most 100 bytes
	Role       Role              `json:"role"`
	Key        ed25519.PublicKey `json:"key"`
	Enrolled   time.Time         `json:"enrolled"`
	EnrolledBy []PersonID        `json:"enrolled_by,omitempty"` // who approved; none for founders
	Founder    bool              `json:"founder,omitzero"`
	Revoked    time.Time         `json:"revoked,omitzero"` // zero: not
}

// LogValue tells the id alone.
func (p Person) LogValue() slog.Value { return slog.StringValue(string(p.ID)) }

// Role is what a person is there for. The set is closed.
type Role string

// The roles.
const (
	RoleAnalyst  Role = "analyst"
	RoleOperator Role = "operator"
	RoleCounsel  Role = "counsel"
	RoleLead     Role = "lead"
)

// ParseRole checks a role's name. Its error wraps vedette.ErrInvalid.
func ParseRole(s string) (Role, error) {
	switch r := Role(s); r {
	case RoleAnalyst, RoleOperator, RoleCounsel, RoleLead:
		return r, nil
	}
	return "", fmt.Errorf("authority: role %q: analyst, operator, counsel or lead: %w", s, vedette.ErrInvalid)
}

// Validate says what is wrong with a person. Its error wraps vedette.ErrInvalid.
func (p *Person) Validate() error {
	if _, err := vedette.ParseTenant(string(p.ID)); err != nil { // the same letters
		return fmt.Errorf("authority: person id %q: 1 to 40 of a-z, 0-9 and -: %w", p.ID, vedette.ErrInvalid)
	}
	if _, err := ParseRole(string(p.Role)); err != nil {
		return err
	}
	if n := strings.TrimSpace(p.Name); n == "" || n != p.Name || len(n) > 100 {
		return fmt.Errorf("authority: person %s: name of 1 to 100 bytes without blanks around it: %w", p.ID, vedette.ErrInvalid)
	}
	if len(p.Key) != ed25519.PublicKeySize {
		return fmt.Errorf("authority: person %s: key of %d bytes, not %d: %w", p.ID, len(p.Key), ed25519.PublicKeySize, vedette.ErrInvalid)
	}
	return nil
}

// Recorder keeps what was asked, before it is answered. Until the evidence log exists it is an append-only table.
type Recorder interface {
	// Record is durable when it returns nil.
	Record(ctx context.Context, a Asked) error
}

// Asked is one question to authority, or one use of a permit. It names staff and cases, never a person on the platform.
type Asked struct {
	At      time.Time      `json:"at"`
	What    string         `json:"what"` // "permit", "disclosure", "person.enrol", "vault.open", …
	Purpose Purpose        `json:"purpose,omitzero"`
	Tenant  vedette.Tenant `json:"tenant,omitzero"`
	Case    string         `json:"case,omitzero"`
	People  []PersonID     `json:"people,omitempty"` // whose approvals were good
	Act     vedette.Digest `json:"act,omitzero"`
	Given   bool           `json:"given"`
	Why     string         `json:"why,omitzero"` // when not given
}

// Store keeps people.
type Store interface {
	// AddPerson keeps a new person, durable when it returns. Its error wraps vedette.ErrConflict when the id or the key was ever enrolled, or when
	// the person is a founder and two people were ever enrolled.
	AddPerson(ctx context.Context, p Person) error
	// People returns everybody ever enrolled, in order of enrolment.
	People(ctx context.Context) ([]Person, error)
	// RevokePerson stamps a person as revoked; the first stamp stays. Its error wraps vedette.ErrUnknown when there is none.
	RevokePerson(ctx context.Context, id PersonID, at time.Time) error
	Recorder
}

// Register is the register of people. It is safe for concurrent use. It asks the store each time: approvals are rare, and a revoked key must
// not work for a moment longer.
type Register struct {
	store Store

	mu sync.Mutex // one enrolment or revocation at a time
}

// NewRegister makes the register over a store.
func NewRegister(store Store) *Register { return &Register{store: store} }

// People returns everybody ever enrolled, in order of enrolment.
func (r *Register) People(ctx context.Context) ([]Person, error) {
	ps, err := r.store.People(ctx)
	if err != nil {
		return nil, fmt.Errorf("authority: people: %w", err)
	}
	return ps, nil
}

// Who returns the person with a public key. Its error wraps vedette.ErrUnknown.
func (r *Register) Who(ctx context.Context, key ed25519.PublicKey) (Person, error) {
	ps, err := r.People(ctx)
	if err != nil {
		return Person{}, err
	}
	for _, p := range ps {
		if p.Key.Equal(key) {
			return p, nil
		}
	}
	return Person{}, fmt.Errorf("authority: nobody is enrolled with this key: %w", vedette.ErrUnknown)
}

// EnrolAct is what two people approve when somebody joins.
func EnrolAct(p Person) (Act, error) {
	if err := p.Validate(); err != nil {
		return Act{}, err
	}
	return NewAct(map[string]any{
		"act": "person.enrol", "id": p.ID, "name": p.Name, "role": p.Role, "key": base64.StdEncoding.EncodeToString(p.Key),
	})
}

// Enrol adds a person. The first two of a fresh folder found it and need nobody; everybody later needs two who are in already.
// Its error is ErrUnapproved, or wraps vedette.ErrInvalid, ErrConflict or ErrUnavailable.
func (r *Register) Enrol(ctx context.Context, p Person, approvals [][]byte, at time.Time) (Person, error) {
	act, err := EnrolAct(p)
	if err != nil {
		return Person{}, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	ps, err := r.People(ctx)
	if err != nil {
		return Person{}, err
	}
	p.Enrolled, p.Revoked = at.UTC().Truncate(time.Millisecond), time.Time{}
	p.Founder, p.EnrolledBy = len(ps) < founders, nil
	a := Asked{At: p.Enrolled, What: "person.enrol", Act: act.Digest()}
	if !p.Founder {
		a.People, err = judge(ps, act, approvals, at, 2)
		p.EnrolledBy = a.People
	}
	if err := r.record(ctx, a, err); err != nil {
		return Person{}, err
	}
	if err := r.store.AddPerson(ctx, p); err != nil {
		return Person{}, fmt.Errorf("authority: enrol %s: %w", p.ID, err)
	}
	return p, nil
}

// RevokeAct is what is approved when somebody leaves or a key is lost.
func RevokeAct(id PersonID) (Act, error) {
	return NewAct(map[string]any{"act": "person.revoke", "id": id})
}

// Revoke ends a person's key. Two people approve, or the person alone: a lost key must not wait. The last two can leave too; then nothing that
// needs two people is possible in the folder any more.
func (r *Register) Revoke(ctx context.Context, id PersonID, approvals [][]byte, at time.Time) error {
	act, err := RevokeAct(id)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	ps, err := r.People(ctx)
	if err != nil {
		return err
	}
	a := Asked{At: at, What: "person.revoke", Act: act.Digest()}
	a.People, err = judge(ps, act, approvals, at, 2)
	if err != nil {
		var self []Person
		for _, p := range ps {
			if p.ID == id {
				p.Founder = true // no waiting before one's own leaving
				self = append(self, p)
			}
		}
		if one, err1 := judge(self, act, approvals, at, 1); err1 == nil {
			a.People, err = one, nil
		}
	}
	if err := r.record(ctx, a, err); err != nil {
		return err
	}
	if err := r.store.RevokePerson(ctx, id, at.UTC().Truncate(time.Millisecond)); err != nil {
		return fmt.Errorf("authority: revoke %s: %w", id, err)
	}
	return nil
}

// record keeps what was asked, given or not, and returns the refusal, or the failure to keep it.
func (r *Register) record(ctx context.Context, a Asked, refusal error) error {
	a.At = a.At.UTC().Truncate(time.Millisecond)
	a.Given = refusal == nil
	if refusal != nil {
		a.Why = refusal.Error()
	}
	if err := r.store.Record(ctx, a); err != nil {
		return errors.Join(refusal, fmt.Errorf("authority: record that it was asked: %w: %w", vedette.ErrUnavailable, err))
	}
	return refusal
}

// TwoPeople says whether two people approved an act: two persons, two keys, good signatures not older than MaxApproval, each enrolled for at least
// Waiting (founders excepted), neither revoked. act is JSON in any writing, approvals are files of docs/formats/approval.md; those that do not
// count do no harm. Its error is ErrUnapproved and says what is missing, or wraps vedette.ErrInvalid when act is none, or is the store's.
func (r *Register) TwoPeople(ctx context.Context, act []byte, approvals [][]byte, at time.Time) error {
	a, err := ParseAct(act)
	if err != nil {
		return err
	}
	_, err = r.Approved(ctx, a, approvals, at)
	return err
}

// Approved is TwoPeople for an act already read; it returns who approved, in order of enrolment.
func (r *Register) Approved(ctx context.Context, act Act, approvals [][]byte, at time.Time) ([]PersonID, error) {
	return r.ApprovedBy(ctx, act, approvals, at, 2)
}

// ApprovedBy is Approved for as many people as an act needs, at least one. The room where the act happens says how many; no caller lowers it.
func (r *Register) ApprovedBy(ctx context.Context, act Act, approvals [][]byte, at time.Time, need int) ([]PersonID, error) {
	ps, err := r.People(ctx)
	if err != nil {
		return nil, err
	}
	return judge(ps, act, approvals, at, max(need, 1))
}

// judge returns the people whose approvals count, at least need of them, in order of enrolment.
func judge(ps []Person, act Act, approvals [][]byte, at time.Time, need int) ([]PersonID, error) {
	if act.IsZero() {
		return nil, fmt.Errorf("authority: no act: %w", vedette.ErrInvalid)
	}
	if len(approvals) > 16 {
		return nil, fmt.Errorf("authority: %d approvals, at most 16: %w", len(approvals), vedette.ErrTooLarge)
	}
	good := map[PersonID]bool{}
	keys := map[string]bool{} // a store holds no key twice; if it did, one key would still be one person
	var why []string
	for i, b := range approvals {
		a, err := ParseApproval(b)
		if err != nil {
			why = append(why, fmt.Sprintf("approval %d: %v", i+1, err))
			continue
		}
		if err := counts(ps, act, a, at); err != "" {
			why = append(why, fmt.Sprintf("%s: %s", a.Person, err))
			continue
		}
		for _, p := range ps {
			if p.ID == a.Person && !good[p.ID] && !keys[string(p.Key)] {
				good[p.ID], keys[string(p.Key)] = true, true
			}
		}
	}
	var out []PersonID
	for _, p := range ps {
		if good[p.ID] {
			out = append(out, p.ID)
		}
	}
	if len(out) >= need {
		return out, nil
	}
	msg := fmt.Sprintf("%d of %d people approved", len(out), need)
	if len(out) > 0 {
		msg += fmt.Sprintf(" (%s)", joined(out))
	}
	if len(why) > 0 {
		msg += "; " + strings.Join(why, "; ")
	}
	return nil, fmt.Errorf("%w: %s", ErrUnapproved, msg)
}

// counts says why an approval does not count, or nothing.
func counts(ps []Person, act Act, a Approval, at time.Time) string {
	for _, p := range ps {
		switch {
		case p.ID != a.Person:
			continue
		case a.Act != act.Digest():
			return "approved another act"
		case !a.verify(p.Key):
			return "signature does not match the enrolled key"
		case !p.Revoked.IsZero() && !at.Before(p.Revoked):
			return "key was revoked"
		case a.At.After(at.Add(maxSkew)):
			return "approved in the future"
		case at.Sub(a.At) > MaxApproval:
			return "approval is older than 7 days"
		case at.Before(p.Enrolled.Add(-maxSkew)):
			return "is enrolled in the future"
		case !p.Founder && at.Sub(p.Enrolled) < Waiting:
			return "enrolled less than 72 hours ago"
		}
		return ""
	}
	return "is not enrolled"
}

func joined(ids []PersonID) string {
	s := make([]string, len(ids))
	for i, id := range ids {
		s[i] = string(id)
	}
	return strings.Join(s, ", ")
}
