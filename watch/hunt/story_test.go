package hunt_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"vedette"
	"vedette/record/authority"
	"vedette/record/indicator"
	"vedette/record/journal"
	"vedette/record/vault"
	"vedette/watch/hunt"
)

// TestFromTheJournalToWhoWasReached goes the whole way with the vault's own tokens and boxes: events become history, a standing hunt tells of
// a day, an analyst is told some, two people see who, and the case has its sealed copy.
func TestFromTheJournalToWhoWasReached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(t, hunt.Config{})
		people := new(authority.Memory)
		v, err := vault.Open(vault.NewMemory(), vault.NewKeys([32]byte{1}, "a test"), vault.WithClock(func() time.Time { return r.now }), vault.WithRecorder(people))
		if err != nil {
			t.Fatal(err)
		}
		sealer, err := v.Tenant("chat-example")
		if err != nil {
			t.Fatal(err)
		}
		j, h, reg := journal.NewMemory(), hunt.NewMemory(), prometheus.NewRegistry()
		guard := indicator.NewGuard()
		r.Hunter, err = hunt.New(hunt.Config{}, hunt.Deps{
			History: h, Guard: func() *indicator.Guard { return guard }, Ledger: r.ledger, Book: r.book, Now: func() time.Time { return r.now }, Registerer: reg,
			Tokens: func(vedette.Tenant) (hunt.Tokens, error) { return hunt.TokensOf(sealer), nil },
			Report: func(_ context.Context, f vedette.Finding) error { r.findings = append(r.findings, f); return nil },
		})
		if err != nil {
			t.Fatal(err)
		}
		q := question(t, hunt.Window{}, "evil.example")
		// The epoch of the vault's tokens turns between the two days.
		first := vault.EpochFrom(vault.EpochOf(noon) + 1).Add(-12 * time.Hour)
		r.now = first.Add(48 * time.Hour)
		if _, _, err := r.Stand(t.Context(), q, "ana", r.now.Add(24*time.Hour), nil); err != nil {
			t.Fatal(err)
		}
		for n := range 6 {
			at := first.Add(time.Duration(n) * 8 * time.Hour)
			l := linkAt(t, fmt.Sprintf("https://one.evil.example/%d", n), at)
			l.Domain, l.Host = sealer.Token(vedette.TokenDomain, "evil.example", at), sealer.Token(vedette.TokenHost, "one.evil.example", at)
			l.URL = sealer.Token(vedette.TokenURL, fmt.Sprintf("https://one.evil.example/%d", n), at)
			put(t, j, journal.Entry{Event: event(at, 1, &vedette.LinkSent{To: toPerson(10 + n), Links: []vedette.Link{l}}), Measures: measures(rare(nil))})
		}
		rec, err := hunt.NewRecording(hunt.Rules{}, hunt.RecordingDeps{Journal: j, History: h, Seen: r.Seen, Registerer: reg})
		if err != nil {
			t.Fatal(err)
		}
		follow(t, rec)
		if len(r.findings) != 3 {
			t.Errorf("findings: %d, want one for each of three days", len(r.findings))
		}
		if a := r.ask(t, q); a.Found != hunt.Some {
			t.Errorf("asked: %s, want some", a.Found)
		}
		permit := r.permit(t, authority.PurposeFile, "chat-example", q.Digest(), "ana", "omar")
		f, err := r.Reveal(t.Context(), permit, q)
		if err != nil || f.People.Reached != 6 {
			t.Errorf("reached %+v, %v, want 6", f.People, err)
		}
		if n, err := r.Keep(t.Context(), permit, q, sealer); err != nil || n != 6 {
			t.Fatalf("kept %d, %v", n, err)
		}
		kept, err := r.Kept(t.Context(), "chat-example", "case-1")
		if err != nil || len(kept) != 1 {
			t.Fatalf("kept: %v, %v", kept, err)
		}
		content, err := v.Unbox(t.Context(), permit, "chat-example", "case-1", kept[0].Name, kept[0].Box)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, list, err := hunt.ParseKept(content); err != nil || len(list) != 6 || list[0] != f.Sightings[0] {
			t.Errorf("opened: %d, %v", len(list), err)
		}
		if families, err := reg.Gather(); err != nil || len(families) == 0 {
			t.Errorf("metrics: %d, %v", len(families), err)
		}
	})
}

// BenchmarkAskThousand asks a thousand names of a small past: what the question itself costs, beside history's own time.
func BenchmarkAskThousand(b *testing.B) {
	for _, scope := range []indicator.Scope{indicator.ScopeDomain, indicator.ScopeURL} {
		b.Run(scope.String(), func(b *testing.B) {
			r := newRoom(b, hunt.Config{PerDay: 10_000, Burst: 10_000, NamesPerDay: 1 << 40})
			r.seen(b, noon, hunt.Sent, 1, 2, "https://n7.example/a")
			q := hunt.Question{Tenant: "chat-example"}
			for n := range 1000 {
				raw := fmt.Sprintf("n%d.example", n)
				if scope == indicator.ScopeURL {
					raw += "/a"
				}
				q.Names = append(q.Names, name(b, raw, scope))
			}
			b.ReportAllocs()
			for b.Loop() {
				r.now = r.now.Add(time.Hour)
				if a, err := r.Ask(b.Context(), q, "ana", nil); err != nil || a.Found != hunt.Some {
					b.Fatal(a.Found, err)
				}
			}
		})
	}
}
