-- +goose Up
CREATE TABLE enrichment_host (
    id   INTEGER PRIMARY KEY,
    host TEXT NOT NULL UNIQUE,
    body TEXT NOT NULL                             -- the labels above the public suffix, in which parts are looked for
) STRICT;

CREATE TABLE enrichment_source (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE enrichment_fact (
    host    INTEGER NOT NULL REFERENCES enrichment_host (id),
    kind    INTEGER NOT NULL,                      -- 1 address, 2 asn, 3 certificate, 4 issuer, 5 ns, 6 registered, 7 registrar, 8 seen
    value   TEXT NOT NULL,
    source  INTEGER NOT NULL REFERENCES enrichment_source (id),
    first   INTEGER,                               -- Unix milliseconds, as all times here
    last    INTEGER,
    network TEXT,                                  -- of an address: its /24 or /48
    PRIMARY KEY (host, kind, value, source)
) STRICT, WITHOUT ROWID;

CREATE INDEX enrichment_value ON enrichment_fact (kind, value);
CREATE INDEX enrichment_issued ON enrichment_fact (value, first) WHERE kind = 4;
CREATE INDEX enrichment_network ON enrichment_fact (network) WHERE network IS NOT NULL;
CREATE INDEX enrichment_by_source ON enrichment_fact (source);

-- Parts of names are found by their runs of three letters.
CREATE VIRTUAL TABLE enrichment_part USING fts5 (body, content = 'enrichment_host', content_rowid = 'id', tokenize = 'trigram');
-- +goose StatementBegin
CREATE TRIGGER enrichment_host_comes AFTER INSERT ON enrichment_host
BEGIN INSERT INTO enrichment_part (rowid, body) VALUES (NEW.id, NEW.body); END;
-- +goose StatementEnd
-- +goose StatementBegin
CREATE TRIGGER enrichment_host_goes AFTER DELETE ON enrichment_host
BEGIN INSERT INTO enrichment_part (enrichment_part, rowid, body) VALUES ('delete', OLD.id, OLD.body); END;
-- +goose StatementEnd

-- +goose Down
DROP TABLE enrichment_part;
DROP TABLE enrichment_fact;
DROP TABLE enrichment_source;
DROP TABLE enrichment_host;
