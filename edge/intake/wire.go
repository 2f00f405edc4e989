package intake

import (
	"vedette"
)

// field names one field of the wire form. Its number is its bit in decoder.seen, so there can be at most 64.
type field uint8

const (
	fID field = iota
	fKind
	fAt
	fActor
	fTo
	fLinks
	fDevice
	fGroup
	fSubject
	fTenant
	fPlatform
	fTier
	fBuild
	fNetwork
	fNumber
	fAttestation
	fReturned
	fReason
	fSize
	fMember
	fBy
	fCount
	fBytes
	fForwarded
	fHasLink
	fReply
	fStranger
	fFrom
	fTarget
	fVia
	fMessage
	fCategory
	fNetworkAddress
	fNetworkASN
	fNetworkCountry
	fNetworkClass
	fNumberE164
	fNumberCarrier
	fToAccount
	fToGroup
	fToSize
	fLinkURL // from here on: once for each link
	fLinkTokens
	fLinkWhere
	fTokenDomain
	fTokenHost
	fTokenTenant
	fTokenURL
	fTokenEpoch
	fTokenFeatures
	fieldCount
)

// set is a set of fields.
type set uint64

func of(fs ...field) (s set) {
	for _, f := range fs {
		s |= 1 << f
	}
	return s
}

func (s set) has(f field) bool { return s&(1<<f) != 0 }

const perLink set = 1<<fieldCount - 1<<fLinkURL

// shape is the JSON type that a field must have.
type shape uint8

const (
	wantString shape = iota
	wantNumber
	wantBool
	wantObject
	wantArray
)

func (s shape) String() string {
	return [...]string{"string", "number", "true or false", "object", "array"}[s]
}

// class says what is checked of a field after its JSON type.
type class uint8

const (
	plain    class = iota // nothing more, or checked by its parent
	rawID                 // 1 to max bytes, sealed
	text                  // 1 to max bytes, used and forgotten
	moment                // RFC 3339
	number                // a whole number from min to max
	word                  // one of a closed list
	country               // two capital letters
	address               // IPv4 or IPv6
	e164                  // + and 7 to 15 digits
	lowName               // lower-case letters, digits, hyphens, dots, underscores
	tokenB64              // 16 bytes in base64url
)

// rule is everything the reader knows of a field.
type rule struct {
	path  string // as errors name it; [] becomes the link's index
	shape shape
	class class
	min   uint64
	max   uint64   // bytes of a string, or the largest number
	words []string // of class word: the code of a word is its index
	object
}

// object names the objects of the wire form.
type object uint8

const (
	objEvent object = iota
	objNetwork
	objNumber
	objTo
	objLink
	objTokens
	objReport // read by report.go; here for the names of dropped fields
)

const (
	maxID  = 256
	maxURL = 8 << 10
)

var rules = [fieldCount]rule{
	fID:       {path: "id", class: text, max: maxID},
	fKind:     {path: "kind", class: plain},
	fAt:       {path: "at", class: moment},
	fActor:    {path: "actor", class: rawID, max: maxID},
	fTo:       {path: "to", shape: wantObject, object: objTo},
	fLinks:    {path: "links", shape: wantArray},
	fDevice:   {path: "device", class: rawID, max: maxID},
	fGroup:    {path: "group", class: rawID, max: maxID},
	fSubject:  {path: "subject", class: rawID, max: maxID},
	fTenant:   {path: "tenant", class: text, max: 40},
	fPlatform: {path: "platform", class: lowName, max: 64},
	fTier:     {path: "tier", class: word, words: []string{"0", "1", "2", "R"}},
	fBuild:    {path: "build", class: text, max: maxID},
	fNetwork:  {path: "network", shape: wantObject, object: objNetwork},
	fNumber:   {path: "number", shape: wantObject, object: objNumber},
	fAttestation: {path: "attestation", class: word, words: []string{
		vedette.AttestFail: "fail", vedette.AttestNone: "none", vedette.AttestBasic: "basic", vedette.AttestStrong: "strong",
	}},
	fReturned: {path: "returned", shape: wantBool},
	fReason: {path: "reason", class: word, words: []string{
		vedette.DeletionSelf: "self", vedette.DeletionBan: "ban", vedette.DeletionInactive: "inactive",
	}},
	fSize:   {path: "size", shape: wantNumber, class: number, max: 1 << 32},
	fMember: {path: "member", class: rawID, max: maxID},
	fBy: {path: "by", class: word, words: []string{
		vedette.JoinCreator: "creator", vedette.JoinInviteLink: "invite-link", vedette.JoinAdded: "added", vedette.JoinAccepted: "accepted",
	}},
	fCount:     {path: "count", shape: wantNumber, class: number, min: 1, max: 65535},
	fBytes:     {path: "bytes", shape: wantNumber, class: number, max: 1 << 53},
	fForwarded: {path: "forwarded", shape: wantNumber, class: number, max: 1 << 32},
	fHasLink:   {path: "has_link", shape: wantBool},
	fReply:     {path: "reply", shape: wantBool},
	fStranger:  {path: "stranger", shape: wantBool},
	fFrom:      {path: "from", class: rawID, max: maxID},
	fTarget:    {path: "target", class: rawID, max: maxID},
	fVia: {path: "via", class: word, words: []string{
		vedette.LookupContactSync: "contact-sync", vedette.LookupManual: "manual",
	}},
	fMessage: {path: "message", class: rawID, max: maxID},
	fCategory: {path: "category", class: word, words: []string{
		vedette.ReportSpam: "spam", vedette.ReportScam: "scam", vedette.ReportImpersonation: "impersonation",
		vedette.ReportSuspiciousLink: "suspicious-link", vedette.ReportAbuse: "abuse", vedette.ReportOther: "other",
	}},
	fNetworkAddress: {path: "network.address", class: address, max: 64},
	fNetworkASN:     {path: "network.asn", shape: wantNumber, class: number, max: 1<<32 - 1},
	fNetworkCountry: {path: "network.country", class: country},
	fNetworkClass: {path: "network.class", class: word, words: []string{
		vedette.NetworkResidential: "residential", vedette.NetworkMobile: "mobile", vedette.NetworkBusiness: "business",
		vedette.NetworkHosting: "hosting", vedette.NetworkAnonymous: "anonymous",
	}},
	fNumberE164: {path: "number.e164", class: e164},
	fNumberCarrier: {path: "number.carrier", class: word, words: []string{
		vedette.CarrierMobile: "mobile", vedette.CarrierFixed: "fixed", vedette.CarrierVoIP: "voip", vedette.CarrierMachine: "machine",
	}},
	fToAccount:  {path: "to.account", class: rawID, max: maxID},
	fToGroup:    {path: "to.group", class: rawID, max: maxID},
	fToSize:     {path: "to.size", shape: wantNumber, class: number, max: 1 << 32},
	fLinkURL:    {path: "links[].url", class: text, max: maxURL},
	fLinkTokens: {path: "links[].tokens", shape: wantObject, object: objTokens},
	fLinkWhere: {path: "links[].where", class: word, words: []string{
		vedette.InMessage: "message", vedette.InProfile: "profile", vedette.InGroup: "group", vedette.InInvite: "invite",
		vedette.InQRCode: "qr", vedette.InFileName: "file",
	}},
	fTokenDomain:   {path: "links[].tokens.domain", class: tokenB64},
	fTokenHost:     {path: "links[].tokens.host", class: tokenB64},
	fTokenTenant:   {path: "links[].tokens.tenant", class: tokenB64},
	fTokenURL:      {path: "links[].tokens.url", class: tokenB64},
	fTokenEpoch:    {path: "links[].tokens.epoch", shape: wantNumber, class: number, max: 65535},
	fTokenFeatures: {path: "links[].tokens.features", shape: wantNumber, class: number, max: 255},
}

// lookup finds a field of an object by its exact name.
func lookup(o object, name []byte) (field, bool) {
	switch o {
	case objEvent:
		switch string(name) { // no allocation: the compiler compares in place
		case "id":
			return fID, true
		case "kind":
			return fKind, true
		case "at":
			return fAt, true
		case "actor":
			return fActor, true
		case "to":
			return fTo, true
		case "links":
			return fLinks, true
		case "device":
			return fDevice, true
		case "group":
			return fGroup, true
		case "subject":
			return fSubject, true
		case "tenant":
			return fTenant, true
		case "platform":
			return fPlatform, true
		case "tier":
			return fTier, true
		case "build":
			return fBuild, true
		case "network":
			return fNetwork, true
		case "number":
			return fNumber, true
		case "attestation":
			return fAttestation, true
		case "returned":
			return fReturned, true
		case "reason":
			return fReason, true
		case "size":
			return fSize, true
		case "member":
			return fMember, true
		case "by":
			return fBy, true
		case "count":
			return fCount, true
		case "bytes":
			return fBytes, true
		case "forwarded":
			return fForwarded, true
		case "has_link":
			return fHasLink, true
		case "reply":
			return fReply, true
		case "stranger":
			return fStranger, true
		case "from":
			return fFrom, true
		case "target":
			return fTarget, true
		case "via":
			return fVia, true
		case "message":
			return fMessage, true
		case "category":
			return fCategory, true
		}
	case objNetwork:
		switch string(name) {
		case "address":
			return fNetworkAddress, true
		case "asn":
			return fNetworkASN, true
		case "country":
			return fNetworkCountry, true
		case "class":
			return fNetworkClass, true
		}
	case objNumber:
		switch string(name) {
		case "e164":
			return fNumberE164, true
		case "carrier":
			return fNumberCarrier, true
		}
	case objTo:
		switch string(name) {
		case "account":
			return fToAccount, true
		case "group":
			return fToGroup, true
		case "size":
			return fToSize, true
		}
	case objLink:
		switch string(name) {
		case "url":
			return fLinkURL, true
		case "tokens":
			return fLinkTokens, true
		case "where":
			return fLinkWhere, true
		}
	case objTokens:
		switch string(name) {
		case "domain":
			return fTokenDomain, true
		case "host":
			return fTokenHost, true
		case "tenant":
			return fTokenTenant, true
		case "url":
			return fTokenURL, true
		case "epoch":
			return fTokenEpoch, true
		case "features":
			return fTokenFeatures, true
		}
	}
	return 0, false
}

var (
	headFields    = of(fID, fKind, fAt, fActor, fTenant, fPlatform, fTier)
	networkFields = of(fNetwork, fNetworkAddress, fNetworkASN, fNetworkCountry, fNetworkClass)
	numberFields  = of(fNumber, fNumberE164, fNumberCarrier)
	toFields      = of(fTo, fToAccount, fToGroup, fToSize)

	// idleFields may stand in every event and have no place in most bodies: they are checked for their JSON type and forgotten
	// without being sealed, since what is not needed is not kept.
	idleFields = networkFields | of(fDevice)
)

// form is what one kind needs and what it uses. Everything else is dropped and counted.
type form struct{ needs, uses set }

var forms = [vedette.KindProfileChanged + 1]form{
	vedette.KindAccountRegistered: {uses: networkFields | numberFields | of(fDevice, fBuild, fAttestation, fReturned)},
	vedette.KindAccountSeen:       {uses: networkFields | of(fDevice)},
	vedette.KindAccountDeleted:    {uses: of(fReason)},
	vedette.KindAccountRestored:   {},
	vedette.KindDeviceLinked:      {needs: of(fDevice), uses: networkFields},
	vedette.KindDeviceUnlinked:    {needs: of(fDevice)},
	vedette.KindGroupCreated:      {needs: of(fGroup), uses: of(fSize, fLinks)},
	vedette.KindGroupJoined:       {needs: of(fGroup), uses: of(fMember, fBy, fSize)},
	vedette.KindGroupLeft:         {needs: of(fGroup), uses: of(fMember)},
	vedette.KindGroupDeleted:      {needs: of(fGroup)},
	vedette.KindMessageSent:       {needs: of(fTo), uses: toFields | of(fCount, fBytes, fForwarded, fHasLink, fReply, fStranger)},
	vedette.KindLinkSent:          {needs: of(fTo, fLinks), uses: toFields | of(fForwarded, fReply, fStranger)},
	vedette.KindLinkPreviewed:     {needs: of(fLinks), uses: of(fFrom, fGroup)},
	vedette.KindLinkOpened:        {needs: of(fLinks), uses: of(fFrom, fGroup)},
	vedette.KindNumberLookedUp:    {uses: of(fTarget, fVia)},
	vedette.KindUserBlocked:       {needs: of(fSubject)},
	vedette.KindUserUnblocked:     {needs: of(fSubject)},
	vedette.KindUserReported:      {uses: of(fSubject, fGroup, fMessage, fCategory, fLinks)},
	vedette.KindProfileChanged:    {uses: of(fLinks)},
}
