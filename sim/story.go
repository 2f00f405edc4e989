package sim

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"time"

	"vedette"
)

// StoryPublisher is who published the story's list of known hosts.
const StoryPublisher = "Harbour Digital Safety Lab"

// The two people of the story who are reached and tell nobody.
const (
	storyQuietFirst  = 25
	storyQuietSecond = 41
)

// storyHosts is what the made-up lab published. All names are made up and can never be registered.
var storyHosts = []string{
	"parcel-desk.example", "court-notice.example", "harbour-permits.example", "quay-mail.example", "visa-desk.example",
	"press-badge.example", "union-ballot.example", "clinic-results.example", "ferry-refund.example", "tax-window.example",
	"login.pier-cloud.example", "docs.dockside-share.example",
}

const (
	storyUnlisted  = "tide-notice.example"   // the operator's, and on no list
	storyTrial     = "bell-notice.example"   // the operator's too, first tried, later sent to two people
	storyLookAlike = "parcel-desks.example"  // an honest shop with an unlucky name
	storyPlatform  = "harbour.example"       // the made-up platform
	storyOperator  = "unnamed operator HB-1" // as the lab calls it
)

// StoryIndicators returns the story's list of known hosts as plain text, one a line.
func StoryIndicators() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Hosts of %s, as published by %s on 2026-01-12.\n# Everything here is made up.\n", storyOperator, StoryPublisher)
	for _, h := range storyHosts {
		b.WriteString(h + "\n")
	}
	return b.Bytes()
}

// StoryBundle returns the same list as a STIX 2.1 bundle.
func StoryBundle() []byte {
	const day = "2026-01-12T00:00:00.000Z"
	id := func(kind, name string) string {
		h := sha256.Sum256([]byte("harbour " + kind + " " + name))
		h[6], h[8] = h[6]&0x0f|0x50, h[8]&0x3f|0x80 // the form of a name-based UUID
		return fmt.Sprintf("%s--%x-%x-%x-%x-%x", kind, h[:4], h[4:6], h[6:8], h[8:10], h[10:16])
	}
	lab := id("identity", StoryPublisher)
	objects := []any{map[string]any{
		"type": "identity", "spec_version": "2.1", "id": lab, "created": day, "modified": day, "name": StoryPublisher, "identity_class": "organization",
	}}
	for _, h := range storyHosts {
		objects = append(objects, map[string]any{
			"type": "indicator", "spec_version": "2.1", "id": id("indicator", h), "created_by_ref": lab, "created": day, "modified": day,
			"valid_from": day, "name": h, "indicator_types": []string{"malicious-activity"}, "pattern_type": "stix",
			"pattern": "[domain-name:value='" + h + "']",
		})
	}
	b, err := json.MarshalIndent(map[string]any{"type": "bundle", "id": id("bundle", "list"), "objects": objects}, "", "  ")
	if err != nil {
		panic("sim: the story's bundle has no JSON: " + err.Error()) // constant data
	}
	return append(b, '\n')
}

// StoryFacts returns what feeds are made to say about the names of the story: the operator's last two hosts were registered within the hour,
// on a small name server, and their names end alike; so do those of an honest office, registered long before. docs/formats/enrichment.md.
func StoryFacts() []byte {
	var b bytes.Buffer
	b.WriteString("host,kind,value,first,last,source\n")
	fact := func(host, kind, value string, day time.Time) {
		fmt.Fprintf(&b, "%s,%s,%s,%s,%s,harbour-feed\n", host, kind, value, day.Format(time.RFC3339), day.Add(20*24*time.Hour).Format(time.RFC3339))
	}
	born := time.Date(2026, 2, 11, 9, 12, 0, 0, time.UTC)
	for i, h := range []string{storyUnlisted, storyTrial, "lamp-notice.example"} {
		day := born.Add(time.Duration(i*19) * time.Minute)
		fact(h, "registered", day.Format(time.RFC3339), day)
		fact(h, "registrar", "Registrar Nine", day)
		fact(h, "ns", "ns1.cove-dns.example", day)
		fact(h, "issuer", "Made-up CA 2", day.Add(90*time.Minute))
		fact(h, "address", fmt.Sprintf("198.51.100.%d", 20+i), day)
	}
	long := time.Date(2019, 5, 6, 10, 0, 0, 0, time.UTC)
	for i, h := range append([]string{"town-notice.example", storyLookAlike}, storySites...) {
		day := long.Add(time.Duration(i*977) * time.Hour)
		fact(h, "registered", day.Format(time.RFC3339), day)
		fact(h, "registrar", "Registrar Two", day)
		fact(h, "ns", "ns1.mass-dns.example", day)
		fact(h, "address", fmt.Sprintf("192.0.2.%d", 100+i), day)
	}
	for i := range 400 {
		day := long.Add(time.Duration(i*131) * time.Hour)
		h := syllables[i%20] + syllables[i/20%20] + syllables[(i*7+3)%20] + "-" + syllables[(i*3+1)%20] + syllables[(i*11)%20] + ".example"
		fact(h, "registered", day.Format(time.RFC3339), day)
		fact(h, "registrar", fmt.Sprintf("Registrar %d", i%7), day)
		fact(h, "ns", "ns1.mass-dns.example", day)
	}
	return b.Bytes()
}

// Scene is one step of the story.
type Scene struct {
	At    time.Time
	Wire  []byte // the event, without a line's end; the caller's own
	Say   string // what a person should be told before it, or ""
	Truth *Truth // what should become of it, where that is a question
}

// Story plays three days on harbour.example, a made-up platform: people who chat, and an operator who tries his links on his own
// accounts before he sends them to five people. About two thousand scenes, in the order of time. The three days begin at start;
// the month before it is played first, so that memory knows who knows whom.
func Story(seed uint64, start time.Time) iter.Seq[Scene] {
	return func(yield func(Scene) bool) {
		for _, s := range newHarbour(seed, start).play() {
			if !yield(s) {
				return
			}
		}
	}
}

var storyNames = []string{
	"salma", "idris", "noor", "petra", "kofi", // a journalist, a lawyer, an activist, a journalist, a lawyer
	"ada", "amir", "anouk", "bela", "bruno", "carla", "chen", "dario", "dina", "edda", "emil", "esra", "farid", "fleur", "goran", "greta",
	"hana", "hugo", "ines", "ivan", "jamal", "jana", "joon", "kaya", "kemal", "lars", "leila", "luca", "maite", "malik", "mira", "nadia",
	"nico", "olga", "omar", "pavel", "pia", "quinn", "rafa", "rita", "rosa", "samir", "sita", "sven", "tara", "timo", "uma", "vera",
	"viktor", "wanda", "yara", "yusuf", "zeno", "zita", "zora",
}

// storySites are what people on the platform send one another: made up, and sent by many.
var storySites = []string{
	"daily-harbour.example", "ferry-times.example", "kitchen-tales.example", "pier-radio.example", "maps-of-the-bay.example",
	"tide-tables.example", "film-night.example", "open-books.example",
}

type harbour struct {
	rng     *rand.Rand
	start   time.Time
	scenes  []Scene
	l       line
	n       uint64
	friends [][]int
}

func newHarbour(seed uint64, start time.Time) *harbour {
	return &harbour{rng: rand.New(rand.NewPCG(seed, 0xba7)), start: start.UTC().Truncate(time.Millisecond)}
}

func person(i int) string { return "@" + storyNames[i] + ":" + storyPlatform }

// add closes the event that f writes and keeps it as a scene. It returns the event's id.
func (h *harbour) add(at time.Time, kind, actor, say string, truth *Truth, f func(*line)) string {
	h.n++
	id := string(appendID([]byte("$"), 'h', h.n))
	f(h.l.open([]byte(id), kind, at).text("actor", actor))
	if truth != nil {
		truth.ID = id
	}
	h.scenes = append(h.scenes, Scene{At: at, Wire: bytes.Clone(h.l.close()), Say: say, Truth: truth})
	return id
}

func (h *harbour) play() []Scene {
	h.people()
	h.month()
	h.days()
	h.rehearsal()
	h.attack()
	slices.SortStableFunc(h.scenes, func(a, b Scene) int { return a.At.Compare(b.At) })
	return h.scenes
}

func (h *harbour) people() {
	for i := range storyNames {
		at := h.start.Add(-time.Duration(60+h.rng.IntN(300)) * 24 * time.Hour).Add(time.Duration(h.rng.IntN(86400)) * time.Second)
		h.add(at, "account.registered", person(i), "", nil, func(l *line) {
			l.text("device", "phone-"+storyNames[i]).text("build", "Skiff 4/os-"+fmt.Sprint(9+i%4)).
				raw("network", fmt.Sprintf(`{"address":"192.0.2.%d","asn":64496,"country":"XH","class":"residential"}`, i+10)).
				raw("number", fmt.Sprintf(`{"e164":"+120255501%02d","carrier":"mobile"}`, i)).text("attestation", "strong")
		})
	}
	// Circles of friends: everybody knows the next three, and two anywhere.
	h.friends = make([][]int, len(storyNames))
	know := func(a, b int) {
		if a != b && !slices.Contains(h.friends[a], b) {
			h.friends[a], h.friends[b] = append(h.friends[a], b), append(h.friends[b], a)
		}
	}
	for i := range storyNames {
		for d := 1; d <= 3; d++ {
			know(i, (i+d)%len(storyNames))
		}
		know(i, h.rng.IntN(len(storyNames)))
		know(i, h.rng.IntN(len(storyNames)))
	}
}

// chat is one message between friends, one in six with a link that many send.
func (h *harbour) chat(at time.Time, from, to int) {
	if h.rng.IntN(6) > 0 {
		h.add(at, "message.sent", person(from), "", nil, func(l *line) {
			l.toAccount(person(to)).number("bytes", 20+h.rng.IntN(400)).truth("has_link", false)
		})
		return
	}
	site := storySites[min(h.rng.IntN(len(storySites)), h.rng.IntN(len(storySites)))]
	h.add(at, "link.sent", person(from), "", nil, func(l *line) {
		l.toAccount(person(to)).links(fmt.Sprintf("https://%s/%d", site, 100+h.rng.IntN(40)))
	})
}

// month is what came before: every two friends have written to one another, and the sites are known.
func (h *harbour) month() {
	for a, fs := range h.friends {
		for _, b := range fs {
			h.chat(h.start.Add(-time.Duration(1+h.rng.IntN(30*24*60-1))*time.Minute), a, b)
		}
	}
}

// days are three ordinary days, with nights.
func (h *harbour) days() {
	for day := range 3 {
		morning := h.start.Add(time.Duration(day) * 24 * time.Hour)
		for i := range storyNames {
			h.add(morning.Add(time.Duration(h.rng.IntN(3*3600))*time.Second), "account.seen", person(i), "", nil, func(l *line) {
				l.text("device", "phone-"+storyNames[i]).
					raw("network", fmt.Sprintf(`{"address":"192.0.2.%d","asn":64496,"country":"XH","class":"residential"}`, i+10))
			})
		}
		for range 270 {
			a := h.rng.IntN(len(storyNames))
			b := h.friends[a][h.rng.IntN(len(h.friends[a]))]
			at := morning.Add(time.Duration(h.rng.IntN(14*3600*1000)) * time.Millisecond)
			h.chat(at, a, b)
			if h.rng.IntN(3) > 0 {
				h.chat(at.Add(time.Duration(20+h.rng.IntN(600))*time.Second), b, a)
			}
		}
	}
	const crew = "!ferry-crew:" + storyPlatform
	at := h.start.Add(90 * time.Minute)
	h.add(at, "group.created", person(5), "Ada opens a group for the crew of the ferry.", nil, func(l *line) { l.text("group", crew).number("size", 1) })
	for i := 6; i < 20; i++ {
		at = at.Add(time.Minute)
		h.add(at, "group.joined", person(i), "", nil, func(l *line) { l.text("group", crew).text("by", "invite-link").number("size", i-4) })
	}
	for range 60 {
		at = at.Add(time.Duration(5+h.rng.IntN(70)) * time.Minute)
		h.add(at, "message.sent", person(5+h.rng.IntN(15)), "", nil, func(l *line) { l.toGroup(crew, 15).number("bytes", 120).truth("has_link", false) })
	}
}

var storyTesters = []string{"@jules_w:harbour.example", "@mai.t:harbour.example", "@robin-k:harbour.example", "@ilse_b:harbour.example"}

func operatorNetwork(i int) string {
	return fmt.Sprintf(`{"address":"203.0.113.%d","asn":64511,"country":"XQ","class":"hosting"}`, 40+i%2)
}

// rehearsal: four new accounts write to nobody but one another, and try links.
func (h *harbour) rehearsal() {
	at := h.start.Add(26 * time.Hour)
	for i, a := range storyTesters {
		say := ""
		if i == 0 {
			say = "Four new accounts appear within the hour, from one hosting network, on two devices."
		}
		h.add(at, "account.registered", a, say, nil, func(l *line) {
			l.text("device", fmt.Sprintf("bench-%d", i%2)).text("build", "Skiff 4/os-11").raw("network", operatorNetwork(i)).
				raw("number", fmt.Sprintf(`{"e164":"+4477009001%02d","carrier":"voip"}`, i)).text("attestation", "basic").truth("returned", i > 1)
		})
		at = at.Add(11 * time.Minute)
	}
	try := func(from, to int, say, url string, t *Truth) {
		at = at.Add(time.Duration(4+h.rng.IntN(9)) * time.Minute)
		h.add(at, "link.sent", storyTesters[from], say, t, func(l *line) { l.toAccount(storyTesters[to]).links(url) })
	}
	try(0, 1, "They send one another a newspaper first.", "https://daily-harbour.example/101", nil)
	try(1, 2, "", "https://daily-harbour.example/102", nil)
	try(0, 1, "Then a link that the lab's list knows: a rehearsal.", h.oneTime("plain", storyHosts[0]), h.listed(storyHosts[0], "plain"))
	try(0, 2, "Stopped or not, they try other spellings.", h.oneTime("upper-case", storyHosts[0]), h.listed(storyHosts[0], "upper-case"))
	try(2, 3, "And a host that nobody has listed.", "https://"+storyTrial+"/t/"+oneTime(h.rng), &Truth{
		Injected: true, Host: storyTrial, Operator: storyOperator, Variant: "plain", Want: vedette.Allow,
	})
}

func (h *harbour) oneTime(variant, host string) string {
	vs, err := variantsNamed([]string{variant})
	if err != nil {
		panic(err) // the story's own names
	}
	return vs[0].Spell(host, "/"+oneTime(h.rng))
}

func (h *harbour) listed(host, variant string) *Truth {
	return &Truth{Injected: true, Host: host, Value: host, Type: "domain", Operator: storyOperator, Variant: variant, Want: vedette.Block}
}

// attack: the first contacts, on the second and third day.
func (h *harbour) attack() {
	at := h.start.Add(50 * time.Hour)
	steps := []struct {
		who     int
		tester  int
		host    string
		variant string
		say     string
	}{
		{0, 0, storyHosts[0], "plain", "A stranger writes to Salma, a journalist, for the first time: one link, good for one opening."},
		{1, 1, storyHosts[1], "upper-case", "Another writes to Idris, a lawyer. Capitals, to slip past a list that compares letters."},
		{2, 2, storyHosts[4], "user-decoy", "Noor, an activist, gets a link that begins like a newspaper's and leads elsewhere."},
		{3, 3, storyHosts[5], "percent-host", "Petra, a journalist: the host's name is percent-encoded."},
		{4, 1, storyHosts[7], "fullwidth", "Kofi, a lawyer: fullwidth letters, which browsers fold."},
		{0, 3, storyHosts[10], "trailing-dot", "Salma again: a dot after the name."},
	}
	for _, s := range steps {
		h.add(at, "link.sent", storyTesters[s.tester], s.say, h.listed(s.host, s.variant), func(l *line) {
			l.toAccount(person(s.who)).links(h.oneTime(s.variant, s.host)).truth("stranger", true)
		})
		at = at.Add(time.Duration(17+h.rng.IntN(30)) * time.Minute)
	}
	// The host that was only tried before, from another account: nobody reports it.
	const quiet = "@desk-4:harbour.example"
	h.add(at, "account.registered", quiet, "A new account, from the network of the first four.", nil, func(l *line) {
		l.text("device", "bench-0").text("build", "Skiff 4/os-11").raw("network", operatorNetwork(0)).
			raw("number", `{"e164":"+447700900138","carrier":"voip"}`).text("attestation", "basic").truth("returned", true)
	})
	for i, who := range []int{storyQuietFirst, storyQuietSecond} {
		at = at.Add(time.Duration(9+h.rng.IntN(20)) * time.Minute)
		// The rules ask how many people have sent a domain. The rehearsal and the first message made it two, so the second passes: the gate's
		// honest miss, which is there for the hunt to find.
		say, want := "It writes to two people who tell nobody: the host of the rehearsal that nobody has listed.", vedette.Warn
		if i > 0 {
			say, want = "To the second it passes: two senders make a host look shared.", vedette.Allow
		}
		h.add(at, "link.sent", quiet, say, &Truth{
			Injected: true, Host: storyTrial, Operator: storyOperator, Variant: "plain", Want: want,
		}, func(l *line) {
			l.toAccount(person(who)).links("https://"+storyTrial+"/n/"+oneTime(h.rng)).truth("stranger", true)
		})
	}
	at = at.Add(time.Duration(20+h.rng.IntN(20)) * time.Minute)
	// The link that no list knows, from an account made for it: three strangers in an hour.
	const fresh = "@desk-7:harbour.example"
	h.add(at, "account.registered", fresh, "One more new account, from the same network.", nil, func(l *line) {
		l.text("device", "bench-1").text("build", "Skiff 4/os-11").raw("network", operatorNetwork(1)).
			raw("number", `{"e164":"+447700900140","carrier":"voip"}`).text("attestation", "basic").truth("returned", true)
	})
	var last string
	var lastURL string
	for i, who := range []int{2, 4, 3} {
		at = at.Add(time.Duration(6+h.rng.IntN(9)) * time.Minute)
		say := ""
		if i == 0 {
			say = "It writes to Noor, to Kofi, to Petra: a host on no list. Only the rules can see this one."
		}
		lastURL = "https://" + storyUnlisted + "/n/" + oneTime(h.rng)
		last = h.add(at, "link.sent", fresh, say, &Truth{
			Injected: true, Host: storyUnlisted, Operator: storyOperator, Variant: "plain", Want: vedette.Warn,
		}, func(l *line) { l.toAccount(person(who)).links(lastURL).truth("stranger", true) })
	}
	at = at.Add(8 * time.Minute)
	h.add(at, "user.reported", person(3), "Petra reports it: somebody she does not know, a link that she did not expect.", nil, func(l *line) {
		l.text("subject", fresh).text("message", last).text("category", "suspicious-link").links(lastURL)
	})
	at = at.Add(13 * time.Minute)
	friend := h.friends[0][0]
	h.add(at, "link.sent", person(friend), "A friend sends Salma a shop whose name is one letter from a listed one. It is honest, and must pass.", &Truth{
		Host: storyLookAlike, Variant: "plain", Want: vedette.Allow,
	}, func(l *line) { l.toAccount(person(0)).links("https://" + storyLookAlike + "/lamps/brass") })
	at = at.Add(3 * time.Minute)
	h.add(at, "message.sent", person(0), "", nil, func(l *line) { l.toAccount(person(friend)).number("bytes", 60).truth("reply", true) })
}
