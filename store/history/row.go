package history

import (
	"encoding/binary"
	"slices"
	"time"

	"vedette"
	"vedette/record/journal"
	"vedette/watch/hunt"
)

// row is one sighting as the files hold it (docs/formats/history.md). Every column is required and plain, so that the value of a row stands at
// a place that can be computed. A name that is the unit itself stands in unit alone; the column of its kind holds zero there, and costs nothing.
type row struct {
	Unit      uint64   `parquet:"unit,plain,zstd"`
	UnitKind  uint32   `parquet:"unit_kind,plain,zstd"` // 1 domain, 2 tenant, 3 url, 4 host
	Domain    uint64   `parquet:"domain,plain,zstd"`
	Host      uint64   `parquet:"host,plain,zstd"`
	Tenant    uint64   `parquet:"tenant,plain,zstd"`
	URL       uint64   `parquet:"url,plain"`
	Sender    [16]byte `parquet:"sender,plain"`
	Recipient [16]byte `parquet:"recipient,plain"` // an account, or a group
	At        int32    `parquet:"at,time(millisecond:utc),plain"`
	Frame     uint64   `parquet:"frame,plain,zstd"`
	Index     uint32   `parquet:"entry,plain,zstd"`
	Act       uint32   `parquet:"act,plain,zstd"`
	Verdict   uint32   `parquet:"verdict,plain,zstd"`
	Would     uint32   `parquet:"would,plain,zstd"`
	Marks     uint32   `parquet:"marks,plain,zstd"` // bit 0 recipient is a group, bit 1 sender was established, bits 8 to 15 place
	Shape     [12]byte `parquet:"shape,plain,zstd"`
}

const (
	unitDomain = 1
	unitTenant = 2
	unitURL    = 3
	unitHost   = 4

	markGroup       = 1
	markEstablished = 2
)

const dayLength = 24 * time.Hour

// dayOf numbers the days of Unix time.
func dayOf(t time.Time) int32 { return int32(hunt.DayOf(t)) }

func dayStart(day int32) time.Time { return time.Unix(int64(day)*86400, 0).UTC() }

func rowOf(s *hunt.Sighting) row {
	r := row{
		Unit: uint64(s.Unit()), Domain: uint64(s.Domain), Host: uint64(s.Host), Tenant: uint64(s.Tenant), URL: uint64(s.URL),
		Sender: s.From, Recipient: s.To, At: int32(s.At.UnixMilli() - int64(dayOf(s.At))*dayLength.Milliseconds()),
		Frame: s.Position.Frame, Index: uint32(s.Position.Index), Act: uint32(s.Act), Verdict: uint32(s.Verdict), Would: uint32(s.Would),
		Marks: uint32(s.Place) << 8,
	}
	switch s.Unit() {
	case 0: // nothing of the link was read
	case s.Tenant:
		r.UnitKind, r.Tenant = unitTenant, 0
	case s.Domain:
		r.UnitKind, r.Domain = unitDomain, 0
	case s.Host:
		r.UnitKind, r.Host = unitHost, 0
	default:
		r.UnitKind, r.URL = unitURL, 0
	}
	if !s.Group.IsZero() {
		r.Recipient, r.Marks = [16]byte(s.Group), r.Marks|markGroup
	}
	if s.Established {
		r.Marks |= markEstablished
	}
	b := r.Shape[:]
	binary.BigEndian.PutUint32(b, uint32(s.Shape.Flags))
	b[4], b[5], b[6], b[7], b[8] = s.Shape.TokenLike, s.Shape.Entropy, s.Shape.PathSegments, s.Shape.QueryKeys, s.Shape.HostLabels
	binary.BigEndian.PutUint16(b[10:], s.Shape.Length)
	return r
}

func (r *row) sighting(day int32) hunt.Sighting {
	s := hunt.Sighting{
		At:  time.UnixMilli(int64(day)*dayLength.Milliseconds() + int64(r.At)).UTC(),
		Act: hunt.Act(r.Act), Domain: hunt.Key(r.Domain), Host: hunt.Key(r.Host), Tenant: hunt.Key(r.Tenant), URL: hunt.Key(r.URL),
		From: r.Sender, Place: vedette.Place(r.Marks >> 8), Verdict: vedette.Verdict(r.Verdict), Would: vedette.Verdict(r.Would),
		Established: r.Marks&markEstablished != 0, Position: journal.Position{Frame: r.Frame, Index: uint16(r.Index)},
	}
	switch r.UnitKind {
	case unitDomain:
		s.Domain = hunt.Key(r.Unit)
	case unitTenant:
		s.Tenant = hunt.Key(r.Unit)
	case unitURL:
		s.URL = hunt.Key(r.Unit)
	case unitHost:
		s.Host = hunt.Key(r.Unit)
	}
	if r.Marks&markGroup != 0 {
		s.Group = r.Recipient
	} else {
		s.To = r.Recipient
	}
	b := r.Shape[:]
	s.Shape = vedette.Shape{
		Flags: vedette.ShapeFlag(binary.BigEndian.Uint32(b)), TokenLike: b[4], Entropy: b[5], PathSegments: b[6], QueryKeys: b[7], HostLabels: b[8],
		Length: binary.BigEndian.Uint16(b[10:]),
	}
	return s
}

// compareRows is the order of a file: what belongs together stands together.
func compareRows(a, b *row) int {
	for _, p := range [...][2]uint64{
		{a.Unit, b.Unit}, {a.Domain, b.Domain}, {a.Host, b.Host}, {uint64(a.At), uint64(b.At)}, {a.Frame, b.Frame}, {uint64(a.Index), uint64(b.Index)}, {a.URL, b.URL},
		{uint64(a.Marks), uint64(b.Marks)},
	} {
		if p[0] != p[1] {
			if p[0] < p[1] {
				return -1
			}
			return 1
		}
	}
	return slices.Compare(a.Recipient[:], b.Recipient[:])
}
