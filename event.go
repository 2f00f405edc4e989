package vedette

import (
	"fmt"
	"time"
)

// Kind names what happened. The set is closed: an unknown kind is refused by name.
type Kind uint8

// The kinds of events, with their names on the wire. Their order is part of the frame format (docs/formats/frame.md): append, never reorder.
const (
	KindAccountRegistered Kind = iota + 1
	KindAccountSeen
	KindAccountDeleted
	KindAccountRestored
	KindDeviceLinked
	KindDeviceUnlinked
	KindGroupCreated
	KindGroupJoined
	KindGroupLeft
	KindGroupDeleted
	KindMessageSent
	KindLinkSent
	KindLinkPreviewed
	KindLinkOpened
	KindNumberLookedUp
	KindUserBlocked
	KindUserUnblocked
	KindUserReported
	KindProfileChanged
	KindTick       // the journal's own: event time has reached this moment
	KindGeneration // the journal's own: a new generation is in force from here on
)

var kindNames = [...]string{
	KindAccountRegistered: "account.registered",
	KindAccountSeen:       "account.seen",
	KindAccountDeleted:    "account.deleted",
	KindAccountRestored:   "account.restored",
	KindDeviceLinked:      "device.linked",
	KindDeviceUnlinked:    "device.unlinked",
	KindGroupCreated:      "group.created",
	KindGroupJoined:       "group.joined",
	KindGroupLeft:         "group.left",
	KindGroupDeleted:      "group.deleted",
	KindMessageSent:       "message.sent",
	KindLinkSent:          "link.sent",
	KindLinkPreviewed:     "link.previewed",
	KindLinkOpened:        "link.opened",
	KindNumberLookedUp:    "number.looked_up",
	KindUserBlocked:       "user.blocked",
	KindUserUnblocked:     "user.unblocked",
	KindUserReported:      "user.reported",
	KindProfileChanged:    "profile.changed",
	KindTick:              "tick",
	KindGeneration:        "generation",
}

// Kinds returns every kind that a platform may send, in order. The journal's own (tick, generation) are not among them.
func Kinds() []Kind {
	ks := make([]Kind, 0, KindProfileChanged)
	for k := KindAccountRegistered; k <= KindProfileChanged; k++ {
		ks = append(ks, k)
	}
	return ks
}

func (k Kind) String() string {
	if k == 0 || int(k) >= len(kindNames) {
		return fmt.Sprintf("kind(%d)", uint8(k))
	}
	return kindNames[k]
}

// ParseKind reads a kind's wire name. Its error wraps ErrInvalid and names the kind.
func ParseKind(s string) (Kind, error) {
	for k := KindAccountRegistered; int(k) < len(kindNames); k++ {
		if kindNames[k] == s {
			return k, nil
		}
	}
	return 0, fmt.Errorf("kind %q is unknown: %w", s, ErrInvalid)
}

// MarshalText writes the wire name.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads the wire name.
func (k *Kind) UnmarshalText(b []byte) (err error) { *k, err = ParseKind(string(b)); return err }

// Tri is a fact that a platform may not be able to tell. Absent is not No.
type Tri uint8

// The three answers.
const (
	Unknown Tri = iota
	No
	Yes
)

// TriOf makes a known answer.
func TriOf(b bool) Tri {
	if b {
		return Yes
	}
	return No
}

// Event is one thing that happened on a platform, with every person in it already a surrogate.
// It is what the journal keeps; no field of it holds text, an address, a number, or a URL.
type Event struct {
	Tenant   Tenant
	Platform string    // the platform's own name, as configured for the door; never from a person
	ID       EventID   // keyed digest of the platform's event id
	Bytes    Digest    // keyed digest of the bytes received, under the tenant's key
	Source   SourceID  // which door and adapter brought it
	Actor    AccountID // who did it; zero for the journal's own kinds
	At       time.Time // when it happened, by the platform's clock; milliseconds, UTC
	Seen     time.Time // when it reached the door; milliseconds, UTC. In a replay of a file: At
	Tier     Tier
	Body     Body
}

// Kind returns the kind of the event's body, or 0 when there is none.
func (e *Event) Kind() Kind {
	if e.Body == nil {
		return 0
	}
	return e.Body.Kind()
}

// Links returns the links that the event carries, wherever they hide, or nil. The slice is the event's own.
func (e *Event) Links() []Link {
	switch b := e.Body.(type) {
	case *LinkSent:
		return b.Links
	case *LinkPreviewed:
		return b.Links
	case *LinkOpened:
		return b.Links
	case *UserReported:
		return b.Links
	case *ProfileChanged:
		return b.Links
	case *GroupCreated:
		return b.Links
	}
	return nil
}

// SourceID names the door that an event came through: 0 replay, 1 HTTP, 2 an adapter. Closed set; docs/formats/frame.md.
type SourceID uint8

// The doors.
const (
	SourceReplay SourceID = iota
	SourceHTTP
	SourceMatrix
	SourceJournal // the journal's own kinds
)

// Tier says how much of a link the adapter can tell (docs/ARCHITECTURE.md, "Events").
type Tier uint8

// The tiers.
const (
	Tier0 Tier = iota // server metadata only, no links
	Tier1             // link tokens made by clients
	Tier2             // host or URL in clear
	TierR             // a report: the reported message is opened for the case only
)

func (t Tier) String() string {
	return [...]string{"0", "1", "2", "R"}[t&3]
}

// Body is what happened. The set of bodies is closed: one for each kind.
type Body interface {
	Kind() Kind
	body()
}

// NetworkClass is the coarse kind of a network. Zero is unknown.
type NetworkClass uint8

// The classes, in the order of the frame format.
const (
	NetworkUnknown NetworkClass = iota
	NetworkResidential
	NetworkMobile
	NetworkBusiness
	NetworkHosting
	NetworkAnonymous // a VPN exit or an onion-routing exit
)

// Network is where somebody came from: a surrogate for the address (/32 or /64) and what the platform knows about it.
type Network struct {
	ID      NetworkID
	ASN     uint32 // 0: unknown
	Country Country
	Class   NetworkClass
}

// Country is an ISO 3166-1 alpha-2 code in capitals; the zero value is unknown.
type Country [2]byte

func (c Country) String() string {
	if c == (Country{}) {
		return ""
	}
	return string(c[:])
}

// CarrierClass is the kind of a phone number. Zero is unknown.
type CarrierClass uint8

// The classes, in the order of the frame format.
const (
	CarrierUnknown CarrierClass = iota
	CarrierMobile
	CarrierFixed
	CarrierVoIP
	CarrierMachine
)

// Number is what the platform may tell about a phone number: its country, carrier class, and a surrogate for its block of one hundred.
type Number struct {
	Country Country
	Carrier CarrierClass
	Block   NetworkID // surrogate for number/100; zero: unknown
}

// Attestation is how far the client's device vouches for itself. Zero is unknown.
type Attestation uint8

// The grades, in the order of the frame format.
const (
	AttestUnknown Attestation = iota
	AttestFail
	AttestNone
	AttestBasic
	AttestStrong
)

// Recipient is a person or a group, never both. The zero value is absent.
type Recipient struct {
	Account AccountID
	Group   GroupID
	Size    uint16 // members of the group, rounded by the platform; 0: unknown or a person
}

// MaxLinks is how many links one event may carry. The door refuses more: an event with more is a document, not a message.
const MaxLinks = 32

// Link is what is kept of a link: tokens that compare equal for equal names, and the shape. Never its text.
type Link struct {
	Where  Place
	Domain Token // registrable domain
	Host   Token
	Tenant Token // the hoster's tenant, on a shared host; zero elsewhere
	URL    Token // canonical URL without fragment
	Shape  Shape
}

// Place is where a link was found. Zero is the message itself.
type Place uint8

// The places, in the order of the frame format.
const (
	InMessage Place = iota
	InProfile
	InGroup
	InInvite
	InQRCode
	InFileName
)

// TokenKind says of what a token was made.
type TokenKind uint8

// The kinds of tokens, in the order of the frame format.
const (
	TokenNone TokenKind = iota
	TokenDomain
	TokenHost
	TokenTenant
	TokenURL
)

// Token is a keyed name: equal for equal names under one key, and telling nothing without it (docs/formats/token.md).
// The zero value is absent.
type Token struct {
	Kind  TokenKind
	Epoch uint16 // which key; the tenant's epoch table says when and how it was made
	Bytes [16]byte
}

// IsZero tells whether there is no token.
func (t Token) IsZero() bool { return t.Kind == TokenNone }

// Shape is what a link looks like, without what it says. All of it may be kept.
type Shape struct {
	Flags        ShapeFlag
	TokenLike    uint8 // path or query segments that look made by a machine, at most 255
	Entropy      uint8 // of the most random segment, bits per character times 16
	PathSegments uint8
	QueryKeys    uint8
	HostLabels   uint8
	Length       uint16 // of the canonical URL in bytes, at most 65,535
}

// ShapeFlag is a set of yes-or-no properties of a link.
type ShapeFlag uint32

// The properties. Their values are part of the frame format: append, never reorder.
const (
	ShapeShortener    ShapeFlag = 1 << iota // a known shortener or redirector
	ShapeEmbedded                           // another URL stands inside it
	ShapeAddress                            // the host is an IP address
	ShapeIDN                                // a label is internationalised
	ShapeMixedScript                        // one label mixes scripts that no language mixes
	ShapeConfusable                         // the skeleton of a label differs from it (UTS #39)
	ShapeUserinfo                           // user@ before the host
	ShapePort                               // a port that is not the scheme's own
	ShapeInsecure                           // http
	ShapeForeign                            // neither http nor https
	ShapeSharedHost                         // the host serves many parties (suffix list's private part, known hosters)
	ShapePunyInvalid                        // a label begins with xn-- and cannot be read
	ShapeDeceptive                          // control, bidi or invisible characters, odd spellings of an address, excess encoding
	ShapeUnread                             // the WHATWG parser refuses it; clients may differ
	ShapeLongHost                           // four or more labels below the registrable domain
	ShapeNoReferrable                       // the host is itself a public suffix, or has none
)

// Has tells whether all of the given properties hold.
func (f ShapeFlag) Has(g ShapeFlag) bool { return f&g == g }

// The bodies. Fields that a platform cannot tell are zero, which always reads as absent.
type (
	// AccountRegistered tells of a new account.
	AccountRegistered struct {
		Device      DeviceID
		Build       uint32 // short digest of model and system build; 0: unknown
		Network     Network
		Number      Number
		Attestation Attestation
		Returned    Tri // the device had an account before
	}
	// AccountSeen tells that an account was active; one for each account, network and hour.
	AccountSeen struct {
		Device  DeviceID
		Network Network
	}
	// AccountDeleted tells of an account's end.
	AccountDeleted struct{ Reason DeletionReason }
	// AccountRestored tells of an account that came back.
	AccountRestored struct{}
	// DeviceLinked tells of a device added to an account.
	DeviceLinked struct {
		Device  DeviceID
		Network Network
	}
	// DeviceUnlinked tells of a device removed from an account.
	DeviceUnlinked struct{ Device DeviceID }
	// GroupCreated tells of a new group, with the links in its name or text.
	GroupCreated struct {
		Group GroupID
		Size  uint16
		Links []Link
	}
	// GroupJoined tells that Member is now in the group; the actor is who did it.
	GroupJoined struct {
		Group  GroupID
		Member AccountID
		By     JoinWay
		Size   uint16
	}
	// GroupLeft tells that Member is out of the group.
	GroupLeft struct {
		Group  GroupID
		Member AccountID
	}
	// GroupDeleted tells of a group's end.
	GroupDeleted struct{ Group GroupID }
	// MessageSent is metadata of one message, or of Count coalesced ones.
	MessageSent struct {
		To        Recipient
		Count     uint16 // 1 when not coalesced
		Size      uint8  // log2 of the bytes
		Forwarded uint8  // 0, 1, 2 (for 2 to 4), 3 (5 and more)
		HasLink   Tri
		Reply     Tri // inside a thread that the recipient took part in
		Stranger  Tri // the recipient's client: sender is no contact and was never answered
	}
	// LinkSent is a message with links, before it is delivered.
	LinkSent struct {
		To        Recipient
		Links     []Link
		Forwarded uint8
		Reply     Tri
		Stranger  Tri
	}
	// LinkPreviewed tells that the recipient's client wants to show or make tappable a link that From sent.
	LinkPreviewed struct {
		From  AccountID
		Group GroupID
		Links []Link
	}
	// LinkOpened tells that a link was tapped.
	LinkOpened struct {
		From  AccountID
		Group GroupID
		Links []Link
	}
	// NumberLookedUp tells that the actor asked whether a number has an account.
	NumberLookedUp struct {
		Target AccountID // zero: no such number
		Via    LookupWay
	}
	// UserBlocked tells that the actor blocked Subject.
	UserBlocked struct{ Subject AccountID }
	// UserUnblocked tells that the actor unblocked Subject.
	UserUnblocked struct{ Subject AccountID }
	// UserReported tells that the actor reported Subject, or a message of theirs.
	UserReported struct {
		Subject  AccountID
		Group    GroupID
		Message  EventID
		Category ReportCategory
		Links    []Link
	}
	// ProfileChanged tells that a name, picture or text changed, with the links in it.
	ProfileChanged struct{ Links []Link }
	// Tick is the journal's own: event time has reached At.
	Tick struct{}
	// GenerationMade is the journal's own: from here on this generation is in force.
	GenerationMade struct{ ID GenerationID }
)

// DeletionReason says why an account ended. Zero is unknown.
type DeletionReason uint8

// The reasons, in the order of the frame format.
const (
	DeletionUnknown DeletionReason = iota
	DeletionSelf
	DeletionBan
	DeletionInactive
)

// JoinWay says how a member came into a group. Zero is unknown.
type JoinWay uint8

// The ways, in the order of the frame format.
const (
	JoinUnknown JoinWay = iota
	JoinCreator
	JoinInviteLink
	JoinAdded
	JoinAccepted
)

// LookupWay says how a number was looked up. Zero is unknown.
type LookupWay uint8

// The ways, in the order of the frame format.
const (
	LookupUnknown LookupWay = iota
	LookupContactSync
	LookupManual
)

// ReportCategory is what the reporter chose. Zero is unknown.
type ReportCategory uint8

// The categories, in the order of the frame format.
const (
	ReportUnknown ReportCategory = iota
	ReportSpam
	ReportScam
	ReportImpersonation
	ReportSuspiciousLink
	ReportAbuse
	ReportOther
)

func (*AccountRegistered) Kind() Kind { return KindAccountRegistered }
func (*AccountSeen) Kind() Kind       { return KindAccountSeen }
func (*AccountDeleted) Kind() Kind    { return KindAccountDeleted }
func (*AccountRestored) Kind() Kind   { return KindAccountRestored }
func (*DeviceLinked) Kind() Kind      { return KindDeviceLinked }
func (*DeviceUnlinked) Kind() Kind    { return KindDeviceUnlinked }
func (*GroupCreated) Kind() Kind      { return KindGroupCreated }
func (*GroupJoined) Kind() Kind       { return KindGroupJoined }
func (*GroupLeft) Kind() Kind         { return KindGroupLeft }
func (*GroupDeleted) Kind() Kind      { return KindGroupDeleted }
func (*MessageSent) Kind() Kind       { return KindMessageSent }
func (*LinkSent) Kind() Kind          { return KindLinkSent }
func (*LinkPreviewed) Kind() Kind     { return KindLinkPreviewed }
func (*LinkOpened) Kind() Kind        { return KindLinkOpened }
func (*NumberLookedUp) Kind() Kind    { return KindNumberLookedUp }
func (*UserBlocked) Kind() Kind       { return KindUserBlocked }
func (*UserUnblocked) Kind() Kind     { return KindUserUnblocked }
func (*UserReported) Kind() Kind      { return KindUserReported }
func (*ProfileChanged) Kind() Kind    { return KindProfileChanged }
func (*Tick) Kind() Kind              { return KindTick }
func (*GenerationMade) Kind() Kind    { return KindGeneration }

func (*AccountRegistered) body() {}
func (*AccountSeen) body()       {}
func (*AccountDeleted) body()    {}
func (*AccountRestored) body()   {}
func (*DeviceLinked) body()      {}
func (*DeviceUnlinked) body()    {}
func (*GroupCreated) body()      {}
func (*GroupJoined) body()       {}
func (*GroupLeft) body()         {}
func (*GroupDeleted) body()      {}
func (*MessageSent) body()       {}
func (*LinkSent) body()          {}
func (*LinkPreviewed) body()     {}
func (*LinkOpened) body()        {}
func (*NumberLookedUp) body()    {}
func (*UserBlocked) body()       {}
func (*UserUnblocked) body()     {}
func (*UserReported) body()      {}
func (*ProfileChanged) body()    {}
func (*Tick) body()              {}
func (*GenerationMade) body()    {}
