-- +goose Up
CREATE TABLE hunt (
    number   INTEGER PRIMARY KEY AUTOINCREMENT,
    id       TEXT NOT NULL UNIQUE,
    at       INTEGER NOT NULL,                     -- Unix milliseconds, as all times here
    what     TEXT NOT NULL,
    tenant   TEXT NOT NULL,
    question BLOB NOT NULL CHECK (length(question) = 32),
    text     BLOB,                                 -- the canonical question; NULL when it was too long ago
    names    INTEGER NOT NULL,
    refused  INTEGER NOT NULL,
    by       TEXT NOT NULL,
    matter   TEXT NOT NULL,                        -- the case
    given    INTEGER NOT NULL CHECK (given IN (0, 1)),
    why      TEXT NOT NULL,
    found    TEXT NOT NULL,                        -- 'unanswered', 'none', 'some', '10 and more': never a number
    of       TEXT NOT NULL
) STRICT;

CREATE INDEX hunt_spent ON hunt (tenant, at) WHERE given = 1 AND what IN ('ask', 'again', 'stand');
CREATE INDEX hunt_text ON hunt (at) WHERE text IS NOT NULL;

CREATE TABLE hunt_standing (
    id       TEXT PRIMARY KEY,
    tenant   TEXT NOT NULL,
    question BLOB NOT NULL CHECK (length(question) = 32),
    text     BLOB NOT NULL,
    by       TEXT NOT NULL,
    since    INTEGER NOT NULL,
    until    INTEGER NOT NULL,
    ended    INTEGER NOT NULL DEFAULT 0            -- 0: not by hand
) STRICT;

CREATE TABLE hunt_met (
    id  TEXT NOT NULL REFERENCES hunt_standing (id) ON DELETE CASCADE,
    day INTEGER NOT NULL,                          -- days since 1970
    PRIMARY KEY (id, day)
) STRICT, WITHOUT ROWID;

CREATE TABLE hunt_kept (
    id        TEXT NOT NULL,
    part      INTEGER NOT NULL,
    tenant    TEXT NOT NULL,
    matter    TEXT NOT NULL,
    question  BLOB NOT NULL CHECK (length(question) = 32),
    name      TEXT NOT NULL,
    at        INTEGER NOT NULL,
    until     INTEGER NOT NULL,
    sightings INTEGER NOT NULL,
    box       BLOB NOT NULL,                       -- sealed for the case
    PRIMARY KEY (id, part)
) STRICT;

CREATE INDEX hunt_kept_case ON hunt_kept (tenant, matter);
CREATE INDEX hunt_kept_until ON hunt_kept (until);

-- What was asked of the past is only ever added to: an answer is noted once, and the names of a question are forgotten once.
-- +goose StatementBegin
CREATE TRIGGER hunt_remains BEFORE DELETE ON hunt BEGIN SELECT RAISE(ABORT, 'hunt is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER hunt_stays BEFORE UPDATE ON hunt
WHEN NEW.number <> OLD.number OR NEW.id <> OLD.id OR NEW.at <> OLD.at OR NEW.what <> OLD.what OR NEW.tenant <> OLD.tenant
  OR NEW.question <> OLD.question OR NEW.names <> OLD.names OR NEW.refused <> OLD.refused OR NEW.by <> OLD.by OR NEW.matter <> OLD.matter
  OR NEW.given <> OLD.given OR NEW.why <> OLD.why OR NEW.of <> OLD.of
  OR (NEW.found <> OLD.found AND OLD.found <> 'unanswered') OR (NEW.text IS NOT NULL AND NEW.text IS NOT OLD.text)
BEGIN SELECT RAISE(ABORT, 'hunt is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER hunt_kept_stays BEFORE UPDATE ON hunt_kept BEGIN SELECT RAISE(ABORT, 'a sealed copy stays as it is until it ends'); END;
-- +goose StatementEnd

-- +goose Down
DROP TABLE hunt_kept;
DROP TABLE hunt_met;
DROP TABLE hunt_standing;
DROP TABLE hunt;
