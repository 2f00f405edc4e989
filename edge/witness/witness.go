// Package witness is the door at which other logs ask for a cosignature.
//
// In:     POST /add-checkpoint, of logs that the witness knows.
// Out:    a signature line; or why there is none, as the protocol has it: 400, 403, 404, 409 with the size, 422.
// Keeps:  nothing; the witness behind it does.
// Fails:  503 when the witness could not keep what it would sign; it signs nothing then.
// Source: C2SP tlog-witness, docs/decisions/0027-anchors.md
package witness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"

	"vedette/record/anchor"
)

// Adder is a witness (anchor.Witness).
type Adder interface {
	Add(ctx context.Context, body []byte) ([]byte, error)
}

// Handler returns the handler of a witness. A nil logger logs nothing; a log that shows two histories is told to it as an error.
func Handler(w Adder, log *slog.Logger) http.Handler {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /add-checkpoint", func(out http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(out, r.Body, anchor.MaxAdd))
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			http.Error(out, "too large", http.StatusRequestEntityTooLarge)
			return
		}
		if err != nil {
			return // whoever asked is gone
		}
		line, err := w.Add(r.Context(), body)
		if err == nil {
			out.Header().Set("Content-Type", "text/plain; charset=utf-8")
			_, _ = out.Write(line)
			return
		}
		var stale *anchor.StaleError
		var fork *anchor.ForkError
		switch {
		case errors.As(err, &stale):
			out.Header().Set("Content-Type", "text/x.tlog.size")
			out.WriteHeader(http.StatusConflict)
			_, _ = fmt.Fprintf(out, "%d\n", stale.Size)
		case errors.As(err, &fork):
			code := http.StatusUnprocessableEntity
			if fork.Same {
				code = http.StatusConflict
				// Both are signed by the log: keep them, they are the proof.
				log.LogAttrs(r.Context(), slog.LevelError, "a log shows two histories", slog.String("was", string(fork.Was)), slog.String("now", string(fork.Now)))
			} else {
				log.LogAttrs(r.Context(), slog.LevelWarn, "a checkpoint is no continuation by the proof that came with it", slog.String("was", string(fork.Was)), slog.String("now", string(fork.Now)))
			}
			http.Error(out, fork.Error(), code)
		case errors.Is(err, anchor.ErrMalformed):
			http.Error(out, err.Error(), http.StatusBadRequest)
		case errors.Is(err, anchor.ErrStranger):
			http.Error(out, "this witness does not know the log", http.StatusNotFound)
		case errors.Is(err, anchor.ErrUnsigned):
			http.Error(out, "no signature of a key that is known of this log", http.StatusForbidden)
		default:
			log.LogAttrs(r.Context(), slog.LevelError, "a checkpoint could not be kept and was not cosigned", slog.Any("err", err))
			http.Error(out, "not now", http.StatusServiceUnavailable)
		}
	})
	return mux
}
