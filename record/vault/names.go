package vault

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/nyaruka/phonenumbers"

	"vedette"
)

// Kind says what a surrogate stands for. The values are part of the keys in the store: append, never reorder.
type Kind uint8

// The kinds.
const (
	KindAccount Kind = iota + 1
	KindGroup
	KindDevice
	KindNetwork // an address: IPv4 whole, IPv6 its /64
	KindBlock   // a block of one hundred phone numbers
)

var kindNames = [...]string{KindAccount: "account", KindGroup: "group", KindDevice: "device", KindNetwork: "network", KindBlock: "block"}

func (k Kind) String() string {
	if k == 0 || int(k) >= len(kindNames) {
		return fmt.Sprintf("kind(%d)", uint8(k))
	}
	return kindNames[k]
}

// Kinds returns every kind, in order.
func Kinds() []Kind { return []Kind{KindAccount, KindGroup, KindDevice, KindNetwork, KindBlock} }

// ParseKind reads a kind's name. Its error wraps vedette.ErrInvalid.
func ParseKind(s string) (Kind, error) {
	for _, k := range Kinds() {
		if k.String() == s {
			return k, nil
		}
	}
	return 0, fmt.Errorf("vault: kind %q: account, group, device, network or block: %w", s, vedette.ErrInvalid)
}

// MaxName is how long a platform's own id may be, in bytes.
const MaxName = 256

// same gives the form under which two writings of one name are one name.
//
//   - account: a phone number in any usual writing becomes E.164; every other id stays byte for byte as the platform wrote it, since some
//     platforms tell upper from lower case.
//   - group, device: byte for byte.
//   - network: the address without zone, an IPv4 in IPv6 clothes as IPv4, IPv6 cut to its /64.
//   - block: E.164 without its last two digits.
//
// Its error wraps vedette.ErrInvalid.
func same(kind Kind, raw string) (string, error) {
	if raw == "" || len(raw) > MaxName {
		return "", fmt.Errorf("vault: %s id of %d bytes: 1 to %d: %w", kind, len(raw), MaxName, vedette.ErrInvalid)
	}
	switch kind {
	case KindAccount:
		if n, ok := Number(raw); ok {
			return n, nil
		}
		return raw, nil
	case KindGroup, KindDevice:
		return raw, nil
	case KindNetwork:
		addr, err := netip.ParseAddr(raw)
		if err != nil {
			return "", fmt.Errorf("vault: a network is named by an address: %w", vedette.ErrInvalid) // err holds the text
		}
		return network(addr)
	case KindBlock:
		n, ok := Number(raw)
		if !ok {
			return "", fmt.Errorf("vault: a block is named by a phone number that begins with +: %w", vedette.ErrInvalid)
		}
		return n[:len(n)-2], nil
	}
	return "", fmt.Errorf("vault: %s: %w", kind, vedette.ErrInvalid)
}

func network(addr netip.Addr) (string, error) {
	addr = addr.Unmap().WithZone("")
	if !addr.IsValid() {
		return "", fmt.Errorf("vault: no network address: %w", vedette.ErrInvalid)
	}
	if addr.Is6() {
		p, err := addr.Prefix(64)
		if err != nil {
			return "", fmt.Errorf("vault: network: %w", vedette.ErrInvalid)
		}
		addr = p.Addr()
	}
	return addr.String(), nil
}

// Number gives E.164 when the text looks like an international phone number: "+", 7 to 15 digits not beginning with 0, and perhaps spaces,
// hyphens, dots, slashes and round brackets between them. A number without separators is taken as it stands, which is the usual case and
// costs nothing; one with separators is read by the numbering plan (13 µs), so that "+44 (0)7700 900123" loses its trunk zero. What the plan
// cannot read is no number, and stays as it was written.
func Number(s string) (string, bool) {
	if len(s) < 8 || len(s) > 40 || s[0] != '+' || s[1] == '0' {
		return "", false
	}
	digits, plain := 0, true
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			digits++
		case strings.IndexByte(" -.()/", c) >= 0:
			plain = false
		default:
			return "", false
		}
	}
	if digits < 7 {
		return "", false
	}
	if plain {
		return s, digits <= 15
	}
	n, err := phonenumbers.Parse(s, phonenumbers.UNKNOWN_REGION)
	if err != nil {
		return "", false
	}
	e := phonenumbers.Format(n, phonenumbers.E164)
	return e, len(e) >= 8
}
