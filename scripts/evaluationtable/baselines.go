//go:build ignore

package main

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"vedette/link"
	"vedette/record/indicator"
	"vedette/store/records"
)

// The baselines are four ways in which lists are really used elsewhere, each given the very list that vedette took.
var baselineNames = []string{
	"(a) the link's text equals a listed value",
	"(b) glob `https://name/*`",
	"(c) substring `*name*`",
	"(d) Go's `net/url`, host in lower case, equal to a name or below it",
}

// baselines holds a list in the forms that they need.
type baselines struct {
	texts map[string]bool // listed values as they are and as their source wrote them
	names map[string]bool // hosts and domains
	links map[string]bool // listed URLs: host and path
	parts map[string][]string
}

const partLen = 4

func newBaselines() *baselines {
	return &baselines{texts: map[string]bool{}, names: map[string]bool{}, links: map[string]bool{}, parts: map[string][]string{}}
}

func (l *baselines) add(value string, isURL bool) {
	if l.texts[value] {
		return
	}
	l.texts[value] = true
	if len(value) >= partLen {
		l.parts[value[:partLen]] = append(l.parts[value[:partLen]], value)
	}
	if !isURL {
		l.names[value] = true
		return
	}
	if !strings.Contains(value, "://") {
		value = "https://" + value
	}
	if u, err := url.Parse(value); err == nil && u.Host != "" {
		l.links[strings.ToLower(u.Hostname())+u.EscapedPath()] = true
	}
}

// taken reads the list that a folder holds.
func taken(dir string) (l *baselines, n int, err error) {
	db, err := records.Open(context.Background(), dir)
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	l = newBaselines()
	for in, err := range db.Indicators().Known(context.Background(), time.Time{}) {
		if err != nil {
			return nil, 0, err
		}
		n++
		if in.Scope == indicator.ScopeURL || in.Scope == indicator.ScopePath {
			if text := link.Refang(in.Original); strings.Contains(text, "://") {
				in.Value = text
			}
			l.add(in.Value, true)
			continue
		}
		l.add(in.Value, false)
	}
	return l, n, nil
}

// ask tells which of the four would stop the link, and by what.
func (l *baselines) ask(text string) (by [4]string) {
	if l.texts[text] {
		by[0] = text
	}
	if rest, ok := strings.CutPrefix(text, "https://"); ok {
		if host, _, ok := strings.Cut(rest, "/"); ok && l.names[host] {
			by[1] = host
		}
	}
	for i := 0; i+partLen <= len(text) && by[2] == ""; i++ {
		for _, v := range l.parts[text[i:i+partLen]] {
			if strings.HasPrefix(text[i:], v) {
				by[2] = v
				break
			}
		}
	}
	if u, err := url.Parse(text); err == nil {
		host := strings.ToLower(u.Hostname())
		if l.links[host+u.EscapedPath()] {
			by[3] = host + u.EscapedPath()
		}
		for h := host; h != "" && by[3] == ""; {
			if l.names[h] {
				by[3] = h
			}
			_, h, _ = strings.Cut(h, ".")
		}
	}
	return by
}
