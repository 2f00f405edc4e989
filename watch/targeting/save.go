package targeting

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"vedette"
)

// ErrDamaged says that a saved detector is not what was saved, or was sealed with another key.
var ErrDamaged = fmt.Errorf("targeting: the saved state is damaged: %w", vedette.ErrInvalid)

// The first line says the version, and whether what follows is sealed.
const (
	savedOpen   = "vedette targeting 2 open\n"
	savedSealed = "vedette targeting 2 seal\n"
)

// Save appends everything to b. The same events give the same bytes. With a key all of it is sealed: it tells whom strangers reached, and of whom something was
// made because they asked for protection.
func (d *Detector) Save(b []byte) []byte {
	c := codec{}
	d.all(&c)
	if len(d.known.Key) == 0 {
		from := len(b)
		b = append(append(b, savedOpen...), c.b...)
		sum := sha256.Sum256(b[from:])
		return append(b, sum[:]...)
	}
	aead, nonce := sealer(d.known.Key)
	n := nonce(c.b)
	b = append(append(b, savedSealed...), n...)
	return aead.Seal(b, n, c.b, []byte(savedSealed))
}

// sealer makes an AES-256-GCM whose nonce is a keyed digest of what is sealed: the same state is sealed to the same bytes, and two states never under one nonce.
func sealer(key []byte) (cipher.AEAD, func([]byte) []byte) {
	derive := func(label string, b []byte) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(label))
		h.Write(b)
		return h.Sum(nil)
	}
	block, err := aes.NewCipher(derive("vedette targeting seal", nil))
	if err != nil {
		panic("targeting: " + err.Error()) // cannot happen: 32 bytes
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic("targeting: " + err.Error()) // cannot happen
	}
	return aead, func(b []byte) []byte { return derive("vedette targeting nonce", b)[:aead.NonceSize()] }
}

// Restore makes the detector that Save saved, with the same key. What the team sets today holds from now on; Memory must be what it was. Its error wraps
// vedette.ErrInvalid.
func Restore(cfg Config, known Known, b []byte) (*Detector, error) {
	d, err := New(cfg, known)
	if err != nil {
		return nil, err
	}
	if len(b) < len(savedOpen)+sha256.Size {
		return nil, fmt.Errorf("targeting: too short: %w", ErrDamaged)
	}
	head, body := string(b[:len(savedOpen)]), b[len(savedOpen):]
	switch {
	case head == savedSealed && len(known.Key) == 32:
		aead, _ := sealer(known.Key)
		if body, err = aead.Open(nil, body[:aead.NonceSize()], body[aead.NonceSize():], []byte(savedSealed)); err != nil {
			return nil, fmt.Errorf("targeting: seal: %w", ErrDamaged)
		}
	case head == savedOpen && len(known.Key) == 0:
		n := len(b) - sha256.Size
		if sum := sha256.Sum256(b[:n]); string(sum[:]) != string(b[n:]) {
			return nil, fmt.Errorf("targeting: checksum: %w", ErrDamaged)
		}
		body = b[len(savedOpen):n]
	default:
		return nil, fmt.Errorf("targeting: not a saved state of version 2, or sealed where no key is, or open where one is: %w", ErrDamaged)
	}
	c := codec{b: body, reading: true}
	d.all(&c)
	if c.bad || len(c.b) != 0 {
		return nil, fmt.Errorf("targeting: its parts do not fit: %w", ErrDamaged)
	}
	d.budget.Promised = d.cfg.PerWeek
	d.das.dirty = true
	d.ready()
	return d, nil
}

// codec writes or reads: one description of the form serves both, so that they cannot differ.
type codec struct {
	b       []byte
	reading bool
	bad     bool
}

func (c *codec) fail() { c.b, c.bad = nil, true }

func (c *codec) raw(b []byte) {
	switch {
	case !c.reading:
		c.b = append(c.b, b...)
	case len(c.b) < len(b):
		c.fail()
	default:
		c.b = c.b[copy(b, c.b):]
	}
}

type integer interface {
	~int | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32 | ~uint64
}

func num[T integer](c *codec, to ...*T) {
	for _, p := range to {
		if !c.reading {
			c.b = binary.AppendVarint(c.b, int64(*p))
			continue
		}
		v, n := binary.Varint(c.b)
		if *p = T(v); n <= 0 || int64(*p) != v {
			c.fail()
			return
		}
		c.b = c.b[n:]
	}
}

func (c *codec) yes(to ...*bool) {
	for _, p := range to {
		v := uint8(0)
		if *p {
			v = 1
		}
		num(c, &v)
		if v > 1 {
			c.fail()
		}
		*p = v == 1
	}
}

func (c *codec) float(p *float64) {
	v := math.Float64bits(*p)
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], v)
	c.raw(b[:])
	*p = math.Float64frombits(binary.LittleEndian.Uint64(b[:]))
}

// when writes a moment in milliseconds; the zero one is its own.
func (c *codec) when(p *time.Time) {
	ms := int64(math.MinInt64)
	if !p.IsZero() {
		ms = p.UnixMilli()
	}
	num(c, &ms)
	if *p = (time.Time{}); ms != math.MinInt64 {
		*p = time.UnixMilli(ms).UTC()
	}
}

func (c *codec) text(p *string) {
	n := len(*p)
	num(c, &n)
	if n < 0 || c.reading && n > len(c.b) {
		c.fail()
		return
	}
	if c.reading {
		*p, c.b = string(c.b[:n]), c.b[n:]
	} else {
		c.b = append(c.b, *p...)
	}
}

// list writes or reads as many things as there are; each takes a byte at least.
func list[T any](c *codec, p *[]T, each func(*T)) {
	n := len(*p)
	num(c, &n)
	if c.reading {
		if n < 0 || n > len(c.b) {
			c.fail()
			return
		}
		if *p = nil; n > 0 {
			*p = make([]T, n)
		}
	}
	for i := range *p {
		if each(&(*p)[i]); c.bad {
			return
		}
	}
}

func (c *codec) token(t *vedette.Token) {
	num(c, &t.Kind)
	num(c, &t.Epoch)
	c.raw(t.Bytes[:])
}

func (c *codec) accounts(p *[]vedette.AccountID) {
	list(c, p, func(a *vedette.AccountID) { c.raw(a[:]) })
}

func (c *codec) finding(f *vedette.Finding) {
	var b []byte
	if !c.reading {
		var err error
		if b, err = json.Marshal(f); err != nil {
			panic("targeting: a finding has no JSON: " + err.Error()) // cannot happen
		}
	}
	s := string(b)
	if c.text(&s); c.reading && !c.bad && json.Unmarshal([]byte(s), f) != nil {
		c.fail()
	}
}

func (c *codec) contact(x *Contact) {
	c.raw(x.Sender[:])
	c.raw(x.Recipient[:])
	c.token(&x.Token)
	c.raw(x.Event[:])
	num(c, &x.Way)
	for i := range x.Bits {
		num(c, &x.Bits[i])
	}
	num(c, &x.Missing, &x.hour)
	num(c, &x.Discount)
	num(c, &x.Score, &x.Dominance)
	c.raw(x.Cell[:])
	num(c, &x.stratum)
	num(c, &x.cell)
	c.yes(&x.fresh)
	c.raw(x.bins[:])
	if x.stratum >= strata {
		c.fail()
	}
}

// all is the form of what is saved.
func (d *Detector) all(c *codec) {
	c.text(&d.silent)
	c.when(&d.begun)
	c.yes(&d.akin)
	num(c, &d.halved)
	for i := range d.tails.c {
		for s := range d.tails.c[i] {
			num(c, &d.tails.n[i][s])
			for b := range d.tails.c[i][s] {
				num(c, &d.tails.c[i][s][b])
			}
		}
	}
	d.dominated(c)
	list(c, &d.pending, c.note)
	d.remembered(c)
	b := &d.budget
	c.float(&b.Measured)
	c.float(&b.Weeks)
	for q := range queues {
		num(c, &b.Bounds[q])
		num(c, &b.Alerts[q], &b.False[q])
	}
	c.when(&b.Set)
	c.when(&b.next)
	c.text(&b.Cold)
	var as []Alert
	for _, a := range d.alerts {
		as = append(as, *a)
	}
	list(c, &as, func(a *Alert) {
		c.raw(a.ID[:])
		c.when(&a.At)
		num(c, &a.Queue)
		num(c, &a.Score)
		num(c, &a.Judged)
		c.finding(&a.Finding)
		c.accounts(&a.Reached)
		if a.Queue >= queues {
			c.fail()
		}
	})
	if c.reading {
		for i := range as {
			d.alerts = append(d.alerts, &as[i])
		}
	}
	d.unit(c)
	list(c, &d.found, c.finding)
}

func (c *codec) note(n *noted) {
	num(c, &n.stratum)
	num(c, &n.cell)
	c.yes(&n.regret, &n.back)
	c.raw(n.bins[:])
	if n.stratum >= strata {
		c.fail()
	}
	for _, b := range n.bins {
		if b >= bins && b != absent {
			c.fail()
		}
	}
}

// dominated is sparse: most combinations never come.
func (d *Detector) dominated(c *codec) {
	type one struct {
		at uint16
		n  uint32
	}
	var some []one
	for i, n := range d.das.count {
		if n > 0 {
			some = append(some, one{uint16(i), n})
		}
	}
	num(c, &d.das.n)
	list(c, &some, func(x *one) {
		num(c, &x.at)
		num(c, &x.n)
		d.das.count[x.at] = x.n
	})
}

// remembered are the rings, the oldest first.
func (d *Detector) remembered(c *codec) {
	looks := ordered(d.looks.ring, d.looks.next, d.looks.size)
	list(c, &looks, func(x *look) {
		c.raw(x.asker[:])
		c.raw(x.target[:])
		num(c, &x.hour)
	})
	links := ordered(d.pairs.ring, d.pairs.next, d.pairs.size)
	list(c, &links, func(x *pair) {
		var b [16]byte
		binary.LittleEndian.PutUint64(b[:8], x.link)
		binary.LittleEndian.PutUint64(b[8:], x.people)
		c.raw(b[:])
		x.link, x.people = binary.LittleEndian.Uint64(b[:8]), binary.LittleEndian.Uint64(b[8:])
		num(c, &x.hour)
	})
	if c.reading {
		for i := range looks {
			d.looks.add(looks[i].asker, looks[i].target, looks[i].hour)
		}
		for i := range links {
			d.pairs.add(links[i])
		}
	}
	list(c, &d.groups.list, func(p **adding) {
		if c.reading {
			*p = new(adding)
		}
		a := *p
		c.raw(a.group[:])
		c.raw(a.by[:])
		c.accounts(&a.members)
		num(c, &a.hour)
		if c.reading {
			d.groups.of[a.group] = a
		}
	})
}

// ordered are the entries of a ring from the oldest on.
func ordered[T any](ring []T, next uint64, size int) []T {
	if len(ring) < size {
		return slices.Clone(ring)
	}
	at := int((next - 1) % uint64(size))
	return append(slices.Clone(ring[at:]), ring[:at]...)
}

func (d *Detector) unit(c *codec) {
	list(c, &d.units.list, func(p **Unit) {
		if c.reading {
			*p = new(Unit)
		}
		u := *p
		if c.yes(&u.gone); u.gone {
			return // its place alone
		}
		num(c, &u.Hour)
		c.contact(&u.Best)
		num(c, &u.Score, &u.Top, &u.told)
		c.yes(&u.Linked, &u.counted, &u.incident, &u.sequel, &u.followed)
		c.accounts(&u.Senders)
		list(c, &u.After, func(y *bool) { c.yes(y) })
		c.accounts(&u.Reached)
		list(c, &u.hours, func(h *uint32) { num(c, h) })
		list(c, &u.Tokens, c.token)
		list(c, &u.Basis, func(e *vedette.EventID) { c.raw(e[:]) })
		c.raw(u.first[:])
		list(c, &u.keys, func(k *name32) { c.raw(k[:]) })
		num(c, &u.people, &u.before, &u.protected)
		c.accounts(&u.shielded)
		list(c, &u.notes, c.note)
		num(c, &u.regret)
		at := slices.Index(d.alerts, u.alert) // -1: none
		num(c, &at)
		if !c.reading {
			return
		}
		if at >= len(d.alerts) || at < -1 || len(u.hours) != len(u.Reached) || len(u.After) != len(u.Senders) {
			c.fail()
			return
		}
		if at >= 0 {
			u.alert = d.alerts[at]
		}
		for _, k := range u.keys {
			d.units.of[k] = u
		}
	})
	for q := range queues {
		list(c, &d.units.past[q], func(v *vedette.MilliBits) { num(c, v) })
	}
}
