// Package feature measures one event from memory: how old, how known, how many, how new. It remembers what came before in a bounded place.
//
// In:     events in the journal's order, each with its decision and position; late ones land in the bucket of event time that they belong to.
// Out:    for each link of an event, or for the event when it has none, the Measures that could be made; what could not be measured is absent.
// Keeps:  flat tables of configured capacity (Config; 249 MB full by default) in segments, each saved and restored by itself. Keys that nothing
// touched for Config.Reach are forgotten; when a bucket is full, the key with the oldest last touch gives way.
// Fails:  measuring and applying cannot fail; LoadSegment names what it refuses and changes nothing then.
// Source: docs/decisions/0007-measures.md, docs/formats/memory.md
package feature

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"time"
	"unsafe"

	"vedette"
	"vedette/record/journal"
)

// Config says how much is remembered, and for how long. A zero field takes its default; New(Config{}) is a memory for a small machine.
//
// Capacities are numbers of keys. They are rounded up to whole buckets of 8 in every segment. Keys fall into buckets by hash, so the first
// of them give way at about 60 % of a capacity, and a table under pressure holds about 86 % of it or more.
type Config struct {
	// Segments is into how many parts memory is cut for saving. Default 256; 1 to 65536.
	Segments int
	// Accounts is how many accounts are remembered, 520 bytes each. Default 196608.
	Accounts int
	// Pairs is how many pairs of an account and a recipient that it reached are remembered, 24 bytes each. Default 2097152.
	Pairs int
	// Domains is how many registrable domains are remembered, 240 bytes each. Default 131072.
	Domains int
	// Hosts is how many hosts are remembered, 96 bytes each. Default 131072.
	Hosts int
	// URLs is how many URLs are remembered, 32 bytes each. Default 524288.
	URLs int
	// Devices is how many devices are remembered, 64 bytes each. Default 196608.
	Devices int
	// Networks is how many networks are remembered, 96 bytes each. Default 65536.
	Networks int
	// SenderDomains is how many pairs of an account and a registrable domain that it sent are remembered, 32 bytes each. Default 524288.
	SenderDomains int
	// Reach is how long a key is remembered that nothing touches, in event time. Default 2160h (90 days); 768h (32 days) to 87600h.
	Reach time.Duration
	// Carry is how long the device and network that an event of an actor named also stand for its later events that name none. Default 0:
	// only what an event itself names is measured; at most 24h. An hour is as far as a coalesced account.seen reaches.
	Carry time.Duration
}

// withDefaults fills in what is zero.
func (c Config) withDefaults() Config {
	for _, d := range []struct {
		at  *int
		def int
	}{
		{&c.Segments, 256},
		{&c.Accounts, 196608},
		{&c.Pairs, 2097152},
		{&c.Domains, 131072},
		{&c.Hosts, 131072},
		{&c.URLs, 524288},
		{&c.Devices, 196608},
		{&c.Networks, 65536},
		{&c.SenderDomains, 524288},
	} {
		if *d.at == 0 {
			*d.at = d.def
		}
	}
	if c.Reach == 0 {
		c.Reach = 90 * 24 * time.Hour
	}
	return c
}

// Validate names the first key that is out of its range. Its error wraps vedette.ErrInvalid.
func (c Config) Validate() error {
	c = c.withDefaults()
	if c.Segments < 1 || c.Segments > 1<<16 {
		return fmt.Errorf("feature: memory.segments: %d is not in 1 to 65536: %w", c.Segments, vedette.ErrInvalid)
	}
	for _, t := range []struct {
		name string
		n    int
	}{
		{"accounts", c.Accounts},
		{"pairs", c.Pairs},
		{"domains", c.Domains},
		{"hosts", c.Hosts},
		{"urls", c.URLs},
		{"devices", c.Devices},
		{"networks", c.Networks},
		{"sender_domains", c.SenderDomains},
	} {
		if t.n < 1 || t.n > 1<<30 {
			return fmt.Errorf("feature: memory.%s: %d is not in 1 to %d: %w", t.name, t.n, 1<<30, vedette.ErrInvalid)
		}
	}
	if c.Reach < 32*24*time.Hour || c.Reach > 87600*time.Hour {
		return fmt.Errorf("feature: memory.reach: %v is not in 768h to 87600h: %w", c.Reach, vedette.ErrInvalid)
	}
	if c.Carry < 0 || c.Carry > 24*time.Hour {
		return fmt.Errorf("feature: memory.carry: %v is not in 0 to 24h: %w", c.Carry, vedette.ErrInvalid)
	}
	return nil
}

// buckets is how many a segment needs for n keys in all.
func (c Config) buckets(n int) uint32 {
	per := ways * c.Segments
	return uint32((n + per - 1) / per)
}

// Memory is what the gate knows of the past. One goroutine owns it; Stats and the metrics may be asked from any.
//
// Whatever an event changes in a segment depends on the event and on that segment alone. That is what makes a segment restorable by itself:
// an account's pairs and sent domains stand in the account's own segment, and how many strangers it wrote to is told from them.
type Memory struct {
	config Config // with defaults filled in
	digest uint64 // of all that a segment's bytes depend on

	accounts      table[account]
	pairs         table[pair]
	senderDomains table[sends]
	domains       table[domain]
	hosts         table[host]
	urls          table[sends]
	devices       table[device]
	networks      table[network]

	segments uint32
	at       []journal.Position // of each segment, where it is beyond applied
	applied  journal.Position   // all segments include this at least, since the last LoadSegment
	swept    []uint32           // by segment: the day of its last sweep, counted from the segment's own midnight

	tenant    vedette.Tenant // the last one asked for
	tenantKey key
	plan      plan // of the event at hand
}

// New makes an empty memory. It panics when c.Validate would return an error.
func New(c Config) *Memory {
	if err := c.Validate(); err != nil {
		panic(err)
	}
	c = c.withDefaults()
	m := &Memory{config: c, segments: uint32(c.Segments), at: make([]journal.Position, c.Segments), swept: make([]uint32, c.Segments)}
	m.accounts.make("accounts", c.Segments, c.buckets(c.Accounts))
	m.pairs.make("pairs", c.Segments, c.buckets(c.Pairs))
	m.senderDomains.make("sender_domains", c.Segments, c.buckets(c.SenderDomains))
	m.domains.make("domains", c.Segments, c.buckets(c.Domains))
	m.hosts.make("hosts", c.Segments, c.buckets(c.Hosts))
	m.urls.make("urls", c.Segments, c.buckets(c.URLs))
	m.devices.make("devices", c.Segments, c.buckets(c.Devices))
	m.networks.make("networks", c.Segments, c.buckets(c.Networks))
	m.tenantKey = tenantKey(m.tenant)
	h := fnv.New64a()
	for _, n := range []uint64{
		layout, uint64(c.Segments), uint64(m.accounts.buckets), uint64(m.pairs.buckets), uint64(m.senderDomains.buckets), uint64(m.domains.buckets),
		uint64(m.hosts.buckets), uint64(m.urls.buckets), uint64(m.devices.buckets), uint64(m.networks.buckets), uint64(c.Reach), uint64(c.Carry),
	} {
		_, _ = h.Write(binary.LittleEndian.AppendUint64(nil, n))
	}
	m.digest = h.Sum64()
	return m
}

// in returns a tenant's key.
func (m *Memory) in(t vedette.Tenant) key {
	if t != m.tenant {
		m.tenant, m.tenantKey = t, tenantKey(t)
	}
	return m.tenantKey
}

// Event time is kept in whole seconds since 1970. What lies outside of the range is moved to its edge.
const (
	earliest = 1 << 24 // July 1970: windows that end here do not begin before 0
	latest   = 1<<32 - 1 - 1<<24
)

func seconds(t time.Time) uint32 { return uint32(min(max(t.Unix(), earliest), latest)) }

// TableStats tells of one table.
type TableStats struct {
	Name      string
	Keys      int64 // held now
	Capacity  int64 // slots
	Bytes     int64 // of the whole table, whether it is full or not
	Evictions int64 // keys that gave way to others, or were too old for a full bucket; saved with the segments
}

func (t *table[V]) stats() TableStats {
	return TableStats{
		Name: t.name, Keys: t.held.Load(), Capacity: int64(len(t.slots)), Evictions: t.lost.Load(),
		Bytes: int64(len(t.slots))*int64(unsafe.Sizeof(slot[V]{})) + int64(len(t.lines))*int64(unsafe.Sizeof(line{})),
	}
}

// Stats tells how full each table is, in a constant order. Any goroutine may ask.
func (m *Memory) Stats() []TableStats {
	return []TableStats{
		m.accounts.stats(), m.pairs.stats(), m.senderDomains.stats(), m.domains.stats(), m.hosts.stats(), m.urls.stats(), m.devices.stats(), m.networks.stats(),
	}
}
