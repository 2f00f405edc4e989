package exhibit

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// pdfRows is how many lines of a table a PDF holds at most; the rest is in report.html and the JSON files, and it says so.
const pdfRows = 1000

// The type area, in points.
const (
	pdfLeft, pdfRight = 56.0, 556.0
	pdfTop, pdfBottom = 70.0, 734.0
	pdfWidth          = pdfRight - pdfLeft
)

// sheet lays a report out.
type sheet struct {
	*ink
	p  *page
	at int     // page
	y  float64 // where the next line begins
}

// pdf is the report on paper. Nothing in it but the page depends on when or where it is made.
func (p *page) pdf() ([]byte, error) {
	made, err := time.Parse("2006-01-02T15:04:05.000Z", p.Manifest.At)
	if err != nil {
		return nil, fmt.Errorf("exhibit: report: %w", err)
	}
	k, err := newInk()
	if err != nil {
		return nil, fmt.Errorf("exhibit: report: %w", err)
	}
	s := &sheet{ink: k, p: p, at: -1}
	s.turn()
	s.write()
	for i := range k.pages { // only now it is known how many there are
		k.face(false, 8.5)
		k.text(i, pdfLeft, 40, k.printable("Exhibit "+p.Manifest.Mark))
		foot := fmt.Sprintf("Page %d of %d", i+1, len(k.pages))
		k.text(i, (paperWidth-k.width(foot))/2, 760, foot)
		k.face(true, 8.5)
		k.text(i, pdfRight-k.width(p.Banner), 40, p.Banner)
		k.line(i, pdfLeft, 46, pdfRight, 46, 0.5, 0)
	}
	b, err := k.bytes("Exhibit "+p.Manifest.Mark+": "+p.Manifest.Case, made)
	if err != nil {
		return nil, fmt.Errorf("exhibit: report: %w", err)
	}
	return b, nil
}

// turn begins another page.
func (s *sheet) turn() {
	s.page()
	s.at++
	s.y = pdfTop
}

// room begins another page unless so much of this one is left.
func (s *sheet) room(h float64) {
	if s.y+h > pdfBottom {
		s.turn()
	}
}

func (s *sheet) write() {
	p := s.p
	s.box(s.at, pdfLeft, s.y, pdfWidth, 26)
	s.face(true, 10.5)
	s.text(s.at, (paperWidth-s.width(p.Banner))/2, s.y+16.8, p.Banner)
	s.y += 50
	s.flow(pdfLeft, pdfWidth, "Exhibit "+p.Manifest.Mark+": records of the evidence log", true, 19, 25)
	s.y += 2
	s.flow(pdfLeft, pdfWidth, p.Manifest.Case+". What is said here is alleged.", false, 11, 15)
	s.y += 12
	s.pairs(p.Facts)
	s.head("1. What this is")
	s.paragraphs(p.Intro...)
	s.head("2. Summary by kind of record")
	s.paragraphs("A summary in the sense of Rule 1006 of the Federal Rules of Evidence, made from the records in section 3 and the list in section 4.")
	s.table([]string{"Kind of record", "Records", "Shown", "First (UTC)", "Last (UTC)"}, []float64{150, 52, 52, 123, 123}, p.Summary)
	s.head("3. Timeline")
	s.paragraphs(`In the order of the log. "Place" is the record's position in the log, counted from 0. What a field says is alleged.`)
	s.table([]string{"Exhibit", "Place", "Time (UTC)", "Record", "What is shown of it"}, []float64{52, 40, 118, 98, 192}, p.Timeline)
	s.head("4. What is withheld")
	s.paragraphs(fmt.Sprintf("Derived from the records, not typed: every record of the case is shown above or listed here, and every field of a record that is shown is shown or listed here. The log holds %d further records that are no part of this case.", p.Outside))
	s.table([]string{"Reason", "In words", "Records", "Fields"}, []float64{62, 338, 52, 48}, p.Totals)
	s.y += 6
	s.table([]string{"Exhibit", "Place", "Record", "Withheld", "Reason"}, []float64{52, 40, 130, 216, 62}, p.Hidden)
	s.head("5. Custody")
	s.paragraphs("Every disclosure from the log for this case. Each was recorded in the log before anything was written.")
	s.table([]string{"Place", "Time (UTC)", "What, to whom, by whom, by which program"}, []float64{40, 118, 342}, p.Custody)
	s.head("6. Time")
	s.paragraphs(p.Time...)
	s.head("7. How to verify this exhibit")
	s.numbered(p.Check)
	s.head("8. What this exhibit and its tool cannot show")
	s.numbered(p.Limits)
	s.head("9. Digests of the records")
	s.paragraphs("The hash of each record's leaf in the log (RFC 6962, section 2.1). The digest of every file of the exhibit is in manifest.json, whose own digest is in the record that seal.json proves.")
	s.table([]string{"Exhibit", "Place", "Leaf hash (SHA-256)"}, []float64{52, 50, 398}, p.Leaves)
	s.head("10. Glossary")
	s.pairs(p.Glossary)
	s.y += 8
	s.paragraphs("Drafts of certificates under Rules 803(6), 902(11), 902(13), 902(14) and 1006 are in the folder certificates; none is signed.",
		"The fonts of this document have Latin, Greek and Cyrillic letters. Any other character is written as its Unicode number, such as [U+0645]; report.html shows it as it is. This document has no tags for screen readers; report.html is made for them.")
}

func (s *sheet) head(title string) {
	s.room(96)
	s.y += 14
	s.line(s.at, pdfLeft, s.y, pdfRight, s.y, 1.4, 0)
	s.mark(s.at, s.y-4, title)
	s.face(true, 12.5)
	s.text(s.at, pdfLeft, s.y+18, title)
	s.y += 28
}

func (s *sheet) paragraphs(texts ...string) {
	for _, t := range texts {
		s.flow(pdfLeft, pdfWidth, t, false, 10, 14)
		s.y += 6
	}
}

// flow writes a text that may go over pages.
func (s *sheet) flow(x, w float64, t string, bold bool, size, h float64) {
	s.face(bold, size)
	for _, l := range s.split(t, w) {
		s.room(h)
		s.text(s.at, x, s.y+float64(0.72*h), l)
		s.y += h
	}
}

func (s *sheet) numbered(texts []string) {
	for i, t := range texts {
		s.room(28)
		s.face(false, 10)
		s.text(s.at, pdfLeft, s.y+10.1, strconv.Itoa(i+1)+".")
		s.flow(pdfLeft+22, pdfWidth-22, t, false, 10, 14)
		s.y += 5
	}
}

func (s *sheet) pairs(list [][2]string) {
	for _, x := range list {
		s.face(false, 10)
		s.room(min(float64(14*len(s.split(x[1], pdfWidth-126))), 160))
		s.face(true, 10)
		s.text(s.at, pdfLeft, s.y+10.1, s.printable(x[0]))
		s.flow(pdfLeft+126, pdfWidth-126, x[1], false, 10, 14)
		s.y += 3
	}
}

// right tells which columns hold numbers.
func right(column string) bool {
	return slices.Contains([]string{"Place", "Records", "Shown", "Fields"}, column)
}

// table writes rows whose cells may have many lines. A row that is longer than a page goes on on the next.
func (s *sheet) table(head []string, widths []float64, rows [][]string) {
	const h, pad, size = 11.5, 2.5, 8.5
	cell := func(i int, x float64, t string) {
		if right(head[i]) {
			x += widths[i] - 14 - s.width(t)
		}
		s.text(s.at, x, s.y+8.6, t)
	}
	top := func() {
		s.face(true, size)
		x := pdfLeft
		for i, t := range head {
			cell(i, x, t)
			x += widths[i]
		}
		s.y += h + 3
		s.line(s.at, pdfLeft, s.y, pdfRight, s.y, 1, 0)
	}
	s.room(60)
	top()
	more := 0
	if len(rows) > pdfRows {
		rows, more = rows[:pdfRows], len(rows)-pdfRows
	}
	for _, r := range rows {
		cells, n := make([][]string, len(head)), 1
		for i := range head {
			s.face(head[i] == "Exhibit", size)
			cells[i] = s.split(r[i], widths[i]-8)
			n = max(n, len(cells[i]))
		}
		if s.y+float64(h*float64(min(n, 8)))+2*pad > pdfBottom {
			s.turn()
			top()
		}
		s.y += pad
		for l := range n {
			if s.y+h > pdfBottom {
				s.turn()
				top()
				s.y += pad
			}
			x := pdfLeft
			for i := range head {
				if l < len(cells[i]) {
					s.face(head[i] == "Exhibit", size)
					cell(i, x, cells[i][l])
				}
				x += widths[i]
			}
			s.y += h
		}
		s.y += pad
		s.line(s.at, pdfLeft, s.y, pdfRight, s.y, 0.4, 0.75)
	}
	if len(rows) == 0 {
		s.flow(pdfLeft, pdfWidth, "None.", false, size, h+4)
	}
	if more > 0 {
		s.y += 4
		s.flow(pdfLeft, pdfWidth, fmt.Sprintf("And %d more lines, which report.html and the files in JSON hold. They are as much part of this exhibit.", more), true, 9, 13)
	}
	s.y += 8
}

// split breaks a text into printable lines of a width, in the face that is set; also within words that are too long.
func (s *sheet) split(t string, w float64) []string {
	var out []string
	line, width := "", 0.0
	blank := s.width(" ")
	for word := range strings.FieldsSeq(s.printable(t)) {
		n := s.width(word)
		if line != "" && width+blank+n > w {
			out, line, width = append(out, line), "", 0
		}
		if line != "" {
			line, width = line+" "+word, width+blank+n
			continue
		}
		for n > w {
			cut, sum := 0, 0.0
			for i, r := range word {
				c := s.width(string(r))
				if sum+c > w && i > 0 {
					break
				}
				sum += c
				cut = i + len(string(r))
			}
			out = append(out, word[:cut])
			word = word[cut:]
			n = s.width(word)
		}
		line, width = word, n
	}
	if line != "" || len(out) == 0 {
		out = append(out, line)
	}
	return out
}
