// Package intake is the one door for events: it reads them strictly, seals the people in them, has them decided and kept, and answers.
//
// In:     events as JSON, one or a batch of lines, from machines with a key (openapi.yaml, docs/formats/event.md).
// Out:    for each event the decision, once it is durable, or a problem that names the field and what helps.
// Keeps:  nothing on disk; in memory the events that wait for their answer, at most Config.Pending, and names of dropped fields.
// Fails:  bad input is the caller's (4xx) and seals nothing; what was not kept has no verdict (503); a line that breaks us is counted and
//
//	answered (500), and the rest of its batch goes on.
//
// Source: docs/decisions/0010-intake.md
package intake
