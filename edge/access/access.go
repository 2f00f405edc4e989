// Package access knows who is at the door: people and machines, each with roles.
//
// In:     requests with a key in "Authorization: Bearer vdk_…".
// Out:    the machine behind the key in the request's context, or a problem answer; the one table from kinds of errors to statuses.
// Keeps:  an immutable table of keys in memory, swapped whole; each key's digest, scopes, tenant and end, through a Store. Never a key.
// Fails:  a missing or unknown key is 401, a missing scope 403, too many events 429 with Retry-After; a store that is down changes nothing
//
//	about keys already known.
//
// Source: RFC 6750 (bearer keys), RFC 9457 (problem details), docs/decisions/0005-two-people.md
package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"vedette"
	"vedette/record/authority"
)

// Machine is a program that may speak to us.
type Machine = authority.Machine

// Scope is a set of things that a machine may do.
type Scope = authority.Scope

// The scopes.
const (
	Decide  = authority.ScopeDecide
	Events  = authority.ScopeEvents
	Reports = authority.ScopeReports
	Read    = authority.ScopeRead
	Admin   = authority.ScopeAdmin
)

// Store keeps machines.
type Store interface {
	// AddMachine keeps a new machine, durable when it returns. Its error wraps vedette.ErrConflict when the id is taken.
	AddMachine(ctx context.Context, m Machine) error
	// Machines returns all machines, revoked and expired ones included, by the time of their making.
	Machines(ctx context.Context) ([]Machine, error)
	// RevokeMachine stamps a machine as revoked; the first stamp stays. Its error wraps vedette.ErrUnknown when there is none.
	RevokeMachine(ctx context.Context, id string, at time.Time) error
}

// Keys is the ring of machine keys. It is safe for concurrent use.
type Keys struct {
	store Store
	now   func() time.Time
	table atomic.Pointer[map[string]*entry]

	mu sync.Mutex // one change of the table at a time
}

type entry struct {
	machine Machine
	limit   *rate.Limiter // nil: none
}

// Open loads the keys. now may be nil and is then the clock.
func Open(ctx context.Context, store Store, now func() time.Time) (*Keys, error) {
	if now == nil {
		now = time.Now
	}
	k := &Keys{store: store, now: now}
	if err := k.Reload(ctx); err != nil {
		return nil, err
	}
	return k, nil
}

// Reload reads the keys anew. A key that did not change keeps its limiter's state. When it fails, the keys known so far stay.
func (k *Keys) Reload(ctx context.Context) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	ms, err := k.store.Machines(ctx)
	if err != nil {
		return fmt.Errorf("access: load keys: %w", err)
	}
	var old map[string]*entry
	if t := k.table.Load(); t != nil {
		old = *t
	}
	next := make(map[string]*entry, len(ms))
	for _, m := range ms {
		e := &entry{machine: m}
		if o := old[m.ID]; o != nil && o.machine.Rate == m.Rate && o.machine.Burst == m.Burst {
			e.limit = o.limit
		} else if m.Rate > 0 {
			e.limit = rate.NewLimiter(rate.Limit(m.Rate), burst(m))
		}
		next[m.ID] = e
	}
	k.table.Store(&next)
	return nil
}

func burst(m Machine) int {
	if m.Burst > 0 {
		return m.Burst
	}
	return max(1, int(math.Ceil(m.Rate)))
}

// Order says what key to make.
type Order struct {
	Tenant   vedette.Tenant
	Platform string    // at most 64 bytes; default: the tenant's name
	Scopes   Scope     // at least one
	Rate     float64   // events a second; 0: no limit
	Burst    int       // events at once; 0: one second's worth
	Expires  time.Time // zero: never
}

const prefix = "vdk_"

var letters = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// Create makes a key and returns it with what is kept about it. This is the only time that the key is seen.
func (k *Keys) Create(ctx context.Context, o Order) (Machine, string, error) {
	if _, err := vedette.ParseTenant(string(o.Tenant)); err != nil {
		return Machine{}, "", fmt.Errorf("access: new key: %w", err)
	}
	if o.Platform == "" {
		o.Platform = string(o.Tenant)
	}
	now := k.now().UTC().Truncate(time.Millisecond)
	switch {
	case o.Scopes.String() == "" || o.Scopes&^(Decide|Events|Reports|Read|Admin) != 0:
		return Machine{}, "", fmt.Errorf("access: new key: no scopes: %w", vedette.ErrInvalid)
	case len(o.Platform) > 64:
		return Machine{}, "", fmt.Errorf("access: new key: platform over 64 bytes: %w", vedette.ErrInvalid)
	case o.Rate < 0 || math.IsNaN(o.Rate) || math.IsInf(o.Rate, 0) || o.Burst < 0:
		return Machine{}, "", fmt.Errorf("access: new key: rate %v, burst %d: %w", o.Rate, o.Burst, vedette.ErrInvalid)
	case !o.Expires.IsZero() && !o.Expires.After(now):
		return Machine{}, "", fmt.Errorf("access: new key: expires %s, in the past: %w", o.Expires.Format(time.RFC3339), vedette.ErrInvalid)
	}
	var id [8]byte
	var secret [32]byte
	_, _ = rand.Read(id[:])
	_, _ = rand.Read(secret[:])
	m := Machine{
		ID: letters.EncodeToString(id[:]), Tenant: o.Tenant, Platform: o.Platform, Scopes: o.Scopes, Rate: o.Rate, Burst: o.Burst,
		Created: now, Expires: o.Expires.UTC().Truncate(time.Millisecond), Secret: sha256.Sum256(secret[:]),
	}
	if o.Expires.IsZero() {
		m.Expires = time.Time{}
	}
	if err := k.store.AddMachine(ctx, m); err != nil {
		return Machine{}, "", fmt.Errorf("access: keep new key: %w", err)
	}
	if err := k.Reload(ctx); err != nil {
		return Machine{}, "", err
	}
	return m, prefix + m.ID + "_" + letters.EncodeToString(secret[:]), nil
}

// List returns every machine that ever had a key, by the time of its making.
func (k *Keys) List(ctx context.Context) ([]Machine, error) {
	ms, err := k.store.Machines(ctx)
	if err != nil {
		return nil, fmt.Errorf("access: list keys: %w", err)
	}
	return ms, nil
}

// Revoke ends a key, at once.
func (k *Keys) Revoke(ctx context.Context, id string) error {
	if err := k.store.RevokeMachine(ctx, id, k.now().UTC().Truncate(time.Millisecond)); err != nil {
		return fmt.Errorf("access: revoke key %q: %w", id, err)
	}
	return k.Reload(ctx)
}

// Visitor is a machine whose key was checked, for one request.
type Visitor struct {
	Machine
	limit *rate.Limiter
	at    time.Time
}

// Take counts n events against the key's rate. Its error is a *Busy: nothing was taken. Require takes one; a batch takes the rest.
// A batch over the burst could never pass at once: its error wraps vedette.ErrTooLarge instead.
func (v *Visitor) Take(n int) error {
	if v.limit == nil || n <= 0 {
		return nil
	}
	if n > v.limit.Burst() {
		return fmt.Errorf("access: %d events at once, key %s may send %d: %w", n, v.ID, v.limit.Burst(), vedette.ErrTooLarge)
	}
	if v.limit.AllowN(v.at, n) {
		return nil
	}
	missing := float64(n) - v.limit.TokensAt(v.at)
	return &Busy{What: "key " + v.ID + " is over its rate", After: time.Duration(missing / float64(v.limit.Limit()) * float64(time.Second))}
}

// Check finds the machine behind a key. Its error is ErrKey for a key that we never made, and otherwise says what ended it.
// The secret is compared in constant time; a key's id is no secret.
func (k *Keys) Check(key string) (*Visitor, error) {
	rest, ok := strings.CutPrefix(key, prefix)
	id, text, ok2 := strings.Cut(rest, "_")
	var secret [33]byte
	if !ok || !ok2 || len(text) != letters.EncodedLen(32) {
		return nil, ErrKey
	}
	if n, err := letters.Decode(secret[:], []byte(text)); err != nil || n != 32 {
		return nil, ErrKey
	}
	sum := sha256.Sum256(secret[:32])
	e := (*k.table.Load())[id]
	if e == nil {
		e = &nobody
	}
	if subtle.ConstantTimeCompare(sum[:], e.machine.Secret[:]) != 1 || e == &nobody {
		return nil, ErrKey
	}
	now := k.now()
	if err := e.machine.Live(now); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return &Visitor{Machine: e.machine, limit: e.limit, at: now}, nil
}

var nobody entry

type visitorKey struct{}

// From returns the visitor that Require let in. It is nil outside of Require.
func From(ctx context.Context) *Visitor {
	v, _ := ctx.Value(visitorKey{}).(*Visitor)
	return v
}

// Require lets in only who has a live key with every scope asked for, and counts one event against its rate.
func (k *Keys) Require(scope Scope, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v, err := k.Admit(r, scope)
		if err != nil {
			Problem(w, r, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), visitorKey{}, v)))
	})
}

// Admit is Require for doors that are not handlers.
func (k *Keys) Admit(r *http.Request, scope Scope) (*Visitor, error) {
	kind, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(kind, "Bearer") {
		return nil, fmt.Errorf("%w: send Authorization: Bearer vdk_…", ErrKey)
	}
	v, err := k.Check(strings.TrimSpace(key))
	if err != nil {
		return nil, err
	}
	if !v.Scopes.Has(scope) {
		return nil, fmt.Errorf("access: key %s may %s, this needs %s: %w", v.ID, v.Scopes, scope, vedette.ErrForbidden)
	}
	return v, v.Take(1)
}
