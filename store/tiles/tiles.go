// Package tiles keeps the evidence log on disk, as tiles that any reader of the format can fetch.
//
// In:     leaves.
// Out:    their places, signed checkpoints, proofs.
// Keeps:  one folder in the C2SP tlog-tiles layout.
// Fails:  Append returns nil only when a signed checkpoint covers the leaf.
// Source: docs/decisions/0013-evidence-log.md, C2SP tlog-tiles
package tiles
