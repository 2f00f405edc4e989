package intake

import (
	"strconv"

	"vedette"
)

// appendAnswer writes the answer to one event as docs/formats/event.md has it. id is the platform's own.
func appendAnswer(b []byte, id string, ev vedette.EventID, d *vedette.Decision) []byte {
	b = append(b, `{"id":`...)
	b = appendString(b, id)
	b = append(b, `,"event":"`...)
	b = append(b, ev.String()...)
	b = append(b, `","verdict":"`...)
	b = append(b, d.Verdict.String()...)
	b = append(b, `","would":"`...)
	b = append(b, d.Would.String()...)
	b = append(b, `","observing":`...)
	b = strconv.AppendBool(b, d.Observing())
	b = append(b, `,"reasons":[`...)
	for i := range d.Reasons {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendReason(b, &d.Reasons[i])
	}
	b = append(b, `],"degraded":[`...)
	for i, n := range d.Degraded.Names() {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(b, '"'), n...), '"')
	}
	b = append(b, `],"generation":"`...)
	b = append(b, d.Generation.String()...)
	return append(b, '"', '}')
}

func appendReason(b []byte, r *vedette.Reason) []byte {
	b = append(b, `{"rule":`...)
	b = appendString(b, string(r.Rule))
	b = append(b, `,"verdict":"`...)
	b = append(b, r.Verdict.String()...)
	b = append(b, `","bits":`...)
	b = appendBits(b, r.Weight)
	b = append(b, `,"link":`...)
	b = strconv.AppendInt(b, int64(r.Link), 10)
	b = append(b, `,"armed":"`...)
	b = append(b, r.Armed.String()...)
	b = append(b, '"')
	if r.Shadow {
		b = append(b, `,"shadow":true`...)
	}
	b = append(b, `,"text":`...)
	b = appendString(b, r.Text)
	return append(b, '}')
}

// appendBits writes thousandths as a decimal with one to three places: exactly, whatever a reader's floating point does.
func appendBits(b []byte, m vedette.MilliBits) []byte {
	v := int64(m)
	if v < 0 {
		b = append(b, '-')
		v = -v
	}
	b = strconv.AppendInt(b, v/1000, 10)
	f := v % 1000
	b = append(b, '.', byte('0'+f/100))
	if f%100 != 0 {
		b = append(b, byte('0'+f/10%10))
	}
	if f%10 != 0 {
		b = append(b, byte('0'+f%10))
	}
	return b
}
