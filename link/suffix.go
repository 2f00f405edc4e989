package link

import (
	"slices"
	"strings"
	"sync"

	"github.com/weppos/publicsuffix-go/publicsuffix"
)

// Registrable returns the registrable domain of a host in matching form (lower case, A-labels): one label below its longest public suffix,
// private suffixes included. It is "" for an address, a suffix, and what is no host. The result is a substring of host.
func Registrable(host string) string {
	if host == "" || host[len(host)-1] == '.' || host[0] == '.' || address(host) {
		return ""
	}
	at, _ := suffixes().find(host)
	return registrable(host, at)
}

func registrable(host string, suffix int) string {
	if suffix < 2 {
		return ""
	}
	return host[strings.LastIndexByte(host[:suffix-1], '.')+1:]
}

// PublicSuffix returns the longest public suffix of a host in matching form, and whether it stands in the list's ICANN part. It is false for a
// private suffix, such as a hoster's, and for a top-level domain that the list does not know. For an address it is "".
func PublicSuffix(host string) (suffix string, icann bool) {
	if host == "" || host[len(host)-1] == '.' || host[0] == '.' || address(host) {
		return "", false
	}
	at, kind := suffixes().find(host)
	return host[at:], kind == suffixICANN
}

// address tells whether a host in matching form is an IP address: no top-level domain begins with a digit.
func address(host string) bool {
	return host[0] == '[' || isDigit(host[strings.LastIndexByte(host, '.')+1])
}

// Whose rule decided.
type suffixKind uint8

const (
	suffixUnlisted suffixKind = iota
	suffixICANN
	suffixPrivate
)

// What a name is in the suffix list.
const (
	ruleHere    = 1 << iota // the name is a suffix
	ruleBelow               // every name one label below is one
	ruleNot                 // it is none, in spite of ruleBelow above
	rulePrivate             // by the hoster's wish, not the registry's
	belowPrivate
	goesOn // longer names are in the list
)

// suffixTable is the public suffix list as an open hash table of names, read label by label from the right, so that most hosts take two
// probes. It is built from the library's rules at first use and never changed: 9 bytes a slot, 32,768 slots, and 150 KB of names.
type suffixTable struct {
	slots []suffixSlot
	names string
	rules []string // as the library has them, sorted, for ListsVersion
}

type suffixSlot struct {
	hash   uint32
	at     uint32 // in names
	length uint8  // 0: the slot is free
	flags  uint8
}

var suffixes = sync.OnceValue(newSuffixTable)

func newSuffixTable() *suffixTable {
	flags := make(map[string]uint8, 12_000)
	var rules []string
	for _, r := range publicsuffix.DefaultRules() {
		text := r.Value
		mark, private := uint8(ruleHere), uint8(rulePrivate)
		switch r.Type {
		case publicsuffix.WildcardType:
			mark, private, text = ruleBelow, belowPrivate, "*."+text
		case publicsuffix.ExceptionType:
			mark, text = ruleNot, "!"+text
		}
		if r.Private {
			mark |= private
			text += " private"
		}
		flags[r.Value] |= mark
		rules = append(rules, text)
		for name := r.Value; ; {
			_, parent, ok := strings.Cut(name, ".")
			if !ok {
				break
			}
			flags[parent] |= goesOn
			name = parent
		}
	}
	slices.Sort(rules)
	t := &suffixTable{slots: make([]suffixSlot, 1<<15), rules: rules}
	var names strings.Builder
	for name, f := range flags {
		if len(name) > 255 {
			panic("link: a public suffix over 255 bytes")
		}
		at := uint32(names.Len())
		names.WriteString(name)
		h := uint32(hashSeed)
		for i := len(name) - 1; i >= 0; i-- {
			h = (h ^ uint32(name[i])) * hashPrime
		}
		slot := h >> hashShift
		for t.slots[slot].length != 0 {
			slot = (slot + 1) & (1<<15 - 1)
		}
		t.slots[slot] = suffixSlot{hash: h, at: at, length: uint8(len(name)), flags: f}
	}
	t.names = names.String()
	return t
}

// FNV-1a over the bytes from the right, so that it grows with the name. Its upper bits are the better mixed ones.
const (
	hashSeed  = 2166136261
	hashPrime = 16777619
	hashShift = 32 - 15
)

// find returns where the public suffix of a host begins, and whose it is. The host has no dot at its ends.
func (t *suffixTable) find(host string) (int, suffixKind) {
	h := uint32(hashSeed)
	best, kind := -1, suffixUnlisted
	below, belowKind := false, suffixUnlisted // the name one label shorter has a rule for everything below it
	last := -1                                // where the last label begins
	for i := len(host) - 1; i >= -1; i-- {
		if i >= 0 && host[i] != '.' {
			h = (h ^ uint32(host[i])) * hashPrime
			continue
		}
		name := host[i+1:]
		if last < 0 {
			last = i + 1
		}
		flags := t.look(h, name)
		switch {
		case flags&ruleNot != 0:
			// An exception is one label longer than the suffix that it makes.
			if dot := strings.IndexByte(name, '.'); dot >= 0 {
				return i + 1 + dot + 1, belowKind
			}
		case flags&ruleHere != 0:
			best, kind = i+1, suffixICANN
			if flags&rulePrivate != 0 {
				kind = suffixPrivate
			}
		case below:
			best, kind = i+1, belowKind
		}
		if below = flags&ruleBelow != 0; below {
			belowKind = suffixICANN
			if flags&belowPrivate != 0 {
				belowKind = suffixPrivate
			}
		}
		if !below && flags&goesOn == 0 {
			break
		}
		if i >= 0 {
			h = (h ^ '.') * hashPrime
		}
	}
	if best < 0 {
		return last, suffixUnlisted // the list's default rule: "*"
	}
	return best, kind
}

func (t *suffixTable) look(hash uint32, name string) uint8 {
	for slot := hash >> hashShift; ; slot = (slot + 1) & (1<<15 - 1) {
		s := &t.slots[slot]
		if s.length == 0 {
			return 0
		}
		if s.hash == hash && int(s.length) == len(name) && t.names[s.at:int(s.at)+int(s.length)] == name {
			return s.flags
		}
	}
}
