// Package records keeps what is looked up by name and changes by hand: indicators and their history, people and approvals, keys of machines, what is armed.
//
// In:     a folder.
// Out:    one database, and for each room that needs one, its store.
// Keeps:  records.db (SQLite, write-ahead log) in the folder.
// Fails:  Open fails when another process owns the folder or a migration does not apply; errors wrap the kinds of package vedette.
// Source: docs/decisions/0004-stores.md
package records

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the driver "sqlite", pure Go
)

//go:embed migrations/*.sql
var migrations embed.FS

// DB is the one database of a data folder.
type DB struct {
	db *sql.DB
}

// Open opens or creates records.db in dir and brings its schema up to date.
func Open(ctx context.Context, dir string) (*DB, error) {
	path := filepath.Join(dir, "records.db")
	dsn := "file:" + (&url.URL{Path: path}).EscapedPath() +
		"?_pragma=journal_mode(wal)&_pragma=synchronous(full)&_pragma=foreign_keys(1)&_pragma=busy_timeout(5000)&_pragma=secure_delete(1)&_txlock=immediate"
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("records: open %s: %w", path, err)
	}
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, files)
	if err == nil {
		_, err = provider.Up(ctx)
	}
	if err != nil {
		_ = db.Close()
		return nil, fmt.Errorf("records: bring %s up to date: %w", path, err)
	}
	return &DB{db: db}, nil
}

// Close ends all use of the database.
func (d *DB) Close() error { return d.db.Close() }
