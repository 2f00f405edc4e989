package order

import (
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"vedette"
)

//go:embed duties.yaml
var builtIn []byte

// Duties are duties to report, and the calendars that they are counted by.
type Duties struct {
	Format    string     `yaml:"format" json:"format"`
	Duties    []Duty     `yaml:"duties" json:"duties"`
	Calendars []Calendar `yaml:"calendars" json:"calendars,omitempty"`
}

// Duty is one duty to report. Whether it is triggered is for people to say, with their reason either way.
type Duty struct {
	ID      string `yaml:"id" json:"id"`
	Name    string `yaml:"name" json:"name"`
	Source  string `yaml:"source" json:"source"`   // the law, the article
	Trigger string `yaml:"trigger" json:"trigger"` // what starts it, in words
	To      string `yaml:"to" json:"to"`           // who is told
	Confirm string `yaml:"confirm" json:"confirm"` // who must confirm that this file reads the law rightly
	Note    string `yaml:"note" json:"note,omitempty"`
	Steps   []Step `yaml:"steps" json:"steps"`
}

// Step is one thing to do under a duty.
type Step struct {
	ID       string   `yaml:"id" json:"id"`
	What     string   `yaml:"what" json:"what"`
	After    string   `yaml:"after" json:"after"`                 // "72 hours", "14 days", "4 business days", "1 month", "promptly", or "open": an event that others count from
	From     string   `yaml:"from" json:"from,omitempty"`         // "": the trigger; else the step that must be done first
	Calendar string   `yaml:"calendar" json:"calendar,omitempty"` // whose days count; needed for business days; days without one are UTC
	Remind   []string `yaml:"remind" json:"remind,omitempty"`     // hours before
}

// Calendar says which days are no business days.
type Calendar struct {
	ID       string   `yaml:"id" json:"id"`
	Zone     string   `yaml:"zone" json:"zone"`
	Source   string   `yaml:"source" json:"source"`
	Weekend  []string `yaml:"weekend" json:"weekend"`
	Holidays []string `yaml:"holidays" json:"holidays,omitempty"`
	From     string   `yaml:"from" json:"from"` // it is known from this day
	Through  string   `yaml:"through" json:"through"`
}

var afterPattern = regexp.MustCompile(`^([1-9][0-9]{0,3}) (hour|day|business day|month)s?$`)

// The two times of a step that are no numbers.
const (
	promptly = "promptly"
	open     = "open"
)

// BuiltIn returns the duties that come with the house. Counsel must confirm each.
func BuiltIn() *Duties {
	d, err := ReadDuties(builtIn)
	if err != nil {
		panic(err) // a test reads them
	}
	return d
}

// ReadDuties reads duties to report. Its error is Faults: everything that is wrong, with lines.
func ReadDuties(b []byte) (*Duties, error) {
	d := &Duties{}
	r := reader{lines: map[string]int{}, zone: time.UTC}
	if r.file(b, d, FormatDuties) {
		r.duties(d)
	}
	if err := r.err(); err != nil {
		return nil, err
	}
	return d, nil
}

func (r *reader) duties(d *Duties) {
	if len(d.Duties) == 0 {
		r.at("duties", "is missing")
	}
	calendars, ids := map[string]string{}, map[string]string{}
	for i := range d.Calendars {
		c, path := &d.Calendars[i], entry("calendars", i)
		r.id(path+".id", c.ID, calendars)
		r.need(path+".source", c.Source)
		if _, err := time.LoadLocation(c.Zone); err != nil || c.Zone == "" || c.Zone == "Local" {
			r.at(path+".zone", "%.60q is no time zone; want a name like America/New_York", c.Zone)
		}
		for k, w := range c.Weekend {
			one(r, entry(path+".weekend", k), w, "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
		}
		if len(c.Weekend) > 6 {
			r.at(path+".weekend", "leaves no day to count")
		}
		for k, h := range c.Holidays {
			r.dayOf(entry(path+".holidays", k), h)
		}
		r.dayOf(path+".from", c.From)
		r.dayOf(path+".through", c.Through)
	}
	for i := range d.Duties {
		x, path := &d.Duties[i], entry("duties", i)
		r.id(path+".id", x.ID, ids)
		for _, f := range []struct{ key, value string }{{"name", x.Name}, {"source", x.Source}, {"trigger", x.Trigger}, {"to", x.To}, {"confirm", x.Confirm}} {
			r.need(path+"."+f.key, f.value)
		}
		if len(x.Steps) == 0 {
			r.at(path+".steps", "is missing")
		}
		steps := map[string]string{}
		for k := range x.Steps {
			s, sub := &x.Steps[k], entry(path+".steps", k)
			if s.From != "" && steps[s.From] == "" {
				r.at(sub+".from", "no step %.60q stands before this one", s.From)
			}
			r.id(sub+".id", s.ID, steps)
			r.need(sub+".what", s.What)
			m := afterPattern.FindStringSubmatch(s.After)
			if m == nil && s.After != promptly && s.After != open {
				r.at(sub+".after", "%.60q: want 72 hours, 14 days, 4 business days, 1 month, promptly or open", s.After)
			}
			switch {
			case s.Calendar != "" && calendars[s.Calendar] == "":
				r.at(sub+".calendar", "there is no calendar %.60q in this file", s.Calendar)
			case m != nil && m[2] == "business day" && s.Calendar == "":
				r.at(sub+".calendar", "is missing: which days are business days")
			}
			for j, h := range s.Remind {
				if m := afterPattern.FindStringSubmatch(h); m == nil || m[2] != "hour" {
					r.at(entry(sub+".remind", j), "%.40q: want hours before, like 24 hours", h)
				}
			}
		}
	}
}

func (r *reader) dayOf(path, s string) {
	if _, err := time.Parse(time.DateOnly, s); err != nil {
		r.at(path, "%.40q: want a day like 2026-12-25", s)
	}
}

// Find returns a duty. Its error wraps vedette.ErrUnknown and names those that there are.
func (d *Duties) Find(id string) (*Duty, error) {
	var have []string
	for i := range d.Duties {
		if d.Duties[i].ID == id {
			return &d.Duties[i], nil
		}
		have = append(have, d.Duties[i].ID)
	}
	return nil, fmt.Errorf("order: no duty %.40q; known are %s: %w", id, strings.Join(have, ", "), vedette.ErrUnknown)
}

// Over lays duties over others: one of the same id replaces the one that is there, with the calendars of its own file.
func (d *Duties) Over(under *Duties) *Duties {
	out := &Duties{Format: FormatDuties, Duties: slices.Clone(under.Duties), Calendars: slices.Clone(under.Calendars)}
	for _, x := range d.Duties {
		out.Duties = slices.DeleteFunc(out.Duties, func(y Duty) bool { return y.ID == x.ID })
		out.Duties = append(out.Duties, x)
	}
	for _, c := range d.Calendars {
		out.Calendars = slices.DeleteFunc(out.Calendars, func(y Calendar) bool { return y.ID == c.ID })
		out.Calendars = append(out.Calendars, c)
	}
	return out
}

// Deadline returns when a step must be done that is counted from a time; zero where there is no fixed one. Hours are counted from the time itself. Days do not
// count the one on which it falls and end with the last; a month ends with the day of the same number, or the month's last. Where readings of the law
// differ, this is the earlier one: nothing is moved for a weekend. Its error wraps vedette.ErrUnknown where the calendar does not reach.
func (d *Duties) Deadline(s *Step, from time.Time) (time.Time, error) {
	m := afterPattern.FindStringSubmatch(s.After)
	if m == nil {
		return time.Time{}, nil
	}
	n, _ := strconv.Atoi(m[1])
	if m[2] == "hour" {
		return from.UTC().Add(time.Duration(n) * time.Hour), nil
	}
	zone := time.UTC
	var c *Calendar
	if i := slices.IndexFunc(d.Calendars, func(c Calendar) bool { return c.ID == s.Calendar }); i >= 0 {
		c = &d.Calendars[i]
		z, err := time.LoadLocation(c.Zone)
		if err != nil {
			return time.Time{}, fmt.Errorf("order: calendar %s: %w: %w", c.ID, vedette.ErrInvalid, err)
		}
		zone = z
	}
	day := from.In(zone)
	y, mo, dd := day.Date()
	end := func(y int, mo time.Month, d int) time.Time { return time.Date(y, mo, d+1, 0, 0, 0, 0, zone).UTC() }
	switch m[2] {
	case "day":
		return end(y, mo, dd+n), nil
	case "month":
		last := time.Date(y, mo+time.Month(n)+1, 0, 0, 0, 0, 0, zone).Day()
		return end(y, mo+time.Month(n), min(dd, last)), nil
	}
	if c == nil {
		return time.Time{}, fmt.Errorf("order: no calendar %q to count business days by: %w", s.Calendar, vedette.ErrUnknown)
	}
	if k := day.Format(time.DateOnly); k < c.From || k > c.Through {
		return time.Time{}, fmt.Errorf("order: calendar %s reaches from %s through %s, not to %s: %w", c.ID, c.From, c.Through, k, vedette.ErrUnknown)
	}
	for left := n; ; {
		dd++
		t := time.Date(y, mo, dd, 0, 0, 0, 0, zone)
		k := t.Format(time.DateOnly)
		if k > c.Through {
			return time.Time{}, fmt.Errorf("order: calendar %s reaches through %s, and %d business days are left to count: %w", c.ID, c.Through, left, vedette.ErrUnknown)
		}
		if slices.Contains(c.Weekend, strings.ToLower(t.Weekday().String())) || slices.Contains(c.Holidays, k) {
			continue
		}
		if left--; left == 0 {
			return end(y, mo, dd), nil
		}
	}
}

// Noting is what people say of a duty. The set is closed.
type Noting string

// The notings.
const (
	NoteStarted      Noting = "started"
	NoteNotTriggered Noting = "not triggered"
	NoteDone         Noting = "done" // of one step
)

// Note is one thing that a person noted of a duty in a matter. Notes are only ever added.
type Note struct {
	Clock  string    `json:"clock"` // all notes of one trigger have it
	Number int       `json:"number"`
	What   Noting    `json:"what"`
	Matter string    `json:"matter"`         // the case, or what it is about
	Step   string    `json:"step,omitempty"` // of done
	At     time.Time `json:"at"`             // when it was triggered, or done
	Noted  time.Time `json:"noted"`
	By     string    `json:"by"`
	Why    string    `json:"why"`
	Duties *Duties   `json:"duties,omitempty"` // of the first note: the duty alone, and its calendars, as they were read then
}

// Due is how a step stands.
type Due struct {
	Step
	State     string      `json:"state"` // "due", "overdue", "done", "done late", "waiting", "no fixed time", "open", "cannot be counted"
	Deadline  time.Time   `json:"deadline,omitzero"`
	Done      time.Time   `json:"done,omitzero"`
	Reminders []time.Time `json:"reminders,omitempty"` // when to remind, in order
	Remind    bool        `json:"remind"`              // one of them has passed and it is not done
	Why       string      `json:"why,omitempty"`       // why it cannot be counted
}

// Clock is a duty in a matter, as its notes say.
type Clock struct {
	ID        string    `json:"clock"`
	Duty      Duty      `json:"duty"`
	Matter    string    `json:"matter"`
	State     Noting    `json:"state"` // started, not triggered, or done: all its steps are
	Triggered time.Time `json:"triggered,omitzero"`
	Noted     time.Time `json:"noted"`
	By        string    `json:"by"`
	Why       string    `json:"why"`
	Steps     []Due     `json:"steps,omitempty"`
}

// Reckon says how the duties of all notes stand at a time, in order of the notes. Its error wraps vedette.ErrInvalid for notes that do not fit together.
func Reckon(notes []Note, now time.Time) ([]Clock, error) {
	var out []Clock
	for i := range notes {
		first := &notes[i]
		if first.What == NoteDone {
			continue
		}
		if first.Duties == nil || len(first.Duties.Duties) != 1 {
			return nil, fmt.Errorf("order: clock %s: its first note has no duty: %w", first.Clock, vedette.ErrInvalid)
		}
		c := Clock{ID: first.Clock, Duty: first.Duties.Duties[0], Matter: first.Matter, State: first.What, Noted: first.Noted, By: first.By, Why: first.Why}
		if first.What == NoteStarted {
			c.Triggered = first.At
			done := map[string]time.Time{}
			for _, n := range notes {
				if n.Clock == first.Clock && n.What == NoteDone {
					done[n.Step] = n.At
				}
			}
			c.State = NoteDone
			for k := range c.Duty.Steps {
				d := first.Duties.due(&c.Duty.Steps[k], first.At, done, now)
				if d.Done.IsZero() {
					c.State = NoteStarted
				}
				c.Steps = append(c.Steps, d)
			}
		}
		out = append(out, c)
	}
	return out, nil
}

func (d *Duties) due(s *Step, trigger time.Time, done map[string]time.Time, now time.Time) Due {
	out := Due{Step: *s, Done: done[s.ID]}
	from := trigger
	if s.From != "" {
		from = done[s.From]
	}
	switch {
	case from.IsZero() && !out.Done.IsZero():
		out.State = "done"
		return out
	case from.IsZero():
		out.State = "waiting"
		return out
	}
	deadline, err := d.Deadline(s, from)
	out.Deadline = deadline
	for _, h := range s.Remind {
		if m := afterPattern.FindStringSubmatch(h); m != nil && !deadline.IsZero() {
			n, _ := strconv.Atoi(m[1])
			if t := deadline.Add(-time.Duration(n) * time.Hour); t.After(from) {
				out.Reminders = append(out.Reminders, t)
			}
		}
	}
	slices.SortFunc(out.Reminders, time.Time.Compare)
	switch {
	case !out.Done.IsZero() && !deadline.IsZero() && out.Done.After(deadline):
		out.State = "done late"
	case !out.Done.IsZero():
		out.State = "done"
	case err != nil:
		out.State, out.Why = "cannot be counted", err.Error()
	case s.After == open:
		out.State = "open"
	case deadline.IsZero():
		out.State, out.Remind = "no fixed time", true
	case now.After(deadline):
		out.State = "overdue"
	default:
		out.State = "due"
	}
	if out.Done.IsZero() && !deadline.IsZero() {
		out.Remind = now.After(deadline) || len(out.Reminders) > 0 && !now.Before(out.Reminders[0])
	}
	return out
}
