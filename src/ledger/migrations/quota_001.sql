-- What all processes have sent, by the owner of a quota. Times are nanoseconds since boot, suspend included.

CREATE TABLE quota (
    id         INTEGER PRIMARY KEY,
    owner      TEXT NOT NULL UNIQUE,
    -- The boot that the times below, and those of `quota_sent`, belong to.
    boot       TEXT NOT NULL,
    -- Requests ever sent, and those of clients that keep to a share.
    sent       INTEGER NOT NULL,
    background INTEGER NOT NULL,
    held_until INTEGER NOT NULL,
    refused_at INTEGER,
    margin     INTEGER NOT NULL,
    keep       INTEGER NOT NULL,
    -- What the vendor says: requests a day, and the time zone of that day.
    announced  INTEGER,
    zone       TEXT
) STRICT;

-- One row per request in reach of a window; lane 0 has all of them, lane 1 those of the background once more.
CREATE TABLE quota_sent (
    quota  INTEGER NOT NULL,
    lane   INTEGER NOT NULL,
    number INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    PRIMARY KEY (quota, lane, number)
) STRICT, WITHOUT ROWID;

-- Days since 1970-01-01 in the owner's zone.
CREATE TABLE quota_day (
    quota    INTEGER NOT NULL,
    date     INTEGER NOT NULL,
    calls    INTEGER NOT NULL,
    -- How many calls the vendor's own count leaves room for.
    ceiling  INTEGER,
    asked_at INTEGER,
    PRIMARY KEY (quota, date)
) STRICT, WITHOUT ROWID;
