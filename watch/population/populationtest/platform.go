// Package populationtest makes a small platform for the tests of the rooms that watch one: people in circles of eight, and a cell that rehearses.
//
// In:     a plan.
// Out:    events in order of time. Ids are random; what is in them says nothing.
// Keeps:  nothing.
// Fails:  it does not; the same plan gives the same events.
// Source: docs/decisions/0023-rehearsal.md
package populationtest

import (
	"math/rand/v2"
	"slices"
	"time"

	"vedette"
)

// Start is when every platform begins.
var Start = time.Date(2026, time.March, 2, 0, 0, 0, 0, time.UTC)

// Plan is what a platform is like.
type Plan struct {
	Seed   uint64
	People int
	Days   int
	Fresh  int // newcomers a day
	Cell   int // day on which six accounts are made within the hour, on two devices, from one hoster's network, to try three new domains on one another
	Tenant vedette.Tenant
}

// Member is the number of the cell's first account; the other five follow it. Tried is the number of its first domain; two follow it.
const (
	Member = 1 << 20
	Tried  = 1_000_000
)

func (p Plan) id(kind byte, i int) (b [16]byte) {
	r := rand.New(rand.NewPCG(uint64(kind)<<32|p.Seed, uint64(i)))
	for j := range b {
		b[j] = byte(r.Uint32())
	}
	return b
}

// Account is the surrogate of an account by its number.
func (p Plan) Account(i int) vedette.AccountID { return vedette.AccountID(p.id('a', i)) }

// Event is the id of an event by its number. Platform uses those from 0 on.
func (p Plan) Event(i int) vedette.EventID { return vedette.EventID(p.id('e', i)) }

// Link is a link to a domain, by the numbers of domain and URL.
func (p Plan) Link(domain, url int) []vedette.Link {
	return []vedette.Link{{
		Domain: vedette.Token{Kind: vedette.TokenDomain, Epoch: 1, Bytes: p.id('l', domain)},
		URL:    vedette.Token{Kind: vedette.TokenURL, Epoch: 1, Bytes: p.id('u', url)},
	}}
}

// Platform makes the events.
func (p Plan) Platform() []vedette.Event {
	rng := rand.New(rand.NewPCG(p.Seed, 1))
	var out []vedette.Event
	add := func(at time.Duration, actor int, b vedette.Body) {
		t := Start.Add(at).Truncate(time.Millisecond)
		out = append(out, vedette.Event{Tenant: p.Tenant, ID: p.Event(len(out)), Actor: p.Account(actor), At: t, Seen: t, Body: b})
	}
	home := func(i int) vedette.Network {
		return vedette.Network{ID: vedette.NetworkID(p.id('n', i/3)), ASN: uint32(1 + i%5), Class: vedette.NetworkResidential, Country: vedette.Country{'X', 'A'}}
	}
	friend := func(i int) int { return i/8*8 + rng.IntN(8) }
	for day := range p.Days {
		for h := range 24 {
			for range p.People / 12 {
				i := rng.IntN(p.People)
				at := time.Duration(day*24+h)*time.Hour + time.Duration(rng.IntN(3600_000))*time.Millisecond
				switch rng.IntN(5) {
				case 0:
					add(at, i, &vedette.AccountSeen{Device: vedette.DeviceID(p.id('d', i)), Network: home(i)})
				case 1:
					if to := friend(i); rng.IntN(20) == 0 {
						add(at, i, &vedette.LinkSent{To: vedette.Recipient{Account: p.Account(to)}, Stranger: vedette.No, Links: p.Link(rng.IntN(500), rng.IntN(5000))})
					}
				default:
					add(at, i, &vedette.MessageSent{To: vedette.Recipient{Account: p.Account(friend(i))}, Count: uint16(1 + rng.IntN(4)), Stranger: vedette.No})
				}
			}
		}
		for j := range p.Fresh {
			i := p.People + day*p.Fresh + j
			at := time.Duration(day*24+rng.IntN(24)) * time.Hour
			add(at, i, &vedette.AccountRegistered{
				Device: vedette.DeviceID(p.id('d', i)), Build: uint32(1 + rng.IntN(30)), Network: home(i), Attestation: vedette.AttestStrong,
				Number: vedette.Number{Country: vedette.Country{'X', 'A'}, Carrier: vedette.CarrierMobile, Block: vedette.NetworkID(p.id('b', i))},
			})
			add(at+time.Hour, i, &vedette.MessageSent{To: vedette.Recipient{Account: p.Account(rng.IntN(p.People))}, Count: 1, Stranger: vedette.Unknown})
		}
	}
	begins := time.Duration(p.Cell) * 24 * time.Hour
	for j := range 6 {
		add(begins+time.Duration(j*7)*time.Minute, Member+j, &vedette.AccountRegistered{
			Device: vedette.DeviceID(p.id('D', j/3)), Build: 77, Attestation: vedette.AttestNone,
			Network: vedette.Network{ID: vedette.NetworkID(p.id('H', 0)), ASN: 64511, Class: vedette.NetworkHosting, Country: vedette.Country{'X', 'B'}},
			Number:  vedette.Number{Country: vedette.Country{'X', 'A'}, Carrier: vedette.CarrierVoIP, Block: vedette.NetworkID(p.id('B', 0))},
		})
	}
	for k := range 60 {
		at := begins + 3*time.Hour + time.Duration(k)*40*time.Minute
		from, to := Member+k%6, Member+(k+1+k/6)%6
		if from == to {
			continue
		}
		add(at, from, &vedette.MessageSent{To: vedette.Recipient{Account: p.Account(to)}, Count: 2, Stranger: vedette.Yes})
		if k%2 == 0 {
			l := p.Link(Tried+k%3, 2*Tried+k)
			add(at+time.Minute, from, &vedette.LinkSent{To: vedette.Recipient{Account: p.Account(to)}, Stranger: vedette.Yes, Links: l})
			add(at+2*time.Minute, to, &vedette.LinkOpened{From: p.Account(from), Links: l})
		}
		if k%9 == 0 {
			add(at+3*time.Minute, to, &vedette.UserBlocked{Subject: p.Account(from)})
			add(at+4*time.Minute, to, &vedette.UserUnblocked{Subject: p.Account(from)})
		}
	}
	slices.SortStableFunc(out, func(x, y vedette.Event) int { return x.At.Compare(y.At) })
	return out
}
