package decision

import (
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"vedette"
	"vedette/internal/corpus"
	"vedette/link"
	"vedette/record/indicator"
)

var _ Indicators = (*indicator.Set)(nil)

// keyed makes tokens as a vault would, under a key that nobody needs to hide.
type keyed struct{}

func (keyed) Epochs() []uint16 { return []uint16{1} }

func (keyed) Token(epoch uint16, kind vedette.TokenKind, name string) vedette.Token {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %d %s", epoch, kind, name))
	return vedette.Token{Kind: kind, Epoch: epoch, Bytes: [16]byte(sum[:16])}
}

// tokens is what the door keeps of a link.
func tokens(u *link.URL) vedette.Link {
	l := vedette.Link{Host: keyed{}.Token(1, vedette.TokenHost, u.Host()), URL: keyed{}.Token(1, vedette.TokenURL, u.Canonical()), Shape: u.Shape()}
	if name := u.Registrable(); name != "" {
		l.Domain = keyed{}.Token(1, vedette.TokenDomain, name)
	}
	if name := u.HostTenant(); name != "" {
		l.Tenant = keyed{}.Token(1, vedette.TokenTenant, name)
	}
	return l
}

// TestTheJournalGivesTheSameDecisionAgain decides with the URL, as the door does, and again with what the journal keeps of it.
func TestTheJournalGivesTheSameDecisionAgain(t *testing.T) {
	set, err := indicator.Build(slices.Values([]indicator.Indicator{
		{Value: "evil.example", Scope: indicator.ScopeDomain, Source: "alpha", Verdict: vedette.Block, Weight: 20000},
		{Value: "cdn.shop.example", Scope: indicator.ScopeHost, Source: "beta", Verdict: vedette.Warn, Weight: 9000},
		{Value: "https://forum.example/t/7", Scope: indicator.ScopeURL, Source: "beta", Verdict: vedette.Hold, Weight: 12000},
	}), keyed{})
	if err != nil {
		t.Fatal(err)
	}
	g := mustMake(t, Parts{Rules: starterSet(t), Indicators: set, Armed: Armed{Ceiling: vedette.Hold}})
	for _, tt := range []struct {
		url  string
		want vedette.Verdict
	}{
		{"https://evil.example/", vedette.Block},
		{"HTTP://user@WWW.a.b.evil.example.:8080/x?y", vedette.Block},
		{"cdn.shop.example", vedette.Warn},
		{"shop.example", vedette.Warn},
		{"https://forum.example/t/7#part", vedette.Hold},
		{"https://xn--80ak6aa92e.example/", vedette.Warn},
		{"http://0x7f.1/", vedette.Warn},
		{"https://safe.example/", vedette.Allow},
	} {
		u, err := link.Parse(tt.url)
		if err != nil {
			t.Fatal(err)
		}
		in := sent(1)
		body := in.Event.Body.(*vedette.LinkSent)
		body.Links[0] = tokens(&u)
		if tt.url == "shop.example" { // a one-time path would be needed for more
			body.Stranger = yes
			body.Links[0].Shape.TokenLike = 1
			in.Measures[0].Set(vedette.MeasureDomainPeople, 0)
		}
		if u.Registrable() == "" {
			in.Measures[0] = withoutDomain(&in.Measures[0])
		}
		if strings.Contains(tt.url, "xn--") {
			body.Stranger = yes
			in.Measures[0].Set(vedette.MeasureDomainPeople, 3)
		}
		fromJournal := g.Decide(in)
		in.Links = []link.URL{u}
		live := g.Decide(in)
		if live.Would != tt.want || live.Degraded != 0 {
			t.Errorf("Decide(%s) would %v without %v, want %v; %+v", tt.url, live.Would, live.Degraded.Names(), tt.want, live.Reasons)
		}
		if !reflect.DeepEqual(live, fromJournal) {
			t.Errorf("Decide(%s) = %+v, from the journal %+v", tt.url, live, fromJournal)
		}
	}
}

// honestLinks reads links that honest people sent in two public chats, and sites that measurement projects test for being reachable.
func honestLinks(t *testing.T) []string {
	t.Helper()
	var out []string
	lines := func(path string, column int, sep string) {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		var r io.Reader = f
		if strings.HasSuffix(path, ".gz") {
			if r, err = gzip.NewReader(f); err != nil {
				t.Fatal(err)
			}
		}
		s := bufio.NewScanner(r)
		for s.Scan() {
			if fields := strings.Split(s.Text(), sep); len(fields) > column && strings.Contains(fields[column], "://") {
				out = append(out, strings.Trim(fields[column], "\"\ufeff"))
			}
		}
		if err := s.Err(); err != nil {
			t.Fatal(err)
		}
	}
	dir := corpus.Path(t, "benign")
	lines(filepath.Join(dir, "urls", "slack_links.tsv.gz"), 2, "\t")
	lines(filepath.Join(dir, "urls", "irc_train_links.tsv.gz"), 2, "\t")
	lists, err := filepath.Glob(filepath.Join(dir, "testlists", "*.csv"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range lists {
		lines(name, 0, ",")
	}
	return out
}

func TestHonestLinksCostWhatTheRulesSay(t *testing.T) {
	honest := honestLinks(t)
	rs := starterSet(t)
	for _, tt := range []struct {
		name    string
		setting func(in *Input)
		may     []vedette.RuleID // active rules that may fire: the others must not
	}{
		{"a friend sends a link that nobody here has sent", func(in *Input) {
			in.Measures[0].Set(vedette.MeasureDomainPeople, 0)
		}, []vedette.RuleID{"rule:deceptive-spelling"}},
		{"an old account sends a stranger a link that others have sent", func(in *Input) {
			in.Event.Body.(*vedette.LinkSent).Stranger = yes
		}, []vedette.RuleID{"rule:first-contact-odd-host"}},
		{"an old account sends a stranger a link that nobody here has sent", func(in *Input) {
			in.Event.Body.(*vedette.LinkSent).Stranger = yes
			in.Measures[0].Set(vedette.MeasureDomainPeople, 0)
			in.Measures[0].Set(vedette.MeasureDomainAge, 0)
		}, []vedette.RuleID{"rule:deceptive-spelling", "rule:first-contact-odd-host", "rule:first-contact-look-alike", "rule:stranger-one-time-link"}},
		{"a young account sends a stranger a link that others have sent", func(in *Input) {
			in.Event.Body.(*vedette.LinkSent).Stranger = yes
			in.Measures[0].Set(vedette.MeasureAccountAge, 3600)
		}, []vedette.RuleID{"rule:first-contact-odd-host", "rule:young-account-hidden-target"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := mustMake(t, Parts{Rules: rs, Indicators: knows(nil), Armed: Armed{Ceiling: vedette.Block}})
			fired, sample, read, warned := map[vedette.RuleID]int{}, map[vedette.RuleID]string{}, 0, 0
			for _, raw := range honest {
				u, err := link.Parse(raw)
				if err != nil {
					continue
				}
				read++
				in := sent(1)
				tt.setting(in)
				in.Event.Body.(*vedette.LinkSent).Links[0] = tokens(&u)
				in.Links = []link.URL{u}
				if u.Registrable() == "" {
					in.Measures[0] = withoutDomain(&in.Measures[0])
				}
				d := g.Decide(in)
				if d.Would > vedette.Allow {
					warned++
				}
				for _, r := range d.Reasons {
					if !r.Shadow {
						fired[r.Rule]++
						sample[r.Rule] = u.Defanged()
					}
				}
			}
			if read < 10_000 {
				t.Fatalf("only %d links could be read", read)
			}
			for _, id := range slices.Sorted(maps.Keys(fired)) {
				t.Logf("%s fires on %d of %d honest links (%.2f %%), such as %s", id, fired[id], read, 100*float64(fired[id])/float64(read), sample[id])
				if !slices.Contains(tt.may, id) {
					t.Errorf("%s fires, and may not", id)
				}
			}
			t.Logf("%d of %d honest links would be warned about (%.2f %%)", warned, read, 100*float64(warned)/float64(read))
		})
	}
}

// withoutDomain is what memory measures of a link without a registrable domain.
func withoutDomain(m *vedette.Measures) (out vedette.Measures) {
	for k := range vedette.MeasureCount {
		if v, ok := m.Get(k); ok && !k.AboutLink() {
			out.Set(k, v)
		}
	}
	return out
}
