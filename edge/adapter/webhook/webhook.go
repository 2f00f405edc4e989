// Package webhook delivers what has changed to a platform's own address, signed, until it is taken.
//
// In:     changes from an outbox.
// Out:    Standard Webhooks requests to one configured address of the platform's own.
// Keeps:  nothing; the outbox does.
// Fails:  delivery is tried again with growing pauses and then given up, which the outbox tells; a changed decision is never lost in silence.
// Source: docs/decisions/0020-after-delivery.md, Standard Webhooks 1.0
package webhook
