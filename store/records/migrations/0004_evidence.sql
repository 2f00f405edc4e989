-- +goose Up
-- What the leaves of the evidence log commit to. idx is the leaf's place in the log.
CREATE TABLE evidence_part (
    idx    INTEGER NOT NULL,
    name   TEXT NOT NULL,
    salt   BLOB,                                   -- 32 bytes; NULL: erased, with the value
    value  BLOB,
    digest BLOB,                                   -- of salt and value; only once they are erased
    PRIMARY KEY (idx, name),
    CHECK (salt IS NOT NULL AND length(salt) = 32 AND value IS NOT NULL AND digest IS NULL
        OR salt IS NULL AND value IS NULL AND digest IS NOT NULL AND length(digest) = 32)
) STRICT, WITHOUT ROWID;

CREATE TABLE evidence_seal (
    idx        INTEGER PRIMARY KEY,
    part       INTEGER NOT NULL,                   -- partition of the journal
    from_frame INTEGER NOT NULL,
    from_index INTEGER NOT NULL,
    to_frame   INTEGER NOT NULL,
    to_index   INTEGER NOT NULL,
    leaves     BLOB CHECK (length(leaves) > 0 AND length(leaves) % 32 = 0) -- NULL: forgotten, with the journal's entries
) STRICT;
CREATE INDEX evidence_seal_range ON evidence_seal (part, to_frame, to_index);
CREATE INDEX evidence_seal_leaves ON evidence_seal (part, to_frame) WHERE leaves IS NOT NULL;

-- The mark: leaves in front of it stand under the checkpoint.
CREATE TABLE evidence_mark (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    size       INTEGER NOT NULL CHECK (size >= 0),
    checkpoint BLOB
) STRICT;
INSERT INTO evidence_mark (one, size) VALUES (1, 0);

-- In front of the mark values only ever go, leaves of seals only ever go, and nothing else changes.
-- +goose StatementBegin
CREATE TRIGGER evidence_part_remains BEFORE DELETE ON evidence_part
WHEN OLD.idx < (SELECT size FROM evidence_mark) BEGIN SELECT RAISE(ABORT, 'what stands in the log stays'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER evidence_part_stays BEFORE UPDATE ON evidence_part
WHEN NEW.idx <> OLD.idx OR NEW.name <> OLD.name OR NEW.salt IS NOT NULL OR OLD.salt IS NULL
BEGIN SELECT RAISE(ABORT, 'a value can only be erased, once'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER evidence_part_joins BEFORE INSERT ON evidence_part
WHEN NEW.idx < (SELECT size FROM evidence_mark) BEGIN SELECT RAISE(ABORT, 'what stands in the log stays'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER evidence_seal_remains BEFORE DELETE ON evidence_seal
WHEN OLD.idx < (SELECT size FROM evidence_mark) BEGIN SELECT RAISE(ABORT, 'what stands in the log stays'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER evidence_seal_stays BEFORE UPDATE ON evidence_seal
WHEN NEW.idx <> OLD.idx OR NEW.part <> OLD.part OR NEW.from_frame <> OLD.from_frame OR NEW.from_index <> OLD.from_index
  OR NEW.to_frame <> OLD.to_frame OR NEW.to_index <> OLD.to_index OR NEW.leaves IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'the leaves of a seal can only be forgotten'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER evidence_mark_remains BEFORE DELETE ON evidence_mark BEGIN SELECT RAISE(ABORT, 'the mark stays'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER evidence_mark_grows BEFORE UPDATE ON evidence_mark
WHEN NEW.size < OLD.size OR OLD.checkpoint IS NOT NULL AND NEW.checkpoint IS NULL
BEGIN SELECT RAISE(ABORT, 'the mark never goes back'); END;
-- +goose StatementEnd

-- +goose Down
DROP TABLE evidence_mark;
DROP TABLE evidence_seal;
DROP TABLE evidence_part;
