// Package tiles shows the evidence log to whoever asks, so that it cannot be one thing for the one and another for the other.
//
// In:     requests for the paths of C2SP tlog-tiles, without a key: what stands there shows nothing by itself.
// Out:    the checkpoint, tiles and entry bundles, as they lie in the log's folder.
// Keeps:  nothing.
// Fails:  any other path is 404, whatever lies there; what is there and cannot be read is 500, and told to the log.
// Source: C2SP tlog-tiles, docs/decisions/0027-anchors.md
package tiles

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// largest is how large a resource can be: 256 entries of 65,535 bytes with their lengths.
const largest = 256 * (2 + 65535)

// Handler returns the handler of a log's folder. A nil logger logs nothing.
func Handler(dir string, log *slog.Logger) http.Handler {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			http.Error(w, "the log can be read only", http.StatusMethodNotAllowed)
			return
		}
		name, isCheckpoint := resource(r.URL.EscapedPath())
		if name == "" {
			http.Error(w, "no resource of C2SP tlog-tiles", http.StatusNotFound)
			return
		}
		b, err := read(dir, name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			http.Error(w, "not in this log", http.StatusNotFound)
			return
		case err != nil:
			log.LogAttrs(r.Context(), slog.LevelError, "a part of the evidence log cannot be read", slog.String("file", name), slog.Any("err", err))
			http.Error(w, "cannot be read", http.StatusInternalServerError)
			return
		}
		if isCheckpoint {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.Header().Set("Cache-Control", "no-cache")
		} else {
			// A tile of a width never changes, the partial ones neither: they only go when the full one is there.
			w.Header().Set("Content-Type", "application/octet-stream")
			w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(b))
	})
}

// read reads a file that lies in the folder and is no link out of it.
func read(dir, name string) ([]byte, error) {
	f, err := os.OpenInRoot(dir, name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	st, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !st.Mode().IsRegular():
		return nil, fs.ErrNotExist
	case st.Size() > largest:
		return nil, errors.New("larger than any resource of a log")
	}
	b := make([]byte, st.Size())
	_, err = f.ReadAt(b, 0)
	return b, err
}

// resource returns the file of a request's path, or nothing when it is none of the format's: "checkpoint", "tile/L/N", "tile/entries/N", and
// with ".p/W" behind for the partial ones. Each resource has one name alone: an escaped character, a second slash or a leading zero is none.
func resource(path string) (name string, isCheckpoint bool) {
	path, ok := strings.CutPrefix(path, "/")
	if !ok || len(path) > 60 {
		return "", false
	}
	if path == "checkpoint" {
		return path, true
	}
	rest, ok := strings.CutPrefix(path, "tile/")
	if !ok {
		return "", false
	}
	level, rest, _ := strings.Cut(rest, "/")
	if level != "entries" && !number(level, 0, 63) {
		return "", false
	}
	index, width, partial := strings.Cut(rest, ".p/")
	if partial && !number(width, 1, 255) || !grouped(index) {
		return "", false
	}
	return path, false
}

// number tells whether s is a decimal number in a range, without leading zeros.
func number(s string, low, high uint64) bool {
	n, err := strconv.ParseUint(s, 10, 8)
	return err == nil && n >= low && n <= high && strconv.FormatUint(n, 10) == s
}

// grouped tells whether s is an index in groups of three digits, all but the last with an x before them: x001/x234/067.
func grouped(s string) bool {
	groups := strings.Split(s, "/")
	if len(groups) > 6 || len(groups) > 1 && groups[0] == "x000" {
		return false
	}
	for i, g := range groups {
		if i < len(groups)-1 {
			var ok bool
			if g, ok = strings.CutPrefix(g, "x"); !ok {
				return false
			}
		}
		if len(g) != 3 || strings.Trim(g, "0123456789") != "" {
			return false
		}
	}
	return true
}
