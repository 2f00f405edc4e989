package anchor_test

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	tsp "github.com/notaryproject/tspclient-go"

	"vedette"
	"vedette/record/anchor"
	"vedette/record/anchor/anchortest"
	"vedette/record/evidence"
	"vedette/record/evidence/evidencetest"
)

func authority(t testing.TB, rsaKeys bool) *anchortest.Authority {
	t.Helper()
	if !anchortest.Available() {
		if os.Getenv("CI") == "true" {
			t.Fatal("openssl is not on this machine")
		}
		t.Skip("SKIPPED, NOT TESTED: openssl is not on this machine")
	}
	a, err := anchortest.NewAuthority(t.TempDir(), rsaKeys)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func checkpoint(t testing.TB, size uint64) []byte {
	t.Helper()
	signer, _ := evidencetest.Keys()
	b, err := evidence.SignCheckpoint(evidence.Checkpoint{Origin: evidencetest.Origin, Size: size, Root: vedette.Digest{byte(size), 7}}, signer)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// stamped asks an authority about a checkpoint.
func stamped(t testing.TB, a *anchortest.Authority, cp []byte, policy string) (anchor.Anchor, anchor.At) {
	t.Helper()
	req, err := anchor.NewRequest(cp, policy)
	if err != nil {
		t.Fatal(err)
	}
	body, err := a.Answer(req.Body)
	if err != nil {
		t.Fatal(err)
	}
	got, at, err := req.Answer(body, a.Roots)
	if err != nil {
		t.Fatal(err)
	}
	return got, at
}

// OpenSSL stamps, and both sides take the token: we do, and so does OpenSSL as it is kept.
func TestAStampOfOpenSSLIsTakenByBothSides(t *testing.T) {
	for name, keys := range map[string]bool{"RSA": true, "P-256": false} {
		t.Run(name, func(t *testing.T) {
			a := authority(t, keys)
			cp := checkpoint(t, 12)
			begin := time.Now().UTC().Truncate(time.Second)
			got, at := stamped(t, a, cp, "")
			if got.Kind != anchor.KindStamp || at.Size != 12 || at.By != "Example Stamps" || at.Time.Before(begin) || at.Time.After(time.Now().Add(time.Second)) {
				t.Errorf("%s, %+v; want it stamped after %s", got.Kind, at, begin)
			}
			again, err := got.Verify(anchor.Trust{Roots: a.Roots})
			if err != nil || again != at {
				t.Errorf("Verify = %+v, %v; want %+v", again, err, at)
			}
			if err := a.Verify(cp, got.Token); err != nil {
				t.Error(err)
			}
			if err := a.Verify(checkpoint(t, 13), got.Token); err == nil {
				t.Error("OpenSSL takes the token for another checkpoint")
			}
			if _, at := stamped(t, a, cp, anchortest.OtherPolicy); at.Size != 12 {
				t.Errorf("under the other policy: %+v", at)
			}
		})
	}
}

func TestAStampThatShowsNothingIsRefused(t *testing.T) {
	a, b := authority(t, false), authority(t, false)
	cp := checkpoint(t, 5)
	good, _ := stamped(t, a, cp, "")
	parsed, err := tsp.ParseSignedToken(good.Token)
	if err != nil {
		t.Fatal(err)
	}
	by := func(kind string) anchor.Anchor {
		token, err := a.Sign(parsed.Content, kind)
		if err != nil {
			t.Fatal(err)
		}
		return anchor.Anchor{Kind: anchor.KindStamp, Checkpoint: cp, Token: token}
	}
	trust := anchor.Trust{Roots: a.Roots}
	if _, err := by(anchortest.Good).Verify(trust); err != nil {
		t.Fatalf("what the others are held against: %v", err)
	}
	for name, tt := range map[string]struct {
		anchor anchor.Anchor
		trust  anchor.Trust
		what   string
	}{
		"another checkpoint":                    {anchor.Anchor{Kind: anchor.KindStamp, Checkpoint: checkpoint(t, 6), Token: good.Token}, trust, "over something else"},
		"another root":                          {good, anchor.Trust{Roots: b.Roots}, "signature"},
		"no root":                               {good, anchor.Trust{}, "no root"},
		"an empty pool of roots":                {good, anchor.Trust{Roots: x509.NewCertPool()}, "signature"},
		"a certificate without a purpose":       {by(anchortest.NoPurpose), trust, "extended key usage"},
		"a purpose that is not critical":        {by(anchortest.Uncritical), trust, "critical"},
		"a certificate for two things":          {by(anchortest.TwoThings), trust, "extended key usage"},
		"a certificate that had ended by then":  {by(anchortest.Expired), trust, "expired"},
		"bytes behind the token":                {anchor.Anchor{Kind: anchor.KindStamp, Checkpoint: cp, Token: append(bytes.Clone(good.Token), 0)}, trust, "behind it"},
		"no token":                              {anchor.Anchor{Kind: anchor.KindStamp, Checkpoint: cp}, trust, "no DER"},
		"a token that is too large":             {anchor.Anchor{Kind: anchor.KindStamp, Checkpoint: cp, Token: make([]byte, anchor.MaxToken+1)}, trust, "bytes"},
		"a kind that is none":                   {anchor.Anchor{Kind: "word", Checkpoint: cp, Token: good.Token}, trust, "kind"},
		"a token in the place of a cosignature": {anchor.Anchor{Kind: anchor.KindCosignature, Checkpoint: cp, Token: good.Token}, trust, "one line"},
		"no checkpoint":                         {anchor.Anchor{Kind: anchor.KindStamp, Checkpoint: []byte("x"), Token: good.Token}, trust, "checkpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			at, err := tt.anchor.Verify(tt.trust)
			if !errors.Is(err, anchor.ErrUnfit) || !strings.Contains(err.Error(), tt.what) || at != (anchor.At{}) {
				t.Errorf("Verify = %+v, %v; want it unfit: %s", at, err, tt.what)
			}
		})
	}
}

func TestAnAnswerMustBeToThisRequest(t *testing.T) {
	a := authority(t, false)
	cp := checkpoint(t, 5)
	request := func(cp []byte, policy string) *anchor.Request {
		r, err := anchor.NewRequest(cp, policy)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	answer := func(r *anchor.Request) []byte {
		b, err := a.Answer(r.Body)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	mine := request(cp, "")
	withoutNonce := func() []byte {
		var q tsp.Request
		if err := q.UnmarshalBinary(mine.Body); err != nil {
			t.Fatal(err)
		}
		q.Nonce = nil
		b, err := q.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		out, err := a.Answer(b)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}()
	for name, tt := range map[string]struct {
		req    *anchor.Request
		answer []byte
		what   string
	}{
		"another nonce":       {mine, answer(request(cp, "")), "nonce"},
		"no nonce":            {mine, withoutNonce, "nonce"},
		"another checkpoint":  {mine, answer(request(checkpoint(t, 6), "")), "message imprint"},
		"another policy":      {request(cp, anchortest.OtherPolicy), answer(mine), "policy"},
		"a refusal":           {request(cp, "1.2.3"), answer(request(cp, "1.2.3")), "gives no stamp"},
		"no answer":           {mine, nil, "no time-stamp response"},
		"more than an answer": {mine, append(answer(mine), 1), "no time-stamp response"},
		"too much":            {mine, make([]byte, anchor.MaxToken+1), "bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, at, err := tt.req.Answer(tt.answer, a.Roots); !errors.Is(err, anchor.ErrUnfit) || !strings.Contains(err.Error(), tt.what) {
				t.Errorf("Answer = %+v, %v; want it unfit: %s", at, err, tt.what)
			}
		})
	}
	for _, policy := range []string{"1", "x", "1..2", "9.1.2", "1.2.99999999999", "-1.2"} {
		if _, err := anchor.NewRequest(cp, policy); !errors.Is(err, vedette.ErrInvalid) {
			t.Errorf("a request under policy %q: %v, want invalid", policy, err)
		}
	}
}

// Every byte of a token is altered, in three ways. It is either refused, or tells what it told before: what no signature covers (the order of
// certificates, a certificate that nobody needs) says nothing about when or over what.
func TestNoAlteredStampTellsAnotherTime(t *testing.T) {
	a := authority(t, false)
	good, at := stamped(t, a, checkpoint(t, 5), "")
	taken := 0
	for i := range good.Token {
		for _, flip := range []byte{0x01, 0x80, 0xff} {
			bent := good
			bent.Token = bytes.Clone(good.Token)
			bent.Token[i] ^= flip
			got, err := bent.Verify(anchor.Trust{Roots: a.Roots})
			switch {
			case err != nil && !errors.Is(err, anchor.ErrUnfit):
				t.Errorf("byte %d: %v", i, err)
			case err == nil && got != at:
				t.Errorf("byte %d altered by %#x gives %+v, want %+v or a refusal", i, flip, got, at)
			case err == nil:
				taken++
			}
		}
	}
	for i := range good.Checkpoint {
		bent := good
		bent.Checkpoint = bytes.Clone(good.Checkpoint)
		bent.Checkpoint[i] ^= 1
		if got, err := bent.Verify(anchor.Trust{Roots: a.Roots}); err == nil {
			t.Errorf("byte %d of the checkpoint altered gives %+v", i, got)
		}
	}
	t.Logf("%d of %d alterations say the same as before", taken, 3*len(good.Token))
	if taken > len(good.Token)/4 {
		t.Errorf("%d alterations of %d bytes were taken", taken, len(good.Token))
	}
}

func FuzzStamp(f *testing.F) {
	a := authority(f, false)
	good, at := stamped(f, a, checkpoint(f, 5), "")
	f.Add(good.Token)
	var whole asn1.RawValue // a token without its own frame
	_, _ = asn1.Unmarshal(good.Token, &whole)
	f.Add(whole.Bytes)
	f.Add([]byte{0x30, 0x80, 0, 0})
	f.Fuzz(func(t *testing.T, token []byte) {
		bent := good
		bent.Token = token
		if got, err := bent.Verify(anchor.Trust{Roots: a.Roots}); err == nil && got != at {
			t.Errorf("%x gives %+v", token, got)
		}
	})
}
