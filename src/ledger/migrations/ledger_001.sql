-- What one destination has acknowledged for one sync. A `sum` is the CRC-32 over the row's other values.

-- epoch: of the lease that opened it last. parts, entries: rows of `part` and entries in them.
-- log_first, log_next: the sequence numbers in `log` are exactly those from first up to, not including, next.
CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL,
    sum   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE note (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    sum   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Entries of 32 bytes (key hash, record hash), sorted by key; a part holds the keys from its id up to the next
-- part's id, where the id is the first 63 bits of a key hash.
CREATE TABLE part (
    id   INTEGER PRIMARY KEY,
    n    INTEGER NOT NULL,
    sum  INTEGER NOT NULL,
    data BLOB NOT NULL
) STRICT;

-- What was acknowledged since, in the same entries but in order of time; a record hash of zero is a removal.
CREATE TABLE log (
    seq  INTEGER PRIMARY KEY,
    run  TEXT NOT NULL,
    n    INTEGER NOT NULL,
    sum  INTEGER NOT NULL,
    data BLOB NOT NULL
) STRICT;

CREATE TABLE mapping (
    seq  INTEGER PRIMARY KEY,
    hash TEXT NOT NULL UNIQUE,
    spec TEXT NOT NULL,
    sum  INTEGER NOT NULL
) STRICT;

CREATE TABLE field (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    sum  INTEGER NOT NULL
) STRICT;

-- fields: pairs of a field's id (2 bytes) and its hash (8 bytes), big-endian. record: JSON text, zstd.
CREATE TABLE detail (
    key              BLOB PRIMARY KEY,
    gone             INTEGER NOT NULL,
    destination_hash INTEGER NOT NULL,
    key_text         TEXT,
    remote_id        TEXT,
    created          INTEGER,
    destination_key  TEXT,
    fields           BLOB,
    record           BLOB,
    sum              INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX detail_by_destination ON detail (destination_hash) WHERE destination_hash <> 0 AND gone = 0;

-- A batch about to be sent. keys: 16 bytes each; dirty: one byte each, 1 until the destination's answer is known;
-- data: the rest of the entries, zstd. sum covers the batch and data, dirty_sum covers keys and dirty.
CREATE TABLE intent (
    batch     INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id    TEXT NOT NULL,
    verb      TEXT NOT NULL,
    handle    TEXT,
    n         INTEGER NOT NULL,
    keys      BLOB NOT NULL,
    dirty     BLOB NOT NULL,
    dirty_sum INTEGER NOT NULL,
    data      BLOB NOT NULL,
    sum       INTEGER NOT NULL
) STRICT;

CREATE TABLE refusal (
    key        BLOB PRIMARY KEY,
    key_text   TEXT NOT NULL,
    verb       TEXT NOT NULL,
    record     BLOB NOT NULL,
    mapping    TEXT NOT NULL,
    code       TEXT NOT NULL,
    field      TEXT,
    message    TEXT NOT NULL,
    attempts   INTEGER NOT NULL,
    first_run  INTEGER NOT NULL,
    next_run   INTEGER NOT NULL,
    parked     INTEGER NOT NULL,
    first_seen TEXT NOT NULL,
    last_seen  TEXT NOT NULL,
    run_id     TEXT NOT NULL,
    sum        INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Rows of the last run that could not be delivered for a reason found before sending.
CREATE TABLE invalid (
    id         INTEGER PRIMARY KEY,
    key_text   TEXT NOT NULL,
    field      TEXT,
    code       TEXT NOT NULL,
    message    TEXT NOT NULL,
    first_seen TEXT NOT NULL,
    last_seen  TEXT NOT NULL,
    run_id     TEXT NOT NULL,
    sum        INTEGER NOT NULL
) STRICT;

INSERT INTO meta (name, value, sum) VALUES
    ('epoch', 0, 3858125862),
    ('parts', 0, 1441148813),
    ('entries', 0, 1436749003),
    ('log_first', 1, 1484913074),
    ('log_next', 1, 1516780357);

-- The live entries, readable; meant for people, slow for millions.
CREATE VIEW dump (key, record) AS
WITH RECURSIVE
    entry (seq, id, i, n) AS (
        SELECT 0, id, 0, n FROM part WHERE n > 0
        UNION ALL SELECT seq, 0, 0, n FROM log WHERE n > 0
        UNION ALL SELECT seq, id, i + 1, n FROM entry WHERE i + 1 < n
    ),
    bytes (seq, i, data) AS (
        SELECT e.seq, e.i, substr(coalesce(l.data, p.data), e.i * 32 + 1, 32)
        FROM entry e LEFT JOIN part p ON e.seq = 0 AND p.id = e.id LEFT JOIN log l ON l.seq = e.seq
    ),
    newest (key, record, rank) AS (
        SELECT substr(data, 1, 16), substr(data, 17, 16),
               row_number() OVER (PARTITION BY substr(data, 1, 16) ORDER BY seq DESC, i DESC)
        FROM bytes
    )
SELECT lower(hex(key)), lower(hex(record)) FROM newest WHERE rank = 1 AND record <> zeroblob(16) ORDER BY key;
