package sim

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"vedette"
)

// Target is one known bad name that can be injected.
type Target struct {
	Type        string // domain or url
	Value       string // as listed
	Host        string // lower case
	Path        string // of a url, with query; empty or begins with a slash
	Registrable string // empty: the list does not say
	Operator    string
}

// wide tells whether the list names a whole registrable domain.
func (t *Target) wide() bool { return t.Type == "domain" && t.Registrable == t.Host }

// readTargets reads a list of known bad names: CSV whose header has "value" (or "domain" or "indicator"), and perhaps "type",
// "registrable", "operator" and "host_is_popular_or_legit"; or plain text, one host or URL a line, with # for remarks.
// What it leaves out is counted by reason.
func readTargets(path string, keep func(*Target, bool) string, registrable func(string) string, left map[string]int) ([]Target, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("sim: hosts: %w", err)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	var out []Target
	seen := map[string]bool{}
	take := func(kind, value, reg, operator string, popular bool) {
		t, why := newTarget(kind, value, reg, operator)
		if why == "" {
			if t.Registrable == "" && registrable != nil {
				t.Registrable = registrable(t.Host)
			}
			why = keep(&t, popular)
		}
		if why == "" && seen[t.Type+" "+t.Host+t.Path] {
			why = "listed twice"
		}
		if why != "" {
			left[why]++
			return
		}
		seen[t.Type+" "+t.Host+t.Path] = true
		out = append(out, t)
	}
	header, _, _ := bytes.Cut(data, []byte("\n"))
	cols := strings.Split(strings.TrimSpace(strings.ToLower(string(header))), ",")
	value := slices.IndexFunc(cols, func(c string) bool { return c == "value" || c == "domain" || c == "indicator" })
	if value < 0 {
		sc := bufio.NewScanner(bytes.NewReader(data))
		sc.Buffer(nil, 1<<20)
		for sc.Scan() {
			s, _, _ := strings.Cut(sc.Text(), "#")
			if s = strings.TrimSpace(s); s != "" {
				take("", s, "", "", false)
			}
		}
		return out, sc.Err()
	}
	at := func(row []string, name string) string {
		if i := slices.Index(cols, name); i >= 0 && i < len(row) {
			return row[i]
		}
		return ""
	}
	r := csv.NewReader(bytes.NewReader(data))
	r.FieldsPerRecord, r.LazyQuotes, r.ReuseRecord = -1, true, true
	for first := true; ; first = false {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("sim: hosts: %w: %w", err, vedette.ErrInvalid)
		}
		if first || value >= len(row) {
			continue
		}
		take(at(row, "type"), row[value], at(row, "registrable"), at(row, "operator"), at(row, "host_is_popular_or_legit") == "1")
	}
}

// newTarget reads one listed name, or says why it is none.
func newTarget(kind, value, reg, operator string) (Target, string) {
	v := strings.NewReplacer("[.]", ".", "(.)", ".", "hxxp", "http").Replace(strings.TrimSpace(value))
	host, path := v, ""
	if _, rest, ok := strings.Cut(v, "://"); ok {
		host = rest
	}
	if i := strings.IndexAny(host, "/?"); i >= 0 {
		host, path = host[:i], host[i:]
	}
	path, _, _ = strings.Cut(path, "#")
	if kind == "" {
		kind = "domain"
		if strings.Contains(v, "://") || path != "" {
			kind = "url"
		}
	}
	if kind != "domain" && kind != "url" {
		return Target{}, "type " + known(kind)
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if strings.Contains(v, "REDACTED") || !plainHost(host) {
		return Target{}, "not a plain host name"
	}
	if path != "" && path[0] == '?' {
		path = "/" + path
	}
	t := Target{Type: kind, Value: strings.TrimSpace(value), Host: host, Registrable: strings.ToLower(reg), Operator: operator}
	if kind == "url" {
		t.Path = path
	}
	return t, ""
}

// known keeps the names of reasons few: a list may hold anything.
func known(kind string) string {
	switch kind {
	case "ip", "email", "hash", "file":
		return kind
	}
	return "other"
}

// plainHost tells whether h is a name of letters, digits and hyphens with a dot and no number at its end.
func plainHost(h string) bool {
	dot := strings.LastIndexByte(h, '.')
	if dot <= 0 || dot == len(h)-1 || len(h) > 253 || h[dot+1] >= '0' && h[dot+1] <= '9' {
		return false
	}
	for i := range len(h) {
		c := h[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_' {
			return false
		}
	}
	return !strings.Contains(h, "..") && h[0] != '-'
}
