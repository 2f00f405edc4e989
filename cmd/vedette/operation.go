package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"vedette"
)

// operation is one deed of the house that a command asks for: in this process when nobody owns the folder, else over the owner's socket.
// Its argument and answer are JSON either way, so both ways are the same.
type operation[In, Out any] struct {
	name string
	run  func(ctx context.Context, h *house, in In) (Out, error)
}

// served is an operation without its types.
type served interface {
	title() string
	serve(ctx context.Context, h *house, in []byte) ([]byte, error)
}

func (o operation[In, Out]) title() string { return o.name }

func (o operation[In, Out]) serve(ctx context.Context, h *house, body []byte) ([]byte, error) {
	var in In
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, fmt.Errorf("%s: %w", o.name, errors.Join(err, vedette.ErrInvalid))
	}
	out, err := o.run(ctx, h, in)
	if err != nil {
		return nil, err
	}
	return json.Marshal(out)
}

// do asks for the operation on the folder of g.
func (o operation[In, Out]) do(ctx context.Context, g *global, in In) (Out, error) {
	var out Out
	body, err := json.Marshal(in)
	if err != nil {
		return out, err
	}
	var answer []byte
	h, err := open(ctx, g, opening{records: onRecords[o.name], gate: onGate[o.name]})
	switch {
	case err == nil:
		answer, err = o.serve(ctx, h, body)
		err = errors.Join(err, h.close())
	case errors.Is(err, errOwned):
		if s, ok := server(g.data); ok {
			answer, err = ask(ctx, s.Socket, o.name, body)
		}
	}
	if err != nil {
		return out, err
	}
	return out, json.Unmarshal(answer, &out)
}

// kinds are the kinds of errors that survive the way over the socket.
var kinds = []error{
	vedette.ErrInvalid, vedette.ErrForbidden, vedette.ErrUnknown, vedette.ErrConflict, vedette.ErrBusy, vedette.ErrTooLarge, vedette.ErrUnavailable,
}

type refusal struct {
	Kind string `json:"kind"`
	Text string `json:"text"`
}

// remote is an error that was told over the socket.
type remote struct {
	text string
	kind error
}

func (r *remote) Error() string { return r.text }
func (r *remote) Unwrap() error { return r.kind }

func ask(ctx context.Context, socket, name string, body []byte) ([]byte, error) {
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://vedette/"+name, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("the server that owns the folder does not answer: %w: %w", err, vedette.ErrUnavailable)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK {
		return answer, nil
	}
	var r refusal
	if err := json.Unmarshal(answer, &r); err != nil {
		return nil, fmt.Errorf("the server answered %s", resp.Status)
	}
	out := &remote{text: r.Text}
	for _, k := range kinds {
		if k.Error() == r.Kind {
			out.kind = k
		}
	}
	return nil, out
}

// operationsHandler serves operations on the socket. Only the folder's owner can reach it: the socket's mode says so.
func operationsHandler(h *house) http.Handler {
	byName := map[string]served{}
	for _, o := range operations() {
		byName[o.title()] = o
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o, ok := byName[strings.TrimPrefix(r.URL.Path, "/")]
		if !ok {
			http.Error(w, `{"kind":"not found","text":"this server does not know that operation; is it older than the command?"}`, http.StatusNotFound)
			return
		}
		body, err := io.ReadAll(r.Body)
		var answer []byte
		if err == nil {
			answer, err = o.serve(r.Context(), h, body)
		}
		if err != nil {
			out := refusal{Text: err.Error()}
			for _, k := range kinds {
				if errors.Is(err, k) {
					out.Kind = k.Error()
				}
			}
			answer, _ = json.Marshal(out)
			w.WriteHeader(http.StatusConflict)
		}
		_, _ = w.Write(answer)
	})
}
