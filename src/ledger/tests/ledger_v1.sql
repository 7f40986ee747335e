-- A ledger of version 1, as that version wrote it. Never changed.
PRAGMA page_size = 16384;
PRAGMA journal_mode = WAL;
PRAGMA application_id = 0x6f75744c;
PRAGMA user_version = 1;
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
CREATE TABLE part (
    id   INTEGER PRIMARY KEY,
    n    INTEGER NOT NULL,
    sum  INTEGER NOT NULL,
    data BLOB NOT NULL
) STRICT;
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
CREATE INDEX detail_by_destination ON detail (destination_hash) WHERE destination_hash <> 0 AND gone = 0;
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
INSERT INTO meta VALUES ('entries', 4, 3521708593);
INSERT INTO meta VALUES ('epoch', 1, 693916856);
INSERT INTO meta VALUES ('log_first', 2, 3591306833);
INSERT INTO meta VALUES ('log_next', 3, 407714872);
INSERT INTO meta VALUES ('parts', 1, 2571906835);
INSERT INTO note VALUES ('run.query', 'abc', 572807169);
INSERT INTO part VALUES (0, 4, 533968383, X'35be322d094f9d154a8aba4733b8497f010101010101010100000000000000037c9fa136d4413fa6173637e883b6998d01010101010101010000000000000001af5570f5a1810b7af78caf4bc70a660f01010101010101010000000000000000d86e8112f3c4c4442126f8e9f44f168601010101010101010000000000000002');
INSERT INTO log VALUES (2, 'r', 1, 2849532302, X'35be322d094f9d154a8aba4733b8497f01010101010101010000000000000003');
INSERT INTO field VALUES (1, 'email', 3795943023);
INSERT INTO field VALUES (2, 'plan', 973296159);
INSERT INTO detail VALUES (X'35be322d094f9d154a8aba4733b8497f', 0, -4, '{"id":3}', 'r3', 0, '["3@example.com"]', X'0001fffffffffffffffc00020000000000000003', X'28b52ffd0058c900007b22656d61696c223a2233406578616d706c652e636f6d227d', 2766781277);
INSERT INTO detail VALUES (X'7c9fa136d4413fa6173637e883b6998d', 0, -2, '{"id":1}', 'r1', 0, '["1@example.com"]', X'0001fffffffffffffffe00020000000000000001', X'28b52ffd0058c900007b22656d61696c223a2231406578616d706c652e636f6d227d', 2196839924);
INSERT INTO detail VALUES (X'af5570f5a1810b7af78caf4bc70a660f', 0, -1, '{"id":0}', 'r0', 1, '["0@example.com"]', X'0001ffffffffffffffff00020000000000000000', X'28b52ffd0058c900007b22656d61696c223a2230406578616d706c652e636f6d227d', 3935802183);
INSERT INTO detail VALUES (X'd86e8112f3c4c4442126f8e9f44f1686', 0, -3, '{"id":2}', 'r2', 1, '["2@example.com"]', X'0001fffffffffffffffd00020000000000000002', X'28b52ffd0058c900007b22656d61696c223a2232406578616d706c652e636f6d227d', 2925094416);
INSERT INTO intent VALUES (1, 'r', 'upsert', NULL, 2, X'd86e8112f3c4c4442126f8e9f44f168635be322d094f9d154a8aba4733b8497f', X'0100', 218376723, X'28b52ffd004875020064030101000208007b226964223a327dfdff11005b2232406578616d706c652e636f6d225d00010003337dfc3301020000000000000072330a004016304f11e401cc826cc168607430068c3b002c', 1605048718);
INSERT INTO refusal VALUES (X'35be322d094f9d154a8aba4733b8497f', '{"id":3}', 'upsert', X'01010101010101010000000000000003', 'm1', 'INVALID_EMAIL', 'email', '`x` isn''t an e-mail address', 3, 7, 11, 0, '2027-01-15T08:00:03.000000000Z', '2027-01-15T08:01:40.000000000Z', '20261120T104503Z-4f2a9c', 616534544);
UPDATE sqlite_sequence SET seq = 1 WHERE name = 'intent';
