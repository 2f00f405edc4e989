-- +goose Up
CREATE TABLE report (
    number    INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant    TEXT NOT NULL,
    id        BLOB NOT NULL CHECK (length(id) = 16),
    bytes     BLOB NOT NULL CHECK (length(bytes) = 32), -- keyed digest of what was received
    at        INTEGER NOT NULL,                         -- Unix milliseconds, as all times here
    taken     INTEGER NOT NULL,
    reporter  BLOB NOT NULL CHECK (length(reporter) = 16), -- zeros: erased, or forgotten
    subject   BLOB NOT NULL CHECK (length(subject) = 16),
    message   BLOB NOT NULL CHECK (length(message) = 16),
    category  INTEGER NOT NULL,
    grade     INTEGER NOT NULL,
    recorded  INTEGER NOT NULL CHECK (recorded IN (0, 1)),
    why       TEXT NOT NULL,
    share     INTEGER NOT NULL CHECK (share IN (0, 1)),
    matter    TEXT NOT NULL,                            -- the case for which opened is sealed; '': none
    opened    BLOB,
    age       INTEGER NOT NULL,                         -- nanoseconds; negative: not measured
    component INTEGER NOT NULL,
    UNIQUE (tenant, id)
) STRICT;
CREATE INDEX report_taken ON report (taken);
CREATE INDEX report_reporter ON report (reporter); -- for erasure alone
CREATE INDEX report_subject ON report (subject);   -- for erasure alone

CREATE TABLE report_link (
    report  INTEGER NOT NULL REFERENCES report (number) ON DELETE CASCADE,
    place   INTEGER NOT NULL,
    matter  TEXT NOT NULL,                              -- '': nothing of the link was read
    host    TEXT NOT NULL,
    display TEXT NOT NULL,
    tokens  BLOB NOT NULL,
    url     BLOB,                                       -- sealed for the case
    PRIMARY KEY (report, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX report_link_matter ON report_link (matter, report);

CREATE TABLE matter (
    id       TEXT PRIMARY KEY,
    tenant   TEXT NOT NULL,
    state    TEXT NOT NULL,
    about    BLOB NOT NULL CHECK (length(about) = 19),  -- docs/formats/token.md; zeros: a finding without a link
    kind     TEXT NOT NULL,
    name     TEXT NOT NULL,
    display  TEXT NOT NULL,
    opened   INTEGER NOT NULL,
    changed  INTEGER NOT NULL,
    first    INTEGER NOT NULL,                          -- 0: no report
    last     INTEGER NOT NULL,
    weight   INTEGER NOT NULL,
    voices   INTEGER NOT NULL,
    reports  INTEGER NOT NULL,
    shared   INTEGER NOT NULL,
    best     INTEGER NOT NULL,
    findings INTEGER NOT NULL,
    score    INTEGER NOT NULL,
    steps    INTEGER NOT NULL,
    settled  INTEGER NOT NULL,
    version  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX matter_order ON matter (weight DESC, opened, id);

CREATE TABLE matter_step (
    matter  TEXT NOT NULL REFERENCES matter (id),
    number  INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    state   TEXT NOT NULL,
    by      TEXT NOT NULL,                              -- JSON list
    why     TEXT NOT NULL,
    act     BLOB NOT NULL CHECK (length(act) = 32),
    value   TEXT NOT NULL,
    display TEXT NOT NULL,
    scope   TEXT NOT NULL,
    finding BLOB NOT NULL CHECK (length(finding) = 32),
    PRIMARY KEY (matter, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE matter_voice (
    matter TEXT NOT NULL REFERENCES matter (id),
    who    BLOB NOT NULL CHECK (length(who) = 17),
    voices INTEGER NOT NULL,
    PRIMARY KEY (matter, who)
) STRICT, WITHOUT ROWID;
CREATE INDEX matter_voice_who ON matter_voice (who); -- for erasure alone

-- A case's log is only ever added to, without a gap; a case never goes back and never goes away, and keeps what it is about.
-- +goose StatementBegin
CREATE TRIGGER matter_step_stays BEFORE UPDATE ON matter_step BEGIN SELECT RAISE(ABORT, 'a log is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER matter_step_remains BEFORE DELETE ON matter_step BEGIN SELECT RAISE(ABORT, 'a log is append-only'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER matter_step_follows BEFORE INSERT ON matter_step
WHEN NEW.number <> 1 + (SELECT count(*) FROM matter_step WHERE matter = NEW.matter)
BEGIN SELECT RAISE(ABORT, 'a log has no gap'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER matter_remains BEFORE DELETE ON matter BEGIN SELECT RAISE(ABORT, 'cases are closed, not deleted'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER matter_stays BEFORE UPDATE ON matter
WHEN NEW.version <> OLD.version + 1 OR NEW.tenant <> OLD.tenant OR NEW.about <> OLD.about
BEGIN SELECT RAISE(ABORT, 'a case was changed meanwhile'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER matter_begins BEFORE INSERT ON matter WHEN NEW.version <> 1
BEGIN SELECT RAISE(ABORT, 'there is no such case'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER report_remains BEFORE DELETE ON report BEGIN SELECT RAISE(ABORT, 'a report that was taken is never lost'); END;
-- +goose StatementEnd

-- +goose Down
DROP TABLE matter_voice;
DROP TABLE matter_step;
DROP TABLE matter;
DROP TABLE report_link;
DROP TABLE report;
