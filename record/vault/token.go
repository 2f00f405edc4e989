package vault

import (
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"vedette"
)

// Scheme says how the tokens of an epoch are made.
type Scheme uint8

// The schemes.
const (
	SchemeHMAC Scheme = 1 // docs/formats/token.md, version 1
	SchemeOPRF Scheme = 2 // reserved: RFC 9497
)

// EpochLength is how long one token key is used. Longer than the journal reaches back, since what is known of a domain starts anew with its
// token; short enough that a key is not for ever.
const EpochLength = 400 * 24 * time.Hour

const epochSeconds = int64(EpochLength / time.Second)

// EpochOf returns the number of the epoch that holds a time: 1 for the 400 days from 1970-01-01T00:00:00Z on, and so forth. Times before are in
// epoch 1, times past the last one in the last.
func EpochOf(at time.Time) uint16 {
	n := at.Unix() / epochSeconds
	return uint16(min(max(n, 0), 1<<16-2) + 1)
}

// EpochFrom returns when an epoch begins. It ends where the next begins.
func EpochFrom(epoch uint16) time.Time {
	return time.Unix((int64(epoch)-1)*epochSeconds, 0).UTC()
}

// Epoch returns the number of the epoch that holds a time.
func (s *Sealer) Epoch(at time.Time) uint16 { return EpochOf(at) }

// Scheme tells how an epoch's tokens are made. Today all are SchemeHMAC.
func (s *Sealer) Scheme(uint16) Scheme { return SchemeHMAC }

// Token returns the token of a name in the epoch that holds a time. An empty name or kind has none.
func (s *Sealer) Token(kind vedette.TokenKind, name string, at time.Time) vedette.Token {
	return s.TokenIn(EpochOf(at), kind, name)
}

// TokenIn returns the token of a name in an epoch: indicator sets are compiled for one before it begins.
func (s *Sealer) TokenIn(epoch uint16, kind vedette.TokenKind, name string) vedette.Token {
	if kind == vedette.TokenNone || name == "" || epoch == 0 {
		return vedette.Token{}
	}
	p := s.tokens.get(epoch)
	if p == nil {
		p = s.tokens.add(epoch, func() []byte { return s.v.keys.derive(s.tenant, "token/"+strconv.Itoa(int(epoch))+"/hmac") })
	}
	m := p.begin()
	m.buf = append(m.buf, byte(kind), 0)
	m.buf = append(m.buf, name...)
	sum := p.end(m)
	return vedette.Token{Kind: kind, Epoch: epoch, Bytes: [16]byte(sum[:16])}
}

// epochs holds the states of recent epochs: read by many, changed seldom.
type epochs struct {
	table atomic.Pointer[map[uint16]*prf]
	mu    sync.Mutex // one change of the table at a time
}

// maxEpochs bounds the states: event times come from outside, and a replay may walk through decades.
const maxEpochs = 128

func (e *epochs) get(epoch uint16) *prf {
	if t := e.table.Load(); t != nil {
		return (*t)[epoch]
	}
	return nil
}

func (e *epochs) add(epoch uint16, key func() []byte) *prf {
	e.mu.Lock()
	defer e.mu.Unlock()
	next := map[uint16]*prf{}
	if t := e.table.Load(); t != nil {
		if p := (*t)[epoch]; p != nil {
			return p
		}
		if len(*t) < maxEpochs {
			for k, v := range *t {
				next[k] = v
			}
		}
	}
	p := &prf{key: key()}
	next[epoch] = p
	e.table.Store(&next)
	return p
}
