// Package tiles keeps the evidence log on disk, as tiles that any reader of the format can fetch.
//
// In:     leaves.
// Out:    their places, signed checkpoints, proofs.
// Keeps:  one folder in the C2SP tlog-tiles layout, and an open lock file in it.
// Fails:  Append returns nil only when a signed checkpoint covers the leaf; Open fails when anybody else holds the folder or another key signed it.
// Source: docs/decisions/0013-evidence-log.md, C2SP tlog-tiles
package tiles

import (
	"log/slog"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// Options are what a tree may be told. The zero value is good.
type Options struct {
	Log *slog.Logger // nil logs nothing. The library below has one log for the whole process: it goes to the first tree's
	// Patience is how long a leaf, and the checkpoint over it, may take before Append gives up and says so. Default 10s.
	Patience time.Duration
	Verifier note.Verifier   // of the signer; nil: the signer's own, when it comes from evidence.NewSigner
	Retired  []note.Verifier // keys that signed this folder's checkpoint before: one of them is signed anew, over the same tree
}

// How leaves become a checkpoint. Measured in docs/decisions/0013-evidence-log.md.
const (
	gather   = 2 * time.Millisecond   // leaves that come so close share a write
	widest   = 256                    // leaves in a write; a full bundle
	interval = 100 * time.Millisecond // between two checkpoints, the shortest that the library allows
	sweep    = time.Minute            // between two removals of partial tiles that full ones have replaced
	look     = time.Millisecond       // between two looks for a checkpoint that somebody waits for
)
