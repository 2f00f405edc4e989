package campaign

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"vedette"
	"vedette/record/authority"
)

// injected is one campaign among honest people, and what of it is known once its first report is confirmed.
type injected struct {
	kind    string
	targets map[vedette.AccountID]bool
	seed    vedette.EventID
	hosts   []string // confirmed
	kin     []string // derived
}

// world plays campaigns of five kinds among honest first contacts.
func world(t testing.TB, seed uint64, campaigns, honest int) (*platform, []injected) {
	r := rand.New(rand.NewPCG(seed, 11))
	p := newPlatform(t)
	p.crowd(1500)
	var out []injected
	var acts []func()
	for c := range campaigns {
		in := injected{kind: []string{"one-time", "family", "shared", "cell", "group of senders"}[c%5], targets: map[vedette.AccountID]bool{}}
		host := func(i int) string { return fmt.Sprintf("h%d-%d.example", c, i) }
		k := 5 + r.IntN(4)
		at := r.IntN(k)
		senders := 3
		for i := range senders {
			device, network := fmt.Sprintf("bench %d %d", c, i%2), fmt.Sprintf("rack %d", c)
			if in.kind == "group of senders" { // nothing in common but the host
				device, network = fmt.Sprintf("own %d %d", c, i), fmt.Sprintf("own home %d %d", c, i)
			}
			p.register(fmt.Sprintf("op%d-%d", c, i), device, network, vedette.NetworkHosting, "")
		}
		i := len(out)
		for j := range k {
			acts = append(acts, func() {
				in := &out[i]
				op, to := fmt.Sprintf("op%d-%d", c, j%senders), fmt.Sprintf("person %d-%d", c, j)
				name := host(0)
				switch in.kind {
				case "family", "cell":
					name = host(j % 3)
				case "shared":
					name = fmt.Sprintf("sites.google.com/view/evil-%d", c)
				}
				url := fmt.Sprintf("https://%s/%x", name, r.Uint64())
				id := p.send(op, to, url)
				in.targets[acct(to)] = true
				if r.IntN(3) == 0 {
					p.open(to, op, url)
				}
				if r.IntN(9) == 0 { // sent on to a friend, who is reached too
					p.send(to, "friend of "+to, url)
					in.targets[acct("friend of "+to)] = true
				}
				if j == at {
					in.seed = id
					if in.kind != "shared" {
						in.hosts = []string{name}
					}
					if in.kind == "family" {
						in.kin = []string{host(0), host(1), host(2)}
					}
				}
			})
		}
		out = append(out, in)
	}
	for i := range honest {
		acts = append(acts, func() {
			from, to := fmt.Sprint("passer-by ", r.IntN(1500)), fmt.Sprint("passer-by ", r.IntN(1500))
			switch r.IntN(4) {
			case 0:
				p.send(from, to, fmt.Sprintf("https://sites.google.com/view/club-%d/page", r.IntN(honest/4+1)))
			case 1: // a target's own life
				p.send(fmt.Sprintf("person %d-%d", r.IntN(campaigns), r.IntN(5)), to, fmt.Sprintf("https://shop-%d.example/", r.IntN(honest/4+1)))
			default:
				p.send(from, to, fmt.Sprintf("https://shop-%d.example/%d", r.IntN(honest/4+1), i))
			}
		})
	}
	r.Shuffle(len(acts), func(i, j int) { acts[i], acts[j] = acts[j], acts[i] })
	for _, a := range acts {
		a()
	}
	return p, out
}

// The goal is a sweep recall of 98 % and a precision of 80 %, over all injected campaigns.
func TestTheSweepFindsWhoWasReached(t *testing.T) {
	found, wrong, all := map[string]int{}, map[string]int{}, map[string]int{}
	var sumFound, sumWrong, sumAll int
	for seed := range uint64(3) {
		p, list := world(t, seed, 25, 1500)
		s := p.play()
		for _, c := range list {
			in := p.incident(c.seed)
			for _, h := range c.hosts {
				in.Hosts = append(in.Hosts, confirmed(t, h))
			}
			s.Derived = nil
			for _, h := range c.kin {
				if len(c.hosts) > 0 && h != c.hosts[0] {
					s.Derived = append(s.Derived, derivedFrom(t, h, c.hosts[0], vedette.Warn))
				}
			}
			g := draw(t, in, s, Budget{})
			all[c.kind] += len(c.targets)
			for _, x := range g.Reached().Persons {
				if a, _ := g.Account(x.Label); c.targets[a] {
					found[c.kind]++
				} else {
					wrong[c.kind]++
				}
			}
		}
	}
	for _, kind := range []string{"one-time", "family", "shared", "cell", "group of senders"} {
		t.Logf("%-17s recall %d of %d, wrong %d", kind, found[kind], all[kind], wrong[kind])
		sumFound, sumWrong, sumAll = sumFound+found[kind], sumWrong+wrong[kind], sumAll+all[kind]
	}
	if sumFound*100 < sumAll*98 || sumFound*100 < (sumFound+sumWrong)*80 {
		t.Errorf("found %d of %d, and %d who were not reached", sumFound, sumAll, sumWrong)
	}
}

func BenchmarkDraw(b *testing.B) {
	for _, honest := range []int{2_000, 20_000, 100_000} {
		b.Run(fmt.Sprintf("events=%d", honest), func(b *testing.B) {
			p, list := world(b, 1, 25, honest)
			s := p.play()
			s.Recorder = discard{}
			in := p.incident(list[0].seed)
			in.Hosts = append(in.Hosts, confirmed(b, list[0].hosts[0]))
			permit := permitFor(b, in)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Draw(b.Context(), permit, in, s, Budget{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSVG(b *testing.B) {
	g := large(b)
	b.ReportAllocs()
	for b.Loop() {
		g.SVG()
	}
}

type discard struct{}

func (discard) Record(context.Context, authority.Asked) error { return nil }
