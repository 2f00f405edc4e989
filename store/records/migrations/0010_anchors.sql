-- +goose Up
-- What others said about checkpoints of our log.
CREATE TABLE anchor (
    number     INTEGER PRIMARY KEY AUTOINCREMENT,
    kind       TEXT NOT NULL CHECK (kind IN ('rfc3161', 'cosignature')),
    checkpoint BLOB NOT NULL,
    token      BLOB NOT NULL,
    size       INTEGER NOT NULL,                  -- leaves under the checkpoint
    at         INTEGER NOT NULL,                  -- by the other's clock; Unix milliseconds, as all times here
    made       INTEGER NOT NULL,                  -- by ours
    who        TEXT NOT NULL,
    trust      TEXT NOT NULL,                     -- by which it was verified when it came: certificates (PEM) or a witness's key
    record     INTEGER                            -- its record in the evidence log; NULL until that stands
) STRICT;
-- +goose StatementBegin
CREATE TRIGGER anchor_remains BEFORE DELETE ON anchor BEGIN SELECT RAISE(ABORT, 'anchors remain'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER anchor_stays BEFORE UPDATE ON anchor
WHEN OLD.record IS NOT NULL OR NEW.record IS NULL OR NEW.number <> OLD.number OR NEW.kind <> OLD.kind OR NEW.checkpoint <> OLD.checkpoint OR NEW.token <> OLD.token
  OR NEW.size <> OLD.size OR NEW.at <> OLD.at OR NEW.made <> OLD.made OR NEW.who <> OLD.who OR NEW.trust <> OLD.trust
BEGIN SELECT RAISE(ABORT, 'an anchor stays as it came'); END;
-- +goose StatementEnd

-- What this witness cosigned last, of each log.
CREATE TABLE witnessed (
    origin     TEXT PRIMARY KEY,
    size       INTEGER NOT NULL,
    root       BLOB NOT NULL CHECK (length(root) = 32),
    checkpoint BLOB NOT NULL
) STRICT, WITHOUT ROWID;
-- +goose StatementBegin
CREATE TRIGGER witnessed_remains BEFORE DELETE ON witnessed BEGIN SELECT RAISE(ABORT, 'a witness forgets nothing'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER witnessed_grows BEFORE UPDATE ON witnessed
WHEN NEW.origin <> OLD.origin OR NEW.size < OLD.size OR NEW.size = OLD.size AND NEW.root <> OLD.root
BEGIN SELECT RAISE(ABORT, 'a witness never goes back'); END;
-- +goose StatementEnd

-- The log's keys after the first, each announced under the one before.
CREATE TABLE evidence_key (
    number INTEGER PRIMARY KEY CHECK (number >= 1), -- the first key is number 0 and has no row
    at     INTEGER NOT NULL,
    was    TEXT NOT NULL,                           -- public keys, as verifiers pin them
    now    TEXT NOT NULL,
    upto   INTEGER NOT NULL,                        -- leaves under the last checkpoint of the key before
    proof  BLOB NOT NULL                            -- that the announcement stands, under the key before
) STRICT;
-- +goose StatementBegin
CREATE TRIGGER evidence_key_remains BEFORE DELETE ON evidence_key BEGIN SELECT RAISE(ABORT, 'keys are not taken back'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER evidence_key_stays BEFORE UPDATE ON evidence_key BEGIN SELECT RAISE(ABORT, 'keys are not taken back'); END;
-- +goose StatementEnd

-- +goose Down
DROP TABLE evidence_key;
DROP TABLE witnessed;
DROP TABLE anchor;
