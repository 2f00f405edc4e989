-- +goose Up
CREATE TABLE court_order (
    id     TEXT NOT NULL,
    number INTEGER NOT NULL CHECK (number >= 1),
    digest BLOB NOT NULL CHECK (length(digest) = 32),
    text   BLOB NOT NULL,                          -- the YAML, byte for byte
    by     TEXT NOT NULL,
    at     INTEGER NOT NULL,                       -- Unix milliseconds, as all times here
    PRIMARY KEY (id, number)
) STRICT;

CREATE TABLE duty_note (
    place  INTEGER PRIMARY KEY AUTOINCREMENT,
    clock  TEXT NOT NULL,
    number INTEGER NOT NULL CHECK (number >= 1),
    note   BLOB NOT NULL,                          -- JSON of order.Note
    UNIQUE (clock, number)
) STRICT;

-- +goose StatementBegin
CREATE TRIGGER court_order_kept BEFORE UPDATE ON court_order BEGIN SELECT RAISE(ABORT, 'an imported order stays'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER court_order_stays BEFORE DELETE ON court_order BEGIN SELECT RAISE(ABORT, 'an imported order stays'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER duty_note_kept BEFORE UPDATE ON duty_note BEGIN SELECT RAISE(ABORT, 'a note stays'); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER duty_note_stays BEFORE DELETE ON duty_note BEGIN SELECT RAISE(ABORT, 'a note stays'); END;
-- +goose StatementEnd

-- +goose Down
DROP TABLE duty_note;
DROP TABLE court_order;
