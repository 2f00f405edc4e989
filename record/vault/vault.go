// Package vault knows who an account really is, and tells only a permit.
//
// In:     a platform's own ids of accounts, groups, devices, addresses and numbers; the names in links.
// Out:    random surrogates for the first, keyed digests and tokens for the rest; an identity only to a permit.
// Keeps:  for each id one sealed pair (id to surrogate, surrogate to id with the person's seed and end of enrolment), in a Store; a bounded
//
//	cache of surrogates, never of ids. Root keys lie outside the data folder.
//
// Fails:  errors wrap the kinds of package vedette and never hold an id; a wrong key is found when the vault is opened; what was erased is
//
//	never told again, and the same id gets another surrogate.
//
// Source: docs/decisions/0009-vault.md, docs/formats/token.md, RFC 5869 (HKDF), NIST SP 800-38D (GCM)
package vault

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"vedette"
	"vedette/record/authority"
)

// Vault holds the mapping of one data folder. It is safe for concurrent use.
type Vault struct {
	store    Store
	keys     Keys
	clock    func() time.Time
	recorder authority.Recorder
	half     int // entries of one generation of one shard

	numbers  bool          // surrogates are numbered, not random
	numbered atomic.Uint64 // the last number used

	issued atomic.Uint64 // surrogates issued since the start
	synced atomic.Uint64 // of those, how many are surely durable
	flush  chan struct{} // holds one token: who has it may write what is pending
	shreds chan struct{} // holds one token: who has it may delete, and takes the mark away when all is shredded. Taken before flush.

	mu      sync.Mutex
	sealers map[vedette.Tenant]*Sealer
}

// Option changes how a vault is opened.
type Option func(*Vault)

// WithClock hands in the clock against which permits and enrolments are checked. Without it every permit is refused.
func WithClock(now func() time.Time) Option { return func(v *Vault) { v.clock = now } }

// WithRecorder hands in the record of what was asked of the vault. Without it no identity is opened and nobody is erased.
func WithRecorder(r authority.Recorder) Option { return func(v *Vault) { v.recorder = r } }

// WithCache bounds the surrogates kept in memory, for each tenant. Default 1,048,576, about 60 bytes each; it grows with use.
func WithCache(entries int) Option { return func(v *Vault) { v.half = max(1, entries/shards/2) } }

// WithNumbers makes new surrogates from the order in which ids are first seen, for replays: two replays of one file, each in a folder of its
// own, then give the same surrogates, and so the same estimates of how many distinct ones there are. A number says nothing about who is
// meant but that order; like a random surrogate, it means nobody once the mapping is erased. It is never used twice, also across a crash, and
// the order is kept across a crash when no id is sealed while Sync runs.
func WithNumbers() Option { return func(v *Vault) { v.numbers = true } }

var (
	checkKey  = []byte("k")
	numberKey = []byte("n")
)

// numberedSurrogate is the surrogate with a number. The key is published: it hides nothing, it only spreads.
func numberedSurrogate(kind Kind, n uint64) [16]byte {
	h := hmac.New(sha256.New, []byte("vedette numbered surrogate 1"))
	h.Write(binary.BigEndian.AppendUint64([]byte{byte(kind)}, n))
	return [16]byte(h.Sum(nil)[:16])
}

// Open opens the vault in a store. Its error is ErrWrongKey when the store was filled under another key: nothing was changed then.
func Open(store Store, keys Keys, options ...Option) (*Vault, error) {
	if !keys.set {
		return nil, fmt.Errorf("vault: open: no key: %w", vedette.ErrInvalid)
	}
	v := &Vault{store: store, keys: keys, half: 1 << 20 / shards / 2, flush: make(chan struct{}, 1), sealers: map[vedette.Tenant]*Sealer{}}
	for _, o := range options {
		o(v)
	}
	v.shreds = make(chan struct{}, 1)
	v.flush <- struct{}{}
	v.shreds <- struct{}{}
	ctx := context.Background()
	h := hmac.New(sha256.New, keys.derive("", "check"))
	h.Write([]byte("vedette vault 1"))
	want := h.Sum(nil)[:16]
	got, err := store.Get(ctx, checkKey)
	switch {
	case errors.Is(err, vedette.ErrUnknown):
		if err := store.Apply(ctx, []Change{{checkKey, want}}); err != nil {
			return nil, fmt.Errorf("vault: open: %w", err)
		}
	case err != nil:
		return nil, fmt.Errorf("vault: open: %w", err)
	case subtle.ConstantTimeCompare(got, want) != 1:
		return nil, fmt.Errorf("%w (tried the %s)", ErrWrongKey, keys)
	}
	// A crash between deleting and shredding leaves the mark: finish what was begun.
	if _, err := store.Get(ctx, shredKey); err == nil {
		if err := v.shred(ctx); err != nil {
			return nil, err
		}
	} else if !errors.Is(err, vedette.ErrUnknown) {
		return nil, fmt.Errorf("vault: open: %w", err)
	}
	if v.numbers {
		b, err := store.Get(ctx, numberKey)
		switch {
		case err == nil && len(b) == 8:
			v.numbered.Store(binary.BigEndian.Uint64(b))
		case err == nil:
			return nil, fmt.Errorf("vault: open: the last number has %d bytes: %w", len(b), vedette.ErrUnavailable)
		case !errors.Is(err, vedette.ErrUnknown):
			return nil, fmt.Errorf("vault: open: %w", err)
		}
	}
	return v, nil
}

// Unprotected tells that the root key lies in the data folder.
func (v *Vault) Unprotected() bool { return v.keys.Unprotected() }

// Tenant returns the sealer of a tenant, always the same one. Its error wraps vedette.ErrInvalid.
func (v *Vault) Tenant(t vedette.Tenant) (*Sealer, error) {
	if _, err := vedette.ParseTenant(string(t)); err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	s := v.sealers[t]
	if s == nil {
		s = newSealer(v, t)
		v.sealers[t] = s
	}
	return s, nil
}

func (v *Vault) all() []*Sealer {
	v.mu.Lock()
	defer v.mu.Unlock()
	out := make([]*Sealer, 0, len(v.sealers))
	for _, s := range v.sealers {
		out = append(out, s)
	}
	return out
}

// Sync returns nil once every surrogate issued before the call is durable. Callers share one write. When it fails, the surrogates stay
// pending and the next call tries again: no event that uses one may be kept until then. Its error wraps vedette.ErrUnavailable, or is ctx's.
func (v *Vault) Sync(ctx context.Context) error {
	want := v.issued.Load()
	if v.synced.Load() >= want {
		return nil
	}
	if err := take(ctx, v.flush); err != nil {
		return err
	}
	defer func() { v.flush <- struct{}{} }()
	if v.synced.Load() >= want { // somebody else's write took ours with it
		return nil
	}
	return v.syncLocked(ctx)
}

// take takes a token, or returns ctx's error.
func take(ctx context.Context, c chan struct{}) error {
	select {
	case <-c:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("vault: %w", ctx.Err())
	}
}

// syncLocked writes what is pending. The caller holds the flush token.
func (v *Vault) syncLocked(ctx context.Context) error {
	upto := v.issued.Load() // read before the shards: an issue is counted under its shard's lock, so all of these are found there
	var taken []takenPending
	for _, s := range v.all() {
		for i := range s.forward {
			sh := &s.forward[i]
			sh.mu.Lock()
			for k, p := range sh.pending {
				taken = append(taken, takenPending{s, sh, k, p})
			}
			sh.mu.Unlock()
		}
	}
	changes := make([]Change, 0, 2*len(taken))
	for _, t := range taken {
		changes = t.sealer.record(changes, t.key, t.pending)
	}
	if len(changes) > 0 {
		if v.numbers { // read after all that is taken was numbered
			changes = append(changes, Change{numberKey, binary.BigEndian.AppendUint64(nil, v.numbered.Load())})
		}
		if err := v.store.Apply(ctx, changes); err != nil {
			return fmt.Errorf("vault: sync: %w: %w", vedette.ErrUnavailable, err)
		}
	}
	for _, t := range taken {
		t.shard.mu.Lock()
		delete(t.shard.pending, t.key)
		t.shard.version++
		t.shard.put(t.key, t.pending.surrogate)
		t.shard.mu.Unlock()
	}
	v.synced.Store(upto)
	return nil
}

type takenPending struct {
	sealer  *Sealer
	shard   *forwardShard
	key     [16]byte
	pending pending
}

// now is the time against which a permit is checked. No clock: the far future, in which every permit has ended.
func (v *Vault) now() time.Time {
	if v.clock == nil {
		return time.Unix(1<<40, 0)
	}
	return v.clock()
}
