// Package casefile gathers what people must judge, and who decided what.
//
// In:     reports, findings without accounts, people's decisions.
// Out:    leads and cases, with reports weighed by how independent their reporters are.
// Keeps:  through a Store, reports (their opened message sealed for the case), cases and their log, which is only added to.
// Fails:  errors wrap the kinds of package vedette; a report that was taken is never lost.
// Source: docs/decisions/0019-report.md, docs/formats/report.md
package casefile

import (
	"time"

	"vedette"
)

// Grade is how far a report proves that the message was sent. Stronger is larger.
type Grade uint8

// The grades.
const (
	Claim      Grade = iota + 1 // somebody says so
	Screenshot                  // text that somebody says was on a screen
	Transcript                  // messages in order, by the reporter's client
	Franked                     // the platform's own tag over the committed message was verified: it convinces the platform, nobody else
)

// ID names a case: "case_" and 13 characters of base 32, from what it is about.
type ID string

// State is how far a case has come.
type State string

// The states, in order.
const (
	Signal    State = "signal"
	Open      State = "case"
	Confirmed State = "confirmed"
	Contained State = "contained"
	Swept     State = "swept"
	Closed    State = "closed"
)

// Link is one link of a reported message, opened for the case.
type Link struct {
	Host    string       `json:"host"`    // canonical
	Display string       `json:"display"` // defanged
	Tokens  vedette.Link `json:"-"`       // as the journal has it; zero tokens where the report alone has the link
	URL     []byte       `json:"-"`       // the whole link, sealed for the case: a one-time link names one person
}

// Report is what somebody on the platform told, as it is kept.
type Report struct {
	ID       vedette.EventID // of the user.reported event
	Tenant   vedette.Tenant
	At       time.Time
	Reporter vedette.AccountID
	Subject  vedette.AccountID // whom it is about; zero: not told
	Message  vedette.EventID   // the reported event; zero: not told
	Category vedette.ReportCategory
	Grade    Grade
	Why      string // in words: how the grade came about
	Share    bool   // the reporter agreed that third parties get it
	Links    []Link
	Opened   []byte // the opened message, sealed for the case; nil: nothing was opened
	// Age is how long the reporter's account was known then; negative: not measured. Known with Standing says whether it may count in full.
	Age time.Duration
}
