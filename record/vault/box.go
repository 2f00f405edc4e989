package vault

import (
	"context"
	"crypto/cipher"
	"crypto/rand"
	"fmt"

	"vedette"
	"vedette/record/authority"
)

// boxVersion is the first byte of a box: then 12 bytes of nonce, then AES-256-GCM over the content, with the box's name as additional data.
const boxVersion = 1

// Box seals bytes for a case: an opened message, a one-time link, a copied sighting. Only Unbox, with a permit in that very case, opens it;
// matter is the case's name, and what says which of the case's boxes it is, so that boxes cannot be exchanged.
func (s *Sealer) Box(matter, what string, content []byte) ([]byte, error) {
	a, err := s.box(matter)
	if err != nil {
		return nil, err
	}
	out := make([]byte, 13, 13+len(content)+a.Overhead())
	out[0] = boxVersion
	_, _ = rand.Read(out[1:13]) // never fails since Go 1.24
	return a.Seal(out, out[1:13], content, []byte(what)), nil
}

// Unbox opens a box to any live permit for the tenant in the box's case. It is recorded first. Its errors wrap vedette.ErrForbidden (no such
// permit), vedette.ErrInvalid (not this case's box of that name, or changed), or ErrUnavailable.
func (v *Vault) Unbox(ctx context.Context, permit authority.Permit, tenant vedette.Tenant, matter, what string, box []byte) ([]byte, error) {
	if permit.Case() != matter {
		return nil, fmt.Errorf("vault: unbox: the permit is for another case: %w", authority.ErrNoPermit)
	}
	if err := v.ask(ctx, permit, permit.Purpose(), tenant, "vault.unbox"); err != nil {
		return nil, err
	}
	s, err := v.Tenant(tenant)
	if err != nil {
		return nil, err
	}
	a, err := s.box(matter)
	if err != nil {
		return nil, err
	}
	if len(box) < 13 || box[0] != boxVersion {
		return nil, fmt.Errorf("vault: unbox: no box of this version: %w", vedette.ErrInvalid)
	}
	content, err := a.Open(nil, box[1:13], box[13:], []byte(what))
	if err != nil {
		return nil, fmt.Errorf("vault: unbox: not what was sealed for this case under this name: %w", vedette.ErrInvalid)
	}
	return content, nil
}

func (s *Sealer) box(matter string) (cipher.AEAD, error) {
	if matter == "" || len(matter) > 100 {
		return nil, fmt.Errorf("vault: box: a case of 1 to 100 bytes: %w", vedette.ErrInvalid)
	}
	return aead([32]byte(s.v.keys.derive(s.tenant, "box/"+matter))), nil
}

// Seed derives 32 bytes for one purpose of the house that is no tenant's: the evidence log's signing key. It is the same as long as the root
// key is.
func (k Keys) Seed(purpose string) [32]byte { return [32]byte(k.derive("", "seed/"+purpose)) }
