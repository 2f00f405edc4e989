package exhibit

import (
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"vedette"
	"vedette/record/evidence"
)

// Why something is withheld. A group's own name stands for "not asked for, or not for this variant".
const (
	whyErased   = "erased"
	whyJournal  = "journal"
	whyOthers   = "others"
	whyReporter = "reporter"
	whyMemo     = "memo"
	whyUnsorted = "unsorted"
)

// reasons are in words what withheld.json says in one.
func reasons() map[string]string {
	return map[string]string{
		string(Indicators): "links and hosts of the operator; not asked for, or not for this variant",
		string(Words):      "reasons in people's own words; not asked for, or not for this variant",
		string(Machine):    "digests of programs, parameters, acts and questions, from which a reader could try out guesses; not asked for, or not for this variant",
		string(Staff):      "who of the platform's people did it; not asked for, or not for this variant",
		whyErased:          "erased by law before this exhibit was made; the log holds the commitment alone",
		whyJournal:         "identifiers of the platform's journal; never leave it",
		whyOthers:          "speaks of other cases too",
		whyReporter:        "about the person who reported",
		whyMemo:            "an opinion or a score; not a fact, and no part of an exhibit",
		whyUnsorted:        "not sorted for disclosure",
	}
}

// always marks fields that every variant shows: without them a record says nothing.
const always = "always"

// fields says of each kind of record what each field is: shown always, a group, or a reason never to show it. What is not here is never shown.
var fields = map[evidence.Kind]map[string]string{
	evidence.KindReport: {
		"outcome": always, "grade": always, "taken": whyReporter, "why": string(Words), "share": whyReporter, "report": whyJournal, "franking": whyReporter, "cases": whyOthers,
	},
	evidence.KindLead: {"case": always, "state": always, "about": string(Indicators), "by": string(Staff), "why": string(Words), "finding": whyJournal},
	evidence.KindConfirm: {
		"case": always, "scope": always, "best": always, "value": string(Indicators), "corroboration": string(Words), "people": string(Staff), "act": string(Machine),
	},
	evidence.KindBlock: {
		"what": always, "matter": always, "act": string(Indicators), "digest": string(Machine), "people": string(Staff), "harmless": string(Machine), "harmless_limit": string(Machine),
	},
	evidence.KindOutcome: {"what": always, "outcome": always, "digest": string(Machine), "generation": string(Machine), "why": string(Words)},
	evidence.KindChanged: {
		"cause": always, "messages": always, "recall": always, "is_allow": always, "is_warn": always, "is_hold": always, "is_block": always,
		"digest": string(Machine), "generation": string(Machine), "events": whyJournal,
	},
	evidence.KindHunt: {
		"what": always, "given": always, "case": always, "question": string(Machine), "names": string(Machine), "refused": string(Machine), "by": string(Staff),
		"why": string(Words), "refused_names": string(Indicators), "hunt": whyJournal, "of": whyJournal,
	},
	evidence.KindAsked: {
		"what": always, "purpose": always, "case": always, "matter": always, "given": always, "people": string(Staff), "why": string(Words), "digest": string(Machine),
		"harmless": string(Machine), "harmless_limit": string(Machine),
		"act": string(Indicators), // the act's own text, where the desk refused it
	},
	evidence.KindFinding: {
		"detector": always, "size": always, "seen_from": always, "seen_to": always, "judged": always, "by": string(Staff), "why": string(Words),
		"model": string(Machine), "parameters": string(Machine), "score": whyMemo, "basis": whyMemo, "reasons": whyMemo,
		"cell": whyJournal, "finding": whyJournal, "subjects": whyJournal, "links": whyJournal,
	},
	evidence.KindClock: {
		"duty": always, "source": always, "what": always, "matter": always, "step": always, "deadline": always, "at": always, "clock": string(Machine),
		"by": string(Staff), "why": string(Words),
	},
	evidence.KindErasure: {"fields": always, "count": always, "index": always},
	evidence.KindDisclose: {
		"case": always, "label": always, "for": always, "recipient": always, "data": always, "variant": always, "disclose": always, "basis": always, "jurisdiction": always,
		"index": always, "build": always, "people": always, "exhibit": always, "manifest": always, "act": string(Machine),
	},
}

// memo kinds are withheld whole: what somebody thinks of an operator is no fact.
func memo(k evidence.Kind) bool { return k == evidence.KindAttr }

// shows tells whether a field of a record is shown, else why not. The value counts where a field may speak of other cases.
func (c *Choice) shows(k *evidence.Kept, name string) (yes bool, why string) {
	switch {
	case memo(k.Kind):
		return false, whyMemo
	case slices.Contains(k.Erased, name):
		return false, whyErased
	case name == evidence.NameAt, name == evidence.NameKind, name == evidence.NameTenant:
		return true, ""
	}
	what, known := fields[k.Kind][name]
	if v, _ := k.Get(name); k.Kind == evidence.KindReport && name == "cases" && string(v) == c.Case {
		return true, ""
	}
	_, scored := k.Get("finding")
	if k.Kind == evidence.KindAsked && name == "act" && !strings.HasPrefix(value(k, name), "{") {
		what = string(Machine) // a digest
	}
	switch {
	case !known:
		return false, whyUnsorted
	case k.Kind == evidence.KindLead && name == "why" && scored: // it tells the score
		return false, whyMemo
	case what == always, slices.Contains(c.Disclose, Group(what)):
		return true, ""
	}
	return false, what
}

// member follows the log and says which records belong to a case: those that name it, and those that follow from one that does.
type member struct {
	id       string
	tenant   vedette.Tenant
	deeds    map[string]bool // digests of what was done in the case
	findings map[string]bool
	cells    map[string]bool
	exports  map[string]bool // disclosures of the case, by their place
	indexes  map[uint64]bool
}

func newMember(t vedette.Tenant, id string) *member {
	return &member{id: id, tenant: t, deeds: map[string]bool{}, findings: map[string]bool{}, cells: map[string]bool{}, exports: map[string]bool{}, indexes: map[uint64]bool{}}
}

// finding takes down which findings led to the case, before the log is followed: a finding stands in it before the lead that it opened.
func (m *member) finding(k *evidence.Kept) {
	if k.Kind == evidence.KindLead && k.Tenant == m.tenant && value(k, "case") == m.id {
		if f := value(k, "finding"); f != "" {
			m.findings[f] = true
		}
	}
}

// has tells whether a record belongs to the case. Records come in the log's order.
func (m *member) has(k *evidence.Kept) bool {
	if k.Tenant != m.tenant || !m.names(k) {
		return false
	}
	m.indexes[k.Index] = true
	return true
}

func (m *member) names(k *evidence.Kept) bool {
	switch k.Kind {
	case evidence.KindReport:
		return slices.Contains(strings.Split(value(k, "cases"), ","), m.id)
	case evidence.KindOutcome, evidence.KindChanged:
		return m.deeds[digest(k)]
	case evidence.KindBlock:
		if value(k, "matter") != m.id {
			return false
		}
		m.deeds[digest(k)] = true
		return true
	case evidence.KindFinding:
		cell := value(k, "cell")
		if m.findings[value(k, "finding")] {
			m.cells[cell] = true
			return true
		}
		return cell != "" && m.cells[cell]
	case evidence.KindErasure:
		n, err := strconv.ParseUint(value(k, "index"), 10, 64)
		return err == nil && m.indexes[n]
	case evidence.KindDisclose:
		if m.exports[value(k, "exhibit")] {
			return true
		}
		if value(k, "case") != m.id {
			return false
		}
		m.exports[strconv.FormatUint(k.Index, 10)] = true
		return true
	}
	return value(k, "case") == m.id || value(k, "matter") == m.id
}

func value(k *evidence.Kept, name string) string {
	v, _ := k.Get(name)
	return string(v)
}

func digest(k *evidence.Kept) string {
	v, _ := k.Get("digest")
	return hex.EncodeToString(v)
}
