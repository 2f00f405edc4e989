// Package attribution weighs which operator stands behind a finding, against all the others.
//
// In:     evidence about a campaign, each piece with its source and grade; what was published about operators.
// Out:    three separate claims (campaign, tooling vendor, customer), hypotheses side by side, in the words of ICD 203.
// Keeps:  nothing.
// Fails:  it says "unknown" when the evidence is thin, which is its default; it is never an input to an action.
// Source: docs/decisions/0018-attribution.md
package attribution
