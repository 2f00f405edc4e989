package matrix

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"vedette"
)

// The callbacks that are understood. Any other is answered with "go on".
const (
	ping          = "ping"
	checkEvent    = "check_event_for_spam"
	mayInvite     = "user_may_invite"
	invitedAbroad = "federated_user_may_invite"
	mayJoin       = "user_may_join_room"
	mayCreate     = "user_may_create_room"
	checkLogin    = "check_login_for_spam"
)

// refuses tells which callbacks carry a message and may be answered with a refusal. A login, a join or a new room is recorded and never
// refused: that would act on a person, which takes two people.
func refuses(callback string) bool {
	return callback == checkEvent || callback == mayInvite || callback == invitedAbroad
}

var errUnreadable = fmt.Errorf("matrix: a callback's body cannot be read: %w", vedette.ErrInvalid)

// wire is an event as docs/formats/event.md has it. What the platform cannot tell is left out.
type wire struct {
	ID       string     `json:"id"`
	Kind     string     `json:"kind"`
	At       string     `json:"at"`
	Platform string     `json:"platform,omitempty"`
	Tier     string     `json:"tier"`
	Actor    string     `json:"actor"`
	Device   string     `json:"device,omitempty"`
	Network  *wireNet   `json:"network,omitempty"`
	Group    string     `json:"group,omitempty"`
	Member   string     `json:"member,omitempty"`
	By       string     `json:"by,omitempty"`
	To       *wireTo    `json:"to,omitempty"`
	Bytes    int        `json:"bytes,omitempty"`
	HasLink  *bool      `json:"has_link,omitempty"`
	Links    []wireLink `json:"links,omitempty"`
}

type wireNet struct {
	Address string `json:"address"`
}

type wireTo struct {
	Account string `json:"account,omitempty"`
	Group   string `json:"group,omitempty"`
}

type wireLink struct {
	URL   string `json:"url"`
	Where string `json:"where,omitempty"`
}

// matrixEvent is the client format, as the module sends it.
type matrixEvent struct {
	Type     string          `json:"type"`
	Sender   string          `json:"sender"`
	Room     string          `json:"room_id"`
	ID       string          `json:"event_id"`
	Time     int64           `json:"origin_server_ts"` // milliseconds
	StateKey *string         `json:"state_key"`
	Content  json.RawMessage `json:"content"`
}

type membership struct {
	Membership string `json:"membership"`
	Name       any    `json:"displayname"`
	Reason     any    `json:"reason"`
	Direct     any    `json:"is_direct"`
}

// translated is what a callback means.
type translated struct {
	events []wire
	cut    bool // not every link could be taken
}

// translate reads a callback's body. Its error wraps vedette.ErrInvalid and holds nothing of the body.
func (h *Handler) translate(callback string, body []byte, now time.Time) (t translated, err error) {
	switch callback {
	case checkEvent, invitedAbroad:
		var b struct {
			Event *matrixEvent `json:"event"`
		}
		if json.Unmarshal(body, &b) != nil || b.Event == nil || b.Event.Sender == "" || b.Event.ID == "" || b.Event.Room == "" {
			return t, errUnreadable
		}
		if callback == invitedAbroad {
			return h.invited(b.Event, now)
		}
		return h.event(b.Event, now)
	case mayInvite:
		var b struct{ Inviter, Invitee string }
		if json.Unmarshal(body, &b) != nil || b.Inviter == "" || b.Invitee == "" {
			return t, errUnreadable
		}
		t.events = []wire{{Kind: "message.sent", Tier: "0", Actor: b.Inviter, To: &wireTo{Account: b.Invitee}}}
	case mayJoin:
		var b struct {
			User    string `json:"user"`
			Room    string `json:"room"`
			Invited bool   `json:"is_invited"`
		}
		if json.Unmarshal(body, &b) != nil || b.User == "" || b.Room == "" {
			return t, errUnreadable
		}
		e := wire{Kind: "group.joined", Tier: "0", Actor: b.User, Group: b.Room}
		if b.Invited {
			e.By = "accepted"
		}
		h.direct.joined(b.Room, b.User)
		t.events = []wire{e}
	case mayCreate:
		var b struct {
			User string `json:"user_id"`
		}
		if json.Unmarshal(body, &b) != nil || b.User == "" {
			return t, errUnreadable
		}
		// The room has no name yet, so the event is about a room of its own name.
		t.events = []wire{{Kind: "group.created", Tier: "0", Actor: b.User, Group: "unnamed " + nameless(mayCreate, body, now)}}
	case checkLogin:
		var b struct {
			User   string  `json:"user_id"`
			Device *string `json:"device_id"`
			From   [][]any `json:"request_info"` // pairs of user agent and address, the newest last
		}
		if json.Unmarshal(body, &b) != nil || b.User == "" {
			return t, errUnreadable
		}
		e := wire{Kind: "account.seen", Tier: "0", Actor: b.User}
		if b.Device != nil {
			e.Device = *b.Device
		}
		if n := len(b.From); n > 0 && len(b.From[n-1]) > 1 {
			if s, ok := b.From[n-1][1].(string); ok {
				if a, err := netip.ParseAddr(s); err == nil {
					e.Network = &wireNet{Address: a.WithZone("").String()}
				}
			}
		}
		t.events = []wire{e}
	}
	for i := range t.events {
		t.events[i].ID, t.events[i].At = nameless(callback, body, now), moment(now)
	}
	return t, nil
}

// nameless makes an id for what Synapse gives none: two callbacks with the same body are two events, unless of the same millisecond.
func nameless(callback string, body []byte, now time.Time) string {
	sum := sha256.Sum256(body)
	return callback + " " + strconv.FormatInt(now.UnixMilli(), 36) + " " + base64.RawURLEncoding.EncodeToString(sum[:16])
}

func moment(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

// event is the inline decision.
func (h *Handler) event(e *matrixEvent, now time.Time) (t translated, err error) {
	base := wire{Actor: e.Sender, At: sent(e, now), Tier: "2"}
	if other, ok := h.direct.other(e.Room, e.Sender); ok {
		base.To = &wireTo{Account: other}
	} else {
		base.To = &wireTo{Group: e.Room}
	}
	if e.Type == "m.room.encrypted" {
		base.Kind, base.Tier, base.Bytes = "message.sent", "0", len(e.Content)
		return translated{events: named(base, e.ID, nil)}, nil
	}
	if e.Type == "m.room.member" && e.StateKey != nil {
		return h.member(e, base)
	}
	f := finder{}
	where := inMessage
	if e.StateKey != nil {
		where = inGroup
	}
	var content map[string]any
	if err := decode(e.Content, &content); err != nil {
		return t, err
	}
	// A file's body is its name, unless a filename stands beside it: then it is a caption.
	if kind, _ := content["msgtype"].(string); kind == "m.file" || kind == "m.image" || kind == "m.video" || kind == "m.audio" {
		if _, caption := content["filename"]; !caption {
			if name, ok := content["body"].(string); ok {
				f.text(name, inFile)
				delete(content, "body")
			}
		}
	}
	f.content(content, "", where, 0)
	t.cut = f.cut
	message := e.Type == "m.room.message" || e.Type == "m.sticker"
	switch {
	case len(f.links) > 0:
		base.Kind = "link.sent"
	case message:
		no := false
		base.Kind, base.Bytes, base.HasLink = "message.sent", len(e.Content), &no
	default:
		return t, nil // state, reactions, redactions, calls: nothing in them is a link
	}
	t.events = named(base, e.ID, f.links)
	return t, nil
}

// member reads a membership: names and reasons may hold links, and an invitation to a direct room says who talks to whom there.
func (h *Handler) member(e *matrixEvent, base wire) (t translated, err error) {
	var m membership
	if err := decode(e.Content, &m); err != nil {
		return t, err
	}
	who := *e.StateKey
	var f finder
	switch m.Membership {
	case "invite":
		if direct, _ := m.Direct.(bool); direct {
			h.direct.opened(e.Room, e.Sender, who)
		} else {
			h.direct.joined(e.Room, who)
		}
		f.content(m.Reason, "", inInvite, 0)
		base.Kind, base.To = "link.sent", &wireTo{Account: who}
	case "leave", "ban":
		h.direct.forget(e.Room)
		base.To, base.Tier = nil, "0"
		base.Kind, base.Group, base.Member = "group.left", e.Room, who
		return translated{events: named(base, e.ID, nil)}, nil
	default:
		h.direct.joined(e.Room, who)
		f.content(m.Name, "", inProfile, 0)
		base.Kind, base.To = "profile.changed", nil
	}
	if len(f.links) > 0 {
		t.events = named(base, e.ID, f.links)
	}
	return translated{events: t.events, cut: f.cut}, nil
}

// invited is a first contact from another server.
func (h *Handler) invited(e *matrixEvent, now time.Time) (t translated, err error) {
	if e.StateKey == nil || *e.StateKey == "" {
		return t, errUnreadable
	}
	var m membership
	if err := decode(e.Content, &m); err != nil {
		return t, err
	}
	base := wire{Kind: "message.sent", Tier: "0", Actor: e.Sender, At: sent(e, now), To: &wireTo{Account: *e.StateKey}}
	var f finder
	f.content(m.Reason, "", inInvite, 0)
	if len(f.links) > 0 {
		base.Kind, base.Tier = "link.sent", "2"
	}
	// Synapse asks about the same event again where it keeps it.
	return translated{events: named(base, e.ID+" invite", f.links), cut: f.cut}, nil
}

func decode(content json.RawMessage, to any) error {
	if len(content) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(content))
	d.UseNumber()
	if d.Decode(to) != nil {
		return errUnreadable
	}
	return nil
}

// maxAge is how old an event may say to be.
const maxAge = time.Hour

// sent is when the sending server says, if that is now or shortly before: the server may belong to anybody, and must not be able to
// leave the range that the door takes. History that Synapse fetches from others therefore counts as of today.
func sent(e *matrixEvent, now time.Time) string {
	if t := time.UnixMilli(e.Time); e.Time > 0 && !t.After(now) && now.Sub(t) < maxAge {
		return moment(t)
	}
	return moment(now)
}

// maxLinkBytes is how many bytes of links one event on the wire holds at most. A byte may take six in JSON, and the wire takes 64 KiB.
const maxLinkBytes = maxURL

// named gives the event its id. One with more links than an event may hold, by number or size, becomes several, so that the last
// link cannot hide behind the first ones.
func named(base wire, id string, links []found) []wire {
	if len(id) > 240 {
		sum := sha256.Sum256([]byte(id))
		id = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	var out []wire
	for part := 0; part == 0 || len(links) > 0; part++ {
		e := base
		e.ID = id
		if part > 0 {
			e.ID += " part " + strconv.Itoa(part)
		}
		for size := 0; len(links) > 0 && len(e.Links) < vedette.MaxLinks; links = links[1:] {
			if size += len(links[0].url); size > maxLinkBytes && len(e.Links) > 0 {
				break
			}
			e.Links = append(e.Links, wireLink{URL: links[0].url, Where: links[0].where})
		}
		out = append(out, e)
	}
	return out
}

// again makes another id for an event that was told differently before. It stays under the wire's 256 bytes.
func again(id string, now time.Time) string {
	sum := sha256.Sum256([]byte(id))
	return "again " + strconv.FormatInt(now.UnixMilli(), 36) + " " + base64.RawURLEncoding.EncodeToString(sum[:16])
}

// rooms remembers which rooms are between two people, since an event does not say. It is bounded, holds nothing after a restart, and
// what it does not know is told as a group's. Names in it never leave the process.
type rooms struct {
	mu    sync.Mutex
	pairs map[string][2]string
	order []string // a ring, oldest at next
	next  int
}

const maxRooms = 1 << 16

func (r *rooms) opened(room, a, b string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p, known := r.pairs[room]; known {
		if p != [2]string{a, b} {
			delete(r.pairs, room) // a third person
		}
		return
	}
	if r.pairs == nil {
		r.pairs = map[string][2]string{}
	}
	if len(r.order) < maxRooms {
		r.order = append(r.order, room)
	} else {
		delete(r.pairs, r.order[r.next])
		r.order[r.next] = room
		r.next = (r.next + 1) % maxRooms
	}
	r.pairs[room] = [2]string{a, b}
}

// joined forgets the room when who is not one of the two.
func (r *rooms) joined(room, who string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p, known := r.pairs[room]; known && who != p[0] && who != p[1] {
		delete(r.pairs, room)
	}
}

func (r *rooms) forget(room string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.pairs, room)
}

func (r *rooms) other(room, who string) (string, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, known := r.pairs[room]
	switch {
	case known && who == p[0]:
		return p[1], true
	case known && who == p[1]:
		return p[0], true
	}
	return "", false
}

// cause names why the fallback was taken: a closed set, for the metric.
func cause(err error) string {
	switch {
	case errors.Is(err, errUnreadable):
		return "unreadable"
	case errors.Is(err, vedette.ErrTooLarge):
		return "too_large"
	case errors.Is(err, vedette.ErrBusy):
		return "busy"
	case errors.Is(err, vedette.ErrConflict):
		return "conflict"
	case errors.Is(err, vedette.ErrUnavailable):
		return "unavailable"
	case errors.Is(err, vedette.ErrInvalid):
		return "invalid"
	}
	return "fault"
}
