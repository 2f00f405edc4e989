// Package authority knows who may do what: enrolled people and their keys, approvals by two of them, and permits.
//
// In:     acts as canonical JSON, signatures over their digests.
// Out:    a yes or a named no; permits that only this room can make.
// Keeps:  people, their public keys and the approvals given, through a Store.
// Fails:  ErrUnapproved names what is missing; the zero Permit is refused wherever one is used.
// Source: docs/decisions/0005-two-people.md, RFC 8032 (Ed25519), RFC 8785 (canonical JSON)
package authority
