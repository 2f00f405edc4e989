-- +goose Up
-- What many indicators share: one source, one day, one grade.
CREATE TABLE indicator_terms (
    id          INTEGER PRIMARY KEY,
    source      TEXT NOT NULL,
    operator    TEXT NOT NULL,
    grade       TEXT NOT NULL,
    confidence  INTEGER,          -- 0 to 100; NULL: absent
    tlp         INTEGER NOT NULL,
    valid_from  INTEGER,          -- Unix milliseconds; NULL: absent
    valid_until INTEGER,
    published   INTEGER,
    verdict     INTEGER NOT NULL,
    weight      INTEGER NOT NULL  -- thousandths of a bit
) STRICT;

-- Every state that an indicator was ever in. Only ever appended to.
CREATE TABLE indicator_version (
    seq      INTEGER PRIMARY KEY,
    prev     INTEGER NOT NULL,    -- seq of the version before it; 0: none
    key      BLOB NOT NULL,       -- digest of scope, source and value
    change   INTEGER NOT NULL,    -- 1 added, 2 changed, 3 revoked, 4 overridden
    recorded INTEGER NOT NULL,    -- Unix milliseconds
    known    INTEGER NOT NULL,    -- when this house first had it
    value    TEXT NOT NULL,
    scope    INTEGER NOT NULL,
    terms    INTEGER NOT NULL,    -- id in indicator_terms; no foreign key: it would cost a statement journal on every insert
    original TEXT NOT NULL,
    ref      TEXT NOT NULL,
    note     TEXT NOT NULL        -- of a revocation: its reason
) STRICT;

-- Few versions follow another one; this finds what a version was followed by.
CREATE INDEX indicator_version_prev ON indicator_version (prev, recorded) WHERE prev <> 0;

-- The last version of each indicator.
CREATE TABLE indicator_last (
    key     BLOB PRIMARY KEY,
    seq     INTEGER NOT NULL,
    content BLOB NOT NULL         -- digest of what is said; empty: revoked
) STRICT, WITHOUT ROWID;

-- What imports brought that is not about links.
CREATE TABLE indicator_kept (
    key      BLOB PRIMARY KEY,
    type     TEXT NOT NULL,
    value    TEXT NOT NULL,
    source   TEXT NOT NULL,
    ref      TEXT NOT NULL,
    note     TEXT NOT NULL,
    recorded INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE indicator_override (
    seq       INTEGER PRIMARY KEY,
    act       BLOB NOT NULL,      -- canonical JSON, as signed
    approvals TEXT NOT NULL,      -- JSON array of base64
    at        INTEGER NOT NULL
) STRICT;

CREATE TABLE indicator_guard (
    name  TEXT PRIMARY KEY,
    kind  INTEGER NOT NULL,       -- 0 as the list says, 1 popular, 2 shared
    data  BLOB NOT NULL,
    added INTEGER NOT NULL
) STRICT;

-- +goose Down
DROP TABLE indicator_guard;
DROP TABLE indicator_override;
DROP TABLE indicator_kept;
DROP TABLE indicator_last;
DROP TABLE indicator_version;
DROP TABLE indicator_terms;
