package vault

import (
	"context"
	"errors"
	"fmt"

	"vedette"
	"vedette/record/authority"
)

// shredKey marks that something was deleted whose bytes may still lie on the disk.
var shredKey = []byte("x")

// Erased says what an erasure found. The surrogate is told so that other rooms can end what they keep under it.
type Erased struct {
	Kind      Kind
	Known     bool     // false: there was nothing; erasing twice is no error
	Surrogate [16]byte // of the account, group, device, network or block; zero when not known
	Seed      bool     // a seed was erased: seals of the person can be opened by nobody any more
	Enrolled  bool     // an enrolment of a person at risk went too
}

// Account returns the surrogate as an account's.
func (e Erased) Account() vedette.AccountID { return vedette.AccountID(e.Surrogate) }

// Erase forgets an id: both directions of its mapping, the seed and the enrolment, in memory, in the store, and as bytes on the disk. It is
// durable when it returns. The same id, seen again, gets another surrogate. It takes a permit to erase, for the tenant, and is recorded first.
// Its errors wrap vedette.ErrForbidden, ErrInvalid, or ErrUnavailable; after the last, ask again: it is idempotent.
func (v *Vault) Erase(ctx context.Context, permit authority.Permit, tenant vedette.Tenant, kind Kind, raw string) (Erased, error) {
	if err := v.ask(ctx, permit, authority.PurposeErase, tenant, "vault.erase"); err != nil {
		return Erased{}, err
	}
	s, err := v.Tenant(tenant)
	if err != nil {
		return Erased{}, err
	}
	name, err := same(kind, raw)
	if err != nil {
		return Erased{}, err
	}
	if err := take(ctx, v.shreds); err != nil {
		return Erased{}, err
	}
	defer func() { v.shreds <- struct{}{} }()
	// With this token nobody else writes: nothing pending can reach the store behind our back.
	if err := take(ctx, v.flush); err != nil {
		return Erased{}, err
	}
	e, err := s.erase(ctx, kind, name)
	v.flush <- struct{}{}
	if err != nil {
		return Erased{}, err
	}
	if err := v.shred(ctx, s.storeKey(forwardKey, kind, s.lookupKey(kind, name)), s.storeKey(reverseKey, kind, e.Surrogate)); err != nil {
		return Erased{}, err
	}
	return e, nil
}

func (s *Sealer) erase(ctx context.Context, kind Kind, name string) (Erased, error) {
	k := s.lookupKey(kind, name)
	sh := &s.forward[k[0]%shards]
	// The lock is held over the store's write: whoever looks the id up meanwhile waits, and then finds it gone.
	sh.mu.Lock()
	defer sh.mu.Unlock()
	e := Erased{Kind: kind}
	if p, ok := sh.pending[k]; ok {
		e.Known, e.Surrogate, e.Seed = true, p.surrogate, kind == KindAccount
		delete(sh.pending, k)
		sh.drop(k)
		return e, nil
	}
	id, err := s.load(ctx, kind, k)
	switch {
	case errors.Is(err, vedette.ErrUnknown):
		sh.drop(k)
		return e, nil
	case errors.Is(err, errSealBroken): // a record that does not open must still be erasable
	case err != nil:
		return Erased{}, err
	}
	e.Known, e.Surrogate = true, id
	rev := &s.reverse[id[0]%shards]
	rev.mu.Lock()
	defer rev.mu.Unlock()
	if p, err := s.loadPerson(ctx, kind, id); err == nil {
		e.Seed, e.Enrolled = kind == KindAccount, p.risk != 0
	} else if !errors.Is(err, vedette.ErrUnknown) && !errors.Is(err, errSealBroken) {
		return Erased{}, err
	}
	err = s.v.store.Apply(ctx, []Change{
		{shredKey, []byte{1}},
		{s.storeKey(forwardKey, kind, k), nil},
		{s.storeKey(reverseKey, kind, id), nil},
	})
	if err != nil {
		return Erased{}, unavailable(err)
	}
	sh.drop(k)
	rev.drop(id)
	return e, nil
}

// shred makes deleted bytes vanish and takes the mark away. If it fails, the mark stays, and the next erasure or the next start shreds all.
func (v *Vault) shred(ctx context.Context, keys ...[]byte) error {
	if err := v.store.Shred(ctx, keys...); err != nil {
		return unavailable(err)
	}
	if err := v.store.Apply(ctx, []Change{{shredKey, nil}}); err != nil {
		return unavailable(err)
	}
	return nil
}

// ask checks a permit and records that it was used, before anything is done.
func (v *Vault) ask(ctx context.Context, permit authority.Permit, purpose authority.Purpose, tenant vedette.Tenant, what string) error {
	at := v.now()
	err := permit.Check(purpose, at)
	if err == nil {
		err = permit.For(tenant)
	}
	if v.recorder == nil {
		return fmt.Errorf("vault: nobody keeps a record of what is asked: %w", vedette.ErrForbidden)
	}
	asked := permit.Asked(what, tenant, at)
	asked.Given = err == nil
	if err != nil {
		asked.Why = err.Error()
	}
	if rerr := v.recorder.Record(ctx, asked); rerr != nil {
		return fmt.Errorf("vault: record that it was asked: %w: %w", vedette.ErrUnavailable, rerr)
	}
	if err != nil {
		return fmt.Errorf("vault: %s: %w", what, err)
	}
	return nil
}

// Open tells who an account really is. It takes a permit to notify, protect, appeal or file, for the tenant, and is recorded first.
// Its errors wrap vedette.ErrForbidden, ErrUnknown (never issued, not yet durable, or erased), or ErrUnavailable.
func (v *Vault) Open(ctx context.Context, permit authority.Permit, tenant vedette.Tenant, account vedette.AccountID) (string, error) {
	purpose := permit.Purpose()
	if purpose == authority.PurposeErase {
		purpose = 0 // erasing opens nothing
	}
	if err := v.ask(ctx, permit, purpose, tenant, "vault.open"); err != nil {
		return "", err
	}
	s, err := v.Tenant(tenant)
	if err != nil {
		return "", err
	}
	p, err := s.person(ctx, KindAccount, account)
	if err != nil {
		return "", err
	}
	id, raw, err := s.loadRaw(ctx, KindAccount, p.lookup)
	if err != nil {
		return "", err
	}
	if id != account {
		return "", errSealBroken
	}
	return raw, nil
}

// Find tells which surrogate an id has, without issuing one. It takes any live permit for the tenant, and is recorded first.
// Its errors wrap vedette.ErrForbidden, ErrUnknown, ErrInvalid, or ErrUnavailable.
func (v *Vault) Find(ctx context.Context, permit authority.Permit, tenant vedette.Tenant, kind Kind, raw string) ([16]byte, error) {
	if err := v.ask(ctx, permit, permit.Purpose(), tenant, "vault.find"); err != nil {
		return [16]byte{}, err
	}
	s, err := v.Tenant(tenant)
	if err != nil {
		return [16]byte{}, err
	}
	name, err := same(kind, raw)
	if err != nil {
		return [16]byte{}, err
	}
	return s.load(ctx, kind, s.lookupKey(kind, name))
}

// Count returns how many ids of a kind a tenant has in the vault, those not yet durable left out: the inventory's number, and no name.
func (v *Vault) Count(ctx context.Context, tenant vedette.Tenant, kind Kind) (int, error) {
	s, err := v.Tenant(tenant)
	if err != nil {
		return 0, err
	}
	key := s.storeKey(forwardKey, kind, [16]byte{})
	n, err := v.store.Count(ctx, key[:len(key)-16])
	if err != nil {
		return 0, unavailable(err)
	}
	return n, nil
}
