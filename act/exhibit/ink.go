package exhibit

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf16"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
)

// ink writes a document of text and lines (ISO 32000-1). The same calls give the same bytes with every compiler and on every machine: nothing is compressed, and
// fonts are cut down in order of their glyphs, and a product is rounded before it is added to (float64), since some processors would
// not. Lengths are in points, from the top left corner of a page of letter paper.
type ink struct {
	faces [2]*face
	bold  int
	size  float64
	pages []*bytes.Buffer
	marks []mark
}

const (
	paperWidth  = 612.0
	paperHeight = 792.0
)

// mark is a place that the document's outline names.
type mark struct {
	title string
	page  int
	y     float64
}

// face is one font with the glyphs that were used of it.
type face struct {
	name  string
	data  []byte
	font  *sfnt.Font
	buf   sfnt.Buffer
	known map[rune]glyph
	used  map[uint16]rune // by glyph; the first character that took it
}

type glyph struct {
	id    uint16
	width int // thousandths of the font's size
}

func newInk() (*ink, error) {
	k := &ink{}
	for i, f := range []struct {
		name string
		data []byte
	}{{"GoRegular", goregular.TTF}, {"GoBold", gobold.TTF}} {
		parsed, err := sfnt.Parse(f.data)
		if err != nil {
			return nil, fmt.Errorf("font %s: %w", f.name, err)
		}
		k.faces[i] = &face{name: f.name, data: f.data, font: parsed, known: map[rune]glyph{}, used: map[uint16]rune{}}
	}
	return k, nil
}

// glyph finds a character; ok is false where the font lacks it.
func (f *face) glyph(r rune) (g glyph, ok bool) {
	if g, ok := f.known[r]; ok {
		return g, g.id != 0
	}
	if id, err := f.font.GlyphIndex(&f.buf, r); err == nil && id != 0 {
		if w, err := f.font.GlyphAdvance(&f.buf, id, fixed.I(1000), font.HintingNone); err == nil {
			g = glyph{uint16(id), w.Round()}
		}
	}
	f.known[r] = g
	return g, g.id != 0
}

// printable writes what the fonts lack as code points: a box in its place would hide what a record says.
func (k *ink) printable(s string) string {
	var b strings.Builder
	for _, r := range s {
		_, regular := k.faces[0].glyph(r)
		if _, bold := k.faces[1].glyph(r); regular && bold {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, "[U+%04X]", r)
		}
	}
	return b.String()
}

func (k *ink) face(bold bool, size float64) {
	k.bold, k.size = 0, size
	if bold {
		k.bold = 1
	}
}

// width measures a printable text in the face that is set.
func (k *ink) width(s string) float64 {
	sum := 0
	for _, r := range s {
		g, _ := k.faces[k.bold].glyph(r)
		sum += g.width
	}
	return float64(sum) * k.size / 1000
}

func (k *ink) page() { k.pages = append(k.pages, new(bytes.Buffer)) }

// text writes a printable text whose base line begins at a place of a page.
func (k *ink) text(page int, x, y float64, s string) {
	if s == "" {
		return
	}
	f := k.faces[k.bold]
	w := k.pages[page]
	fmt.Fprintf(w, "BT /F%d %s Tf %s %s Td <", k.bold, number(k.size), number(x), number(paperHeight-y))
	for _, r := range s {
		g, _ := f.glyph(r)
		if _, ok := f.used[g.id]; !ok {
			f.used[g.id] = r
		}
		fmt.Fprintf(w, "%04X", g.id)
	}
	w.WriteString("> Tj ET\n")
}

// line draws a line; grey 0 is black.
func (k *ink) line(page int, x1, y1, x2, y2, width, grey float64) {
	fmt.Fprintf(k.pages[page], "%s w %s G %s %s m %s %s l S\n", number(width), number(grey), number(x1), number(paperHeight-y1), number(x2), number(paperHeight-y2))
}

func (k *ink) box(page int, x, y, w, h float64) {
	fmt.Fprintf(k.pages[page], "1 w 0 G %s %s %s %s re S\n", number(x), number(paperHeight-y-h), number(w), number(h))
}

func (k *ink) mark(page int, y float64, title string) {
	k.marks = append(k.marks, mark{title, page, y})
}

// number writes a length with two digits: thousandths of a point are nothing on paper.
func number(v float64) string {
	s := fmt.Sprintf("%.2f", v)
	s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	if s == "-0" {
		return "0"
	}
	return s
}

// words writes a text for the document's own particulars.
func words(s string) string {
	b := []byte{0xfe, 0xff}
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.BigEndian.AppendUint16(b, u)
	}
	return fmt.Sprintf("<%X>", b)
}

// bytes writes the document.
func (k *ink) bytes(title string, made time.Time) ([]byte, error) {
	// Objects: 1 catalog, 2 pages, 3 particulars, 4 outline, then five for each face, two for each page, one for each mark.
	var objects []string
	add := func(format string, args ...any) { objects = append(objects, fmt.Sprintf(format, args...)) }
	stream := func(dict string, data []byte) string {
		return fmt.Sprintf("<<%s/Length %d>>\nstream\n%s\nendstream", dict, len(data), data)
	}
	firstPage := 5 + 5*len(k.faces)
	firstMark := firstPage + 2*len(k.pages)
	add("<</Type/Catalog/Pages 2 0 R/Outlines 4 0 R/PageMode/UseOutlines/Lang(en-US)/ViewerPreferences<</DisplayDocTitle true>>>>")
	var kids strings.Builder
	for i := range k.pages {
		fmt.Fprintf(&kids, "%d 0 R ", firstPage+2*i)
	}
	add("<</Type/Pages/Count %d/Kids[%s]>>", len(k.pages), kids.String())
	date := made.UTC().Format("D:20060102150405Z")
	add("<</Title%s/Producer%s/CreationDate(%s)/ModDate(%s)>>", words(title), words("vedette "+Format+", edition "+Edition), date, date)
	if n := len(k.marks); n > 0 {
		add("<</Type/Outlines/First %d 0 R/Last %d 0 R/Count %d>>", firstMark, firstMark+n-1, n)
	} else {
		add("<</Type/Outlines/Count 0>>")
	}
	for i, f := range k.faces {
		at := 5 + 5*i
		program, err := f.cut()
		if err != nil {
			return nil, err
		}
		ids := slices.Sorted(maps.Keys(f.used))
		var widths, letters strings.Builder
		for _, id := range ids {
			g, _ := f.glyph(f.used[id])
			fmt.Fprintf(&widths, "%d[%d]", id, g.width)
		}
		for part := range slices.Chunk(ids, 100) {
			fmt.Fprintf(&letters, "%d beginbfchar\n", len(part))
			for _, id := range part {
				fmt.Fprintf(&letters, "<%04X> <%s>\n", id, strings.TrimSuffix(strings.TrimPrefix(words(string(f.used[id])), "<FEFF"), ">"))
			}
			letters.WriteString("endbfchar\n")
		}
		name := fmt.Sprintf("VEDET%c+%s", 'A'+i, f.name)
		add("<</Type/Font/Subtype/Type0/BaseFont/%s/Encoding/Identity-H/DescendantFonts[%d 0 R]/ToUnicode %d 0 R>>", name, at+1, at+4)
		add("<</Type/Font/Subtype/CIDFontType2/BaseFont/%s/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>/FontDescriptor %d 0 R/CIDToGIDMap/Identity/DW 600/W[%s]>>", name, at+2, widths.String())
		add("<</Type/FontDescriptor/FontName/%s/Flags 4/FontBBox[-440 -432 1167 1010]/ItalicAngle 0/Ascent 943/Descent -211/CapHeight 723/StemV %d/FontFile2 %d 0 R>>", name, 80+40*i, at+3)
		objects = append(objects, stream(fmt.Sprintf("/Length1 %d", len(program)), program))
		cmap := "/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n/CIDSystemInfo<</Registry(Adobe)/Ordering(UCS)/Supplement 0>> def\n/CMapName/Adobe-Identity-UCS def\n/CMapType 2 def\n" +
			"1 begincodespacerange\n<0000> <FFFF>\nendcodespacerange\n" + letters.String() + "endcmap\nCMapName currentdict /CMap defineresource pop\nend\nend"
		objects = append(objects, stream("", []byte(cmap)))
	}
	for i, p := range k.pages {
		add("<</Type/Page/Parent 2 0 R/MediaBox[0 0 %s %s]/Resources<</Font<</F0 5 0 R/F1 10 0 R>>>>/Contents %d 0 R>>", number(paperWidth), number(paperHeight), firstPage+2*i+1)
		objects = append(objects, stream("", p.Bytes()))
	}
	for i, m := range k.marks {
		beside := ""
		if i > 0 {
			beside += fmt.Sprintf("/Prev %d 0 R", firstMark+i-1)
		}
		if i+1 < len(k.marks) {
			beside += fmt.Sprintf("/Next %d 0 R", firstMark+i+1)
		}
		add("<</Title%s/Parent 4 0 R%s/Dest[%d 0 R/XYZ 0 %s 0]>>", words(m.title), beside, firstPage+2*m.page, number(paperHeight-m.y))
	}
	var out bytes.Buffer
	out.WriteString("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
	places := make([]int, len(objects))
	for i, o := range objects {
		places[i] = out.Len()
		fmt.Fprintf(&out, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	at := out.Len()
	id := sum(out.Bytes())
	fmt.Fprintf(&out, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, p := range places {
		fmt.Fprintf(&out, "%010d 00000 n \n", p)
	}
	fmt.Fprintf(&out, "trailer\n<</Size %d/Root 1 0 R/Info 3 0 R/ID[<%X><%X>]>>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, id[:16], id[:16], at)
	return out.Bytes(), nil
}

// cut returns the font's program with the outlines of the glyphs that were used, and of those that these are put together from. Glyphs keep their numbers.
func (f *face) cut() ([]byte, error) {
	bad := func(what string) ([]byte, error) { return nil, fmt.Errorf("font %s: %s", f.name, what) }
	b := f.data
	tables := map[string][]byte{}
	for i := range int(binary.BigEndian.Uint16(b[4:])) {
		e := b[12+16*i:]
		from, n := binary.BigEndian.Uint32(e[8:]), binary.BigEndian.Uint32(e[12:])
		if uint64(from)+uint64(n) > uint64(len(b)) {
			return bad("a table outside of the file")
		}
		tables[string(e[:4])] = b[from : from+n]
	}
	head, loca, glyf := tables["head"], tables["loca"], tables["glyf"]
	if len(head) < 54 || glyf == nil {
		return bad("no outlines")
	}
	long := binary.BigEndian.Uint16(head[50:]) == 1
	offset := func(i int) int {
		if long {
			return int(binary.BigEndian.Uint32(loca[4*i:]))
		}
		return 2 * int(binary.BigEndian.Uint16(loca[2*i:]))
	}
	count := len(loca)/2 - 1
	if long {
		count = len(loca)/4 - 1
	}
	keep := make([]bool, count)
	var take func(id int)
	take = func(id int) {
		if id >= count || keep[id] {
			return
		}
		keep[id] = true
		g := glyf[offset(id):offset(id+1)]
		if len(g) < 10 || int16(binary.BigEndian.Uint16(g)) >= 0 {
			return
		}
		for p := 10; ; { // parts of a glyph that is put together: flags, glyph, then its place
			flags := binary.BigEndian.Uint16(g[p:])
			take(int(binary.BigEndian.Uint16(g[p+2:])))
			p += 6
			if flags&1 != 0 {
				p += 2
			}
			switch {
			case flags&8 != 0:
				p += 2
			case flags&0x40 != 0:
				p += 4
			case flags&0x80 != 0:
				p += 8
			}
			if flags&0x20 == 0 {
				return
			}
		}
	}
	take(0)
	for _, id := range slices.Sorted(maps.Keys(f.used)) {
		take(int(id))
	}
	var outlines, places []byte
	for id := range count {
		places = binary.BigEndian.AppendUint32(places, uint32(len(outlines)))
		if keep[id] {
			outlines = append(outlines, glyf[offset(id):offset(id+1)]...)
			for len(outlines)%4 != 0 {
				outlines = append(outlines, 0)
			}
		}
	}
	places = binary.BigEndian.AppendUint32(places, uint32(len(outlines)))
	head = slices.Clone(head)
	binary.BigEndian.PutUint16(head[50:], 1)
	binary.BigEndian.PutUint32(head[8:], 0)
	tables["head"], tables["loca"], tables["glyf"] = head, places, outlines
	names := []string{"cvt ", "fpgm", "glyf", "head", "hhea", "hmtx", "loca", "maxp", "prep"}
	names = slices.DeleteFunc(names, func(n string) bool { return tables[n] == nil })
	var dir, body []byte
	n := len(names)
	power, log := 1, 0
	for power*2 <= n {
		power, log = power*2, log+1
	}
	dir = binary.BigEndian.AppendUint32(dir, 0x00010000)
	for _, v := range []int{n, 16 * power, log, 16*n - 16*power} {
		dir = binary.BigEndian.AppendUint16(dir, uint16(v))
	}
	for _, name := range names {
		t := slices.Clone(tables[name])
		size := len(t)
		for len(t)%4 != 0 {
			t = append(t, 0)
		}
		dir = append(dir, name...)
		for _, v := range []uint32{checksum(t), uint32(12 + 16*n + len(body)), uint32(size)} {
			dir = binary.BigEndian.AppendUint32(dir, v)
		}
		body = append(body, t...)
	}
	out := append(dir, body...)
	for i, name := range names {
		if name == "head" {
			at := binary.BigEndian.Uint32(out[12+16*i+8:])
			binary.BigEndian.PutUint32(out[at+8:], 0xb1b0afba-checksum(out))
		}
	}
	return out, nil
}

// checksum is that of the font format: its 32-bit words, added.
func checksum(b []byte) (s uint32) {
	for i := 0; i+4 <= len(b); i += 4 {
		s += binary.BigEndian.Uint32(b[i:])
	}
	return s
}
