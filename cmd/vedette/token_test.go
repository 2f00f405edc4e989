package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"vedette"
	"vedette/record/vault"
)

// TestAListedHostIsFoundByItsTokenAlone plays a platform of tier 1: the clients' tokens arrive, no name does.
func TestAListedHostIsFoundByItsTokenAlone(t *testing.T) {
	m := newMachine(t)
	m.run(nil, "indicator", "import", m.write("hosts.txt", []byte("quay-gazette.example\n")), "--source", "lab", "--grade", "A1", "--verdict", "block")
	env := map[string]string{"XDG_CONFIG_HOME": filepath.Join(m.dir, "config")}
	keys, err := vault.LoadKeys(vault.KeyOptions{Dir: m.data, Getenv: func(k string) string { return env[k] }})
	if err != nil {
		t.Fatal(err)
	}
	v, err := vault.Open(vault.NewMemory(), keys)
	if err != nil {
		t.Fatal(err)
	}
	s, err := v.Tenant("main")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	wire := func(id, domain, host string, epoch int) string {
		text := func(kind vedette.TokenKind, name string) string {
			tok := s.Token(kind, name, now)
			return base64.RawURLEncoding.EncodeToString(tok.Bytes[:])
		}
		return fmt.Sprintf(`{"id":%q,"kind":"link.sent","at":%q,"actor":"a","to":{"account":"b"},"links":[{"tokens":{"domain":%q,"host":%q,"epoch":%d}}]}`+"\n",
			id, now.Format(time.RFC3339), text(vedette.TokenDomain, domain), text(vedette.TokenHost, host), int(s.Epoch(now))+epoch)
	}
	events := wire("listed", "quay-gazette.example", "m.quay-gazette.example", 0) + wire("other", "harbour.example", "harbour.example", 0) +
		wire("unknown-epoch", "quay-gazette.example", "quay-gazette.example", 7)
	var sum replayed
	if err := json.Unmarshal(m.run(nil, "replay", "--json", m.write("events.ndjson", []byte(events))), &sum); err != nil {
		t.Fatal(err)
	}
	if sum.Decisions["block"] != 1 || sum.ByReason["list:lab"] != 1 {
		t.Errorf("judged %v by %v, want one block by list:lab", sum.Decisions, sum.ByReason)
	}
	// A key that this generation does not know is not an unlisted link.
	if sum.Degraded["tokens"] != 1 {
		t.Errorf("degraded %v, want tokens once", sum.Degraded)
	}
}
