package franking

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"vedette"
)

// maxKeys is how many keys one tenant may have at once: a few that overlap while one replaces another.
const maxKeys = 8

const keyFormat = "vedette-franking-keys-1"

// Ring holds keys as they stood in a key file. The zero Ring holds none.
type Ring struct {
	keys map[vedette.Tenant][]Key
}

var _ Keys = (*Ring)(nil)

// FrankingKeys implements Keys. The slice is the caller's.
func (r *Ring) FrankingKeys(t vedette.Tenant) ([]Key, error) {
	ks := r.keys[t]
	if len(ks) == 0 {
		return nil, fmt.Errorf("franking: no keys for tenant %q: %w", t, vedette.ErrUnknown)
	}
	return slices.Clone(ks), nil
}

// ParseKeys reads a key file (docs/formats/franking.md): its name on the first line, then on each line a tenant, a key's id and 32 bytes in
// base64; blank lines and those that begin with # are passed over. Its error wraps vedette.ErrInvalid, names the line and repeats nothing of it.
func ParseKeys(file []byte) (*Ring, error) {
	r := &Ring{keys: make(map[vedette.Tenant][]Key)}
	s := bufio.NewScanner(bytes.NewReader(file))
	seen := make(map[[Size]byte]bool)
	begun, n := false, 0
	for s.Scan() {
		n++
		bad := func(what string) (*Ring, error) {
			return nil, fmt.Errorf("franking: key file, line %d: %s: %w", n, what, vedette.ErrInvalid)
		}
		l := strings.TrimSpace(s.Text())
		switch {
		case l == "" || strings.HasPrefix(l, "#"):
			continue
		case !begun:
			if begun = l == keyFormat; !begun {
				return bad("want " + keyFormat)
			}
			continue
		}
		f := strings.Fields(l)
		if len(f) != 3 {
			return bad("want a tenant, a key's id and a key")
		}
		t, err := vedette.ParseTenant(f[0])
		if err != nil {
			return bad("no tenant")
		}
		if _, err := vedette.ParseTenant(f[1]); err != nil { // the same letters
			return bad("want an id of 1 to 40 of a-z, 0-9 and -")
		}
		raw, err := base64.StdEncoding.Strict().DecodeString(f[2])
		if err != nil || len(raw) != Size {
			return bad("want a key of 32 bytes in base64 with padding")
		}
		k := Key{ID: f[1], Secret: [Size]byte(raw)}
		switch {
		case k.Secret == ([Size]byte{}):
			return bad("a key of zeros is none; make one with: head -c 32 /dev/urandom | base64")
		case seen[k.Secret]:
			return bad("the key stands here twice; each needs its own, and no two tenants share one")
		case len(r.keys[t]) == maxKeys:
			return bad("more than 8 keys for one tenant; take out those whose reports have all come")
		case slices.ContainsFunc(r.keys[t], func(o Key) bool { return o.ID == k.ID }):
			return bad("the tenant has a key of this id")
		}
		seen[k.Secret] = true
		r.keys[t] = append(r.keys[t], k)
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("franking: key file, line %d: too long: %w", n+1, vedette.ErrInvalid)
	}
	if !begun {
		return nil, fmt.Errorf("franking: key file: empty; want %s on its first line: %w", keyFormat, vedette.ErrInvalid)
	}
	return r, nil
}

// ReadKeys reads a key file. A file that others can read is refused: whoever has a key can make the platform believe any message. Its error
// wraps vedette.ErrUnknown, ErrForbidden or ErrInvalid.
func ReadKeys(path string) (*Ring, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("franking: no key file %s: %w", path, vedette.ErrUnknown)
	}
	if err != nil {
		return nil, fmt.Errorf("franking: read keys: %w", err)
	}
	if m := info.Mode().Perm(); m&0o077 != 0 {
		return nil, fmt.Errorf("franking: key file %s has mode %04o; run: chmod 600 %s: %w", path, m, path, vedette.ErrForbidden)
	}
	if !info.Mode().IsRegular() || info.Size() > 1<<20 {
		return nil, fmt.Errorf("franking: %s is no key file: %w", path, vedette.ErrInvalid)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("franking: read keys: %w", err)
	}
	return ParseKeys(b)
}
