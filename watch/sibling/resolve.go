package sibling

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"vedette"
	"vedette/link"
	"vedette/record/authority"
)

// Bounds of one resolving.
const (
	maxTokens  = 10_000
	MaxGuesses = 8 << 20
)

// TokenOf makes the token of a name in an epoch; vault.Sealer.TokenIn is one.
type TokenOf func(epoch uint16, kind vedette.TokenKind, name string) vedette.Token

// Resolved is a token whose name stood among the imported ones.
type Resolved struct {
	Token vedette.Token `json:"token"`
	Name  string        `json:"name"` // canonical; show it defanged
}

// Resolution is what may be asked in a case.
type Resolution struct {
	Tenant vedette.Tenant
	Tokens []vedette.Token // of domains and hosts, seen in the case; at most 10,000
	At     time.Time
}

// Resolve finds which of the known names have a token that was seen in a case. It guesses from names that were imported and from nothing else, so it
// takes a permit to notify, to protect or to file that carries the word of two people, and that it was asked is recorded before a name is
// tried. Tokens of URLs and of tenants are not guessed: what people send is not spelled out. It returns what it found by epoch, kind and name.
// Its error is authority.ErrNoPermit or ErrUnapproved, or wraps vedette.ErrInvalid, ErrTooLarge or what the recorder returns.
func Resolve(ctx context.Context, permit authority.Permit, r Resolution, names iter.Seq[string], tokenOf TokenOf, rec authority.Recorder) ([]Resolved, error) {
	if tokenOf == nil || names == nil || rec == nil || r.At.IsZero() {
		return nil, fmt.Errorf("sibling: resolve: no names, key, recorder or time: %w", vedette.ErrInvalid)
	}
	refusal := r.allowed(permit)
	asked := permit.Asked("sibling.resolve", r.Tenant, r.At)
	if asked.Given = refusal == nil; refusal != nil {
		asked.Why = refusal.Error()
	}
	if err := rec.Record(ctx, asked); err != nil {
		return nil, fmt.Errorf("sibling: resolve: record that it was asked: %w", err)
	}
	if refusal != nil {
		return nil, fmt.Errorf("sibling: resolve: %w", refusal)
	}
	want := make(map[vedette.Token]bool, len(r.Tokens))
	var epochs []uint16
	for _, t := range r.Tokens {
		if t.Kind != vedette.TokenDomain && t.Kind != vedette.TokenHost {
			return nil, fmt.Errorf("sibling: resolve: a token that is neither a domain's nor a host's: %w", vedette.ErrInvalid)
		}
		if want[t] = true; !slices.Contains(epochs, t.Epoch) {
			epochs = append(epochs, t.Epoch)
		}
	}
	slices.Sort(epochs)
	var out []Resolved
	n := 0
	for host := range names {
		if n++; n > MaxGuesses {
			return nil, fmt.Errorf("sibling: resolve: over %d names: %w", MaxGuesses, vedette.ErrTooLarge)
		}
		if n%4096 == 0 && ctx.Err() != nil {
			return nil, fmt.Errorf("sibling: resolve: %w", ctx.Err())
		}
		reg := link.Registrable(host)
		for _, e := range epochs {
			if t := tokenOf(e, vedette.TokenHost, host); want[t] {
				out = append(out, Resolved{t, host})
			}
			if reg == "" {
				continue
			}
			if t := tokenOf(e, vedette.TokenDomain, reg); want[t] {
				out = append(out, Resolved{t, reg})
			}
		}
	}
	slices.SortFunc(out, func(a, b Resolved) int {
		if a.Token.Epoch != b.Token.Epoch {
			return int(a.Token.Epoch) - int(b.Token.Epoch)
		}
		if a.Token.Kind != b.Token.Kind {
			return int(a.Token.Kind) - int(b.Token.Kind)
		}
		return strings.Compare(a.Name, b.Name)
	})
	return slices.CompactFunc(out, func(a, b Resolved) bool { return a == b }), nil
}

func (r *Resolution) allowed(permit authority.Permit) error {
	switch p := permit.Purpose(); p {
	case authority.PurposeNotify, authority.PurposeProtect, authority.PurposeFile:
		if err := permit.Check(p, r.At); err != nil {
			return err
		}
	case 0:
		return authority.ErrNoPermit
	default:
		return fmt.Errorf("%w: names are resolved to notify, to protect or to file, not to %s", authority.ErrNoPermit, p)
	}
	if err := permit.For(r.Tenant); err != nil {
		return err
	}
	if len(r.Tokens) > maxTokens {
		return fmt.Errorf("%d tokens: at most %d: %w", len(r.Tokens), maxTokens, vedette.ErrTooLarge)
	}
	return permit.TwoPeople()
}
