// Package anchoring asks others to vouch for a checkpoint of our log: time-stamping authorities and witnesses.
//
// In:     a checkpoint, an address that the operator chose, and whom to believe.
// Out:    the anchor, verified.
// Keeps:  nothing.
// Fails:  an address that does not answer wraps vedette.ErrUnavailable; an answer that shows nothing wraps anchor.ErrUnfit.
// Source: RFC 3161 §3.4, C2SP tlog-witness, docs/decisions/0027-anchors.md
package anchoring

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"vedette"
	"vedette/record/anchor"
	"vedette/record/evidence"
)

// Asker asks over HTTP. It follows no redirects: whom we ask is the operator's choice alone.
type Asker struct{ client *http.Client }

// New returns an asker. A request may take as long as patience; zero means 30s.
func New(patience time.Duration) *Asker {
	if patience <= 0 {
		patience = 30 * time.Second
	}
	return &Asker{&http.Client{Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// Address reads an address. http is taken too, for what comes is signed and what goes is for everybody to see. Its error wraps vedette.ErrInvalid.
func Address(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("anchoring: %.100q is no address: want https://host/path: %w", s, vedette.ErrInvalid)
	}
	return u, nil
}

// post returns status, content type and body of an answer of at most anchor.MaxToken bytes.
func (a *Asker) post(ctx context.Context, to, kind string, body []byte) (*http.Response, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return nil, nil, fmt.Errorf("anchoring: %w: %w", vedette.ErrInvalid, err)
	}
	req.Header.Set("Content-Type", kind)
	req.Header.Set("User-Agent", "vedette")
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, nil, fmt.Errorf("anchoring: %w: %w", vedette.ErrUnavailable, err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(resp.Body, anchor.MaxToken+1))
	if err == nil && len(b) > anchor.MaxToken {
		err = errors.New("the answer is too large")
	}
	if err != nil {
		return nil, nil, fmt.Errorf("anchoring: %w: %w", vedette.ErrUnavailable, err)
	}
	return resp, b, nil
}

// Stamp has a checkpoint stamped. A policy in dotted form asks for that policy alone.
func (a *Asker) Stamp(ctx context.Context, address string, checkpoint []byte, policy string, roots *x509.CertPool) (anchor.Anchor, anchor.At, error) {
	u, err := Address(address)
	if err != nil {
		return anchor.Anchor{}, anchor.At{}, err
	}
	req, err := anchor.NewRequest(checkpoint, policy)
	if err != nil {
		return anchor.Anchor{}, anchor.At{}, err
	}
	resp, body, err := a.post(ctx, u.String(), "application/timestamp-query", req.Body)
	if err != nil {
		return anchor.Anchor{}, anchor.At{}, err
	}
	if resp.StatusCode != http.StatusOK {
		return anchor.Anchor{}, anchor.At{}, fmt.Errorf("anchoring: the authority answered %s: %w", resp.Status, vedette.ErrUnavailable)
	}
	return req.Answer(body, roots)
}

// Cosign has a witness cosign a checkpoint; prove makes the proof from a smaller size to it. A witness that has seen more leaves than the checkpoint
// has, or another history, is an error that wraps anchor.ErrUnfit: one of both was put back, or two histories are shown.
func (a *Asker) Cosign(ctx context.Context, address string, key note.Verifier, checkpoint []byte, prove func(ctx context.Context, from uint64) ([]vedette.Digest, error)) (anchor.Anchor, anchor.At, error) {
	fail := func(err error) (anchor.Anchor, anchor.At, error) { return anchor.Anchor{}, anchor.At{}, err }
	u, err := Address(address)
	if err != nil {
		return fail(err)
	}
	cp, err := evidence.ReadCheckpoint(checkpoint)
	if err != nil {
		return fail(err)
	}
	to := u.JoinPath("add-checkpoint").String()
	old := uint64(0)
	for range 3 { // it may have cosigned for somebody else between two of our questions
		var proof []vedette.Digest
		if old > 0 && old < cp.Size {
			if proof, err = prove(ctx, old); err != nil {
				return fail(err)
			}
		}
		resp, body, err := a.post(ctx, to, "text/plain; charset=utf-8", anchor.AddRequest(old, proof, checkpoint))
		if err != nil {
			return fail(err)
		}
		says := strings.TrimSpace(string(body[:min(len(body), 200)]))
		switch resp.StatusCode {
		case http.StatusOK:
			return anchor.Cosigned(checkpoint, body, key)
		case http.StatusConflict:
			size, err := strconv.ParseUint(says, 10, 63)
			if err != nil || resp.Header.Get("Content-Type") != "text/x.tlog.size" {
				return fail(fmt.Errorf("%w: the witness has seen another history of this log: %q", anchor.ErrUnfit, says))
			}
			if size > cp.Size {
				return fail(fmt.Errorf("%w: the witness has seen %d records of this log, which has %d: it was put back, or another was shown to the witness", anchor.ErrUnfit, size, cp.Size))
			}
			old = size
		case http.StatusUnprocessableEntity:
			return fail(fmt.Errorf("%w: the witness has seen another history of this log: %q", anchor.ErrUnfit, says))
		case http.StatusNotFound:
			return fail(fmt.Errorf("anchoring: the witness does not know this log; its operator must add the log's key (vedette evidence key), or the address is wrong: %w", vedette.ErrUnknown))
		case http.StatusForbidden:
			return fail(fmt.Errorf("anchoring: the witness knows another key of this log: %w", vedette.ErrForbidden))
		default:
			return fail(fmt.Errorf("anchoring: the witness answered %s %q: %w", resp.Status, says, vedette.ErrUnavailable))
		}
	}
	return fail(fmt.Errorf("anchoring: the witness names another size each time: %w", vedette.ErrUnavailable))
}
