package intake

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"vedette"
	"vedette/act/casefile"
	"vedette/edge/access"
	"vedette/edge/franking"
	"vedette/inline/sequence"
	"vedette/record/journal"
)

// Reports keeps what users report. *casefile.Book does.
type Reports interface {
	// Take keeps a report, durable when it returns; the same report again changes nothing.
	Take(ctx context.Context, in casefile.Incoming) (casefile.Receipt, error)
	// Refuse records that a report was refused, and why, in constant text.
	Refuse(ctx context.Context, t vedette.Tenant, id vedette.EventID, why string) error
	// Status returns how a report was graded. Its error wraps vedette.ErrUnknown.
	Status(ctx context.Context, t vedette.Tenant, id vedette.EventID) (casefile.Status, error)
}

var _ Reports = (*casefile.Book)(nil)

var errNoReports = &refused{http.StatusNotFound, "not-found", "reports are not taken here; send user.reported as an event"}

// Report takes one report. Whatever comes of it, what is answered to a taken one is the same: a reporter may be the operator, trying.
func (d *Door) Report(w http.ResponseWriter, r *http.Request) {
	v, err := d.keys.Admit(r, access.Reports)
	if err != nil {
		d.fail(w, r, err)
		return
	}
	if d.reports == nil {
		d.fail(w, r, errNoReports)
		return
	}
	if err := negotiate(r, "application/json", errWantJSON); err != nil {
		d.refuse(w, r, err)
		return
	}
	buf := bodies.Get().(*[]byte)
	defer func() {
		if cap(*buf) > 2*MaxEvent { // a pool of what decide needs
			return
		}
		*buf = (*buf)[:0]
		bodies.Put(buf)
	}()
	if err := d.body(w, r, buf, MaxReport, errLongReport); err != nil {
		d.refuse(w, r, err)
		return
	}
	s, err := d.sealers(v.Tenant)
	if err != nil {
		d.refuse(w, r, err)
		return
	}
	opt := d.options(v, d.now())
	// Not the request's context: who hangs up between the journal and the book would leave half a report.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), d.cfg.BatchLimit)
	defer cancel()
	f, err := d.file(ctx, *buf, s, &opt, func(one []sequence.Arrival) sequence.Outcome { return d.submit(r, one, d.cfg.BatchLimit)[0] })
	if err != nil {
		d.refuseReport(w, r, err)
		return
	}
	b := append([]byte(nil), `{"id":`...)
	b = appendString(b, f.ID)
	b = append(b, `,"status":"taken"}`+"\n"...)
	h := w.Header()
	h["Content-Type"] = jsonType
	h.Set("Content-Length", strconv.Itoa(len(b)))
	_, _ = w.Write(b) // the platform hung up; the report is kept all the same
}

// Filed is what became of a report. It is for the house's own people: a platform is told that a report was taken, and no more.
type Filed struct {
	casefile.Receipt
	ID    string // the platform's own
	Event vedette.EventID
	Why   string // how the grade came about
}

// File takes one report for somebody of the house, the same way as POST /v1/reports: read, graded, through the gate, into the book. Its error is a
// *Refusal, or wraps vedette.ErrUnavailable; then it is safe to hand the report over again.
func (d *Door) File(ctx context.Context, t vedette.Tenant, platform string, body []byte) (Filed, error) {
	if d.reports == nil {
		return Filed{}, errNoReports
	}
	s, err := d.sealers(t)
	if err != nil {
		return Filed{}, err
	}
	opt := DecodeOptions{Tenant: t, Platform: platform, Source: vedette.SourceHTTP, Now: d.now(), MaxAge: d.cfg.MaxAge, Dropped: &d.dropped}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.cfg.BatchLimit)
	defer cancel()
	f, err := d.file(ctx, body, s, &opt, func(one []sequence.Arrival) sequence.Outcome { return d.gate.Submit(ctx, one)[0] })
	if errors.Is(err, vedette.ErrConflict) {
		err = &Refusal{Field: "id", Byte: -1, Detail: otherBytes, Kind: vedette.ErrConflict}
	}
	return f, err
}

const otherBytes = "known with other bytes; the first report stands: give another report an id of its own"

// file reads a report, grades it, has the gate keep it and the book take it.
func (d *Door) file(ctx context.Context, body []byte, s Sealer, opt *DecodeOptions, submit func([]sequence.Arrival) sequence.Outcome) (Filed, error) {
	rd, err := readReport(body, opt)
	if err != nil {
		return Filed{}, err
	}
	in, arrival, err := d.judge(ctx, rd, s, opt)
	if err != nil {
		return Filed{}, err
	}
	if !d.bulk.TryAcquire(1) {
		return Filed{}, errFull
	}
	d.metrics.pending.Inc()
	out := submit([]sequence.Arrival{arrival})
	d.metrics.pending.Dec()
	d.bulk.Release(1)
	if out.Err != nil {
		return Filed{}, out.Err
	}
	if e, err := d.find(ctx, opt.Tenant, in.ID); err == nil && e.Event.Tenant == opt.Tenant {
		// As the event was seen at first, also when it was sent again: the same report is the same report.
		in.Taken, in.Age = e.Event.Seen, casefile.AgeIn(&e)
	}
	got, err := d.reports.Take(ctx, in)
	if err != nil {
		return Filed{}, err
	}
	d.metrics.events[answered(out)].Inc()
	return Filed{Receipt: got, ID: rd.w.id, Event: in.ID, Why: in.Why}, nil
}

// refuseReport answers a report that was not taken.
func (d *Door) refuseReport(w http.ResponseWriter, r *http.Request, err error) {
	d.metrics.events[resultOf(err)].Inc()
	p := explain(err)
	switch p.status {
	case http.StatusServiceUnavailable:
		p.detail = "the report could not be kept; send it again after Retry-After"
		p.retry = max(p.retry, 1)
	case http.StatusConflict:
		p.field, p.detail = "id", `"id": `+otherBytes
	case http.StatusInternalServerError:
		p.detail = "our fault; it was counted and a person is told: send the report again later"
	}
	d.failAs(w, r, err, p)
}

// judge grades a report, and makes of it what the gate and the book take. Only what was found to be right is sealed. Its error is a *Refusal, or wraps
// vedette.ErrUnavailable.
func (d *Door) judge(ctx context.Context, r *reportReader, s Sealer, opt *DecodeOptions) (in casefile.Incoming, a sequence.Arrival, err error) {
	w := &r.w
	id := s.EventID(w.id)
	links, beside, err := r.reported()
	if err != nil {
		return in, a, err
	}
	if err := d.franked(ctx, w, opt.Tenant, id); err != nil {
		return in, a, err
	}
	message, err := d.message(ctx, w, s, opt.Tenant)
	if err != nil {
		return in, a, err
	}

	ev := vedette.Event{
		Tenant: opt.Tenant, Platform: opt.Platform, ID: id, Bytes: s.Bytes(r.b), Source: opt.Source, At: w.at,
		Seen: opt.Now.UTC().Truncate(time.Millisecond), Tier: vedette.TierR,
	}
	body := &vedette.UserReported{Category: w.category}
	if ev.Actor, err = s.Account(w.reporter); err != nil {
		return in, a, sealFailed("reporter", err)
	}
	if w.has&hasSubject != 0 {
		if body.Subject, err = s.Account(w.subject); err != nil {
			return in, a, sealFailed("subject", err)
		}
	}
	if w.has&hasGroup != 0 {
		if body.Group, err = s.Group(w.group); err != nil {
			return in, a, sealFailed("group", err)
		}
	}
	if w.has&hasMessage != 0 {
		body.Message = s.EventID(w.message)
	}
	in.Report = casefile.Report{
		ID: id, Tenant: opt.Tenant, Bytes: ev.Bytes, At: w.at, Taken: ev.Seen, Reporter: ev.Actor, Subject: body.Subject, Message: body.Message,
		Category: w.category, Share: w.share, Age: -1,
	}
	body.Links, a.Links, a.Missing = r.seal(links, s, w.at)
	for i := range links {
		o := casefile.OpenLink{Tokens: body.Links[i], URL: r.url(&links[i])}
		if o.Tokens.Shape.Flags.Has(vedette.ShapeUnread) && o.Tokens.URL.IsZero() {
			// What our parser refuses some client may open. The journal keeps it as unread; the case can be about its bytes alone.
			o.Tokens.URL = s.Token(vedette.TokenURL, o.URL, w.at)
		}
		in.Sent = append(in.Sent, o)
	}
	if a.Missing&vedette.DegradedLinks != 0 {
		d.metrics.unread.Inc()
	}
	g := grading{r: r, s: s, links: links, beside: beside, event: &ev, body: body, message: message}
	if err := g.grade(&in); err != nil {
		return in, a, err
	}
	if len(links) == 0 && message != nil {
		_, carried := casefile.Sent(&message.Event)
		body.Links = carried // what the journal has of the message: nobody opened it, so a.Links stay none
		for _, l := range carried {
			in.Sent = append(in.Sent, casefile.OpenLink{Tokens: l})
		}
	}
	ev.Body = body
	a.Event = ev
	if w.has&hasFranking != 0 {
		in.Tag = append(append(in.Tag, w.franking.Commitment[:]...), w.franking.Tag[:]...)
	}
	if w.has&hasOpened != 0 {
		in.Content, err = r.content(s)
	}
	return in, a, err
}

// franked holds a franking tag against the platform's keys. A wrong one is recorded before it is refused.
func (d *Door) franked(ctx context.Context, w *wireReport, t vedette.Tenant, id vedette.EventID) error {
	if w.has&hasFranking == 0 {
		return nil
	}
	refuse := func(field, detail, why string) error {
		if err := d.reports.Refuse(ctx, t, id, why); err != nil {
			return err
		}
		return &Refusal{Field: field, Byte: -1, Detail: detail, Kind: vedette.ErrInvalid}
	}
	var keys []franking.Key
	if d.tags != nil {
		var err error
		if keys, err = d.tags.FrankingKeys(t); err != nil && !errors.Is(err, vedette.ErrUnknown) {
			return fmt.Errorf("intake: franking keys: %w", err)
		}
	}
	switch err := franking.Verify(keys, &w.franking); {
	case err == nil:
		return nil
	case errors.Is(err, franking.ErrNoKey):
		return refuse("franking.key_id", "no such key here; it was taken out, or never put in: add it, or send the report without franking", "franking: no such key")
	case errors.Is(err, franking.ErrTag):
		return refuse("franking.tag", "the platform did not carry this: the tag does not verify; nothing of the report was taken", "franking: forged tag")
	case errors.Is(err, franking.ErrCommitment):
		return refuse("franking.commitment", "the text and the key do not open it; nothing of the report was taken", "franking: another message than was committed to")
	default:
		return fmt.Errorf("intake: franking: %w", err)
	}
}

// message finds the reported message in the journal; nil when the report names none.
func (d *Door) message(ctx context.Context, w *wireReport, s Sealer, t vedette.Tenant) (*journal.Entry, error) {
	if w.has&hasMessage == 0 {
		return nil, nil
	}
	e, err := d.find(ctx, t, s.EventID(w.message))
	if err == nil && e.Event.Tenant != t {
		err = fmt.Errorf("intake: found another tenant's event: %w", vedette.ErrUnknown)
	}
	switch {
	case errors.Is(err, vedette.ErrUnknown):
		return nil, &Refusal{Field: "message", Byte: -1, Kind: vedette.ErrUnknown, Detail: "no event of this id is kept: it never came here, or its time is over; " +
			"send the report without message, as what the reporter says"}
	case err != nil:
		return nil, fmt.Errorf("intake: find a reported message: %w", err)
	}
	if sender, _ := casefile.Sent(&e.Event); sender.IsZero() {
		return nil, &Refusal{Field: "message", Byte: -1, Detail: "that event is no message and shows no link; name the message", Kind: vedette.ErrInvalid}
	}
	return &e, nil
}

// grading is what a grade follows from.
type grading struct {
	r       *reportReader
	s       Sealer
	links   []wireLink
	beside  bool // some links stand in messages beside the opened one
	event   *vedette.Event
	body    *vedette.UserReported
	message *journal.Entry
}

// grade finds how far a report proves that the message was sent. What contradicts lowers it, with the reason; a message that somebody else sent than
// the report says is refused.
func (g *grading) grade(in *casefile.Incoming) error {
	w := &g.r.w
	var why []string
	switch {
	case len(w.transcript) > 0:
		in.Grade, why = casefile.Transcript, append(why, "a transcript by the reporter's client")
	case w.screenshot != "":
		in.Grade, why = casefile.Screenshot, append(why, "text from a picture of a screen")
	case w.has&hasOpened != 0:
		in.Grade, why = casefile.Claim, append(why, "the reporter's client opened the message")
	default:
		in.Grade, why = casefile.Claim, append(why, "somebody says so")
	}
	var sender vedette.AccountID
	var carried []vedette.Link
	if g.message != nil {
		sender, carried = casefile.Sent(&g.message.Event)
		if !g.body.Subject.IsZero() && g.body.Subject != sender {
			return &Refusal{Field: "subject", Byte: -1, Detail: "did not send the reported message; leave subject out, or name the right message", Kind: vedette.ErrInvalid}
		}
		in.Subject = sender
		if m := &g.message.Event; len(g.links) == 0 {
			in.Recorded = len(carried) > 0
		} else {
			reported, _, _ := g.r.seal(g.links, g.s, m.At) // tokens of the message's own epoch
			in.Recorded = casefile.Carried(reported, carried)
		}
		switch to := casefile.Receiver(&g.message.Event); {
		case !to.Account.IsZero() && to.Account != g.event.Actor:
			in.Recorded = false
			why = append(why, "the journal says that the message went to somebody else")
		case in.Recorded:
			why = append(why, "the journal has the message with these links")
		case len(g.links) > 0 && len(carried) > 0:
			in.Grade = casefile.Claim // whatever was opened, it is not what was recorded
			why = append(why, "the journal has the message with other links")
		}
	}
	if w.has&hasFranking != 0 {
		ok, err := g.franked(in, sender, &why)
		if err != nil {
			return err
		}
		if ok {
			in.Grade = casefile.Franked
		}
	}
	in.Why = strings.Join(why, "; ")
	return nil
}

// franked tells whether a good tag proves this very report: that its links were sent, by its subject, to its reporter.
func (g *grading) franked(in *casefile.Incoming, sender vedette.AccountID, why *[]string) (bool, error) {
	o := &g.r.w.franking
	from, err := g.s.Account(o.Sender)
	if err != nil {
		return false, sealFailed("franking.sender", err)
	}
	if g.message != nil && from != sender {
		return false, &Refusal{Field: "franking.sender", Byte: -1, Detail: "did not send the reported message; name the message that was opened", Kind: vedette.ErrInvalid}
	}
	in.Subject = from
	switch mine, err := g.mine(); {
	case err != nil:
		return false, err
	case !mine:
		*why = append(*why, "the tag is good, and the message went to somebody else than the reporter")
		in.Grade = max(in.Grade, casefile.Transcript)
		return false, nil
	case g.beside || !g.r.stand(g.links, g.r.w.text):
		*why = append(*why, "the tag is good, and some links do not stand in the message that it covers")
		return false, nil
	}
	*why = append(*why, "the platform's own tag over the message is good")
	return true, nil
}

// mine tells whether the franked message went to the reporter, or to the group of the report.
func (g *grading) mine() (bool, error) {
	w := &g.r.w
	to := w.franking.Recipient
	if to == w.reporter || w.has&hasGroup != 0 && to == w.group {
		return true, nil
	}
	if g.message == nil {
		return false, nil
	}
	group := casefile.Receiver(&g.message.Event).Group
	if group.IsZero() {
		return false, nil
	}
	id, err := g.s.Group(to)
	if err != nil {
		return false, sealFailed("franking.recipient", err)
	}
	return id == group, nil
}

// openedFormat is the form of what is sealed for a case (docs/formats/report.md). People stand in it under their surrogates, so that erasing
// one from the vault leaves no name but those in the text.
const openedFormat = "vedette-opened-1"

type openedJSON struct {
	Format     string          `json:"format"`
	Text       string          `json:"text,omitempty"`
	Links      []string        `json:"links,omitempty"`
	Transcript []openedMessage `json:"transcript,omitempty"`
	Screenshot string          `json:"screenshot_text,omitempty"`
	Franking   *openedFranking `json:"franking,omitempty"`
}

type openedMessage struct {
	Sender vedette.AccountID `json:"sender"`
	At     time.Time         `json:"at"`
	Text   string            `json:"text,omitempty"`
	Links  []string          `json:"links,omitempty"`
}

type openedFranking struct {
	Commitment string            `json:"commitment"`
	Key        string            `json:"key"`
	Tag        string            `json:"tag"`
	KeyID      string            `json:"key_id"`
	Sender     vedette.AccountID `json:"sender"`
	SentAt     time.Time         `json:"sent_at"`
}

// content writes what was opened, for its box.
func (r *reportReader) content(s Sealer) ([]byte, error) {
	w := &r.w
	urls := func(ls []wireLink) (out []string) {
		for i := range ls {
			if u := r.url(&ls[i]); u != "" {
				out = append(out, u)
			}
		}
		return out
	}
	o := openedJSON{Format: openedFormat, Text: w.text, Links: urls(w.links), Screenshot: w.screenshot}
	for _, m := range w.transcript {
		who, err := s.Account(m.sender)
		if err != nil {
			return nil, sealFailed("opened.transcript", err)
		}
		o.Transcript = append(o.Transcript, openedMessage{who, m.at, m.text, urls(m.links)})
	}
	if w.has&hasFranking != 0 {
		f := &w.franking
		who, err := s.Account(f.Sender)
		if err != nil {
			return nil, sealFailed("franking.sender", err)
		}
		b64 := base64.RawURLEncoding.EncodeToString
		o.Franking = &openedFranking{b64(f.Commitment[:]), b64(f.Open[:]), b64(f.Tag[:]), f.KeyID, who, f.Sent}
	}
	b, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("intake: write what was opened: %w", err)
	}
	return b, nil
}

// Reported answers with how a report was graded.
func (d *Door) Reported(w http.ResponseWriter, r *http.Request, id string) {
	v, err := d.keys.Admit(r, access.Read)
	if err != nil {
		d.fail(w, r, err)
		return
	}
	if d.reports == nil {
		d.fail(w, r, errNoReports)
		return
	}
	if !accepts(r.Header.Values("Accept"), "application/json") {
		d.fail(w, r, notAcceptable("application/json"))
		return
	}
	if id == "" || len(id) > maxID {
		d.fail(w, r, &Refusal{Field: "id", Byte: -1, Detail: "want 1 to 256 bytes", Kind: vedette.ErrInvalid})
		return
	}
	s, err := d.sealers(v.Tenant)
	if err != nil {
		d.fail(w, r, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), d.cfg.Limit)
	defer cancel()
	st, err := d.reports.Status(ctx, v.Tenant, s.EventID(id))
	if errors.Is(err, vedette.ErrUnknown) {
		p := explain(err)
		p.detail = "no report is kept for this id"
		d.failAs(w, r, err, p)
		return
	}
	if err != nil {
		d.fail(w, r, err)
		return
	}
	b := append([]byte(nil), `{"id":`...)
	b = appendString(b, id)
	b = append(b, `,"status":"taken","at":"`...)
	b = st.At.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","taken":"`...)
	b = st.Taken.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","grade":"`...)
	b = append(b, st.Grade.String()...)
	b = append(b, `","why":`...)
	b = appendString(b, st.Why)
	b = append(b, '}', '\n')
	h := w.Header()
	h["Content-Type"] = jsonType
	h.Set("Content-Length", strconv.Itoa(len(b)))
	_, _ = w.Write(b)
}
