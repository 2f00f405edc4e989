package exhibit_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"vedette"
	"vedette/act/exhibit"
	"vedette/record/authority"
	"vedette/record/evidence"
	"vedette/record/evidence/evidencetest"
)

const (
	tenant  = vedette.Tenant("harbour")
	theCase = "case_0123456789abc"
	host    = "evil-clinic.example"
)

var start = time.Date(2026, 3, 4, 9, 0, 0, 0, time.UTC)

var update = flag.Bool("update", false, "write testdata/exhibit-v1.zip anew")

// surrogate is an identifier of the journal in the story: of an account, an event, a token.
func surrogate(n int) []byte { s := sha256.Sum256(fmt.Appendf(nil, "surrogate %d", n)); return s[:16] }

func f(name, value string) evidence.Field { return evidence.Field{Name: name, Value: []byte(value)} }

// court is a platform's log and two people.
type court struct {
	log  *evidence.Log
	reg  *authority.Register
	keys map[authority.PersonID]ed25519.PrivateKey
}

func newCourt(t testing.TB) *court {
	t.Helper()
	signer, _ := evidencetest.Keys()
	log, err := evidence.Open(t.Context(), evidence.NewMemoryTree(signer), evidence.NewMemoryShelf(), evidence.Options{Now: func() time.Time { return start }})
	if err != nil {
		t.Fatal(err)
	}
	c := &court{log: log, reg: authority.NewRegister(new(authority.Memory)), keys: map[authority.PersonID]ed25519.PrivateKey{}}
	for _, id := range []authority.PersonID{"ana", "omar"} {
		pub, priv, err := authority.GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		c.keys[id] = priv
		if _, err := c.reg.Enrol(t.Context(), authority.Person{ID: id, Name: "A Person", Role: authority.RoleAnalyst, Key: pub}, nil, start); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func (c *court) add(t testing.TB, kind evidence.Kind, minute int, fields ...evidence.Field) uint64 {
	t.Helper()
	r, err := c.log.Append(t.Context(), evidence.Record{Kind: kind, At: start.Add(time.Duration(minute) * time.Minute), Tenant: tenant, Fields: fields})
	if err != nil {
		t.Fatal(err)
	}
	return r[0].Index
}

// story writes what a case leaves, between records of others. It returns the places of the case's records.
func (c *court) story(t testing.TB) []uint64 {
	t.Helper()
	cell, finding, deed := hex.EncodeToString(surrogate(1)), hex.EncodeToString(surrogate(2)), sha256.Sum256([]byte("block"))
	var in []uint64
	c.add(t, evidence.KindReport, 0, f("report", hex.EncodeToString(surrogate(3))), f("outcome", "taken"), f("cases", "case_other"))
	in = append(in,
		c.add(t, evidence.KindFinding, 1, f("finding", finding), f("cell", cell), f("detector", "rehearsal"), f("score", "a score of 12.345"), f("subjects", hex.EncodeToString(surrogate(4))),
			f("links", `["host:1:`+hex.EncodeToString(surrogate(5))+`"]`), f("size", "7"), f("basis", "[]")),
		c.add(t, evidence.KindLead, 2, f("case", theCase), f("state", "signal"), f("about", host), f("by", "vedette"), f("why", "rehearsal, 12.3 bits"), f("finding", finding)),
		c.add(t, evidence.KindReport, 3, f("report", hex.EncodeToString(surrogate(6))), f("outcome", "taken"), f("grade", "franked"), f("cases", theCase), f("why", "the tag fits"), f("franking", "tag")),
		c.add(t, evidence.KindReport, 4, f("report", hex.EncodeToString(surrogate(7))), f("outcome", "taken"), f("grade", "claim"), f("cases", "case_other,"+theCase)))
	c.add(t, evidence.KindLead, 5, f("case", "case_other"), f("state", "open"))
	in = append(in,
		c.add(t, evidence.KindConfirm, 6, f("case", theCase), f("value", host), f("scope", "host"), f("people", "ana"), f("corroboration", "she <knew> it & said \u0645"), f("act", "ab")),
		c.add(t, evidence.KindAttr, 7, f("case", theCase), f("assessment", "perhaps this operator")),
		c.add(t, evidence.KindBlock, 8, f("what", "block"), f("matter", theCase), f("act", `{"value":"`+host+`"}`), evidence.Field{Name: "digest", Value: deed[:]}, f("people", "ana,omar")),
		c.add(t, evidence.KindOutcome, 9, f("what", "block"), evidence.Field{Name: "digest", Value: deed[:]}, f("outcome", "complete")),
		c.add(t, evidence.KindChanged, 10, f("cause", "block"), evidence.Field{Name: "digest", Value: deed[:]}, f("messages", "2"), evidence.Field{Name: "events", Value: append(surrogate(8), surrogate(9)...)}),
		c.add(t, evidence.KindFinding, 11, f("cell", cell), f("judged", "hostile"), f("by", "ana"), f("why", "seen before")),
		c.add(t, evidence.KindHunt, 12, f("what", "hunt"), f("case", theCase), f("given", "true"), f("hunt", hex.EncodeToString(surrogate(10))), f("by", "omar"), f("something_new", "x")))
	if err := c.log.Erase(t.Context(), in[4], "corroboration"); err != nil {
		t.Fatal(err)
	}
	return append(in, c.log.Size()-1) // that it was erased belongs to the case too
}

func choice(v exhibit.Variant, groups ...exhibit.Group) exhibit.Choice {
	return exhibit.Choice{Case: theCase, Tenant: tenant, Variant: v, Disclose: append([]exhibit.Group{}, groups...), Mark: "EX", Label: "Harbour v. Doe", For: "Outside counsel"}
}

func (c *court) making(t testing.TB, ch exhibit.Choice, anchors ...exhibit.Anchor) exhibit.Making {
	t.Helper()
	m := exhibit.Making{Recipient: authority.ToCourt, Build: "vedette test", Now: start.Add(time.Hour), Anchors: anchors}
	for _, data := range []authority.Data{authority.DataMetadata, authority.DataIndicators} {
		h := authority.Handing{Recipient: authority.ToCourt, Data: data, Tenant: tenant, Case: ch.Case, Until: m.Now.Add(time.Hour), About: ch.Digest()}
		act, err := h.Act()
		if err != nil {
			t.Fatal(err)
		}
		var signed [][]byte
		for _, id := range []authority.PersonID{"ana", "omar"} {
			a, err := authority.Approve(act, id, c.keys[id], m.Now)
			if err != nil {
				t.Fatal(err)
			}
			b, err := json.Marshal(a)
			if err != nil {
				t.Fatal(err)
			}
			signed = append(signed, b)
		}
		d, err := c.reg.Disclosure(t.Context(), h, signed, m.Now)
		if err != nil {
			t.Fatal(err)
		}
		m.Disclosures = append(m.Disclosures, d)
	}
	return m
}

func (c *court) make(t testing.TB, ch exhibit.Choice, anchors ...exhibit.Anchor) exhibit.Made {
	t.Helper()
	made, err := exhibit.Create(t.Context(), c.log, ch, c.making(t, ch, anchors...))
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func verify(b []byte) exhibit.Result {
	_, key := evidencetest.Keys()
	return exhibit.Verify(b, key, nil)
}

// failed is what a result says is wrong.
func failed(r *exhibit.Result) string {
	var out []string
	for _, c := range r.Checks {
		if !c.OK {
			out = append(out, c.Name+": "+c.Detail)
		}
	}
	return strings.Join(out, "\n")
}

func unzip(t testing.TB, b []byte) map[string][]byte {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, x := range r.File {
		o, err := x.Open()
		if err != nil {
			t.Fatal(err)
		}
		if out[x.Name], err = io.ReadAll(o); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func TestAnExhibitHoldsTheCaseAndVerifies(t *testing.T) {
	c := newCourt(t)
	want := c.story(t)
	for _, tt := range []struct {
		variant exhibit.Variant
		groups  []exhibit.Group
	}{
		{exhibit.Public, nil},
		{exhibit.Public, []exhibit.Group{exhibit.Indicators}},
		{exhibit.Sealed, []exhibit.Group{exhibit.Indicators, exhibit.Words}},
		{exhibit.Attorneys, exhibit.Groups()},
	} {
		made := c.make(t, choice(tt.variant, tt.groups...))
		r := verify(made.Zip)
		if !r.Good() || r.Time != exhibit.Unanchored || r.Truth != exhibit.NotTested {
			t.Fatalf("%s %v: %+v\n%s", tt.variant, tt.groups, r, failed(&r))
		}
		if r.Withheld != 1 || r.Disclosed != r.Records-1 {
			t.Errorf("%s: %d records, %d disclosed, %d withheld; the assessment alone is to be withheld whole", tt.variant, r.Records, r.Disclosed, r.Withheld)
		}
		var index exhibit.Index
		if err := json.Unmarshal(unzip(t, made.Zip)["index.json"], &index); err != nil {
			t.Fatal(err)
		}
		var got []uint64
		for _, x := range index.Records {
			if x.Kind != evidence.KindDisclose {
				got = append(got, x.Index)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("the case has the records %v, want %v", got, want)
		}
	}
}

func TestThatItIsDisclosedIsInTheLogBeforeThereIsAFile(t *testing.T) {
	c := newCourt(t)
	c.story(t)
	ch := choice(exhibit.Public)
	m := c.making(t, ch)
	failing := &stopping{Log: c.log, after: 0}
	if made, err := exhibit.Create(t.Context(), failing, ch, m); err == nil || made.Zip != nil {
		t.Errorf("a log that takes nothing gave an exhibit: %v", err)
	}
	failing.after = 1 // the disclosure stands, the seal does not
	if made, err := exhibit.Create(t.Context(), failing, ch, m); err == nil || made.Zip != nil {
		t.Errorf("a log that takes no seal gave an exhibit: %v", err)
	}
}

// stopping is a log that takes so many records and no more.
type stopping struct {
	exhibit.Log
	after int
}

func (s *stopping) Append(ctx context.Context, r ...evidence.Record) ([]evidence.Receipt, error) {
	if s.after == 0 {
		return nil, vedette.ErrUnavailable
	}
	s.after--
	return s.Log.Append(ctx, r...)
}

func TestTheSameLogAndChoiceMakeTheSameBytes(t *testing.T) {
	c := newCourt(t)
	c.story(t)
	ch := choice(exhibit.Sealed, exhibit.Indicators)
	made := c.make(t, ch)
	for range 3 { // a printer that ranges over a map is found sooner or later
		again, err := exhibit.Again(t.Context(), c.log, ch, made)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again, made.Zip) {
			a, b := unzip(t, again), unzip(t, made.Zip)
			for name := range b {
				if !bytes.Equal(a[name], b[name]) {
					t.Errorf("%s differs", name)
				}
			}
			t.Fatal("the same log, choice and checkpoints made other bytes")
		}
	}
}

func TestEveryVersionProvesTheSameLeaves(t *testing.T) {
	c := newCourt(t)
	c.story(t)
	leaves := func(b []byte, n int) (out []string) {
		page := string(unzip(t, b)["report.html"])
		for _, l := range strings.Split(page, "\n") {
			if i := strings.Index(l, `<td class="d">`); i >= 0 {
				out = append(out, l[i+14:i+78])
			}
		}
		return out[:n]
	}
	a, b := c.make(t, choice(exhibit.Public)), c.make(t, choice(exhibit.Attorneys, exhibit.Groups()...))
	if n := a.Records; !slices.Equal(leaves(a.Zip, n), leaves(b.Zip, n)) {
		t.Error("public and attorneys' version prove other leaves")
	}
}

func TestNoIdentifierOfTheJournalLeavesIt(t *testing.T) {
	c := newCourt(t)
	c.story(t)
	for _, v := range []exhibit.Choice{choice(exhibit.Public), choice(exhibit.Sealed, exhibit.Indicators, exhibit.Machine, exhibit.Words), choice(exhibit.Attorneys, exhibit.Groups()...)} {
		files := unzip(t, c.make(t, v).Zip)
		for name, data := range files {
			for n := range 12 {
				s := surrogate(n)
				for _, form := range []string{string(s), hex.EncodeToString(s), strings.ToUpper(hex.EncodeToString(s))} {
					if bytes.Contains(data, []byte(form)) {
						t.Errorf("%s, %s: surrogate %d", v.Variant, name, n)
					}
				}
			}
		}
		// Base64 hides bytes from a search: look at the values.
		for name, data := range files {
			var r struct {
				Parts []struct{ Name, Value string }
			}
			if json.Unmarshal(data, &r) != nil {
				continue
			}
			for _, p := range r.Parts {
				b, err := base64.StdEncoding.DecodeString(p.Value)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				for n := range 12 {
					if bytes.Contains(b, surrogate(n)) || bytes.Contains(b, []byte(hex.EncodeToString(surrogate(n)))) {
						t.Errorf("%s, %s, %s: surrogate %d", v.Variant, name, p.Name, n)
					}
				}
			}
		}
	}
}

func TestWhatWasNotAskedForIsNotShown(t *testing.T) {
	c := newCourt(t)
	c.story(t)
	in := func(b []byte, what string) (names []string) {
		for name, data := range unzip(t, b) {
			if bytes.Contains(data, []byte(what)) || bytes.Contains(data, []byte(base64.StdEncoding.EncodeToString([]byte(what)))) {
				names = append(names, name)
			}
		}
		return names
	}
	public, all := c.make(t, choice(exhibit.Public)).Zip, c.make(t, choice(exhibit.Attorneys, exhibit.Groups()...)).Zip
	for _, tt := range []struct {
		what   string
		hidden [][]byte
		shown  [][]byte
	}{
		{host, [][]byte{public}, [][]byte{all}},
		{"the tag fits", [][]byte{public}, [][]byte{all}},
		{"seen before", [][]byte{public}, [][]byte{all}},
		{"case_other", [][]byte{public, all}, nil},
		{"perhaps this operator", [][]byte{public, all}, nil},
		{"12.3 bits", [][]byte{public, all}, nil},
		{"a score of 12.345", [][]byte{public, all}, nil},
		{"she <knew>", [][]byte{public, all}, nil}, // erased
	} {
		for _, b := range tt.hidden {
			if got := in(b, tt.what); len(got) > 0 {
				t.Errorf("%q stands in %v", tt.what, got)
			}
		}
		for _, b := range tt.shown {
			if len(in(b, tt.what)) == 0 {
				t.Errorf("%q was asked for and stands nowhere", tt.what)
			}
		}
	}
}

func TestWhoMayDisclose(t *testing.T) {
	c := newCourt(t)
	c.story(t)
	good := choice(exhibit.Public, exhibit.Indicators)
	for _, tt := range []struct {
		name   string
		choice exhibit.Choice
		change func(*exhibit.Making)
		want   error
	}{
		{"no disclosure", good, func(m *exhibit.Making) { m.Disclosures = nil }, vedette.ErrForbidden},
		{"the zero disclosure", good, func(m *exhibit.Making) { m.Disclosures = make([]authority.Disclosure, 1) }, vedette.ErrForbidden},
		{"indicators without their own", good, func(m *exhibit.Making) { m.Disclosures = m.Disclosures[:1] }, vedette.ErrForbidden},
		{"another recipient", good, func(m *exhibit.Making) { m.Recipient = authority.ToPublic }, vedette.ErrForbidden},
		{"too late", good, func(m *exhibit.Making) { m.Now = m.Now.Add(2 * time.Hour) }, vedette.ErrForbidden},
		{"another choice than was approved", choice(exhibit.Public), func(*exhibit.Making) {}, vedette.ErrForbidden},
		{"staff in public", choice(exhibit.Public, exhibit.Staff), func(*exhibit.Making) {}, vedette.ErrForbidden},
		{"words in public", choice(exhibit.Public, exhibit.Words), func(*exhibit.Making) {}, vedette.ErrForbidden},
	} {
		t.Run(tt.name, func(t *testing.T) {
			size := c.log.Size()
			m := c.making(t, good)
			tt.change(&m)
			if made, err := exhibit.Create(t.Context(), c.log, tt.choice, m); !errors.Is(err, tt.want) || made.Zip != nil {
				t.Errorf("Create = %v, want %v", err, tt.want)
			}
			if c.log.Size() != size {
				t.Error("a refused exhibit changed the log")
			}
		})
	}
	other := choice(exhibit.Public)
	other.Case = "case_nobody"
	if _, err := exhibit.Create(t.Context(), c.log, other, c.making(t, other)); !errors.Is(err, vedette.ErrUnknown) {
		t.Errorf("a case of which the log knows nothing: %v", err)
	}
}

// small is an exhibit of one record.
func small(t testing.TB) []byte {
	c := newCourt(t)
	c.add(t, evidence.KindLead, 0, f("case", theCase), f("state", "open"), f("why", "reported"))
	return c.make(t, choice(exhibit.Public)).Zip
}

func TestFlippingAnyByteIsFoundAndLocated(t *testing.T) {
	b := small(t)
	if r := verify(b); !r.Good() {
		t.Fatal(failed(&r))
	}
	spans := spansOf(t, b)
	for i := range b {
		bit := byte(1) << (i % 8)
		b[i] ^= bit
		r := verify(b)
		b[i] ^= bit
		if r.Good() || r.Integrity == exhibit.Intact {
			t.Fatalf("byte %d flipped: %+v", i, r)
		}
		name := nameAt(spans, i)
		if name != "" && !strings.Contains(failed(&r), name) {
			t.Errorf("byte %d, in %s, flipped: %s", i, name, failed(&r))
		}
	}
}

type span struct {
	name     string
	from, to int
}

func spansOf(t testing.TB, b []byte) (out []span) {
	r, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range r.File {
		at, err := x.DataOffset()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, span{x.Name, int(at), int(at) + int(x.UncompressedSize64)})
	}
	return out
}

func nameAt(spans []span, i int) string {
	for _, s := range spans {
		if i >= s.from && i < s.to {
			return s.name
		}
	}
	return ""
}

// parts are the files of an exhibit in order, to be put together again with right checksums: what somebody does who knows the format.
func parts(t testing.TB, b []byte) (out []exhibit.File) {
	for _, s := range spansOf(t, b) {
		out = append(out, exhibit.File{Name: s.name, Data: slices.Clone(b[s.from:s.to])})
	}
	return out
}

func pack(t testing.TB, files []exhibit.File) []byte {
	t.Helper()
	b, err := exhibit.Pack(files)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// remanifest writes sizes and digests anew, as somebody would who does not have the log's key.
func remanifest(t testing.TB, files []exhibit.File) {
	t.Helper()
	var m exhibit.Manifest
	if err := json.Unmarshal(files[0].Data, &m); err != nil {
		t.Fatal(err)
	}
	m.Files = nil
	for _, x := range files[1 : len(files)-1] {
		m.Files = append(m.Files, exhibit.Listed{Name: x.Name, Size: len(x.Data), SHA256: sha256.Sum256(x.Data)})
	}
	b, err := exhibit.Canonical(m)
	if err != nil {
		t.Fatal(err)
	}
	files[0].Data = b
}

func TestFlippingWithRightChecksumsIsFound(t *testing.T) {
	b := small(t)
	files := parts(t, b)
	if !bytes.Equal(pack(t, files), b) {
		t.Fatal("putting it together again made other bytes")
	}
	for n := range files {
		step := max(len(files[n].Data)/400, 1)
		for i := 0; i < len(files[n].Data); i += step {
			bit := byte(1) << (i % 8)
			files[n].Data[i] ^= bit
			r := verify(pack(t, files))
			if r.Good() {
				t.Fatalf("%s: byte %d flipped, checksum mended: good", files[n].Name, i)
			}
			if got := failed(&r); !strings.Contains(got, files[n].Name) {
				t.Errorf("%s: byte %d flipped: %s", files[n].Name, i, got)
			}
			files[n].Data[i] ^= bit
		}
	}
}

func TestFlippingEveryByteOfTheSealWithRightChecksumsIsFound(t *testing.T) {
	files := parts(t, small(t))
	last := len(files) - 1
	for i := range files[last].Data {
		for bit := range 8 {
			files[last].Data[i] ^= 1 << bit
			if r := verify(pack(t, files)); r.Good() {
				t.Fatalf("seal.json: bit %d of byte %d (%q) flipped: good", bit, i, files[last].Data[max(i-20, 0):min(i+20, len(files[last].Data))])
			}
			files[last].Data[i] ^= 1 << bit
		}
	}
}

func TestAMendedManifestIsNotTheSealedOne(t *testing.T) {
	b := small(t)
	for n := range parts(t, b) {
		files := parts(t, b)
		if n == 0 || n == len(files)-1 {
			continue
		}
		files[n].Data[len(files[n].Data)/2] ^= 1
		remanifest(t, files)
		r := verify(pack(t, files))
		if r.Good() || !strings.Contains(failed(&r), "seal") && r.Signer == exhibit.Signed {
			t.Errorf("%s altered and the manifest mended: %+v", files[n].Name, r)
		}
	}
}

func TestWhatAContainerMayNotBe(t *testing.T) {
	b := small(t)
	files := parts(t, b)
	header := func(name string, data []byte) []byte {
		var out bytes.Buffer
		w := zip.NewWriter(&out)
		x, err := w.CreateRaw(&zip.FileHeader{Name: name, Method: zip.Store, CRC32: crc32.ChecksumIEEE(data), CompressedSize64: uint64(len(data)), UncompressedSize64: uint64(len(data))})
		if err == nil {
			_, err = x.Write(data)
		}
		if err = errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	deflated := func() []byte {
		var out bytes.Buffer
		w := zip.NewWriter(&out)
		for _, x := range files {
			o, err := w.Create(x.Name)
			if err == nil {
				_, err = o.Write(x.Data)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	for _, tt := range []struct {
		name string
		b    []byte
		want string
	}{
		{"nothing", nil, "no exhibit"},
		{"no zip", []byte("hello"), "no exhibit"},
		{"bytes before", append([]byte("#!/bin/sh\n"), b...), "byte 0"},
		{"bytes behind", append(slices.Clone(b), 0), "behind the end"},
		{"a comment", append(append(slices.Clone(b[:len(b)-2]), 3, 0), "abc"...), "byte"},
		{"cut off", b[:len(b)-1], "byte"},
		{"cut in a file", b[:len(b)/3], "byte"},
		{"another zip before", append(header("a", []byte("x")), b...), "byte"},
		{"deflated", deflated(), "byte"},
		{"a path upward", header("../manifest.json", []byte("{}")), "called"},
		{"an absolute path", header("/etc/passwd", []byte("{}")), "called"},
		{"a backslash", header(`records\0001.json`, []byte("{}")), "called"},
		{"a name twice", pack(t, append(slices.Clone(files), files[1])), "twice"},
		{"a file more", pack(t, slices.Insert(slices.Clone(files), len(files)-1, exhibit.File{Name: "more.txt", Data: []byte("x")})), "not in the manifest"},
		{"a file less", pack(t, slices.Delete(slices.Clone(files), 2, 3)), "the manifest has"},
		{"two files in each other's place", pack(t, swapped(files, 1, 2)), "the manifest has"},
		{"no seal", pack(t, files[:len(files)-1]), "seal.json"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := verify(tt.b)
			if r.Good() || r.Integrity != exhibit.Altered || !strings.Contains(failed(&r), tt.want) {
				t.Errorf("integrity %s: %s; want %q in it", r.Integrity, failed(&r), tt.want)
			}
		})
	}
}

func swapped(files []exhibit.File, i, j int) []exhibit.File {
	out := slices.Clone(files)
	out[i], out[j] = out[j], out[i]
	return out
}

func TestTheLogsOwnerCannotLeaveARecordOut(t *testing.T) {
	// The owner can sign whatever he likes: a second seal over an exhibit from which a record was taken out. The index that the log committed to before says so.
	c := newCourt(t)
	c.story(t)
	ch := choice(exhibit.Public)
	made := c.make(t, ch)
	for _, tt := range []struct {
		name   string
		change func(files []exhibit.File) []exhibit.File
		want   string
	}{
		{"a withheld field is not listed", func(files []exhibit.File) []exhibit.File {
			return edit(t, files, "withheld.json", `{"name":"about","reason":"indicators"},`, "")
		}, "withheld.json"},
		{"a reason that is none", func(files []exhibit.File) []exhibit.File {
			return edit(t, files, "withheld.json", `"reason":"indicators"`, `"reason":"nothing"`)
		}, "withheld.json"},
		{"the timeline tells something else", func(files []exhibit.File) []exhibit.File {
			return edit(t, files, "timeline.json", `"state":"signal"`, `"state":"closed"`)
		}, "timeline.json"},
		{"the report tells something else", func(files []exhibit.File) []exhibit.File {
			return edit(t, files, "report.html", `state: signal`, `state: closed`)
		}, "report.html"},
		{"a record is gone from the index", func(files []exhibit.File) []exhibit.File {
			return edit(t, files, "index.json", `{"index":2,"kind":"lead"},`, ``)
		}, "disclosure.json"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files := tt.change(parts(t, made.Zip))
			remanifest(t, files)
			b, err := exhibit.Reseal(t.Context(), c.log, tenant, files, made)
			if err != nil {
				t.Fatal(err)
			}
			r := verify(b)
			if r.Good() || !strings.Contains(failed(&r), tt.want) {
				t.Errorf("%+v: %s", r, failed(&r))
			}
		})
	}
}

func edit(t testing.TB, files []exhibit.File, name, old, now string) []exhibit.File {
	t.Helper()
	for i := range files {
		if files[i].Name == name {
			if !bytes.Contains(files[i].Data, []byte(old)) {
				t.Fatalf("%s does not hold %q", name, old)
			}
			files[i].Data = bytes.Replace(files[i].Data, []byte(old), []byte(now), 1)
		}
	}
	return files
}

// testdata/exhibit-v1.zip is an exhibit of the first edition. Its report was made by the program of then, and is made again here: on another machine, by another compiler.
func TestYesterdaysExhibitVerifies(t *testing.T) {
	b, err := os.ReadFile("testdata/exhibit-v1.zip")
	if *update {
		c := newCourt(t)
		c.story(t)
		b = c.make(t, choice(exhibit.Sealed, exhibit.Indicators)).Zip
		err = os.WriteFile("testdata/exhibit-v1.zip", b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	r := verify(b)
	if !r.Good() || r.Time != exhibit.Unanchored || r.Records != 12 || r.Withheld != 1 {
		t.Errorf("%+v\n%s", r, failed(&r))
	}
	if exhibit.Edition == "1" && !strings.Contains(fmt.Sprint(r.Checks), "made again from the records, are the same") {
		t.Error("the report was not made again")
	}
}

func TestAnotherKeyProvesNothing(t *testing.T) {
	b := small(t)
	_, same := evidence.NewSigner(evidencetest.Origin, [32]byte{9})
	_, other := evidence.NewSigner("other.example/log", [32]byte{9})
	for name, key := range map[string]interface {
		Name() string
		KeyHash() uint32
		Verify(msg, sig []byte) bool
	}{"of the same name": same, "of another name": other} {
		r := exhibit.Verify(b, key, nil)
		if r.Good() || r.Signer != exhibit.NotSigned || r.Integrity == exhibit.Intact {
			t.Errorf("a key %s: %+v", name, r)
		}
	}
}

func TestAnchorsSaySinceWhen(t *testing.T) {
	c := newCourt(t)
	c.add(t, evidence.KindLead, 0, f("case", theCase), f("state", "open"))
	early, _, err := c.log.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.add(t, evidence.KindLead, 1, f("case", theCase), f("state", "closed"))
	late, _, err := c.log.Checkpoint(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, key := evidencetest.Keys()
	when := start.Add(time.Minute)
	trusted := func(_ string, checkpoint, token []byte) (time.Time, string, error) {
		if want := sha256.Sum256(checkpoint); !bytes.Equal(token, want[:]) {
			return time.Time{}, "", errors.New("the token is over something else")
		}
		return when, "stamp.example", nil
	}
	stamp := func(cp []byte) exhibit.Anchor {
		d := sha256.Sum256(cp)
		return exhibit.Anchor{Kind: "rfc3161", Checkpoint: cp, Token: d[:]}
	}
	bad := stamp(early)
	bad.Token = []byte("something else")
	for _, tt := range []struct {
		name   string
		anchor exhibit.Anchor
		verify exhibit.VerifyAnchor
		want   string
	}{
		{"over all records", stamp(late), trusted, exhibit.Anchored},
		{"over some", stamp(early), trusted, exhibit.PartlyAnchored},
		{"without anything to trust", stamp(late), nil, exhibit.Unanchored},
		{"that is bad", bad, trusted, exhibit.Unanchored},
	} {
		made := c.make(t, choice(exhibit.Public), tt.anchor)
		r := exhibit.Verify(made.Zip, key, tt.verify)
		// Each making adds a disclosure to the case, which no earlier anchor covers.
		if tt.want == exhibit.Anchored && r.Records > 2 {
			tt.want = exhibit.PartlyAnchored
		}
		if !r.Good() || r.Time != tt.want {
			t.Errorf("an anchor %s: time %s, want %s\n%s", tt.name, r.Time, tt.want, failed(&r))
		}
	}
}

// TestTheAnchorsThatCoverTheRecordsFirstAreTaken: daily anchors of years must not push out the one that says that a record stood before the dispute.
func TestTheAnchorsThatCoverTheRecordsFirstAreTaken(t *testing.T) {
	c := newCourt(t)
	var anchors []exhibit.Anchor
	stamp := func(by string) {
		cp, _, err := c.log.Checkpoint(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		anchors = append(anchors, exhibit.Anchor{Kind: "rfc3161", By: by, Checkpoint: cp, Token: []byte(by)})
	}
	c.add(t, evidence.KindLead, 0, f("case", theCase), f("state", "open"))
	stamp("north")
	stamp("south")
	for i := range exhibit.MaxAnchors + 20 { // of other cases
		c.add(t, evidence.KindLead, i, f("case", "case_0000000000000"), f("state", "open"))
		stamp("north")
	}
	c.add(t, evidence.KindLead, 200, f("case", theCase), f("state", "closed"))
	stamp("north")
	signer, _ := evidence.NewSigner(evidencetest.Origin, [32]byte{9})
	forged, err := evidence.SignCheckpoint(evidence.Checkpoint{Origin: evidencetest.Origin, Size: 2}, signer)
	if err != nil {
		t.Fatal(err)
	}
	anchors = append(anchors, exhibit.Anchor{Kind: "rfc3161", By: "east", Checkpoint: forged, Token: []byte("east")}, exhibit.Anchor{Kind: "rfc3161", By: "east", Checkpoint: []byte("nothing")})
	made := c.make(t, choice(exhibit.Public), anchors...)
	_, key := evidencetest.Keys()
	r := exhibit.Verify(made.Zip, key, func(_ string, _, token []byte) (time.Time, string, error) { return start, string(token), nil })
	var got []string
	for _, a := range r.Anchors {
		got = append(got, fmt.Sprintf("%s %d", a.By, a.Size))
	}
	if want := []string{"north 1", "south 1", fmt.Sprintf("north %d", exhibit.MaxAnchors+22)}; !r.Good() || r.Time != exhibit.Anchored || !slices.Equal(got, want) {
		t.Errorf("%s, anchors %v, want %v\n%s", r.Time, got, want, failed(&r))
	}
}

// large is an exhibit of many records.
func large(t testing.TB, n int) []byte {
	t.Helper()
	c := newCourt(t)
	for i := 0; i < n; i += 250 {
		var rs []evidence.Record
		for j := i; j < min(i+250, n); j++ {
			rs = append(rs, evidence.Record{Kind: evidence.KindLead, At: start.Add(time.Duration(j) * time.Second), Tenant: tenant, Fields: []evidence.Field{
				f("case", theCase), f("state", "open"), f("about", host), f("by", "ana"), f("why", "reported"),
			}})
		}
		if _, err := c.log.Append(t.Context(), rs...); err != nil {
			t.Fatal(err)
		}
	}
	return c.make(t, choice(exhibit.Public)).Zip
}

func TestALargeExhibitAlteredAtRandomIsFound(t *testing.T) {
	n := 10_000
	if testing.Short() {
		n = 1000
	}
	b := large(t, n)
	r := verify(b)
	if !r.Good() || r.Records != n {
		t.Fatal(failed(&r))
	}
	rng := rand.New(rand.NewPCG(1, 2))
	spans := spansOf(t, b)
	for range 150 {
		i, bit := rng.IntN(len(b)), byte(1)<<rng.IntN(8)
		b[i] ^= bit
		r := verify(b)
		b[i] ^= bit
		if name := nameAt(spans, i); r.Good() || !strings.Contains(failed(&r), name) {
			t.Fatalf("byte %d (%s) flipped: %s", i, name, failed(&r))
		}
	}
	files := parts(t, b)
	for range 5 { // with right checksums and a right manifest
		k := 1 + rng.IntN(len(files)-2)
		i := rng.IntN(len(files[k].Data))
		files[k].Data[i] ^= 1
		kept := files[0].Data
		remanifest(t, files)
		if r := verify(pack(t, files)); r.Good() {
			t.Fatalf("%s, byte %d altered and everything mended that can be", files[k].Name, i)
		}
		files[k].Data[i] ^= 1
		files[0].Data = kept
	}
}

func BenchmarkVerify10000(b *testing.B) {
	x := large(b, 10_000)
	b.SetBytes(int64(len(x)))
	b.ReportAllocs()
	for b.Loop() {
		if r := verify(x); !r.Good() {
			b.Fatal(failed(&r))
		}
	}
}

// Nothing but what was made is good: for this key that is the kept exhibit, byte for byte.
func FuzzVerify(f *testing.F) {
	made, err := os.ReadFile("testdata/exhibit-v1.zip")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(made)
	f.Add([]byte("PK\x05\x06\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r := verify(b); r.Good() != bytes.Equal(b, made) {
			t.Errorf("good is %t\n%s", r.Good(), failed(&r))
		}
	})
}

// A container that can be read is the one that its contents make.
func FuzzUnpack(f *testing.F) {
	f.Add(pack(f, nil))
	f.Add(pack(f, []exhibit.File{{Name: "a", Data: nil}, {Name: "b/c.json", Data: []byte("{}")}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		files, err := exhibit.Unpack(b)
		if err == nil && !bytes.Equal(pack(t, files), b) {
			t.Errorf("%x is read, and written otherwise", b)
		}
	})
}
