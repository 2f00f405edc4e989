package exhibit

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"vedette"
	"vedette/link"
	"vedette/record/evidence"
)

// Edition is the wording and the layout of report and certificates. Who changes them gives it another number, so that a verifier knows whether it can
// make the report again.
const Edition = "1"

// page is the report before it is laid out: for people, made from what is in the other files alone.
type page struct {
	Manifest *Manifest
	Root     vedette.Digest
	Banner   string
	Facts    [][2]string
	Intro    []string
	Summary  [][]string // kind, records, shown, first, last
	Timeline [][]string // exhibit, place, time, what, shown
	Totals   [][]string // reason, records, fields
	Hidden   [][]string // exhibit, place, kind, field, reason
	Outside  uint64
	Custody  [][]string // place, time, what
	Leaves   [][]string // exhibit, place, leaf hash
	Time     []string
	Check    []string
	Limits   []string
	Glossary [][2]string
}

var banners = map[Variant]string{Public: "PUBLIC VERSION", Sealed: "FILED UNDER SEAL", Attorneys: "ATTORNEYS' EYES ONLY"}

// kindWords are what kinds of records are called in a report.
var kindWords = map[evidence.Kind]string{
	evidence.KindSeal: "Sealed range of events", evidence.KindAsked: "Permission asked", evidence.KindReport: "User report", evidence.KindHunt: "Search of past events",
	evidence.KindLead: "Case state", evidence.KindConfirm: "Confirmation by a person", evidence.KindBlock: "Measure decided", evidence.KindOutcome: "Outcome of a measure",
	evidence.KindChanged: "Delivered messages changed", evidence.KindAttr: "Assessment", evidence.KindErasure: "Erasure", evidence.KindDisclose: "Disclosure",
	evidence.KindFinding: "Detector finding", evidence.KindClock: "Duty to report",
}

func kindWord(k evidence.Kind) string {
	if w, ok := kindWords[k]; ok {
		return w
	}
	return string(k)
}

// pageOf makes a report's content.
func pageOf(m *Manifest, cp evidence.Checkpoint, shown []evidence.Shown, index *Index, w *Withheld, line *Timeline, held *Custody, anchors []string) *page {
	p := &page{Manifest: m, Root: cp.Root, Banner: banners[m.Variant], Outside: w.Outside}
	groups := "kind, time and state of each record"
	for _, g := range m.Disclose {
		groups += ", " + string(g)
	}
	first, last := "", ""
	for i, e := range line.Events {
		if i == 0 || e.At < first {
			first = e.At
		}
		if i == 0 || e.At > last {
			last = e.At
		}
	}
	whole := 0
	for _, r := range w.Records {
		if r.Whole != "" {
			whole++
		}
	}
	p.Facts = [][2]string{
		{"Matter", m.Case},
		{"Prepared for", m.For},
		{"Version", string(m.Variant)},
		{"Exhibit ids", fmt.Sprintf("%s to %s", exhibitID(m.Mark, 1), exhibitID(m.Mark, m.Records))},
		{"Records", fmt.Sprintf("%d of the case; %d shown at least in part, %d withheld as a whole", m.Records, m.Records-whole, whole)},
		{"Earliest and latest", span(first, last)},
		{"Disclosed", groups},
		{"Evidence log", m.Origin},
		{"Signed checkpoint", fmt.Sprintf("%d records, root %s", cp.Size, cp.Root)},
		{"Disclosure recorded", fmt.Sprintf("record %d of the log, %s UTC", m.Disclosure, clock(m.At))},
	}
	p.Intro = []string{
		"This exhibit holds records of a messaging platform's evidence log that belong to one case. The records were written by the platform's software as it ran, at the times that they show by the platform's own clock; the last of them tell how this exhibit came about. Each is committed to, field by field, in an append-only log whose state the platform signs. Whoever holds an earlier signed state of the log finds it if a record was altered, removed or put in between since; sections 6 and 8 say what that leaves open.",
		"What the records say is alleged. They are the platform's own account of what its systems and staff observed and did. Nothing in this exhibit is a finding of a court, and nothing in it says that an order or a law was violated. No field that names a person on the platform is part of it, and no identifier of theirs; what people wrote in their own words, where it is shown, was not searched for names.",
		"All versions of this exhibit (public, sealed, attorneys' eyes) prove the same records: a field that is withheld here is committed to by the same digest as where it is shown.",
	}
	p.summary(index, line)
	next := 0
	for n, x := range index.Records {
		row := []string{exhibitID(m.Mark, n+1), strconv.FormatUint(x.Index, 10), "withheld", kindWord(x.Kind), "withheld as a whole; see section 4"}
		if next < len(line.Events) && line.Events[next].Index == x.Index {
			e := line.Events[next]
			row[2], row[4] = clock(e.At), fieldsLine(e.Shows)
			next++
		}
		p.Timeline = append(p.Timeline, row)
	}
	p.hidden(w)
	for _, x := range held.Exports {
		what := fieldsLine(x.Shows)
		if x.This {
			what = "This exhibit. " + what
		}
		p.Custody = append(p.Custody, []string{strconv.FormatUint(x.Index, 10), clock(x.At), what})
	}
	for n := range shown {
		p.Leaves = append(p.Leaves, []string{exhibitID(m.Mark, n+1), strconv.FormatUint(shown[n].Index, 10), shown[n].Leaf.String()})
	}
	if slices.Contains(m.Disclose, Indicators) {
		p.Intro = append(p.Intro, "Hosts and links are written with [.] in this report, so that nobody follows one by accident. The records hold them as they are. Do not open them: to open a link of this kind can infect a device and tells its operator.")
	}
	p.Time = []string{"Times in this report are those of the platform's own clock, in UTC."}
	if len(anchors) == 0 {
		p.Time = append(p.Time, "No independent anchor is part of this exhibit. It is internally consistent, and unanchored: nobody but the platform says when the log stood as it stands. A time stamp or a witness's signature that predates the dispute would say so; it can be compared with the checkpoint above whenever one is produced.")
	} else {
		p.Time = append(p.Time, "Anchors by others are part of this exhibit: "+strings.Join(anchors, "; ")+". Whether they are good is found by whoever verifies, by the keys and certificates that they trust.")
	}
	p.Check = []string{
		"Get the platform's public key by another way than this exhibit came: a key that comes with the exhibit proves nothing.",
		"Run: vedette verify --key KEY EXHIBIT.zip. It needs no network and nothing else of the platform. It gives four verdicts: integrity (no byte differs from what was sealed), signer (the pinned key signed), completeness (every record of the case's index is shown or listed as withheld, with its position, type and reason), and time (whether somebody independent says when).",
		"The format is public (vedette-exhibit-1), so that an expert can write a verifier of their own: SHA-256, Ed25519, RFC 6962 trees, C2SP signed notes and checkpoints, RFC 8785 JSON, stored zip.",
	}
	p.Limits = []string{
		"Whether what a record says is true is not tested. The log shows that it was said, in what order, and that it was not changed since.",
		"Which records belong to the case is the platform's index, made by a fixed rule (each record that names the case, and what follows from it), and signed into the log with this disclosure. That the rule was applied to the whole log can be checked with the whole log alone.",
		"What was never recorded is not here. Events before the software ran, and events that it could not see (the content of encrypted messages among them), leave no record.",
		"A score, an opinion about who is behind something, and the reasoning of counsel are not part of an exhibit. No statement in this report rests on a score.",
		"Fields erased by law before this exhibit was made cannot be shown any more; their commitments stay and are listed.",
		"The platform holds the key that signs. It could sign two different logs for two readers; that is found when two checkpoints are compared or a witness signs them, and not otherwise.",
	}
	p.Glossary = [][2]string{
		{"alleged", "said by the party that offers it; not found by a court"},
		{"anchor", "the signature of somebody independent (a time-stamp authority under RFC 3161, or a witness) over a checkpoint, which shows that the log stood so at that time"},
		{"checkpoint", "a signed statement of how many records the log holds, and of one digest (the root) that changes if any of them does"},
		{"commitment", "a digest of a value together with 32 random bytes (the salt): it fixes the value without telling it"},
		{"consistency proof", "digests that show that a later log is the earlier one with records added behind it, and nothing else changed"},
		{"digest", "a SHA-256 value, 64 hexadecimal digits: two different contents with the same one have never been found"},
		{"evidence log", "the list, only ever added to, of what the platform's software and staff judged and did"},
		{"inclusion proof", "digests that show that a record stands at its place under a checkpoint"},
		{"leaf", "what stands in the log for one record: the commitments of its fields"},
		{"seal", "the record of the log, written after this exhibit was put together, that holds the digest of its manifest"},
		{"withheld", "not shown here, and listed with position, type and reason"},
	}
	return p
}

// files are everything for people: drafts of certificates, then the report.
func (p *page) files() ([]file, error) {
	var out []file
	for _, c := range certificates(p) {
		out = append(out, file{"certificates/" + c.name, []byte(c.text)})
	}
	html, err := p.html()
	if err != nil {
		return nil, err
	}
	pdf, err := p.pdf()
	return append(out, file{"report.html", html}, file{"report.pdf", pdf}), err
}

func (p *page) summary(index *Index, line *Timeline) {
	type row struct {
		n, shown    int
		first, last string
	}
	rows := map[evidence.Kind]*row{}
	for _, x := range index.Records {
		if rows[x.Kind] == nil {
			rows[x.Kind] = &row{}
		}
		rows[x.Kind].n++
	}
	for _, e := range line.Events {
		r := rows[e.Kind]
		if r == nil {
			continue
		}
		if r.shown++; r.first == "" || e.At < r.first {
			r.first = e.At
		}
		r.last = max(r.last, e.At)
	}
	for _, k := range evidence.Kinds() {
		if r := rows[k]; r != nil {
			p.Summary = append(p.Summary, []string{kindWord(k), strconv.Itoa(r.n), strconv.Itoa(r.shown), clock(r.first), clock(r.last)})
		}
	}
}

func (p *page) hidden(w *Withheld) {
	records, fields := map[string]int{}, map[string]int{}
	for _, r := range w.Records {
		if r.Whole != "" {
			records[r.Whole]++
			p.Hidden = append(p.Hidden, []string{r.Exhibit, strconv.FormatUint(r.Index, 10), kindWord(r.Kind), "the whole record", r.Whole})
		}
		why := []string{}
		by := map[string][]string{}
		for _, q := range r.Parts {
			fields[q.Reason]++
			if by[q.Reason] == nil {
				why = append(why, q.Reason)
			}
			by[q.Reason] = append(by[q.Reason], strings.TrimPrefix(q.Name, "-"))
		}
		for _, y := range why {
			p.Hidden = append(p.Hidden, []string{r.Exhibit, strconv.FormatUint(r.Index, 10), kindWord(r.Kind), strings.Join(by[y], ", "), y})
		}
	}
	var names []string
	for name := range w.Reasons {
		if records[name]+fields[name] > 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		p.Totals = append(p.Totals, []string{name, w.Reasons[name], strconv.Itoa(records[name]), strconv.Itoa(fields[name])})
	}
}

// clock is a time as people read it; tables say that it is UTC.
func clock(at string) string {
	if at == "" {
		return "withheld"
	}
	return strings.TrimSuffix(strings.Replace(at, "T", " ", 1), "Z")
}

func span(first, last string) string {
	if first == "" {
		return "no time is shown"
	}
	return clock(first) + " to " + clock(last) + " UTC"
}

// readable writes a field for people: hosts and links so that nobody follows one out of a report by accident, an act's members as words.
func readable(name, s string) string {
	switch name {
	case "value", "about":
		return tame(s)
	case "act", "refused_names":
		var v any
		if json.Unmarshal([]byte(s), &v) != nil {
			return s
		}
		return sentence(v)
	}
	return s
}

// tame defangs once, also what is defanged already.
func tame(s string) string { return link.Defang(link.Refang(s)) }

func sentence(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case []any:
		out := make([]string, len(v))
		for i := range v {
			out[i] = sentence(v[i])
		}
		return strings.Join(out, ", ")
	case map[string]any:
		names := slices.Sorted(maps.Keys(v))
		for i, n := range names {
			s := sentence(v[n])
			if n == "value" || n == "name" || n == "host" {
				s = tame(s)
			}
			names[i] = n + " " + s
		}
		return "(" + strings.Join(names, ", ") + ")"
	}
	b, _ := compact(v) // a number, true, false or null: it cannot fail
	return string(b)
}

// fieldsLine is what is shown of a record, in one line.
func fieldsLine(shows map[string]string) string {
	var names []string
	for n := range shows {
		names = append(names, n)
	}
	slices.Sort(names)
	var out []string
	for _, n := range names {
		if shows[n] != "" {
			out = append(out, strings.ReplaceAll(n, "_", " ")+": "+strings.Join(strings.Fields(readable(n, shows[n])), " "))
		}
	}
	return strings.Join(out, "; ")
}

// certificate is one draft.
type certificate struct{ name, text string }

// certificates are drafts for a person who knows to complete and sign. They assert nothing by themselves.
func certificates(p *page) []certificate {
	m := p.Manifest
	head := func(rule, title string) string {
		return fmt.Sprintf(`DRAFT - NOT SIGNED - FOR COUNSEL TO COMPLETE
%s

%s
(Federal Rules of Evidence, Rule %s)

Court:            [COURT]
Case:             [CAPTION AND DOCKET NUMBER]
Matter:           %s
Exhibit:          %s to %s (%s)
Evidence log:     %s
Checkpoint:       %d records, root %s
Exhibit file:     SHA-256 [TO BE FILLED IN FROM THE FILE THAT IS OFFERED]

I, [NAME], declare:

1.  I am [TITLE] of [ORGANIZATION]. I am competent to testify, and the facts stated here are known to me
    [FROM MY OWN KNOWLEDGE / IN THE FOLLOWING WAY: ____].
`, strings.Repeat("=", 60), title, rule, m.Case, exhibitID(m.Mark, 1), exhibitID(m.Mark, m.Records), m.Variant, m.Origin, m.Size, p.Root)
	}
	tail := `
I declare under penalty of perjury under the laws of the United States of America that the foregoing is
true and correct (28 U.S.C. 1746).

Executed on [DATE] at [PLACE].            ______________________________
                                          [NAME, NOT SIGNED]
`
	notice := `
    Reasonable written notice of the intent to offer, and the record and this certification for inspection,
    must be given to the adverse party before trial or hearing: [DATE AND WAY OF NOTICE].
`
	return []certificate{
		{"fre-1006.txt", head("1006", "SUMMARY TO PROVE CONTENT: FOUNDATION") + fmt.Sprintf(`
2.  The records of the case are %d in number, and cannot be conveniently examined in court. The report in this
    exhibit (report.html, report.pdf) summarises them: by kind, in a timeline, and by what is withheld.
3.  The summary was made by software from the files of this exhibit alone. Each line names the record that it
    is taken from. I have compared [NUMBER] lines with their records and found [RESULT].
4.  The originals or duplicates were made available for examination or copying at [TIME AND PLACE].
`, m.Records) + tail},
		{"fre-803-6.txt", head("803(6)", "RECORDS OF A REGULARLY CONDUCTED ACTIVITY: FOUNDATION") + `
2.  The records were made at or near the time of what they record, by [SOFTWARE AND STAFF WITH KNOWLEDGE].
3.  They were kept in the course of a regularly conducted activity of [ORGANIZATION], namely [ACTIVITY].
4.  Making such records was a regular practice of that activity, and not done for this litigation.
5.  [ON STATEMENTS OF OTHERS WITHIN THE RECORDS, SUCH AS REPORTS BY USERS: FOR COUNSEL TO CONSIDER.]
6.  I know of [NO / THE FOLLOWING] circumstance that indicates a lack of trustworthiness: ____.
` + tail},
		{"fre-902-11.txt", head("902(11)", "CERTIFICATION OF DOMESTIC RECORDS OF A REGULARLY CONDUCTED ACTIVITY") + `
2.  I am the custodian of these records, or another person qualified to certify them.
3.  The records were made at or near the time by, or from information transmitted by, someone with knowledge;
    were kept in the course of a regularly conducted activity; and making them was a regular practice of it
    (Rule 803(6)(A) to (C)).
4.  [FOREIGN RECORDS: RULE 902(12) INSTEAD.]
` + notice + tail},
		{"fre-902-13.txt", head("902(13)", "CERTIFICATION OF RECORDS GENERATED BY AN ELECTRONIC PROCESS OR SYSTEM") + `
2.  The records were generated by the program vedette, version [VERSION; SEE custody.json], which writes a
    record when [DESCRIPTION OF THE PROCESS, BY THE PERSON WHO CERTIFIES].
3.  Each field of a record is committed to by SHA-256 with a random salt of its own. The commitments are a leaf
    of an append-only Merkle tree (RFC 6962) whose state is signed with Ed25519. A change of any record after
    it was written changes the root above.
4.  The process produces an accurate result. My reasons: [TESTS, AUDITS, OPERATING RECORDS; NOT CONCLUSORY].
5.  On [DATE] I verified the file with "vedette verify" and a public key that I had obtained by [WAY]. The result:
    integrity [____], signer [____], completeness [____], time [____].
6.  The log was last interrupted, restored or moved: [NEVER / WHEN AND HOW].
` + notice + tail},
		{"fre-902-14.txt", head("902(14)", "CERTIFICATION OF DATA COPIED FROM AN ELECTRONIC DEVICE, STORAGE MEDIUM OR FILE") + `
2.  The records in this exhibit were copied from the evidence log named above by [PERSON] on [DATE].
3.  They are authenticated by a process of digital identification: each record's leaf hash, and the proof that
    leads from it to the signed checkpoint, are in records/. The SHA-256 of every file is in manifest.json; the
    SHA-256 of manifest.json is in the record that seal.json proves.
4.  I compared the digests on [DATE] by [PROGRAM AND VERSION]. All of them were equal: [RESULT].
` + notice + tail},
	}
}
