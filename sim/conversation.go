package sim

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"vedette"
)

// said is one message of a real conversation: who, to whom, when, and whether it held a link. Its text is never kept.
type said struct {
	at       int64 // Unix milliseconds
	from, to int32 // numbers by first appearance; to is a group's where group is set
	group    bool
	link     bool // the real message held a link; only where the source has text
}

// people gives numbers in place of names, so that no name of the source goes any further.
type people struct {
	number map[string]int32
	next   int32
}

func (p *people) of(source int, name string) int32 {
	k := strconv.Itoa(source) + " " + name
	n, ok := p.number[k]
	if !ok {
		n = p.next
		p.next++
		p.number[k] = n
	}
	return n
}

// readConversation reads one real conversation in the order of its time. It knows edge lists (columns by blanks or commas: from, to,
// perhaps a weight, Unix seconds last; % and # for remarks) and chat in XML (message elements with ts, user, text; one group), both
// also gzipped. 24 bytes are held for each message: sources are seldom in order.
func readConversation(path string, source int, accounts, groups *people) (out []said, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("sim: conversation: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	r := bufio.NewReaderSize(f, 1<<16)
	if magic, _ := r.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(r)
		if err != nil {
			return nil, fmt.Errorf("sim: conversation %d: %w: %w", source, err, vedette.ErrInvalid)
		}
		r = bufio.NewReaderSize(z, 1<<16)
	}
	if first, _ := r.Peek(1); bytes.Equal(first, []byte("<")) {
		out, err = readChat(r, source, accounts, groups)
	} else {
		out, err = readEdges(r, source, accounts)
	}
	if err != nil {
		return nil, fmt.Errorf("sim: conversation %d: %w", source, err)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("sim: conversation %d: no messages: %w", source, vedette.ErrInvalid)
	}
	slices.SortStableFunc(out, func(a, b said) int {
		switch {
		case a.at < b.at:
			return -1
		case a.at > b.at:
			return 1
		}
		return 0
	})
	return out, nil
}

func readEdges(r io.Reader, source int, accounts *people) ([]said, error) {
	var out []said
	sc := bufio.NewScanner(r)
	for n := 1; sc.Scan(); n++ {
		s := strings.TrimSpace(sc.Text())
		if s == "" || s[0] == '%' || s[0] == '#' {
			continue
		}
		f := strings.FieldsFunc(s, func(c rune) bool { return c == ' ' || c == '\t' || c == ',' })
		if len(f) < 3 {
			return nil, fmt.Errorf("line %d: %d columns where 3 or 4 are needed: %w", n, len(f), vedette.ErrInvalid)
		}
		at, err := strconv.ParseFloat(f[len(f)-1], 64)
		if err != nil || at < 0 || at > 1e11 {
			return nil, fmt.Errorf("line %d: the last column is no Unix time in seconds: %w", n, vedette.ErrInvalid)
		}
		if f[0] == f[1] {
			continue // a note to oneself
		}
		out = append(out, said{at: int64(at * 1000), from: accounts.of(source, f[0]), to: accounts.of(source, f[1])})
	}
	return out, sc.Err()
}

func readChat(r io.Reader, source int, accounts, groups *people) ([]said, error) {
	var out []said
	group := groups.of(source, "")
	d := xml.NewDecoder(r)
	d.Strict = false
	var m struct {
		At   string `xml:"ts"`
		User string `xml:"user"`
		Text string `xml:"text"`
	}
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", err, vedette.ErrInvalid)
		}
		el, ok := tok.(xml.StartElement)
		if !ok || el.Name.Local != "message" {
			continue
		}
		m.At, m.User, m.Text = "", "", ""
		if err := d.DecodeElement(&m, &el); err != nil {
			return nil, fmt.Errorf("%w: %w", err, vedette.ErrInvalid)
		}
		at, err := time.Parse("2006-01-02T15:04:05.999999", m.At)
		if err != nil || m.User == "" {
			return nil, fmt.Errorf("message %d has no time or no user: %w", len(out)+1, vedette.ErrInvalid)
		}
		out = append(out, said{
			at: at.UnixMilli(), from: accounts.of(source, m.User), to: group, group: true,
			link: strings.Contains(m.Text, "http://") || strings.Contains(m.Text, "https://"),
		})
	}
}

// Conversation reads one real conversation (docs/formats/scenario.md, "background.file") and gives its messages in order of time. People and
// groups are numbers from 0, by first appearance; of text nothing is told but whether it held a link. It returns how many people there are.
func Conversation(path string, each func(at time.Time, from, to int, group, link bool)) (int, error) {
	accounts, groups := &people{number: map[string]int32{}}, &people{number: map[string]int32{}}
	said, err := readConversation(path, 0, accounts, groups)
	if err != nil {
		return 0, err
	}
	for i := range said {
		s := &said[i]
		each(time.UnixMilli(s.at), int(s.from), int(s.to), s.group, s.link)
	}
	return int(accounts.next), nil
}
