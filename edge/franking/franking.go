// Package franking verifies that a reported message is what the platform carried.
//
// In:     an opened message, its commitment's key, the platform's tag and what the tag covers.
// Out:    yes, or which part does not fit.
// Keeps:  nothing; the platform's key is handed in.
// Fails:  a tag that does not verify is vedette.ErrForbidden and names no bytes. It convinces the platform only: its key makes tags too.
// Source: docs/formats/franking.md, RFC 2104
package franking

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"

	"vedette"
)

// Errors of the room. Which part does not fit is told, since the platform's own adapter mends it; bytes are not.
var (
	ErrCommitment = fmt.Errorf("franking: the message and its key do not open the commitment: %w", vedette.ErrForbidden)
	ErrTag        = fmt.Errorf("franking: the tag is not the platform's over this: %w", vedette.ErrForbidden)
	ErrNoKey      = fmt.Errorf("franking: no key of that id: %w", vedette.ErrUnknown)
)

// Size is the length in bytes of opening keys, commitments, tags and the platform's keys.
const Size = 32

// The limits of what a tag covers, in bytes.
const (
	MaxMessage = 64 << 10
	MaxName    = 256
)

type (
	// Opening is the key of one message's commitment, known to its sender and recipients. Exactly 32 bytes: HMAC would take a shorter key and
	// the same with zeros behind it for one, and so open one commitment in two ways.
	Opening [Size]byte
	// Commitment binds a sender to one message without showing it.
	Commitment [Size]byte
	// Tag is the platform's word that it carried a commitment.
	Tag [Size]byte
)

// Key is one of the platform's keys. Several are good at once while one replaces another.
type Key struct {
	ID     string // 1 to 40 of a-z, 0-9 and -; part of what the tag covers
	Secret [Size]byte
}

// Keys returns a tenant's keys, in any order. Its error wraps vedette.ErrUnknown when the tenant has none.
type Keys interface {
	FrankingKeys(t vedette.Tenant) ([]Key, error)
}

// Carried is what the platform knew of a message when it made the tag: not what it says.
type Carried struct {
	Commitment Commitment
	Sender     string    // the platform's own ids
	Recipient  string    // of an account or of a group
	Sent       time.Time // by the platform's clock; milliseconds
	Message    string    // the platform's id of the message; "" where it has none
}

// Opened is a message with everything that proves that the platform carried it.
type Opened struct {
	Carried
	Text  []byte // exactly the bytes that the sender committed to
	Open  Opening
	Tag   Tag
	KeyID string
}

// Commit makes a commitment: HMAC-SHA256 under the opening key over the message. It is what a sender's client does.
func Commit(open Opening, text []byte) Commitment {
	h := hmac.New(sha256.New, open[:])
	h.Write(text)
	return Commitment(h.Sum(nil))
}

// domain is what every tag begins with, so that no other use of a key makes one.
const domain = "vedette-franking-1\n"

// Stamp makes the tag over what was carried. It is what a platform does when it takes a message, and why a tag convinces nobody else.
func (k *Key) Stamp(c *Carried) Tag {
	b := make([]byte, 0, len(domain)+4*4+len(k.ID)+Size+len(c.Sender)+len(c.Recipient)+len(c.Message)+8)
	b = append(b, domain...)
	// Each text has its length before it: "ab" to "c" must not read as "a" to "bc".
	text := func(s string) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
		b = append(b, s...)
	}
	text(k.ID)
	b = append(b, c.Commitment[:]...)
	text(c.Sender)
	text(c.Recipient)
	b = binary.BigEndian.AppendUint64(b, uint64(c.Sent.UnixMilli()))
	text(c.Message)
	h := hmac.New(sha256.New, k.Secret[:])
	h.Write(b)
	return Tag(h.Sum(nil))
}

// Verify holds an opened message against one of the keys, the one that it names. Both checks are made in constant time, and always both: how
// long it takes tells nobody which byte was wrong. Its error is ErrNoKey, ErrCommitment or ErrTag, or wraps vedette.ErrTooLarge.
func Verify(keys []Key, o *Opened) error {
	if len(o.Text) > MaxMessage || len(o.Sender) > MaxName || len(o.Recipient) > MaxName || len(o.Message) > MaxName {
		return fmt.Errorf("franking: over %d bytes of text or %d of a name: %w", MaxMessage, MaxName, vedette.ErrTooLarge)
	}
	var key *Key
	for i := range keys {
		if keys[i].ID == o.KeyID { // an id is no secret
			key = &keys[i]
		}
	}
	if key == nil || key.Secret == ([Size]byte{}) {
		return ErrNoKey
	}
	c, t := Commit(o.Open, o.Text), key.Stamp(&o.Carried)
	opens, ours := hmac.Equal(c[:], o.Commitment[:]), hmac.Equal(t[:], o.Tag[:])
	switch {
	case !ours:
		return ErrTag // whatever was committed to, the platform did not carry it
	case !opens:
		return ErrCommitment
	}
	return nil
}
