-- Runs, leases and daily quotas of one state folder.

CREATE TABLE run (
    run_id      TEXT PRIMARY KEY,
    sync        TEXT NOT NULL,
    number      INTEGER NOT NULL,
    target      TEXT,
    status      TEXT NOT NULL,
    started_at  TEXT NOT NULL,
    duration_ms INTEGER NOT NULL,
    counts      TEXT NOT NULL,
    error       TEXT,
    -- The lease under which it ran: "running" is true only as long as that lease is.
    epoch       INTEGER NOT NULL,
    UNIQUE (sync, number)
) STRICT;

CREATE INDEX run_by_start ON run (started_at);

-- One row per sync, kept after the release so that epochs never go back.
CREATE TABLE lease (
    sync         TEXT PRIMARY KEY,
    epoch        INTEGER NOT NULL,
    held         INTEGER NOT NULL,
    host         TEXT NOT NULL,
    machine      TEXT NOT NULL,
    boot         TEXT NOT NULL,
    pid          INTEGER NOT NULL,
    pid_start    INTEGER NOT NULL,
    pid_space    TEXT NOT NULL,
    since        TEXT NOT NULL,
    -- Milliseconds since boot, suspend included.
    expires      INTEGER NOT NULL,
    expires_wall TEXT NOT NULL
) STRICT;

CREATE TABLE daily (
    owner TEXT NOT NULL,
    day   TEXT NOT NULL,
    calls INTEGER NOT NULL,
    PRIMARY KEY (owner, day)
) STRICT;
