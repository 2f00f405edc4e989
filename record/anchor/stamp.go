package anchor

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"strconv"
	"strings"

	tsp "github.com/notaryproject/tspclient-go"

	"vedette"
)

// Request is a question to a time-stamping authority: that this checkpoint is there now.
type Request struct {
	checkpoint []byte
	req        *tsp.Request
	Body       []byte // to send, as application/timestamp-query
}

// NewRequest asks for a stamp over the SHA-256 of a checkpoint's bytes, with a fresh nonce and for the authority's certificate with it. A policy in
// dotted form asks for that policy alone; "" leaves it to the authority. Its error wraps vedette.ErrInvalid.
func NewRequest(checkpoint []byte, policy string) (*Request, error) {
	if len(checkpoint) == 0 || len(checkpoint) > MaxCheckpoint {
		return nil, fmt.Errorf("anchor: a checkpoint of %d bytes: %w", len(checkpoint), vedette.ErrInvalid)
	}
	opts := tsp.RequestOptions{Content: checkpoint, HashAlgorithm: crypto.SHA256}
	if policy != "" {
		for arc := range strings.SplitSeq(policy, ".") {
			n, err := strconv.ParseUint(arc, 10, 31)
			if err != nil {
				return nil, fmt.Errorf("anchor: policy %.60q is no dotted number: %w", policy, vedette.ErrInvalid)
			}
			opts.ReqPolicy = append(opts.ReqPolicy, int(n))
		}
	}
	req, err := tsp.NewRequest(opts)
	if err != nil {
		return nil, fmt.Errorf("anchor: make a request for a stamp: %w", err)
	}
	body, err := req.MarshalBinary() // refuses a number that is no object identifier
	if err != nil {
		return nil, fmt.Errorf("anchor: make a request for a stamp: %w: %w", vedette.ErrInvalid, err)
	}
	return &Request{checkpoint, req, body}, nil
}

// Answer reads what the authority answered and checks it against the request: that the stamp was given, over this checkpoint, for this
// request and under the policy asked for, by somebody whom the roots vouch for. Its error wraps ErrUnfit; of an authority that refused, ErrRefused too.
func (r *Request) Answer(body []byte, roots *x509.CertPool) (Anchor, At, error) {
	if len(body) > MaxToken {
		return Anchor{}, At{}, fmt.Errorf("%w: an answer of %d bytes", ErrUnfit, len(body))
	}
	var resp tsp.Response
	if rest, err := asn1.Unmarshal(body, &resp); err != nil || len(rest) > 0 {
		return Anchor{}, At{}, fmt.Errorf("%w: the answer is no time-stamp response", ErrUnfit)
	}
	if err := resp.Status.Err(); err != nil {
		return Anchor{}, At{}, fmt.Errorf("%w: %w: %w", ErrUnfit, ErrRefused, err)
	}
	if err := resp.Validate(r.req); err != nil {
		return Anchor{}, At{}, fmt.Errorf("%w: the answer is not to this request: %w", ErrUnfit, err)
	}
	a := Anchor{Kind: KindStamp, Checkpoint: r.checkpoint, Token: resp.TimestampToken.FullBytes}
	at, err := a.Verify(Trust{Roots: roots})
	return a, at, err
}

// ErrRefused is the error of an authority that gives no stamp.
var ErrRefused = errors.New("anchor: the time-stamping authority gives no stamp")

var sha256OID = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}

// verifyStamp checks a TimeStampToken (RFC 3161 §2.4.2, RFC 5816): one signer, whose certificate is the one that the signed attributes name by its
// SHA-2 digest (ESSCertIDv2), may do nothing but stamp (critical), leads to a root, and was good at the time that the stamp tells; a good
// signature; and the SHA-256 of the very checkpoint. Whether the certificate was revoked is not asked: this takes no network.
func verifyStamp(checkpoint, token []byte, roots *x509.CertPool) (At, error) {
	if roots == nil {
		return At{}, fmt.Errorf("%w: no root to verify a stamp by", ErrUnfit)
	}
	// The library takes BER, and does not look behind the end.
	var outer asn1.RawValue
	if rest, err := asn1.Unmarshal(token, &outer); err != nil || len(rest) > 0 {
		return At{}, fmt.Errorf("%w: the stamp is no DER, or there is more behind it", ErrUnfit)
	}
	signed, err := tsp.ParseSignedToken(token)
	if err != nil {
		return At{}, fmt.Errorf("%w: the stamp cannot be read: %w", ErrUnfit, err)
	}
	if len(signed.SignerInfos) != 1 {
		return At{}, fmt.Errorf("%w: the stamp has %d signatures", ErrUnfit, len(signed.SignerInfos))
	}
	info, err := signed.Info()
	if err != nil {
		return At{}, fmt.Errorf("%w: the stamp cannot be read: %w", ErrUnfit, err)
	}
	if !info.MessageImprint.HashAlgorithm.Algorithm.Equal(sha256OID) {
		return At{}, fmt.Errorf("%w: the stamp is over a digest that is no SHA-256", ErrUnfit)
	}
	if _, err := info.Validate(checkpoint); err != nil {
		return At{}, fmt.Errorf("%w: the stamp is over something else: %w", ErrUnfit, err)
	}
	// A certificate that has ended since still shows what it stamped before.
	chain, err := signed.Verify(context.Background(), x509.VerifyOptions{Roots: roots, CurrentTime: info.GenTime})
	if err != nil {
		return At{}, fmt.Errorf("%w: the stamp's signature: %w", ErrUnfit, err)
	}
	name := chain[0].Subject.CommonName
	if name == "" {
		name = chain[0].Subject.String()
	}
	return At{Time: info.GenTime.UTC(), By: name}, nil
}
