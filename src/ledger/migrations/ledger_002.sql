-- Details are appended to a log first.

-- What was settled since details were last folded into `detail`: of each key 16 bytes, the length of what follows (4
-- bytes, little-endian; 0 where there is no detail any more) and the detail in bytes; in order of time. What the last entry
-- here says of a key is true, whatever its row in `detail` says. sum covers seq, n and data.
CREATE TABLE detail_log (
    seq  INTEGER PRIMARY KEY,
    n    INTEGER NOT NULL,
    sum  INTEGER NOT NULL,
    data BLOB NOT NULL
) STRICT;

-- detail_first, detail_next: as log_first and log_next, for detail_log. The sums, in Python, are of b = name.encode():
-- zlib.crc32(struct.pack('<Q', len(b)) + b + struct.pack('<q', value)).
INSERT INTO meta (name, value, sum) VALUES
    ('detail_first', 1, 3660758133),
    ('detail_next', 1, 2989039282);
