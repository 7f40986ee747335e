#!/usr/bin/env python3
"""What else cuts a table into files of CSV; bench/run.py starts it, a process for each run.

  bench/split_rivals.py duckdb|python TABLE.parquet OUT --limit BYTES
  bench/split_rivals.py pack FOLDER OUT --limit BYTES
  bench/split_rivals.py check TABLE.parquet FOLDER

`duckdb` has `COPY` write plain files; `python` reads the rows by DuckDB and writes them by the modules csv and gzip, level 6;
`pack` packs plain files of CSV by gzip, level 6, and does nothing else. `check` prints how many rows a table has and the sum of their
hashes, and the same of the files of CSV in a folder, packed or not.
"""
import argparse
import csv
import gzip
import io
import json
import pathlib

from gen import COLUMNS

ROWS = 1_000
LEVEL = 6
TIMES = ("created_at", "updated_at", "last_login_at")
FLAGS = ("is_active", "marketing_opt_in")
FLOATS = ("lifetime_value", "churn_score")


def connected():
    import duckdb

    con = duckdb.connect()
    con.execute("SET threads=2")
    return con


def duckdb(options):
    con = connected()
    size = f"FILE_SIZE_BYTES '{options.limit}B'"
    con.execute(f"COPY (SELECT * FROM '{options.source}') TO '{options.out}' (FORMAT csv, HEADER, {size}, OVERWRITE_OR_IGNORE)")
    return {}


class Packed:
    """Files of gzip, each begun anew where the one before is nearly full."""

    def __init__(self, options, header=b""):
        self.options, self.header, self.number, self.raw, self.file = options, header, 0, None, None

    def write(self, data):
        # A file that holds its limit less what comes now, were it not to shrink, is full: gzip tells what it has written only.
        if self.file is None or self.raw.tell() + len(data) > self.options.limit:
            self.close()
            self.number += 1
            self.raw = open(self.options.out / f"part-{self.number:04}.csv.gz", "wb")
            self.file = gzip.GzipFile(fileobj=self.raw, mode="wb", compresslevel=LEVEL)
            self.file.write(self.header)
        self.file.write(data)

    def close(self):
        if self.file is not None:
            self.file.close()
            self.raw.close()


def python(options):
    cursor = connected().execute(f"SELECT * FROM '{options.source}'")
    out, lines = Packed(options, (",".join(COLUMNS) + "\r\n").encode()), io.StringIO(newline="")
    writer = csv.writer(lines)
    while some := cursor.fetchmany(ROWS):
        writer.writerows(some)
        out.write(lines.getvalue().encode())
        lines.seek(0)
        lines.truncate()
    out.close()
    return {}


def pack(options):
    out = Packed(options)
    for path in sorted(options.source.iterdir()):
        with open(path, "rb") as file:
            while data := file.read(1 << 20):
                out.write(data)
    out.close()
    return {}


def alike(name, is_text):
    """The SQL of a column as both sides have it: doubles of 15 digits, as outflow keeps them, and times in UTC."""
    value = f'"{name}"'
    if name in FLOATS:
        return f"printf('%.14e', {value}::DOUBLE)::DOUBLE"
    if name in TIMES:
        return f"replace(replace({value}, 'T', ' '), 'Z', '')::TIMESTAMP" if is_text else f"{value}::TIMESTAMP"
    if name in FLAGS:
        return f"{value}::BOOLEAN"
    return f"{value}::BIGINT" if name in ("id", "orders_count") else f"{value}::VARCHAR"


def check(options):
    con, found = connected(), {}
    files = f"read_csv('{options.out}/*.csv*', header=true, all_varchar=true, nullstr='', allow_quoted_nulls=false, quote='\"', escape='\"')"
    for name, table in (("theirs", f"'{options.source}'"), ("ours", files)):
        columns = ", ".join(alike(column, name == "ours") for column in COLUMNS)
        sql = f"SELECT count(*), sum(hash({columns})::HUGEINT)::VARCHAR FROM {table}"
        found[name] = list(con.execute(sql).fetchone())
    return found


ACTS = {"duckdb": duckdb, "python": python, "pack": pack, "check": check}


def main():
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("act", choices=ACTS)
    flags.add_argument("source", type=pathlib.Path)
    flags.add_argument("out", type=pathlib.Path)
    flags.add_argument("--limit", type=int, default=10_000_000)
    options = flags.parse_args()
    print(json.dumps(ACTS[options.act](options)))


if __name__ == "__main__":
    main()
