-- +goose Up
CREATE TABLE person (
    number      INTEGER PRIMARY KEY AUTOINCREMENT, -- order of enrolment
    id          TEXT NOT NULL UNIQUE,
    name        TEXT NOT NULL,
    role        TEXT NOT NULL,
    key         BLOB NOT NULL UNIQUE CHECK (length(key) = 32),
    enrolled    INTEGER NOT NULL,                  -- Unix milliseconds, as all times here
    enrolled_by TEXT NOT NULL,                     -- ids between commas
    founder     INTEGER NOT NULL CHECK (founder IN (0, 1)),
    revoked     INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE asked (
    number  INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    what    TEXT NOT NULL,
    purpose TEXT NOT NULL,
    tenant  TEXT NOT NULL,
    matter  TEXT NOT NULL,                         -- the case
    people  TEXT NOT NULL,
    act     BLOB NOT NULL,
    given   INTEGER NOT NULL CHECK (given IN (0, 1)),
    why     TEXT NOT NULL
) STRICT;

CREATE TABLE machine (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    id       TEXT NOT NULL UNIQUE,
    tenant   TEXT NOT NULL,
    platform TEXT NOT NULL,
    scopes   TEXT NOT NULL,
    rate     REAL NOT NULL,
    burst    INTEGER NOT NULL,
    created  INTEGER NOT NULL,
    expires  INTEGER NOT NULL,                     -- 0: never
    revoked  INTEGER NOT NULL DEFAULT 0,
    secret   BLOB NOT NULL CHECK (length(secret) = 32)
) STRICT;

CREATE TABLE arming (
    revision INTEGER PRIMARY KEY,
    target   TEXT NOT NULL,                        -- '': the ceiling
    verdict  TEXT NOT NULL,
    at       INTEGER NOT NULL,
    until    INTEGER NOT NULL,                     -- 0: open
    by       TEXT NOT NULL,                        -- JSON list
    why      TEXT NOT NULL,
    act      BLOB NOT NULL
) STRICT;

-- What was asked and what was armed is only ever added to; people and machines only ever end.
-- +goose StatementBegin
CREATE TRIGGER asked_stays BEFORE UPDATE ON asked BEGIN SELECT RAISE(ABORT, 'asked is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER asked_remains BEFORE DELETE ON asked BEGIN SELECT RAISE(ABORT, 'asked is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER arming_stays BEFORE UPDATE ON arming BEGIN SELECT RAISE(ABORT, 'arming is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER arming_remains BEFORE DELETE ON arming BEGIN SELECT RAISE(ABORT, 'arming is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER person_remains BEFORE DELETE ON person BEGIN SELECT RAISE(ABORT, 'people are revoked, not deleted'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER person_stays BEFORE UPDATE ON person
WHEN OLD.revoked <> 0 OR NEW.id <> OLD.id OR NEW.key <> OLD.key OR NEW.enrolled <> OLD.enrolled OR NEW.founder <> OLD.founder
BEGIN SELECT RAISE(ABORT, 'a person can only be revoked, once'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER person_founders BEFORE INSERT ON person
WHEN NEW.founder = 1 AND (SELECT count(*) FROM person) >= 2
BEGIN SELECT RAISE(ABORT, 'the folder has its founders'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER machine_remains BEFORE DELETE ON machine BEGIN SELECT RAISE(ABORT, 'keys are revoked, not deleted'); END;
-- +goose StatementEnd

-- +goose Down
DROP TABLE arming;
DROP TABLE machine;
DROP TABLE asked;
DROP TABLE person;
