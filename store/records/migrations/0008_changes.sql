-- +goose Up
CREATE TABLE deed (
    number     INTEGER PRIMARY KEY AUTOINCREMENT, -- order of the intents
    act        BLOB NOT NULL UNIQUE CHECK (length(act) = 32),
    what       TEXT NOT NULL,
    text       BLOB NOT NULL,                     -- the act in canonical form
    matter     TEXT NOT NULL,                     -- the case
    tenant     TEXT NOT NULL,
    people     TEXT NOT NULL,                     -- ids between commas
    at         INTEGER NOT NULL,                  -- Unix milliseconds, as all times here
    until      INTEGER NOT NULL,                  -- 0: has no end
    value      TEXT NOT NULL,
    scope      INTEGER NOT NULL,
    verdict    INTEGER NOT NULL,
    harmless   INTEGER NOT NULL,                  -- -1: not known
    about      BLOB NOT NULL CHECK (length(about) = 32),
    upto       INTEGER NOT NULL,
    state      TEXT NOT NULL,
    ended      INTEGER NOT NULL,
    generation BLOB NOT NULL CHECK (length(generation) = 16),
    why        TEXT NOT NULL
) STRICT;
CREATE INDEX deed_what ON deed (what, state);

-- One row for each tenant: the last number ever given stays when the changes are gone.
CREATE TABLE change_tenant (
    tenant TEXT PRIMARY KEY,
    last   INTEGER NOT NULL,
    halted INTEGER NOT NULL                       -- until; 0: not
) STRICT, WITHOUT ROWID;

CREATE TABLE change (
    tenant     TEXT NOT NULL,
    seq        INTEGER NOT NULL,
    id         BLOB NOT NULL CHECK (length(id) = 16),
    event      BLOB NOT NULL CHECK (length(event) = 16),
    at         INTEGER NOT NULL,
    was        INTEGER NOT NULL,
    now        INTEGER NOT NULL,                  -- the verdict that holds
    would      INTEGER NOT NULL,
    reasons    TEXT NOT NULL,                     -- JSON list
    generation BLOB NOT NULL CHECK (length(generation) = 16),
    cause      TEXT NOT NULL,
    recall     TEXT NOT NULL,
    until      INTEGER NOT NULL,
    later      TEXT NOT NULL,                     -- JSON list
    made_by    BLOB NOT NULL CHECK (length(made_by) = 32),
    takes_back BLOB NOT NULL CHECK (length(takes_back) = 32),
    asks       INTEGER NOT NULL,
    asks_would INTEGER NOT NULL,
    rested     INTEGER NOT NULL CHECK (rested IN (0, 1)),
    PRIMARY KEY (tenant, seq)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX change_id ON change (tenant, id);
CREATE INDEX change_event ON change (tenant, event, seq);
CREATE INDEX change_cause ON change (tenant, made_by, at);
CREATE INDEX change_at ON change (at);

CREATE TABLE subscription (
    tenant   TEXT NOT NULL,
    name     TEXT NOT NULL,
    upto     INTEGER NOT NULL,                    -- everything up to here is settled
    disabled INTEGER NOT NULL,                    -- since; 0: not
    why      TEXT NOT NULL,
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;

-- What is known of a change for a subscriber beyond "not tried yet". Delivered rows go once everything before them is settled.
CREATE TABLE delivery (
    tenant TEXT NOT NULL,
    name   TEXT NOT NULL,
    seq    INTEGER NOT NULL,
    state  TEXT NOT NULL CHECK (state IN ('tried', 'delivered', 'dead')),
    tries  INTEGER NOT NULL,
    first  INTEGER NOT NULL,
    next   INTEGER NOT NULL,
    why    TEXT NOT NULL,
    PRIMARY KEY (tenant, name, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX delivery_state ON delivery (tenant, name, state, seq);

-- Deeds are never deleted, and what was approved is never altered.
-- +goose StatementBegin
CREATE TRIGGER deed_remains BEFORE DELETE ON deed BEGIN SELECT RAISE(ABORT, 'deeds remain'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER deed_stays BEFORE UPDATE ON deed
WHEN NEW.act <> OLD.act OR NEW.what <> OLD.what OR NEW.text <> OLD.text OR NEW.people <> OLD.people OR NEW.at <> OLD.at OR NEW.until <> OLD.until
  OR NEW.value <> OLD.value OR NEW.scope <> OLD.scope OR NEW.verdict <> OLD.verdict OR NEW.upto <> OLD.upto OR NEW.about <> OLD.about
BEGIN SELECT RAISE(ABORT, 'what was approved stays as it was'); END;
-- +goose StatementEnd

-- +goose Down
DROP TABLE delivery;
DROP TABLE subscription;
DROP TABLE change;
DROP TABLE change_tenant;
DROP TABLE deed;
