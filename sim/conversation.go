package sim

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"regexp"
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
// perhaps a weight, Unix seconds last; % and # for remarks), chat in XML (message elements with ts, user, text; one group), and logs of a channel (a tar
// of files whose names begin with their day, lines of "[15:04] <name> text"; one group), all also gzipped. 24 bytes are held for each message: sources
// are seldom in order.
func readConversation(file string, source int, accounts, groups *people) (out []said, err error) {
	f, err := os.Open(file)
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
	} else if head, _ := r.Peek(262); len(head) == 262 && bytes.Equal(head[257:], []byte("ustar")) {
		out, err = readLogs(r, source, accounts, groups)
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

// readLogs reads what was written in a channel; who came and went, and what servers said, is passed over. Minutes are all that a log has: its lines are put a
// tenth of a second after one another within one. A clock that goes back by more than half a day has passed midnight.
func readLogs(r io.Reader, source int, accounts, groups *people) ([]said, error) {
	var out []said
	group := groups.of(source, "")
	files := tar.NewReader(r)
	for {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", err, vedette.ErrInvalid)
		}
		name := path.Base(h.Name)
		if h.Typeflag != tar.TypeReg || strings.HasPrefix(name, ".") {
			continue
		}
		day, err := time.Parse(time.DateOnly, name[:min(len(name), len(time.DateOnly))])
		if err != nil {
			return nil, fmt.Errorf("%q: its name does not begin with a day such as 2005-01-31: %w", name, vedette.ErrInvalid)
		}
		last, within := -1, int64(0)
		sc := bufio.NewScanner(files)
		sc.Buffer(nil, 1<<20)
		for n := 1; sc.Scan(); n++ {
			m := logLine.FindSubmatch(sc.Bytes())
			if m == nil {
				continue
			}
			minute := 600*int(m[1][0]-'0') + 60*int(m[1][1]-'0') + 10*int(m[2][0]-'0') + int(m[2][1]-'0')
			switch {
			case minute >= 24*60 || m[2][0] > '5':
				return nil, fmt.Errorf("%s, line %d: %s:%s is no time of day: %w", name, n, m[1], m[2], vedette.ErrInvalid)
			case minute == last:
				within += 100
			case last-minute > 12*60:
				day = day.AddDate(0, 0, 1)
				last, within = minute, 0
			default:
				last, within = minute, 0
			}
			out = append(out, said{
				at: day.UnixMilli() + int64(minute)*60_000 + min(within, 59_900), from: accounts.of(source, string(m[3])), to: group, group: true,
				link: bytes.Contains(m[4], []byte("http://")) || bytes.Contains(m[4], []byte("https://")),
			})
		}
		if err := sc.Err(); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
}

var logLine = regexp.MustCompile(`^\[(\d\d):(\d\d)\] <([^> ]+)> (.*)`)

// Conversation reads one real conversation (docs/formats/scenario.md, "background.file") and gives its messages in order of time. People and
// groups are numbers from 0, by first appearance; of text nothing is told but whether it held a link. It returns how many people there are.
func Conversation(file string, each func(at time.Time, from, to int, group, link bool)) (int, error) {
	accounts, groups := &people{number: map[string]int32{}}, &people{number: map[string]int32{}}
	said, err := readConversation(file, 0, accounts, groups)
	if err != nil {
		return 0, err
	}
	for i := range said {
		s := &said[i]
		each(time.UnixMilli(s.at), int(s.from), int(s.to), s.group, s.link)
	}
	return int(accounts.next), nil
}
