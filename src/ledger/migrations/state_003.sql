-- Backfills: their runs are told apart, and a sync can say that it waits for one.

ALTER TABLE run ADD COLUMN kind TEXT NOT NULL DEFAULT 'sync';

CREATE TABLE waiting (
    sync    TEXT PRIMARY KEY,
    boot    TEXT NOT NULL,
    -- Milliseconds since boot, suspend included.
    expires INTEGER NOT NULL
) STRICT;
