package vault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vedette"
	"vedette/record/authority"
)

// Consent is what stands behind an enrolment: a person's own wish, told through a door that the platform answers for. It is checked and then
// forgotten: a kept reason would make people at risk a list with reasons. The zero Consent is refused.
type Consent struct {
	given time.Time
}

// NewConsent says that a person at risk asked to be enrolled.
func NewConsent(given time.Time) Consent { return Consent{given: given} }

// MaxEnrolment is how long an enrolment lasts at most. It can be given again.
const MaxEnrolment = 366 * 24 * time.Hour

// Enrol marks an account as a person at risk until a time at most MaxEnrolment after the consent. An enrolment is never shortened so. There is no
// method that lists who is enrolled, and the disk does not tell them apart: an enrolment is a sealed field that every account has.
// Its errors wrap vedette.ErrInvalid or ErrUnavailable.
func (v *Vault) Enrol(ctx context.Context, tenant vedette.Tenant, raw string, until time.Time, consent Consent) error {
	switch {
	case consent.given.IsZero():
		return fmt.Errorf("vault: enrol: no consent: %w", vedette.ErrInvalid)
	case !until.After(consent.given) || until.After(consent.given.Add(MaxEnrolment)):
		return fmt.Errorf("vault: enrol: until %s: after the consent, by at most %d days: %w",
			until.UTC().Format(time.DateOnly), MaxEnrolment/(24*time.Hour), vedette.ErrInvalid)
	}
	return v.setRisk(ctx, tenant, raw, func(old int64) int64 { return max(old, until.Unix()) })
}

// Withdraw ends an enrolment. Lowering protection is harm, so it takes a permit to protect, for the tenant, and is recorded first.
func (v *Vault) Withdraw(ctx context.Context, permit authority.Permit, tenant vedette.Tenant, raw string) error {
	if err := v.ask(ctx, permit, authority.PurposeProtect, tenant, "vault.withdraw"); err != nil {
		return err
	}
	return v.setRisk(ctx, tenant, raw, func(int64) int64 { return 0 })
}

func (v *Vault) setRisk(ctx context.Context, tenant vedette.Tenant, raw string, change func(int64) int64) error {
	s, err := v.Tenant(tenant)
	if err != nil {
		return err
	}
	account, err := s.Account(raw)
	if err != nil {
		return err
	}
	if err := v.Sync(ctx); err != nil {
		return err
	}
	if err := take(ctx, v.shreds); err != nil {
		return err
	}
	defer func() { v.shreds <- struct{}{} }()
	if err := s.setRisk(ctx, account, change); err != nil {
		return err
	}
	// A value written over would stand twice on the disk, and tell by that whose it is.
	return v.shred(ctx, s.storeKey(reverseKey, KindAccount, account))
}

func (s *Sealer) setRisk(ctx context.Context, account vedette.AccountID, change func(int64) int64) error {
	rev := &s.reverse[account[0]%shards]
	rev.mu.Lock()
	defer rev.mu.Unlock()
	p, err := s.loadPerson(ctx, KindAccount, account)
	if errors.Is(err, vedette.ErrUnknown) {
		return fmt.Errorf("vault: enrol: erased meanwhile: %w", vedette.ErrConflict)
	}
	if err != nil {
		return err
	}
	p.risk = change(p.risk)
	key := s.storeKey(reverseKey, KindAccount, account)
	if err := s.v.store.Apply(ctx, []Change{{shredKey, []byte{1}}, {key, s.sealPerson(KindAccount, account, p)}}); err != nil {
		return unavailable(err)
	}
	rev.drop(account)
	return nil
}
