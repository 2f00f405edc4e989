package enrichment

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// text is a string or a number of JSON, or a list of one: feeds differ.
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, (*string)(t))
	}
	if s := string(b); s != "null" {
		if s = strings.Trim(s, "[] \t\r\n"); strings.ContainsAny(s, "{}[],") {
			return fmt.Errorf("%s is neither text nor a number", clip(s))
		}
		if strings.HasPrefix(s, `"`) {
			return json.Unmarshal([]byte(s), (*string)(t))
		}
		*t = text(s)
	}
	return nil
}

// texts is a list of texts, or one.
type texts []text

func (t *texts) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '[' {
		return json.Unmarshal(b, (*[]text)(t))
	}
	var one text
	err := one.UnmarshalJSON(b)
	if one != "" {
		*t = texts{one}
	}
	return err
}

// nameServers is a list of names, or of objects that have one.
type nameServers []string

func (n *nameServers) UnmarshalJSON(b []byte) error {
	var plain texts
	if plain.UnmarshalJSON(b) == nil {
		for _, t := range plain {
			*n = append(*n, string(t))
		}
		return nil
	}
	var objects []struct {
		LDHName string `json:"ldhName"`
		Name    string `json:"name"`
	}
	if err := json.Unmarshal(b, &objects); err != nil {
		return err
	}
	for _, o := range objects {
		if o.LDHName != "" || o.Name != "" {
			*n = append(*n, or(o.LDHName, o.Name))
		}
	}
	return nil
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// record is any object that is read here. Fields that are not known are passed over: feeds grow.
type record struct {
	// Passive DNS: draft-dulaunoy-dnsop-passive-dns-cof.
	RRName    *text `json:"rrname"`
	RRType    text  `json:"rrtype"`
	RData     texts `json:"rdata"`
	TimeFirst text  `json:"time_first"`
	TimeLast  text  `json:"time_last"`
	ZoneFirst text  `json:"zone_time_first"`
	ZoneLast  text  `json:"zone_time_last"`
	// Certificates.
	Names     *texts `json:"names"`
	SHA256    text   `json:"sha256"`
	Issuer    text   `json:"issuer"`
	NotBefore text   `json:"not_before"`
	NotAfter  text   `json:"not_after"`
	// Registrations, plain or as of RDAP (RFC 9083).
	Domain      *text           `json:"domain"`
	ObjectClass string          `json:"objectClassName"`
	LDHName     text            `json:"ldhName"`
	Created     text            `json:"created"`
	Updated     text            `json:"updated"`
	Registrar   json.RawMessage `json:"registrar"`
	NameServers nameServers     `json:"nameservers"`
	Events      []struct {
		Action string `json:"eventAction"`
		Date   text   `json:"eventDate"`
	} `json:"events"`
	Entities []struct {
		Roles []string          `json:"roles"`
		VCard []json.RawMessage `json:"vcardArray"`
	} `json:"entities"`
}

// object takes what one JSON object says.
func (run *importing) object(where string, raw []byte) error {
	if err := run.seen(); err != nil {
		return err
	}
	shown := string(raw[:min(len(raw), 200)])
	if len(raw) > maxLine {
		run.refuse(where, shown, "it is too long")
		return nil
	}
	var r record
	if err := json.Unmarshal(raw, &r); err != nil {
		run.refuse(where, shown, "it is no JSON object of a known form: "+err.Error())
		return nil
	}
	format := ""
	switch {
	case r.RRName != nil:
		format = FormatCOF
	case r.Names != nil:
		format = FormatCT
	case r.Domain != nil || strings.EqualFold(r.ObjectClass, "domain"):
		format = FormatRegistration
	}
	if format == "" || run.want != "" && format != run.want {
		run.refuse(where, shown, "it has neither rrname, nor names, nor domain, as "+or(run.want, "passive DNS, certificates and registrations")+" would have")
		return nil
	}
	var facts []Fact
	var bad string
	switch format {
	case FormatCOF:
		facts, bad = r.passive(run.opts.Source)
		if bad == "" && facts == nil {
			run.rep.Ignored++
			if len(run.rep.Types) < 64 {
				run.rep.Types[strings.ToUpper(clip(string(r.RRType)))]++
			}
			return nil
		}
	case FormatCT:
		facts, bad = r.certificate(run.opts.Source)
	default:
		facts, bad = r.registration(run.opts.Source)
	}
	if bad != "" {
		run.refuse(where, shown, bad)
		return nil
	}
	return run.take(where, shown, facts)
}

// passive reads A, AAAA and NS. It returns neither facts nor a reason for other types.
func (r *record) passive(source string) ([]Fact, string) {
	var kind Kind
	switch strings.ToUpper(string(r.RRType)) {
	case "A", "AAAA":
		kind = Address
	case "NS":
		kind = NameServer
	case "":
		return nil, "it has no rrtype"
	default:
		return nil, ""
	}
	var bad string
	first, bad := timeOf("time_first", or(string(r.TimeFirst), string(r.ZoneFirst)), bad)
	last, bad := timeOf("time_last", or(string(r.TimeLast), string(r.ZoneLast)), bad)
	switch {
	case bad != "":
		return nil, bad
	case len(r.RData) == 0:
		return nil, "it has no rdata"
	case len(r.RData) > maxNames:
		return nil, fmt.Sprintf("it has over %d rdata", maxNames)
	}
	var facts []Fact
	for _, d := range r.RData {
		facts = append(facts, Fact{string(*r.RRName), kind, string(d), first, last, source})
	}
	return facts, ""
}

// certificate reads the names of a certificate. One without a name on the internet (addresses, machines' own names) is refused.
func (r *record) certificate(source string) ([]Fact, string) {
	var bad string
	first, bad := timeOf("not_before", string(r.NotBefore), bad)
	end, bad := timeOf("not_after", string(r.NotAfter), bad)
	switch {
	case bad != "":
		return nil, bad
	case len(*r.Names) > maxNames:
		return nil, fmt.Sprintf("it names over %d hosts", maxNames)
	case r.SHA256 == "" && r.Issuer == "":
		return nil, "it has neither sha256 nor issuer"
	case !end.IsZero() && end.Before(first):
		return nil, "it ends before it begins"
	}
	var hosts []string
	for _, n := range *r.Names {
		if h, err := Host(string(n)); err == nil {
			hosts = append(hosts, h)
		}
	}
	slices.Sort(hosts)
	hosts = slices.Compact(hosts)
	if len(hosts) == 0 {
		return nil, "it names no host on the internet"
	}
	var facts []Fact
	for _, h := range hosts {
		if r.SHA256 != "" {
			facts = append(facts, Fact{h, Certificate, string(r.SHA256), first, first, source})
		}
		if r.Issuer != "" {
			facts = append(facts, Fact{h, Issuer, string(r.Issuer), first, first, source})
		}
	}
	return facts, ""
}

// registration reads when and through whom a name was registered, and its name servers.
func (r *record) registration(source string) ([]Fact, string) {
	name := string(r.LDHName)
	if r.Domain != nil {
		name = string(*r.Domain)
	}
	created, seen := string(r.Created), string(r.Updated)
	for _, e := range r.Events {
		switch strings.ToLower(e.Action) {
		case "registration":
			created = or(created, string(e.Date))
		case "last update of rdap database":
			seen = or(seen, string(e.Date))
		}
	}
	var bad string
	at, bad := timeOf("created", created, bad)
	last, bad := timeOf("updated", seen, bad)
	registrar, why := r.registrar()
	switch bad = or(bad, why); {
	case bad != "":
		return nil, bad
	case len(r.NameServers) > maxNames:
		return nil, fmt.Sprintf("it has over %d name servers", maxNames)
	}
	if last.Before(at) {
		last = time.Time{}
	}
	var facts []Fact
	if !at.IsZero() {
		facts = append(facts, Fact{name, Registered, at.Format(timeLayout), at, last, source})
	}
	if registrar != "" {
		facts = append(facts, Fact{name, Registrar, registrar, at, last, source})
	}
	for _, ns := range r.NameServers {
		facts = append(facts, Fact{name, NameServer, ns, time.Time{}, last, source})
	}
	if len(facts) == 0 {
		return nil, "it tells neither a date, nor a registrar, nor a name server"
	}
	return facts, ""
}

// registrar finds the registrar's name: as text, as an object's name, or in the card of the entity that has the role (RFC 7095).
func (r *record) registrar() (name, bad string) {
	if len(r.Registrar) > 0 && string(r.Registrar) != "null" {
		var t text
		if t.UnmarshalJSON(r.Registrar) == nil {
			return string(t), ""
		}
		var o struct {
			Name text `json:"name"`
		}
		if json.Unmarshal(r.Registrar, &o) != nil {
			return "", "its registrar is neither text nor an object with a name"
		}
		return string(o.Name), ""
	}
	for _, e := range r.Entities {
		if !slices.Contains(e.Roles, "registrar") || len(e.VCard) < 2 {
			continue
		}
		var card [][]json.RawMessage
		if json.Unmarshal(e.VCard[1], &card) != nil {
			continue
		}
		for _, property := range card {
			var key, value string
			if len(property) == 4 && json.Unmarshal(property[0], &key) == nil && key == "fn" && json.Unmarshal(property[3], &value) == nil {
				return value, ""
			}
		}
	}
	return "", ""
}
