package order

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"vedette"
)

// ActKind is a kind of act that clauses speak of.
type ActKind string

// The kinds. None of them needs somebody who was reached: to rehearse is an act too.
const (
	ActAccountCreated  ActKind = "account-created"
	ActTestAccountKept ActKind = "test-account-kept"
	ActTesting         ActKind = "testing" // a product was tried, on whomever
	ActGroup           ActKind = "group"   // a group was made or used to try something
	ActLinkSent        ActKind = "link-sent"
	ActInfrastructure  ActKind = "infrastructure"
	ActInterception    ActKind = "interception"
	ActAssisting       ActKind = "assisting"
	ActReverse         ActKind = "reverse-engineering"
	ActDataKept        ActKind = "data-kept"
	ActCodeKept        ActKind = "code-kept"
	ActNoCertificate   ActKind = "certificate-missing"
)

// ActKinds returns every kind.
func ActKinds() []ActKind {
	return []ActKind{
		ActAccountCreated, ActTestAccountKept, ActTesting, ActGroup, ActLinkSent, ActInfrastructure, ActInterception, ActAssisting, ActReverse, ActDataKept,
		ActCodeKept, ActNoCertificate,
	}
}

// Confidence is how sure an analyst is of who did it, in the words of ICD 203. There is no number of it.
type Confidence string

// The levels.
const (
	LowConfidence      Confidence = "low"
	ModerateConfidence Confidence = "moderate"
	HighConfidence     Confidence = "high"
)

// Act is what somebody did, with what is known of it. No score is in it, and none has a place.
type Act struct {
	ID         string      `yaml:"id" json:"id"`
	Kind       ActKind     `yaml:"kind" json:"kind"`
	Text       string      `yaml:"text" json:"text"` // in a sentence
	At         Moment      `yaml:"at" json:"at"`
	Until      *Moment     `yaml:"until" json:"until,omitempty"` // of what lasts, like keeping an account
	Platform   string      `yaml:"platform" json:"platform,omitempty"`
	Evidence   []string    `yaml:"evidence" json:"evidence"` // ids
	Actor      Actor       `yaml:"actor" json:"actor"`
	Exceptions []Condition `yaml:"exceptions" json:"exceptions,omitempty"` // what is known of a clause's exceptions, by their ids
	Doubt      *Defence    `yaml:"doubt" json:"doubt,omitempty"`           // fair ground of doubt
	Compliance *Defence    `yaml:"compliance" json:"compliance,omitempty"` // substantial compliance
	Inability  *Defence    `yaml:"inability" json:"inability,omitempty"`   // inability to comply
}

// Actor is who did it, as far as it is known.
type Actor struct {
	Party      string     `yaml:"party" json:"party,omitempty"` // an id or name of the register, or another name
	Confidence Confidence `yaml:"confidence" json:"confidence,omitempty"`
	Evidence   []string   `yaml:"evidence" json:"evidence,omitempty"`
}

// Condition says of one exception of a clause whether it applies.
type Condition struct {
	ID       string   `yaml:"id" json:"id"`
	Applies  Truth    `yaml:"applies" json:"applies"`
	Text     string   `yaml:"text" json:"text"`
	Evidence []string `yaml:"evidence" json:"evidence,omitempty"`
}

// Defence is what the other side says, and what stands behind it.
type Defence struct {
	Text     string   `yaml:"text" json:"text"`
	Evidence []string `yaml:"evidence" json:"evidence,omitempty"` // none: it was said, no more
}

// ElementState is how far an element stands.
type ElementState string

// The states.
const (
	Met      ElementState = "met"
	NotMet   ElementState = "not met"
	NotShown ElementState = "not shown"
	Gray     ElementState = "gray"
)

// Burden says who has to show an element.
type Burden string

// The burdens: civil contempt, where the movant shows by clear and convincing evidence, and what excuses is for the other side to show.
const (
	Movant     Burden = "movant"
	Respondent Burden = "respondent"
)

// Element is one of the things that a clause's test asks for.
type Element struct {
	Name     string       `json:"element"`
	Burden   Burden       `json:"burden"`
	State    ElementState `json:"state"`
	Text     string       `json:"text"`
	Evidence []string     `json:"evidence"` // ids of evidence, and papers
}

// ClauseTest is an act held against a clause, element by element. There is no sum of it: what it comes to is for a court to say.
type ClauseTest struct {
	Order     string    `json:"order"`
	Authority Kind      `json:"authority"`
	Clause    string    `json:"clause"`
	Act       string    `json:"act"`
	Elements  []Element `json:"elements"`
	Missing   []string  `json:"missing"` // elements of the movant's that are not met
	Status    string    `json:"status"`  // always "draft, alleged" here; see Assertion
}

// The names of elements, in their order.
const (
	ElementText       = "specific text"
	ElementActor      = "actor"
	ElementBound      = "bound"
	ElementAct        = "act"
	ElementTime       = "in force then"
	ElementPlatform   = "platform in scope"
	ElementNotice     = "notice before the act"
	ElementExceptions = "no exception"
	ElementDoubt      = "fair ground of doubt"
	ElementCompliance = "substantial compliance"
	ElementInability  = "inability to comply"
)

// Hold holds an act against each clause of an order.
func Hold(act *Act, o *Order) []ClauseTest {
	out := make([]ClauseTest, 0, len(o.Clauses))
	for i := range o.Clauses {
		c := &o.Clauses[i]
		t := ClauseTest{Order: o.ID, Authority: o.Kind, Clause: c.ID, Act: act.ID, Missing: []string{}, Status: Assertion{}.Words()}
		put := func(name string, b Burden, s ElementState, ids []string, format string, args ...any) {
			t.Elements = append(t.Elements, Element{name, b, s, fmt.Sprintf(format, args...), append([]string{}, ids...)})
			if b == Movant && s != Met {
				t.Missing = append(t.Missing, name)
			}
		}
		if c.Wording == Verbatim {
			put(ElementText, Movant, Met, []string{"sha256:" + c.SHA256}, "The clause's text was entered from the paper.")
		} else {
			put(ElementText, Movant, NotShown, nil, "The clause's text is a placeholder; nobody is held to words that have not been entered from the paper (Fed. R. Civ. P. 65(d)(1)).")
		}
		state, text := act.actor(o)
		put(ElementActor, Movant, state, act.Actor.Evidence, "%s", text)
		w := o.when(act, c.ID)
		put(ElementBound, Movant, w.bound.state, w.bound.papers, "%s", w.bound.text)
		state, text = act.does(c)
		put(ElementAct, Movant, state, act.Evidence, "%s", text)
		put(ElementTime, Movant, w.force.state, w.force.papers, "%s", w.force.text)
		state, text = act.where(o)
		put(ElementPlatform, Movant, state, act.Evidence, "%s", text)
		put(ElementNotice, Movant, w.notice.state, w.notice.papers, "%s", w.notice.text)
		state, text, ids := act.excepted(c)
		put(ElementExceptions, Movant, state, ids, "%s", text)
		state, text, ids = act.doubt(c, t.Elements)
		put(ElementDoubt, Respondent, state, ids, "%s", text)
		state, text, ids = act.Compliance.state("Substantial compliance")
		put(ElementCompliance, Respondent, state, ids, "%s", text)
		state, text, ids = act.Inability.state("Inability to comply")
		put(ElementInability, Respondent, state, ids, "%s", text)
		out = append(out, t)
	}
	return out
}

func (a *Act) actor(o *Order) (ElementState, string) {
	who := a.Actor.Party
	if p := o.Party(who); p != nil {
		who = p.Name
	}
	switch {
	case a.Actor.Party == "":
		return NotShown, "Who did it is not shown."
	case len(a.Actor.Evidence) == 0:
		return NotShown, fmt.Sprintf("That it was %s is said without evidence.", who)
	case a.Actor.Confidence == HighConfidence:
		return Met, fmt.Sprintf("That it was %s is held with high confidence.", who)
	case a.Actor.Confidence == ModerateConfidence:
		return Gray, fmt.Sprintf("That it was %s is held with moderate confidence, which is short of clear and convincing.", who)
	}
	return NotShown, fmt.Sprintf("That it was %s is held with low confidence at most.", who)
}

func (a *Act) does(c *Clause) (ElementState, string) {
	what := strings.TrimRight(strings.TrimSpace(a.Text), ".")
	switch {
	case len(c.Acts) == 0:
		return Gray, fmt.Sprintf("Whether “%s” is what the clause speaks of (%s: %s) is for a person to read.", what, c.Verb, c.Object)
	case !slices.Contains(c.Acts, a.Kind):
		return NotMet, fmt.Sprintf("The clause (%s: %s) does not speak of an act of this kind (%s).", c.Verb, c.Object, a.Kind)
	case len(a.Evidence) == 0:
		return NotShown, fmt.Sprintf("“%s” is said without evidence.", what)
	}
	text := fmt.Sprintf("“%s” is an act of a kind that the clause speaks of (%s: %s).", what, c.Verb, c.Object)
	switch a.Kind {
	case ActAccountCreated, ActTestAccountKept, ActTesting, ActGroup:
		text += " It needs nobody who was reached."
	}
	return Met, text
}

func (a *Act) where(o *Order) (ElementState, string) {
	if a.Platform == "" {
		return NotShown, "On which platform it happened is not shown."
	}
	if slices.Contains(o.Platforms, a.Platform) {
		if len(a.Evidence) == 0 {
			return NotShown, fmt.Sprintf("That it happened on %s is said without evidence.", a.Platform)
		}
		return Met, a.Platform + " is a platform of the order."
	}
	for i := range o.Exclusions {
		if x := &o.Exclusions[i]; slices.Contains(x.Platforms, a.Platform) {
			return NotMet, fmt.Sprintf("%s: %s It is recorded, and not counted under this order.", x.ID, sentence(x.Text))
		}
	}
	return NotMet, a.Platform + " is no platform of the order."
}

func sentence(s string) string {
	s = strings.TrimSpace(s)
	if s != "" && !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}

// excepted says whether an exception applies: Met is that none does.
func (a *Act) excepted(c *Clause) (ElementState, string, []string) {
	if len(c.Exceptions) == 0 {
		return Met, "The clause has no exception.", nil
	}
	var open, out []string
	var ids []string
	for _, x := range c.Exceptions {
		i := slices.IndexFunc(a.Exceptions, func(k Condition) bool { return k.ID == x.ID })
		if i < 0 {
			out = append(out, x.ID)
			continue
		}
		k := &a.Exceptions[i]
		switch {
		case k.Applies == Yes:
			return NotMet, fmt.Sprintf("Exception %s applies: %s", x.ID, sentence(k.Text)), k.Evidence
		case k.Applies == Unknown:
			open = append(open, x.ID)
		case len(k.Evidence) == 0:
			out = append(out, x.ID)
		}
		ids = append(ids, k.Evidence...)
	}
	switch {
	case len(out) > 0:
		return NotShown, fmt.Sprintf("That %s does not apply is not shown.", strings.Join(out, ", ")), ids
	case len(open) > 0:
		return Gray, fmt.Sprintf("Whether %s applies is open.", strings.Join(open, ", ")), ids
	}
	return Met, "No exception of the clause applies.", ids
}

// doubt is the other side's to show; what is gray in our own elements is doubt that nobody had to raise.
func (a *Act) doubt(c *Clause, elements []Element) (ElementState, string, []string) {
	state, text, ids := a.Doubt.state("Fair ground of doubt")
	if state == Met {
		return state, text, ids
	}
	var gray []string
	if c.Wording == Placeholder {
		gray = append(gray, ElementText)
	}
	for _, e := range elements {
		if e.State == Gray && e.Burden == Movant {
			gray = append(gray, e.Name)
		}
	}
	if len(gray) > 0 {
		return Gray, fmt.Sprintf("%s There is doubt in what stands above: %s.", text, strings.Join(gray, ", ")), ids
	}
	return state, text, ids
}

func (d *Defence) state(name string) (ElementState, string, []string) {
	switch {
	case d == nil:
		return NotShown, name + " was not raised.", nil
	case len(d.Evidence) == 0:
		return Gray, fmt.Sprintf("%s was raised, without evidence: %s", name, sentence(d.Text)), nil
	}
	return Met, fmt.Sprintf("%s was raised, with evidence: %s", name, sentence(d.Text)), d.Evidence
}

// part is one of the three things that depend on time.
type part struct {
	state  ElementState
	text   string
	papers []string
}

type timed struct{ force, bound, notice part }

// when asks the register about the time of an act. An act at a time that is not known exactly is held at every time that it may have had; what lasts is
// held at the best time that it had, the same for all three.
func (o *Order) when(a *Act, clause string) timed {
	if a.Actor.Party == "" {
		nobody := part{NotShown, "Whom to ask about is not shown.", nil}
		t := timed{bound: nobody, notice: nobody}
		t.force = o.forceOnly(a, clause)
		return t
	}
	list := o.times(a)
	if len(list) == 0 {
		p := part{NotShown, "When it happened is not shown.", nil}
		return timed{p, p, p}
	}
	answers := make([]Answer, 0, len(list))
	for _, at := range list {
		if x, err := o.InForce(clause, a.Actor.Party, at); err == nil {
			answers = append(answers, x)
		}
	}
	if a.Until != nil {
		best := slices.MaxFunc(answers, func(x, y Answer) int {
			return (rank(x.Answer)*27 + rank(x.Force)*9 + rank(x.Bound)*3 + rank(x.Notice)) - (rank(y.Answer)*27 + rank(y.Force)*9 + rank(y.Bound)*3 + rank(y.Notice))
		})
		answers = []Answer{best}
	}
	take := func(about []string, of func(*Answer) Truth) part {
		first := of(&answers[0])
		for i := range answers {
			if of(&answers[i]) != first {
				return part{Gray, "The act's own time is not known well enough: " + a.At.String() + ".", nil}
			}
		}
		return partOf(first, answers[0].Reasons, about, answers[0].At)
	}
	t := timed{
		force:  take([]string{"order"}, func(x *Answer) Truth { return x.Force }),
		bound:  take([]string{"binding", "exclusion"}, func(x *Answer) Truth { return x.Bound }),
		notice: take([]string{"notice"}, func(x *Answer) Truth { return x.Notice }),
	}
	if p := o.Party(a.Actor.Party); t.notice.state == Gray && p != nil && len(p.Notice) == 0 {
		t.notice.state = NotShown
	}
	return t
}

func (o *Order) forceOnly(a *Act, clause string) part {
	var was Truth
	var why []Reason
	list := o.times(a)
	if len(list) == 0 {
		return part{NotShown, "When it happened is not shown.", nil}
	}
	for i, at := range list {
		f, r := o.force(clause, at)
		switch {
		case i == 0 || a.Until != nil && rank(f) > rank(was):
			was, why = f, r
		case f != was && a.Until == nil:
			return part{Gray, "The act's own time is not known well enough: " + a.At.String() + ".", nil}
		}
	}
	return partOf(was, why, []string{"order"}, list[0])
}

func partOf(t Truth, reasons []Reason, about []string, at time.Time) part {
	p := part{state: map[Truth]ElementState{Yes: Met, No: NotMet, Unknown: Gray}[t]}
	var texts []string
	for _, r := range reasons {
		if slices.Contains(about, r.About) {
			texts = append(texts, r.Text)
			if r.Instrument != "" {
				p.papers = append(p.papers, r.Instrument)
			}
		}
	}
	p.text = fmt.Sprintf("At %s: %s.", Exactly(at), strings.TrimRight(strings.Join(texts, "; "), "."))
	return p
}

// times are the instants at which an act must be held: its ends, and every instant of the order between them. Between these nothing changes.
func (o *Order) times(a *Act) (out []time.Time) {
	from, to := a.At.Earliest, a.At.Latest
	if a.Until != nil { // surely under way
		from, to = a.At.Latest, a.Until.Earliest
		if from.IsZero() || !to.After(from) {
			to = from
		}
	}
	if from.IsZero() || to.IsZero() {
		return nil
	}
	out = append(out, from)
	for _, t := range o.Instants() {
		if t.After(from) && t.Before(to) {
			out = append(out, t)
		}
	}
	return out
}

// actFile is how acts stand in a file.
type actFile struct {
	Format string `yaml:"format"`
	Zone   string `yaml:"zone"`
	Acts   []Act  `yaml:"acts"`
}

// ReadActs reads what is known of acts. Its error is Faults: everything that is wrong, with lines.
func ReadActs(b []byte) ([]Act, error) {
	var f actFile
	r := reader{lines: map[string]int{}, zone: time.UTC}
	if r.file(b, &f, FormatAct) {
		if len(f.Acts) == 0 {
			r.at("acts", "is missing")
		}
		ids := map[string]string{}
		for i := range f.Acts {
			a, path := &f.Acts[i], entry("acts", i)
			r.id(path+".id", a.ID, ids)
			one(&r, path+".kind", a.Kind, ActKinds()...)
			r.need(path+".text", a.Text)
			if r.lines[path+".at"] == 0 {
				r.at(path+".at", "is missing; say unknown where it is not known")
			}
			r.period(path, &a.At, a.Until)
			if a.Platform != "" {
				r.platform(path+".platform", a.Platform)
			}
			r.ids(path+".evidence", a.Evidence)
			r.ids(path+".actor.evidence", a.Actor.Evidence)
			if a.Actor.Party != "" {
				one(&r, path+".actor.confidence", a.Actor.Confidence, LowConfidence, ModerateConfidence, HighConfidence)
			}
			for k := range a.Exceptions {
				x, sub := &a.Exceptions[k], entry(path+".exceptions", k)
				r.id(sub+".id", x.ID, nil)
				one(&r, sub+".applies", x.Applies, Yes, No, Unknown)
				r.need(sub+".text", x.Text)
				r.ids(sub+".evidence", x.Evidence)
			}
			for _, d := range []struct {
				key string
				*Defence
			}{{"doubt", a.Doubt}, {"compliance", a.Compliance}, {"inability", a.Inability}} {
				if d.Defence != nil {
					r.need(path+"."+d.key+".text", d.Text)
					r.ids(path+"."+d.key+".evidence", d.Evidence)
				}
			}
		}
	}
	return f.Acts, r.err()
}

func (r *reader) ids(path string, list []string) {
	for i, s := range list {
		if s = strings.TrimSpace(s); s == "" || len(s) > 200 {
			r.at(entry(path, i), "want an id of evidence, at most 200 bytes")
		}
	}
}

// Outcome is what a court found.
type Outcome string

// The outcomes.
const (
	Found    Outcome = "found"
	NotFound Outcome = "not found"
)

// CourtFinding is an entered finding of a court about one clause.
type CourtFinding struct {
	Court      string  `json:"court"`
	Instrument string  `json:"instrument"` // the paper
	Outcome    Outcome `json:"outcome"`
}

// Assertion is who stands for acts' being held against a clause. Its zero value is a draft. Nothing but an entered finding of a court ends "alleged".
type Assertion struct {
	by        string
	signature vedette.Digest
	finding   CourtFinding
}

// Assert makes a draft somebody's word: a name, and the digest of the act that they signed. Its error wraps vedette.ErrForbidden without either.
func (a Assertion) Assert(by string, signature vedette.Digest) (Assertion, error) {
	if strings.TrimSpace(by) == "" || signature.IsZero() {
		return a, fmt.Errorf("order: nobody asserts without a name and a signature: %w", vedette.ErrForbidden)
	}
	a.by, a.signature = by, signature
	return a, nil
}

// Enter adds a court's finding; a later one replaces it, as on appeal. Its error wraps vedette.ErrInvalid without court, paper or outcome, and for what nobody
// asserted.
func (a Assertion) Enter(f CourtFinding) (Assertion, error) {
	if strings.TrimSpace(f.Court) == "" || strings.TrimSpace(f.Instrument) == "" || f.Outcome != Found && f.Outcome != NotFound {
		return a, fmt.Errorf("order: a finding is entered with its court, its paper, and found or not found: %w", vedette.ErrInvalid)
	}
	if a.by == "" {
		return a, fmt.Errorf("order: a finding is entered for what somebody asserted: %w", vedette.ErrInvalid)
	}
	a.finding = f
	return a, nil
}

// Signature is the digest of what was signed; zero for a draft.
func (a Assertion) Signature() vedette.Digest { return a.signature }

// Words say how far it has come.
func (a Assertion) Words() string {
	switch {
	case a.finding.Outcome != "":
		return fmt.Sprintf("asserted by %s; %s by %s (%s)", a.by, a.finding.Outcome, a.finding.Court, a.finding.Instrument)
	case a.by != "":
		return fmt.Sprintf("asserted by %s, alleged", a.by)
	}
	return "draft, alleged"
}
