package link

import (
	"testing"

	"github.com/weppos/publicsuffix-go/publicsuffix"
	netlist "golang.org/x/net/publicsuffix"
)

// librarySuffix asks the library as it comes.
func librarySuffix(host string) (string, bool) {
	rule := publicsuffix.DefaultList.Find(host, nil)
	parts := rule.Decompose(host)
	suffix := parts[1]
	if suffix == "" {
		suffix = host // the host is the suffix
	}
	return suffix, rule != publicsuffix.DefaultRule && !rule.Private
}

var sink int

func BenchmarkRegistrable(b *testing.B) {
	hosts := []string{"www.evil.example", "evil.example", "a.b.evil.co.uk", "someone.github.io", "news.example.com", "login.example.org", "x.kawasaki.jp", "cdn.example.net"}
	b.Run("ours", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for _, h := range hosts {
				sink += len(Registrable(h))
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(hosts)), "ns/host")
	})
	b.Run("x-net", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for _, h := range hosts {
				s, _ := netlist.EffectiveTLDPlusOne(h)
				sink += len(s)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(hosts)), "ns/host")
	})
	b.Run("weppos", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for _, h := range hosts {
				s, _ := publicsuffix.Domain(h)
				sink += len(s)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(hosts)), "ns/host")
	})
}
