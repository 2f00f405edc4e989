//go:build !unix

package tiles

import (
	"context"
	"fmt"

	"golang.org/x/mod/sumdb/note"

	"vedette"
	"vedette/record/evidence"
)

// ErrOwned is the error of a folder that somebody has open.
var ErrOwned = fmt.Errorf("tiles: somebody has the folder open: %w", vedette.ErrBusy)

// Tree cannot be had here: the log on disk needs POSIX file locks and renames.
type Tree struct{ evidence.Tree }

// Open says that there is no tree here. Its error wraps vedette.ErrUnavailable.
func Open(context.Context, string, note.Signer, Options) (*Tree, error) {
	return nil, fmt.Errorf("tiles: no evidence log on this kind of system: %w", vedette.ErrUnavailable)
}
