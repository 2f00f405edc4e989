package casefile

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"vedette"
	"vedette/link"
	"vedette/record/authority"
	"vedette/record/evidence"
	"vedette/record/indicator"
)

// Confirmation is what a person says of a case: this name is bad, within this scope.
type Confirmation struct {
	Value string // a URL, a path, a host or a domain, as Scope says; in any spelling, defanged too
	Scope indicator.Scope
	// Corroboration is what besides reports speaks for it, in the person's words. Needed for more than the link where no report is franked.
	Corroboration string
}

// maxWords bounds what people write, in bytes.
const maxWords = 2000

// ConfirmAct is what a person signs to confirm. It holds the length of the case's log, so that one signature confirms once. Its error wraps
// vedette.ErrUnknown, ErrInvalid or ErrForbidden (the scope is wider than what was reported).
func (b *Book) ConfirmAct(ctx context.Context, id ID, c Confirmation) (authority.Act, error) {
	k, err := b.store.Case(ctx, id)
	if err != nil {
		return authority.Act{}, fmt.Errorf("casefile: confirm: %w", err)
	}
	_, act, err := b.confirmAct(&k, c)
	return act, err
}

func (b *Book) confirmAct(k *Case, c Confirmation) (value string, act authority.Act, err error) {
	c.Corroboration = strings.TrimSpace(c.Corroboration)
	if len(c.Corroboration) > maxWords {
		return "", act, fmt.Errorf("casefile: confirm: over %d bytes of corroboration: %w", maxWords, vedette.ErrTooLarge)
	}
	if value, err = indicator.Canonical(link.Refang(c.Value), c.Scope); err != nil {
		return "", act, fmt.Errorf("casefile: confirm: %w", err)
	}
	if err := b.within(k, c, value); err != nil {
		return "", act, err
	}
	act, err = authority.NewAct(map[string]any{
		"act": "case.confirm", "tenant": k.Tenant, "case": k.ID, "value": value, "scope": c.Scope.String(), "corroboration": c.Corroboration, "steps": k.Steps,
	})
	return value, act, err
}

// within says why a value may not be confirmed in a case: another name than what was reported, or more of it.
func (b *Book) within(k *Case, c Confirmation, value string) error {
	narrow := c.Scope == indicator.ScopeURL || c.Scope == indicator.ScopePath
	switch kind := k.About.Kind; {
	case kind == vedette.TokenTenant && c.Scope == indicator.ScopeHost: // right where the tenant's name is a host of its own, see below
	case (kind == vedette.TokenTenant || kind == vedette.TokenURL) && !narrow:
		return fmt.Errorf("casefile: confirm: the host serves many; only the link, or a path on it, can be bad: %w", vedette.ErrForbidden)
	case kind == vedette.TokenURL && c.Scope != indicator.ScopeURL:
		return fmt.Errorf("casefile: confirm: the case is about one link: %w", vedette.ErrForbidden)
	case kind == vedette.TokenHost && c.Scope == indicator.ScopeDomain:
		return fmt.Errorf("casefile: confirm: the case is about a host: %w", vedette.ErrForbidden)
	case kind == vedette.TokenNone:
		return nil // a finding without a link; the person's word alone, see below
	}
	raw := link.Refang(strings.TrimSpace(c.Value))
	if !strings.Contains(raw, "://") {
		raw = "https://" + raw
	}
	u, err := link.Parse(raw)
	if err != nil {
		return fmt.Errorf("casefile: confirm: %q: %w", link.Defang(value), err)
	}
	var name string
	switch k.About.Kind {
	case vedette.TokenDomain:
		name = u.Registrable()
	case vedette.TokenHost:
		name = u.Host()
	case vedette.TokenTenant:
		name = u.HostTenant()
		if c.Scope == indicator.ScopeHost && name != u.Host() {
			return fmt.Errorf("casefile: confirm: the host serves many; only the link, or a path on it, can be bad: %w", vedette.ErrForbidden)
		}
	case vedette.TokenURL:
		name = u.Canonical()
	}
	box, err := b.deps.Boxers(k.Tenant)
	if err != nil {
		return fmt.Errorf("casefile: confirm: %w", err)
	}
	if name == "" || box.TokenIn(k.About.Epoch, k.About.Kind, name) != k.About {
		return fmt.Errorf("casefile: confirm: %q is not what the case is about: %w", link.Defang(value), vedette.ErrInvalid)
	}
	return nil
}

// Confirm moves a case to confirmed by one enrolled person's signature over ConfirmAct. It can be done again in the same case for another host of it. More than
// the link, its host or domain, needs a franked report or the person's corroboration: what nobody proved to have been sent must not stop
// everything on a host. It returns who signed. Its error wraps vedette.ErrForbidden when nobody did, ErrUnknown, ErrInvalid or ErrUnavailable.
func (b *Book) Confirm(ctx context.Context, id ID, c Confirmation, approvals ...[]byte) ([]authority.PersonID, error) {
	if b.deps.Register == nil {
		return nil, fmt.Errorf("casefile: confirm: nobody is enrolled here: %w", vedette.ErrForbidden)
	}
	var people []authority.PersonID
	err := b.change(ctx, id, func(k *Case, _ []Step) ([]Step, []evidence.Record, error) {
		if k.Version == 0 {
			return nil, nil, fmt.Errorf("casefile: confirm %s: %w", id, vedette.ErrUnknown)
		}
		if k.State == Closed {
			return nil, nil, fmt.Errorf("casefile: confirm %s: it is closed: %w", id, vedette.ErrConflict)
		}
		value, act, err := b.confirmAct(k, c)
		if err != nil {
			return nil, nil, err
		}
		if wide := c.Scope == indicator.ScopeHost || c.Scope == indicator.ScopeDomain; (wide || k.About.IsZero()) && k.Best != Franked && strings.TrimSpace(c.Corroboration) == "" {
			return nil, nil, fmt.Errorf("casefile: confirm %s: no report is franked; confirm the link alone, or say what else speaks for it: %w", id, vedette.ErrForbidden)
		}
		at := b.clock()
		if people, err = b.deps.Register.ApprovedBy(ctx, act, approvals, at, 1); err != nil {
			return nil, nil, fmt.Errorf("casefile: confirm %s: %w", id, err)
		}
		by := make([]string, len(people))
		for i, p := range people {
			by[i] = string(p)
		}
		var steps []Step
		if k.State == Signal {
			steps = append(steps, k.step(at, Open, by, "taken up to be confirmed"))
		}
		why := "confirmed"
		if c.Corroboration != "" {
			why = strings.TrimSpace(c.Corroboration)
		}
		s := k.step(at, Confirmed, by, why) // a further host sets a contained case back: it is to be contained too
		s.Act, s.Value, s.Display, s.Scope = act.Digest(), value, link.Defang(value), c.Scope.String()
		rec := evidence.Record{Kind: evidence.KindConfirm, At: at, Tenant: k.Tenant, Fields: []evidence.Field{
			{Name: "case", Value: []byte(id)},
			{Name: "value", Value: []byte(value)},
			{Name: "scope", Value: []byte(s.Scope)},
			{Name: "best", Value: []byte(gradeText(k.Best))},
			{Name: "corroboration", Value: []byte(strings.TrimSpace(c.Corroboration))},
			{Name: "people", Value: []byte(strings.Join(by, ","))},
			{Name: "act", Value: []byte(act.Digest().String())},
		}}
		return append(steps, s), []evidence.Record{rec}, nil
	})
	if err != nil {
		return nil, err
	}
	return people, nil
}

func gradeText(g Grade) string {
	b, _ := g.MarshalText() // has no error
	return string(b)
}

// Note says who moves a case, and why.
type Note struct {
	By  authority.PersonID // the caller knows who is at the keyboard; nothing can be harmed by these steps
	Why string
}

// TakeUp makes a case of a lead by a person's choice.
func (b *Book) TakeUp(ctx context.Context, id ID, n Note) error {
	return b.move(ctx, id, n, Open, Signal)
}

// Contain notes that what was confirmed is blocked. The blocks themselves have their own approvals.
func (b *Book) Contain(ctx context.Context, id ID, n Note) error {
	return b.move(ctx, id, n, Contained, Confirmed)
}

// Sweep notes that the past was asked who else was reached.
func (b *Book) Sweep(ctx context.Context, id ID, n Note) error {
	return b.move(ctx, id, n, Swept, Contained)
}

// Close ends a case, from any state, with its reason. It lifts no block. New reports can make it a lead again.
func (b *Book) Close(ctx context.Context, id ID, n Note) error {
	return b.move(ctx, id, n, Closed, Signal, Open, Confirmed, Contained, Swept)
}

// move adds a step. Its error wraps vedette.ErrUnknown, ErrInvalid, ErrConflict when the case is in no state to move from, or ErrUnavailable.
func (b *Book) move(ctx context.Context, id ID, n Note, to State, from ...State) error {
	n.Why = strings.TrimSpace(n.Why)
	if _, err := vedette.ParseTenant(string(n.By)); err != nil || n.By == house { // the same letters; the house does not act for people
		return fmt.Errorf("casefile: %s: no person: %w", to, vedette.ErrInvalid)
	}
	if n.Why == "" || len(n.Why) > maxWords {
		return fmt.Errorf("casefile: %s: a reason of 1 to %d bytes: %w", to, maxWords, vedette.ErrInvalid)
	}
	return b.change(ctx, id, func(k *Case, _ []Step) ([]Step, []evidence.Record, error) {
		if k.Version == 0 {
			return nil, nil, fmt.Errorf("casefile: %s: %w", id, vedette.ErrUnknown)
		}
		if !slices.Contains(from, k.State) {
			return nil, nil, fmt.Errorf("casefile: %s is %s, and cannot become %s: %w", id, k.State, to, vedette.ErrConflict)
		}
		at := b.clock()
		s := k.step(at, to, []string{string(n.By)}, n.Why)
		return []Step{s}, []evidence.Record{leadRecord(k.Tenant, id, k.Display, to, s.By, n.Why, at)}, nil
	})
}

// Whole is a case with its log and the hosts of its links. There is no account in it.
type Whole struct {
	Case
	Log   []Step    `json:"log"`
	Hosts []Counted `json:"hosts"`
}

// Get returns a case. Its error wraps vedette.ErrUnknown.
func (b *Book) Get(ctx context.Context, id ID) (Whole, error) {
	k, err := b.store.Case(ctx, id)
	if err != nil {
		return Whole{}, fmt.Errorf("casefile: %w", err)
	}
	w := Whole{Case: k}
	if w.Log, err = b.store.Steps(ctx, id); err != nil {
		return Whole{}, fmt.Errorf("casefile: %w", err)
	}
	if w.Hosts, err = b.store.Hosts(ctx, id, false); err != nil {
		return Whole{}, fmt.Errorf("casefile: %w", err)
	}
	return w, nil
}

// List returns cases by weight, then by age, oldest first: 40 where nothing else is asked. Its error wraps vedette.ErrInvalid.
func (b *Book) List(ctx context.Context, f Filter) ([]Case, error) {
	if f.Limit == 0 {
		f.Limit = 40
	}
	if f.Limit < 0 || f.Limit > 1000 || f.Skip < 0 {
		return nil, fmt.Errorf("casefile: list %d after %d: at most 1000: %w", f.Limit, f.Skip, vedette.ErrInvalid)
	}
	for _, s := range f.States {
		if _, err := ParseState(string(s)); err != nil {
			return nil, err
		}
	}
	cs, err := b.store.List(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("casefile: list: %w", err)
	}
	return cs, nil
}

// Times are the moments of the reaction loop; zero: not yet.
type Times struct {
	Reported  time.Time `json:"reported,omitzero"` // when the first report reached us
	Confirmed time.Time `json:"confirmed,omitzero"`
	Blocked   time.Time `json:"blocked,omitzero"`
	Swept     time.Time `json:"swept,omitzero"`
	Closed    time.Time `json:"closed,omitzero"`
}

// Clock returns when a case first reached each of its states. Its error wraps vedette.ErrUnknown.
func (b *Book) Clock(ctx context.Context, id ID) (Times, error) {
	k, err := b.store.Case(ctx, id)
	if err != nil {
		return Times{}, fmt.Errorf("casefile: %w", err)
	}
	steps, err := b.store.Steps(ctx, id)
	if err != nil {
		return Times{}, fmt.Errorf("casefile: %w", err)
	}
	t := Times{Reported: k.First}
	for _, s := range steps {
		at := map[State]*time.Time{Confirmed: &t.Confirmed, Contained: &t.Blocked, Swept: &t.Swept, Closed: &t.Closed}[s.State]
		if at != nil && at.IsZero() {
			*at = s.At
		}
	}
	return t, nil
}

// crowd is the least number of reporters that third parties are told.
const crowd = 10

// Shared is what third parties may get of a case: what comes from reporters who agreed, and tells nothing about one of them. Who hands it on needs an
// authority.Disclosure of indicators to that recipient.
type Shared struct {
	Case    ID           `json:"case"`
	State   State        `json:"state"`
	Reports int          `json:"reports"` // of 10 and more; 0: fewer
	From    string       `json:"from"`    // the day of the first of them, UTC
	To      string       `json:"to"`
	Links   []SharedLink `json:"links"`
}

// SharedLink is a host, or a party's place on a shared one. A link to one person is never among them.
type SharedLink struct {
	Display string `json:"display"` // defanged
	Reports int    `json:"reports"` // of 10 and more; 0: fewer
}

// Shareable returns it. Its error wraps vedette.ErrUnknown, or vedette.ErrForbidden when no reporter agreed.
func (b *Book) Shareable(ctx context.Context, id ID) (Shared, error) {
	k, err := b.store.Case(ctx, id)
	if err != nil {
		return Shared{}, fmt.Errorf("casefile: share: %w", err)
	}
	if k.Shared == 0 {
		return Shared{}, fmt.Errorf("casefile: share %s: no reporter agreed: %w", id, vedette.ErrForbidden)
	}
	hosts, err := b.store.Hosts(ctx, id, true)
	if err != nil {
		return Shared{}, fmt.Errorf("casefile: share: %w", err)
	}
	out := Shared{Case: id, State: k.State, Reports: many(k.Shared), Links: []SharedLink{}}
	for skip := 0; ; skip += 1000 {
		rs, err := b.store.Reports(ctx, id, skip, 1000)
		if err != nil {
			return Shared{}, fmt.Errorf("casefile: share: %w", err)
		}
		for _, r := range rs {
			if day := r.Taken.UTC().Format(time.DateOnly); r.Share {
				if out.From == "" {
					out.From = day
				}
				out.To = day
			}
		}
		if len(rs) < 1000 {
			break
		}
	}
	switch k.About.Kind {
	case vedette.TokenURL: // names one person, perhaps
	case vedette.TokenTenant: // the host is everybody's, and a document on it may have been made for one person: told when many had it
		if out.Reports > 0 {
			out.Links = append(out.Links, SharedLink{k.Display, out.Reports})
		}
	default:
		for _, h := range hosts {
			out.Links = append(out.Links, SharedLink{h.Display, many(h.Reports)})
		}
	}
	return out, nil
}

func many(n int) int {
	if n < crowd {
		return 0
	}
	return n
}

// Reports returns a case's reports with the people in them, by the time they reached us, after skipping some, at most limit and 1000, to a permit in that very
// case. It is recorded first. Its error wraps vedette.ErrForbidden, ErrUnknown or ErrUnavailable.
func (b *Book) Reports(ctx context.Context, p authority.Permit, id ID, skip, limit int) ([]Report, error) {
	k, err := b.store.Case(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("casefile: reports: %w", err)
	}
	at := b.clock()
	refused := errors.Join(p.Check(p.Purpose(), at), p.For(k.Tenant))
	if refused == nil && p.Case() != string(id) {
		refused = fmt.Errorf("casefile: reports: the permit is for another case: %w", authority.ErrNoPermit)
	}
	if err := b.asked(ctx, p, k.Tenant, "casefile.reports", string(id), refused, at); err != nil {
		return nil, err
	}
	if skip < 0 || limit < 1 {
		return nil, fmt.Errorf("casefile: reports: %d after %d: %w", limit, skip, vedette.ErrInvalid)
	}
	rs, err := b.store.Reports(ctx, id, skip, min(limit, 1000))
	if err != nil {
		return nil, fmt.Errorf("casefile: reports: %w", err)
	}
	return rs, nil
}

// asked records a use of a permit, good or not, and returns the refusal or the failure to record.
func (b *Book) asked(ctx context.Context, p authority.Permit, t vedette.Tenant, what, about string, refused error, at time.Time) error {
	given := "yes"
	if refused != nil {
		given = "no"
	}
	people := make([]string, 0, 2)
	for _, id := range p.People() {
		people = append(people, string(id))
	}
	_, err := b.deps.Book.Append(ctx, evidence.Record{Kind: evidence.KindAsked, At: at, Tenant: t, Fields: []evidence.Field{
		{Name: "what", Value: []byte(what)},
		{Name: "case", Value: []byte(about)},
		{Name: "people", Value: []byte(strings.Join(people, ","))},
		{Name: "act", Value: []byte(p.Act().String())},
		{Name: "given", Value: []byte(given)},
	}})
	if err != nil {
		return errors.Join(refused, fmt.Errorf("casefile: record that it was asked: %w", err))
	}
	return refused
}

// Erase takes a person out of all reports, by a permit to erase: what they reported and what was opened of what they wrote. What was counted stays.
// It tells how many reports were changed. Its error wraps vedette.ErrForbidden or ErrUnavailable.
func (b *Book) Erase(ctx context.Context, p authority.Permit, t vedette.Tenant, a vedette.AccountID) (int, error) {
	at := b.clock()
	refused := errors.Join(p.Check(authority.PurposeErase, at), p.For(t))
	if err := b.asked(ctx, p, t, "casefile.erase", p.Case(), refused, at); err != nil {
		return 0, err
	}
	if a.IsZero() {
		return 0, fmt.Errorf("casefile: erase: nobody: %w", vedette.ErrInvalid)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	n, err := b.store.Erase(ctx, t, a)
	if err != nil {
		return n, fmt.Errorf("casefile: erase: %w", err)
	}
	return n, nil
}

// Expire forgets people and opened messages of reports that were taken before a time and whose cases are all closed, or that have none. It tells how
// many there were.
func (b *Book) Expire(ctx context.Context, before time.Time) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, err := b.store.Expire(ctx, before)
	if err != nil {
		return n, fmt.Errorf("casefile: expire: %w", err)
	}
	return n, nil
}
