package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"vedette/internal/corpus"
	"vedette/record/journal"
	"vedette/sim"
	"vedette/store/frames"
)

// program is the true program, built once.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "vedette-test-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "vedette")
	out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return path, nil
})

// machine is a place with its own data folder, keys and program.
type machine struct {
	t    *testing.T
	bin  string
	dir  string
	data string
	key  string // file of the root key; empty: the house makes one
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	bin, err := program()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	return &machine{t: t, bin: bin, dir: dir, data: filepath.Join(dir, "data")}
}

func (m *machine) command(args ...string) *exec.Cmd {
	cmd := exec.Command(m.bin, args...)
	cmd.Env = []string{"VEDETTE_DATA=" + m.data, "XDG_CONFIG_HOME=" + filepath.Join(m.dir, "config"), "HOME=" + m.dir, "PATH=" + os.Getenv("PATH")}
	if m.key != "" {
		cmd.Env = append(cmd.Env, "VEDETTE_KEY_FILE="+m.key)
	}
	return cmd
}

// run returns what the command prints; it may end with one of the given codes, else the test fails.
func (m *machine) run(codes []int, args ...string) []byte {
	m.t.Helper()
	cmd := m.command(args...)
	var errOut bytes.Buffer
	cmd.Stderr = &errOut
	out, err := cmd.Output()
	code := 0
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		code = e.ExitCode()
	} else if err != nil {
		m.t.Fatal(err)
	}
	if !slices.Contains(append(codes, 0), code) {
		m.t.Fatalf("vedette %s: exit %d\n%s\n%s", strings.Join(args, " "), code, out, &errOut)
	}
	return out
}

func (m *machine) write(name string, b []byte) string {
	m.t.Helper()
	path := filepath.Join(m.dir, name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		m.t.Fatal(err)
	}
	return path
}

// gateway is a server of the machine.
type gateway struct {
	*machine
	cmd  *exec.Cmd
	url  string
	done chan struct{}
}

func (m *machine) serve(args ...string) *gateway {
	m.t.Helper()
	_ = os.Remove(filepath.Join(m.data, "serving.json"))
	g := &gateway{machine: m, cmd: m.command(append([]string{"serve", "--listen", "127.0.0.1:0", "--ops", "127.0.0.1:0"}, args...)...), done: make(chan struct{})}
	var said bytes.Buffer
	g.cmd.Stderr = &said
	if err := g.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	go func() { defer close(g.done); _ = g.cmd.Wait() }()
	m.t.Cleanup(func() { _ = g.cmd.Process.Kill(); <-g.done })
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		select {
		case <-g.done:
			m.t.Fatalf("serve ended:\n%s", &said)
		default:
		}
		if s, ok := server(m.data); ok && s.PID == g.cmd.Process.Pid {
			g.url = "http://" + s.Address
			return g
		}
		if time.Now().After(deadline) {
			m.t.Fatal("no server within 30 s")
		}
	}
}

func (g *gateway) kill() {
	_ = g.cmd.Process.Kill()
	<-g.done
}

func (g *gateway) end() {
	_ = g.cmd.Process.Signal(syscall.SIGTERM)
	<-g.done
}

// post returns the status and the body.
func (g *gateway) post(path, key, kind string, body []byte) (int, []byte) {
	g.t.Helper()
	req, err := http.NewRequestWithContext(g.t.Context(), http.MethodPost, g.url+path, bytes.NewReader(body))
	if err != nil {
		g.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", kind)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil
	}
	defer func() { _ = resp.Body.Close() }()
	answer, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, answer
}

// TestTheOperationsAreTheseAlone pins what can be asked of the house: no operation takes a person and gives events.
func TestTheOperationsAreTheseAlone(t *testing.T) {
	var got []string
	for _, o := range operations() {
		got = append(got, o.title())
	}
	slices.Sort(got)
	want := []string{
		"arm", "armed", "check", "decision.show", "disarm", "doctor", "guard.add", "guard.check", "guard.override", "indicator.import",
		"indicator.list", "indicator.lookup", "indicator.revoke", "inventory", "key.create", "key.list", "key.revoke", "person.enrol",
		"person.list", "person.revoke", "risk.enrol", "risk.withdraw", "rules.reload", "vault.erase",
		"report.submit", "case.list", "case.show", "case.confirm", "case.move",
		"block", "block.list", "block.undo", "recall", "recall.lift", "changes.delivery", "changes.halt", "changes.read", "changes.release", "changes.resume",
		"evidence.anchor", "evidence.anchors", "evidence.check", "evidence.checkpoint", "evidence.key", "evidence.keys", "evidence.rotate", "evidence.prove", "evidence.show", "exhibit.create", "facts.count", "facts.import", "facts.show",
		"attribute", "campaign.show", "campaign.times", "history", "hunt.ask", "hunt.cost", "hunt.end", "hunt.log", "hunt.standing",
		"clock.list", "clock.note", "order.assert", "order.assertions", "order.facts", "order.finding", "order.import", "order.kept",
		"watch.cells", "watch.judge", "watch.queue", "watch.show", "watch.status", "watch.unvouch", "watch.vouch",
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("operations changed; see docs/misuse.md before you add one (-want +got):\n%s", diff)
	}
}

// TestALinkIsNeverOpened lets every door judge links to a listener of our own. Nobody may call.
func TestALinkIsNeverOpened(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	called := make(chan struct{}, 1)
	go func() {
		if c, err := l.Accept(); err == nil {
			_ = c.Close()
			called <- struct{}{}
		}
	}()
	m := newMachine(t)
	link := "http://" + l.Addr().String() + "/one-time"
	list := m.write("list.txt", []byte(link+"\n127.0.0.1\n"))
	m.run([]int{exitPartial}, "indicator", "import", list, "--source", "lab", "--grade", "A1", "--verdict", "block")
	m.run([]int{exitFinding}, "check", link)
	ev := fmt.Sprintf(`{"id":"e1","kind":"link.sent","at":%q,"actor":"a","to":{"account":"b"},"links":[{"url":%q}]}`, time.Now().UTC().Format(time.RFC3339), link)
	m.run(nil, "replay", m.write("e.ndjson", []byte(ev+"\n")))
	key := strings.TrimSpace(string(m.run(nil, "key", "create", "--scope", "decide,events")))
	g := m.serve()
	g.post("/v1/decide", key, "application/json", []byte(strings.Replace(ev, "e1", "e2", 1)))
	g.post("/v1/events", key, "application/x-ndjson", []byte(strings.Replace(ev, "e1", "e3", 1)+"\n"))
	g.post("/integrations/synapse/main/check_event_for_spam", key, "application/json", []byte(fmt.Sprintf(
		`{"event":{"event_id":"$x","type":"m.room.message","sender":"@a:chat.example","room_id":"!r:chat.example","origin_server_ts":%d,"content":{"msgtype":"m.text","body":%q}}}`,
		time.Now().UnixMilli(), link)))
	g.end()
	select {
	case <-called:
		t.Error("somebody opened the link")
	case <-time.After(200 * time.Millisecond): // a call on loopback would long be there
	}
	_ = l.Close()
}

// TestNoRawIDReachesTheDisk writes known names, links and opened messages through every door, has people act on what was reported, then looks for them in
// every file of the folder and in all that was printed, as they are, in the usual encodings, as unkeyed digests, and in the decoded journal, history
// and evidence. Two hosts stand in the database of records alone: one on a list, one that a case is about.
func TestNoRawIDReachesTheDisk(t *testing.T) {
	m := newMachine(t)
	now := time.Now().UTC()
	var secrets []string
	for i := range 40 {
		secrets = append(secrets, fmt.Sprintf("@witness%02d:chat.example", i), fmt.Sprintf("+1555010%04d", i), fmt.Sprintf("+447700900%03d", i))
	}
	people := append([]string{}, secrets...)
	secrets = append(secrets, "DEVICEKNOWN7", "198.51.100.23", "!sourcegroup:chat.example", "2001:db8:5::17", "one-time-k3xQ9wLm", "quay-gazette.example/one",
		"unknown-field-value", "Pixel 9 build 77", "$platform-event-id", "meet me at the harbour", "harbour-report.example", "r3p0rted-k9VbT2xQ",
		"the reported words stay sealed", "words of the day before", "words on a screen")
	ev := func(i int, kind, rest string) string {
		return fmt.Sprintf(`{"id":"$platform-event-id-%s-%d","kind":%q,"at":%q,"actor":%q,"device":"DEVICEKNOWN7","network":{"address":"198.51.100.23","country":"JO","class":"mobile"},"note":"unknown-field-value"%s}`,
			kind, i, kind, now.Add(time.Duration(i)*time.Millisecond-time.Minute).Format(time.RFC3339Nano), people[i%len(people)], rest)
	}
	var lines []string
	for i := range people {
		other := people[(i+1)%len(people)]
		lines = append(lines,
			ev(i, "account.registered", fmt.Sprintf(`,"number":{"e164":"+447700900%03d","carrier":"mobile"},"build":"Pixel 9 build 77"`, i%40)),
			ev(i, "link.sent", fmt.Sprintf(`,"to":{"account":%q},"links":[{"url":"https://quay-gazette.example/one-time-k3xQ9wLm?to=%s"}]`, other, other)),
			ev(i, "message.sent", `,"to":{"group":"!sourcegroup:chat.example","size":7}`),
			ev(i, "group.joined", fmt.Sprintf(`,"group":"!sourcegroup:chat.example","member":%q`, other)),
			ev(i, "user.reported", fmt.Sprintf(`,"subject":%q,"message":"$platform-event-id-link.sent-%d","links":[{"url":"https://quay-gazette.example/one"}]`, other, i)),
			ev(i, "number.looked_up", fmt.Sprintf(`,"target":%q`, other)),
		)
	}
	m.run(nil, "indicator", "import", m.write("hosts.txt", []byte("quay-gazette.example\n")), "--source", "lab", "--grade", "A1", "--verdict", "block")
	m.run(nil, "arm", "list:lab", "--verdict", "block", "--yes")
	m.run(nil, "replay", m.write("known.ndjson", []byte(strings.Join(lines, "\n")+"\n")))
	key := strings.TrimSpace(string(m.run(nil, "key", "create", "--scope", "decide,events,reports,read")))
	g := m.serve("--log", "debug")
	var logs bytes.Buffer
	for i, l := range lines {
		l = strings.Replace(l, "$platform-event-id", "$platform-event-id-http", 1)
		if i%2 == 0 {
			g.post("/v1/decide", key, "application/json", []byte(l))
		} else {
			g.post("/v1/events", key, "application/x-ndjson", []byte(l+"\n{\"id\":\"$platform-event-id-bad\",\"actor\":\"@witness00:chat.example\"\n"))
		}
	}
	g.post("/v1/decide", key, "application/json", []byte(`{"id":"$platform-event-id","kind":"@witness01:chat.example"}`))
	for _, cb := range []string{
		`{"event":{"event_id":"$platform-event-id-m1","type":"m.room.message","sender":"@witness01:chat.example","room_id":"!sourcegroup:chat.example","origin_server_ts":%d,"content":{"msgtype":"m.text","body":"meet me at the harbour https://quay-gazette.example/one-time-k3xQ9wLm"}}}`,
		`{"event":{"event_id":"$platform-event-id-m2","type":"m.room.encrypted","sender":"@witness02:chat.example","room_id":"!sourcegroup:chat.example","origin_server_ts":%d,"content":{}}}`,
	} {
		g.post("/integrations/synapse/main/check_event_for_spam", key, "application/json", []byte(fmt.Sprintf(cb, now.UnixMilli())))
	}
	g.post("/integrations/synapse/main/user_may_invite", key, "application/json", []byte(`{"inviter":"@witness03:chat.example","invitee":"@witness04:chat.example","room_id":"!sourcegroup:chat.example"}`))
	// A host that a few got, and one of them reports with all that a report can bring.
	for i := range 12 {
		g.post("/v1/decide", key, "application/json", []byte(fmt.Sprintf(`{"id":"$platform-event-id-rep%d","kind":"link.sent","at":%q,"actor":"@witness39:chat.example","first_contact":true,"to":{"account":%q},"links":[{"url":"https://www.harbour-report.example/r3p0rted-k9VbT2xQ?n=%d"}]}`,
			i, now.Format(time.RFC3339Nano), people[i], i)))
	}
	for i := range 3 {
		body := fmt.Sprintf(`{"id":"$platform-event-id-report%d","at":%q,"reporter":%q,"message":"$platform-event-id-rep%d","category":"suspicious-link","share":true,"opened":{`+
			`"text":"the reported words stay sealed https://www.harbour-report.example/r3p0rted-k9VbT2xQ?n=%d","links":[{"url":"https://www.harbour-report.example/r3p0rted-k9VbT2xQ?n=%d"}],`+
			`"transcript":[{"sender":"@witness39:chat.example","at":%q,"text":"words of the day before","links":[{"url":"https://www.harbour-report.example/r3p0rted-k9VbT2xQ/before"}]}],"screenshot_text":"words on a screen"}}`,
			i, now.Format(time.RFC3339Nano), people[i], i, i, i, now.Add(-time.Hour).Format(time.RFC3339Nano))
		if status, answer := g.post("/v1/reports", key, "application/json", []byte(body)); status != http.StatusOK {
			t.Fatalf("report: %d %s", status, answer)
		}
	}
	g.post("/v1/reports", key, "application/json", []byte(`{"id":"$platform-event-id","at":"never","reporter":"@witness00:chat.example","opened":{"text":"the reported words stay sealed"}}`))
	var printed bytes.Buffer
	run := func(args ...string) []byte {
		out := m.run([]int{exitFinding, exitPartial}, args...)
		printed.Write(out)
		return out
	}
	for _, name := range []string{"ana", "omar"} {
		run("person", "enrol", name, "--name", strings.ToUpper(name)+" Example", "--role", "analyst", "--new-key", filepath.Join(m.dir, name+".key"))
	}
	signed := func(by []string, args ...string) {
		act := filepath.Join(m.dir, "act.json")
		run(append(args, "--propose", act)...)
		for _, name := range by {
			// What is signed is printed byte by byte for who signs it.
			m.run(nil, "approve", act, "--person", name, "--person-key", filepath.Join(m.dir, name+".key"), "--out", filepath.Join(m.dir, name+".approval"))
			args = append(args, "--approval", filepath.Join(m.dir, name+".approval"))
		}
		run(args...)
		run(append(args, "--json")...)
	}
	var cases []struct{ ID, Display string }
	if err := json.Unmarshal(run("case", "list", "--json"), &cases); err != nil {
		t.Fatal(err)
	}
	matter, week, one := "", now.Add(7*24*time.Hour).Format(time.DateOnly), []string{"ana"}
	for _, c := range cases {
		if c.Display == "harbour-report[.]example" {
			matter = c.ID
		}
	}
	if matter == "" {
		t.Fatalf("no case is about what was reported: %v", cases)
	}
	act := filepath.Join(m.dir, "confirm.json")
	confirm := []string{"case", "confirm", matter, "--host", "harbour-report[.]example", "--scope", "domain", "--corroboration", "a made-up lab saw it"}
	run(append(confirm, "--propose", act)...)
	m.run(nil, "approve", act, "--person", "ana", "--person-key", filepath.Join(m.dir, "ana.key"), "--out", filepath.Join(m.dir, "confirm.approval"))
	run(append(confirm, "--approval", filepath.Join(m.dir, "confirm.approval"))...)
	two := []string{"ana", "omar"}
	signed(one, "block", "harbour-report[.]example", "--case", matter, "--until", week)
	signed(two, "hunt", "--indicator", "harbour-report[.]example", "--case", matter, "--until", week, "--keep")
	signed(two, "campaign", "show", matter, "--until", week)
	run("hunt", "--indicator", "harbour-report[.]example", "--stand", "--until", week)
	g.post("/v1/decide", key, "application/json", []byte(fmt.Sprintf(`{"id":"$platform-event-id-hit","kind":"link.sent","at":%q,"actor":"@witness39:chat.example","first_contact":true,"to":{"account":"@witness20:chat.example"},"links":[{"url":"https://harbour-report.example/r3p0rted-k9VbT2xQ"}]}`, now.Format(time.RFC3339Nano))))
	for _, args := range [][]string{
		{"campaign", "show", matter},
		{"campaign", "show", matter, "--json"},
		{"campaign", "show", matter, "--svg"},
		{"campaign", "show", matter, "--graphml"},
		{"attribute", matter},
		{"attribute", matter, "--json"},
		{"case", "show", matter},
		{"case", "show", matter, "--json"},
		{"case", "list"},
		{"hunt", "--indicator", "harbour-report[.]example"},
		{"hunt", "--indicator", "harbour-report[.]example", "--json"},
		{"hunt", "log"},
		{"hunt", "log", "--json"},
		{"hunt", "standing"},
		{"hunt", "standing", "--json"},
		{"block", "list"},
		{"block", "list", "--json"},
		{"changes"},
		{"changes", "--json"},
		{"evidence", "show", "--from", "0", "--limit", "10000"},
		{"evidence", "show", "--from", "0", "--limit", "10000", "--json"},
		{"evidence", "check"},
		{"history"},
		{"history", "--verify"},
		{"doctor"},
		{"doctor", "--json"},
		{"inventory"},
		{"inventory", "--json"},
	} {
		run(args...)
	}
	if resp, err := http.Get(g.url + "/openapi.json"); err == nil {
		_ = resp.Body.Close()
	}
	g.end()
	if e, ok := g.cmd.Stderr.(*bytes.Buffer); ok {
		logs = *e
	}

	needles := map[string]string{}
	for _, s := range secrets {
		add := func(form, v string) { needles[v] = form + " of " + s }
		add("the text", s)
		if name := strings.Trim(strings.Split(s, ":")[0], "@!+$"); len(name) > 6 {
			add("the bare name", name)
		}
		add("base64", strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(s)), "="))
		add("hex", hex.EncodeToString([]byte(s)))
		r := []rune(s)
		slices.Reverse(r)
		add("the reverse", string(r))
		var wide []byte
		for _, u := range utf16.Encode([]rune(s)) {
			wide = append(wide, byte(u), byte(u>>8))
		}
		add("UTF-16", string(wide))
		h256, h1, h5 := sha256.Sum256([]byte(s)), sha1.Sum([]byte(s)), md5.Sum([]byte(s))
		for form, h := range map[string][]byte{"SHA-256": h256[:], "SHA-1": h1[:], "MD5": h5[:]} {
			add(form, string(h[:16]))
			add(form+" in hex", hex.EncodeToString(h[:16]))
		}
	}
	look := func(where string, b []byte) {
		for n, what := range needles {
			named := strings.HasSuffix(what, " of harbour-report.example") || strings.HasSuffix(what, " of quay-gazette.example/one") // the hosts
			if bytes.Contains(b, []byte(n)) && !(named && strings.Contains(where, "records.db")) {
				t.Errorf("%s holds %s", where, what)
			}
		}
	}
	look("the log", logs.Bytes())
	look("what was printed", printed.Bytes())
	for _, s := range []string{"acct_", "grp_", "harbour-report.example", "quay-gazette.example/"} {
		if at := bytes.Index(printed.Bytes(), []byte(s)); at >= 0 {
			t.Errorf("what was printed holds %q: …%s…", s, printed.Bytes()[max(0, at-60):min(printed.Len(), at+60)])
		}
	}
	files := 0
	if err := filepath.WalkDir(m.data, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		files++
		look(strings.TrimPrefix(path, m.data), b)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if files < 5 {
		t.Errorf("only %d files were looked at", files)
	}
	// Stored blocks are compressed: the decoded entries are looked at too, and what Pebble hands out of every file.
	j, err := frames.Open(t.Context(), filepath.Join(m.data, "journal"), frames.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = j.Close() }()
	n := 0
	for e, err := range j.Read(t.Context(), j.First()) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		frame, err := journal.AppendFrame(nil, 0, e.Position.Frame, []journal.Entry{e})
		if err != nil {
			t.Fatal(err)
		}
		look("entry "+e.Position.String(), frame)
		text, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		look("entry "+e.Position.String()+" as JSON", text)
	}
	if n < 2*len(lines) {
		t.Errorf("the journal holds %d entries, want at least %d: the doors did not take the events", n, 2*len(lines))
	}
	states, err := j.LoadStates(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range states {
		look("state "+s.Name, s.Data)
	}
	// History's columns have encodings of their own: its rows are looked at too, and every part of the evidence as a proof shows it.
	parts, err := filepath.Glob(filepath.Join(m.data, "history", "day=*", "*.parquet"))
	if err != nil || len(parts) == 0 {
		t.Fatalf("history has %d files, %v: nothing of it was looked at", len(parts), err)
	}
	rows := 0
	for _, name := range parts {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parquet.OpenFile(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range f.RowGroups() {
			r := g.Rows()
			buf := make([]parquet.Row, 100)
			for {
				n, err := r.ReadRows(buf)
				for _, row := range buf[:n] {
					rows++
					for _, v := range row {
						look("a sighting", []byte(v.String()))
					}
				}
				if err != nil {
					break
				}
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	if rows < 12 {
		t.Errorf("%d sightings were looked at, want at least 12", rows)
	}
	var shown evidenceRead
	if err := json.Unmarshal(m.run(nil, "evidence", "show", "--from", "0", "--limit", "10000", "--json"), &shown); err != nil || len(shown.Records) < 10 {
		t.Fatalf("the evidence holds %d records, %v", len(shown.Records), err)
	}
	for _, r := range shown.Records[max(0, len(shown.Records)-25):] { // those of the opened reports, and of what people did
		// A proof shows values as they are, to be held against their leaves: names that people signed too.
		look(fmt.Sprintf("the proof of record %d, beside what is in records.db", r.Index), m.run(nil, "evidence", "prove", fmt.Sprint(r.Index)))
	}
}

// steady is a summary without what a clock says.
func steady(t *testing.T, b []byte) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	for _, k := range []string{"events", "decisions", "by_reason", "journal_digest", "seconds", "events_per_second"} {
		if _, ok := m[k]; !ok {
			t.Errorf("the summary has no %q", k)
		}
	}
	delete(m, "seconds")
	delete(m, "events_per_second")
	return m
}

// TestAReplayThatWasKilledEndsAsIfItWasNot kills a replay at random moments until it comes through, and compares with one that never was.
func TestAReplayThatWasKilledEndsAsIfItWasNot(t *testing.T) {
	var b bytes.Buffer
	for sc := range sim.Story(3, storyStart) {
		b.Write(sc.Wire)
		b.WriteByte('\n')
	}
	for line := range sim.TrafficFrom(5, 3000, 60_000, storyStart.Add(100*time.Hour), 40*time.Millisecond) {
		b.Write(line)
		b.WriteByte('\n')
	}
	stream := b.Bytes()
	prepare := func() (*machine, string) {
		m := newMachine(t)
		m.run(nil, "indicator", "import", m.write("hosts.txt", sim.StoryIndicators()), "--source", "lab", "--grade", "A1", "--verdict", "block", "--known-from", "2026-01-12")
		return m, m.write("events.ndjson", stream)
	}
	calm, file := prepare()
	want := steady(t, calm.run(nil, "replay", "--json", file))
	again := steady(t, calm.run(nil, "replay", "--json", file))
	if diff := cmp.Diff(want, again); diff != "" {
		t.Errorf("a second run differs (-first +second):\n%s", diff)
	}
	shaken, file := prepare()
	rng := rand.New(rand.NewPCG(1, uint64(os.Getpid())))
	kills := 0
	for round := 0; ; round++ {
		cmd := shaken.command("replay", "--json", file)
		var out bytes.Buffer
		cmd.Stdout = &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		var after <-chan time.Time
		if round < 12 {
			after = time.After(time.Duration(100+rng.IntN(900)) * time.Millisecond)
		}
		select {
		case <-after:
			_ = cmd.Process.Kill()
			<-done
			kills++
			continue
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(want, steady(t, out.Bytes())); diff != "" {
			t.Errorf("after %d kills the summary differs (-calm +shaken):\n%s", kills, diff)
		}
		break
	}
	if kills == 0 {
		t.Log("NOTE: the replay came through before any kill")
	}
}

// TestKilledServersKeepWhatTheyAnswered posts events, kills the server, and asks for every answered decision again.
func TestKilledServersKeepWhatTheyAnswered(t *testing.T) {
	m := newMachine(t)
	m.run(nil, "indicator", "import", m.write("hosts.txt", sim.StoryIndicators()), "--source", "lab", "--grade", "A1", "--verdict", "block")
	m.run(nil, "arm", "list:lab", "--verdict", "block", "--yes")
	key := strings.TrimSpace(string(m.run(nil, "key", "create", "--scope", "decide,events,read")))
	rng := rand.New(rand.NewPCG(2, uint64(os.Getpid())))
	answered := map[string]string{} // body → answer
	var mu sync.Mutex
	rounds := 10
	if testing.Short() {
		rounds = 2
	}
	for round := range rounds {
		g := m.serve()
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for c := range 4 {
			wg.Go(func() {
				for i := 0; ctx.Err() == nil; i++ {
					body := fmt.Sprintf(`{"id":"r%d-%d-%d","kind":"link.sent","at":%q,"actor":"@p%d:chat.example","to":{"account":"@q%d:chat.example"},"links":[{"url":"https://%s/%d"}]}`,
						round, c, i, time.Now().UTC().Format(time.RFC3339), i%50, i%70, []string{"ferry.example", storyHost()}[i%2], i)
					if status, answer := g.post("/v1/decide", key, "application/json", []byte(body)); status == http.StatusOK {
						mu.Lock()
						answered[body] = string(answer)
						mu.Unlock()
					}
				}
			})
		}
		time.Sleep(time.Duration(20+rng.IntN(300)) * time.Millisecond)
		g.kill()
		cancel()
		wg.Wait()
	}
	if len(answered) == 0 {
		t.Fatal("no event was answered before a kill")
	}
	g := m.serve()
	for body, want := range answered {
		status, got := g.post("/v1/decide", key, "application/json", []byte(body))
		if status != http.StatusOK || string(got) != want {
			t.Fatalf("after the kill %s\nwas answered %s\nnow %d %s", body, want, status, got)
		}
	}
	g.end()
	t.Logf("%d answers survived %d kills", len(answered), rounds)
}

// TestRealTimingRealLinksRealHosts is the main job on data that nobody here wrote: every listed host in every spelling is stopped, no harmless
// link is, and the summary is the same a second time.
func TestRealTimingRealLinksRealHosts(t *testing.T) {
	if testing.Short() {
		t.Skip("the long form of this runs with make test")
	}
	dir := corpus.Path(t, "indicators")
	m := newMachine(t)
	var files []string
	if err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && slices.Contains([]string{".stix2", ".csv", ".txt", ".json"}, filepath.Ext(path)) && !strings.HasPrefix(e.Name(), "LICENSE") && e.Name() != "requirements.txt" {
			files = append(files, path)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	m.run([]int{exitPartial}, append([]string{"indicator", "import", "--json", "--source", "public", "--grade", "A1", "--verdict", "block"}, files...)...)
	events, truth := filepath.Join(m.dir, "overlay.ndjson"), filepath.Join(m.dir, "truth.ndjson")
	m.run(nil, "sim", "overlay", "--conversation", corpus.Path(t, "graphs", "uci-messages-konect", "graph.txt"),
		"--links", corpus.Path(t, "benign", "urls", "slack_links.tsv.gz"), "--links", corpus.Path(t, "benign", "urls", "irc_train_links.tsv.gz"),
		"--links", corpus.Path(t, "benign", "urls", "kasztp.txt"), "--hosts", hostsOfTables(t, m), "--start", "2026-11-01", "--all-links", "--aged",
		"--each", "4", "--out", events, "--truth", truth)
	out := m.run(nil, "replay", "--json", "--truth", truth, events)
	var sum replayed
	if err := json.Unmarshal(out, &sum); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d events, %d links; injected %d, stopped %d; harmless %d, stopped %d, warned %d", sum.Events, sum.Links, sum.Truth.Injected, sum.Truth.Stopped,
		sum.Truth.Harmless, sum.Truth.FalseStops, sum.Truth.FalseWarns)
	for _, e := range sum.Truth.Misses {
		t.Logf("missed: %s %s as %s", e.Listed, e.Variant, e.Link)
	}
	for _, e := range sum.Truth.False {
		t.Logf("false stop: %s by %v", e.Link, e.Reasons)
	}
	if sum.Truth.Injected < 10_000 || sum.Truth.Harmless < 50_000 {
		t.Errorf("injected %d, harmless %d: the overlay is too small to mean anything", sum.Truth.Injected, sum.Truth.Harmless)
	}
	if sum.Truth.Missed > 0 || sum.Truth.FalseStops > 0 {
		t.Errorf("missed %d, stopped %d harmless ones", sum.Truth.Missed, sum.Truth.FalseStops)
	}
	if diff := cmp.Diff(steady(t, out), steady(t, m.run(nil, "replay", "--json", "--truth", truth, events))); diff != "" {
		t.Errorf("a second run differs (-first +second):\n%s", diff)
	}
}

// hostsOfTables is the list of published names without those that stand only in running text, which no importer reads.
func hostsOfTables(t *testing.T, m *machine) string {
	t.Helper()
	b, err := os.ReadFile(corpus.Path(t, "derived", "indicators_by_operator.csv"))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	sc := bufio.NewScanner(bytes.NewReader(b))
	for n := 0; sc.Scan(); n++ {
		line := sc.Text()
		if n > 0 && (strings.Contains(line, "README") || strings.Contains(line, ".yaml")) {
			continue
		}
		out.WriteString(line + "\n")
	}
	return m.write("hosts.csv", out.Bytes())
}

// TestAReplayReadsGzip also from standard input.
func TestAReplayReadsGzip(t *testing.T) {
	m := newMachine(t)
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	for sc := range sim.Story(1, storyStart) {
		_, _ = z.Write(append(sc.Wire, '\n'))
	}
	_ = z.Close()
	cmd := m.command("replay", "--json", "--scratch", "-")
	cmd.Stdin = &b
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if steady(t, out)["events"].(float64) < 1000 {
		t.Errorf("%s", out)
	}
}
