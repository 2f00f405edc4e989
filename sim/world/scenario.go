package world

import (
	"bytes"
	_ "embed"
	"fmt"
	"io"
	"math"
	"time"

	"vedette"
)

// Scenario says what kind of platform is played (docs/formats/scenario.md). Shares are between 0 and 1; rates are for each account and day.
type Scenario struct {
	// Name goes into the truth.
	Name string `yaml:"name"`
	// Tier is what clients tell of links: 0 nothing, 1 tokens of links that go to or come from somebody who is no contact, or to a group of
	// at most 32 with somebody who is none; 2 tokens of all links.
	Tier int `yaml:"tier"`
	// Accounts that exist when the world begins. Newcomers and the accounts that teams make come on top.
	Accounts int `yaml:"accounts"`
	// Start is the first day, UTC.
	Start time.Time `yaml:"start"`
	// Warmup, Learning and Test are days. Nothing is judged in the warm-up.
	Warmup   int `yaml:"warmup"`
	Learning int `yaml:"learning"`
	Test     int `yaml:"test"`
	// Countries is how many made-up countries there are, 1 to 16.
	Countries int `yaml:"countries"`

	Enrolled   Enrolled   `yaml:"enrolled"`
	Background Background `yaml:"background"`
	// Teams are a few accounts each that act together, honest and hostile ones. Order matters to the draw, names do not.
	Teams Plans `yaml:"teams"`
}

// Enrolled says who told the platform to be at risk.
type Enrolled struct {
	Targets float64 `yaml:"targets"` // share of the people whom an operator attacks
	Others  float64 `yaml:"others"`  // share of everybody
	AtRisk  float64 `yaml:"at_risk"` // share of the members of at-risk teams
	Vouched float64 `yaml:"vouched"` // share of the enrolled ones among targets and at-risk teams for whom a partner vouched before the world begins
}

// Background is ordinary life.
type Background struct {
	// File is a real conversation, whose edges and gaps (scaled in time) take the place of made-up talk; empty: made-up.
	File string `yaml:"file"`

	Sessions    float64 `yaml:"sessions"`     // times that an account comes on, mean
	Spread      float64 `yaml:"spread"`       // sigma of the logarithm of it over accounts
	Talk        float64 `yaml:"talk"`         // share of sessions in which something is sent
	Groups      float64 `yaml:"groups"`       // share of messages to groups
	Replies     float64 `yaml:"replies"`      // share of messages between two people that are answered
	Links       float64 `yaml:"links"`        // share of messages with a link
	Contacts    float64 `yaml:"contacts"`     // share of acquaintances who have one another among their contacts
	Strangers   float64 `yaml:"strangers"`    // first contacts
	NewTies     float64 `yaml:"new_ties"`     // share of people who make a new acquaintance in three weeks
	Lookups     float64 `yaml:"lookups"`      // numbers asked for by a contact sync
	ByHand      float64 `yaml:"by_hand"`      // numbers asked for by hand
	Blocks      float64 `yaml:"blocks"`       // of somebody
	Unblocks    float64 `yaml:"unblocks"`     // share of blocks that are taken back
	Reports     float64 `yaml:"reports"`      // of somebody
	DeviceLinks float64 `yaml:"device_links"` // a further device
	NewGroups   float64 `yaml:"new_groups"`   // groups made
	Profiles    float64 `yaml:"profiles"`     // changes of name, picture or text
	Newcomers   float64 `yaml:"newcomers"`    // registrations
	Leavers     float64 `yaml:"leavers"`      // deletions
	Return      float64 `yaml:"return"`       // share of leavers who register anew, on the same device
	Quiet       float64 `yaml:"quiet"`        // share of accounts that are silent for two weeks or longer at some time, and come back
	Networks    Nets    `yaml:"networks"`     // people per kind of shared network
	Sites       float64 `yaml:"sites"`        // new ordinary domains a day, for each 100,000 accounts
	Popular     int     `yaml:"popular"`      // long-known domains
}

// Nets says how many accounts share a network.
type Nets struct {
	Mobile float64 `yaml:"mobile"` // accounts behind one carrier address
	Office float64 `yaml:"office"` // accounts of one employer, mean
	VPN    float64 `yaml:"vpn"`    // share of accounts that often come through a VPN
	Exits  float64 `yaml:"exits"`  // accounts for each VPN exit
}

// Plan is how teams of one kind are drawn and what they do. Honest and hostile teams have the same engine; no event
// depends on Hostile or AtRisk.
type Plan struct {
	Name    string `yaml:"-"`
	Hostile bool   `yaml:"hostile"`
	AtRisk  bool   `yaml:"at_risk"`
	Count   Count  `yaml:"count"`
	// Days that the team is at work, before any attack.
	Days Range `yaml:"days"`
	// Members, with the taken ones and without accounts that are made for an attack.
	Members Range `yaml:"members"`

	Accounts Accounts `yaml:"accounts"`
	Devices  Devices  `yaml:"devices"`
	Networks Networks `yaml:"networks"`
	Numbers  Numbers  `yaml:"numbers"`
	Ties     Ties     `yaml:"ties"`
	Talk     Talk     `yaml:"talk"`
	Groups   Groups   `yaml:"groups"`
	Links    Links    `yaml:"links"`
	Probes   Probes   `yaml:"probes"`
	Outreach Outreach `yaml:"outreach"`
	Attack   *Attack  `yaml:"attack"`
}

// Count is how many teams begin, for each 100,000 accounts; of teams with an attack: how many attack. Fractions are rounded by chance.
type Count struct {
	Any      float64 `yaml:"any"` // evenly over the whole time, some before it begins
	Warmup   float64 `yaml:"warmup"`
	Learning float64 `yaml:"learning"`
	Test     float64 `yaml:"test"`
}

// Accounts says what the members' accounts are.
type Accounts struct {
	Age         Range   `yaml:"age"`         // days between an account's registration and its first act for the team
	Idle        Range   `yaml:"idle"`        // share of the aged accounts that are silent in between; the others keep their outside ties
	Span        Range   `yaml:"span"`        // days over which the members come in
	Established Range   `yaml:"established"` // share of members who are ordinary people with a life of their own
	Taken       Range   `yaml:"taken"`       // members who are ordinary people whose account somebody else uses beside them
	Returned    Range   `yaml:"returned"`    // share of made accounts whose device had one before
	Sync        Range   `yaml:"sync"`        // share of made accounts that sync contacts when they register
	Attestation Mix     `yaml:"attestation"` // fail, none, basic, strong
	Enrolled    float64 `yaml:"enrolled"`    // share of made accounts that enrol themselves
	Deleted     Range   `yaml:"deleted"`     // share of made accounts that are deleted when the work is done
}

// Devices says what the made accounts run on.
type Devices struct {
	Accounts  Range `yaml:"accounts"`   // on one device
	SameBuild Range `yaml:"same_build"` // share of the devices with the team's usual model and system build
	Linked    Range `yaml:"linked"`     // share of members with a second device from the start
}

// Networks says where the made accounts come from.
type Networks struct {
	Kinds  Mix   `yaml:"kinds"`   // home, office, mobile, vpn, hosting, proxy (a home of somebody else in one provider's network)
	Shared Range `yaml:"shared"`  // share of members who come from the team's own address of a kind, not one of their own
	OneASN Range `yaml:"one_asn"` // chance that all addresses of a kind belong to one provider
	Abroad Range `yaml:"abroad"`  // share of addresses in another country than the team's
	Roam   Range `yaml:"roam"`    // share of hours in which a member comes from its other address
}

// Numbers says what numbers the made accounts have.
type Numbers struct {
	Carriers Mix   `yaml:"carriers"` // mobile, fixed, voip, machine
	Block    Range `yaml:"block"`    // share of numbers from one block of one hundred
	Foreign  Range `yaml:"foreign"`  // share of numbers of another country than the team's
}

// Ties says whom the members know.
type Ties struct {
	Outside  Range `yaml:"outside"`  // people outside whom a made account talks with
	PerDay   Range `yaml:"per_day"`  // messages for each such tie and day
	Contacts Range `yaml:"contacts"` // share of pairs inside the team that have one another among their contacts
}

// Talk says how the members talk with one another.
type Talk struct {
	PerDay    Range   `yaml:"per_day"`    // messages of a member
	Pattern   Mix     `yaml:"pattern"`    // all, pairs, star: drawn for the team
	Replies   Range   `yaml:"replies"`    // share answered within the hour
	Groups    Range   `yaml:"groups"`     // share of messages that go to a group of the team, if there is one
	WorkHours Range   `yaml:"work_hours"` // share of acts in office hours of working days; the others follow the day's course
	Links     Range   `yaml:"links"`      // share of messages with a link to a long-known domain
	Sessions  Range   `yaml:"sessions"`   // further times that a member comes on, a day
	Days      float64 `yaml:"days"`       // share of days on which a member does anything; 0: all
}

// Groups says what groups the team makes.
type Groups struct {
	Made    Range `yaml:"made"`    // groups
	Members Range `yaml:"members"` // share of the members in each
	Deleted Range `yaml:"deleted"` // share of the groups that are deleted at the end
}

// Links says what the team does with links of its own.
type Links struct {
	Domains  Range `yaml:"domains"`  // that nobody used before
	Hosted   Range `yaml:"hosted"`   // share of them that are a place on a popular host, and no domain
	Sends    Range `yaml:"sends"`    // of each domain
	Life     Range `yaml:"life"`     // days over which a domain is used
	Distinct Range `yaml:"distinct"` // share of sends with a URL of their own
	Audience Mix   `yaml:"audience"` // pair (one pair for each domain), members, group: drawn for each domain
	Preview  Range `yaml:"preview"`  // chance that a recipient's client shows a preview
	Opens    Range `yaml:"opens"`    // times that a recipient opens it, mean
	Late     Range `yaml:"late"`     // where in the team's time domains begin to be used: 0 at its beginning, 1 at its end
	Mute     bool  `yaml:"mute"`     // the team's own clients tell nothing of links, not even that there is one
	False    Range `yaml:"false"`    // share of a mute team's links for which a false token is told
}

// Probes says how often the team, in all, tries out what people do seldom.
type Probes struct {
	Lookups     Range `yaml:"lookups"`      // a member asks for another's number by hand
	Blocks      Range `yaml:"blocks"`       // a member blocks another
	Unblocks    Range `yaml:"unblocks"`     // share of them taken back
	Reports     Range `yaml:"reports"`      // a member reports another
	Reregisters Range `yaml:"reregisters"`  // a member deletes its account and registers on the same device
	DeviceLinks Range `yaml:"device_links"` // a member links a further device
	Restores    Range `yaml:"restores"`     // a member deletes its account and restores it
}

// Outreach says whom the members write to outside.
type Outreach struct {
	PerDay   Range `yaml:"per_day"`  // strangers of a member
	Senders  Range `yaml:"senders"`  // share of members who do it
	Links    Range `yaml:"links"`    // share of the messages with a link
	Own      Range `yaml:"own"`      // share of these links to the team's own domains
	Distinct Range `yaml:"distinct"` // share of these links with a URL of their own
	Lookups  Range `yaml:"lookups"`  // share looked up before
	Replies  Range `yaml:"replies"`  // share answered
	Opens    Range `yaml:"opens"`    // share of the links opened
	Blocks   Range `yaml:"blocks"`   // share whose recipient blocks the sender
	Reports  Range `yaml:"reports"`  // share whose recipient reports it
	Near     Range `yaml:"near"`     // share of recipients in one part of the population
}

// Attack is what follows the team's work.
type Attack struct {
	Delay     Range `yaml:"delay"`      // days after the last link of the team's own
	Targets   Range `yaml:"targets"`    // people
	Gap       Range `yaml:"gap"`        // hours between one and the next
	NewDomain Range `yaml:"new_domain"` // chance that the domain was not rehearsed
	PerTarget Range `yaml:"per_target"` // chance that each target gets a domain of its own
	Sender    Mix   `yaml:"sender"`     // member, fresh, taken: drawn for each attack
	Senders   Range `yaml:"senders"`    // accounts that share the targets
	Lookup    Range `yaml:"lookup"`     // share of targets looked up before
	Hello     Range `yaml:"hello"`      // share of targets to whom a message without a link goes first
	Method    Mix   `yaml:"method"`     // link, device-link, group-add: drawn for each target
	Preview   Range `yaml:"preview"`    // chance that the target's client shows a preview
	Opens     Range `yaml:"opens"`      // share of targets who open it
	Blocks    Range `yaml:"blocks"`     // share of targets who block the sender
	Reports   Range `yaml:"reports"`    // share of targets who report it
	Near      Range `yaml:"near"`       // share of targets in one part of the population
}

//go:embed default.yaml
var standard []byte

// Default is the standard range: 100,000 accounts, 63 days, tier 1.
func Default() *Scenario {
	s, err := ReadScenario(bytes.NewReader(standard))
	if err != nil {
		panic("world: the standard scenario: " + err.Error()) // cannot happen: a test reads it
	}
	return s
}

// ReadScenario reads a scenario (docs/formats/scenario.md). Its error names every wrong line and field, and wraps vedette.ErrInvalid.
func ReadScenario(r io.Reader) (*Scenario, error) {
	b, err := io.ReadAll(io.LimitReader(r, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("world: scenario: %w", err)
	}
	s := new(Scenario)
	if err := s.read(b); err != nil {
		return nil, fmt.Errorf("world: scenario: %w: %w", err, vedette.ErrInvalid)
	}
	return s, nil
}

// Days is how long the world lasts.
func (s *Scenario) Days() int { return s.Warmup + s.Learning + s.Test }

// Validate tells everything that cannot be. Its error wraps vedette.ErrInvalid.
func (s *Scenario) Validate() error {
	if err := s.check(nil); err != nil {
		return fmt.Errorf("world: scenario: %w: %w", err, vedette.ErrInvalid)
	}
	return nil
}

// Range is a number that is drawn anew for each team: evenly between Low and High, or evenly in the logarithm.
type Range struct {
	Low, High float64
	Log       bool
}

func (r Range) draw(d *dice) float64 {
	u := d.float()
	switch {
	case r.Low == r.High:
		return r.Low
	case r.Log:
		return r.Low * math.Pow(r.High/r.Low, u)
	}
	return r.Low + (r.High-r.Low)*u
}

// count draws a whole number, both ends included.
func (r Range) count(d *dice) int {
	if r.Low == r.High {
		return d.whole(r.Low)
	}
	if r.Log {
		return int(math.Round(r.draw(d)))
	}
	return int(math.Floor(r.Low + (r.High-r.Low+1)*d.float()))
}

// Mix is a choice by weights; its names depend on where it stands.
type Mix map[string]float64

// pick draws one of the names, by its place in the list.
func (m Mix) pick(d *dice, names []string) int {
	sum := 0.0
	for _, n := range names {
		sum += m[n]
	}
	u := d.float() * sum
	for i, n := range names {
		if u -= m[n]; u < 0 {
			return i
		}
	}
	return 0
}
