package history

import (
	"cmp"
	"time"

	"vedette"
	"vedette/record/journal"
	"vedette/watch/hunt"
)

const dayMillis = 24 * 60 * 60 * 1000

// row is one sighting as the files keep it; its day is the file's.
type row struct {
	unit                  uint64 // by what rows are sorted; not kept: computed from the others
	domain, host          uint64
	tenant, url           uint64
	frame                 uint64
	from, to, group       [16]byte
	time                  uint32 // milliseconds since the day began
	flags                 uint32
	entry, link           uint16 // place in the frame, place in the event
	length                uint16
	tokenLike, entropy    uint8
	pathSegments          uint8
	queryKeys, hostLabels uint8
	act, place            uint8
	verdict, would        uint8
	established           bool
}

// Reading and writing a sighting are the two directions of one law: sightingOf(rowOf(s)) is s, in milliseconds and UTC.
func rowOf(s *hunt.Sighting, link uint16) (r row, day int) {
	day = hunt.DayOf(s.At)
	r = row{
		unit: uint64(s.Unit()), domain: uint64(s.Domain), host: uint64(s.Host), tenant: uint64(s.Tenant), url: uint64(s.URL),
		frame: s.Position.Frame, entry: s.Position.Index, link: link, from: s.From, to: s.To, group: s.Group,
		time:  uint32(s.At.UnixMilli() - int64(day)*dayMillis),
		flags: uint32(s.Shape.Flags), length: s.Shape.Length, tokenLike: s.Shape.TokenLike, entropy: s.Shape.Entropy,
		pathSegments: s.Shape.PathSegments, queryKeys: s.Shape.QueryKeys, hostLabels: s.Shape.HostLabels,
		act: uint8(s.Act), place: uint8(s.Place), verdict: uint8(s.Verdict), would: uint8(s.Would), established: s.Established,
	}
	return r, day
}

func sightingOf(r *row, day int) hunt.Sighting {
	return hunt.Sighting{
		At:  time.UnixMilli(int64(day)*dayMillis + int64(r.time)).UTC(),
		Act: hunt.Act(r.act), Domain: hunt.Key(r.domain), Host: hunt.Key(r.host), Tenant: hunt.Key(r.tenant), URL: hunt.Key(r.url),
		From: r.from, To: r.to, Group: r.group, Place: vedette.Place(r.place),
		Shape: vedette.Shape{
			Flags: vedette.ShapeFlag(r.flags), TokenLike: r.tokenLike, Entropy: r.entropy, PathSegments: r.pathSegments,
			QueryKeys: r.queryKeys, HostLabels: r.hostLabels, Length: r.length,
		},
		Verdict: vedette.Verdict(r.verdict), Would: vedette.Verdict(r.would), Established: r.established,
		Position: journal.Position{Frame: r.frame, Index: r.entry},
	}
}

// reckon fills in what is not kept.
func (r *row) reckon() {
	s := hunt.Sighting{
		Domain: hunt.Key(r.domain), Host: hunt.Key(r.host), Tenant: hunt.Key(r.tenant), URL: hunt.Key(r.url),
		Shape: vedette.Shape{Flags: vedette.ShapeFlag(r.flags)},
	}
	r.unit = uint64(s.Unit())
}

// order is how rows stand in a file. No two rows of one history are equal in it.
func order(a, b *row) int {
	return cmp.Or(
		cmp.Compare(a.unit, b.unit), cmp.Compare(a.host, b.host), cmp.Compare(a.url, b.url), cmp.Compare(a.time, b.time),
		cmp.Compare(a.frame, b.frame), cmp.Compare(a.entry, b.entry), cmp.Compare(a.link, b.link),
	)
}
