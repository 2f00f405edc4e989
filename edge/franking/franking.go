// Package franking verifies that a reported message is what the platform carried.
//
// In:     an opened message, its commitment's key, the platform's tag and what the tag covers.
// Out:    yes, or which part does not fit.
// Keeps:  nothing; the platform's key is handed in.
// Fails:  a tag that does not verify is vedette.ErrForbidden and names no bytes. It convinces the platform only: its key makes tags too.
// Source: docs/formats/franking.md, RFC 2104
package franking
