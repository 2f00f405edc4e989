package response

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"vedette"
)

// Retention is how long a change is kept: as long as history, after which no sighting of its message is left either.
const Retention = 90 * 24 * time.Hour

// MaxChunk is how many changes or events an Outbox takes at once.
const MaxChunk = 1000

// Subscriber is somebody whom changes are delivered to: one address of one tenant's platform.
type Subscriber struct {
	Tenant vedette.Tenant
	Name   string // constant, 1 to 40 bytes
}

// Delivery is a change that a subscriber has still to get.
type Delivery struct {
	Changed
	Tries int       // so far
	First time.Time // of the tries; zero: none
	Next  time.Time // not before; zero: now
	Why   string    // the last try failed; constant texts, nothing that a peer sent
}

// Subscription is where a subscriber stands.
type Subscription struct {
	Upto     uint64    `json:"upto"`    // every change up to here was delivered or given up
	Waiting  int       `json:"waiting"` // changes after it that are neither
	Dead     int       `json:"dead"`    // given up, and kept
	Disabled time.Time `json:"disabled,omitzero"`
	Why      string    `json:"why,omitzero"` // of disabled
}

// Outbox keeps what has changed until everybody has it, in the order of each tenant. It is safe for concurrent use. Errors wrap the kinds of
// package vedette; what it returns belongs to the caller.
type Outbox interface {
	// Put appends changes of one or more tenants in order, all or none, durable when it returns, each with its tenant's next Seq. A change
	// whose ID is there already is left out. It returns how many were new. At most MaxChunk, else its error wraps vedette.ErrTooLarge.
	Put(ctx context.Context, changes []Changed) (int, error)
	// After returns a tenant's changes after a sequence number, in order, at most limit.
	After(ctx context.Context, seq uint64, tenant vedette.Tenant, limit int) ([]Changed, error)
	// Bounds returns the sequence numbers of a tenant's oldest kept change and of the last one ever put. No change kept: first is last plus one.
	Bounds(ctx context.Context, tenant vedette.Tenant) (first, last uint64, err error)
	// Wait returns nil once a tenant has a change after a sequence number, or ctx's error.
	Wait(ctx context.Context, after uint64, tenant vedette.Tenant) error
	// Of returns all changes of some of a tenant's messages, in order. At most MaxChunk events, else its error wraps vedette.ErrTooLarge.
	Of(ctx context.Context, tenant vedette.Tenant, events []vedette.EventID) ([]Changed, error)
	// Count returns how many of a tenant's changes were made at or after a time; by one cause, or by any where of is zero.
	Count(ctx context.Context, tenant vedette.Tenant, of vedette.Digest, since time.Time) (int, error)

	// Pending returns what a subscriber has still to get and may be tried at a time, in order, at most limit; a change whose message has an earlier
	// one still waiting is not among them. due is when the next of the others may be tried; zero: there are none.
	Pending(ctx context.Context, s Subscriber, at time.Time, limit int) (list []Delivery, due time.Time, err error)
	// Delivered says that the subscriber has a change. Failed says that a try failed, and when the next may be. Dead gives a change up for the
	// subscriber; it is kept for people. Each is durable when it returns; of a change that was settled already nothing changes.
	Delivered(ctx context.Context, s Subscriber, seq uint64, at time.Time) error
	Failed(ctx context.Context, s Subscriber, seq uint64, at, next time.Time, why string) error
	Dead(ctx context.Context, s Subscriber, seq uint64, at time.Time, why string) error
	// Letters returns what was given up for the subscriber, in order, at most limit. Revive lets one be tried again.
	// Its error wraps vedette.ErrUnknown when it was not given up.
	Letters(ctx context.Context, s Subscriber, limit int) ([]Delivery, error)
	Revive(ctx context.Context, s Subscriber, seq uint64) error
	// Disable ends deliveries to the subscriber until Enable. Subscription tells where it stands.
	Disable(ctx context.Context, s Subscriber, at time.Time, why string) error
	Enable(ctx context.Context, s Subscriber) error
	Subscription(ctx context.Context, s Subscriber) (Subscription, error)

	// Halt stops everything that leaves for a tenant until a time; the zero time lets it go on. Halted returns that time, or zero.
	Halt(ctx context.Context, tenant vedette.Tenant, until time.Time) error
	Halted(ctx context.Context, tenant vedette.Tenant) (time.Time, error)

	// Expire forgets changes made before a time, delivered or not, and what became of them. It returns how many.
	Expire(ctx context.Context, before time.Time) (int64, error)
}

// Memory is an Outbox that forgets at its end.
type Memory struct {
	mu      sync.Mutex // guards all below
	tenants map[vedette.Tenant]*box
	changed chan struct{} // closed and replaced at each Put that brought something
}

type box struct {
	changes []Changed // by Seq
	last    uint64
	ids     map[ChangeID]bool
	subs    map[string]*desktop
	halted  time.Time
}

// desktop is what a subscriber has still to get.
type desktop struct {
	upto     uint64 // all up to here are settled
	settled  map[uint64]bool
	tried    map[uint64]Delivery // without the change
	dead     map[uint64]Delivery
	disabled time.Time
	why      string
}

// NewMemory makes one.
func NewMemory() *Memory {
	return &Memory{tenants: map[vedette.Tenant]*box{}, changed: make(chan struct{})}
}

var _ Outbox = (*Memory)(nil)

func (m *Memory) box(t vedette.Tenant) *box {
	b := m.tenants[t]
	if b == nil {
		b = &box{ids: map[ChangeID]bool{}, subs: map[string]*desktop{}}
		m.tenants[t] = b
	}
	return b
}

func (m *Memory) desk(s Subscriber) (*box, *desktop) {
	b := m.box(s.Tenant)
	d := b.subs[s.Name]
	if d == nil {
		d = &desktop{settled: map[uint64]bool{}, tried: map[uint64]Delivery{}, dead: map[uint64]Delivery{}}
		b.subs[s.Name] = d
	}
	return b, d
}

func (c *Changed) clone() Changed {
	d := *c
	d.Reasons, d.Later = slices.Clone(c.Reasons), slices.Clone(c.Later)
	return d
}

// CheckPut says what is wrong with changes that are to be put: what every Outbox refuses.
func CheckPut(changes []Changed) error {
	if len(changes) > MaxChunk {
		return fmt.Errorf("response: put %d changes, at most %d: %w", len(changes), MaxChunk, vedette.ErrTooLarge)
	}
	for i := range changes {
		c := &changes[i]
		switch {
		case c.ID == ChangeID{} || c.Event == vedette.EventID{} || c.At.IsZero() || c.Cause == "":
			return fmt.Errorf("response: put change %d: without id, event, time or cause: %w", i+1, vedette.ErrInvalid)
		case max(c.Was, c.Is, c.Would, c.Asks, c.AsksWould) > vedette.Block:
			return fmt.Errorf("response: put change %d: no such verdict: %w", i+1, vedette.ErrInvalid)
		}
		if _, err := vedette.ParseTenant(string(c.Tenant)); err != nil {
			return fmt.Errorf("response: put change %d: %w", i+1, err)
		}
	}
	return nil
}

// Put implements Outbox.
func (m *Memory) Put(_ context.Context, changes []Changed) (int, error) {
	if err := CheckPut(changes); err != nil {
		return 0, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for i := range changes {
		c := changes[i].clone()
		b := m.box(c.Tenant)
		if b.ids[c.ID] {
			continue
		}
		b.last++
		c.Seq = b.last
		b.ids[c.ID] = true
		b.changes = append(b.changes, c)
		n++
	}
	if n > 0 {
		close(m.changed)
		m.changed = make(chan struct{})
	}
	return n, nil
}

// After implements Outbox.
func (m *Memory) After(_ context.Context, seq uint64, tenant vedette.Tenant, limit int) (out []Changed, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.box(tenant)
	i, _ := slices.BinarySearchFunc(b.changes, seq, func(c Changed, seq uint64) int {
		if c.Seq <= seq {
			return -1
		}
		return 1
	})
	for ; i < len(b.changes) && len(out) < limit; i++ {
		out = append(out, b.changes[i].clone())
	}
	return out, nil
}

// Bounds implements Outbox.
func (m *Memory) Bounds(_ context.Context, tenant vedette.Tenant) (first, last uint64, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b := m.box(tenant)
	if len(b.changes) > 0 {
		return b.changes[0].Seq, b.last, nil
	}
	return b.last + 1, b.last, nil
}

// Wait implements Outbox.
func (m *Memory) Wait(ctx context.Context, after uint64, tenant vedette.Tenant) error {
	for {
		m.mu.Lock()
		last, signal := m.box(tenant).last, m.changed
		m.mu.Unlock()
		if last > after {
			return nil
		}
		select {
		case <-signal:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Of implements Outbox.
func (m *Memory) Of(_ context.Context, tenant vedette.Tenant, events []vedette.EventID) (out []Changed, _ error) {
	if len(events) > MaxChunk {
		return nil, fmt.Errorf("response: changes of %d messages, at most %d: %w", len(events), MaxChunk, vedette.ErrTooLarge)
	}
	asked := make(map[vedette.EventID]bool, len(events))
	for _, e := range events {
		asked[e] = true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.box(tenant).changes {
		if asked[c.Event] {
			out = append(out, c.clone())
		}
	}
	return out, nil
}

// Count implements Outbox.
func (m *Memory) Count(_ context.Context, tenant vedette.Tenant, of vedette.Digest, since time.Time) (n int, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.box(tenant).changes {
		if (of.IsZero() || c.Of == of) && !c.At.Before(since) {
			n++
		}
	}
	return n, nil
}

// Pending implements Outbox.
func (m *Memory) Pending(_ context.Context, s Subscriber, at time.Time, limit int) (list []Delivery, due time.Time, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, d := m.desk(s)
	before := map[vedette.EventID]bool{}
	for _, c := range b.changes {
		if c.Seq <= d.upto || d.settled[c.Seq] {
			continue
		}
		earlier := before[c.Event]
		before[c.Event] = true
		if earlier {
			continue
		}
		l := d.tried[c.Seq]
		if l.Next.After(at) {
			if due.IsZero() || l.Next.Before(due) {
				due = l.Next
			}
			continue
		}
		if len(list) < limit {
			l.Changed = c.clone()
			list = append(list, l)
		}
	}
	return list, due, nil
}

// settle ends the waiting of one change.
func (b *box) settle(d *desktop, seq uint64) {
	delete(d.tried, seq)
	d.settled[seq] = true
	for _, c := range b.changes {
		if c.Seq <= d.upto {
			continue
		}
		if !d.settled[c.Seq] {
			break
		}
		d.upto = c.Seq
		delete(d.settled, c.Seq)
	}
}

// waits tells whether a change is there for the subscriber and not settled.
func (b *box) waits(d *desktop, seq uint64) bool {
	return seq > d.upto && !d.settled[seq] && slices.ContainsFunc(b.changes, func(c Changed) bool { return c.Seq == seq })
}

// Delivered implements Outbox.
func (m *Memory) Delivered(_ context.Context, s Subscriber, seq uint64, _ time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if b, d := m.desk(s); b.waits(d, seq) {
		b.settle(d, seq)
	}
	return nil
}

// failed counts a try.
func (d *desktop) failed(seq uint64, at, next time.Time, why string) Delivery {
	l := d.tried[seq]
	if l.First.IsZero() {
		l.First = at
	}
	l.Tries, l.Next, l.Why = l.Tries+1, next, why
	d.tried[seq] = l
	return l
}

// Failed implements Outbox.
func (m *Memory) Failed(_ context.Context, s Subscriber, seq uint64, at, next time.Time, why string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if b, d := m.desk(s); b.waits(d, seq) {
		d.failed(seq, at, next, why)
	}
	return nil
}

// Dead implements Outbox.
func (m *Memory) Dead(_ context.Context, s Subscriber, seq uint64, at time.Time, why string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if b, d := m.desk(s); b.waits(d, seq) {
		d.dead[seq] = d.failed(seq, at, time.Time{}, why)
		b.settle(d, seq)
	}
	return nil
}

// Letters implements Outbox.
func (m *Memory) Letters(_ context.Context, s Subscriber, limit int) (out []Delivery, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, d := m.desk(s)
	for _, c := range b.changes {
		if l, ok := d.dead[c.Seq]; ok && len(out) < limit {
			l.Changed = c.clone()
			out = append(out, l)
		}
	}
	return out, nil
}

// Revive implements Outbox.
func (m *Memory) Revive(_ context.Context, s Subscriber, seq uint64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, d := m.desk(s)
	if _, ok := d.dead[seq]; !ok {
		return fmt.Errorf("response: change %d was not given up for %s: %w", seq, s.Name, vedette.ErrUnknown)
	}
	delete(d.dead, seq)
	// What lies between stays settled.
	for _, c := range b.changes {
		if c.Seq > seq && c.Seq <= d.upto {
			d.settled[c.Seq] = true
		}
	}
	delete(d.settled, seq)
	d.upto = min(d.upto, seq-1)
	return nil
}

// Disable implements Outbox.
func (m *Memory) Disable(_ context.Context, s Subscriber, at time.Time, why string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, d := m.desk(s)
	d.disabled, d.why = at, why
	return nil
}

// Enable implements Outbox.
func (m *Memory) Enable(_ context.Context, s Subscriber) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	_, d := m.desk(s)
	d.disabled, d.why = time.Time{}, ""
	return nil
}

// Subscription implements Outbox.
func (m *Memory) Subscription(_ context.Context, s Subscriber) (Subscription, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, d := m.desk(s)
	out := Subscription{Upto: d.upto, Dead: len(d.dead), Disabled: d.disabled, Why: d.why}
	for _, c := range b.changes {
		if c.Seq > d.upto && !d.settled[c.Seq] {
			out.Waiting++
		}
	}
	return out, nil
}

// Halt implements Outbox.
func (m *Memory) Halt(_ context.Context, tenant vedette.Tenant, until time.Time) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.box(tenant).halted = until
	return nil
}

// Halted implements Outbox.
func (m *Memory) Halted(_ context.Context, tenant vedette.Tenant) (time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.box(tenant).halted, nil
}

// Expire implements Outbox.
func (m *Memory) Expire(_ context.Context, before time.Time) (n int64, _ error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, b := range m.tenants {
		gone := map[uint64]bool{}
		b.changes = slices.DeleteFunc(b.changes, func(c Changed) bool {
			if !c.At.Before(before) {
				return false
			}
			gone[c.Seq] = true
			delete(b.ids, c.ID)
			n++
			return true
		})
		for _, d := range b.subs {
			maps.DeleteFunc(d.settled, func(seq uint64, _ bool) bool { return gone[seq] })
			maps.DeleteFunc(d.tried, func(seq uint64, _ Delivery) bool { return gone[seq] })
			maps.DeleteFunc(d.dead, func(seq uint64, _ Delivery) bool { return gone[seq] })
		}
	}
	return n, nil
}
