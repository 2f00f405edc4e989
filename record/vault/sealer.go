package vault

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"net/netip"
	"sync"
	"time"

	"vedette"
)

// Sealer turns one tenant's ids into surrogates. It is safe for concurrent use.
type Sealer struct {
	v      *Vault
	tenant vedette.Tenant

	lookup prf // kind and id to the key in the store
	sealer prf // key in the store to the key of its value
	events prf
	bytes  prf
	risk   prf // surrogate to the key of its enrolment

	forward [shards]forwardShard
	reverse [shards]shard[person]

	tokens epochs
}

type forwardShard struct {
	shard[[16]byte]
	pending map[[16]byte]pending // issued, not yet durable
}

// pending is a surrogate that only memory knows.
type pending struct {
	kind      Kind
	raw       string
	surrogate [16]byte
	seed      [32]byte // accounts only
}

// person is what the reverse direction of the mapping holds.
type person struct {
	lookup [16]byte
	seed   [32]byte
	risk   int64 // Unix seconds until which the person is enrolled; 0: not
}

func newSealer(v *Vault, t vedette.Tenant) *Sealer {
	s := &Sealer{v: v, tenant: t}
	s.lookup.key = v.keys.derive(t, "lookup")
	s.sealer.key = v.keys.derive(t, "seal")
	s.events.key = v.keys.derive(t, "event")
	s.bytes.key = v.keys.derive(t, "bytes")
	s.risk.key = v.keys.derive(t, "risk")
	for i := range s.forward {
		s.forward[i].half = v.half
		s.reverse[i].half = max(1, v.half/8) // asked by followers and for enrolment, less often than the other
	}
	return s
}

// prf is HMAC-SHA256 under one key, with its inner states kept ready.
type prf struct {
	key  []byte
	pool sync.Pool
}

type mac struct {
	h   hash.Hash
	buf []byte
	sum [32]byte
}

func (p *prf) begin() *mac {
	m, _ := p.pool.Get().(*mac)
	if m == nil {
		return &mac{h: hmac.New(sha256.New, p.key), buf: make([]byte, 0, 320)}
	}
	m.h.Reset()
	m.buf = m.buf[:0]
	return m
}

// end computes the digest of the buffer and gives the state back.
func (p *prf) end(m *mac) [32]byte {
	m.h.Write(m.buf)
	m.h.Sum(m.sum[:0])
	sum := m.sum
	if cap(m.buf) <= 1<<14 {
		p.pool.Put(m)
	}
	return sum
}

func (p *prf) string(head byte, s string) [32]byte {
	m := p.begin()
	m.buf = append(m.buf, head)
	m.buf = append(m.buf, s...)
	return p.end(m)
}

func (p *prf) sum(b []byte) [32]byte {
	m := p.begin()
	m.buf = append(m.buf, b...)
	return p.end(m)
}

// Account returns the surrogate of an account. Its error wraps vedette.ErrInvalid (an empty or long id) or vedette.ErrUnavailable.
func (s *Sealer) Account(raw string) (vedette.AccountID, error) {
	id, err := s.surrogate(KindAccount, raw)
	return vedette.AccountID(id), err
}

// Group returns the surrogate of a group. Its errors are Account's.
func (s *Sealer) Group(raw string) (vedette.GroupID, error) {
	id, err := s.surrogate(KindGroup, raw)
	return vedette.GroupID(id), err
}

// Device returns the surrogate of a device. Its errors are Account's.
func (s *Sealer) Device(raw string) (vedette.DeviceID, error) {
	id, err := s.surrogate(KindDevice, raw)
	return vedette.DeviceID(id), err
}

// Network returns the surrogate of an address, IPv6 by its /64. Its errors are Account's.
func (s *Sealer) Network(addr netip.Addr) (vedette.NetworkID, error) {
	name, err := network(addr)
	if err != nil {
		return vedette.NetworkID{}, err
	}
	id, err := s.find(KindNetwork, name, name)
	return vedette.NetworkID(id), err
}

// Block returns the surrogate of the block of one hundred that a phone number lies in. Its errors are Account's; a number begins with +.
func (s *Sealer) Block(e164 string) (vedette.NetworkID, error) {
	name, err := same(KindBlock, e164)
	if err != nil {
		return vedette.NetworkID{}, err
	}
	id, err := s.find(KindBlock, name, name) // the block is kept, never the number
	return vedette.NetworkID(id), err
}

// EventID returns the keyed digest of the platform's own event id.
func (s *Sealer) EventID(raw string) vedette.EventID {
	sum := s.events.string(0, raw)
	return vedette.EventID(sum[:16])
}

// Bytes returns the keyed digest of bytes received.
func (s *Sealer) Bytes(b []byte) vedette.Digest { return s.bytes.sum(b) }

func (s *Sealer) surrogate(kind Kind, raw string) ([16]byte, error) {
	name, err := same(kind, raw)
	if err != nil {
		return [16]byte{}, err
	}
	return s.find(kind, name, raw)
}

func (s *Sealer) lookupKey(kind Kind, name string) [16]byte {
	sum := s.lookup.string(byte(kind), name)
	return [16]byte(sum[:16])
}

// find returns the surrogate of a name, from memory, from the store, or a new one.
func (s *Sealer) find(kind Kind, name, raw string) ([16]byte, error) {
	k := s.lookupKey(kind, name)
	sh := &s.forward[k[0]%shards]
	for {
		sh.mu.Lock()
		id, ok := sh.known(k)
		version := sh.version
		sh.mu.Unlock()
		if ok {
			return id, nil
		}
		id, err := s.load(context.Background(), kind, k)
		known := err == nil
		if err != nil && !errors.Is(err, vedette.ErrUnknown) {
			return [16]byte{}, err
		}
		sh.mu.Lock()
		if now, ok := sh.known(k); ok {
			sh.mu.Unlock()
			return now, nil
		}
		if sh.version != version { // something was erased or became durable meanwhile: what the store said may be over
			sh.mu.Unlock()
			continue
		}
		if known {
			sh.put(k, id)
		} else {
			p := pending{kind: kind, raw: raw}
			if s.v.numbers {
				p.surrogate = numberedSurrogate(kind, s.v.numbered.Add(1))
			}
			for p.surrogate == ([16]byte{}) { // zero means absent
				_, _ = rand.Read(p.surrogate[:])
			}
			if kind == KindAccount {
				_, _ = rand.Read(p.seed[:])
			}
			if sh.pending == nil {
				sh.pending = make(map[[16]byte]pending)
			}
			sh.pending[k] = p
			id = p.surrogate
			s.v.issued.Add(1) // under the lock: see syncLocked
		}
		sh.mu.Unlock()
		return id, nil
	}
}

func (sh *forwardShard) known(k [16]byte) ([16]byte, bool) {
	if id, ok := sh.get(k); ok {
		return id, true
	}
	p, ok := sh.pending[k]
	return p.surrogate, ok
}

// The store's keys: direction, tenant, zero, kind, and 16 bytes that tell nothing.
func (s *Sealer) storeKey(direction byte, kind Kind, id [16]byte) []byte {
	b := make([]byte, 0, 3+len(s.tenant)+16)
	b = append(b, direction)
	b = append(b, s.tenant...)
	b = append(b, 0, byte(kind))
	return append(b, id[:]...)
}

const (
	forwardKey = 'f' // lookup key to surrogate and id
	reverseKey = 'r' // surrogate to lookup key, seed, enrolment
)

// record adds the two sealed directions of a new surrogate.
func (s *Sealer) record(changes []Change, k [16]byte, p pending) []Change {
	f, r := s.storeKey(forwardKey, p.kind, k), s.storeKey(reverseKey, p.kind, p.surrogate)
	plain := make([]byte, 0, 17+2+MaxName)
	plain = append(plain, p.surrogate[:]...)
	plain = binary.BigEndian.AppendUint16(plain, uint16(len(p.raw)))
	plain = append(plain, p.raw...)
	for len(plain)%32 != 0 { // the length of an id tells something of it
		plain = append(plain, 0)
	}
	return append(changes,
		Change{f, s.seal(f, plain)},
		Change{r, s.sealPerson(p.kind, p.surrogate, person{lookup: k, seed: p.seed})})
}

// sealPerson seals the reverse direction. Every account's has the same length, enrolled or not, so that the disk does not tell them apart.
func (s *Sealer) sealPerson(kind Kind, surrogate [16]byte, p person) []byte {
	plain := append(make([]byte, 0, 16+32+riskLen), p.lookup[:]...)
	if kind == KindAccount {
		plain = append(plain, p.seed[:]...)
		plain = s.hideRisk(plain, surrogate, p.risk)
	}
	return s.seal(s.storeKey(reverseKey, kind, surrogate), plain)
}

const sealed1 = 1 // version of a sealed value: version, 12 random bytes, AES-256-GCM of the rest

// seal encrypts under a key of that record alone, so that random nonces never come near a key's limit (SP 800-38D §8.3). The record's key in the
// store is authenticated with it: a value moved elsewhere does not open.
func (s *Sealer) seal(key, plain []byte) []byte {
	out := make([]byte, 13, 13+len(plain)+16)
	out[0] = sealed1
	_, _ = rand.Read(out[1:])
	return aead(s.sealer.sum(key)).Seal(out, out[1:13], plain, key)
}

var errSealBroken = fmt.Errorf("vault: a sealed value does not open: %w", vedette.ErrUnavailable)

func (s *Sealer) open(key, value []byte) ([]byte, error) {
	if len(value) < 13+16 || value[0] != sealed1 {
		return nil, errSealBroken
	}
	plain, err := aead(s.sealer.sum(key)).Open(nil, value[1:13], value[13:], key)
	if err != nil {
		return nil, errSealBroken
	}
	return plain, nil
}

func aead(key [32]byte) cipher.AEAD {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic("vault: AES with a 32-byte key: " + err.Error()) // cannot happen
	}
	g, err := cipher.NewGCM(block)
	if err != nil {
		panic("vault: GCM over AES: " + err.Error()) // cannot happen
	}
	return g
}

// load reads a surrogate from the store.
func (s *Sealer) load(ctx context.Context, kind Kind, k [16]byte) ([16]byte, error) {
	id, _, err := s.loadRaw(ctx, kind, k)
	return id, err
}

func (s *Sealer) loadRaw(ctx context.Context, kind Kind, k [16]byte) (id [16]byte, raw string, err error) {
	key := s.storeKey(forwardKey, kind, k)
	value, err := s.v.store.Get(ctx, key)
	if err != nil {
		return id, "", unavailable(err)
	}
	plain, err := s.open(key, value)
	if err != nil {
		return id, "", err
	}
	if len(plain) < 18 || len(plain) < 18+int(binary.BigEndian.Uint16(plain[16:])) {
		return id, "", errSealBroken
	}
	return [16]byte(plain[:16]), string(plain[18 : 18+binary.BigEndian.Uint16(plain[16:])]), nil
}

// unavailable gives a store's failure its kind. That there is no such key is no failure.
func unavailable(err error) error {
	if errors.Is(err, vedette.ErrUnknown) || errors.Is(err, vedette.ErrUnavailable) {
		return fmt.Errorf("vault: %w", err)
	}
	return fmt.Errorf("vault: %w: %w", vedette.ErrUnavailable, err)
}

// person reads the reverse direction, from memory or from the store. Its error wraps vedette.ErrUnknown when there is none.
func (s *Sealer) person(ctx context.Context, kind Kind, surrogate [16]byte) (person, error) {
	sh := &s.reverse[surrogate[0]%shards]
	for {
		sh.mu.Lock()
		p, ok := sh.get(surrogate)
		version := sh.version
		sh.mu.Unlock()
		if ok {
			return p, nil
		}
		p, err := s.loadPerson(ctx, kind, surrogate)
		if err != nil {
			return person{}, err
		}
		sh.mu.Lock()
		if sh.version != version {
			sh.mu.Unlock()
			continue
		}
		if kind == KindAccount {
			sh.put(surrogate, p)
		}
		sh.mu.Unlock()
		return p, nil
	}
}

func (s *Sealer) loadPerson(ctx context.Context, kind Kind, surrogate [16]byte) (person, error) {
	key := s.storeKey(reverseKey, kind, surrogate)
	value, err := s.v.store.Get(ctx, key)
	if err != nil {
		return person{}, unavailable(err)
	}
	plain, err := s.open(key, value)
	if err != nil {
		return person{}, err
	}
	switch {
	case kind != KindAccount && len(plain) == 16:
		return person{lookup: [16]byte(plain)}, nil
	case kind == KindAccount && len(plain) == 16+32+riskLen:
		return person{lookup: [16]byte(plain), seed: [32]byte(plain[16:48]), risk: s.showRisk(surrogate, plain[48:])}, nil
	}
	return person{}, errSealBroken
}

// Seed returns the random seed of a person's seals, once the surrogate is durable. False: there is none, or it was erased with the person, or
// the store failed. Who must tell the last apart (a seal over a failed read would be an erasure that nobody asked for) asks SeedOf.
func (s *Sealer) Seed(account vedette.AccountID) ([32]byte, bool) {
	seed, err := s.SeedOf(context.Background(), account)
	return seed, err == nil
}

// SeedOf returns the random seed of a person's seals. Its error wraps vedette.ErrUnknown when there is none or it was erased, and
// vedette.ErrUnavailable when the store failed.
func (s *Sealer) SeedOf(ctx context.Context, account vedette.AccountID) ([32]byte, error) {
	p, err := s.person(ctx, KindAccount, account)
	return p.seed, err
}

// riskLen is the length of a hidden enrolment: 12 random bytes and 8 of the time.
const riskLen = 12 + 8

// hideRisk encrypts an enrolment under the risk key, with HMAC as the stream: first random bytes, then the time under HMAC(surrogate || random bytes).
// It stands inside of a sealed value, which authenticates it. Its key is its own, so that who holds the sealing key alone cannot read it.
func (s *Sealer) hideRisk(dst []byte, surrogate [16]byte, until int64) []byte {
	var nonce [12]byte
	_, _ = rand.Read(nonce[:])
	return binary.BigEndian.AppendUint64(append(dst, nonce[:]...), uint64(until)^s.riskPad(surrogate, nonce[:]))
}

func (s *Sealer) showRisk(surrogate [16]byte, b []byte) int64 {
	return int64(binary.BigEndian.Uint64(b[12:]) ^ s.riskPad(surrogate, b[:12]))
}

func (s *Sealer) riskPad(surrogate [16]byte, nonce []byte) uint64 {
	m := s.risk.begin()
	m.buf = append(append(m.buf, surrogate[:]...), nonce...)
	sum := s.risk.end(m)
	return binary.BigEndian.Uint64(sum[:])
}

// AtRisk tells whether a person is enrolled at a time. A person unknown, erased or unreadable is not.
func (s *Sealer) AtRisk(account vedette.AccountID, at time.Time) bool {
	p, err := s.person(context.Background(), KindAccount, account)
	return err == nil && p.risk > at.Unix()
}
