package order

import (
	"context"
	"crypto/sha256"
	"time"

	"vedette"
)

// Version is an order as it was imported. Every version stays.
type Version struct {
	ID     string         `json:"id"`
	Number int            `json:"version"` // from 1
	Digest vedette.Digest `json:"digest"`  // SHA-256 of Text
	Text   []byte         `json:"-"`       // the YAML, byte for byte
	By     string         `json:"by"`      // an enrolled person
	At     time.Time      `json:"at"`
}

// FileDigest is what a version is known by.
func FileDigest(text []byte) vedette.Digest { return sha256.Sum256(text) }

// Store keeps orders with their history. Its errors wrap vedette.ErrUnavailable where none is named.
type Store interface {
	// Add keeps a version, durable when it returns. Its error wraps vedette.ErrConflict when the number is taken.
	Add(ctx context.Context, v Version) error
	// Versions returns all versions of an order, oldest first; none for one that is not there.
	Versions(ctx context.Context, id string) ([]Version, error)
	// Latest returns the newest version of each order, by id.
	Latest(ctx context.Context) ([]Version, error)
}

// Notes keeps what people noted of duties. Its errors wrap vedette.ErrUnavailable where none is named.
type Notes interface {
	// AddNote keeps a note, durable when it returns. Its error wraps vedette.ErrConflict when its clock has that number already.
	AddNote(ctx context.Context, n Note) error
	// Notes returns all notes, in order of their keeping.
	Notes(ctx context.Context) ([]Note, error)
}
