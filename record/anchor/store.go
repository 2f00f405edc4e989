package anchor

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"time"

	"vedette"
)

// Kept is an anchor as it lies beside the log, with what it showed when it came.
type Kept struct {
	Anchor
	At
	Number int       // in the order in which they came, from 1
	Made   time.Time // when it came, by our clock
	Trust  string    // by which it was verified then: certificates (PEM), or a witness's key
	Record int64     // its record in the evidence log; negative: there is none yet
}

// Store keeps anchors. They are never changed and never go. Errors wrap vedette.ErrUnavailable where nothing else is said.
type Store interface {
	// Keep keeps an anchor without a record, durable when it returns, and returns its number.
	Keep(ctx context.Context, k Kept) (int, error)
	// Recorded says which record tells of an anchor. Its error wraps vedette.ErrConflict when one does already, and when there is no such anchor.
	Recorded(ctx context.Context, number int, record uint64) error
	// Anchors returns those from a number on, at most n, in order.
	Anchors(ctx context.Context, from, n int) ([]Kept, error)
	// Last returns the newest by the other's clock. False: there is none.
	Last(ctx context.Context) (Kept, bool, error)
}

// Believe reads whom to believe: certificates in PEM, or a witness's key, one a line. Its error wraps vedette.ErrInvalid.
func Believe(text string) (Trust, error) {
	var t Trust
	if strings.Contains(text, "-----BEGIN") {
		t.Roots = x509.NewCertPool()
		n := 0
		for rest := []byte(text); ; n++ {
			var block *pem.Block
			if block, rest = pem.Decode(rest); block == nil {
				if len(bytes.TrimSpace(rest)) > 0 {
					return Trust{}, fmt.Errorf("anchor: behind certificate %d is something else: %w", n, vedette.ErrInvalid)
				}
				break
			}
			c, err := x509.ParseCertificate(block.Bytes)
			if err != nil || block.Type != "CERTIFICATE" {
				return Trust{}, fmt.Errorf("anchor: part %d is no certificate: %w", n+1, vedette.ErrInvalid)
			}
			t.Roots.AddCert(c)
		}
		return t, nil
	}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		v, err := ParseWitness(line)
		if err != nil {
			return Trust{}, err
		}
		t.Witnesses = append(t.Witnesses, v)
	}
	if len(t.Witnesses) == 0 {
		return Trust{}, fmt.Errorf("anchor: neither a certificate nor a witness's key: %w", vedette.ErrInvalid)
	}
	return t, nil
}
