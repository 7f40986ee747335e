#!/usr/bin/env python3
"""What else finds the change set between two versions of `customers`; bench/run.py starts it, a process for each run.

  bench/rivals.py first|steady duckdb-hash|duckdb-md5|duckdb-sha256|python DATA --version A|B --store FILE [--memory 256MB]
  bench/rivals.py join|except|polars DATA --version A|B

`first` makes a stored snapshot of key hash and row hash, `steady` compares with it, writes the added and changed rows
with all columns and the removed ids, brings the snapshot up to date and commits; `python` does the same as a script of
`sqlite3` and `hashlib` would. The others keep no state and read both versions. The last line printed has the counts.
"""
import argparse
import json
import os
import pathlib
import tempfile

from gen import COLUMNS

TEXT = "concat_ws('|'," + ",".join(f"coalesce({c}::VARCHAR,'\\N')" for c in COLUMNS) + ")"
HASHES = {
    "duckdb-hash": ("hash(id)", f"hash({','.join(COLUMNS)})"),
    "duckdb-md5": ("md5_number(id::VARCHAR)", f"md5_number({TEXT})"),
    "duckdb-sha256": ("unhex(sha256(id::VARCHAR)[1:32])", f"unhex(sha256({TEXT})[1:32])"),
}
OPERATION = "CASE WHEN {a} IS NULL THEN 'added' WHEN {b} IS NULL THEN 'removed' ELSE 'changed' END"


def duckdb(options, scratch, store=":memory:"):
    import duckdb

    con = duckdb.connect(str(store))
    con.execute("SET threads=2")
    if options.memory:
        con.execute(f"SET memory_limit='{options.memory}'")
        con.execute(f"SET temp_directory='{scratch}/spill'")
    return con


def first(options, scratch):
    options.store.unlink(missing_ok=True)
    con = duckdb(options, scratch, options.store)
    key, row = HASHES[options.rival]
    con.execute(f"CREATE TABLE snapshot AS SELECT {key} k, {row} h FROM '{options.new}'")
    con.execute("CHECKPOINT")
    return {"added": con.execute("SELECT count(*) FROM snapshot").fetchone()[0]}


def steady(options, scratch):
    con = duckdb(options, scratch, options.store)
    key, row = HASHES[options.rival]
    operation = OPERATION.format(a="s.k", b="b.k")
    con.execute(f"""CREATE TEMP TABLE changes AS
        SELECT coalesce(s.k, b.k) k, b.h, {operation} op, b.* EXCLUDE (k, h)
        FROM snapshot s FULL JOIN (SELECT *, {key} k, {row} h FROM '{options.new}') b ON s.k = b.k
        WHERE s.k IS NULL OR b.k IS NULL OR s.h <> b.h""")
    con.execute(f"COPY changes TO '{scratch}/changes.parquet' (FORMAT parquet)")
    con.execute("BEGIN")
    con.execute("DELETE FROM snapshot WHERE k IN (SELECT k FROM changes WHERE op <> 'added')")
    con.execute("INSERT INTO snapshot SELECT k, h FROM changes WHERE op <> 'removed'")
    con.execute("COMMIT")
    con.execute("CHECKPOINT")
    return dict(con.execute("SELECT op, count(*) FROM changes GROUP BY 1").fetchall())


def join(options, scratch):
    con, row = duckdb(options, scratch), f"md5_number({TEXT})"
    con.execute(f"""COPY (SELECT coalesce(a.id, b.id) id, {OPERATION.format(a="a.id", b="b.id")} op, b.* EXCLUDE (id, h)
        FROM (SELECT id, {row} h FROM '{options.old}') a FULL JOIN (SELECT *, {row} h FROM '{options.new}') b ON a.id = b.id
        WHERE a.id IS NULL OR b.id IS NULL OR a.h <> b.h) TO '{scratch}/changes.parquet' (FORMAT parquet)""")
    return dict(con.execute(f"SELECT op, count(*) FROM '{scratch}/changes.parquet' GROUP BY 1").fetchall())


def except_(options, scratch):
    con = duckdb(options, scratch)
    con.execute(f"COPY (SELECT * FROM '{options.new}' EXCEPT SELECT * FROM '{options.old}') TO '{scratch}/sent.parquet'")
    con.execute(f"COPY (SELECT id FROM '{options.old}' a ANTI JOIN '{options.new}' b USING (id)) TO '{scratch}/gone.parquet'")
    counts = [con.execute(f"SELECT count(*) FROM '{scratch}/{name}.parquet'").fetchone()[0] for name in ("sent", "gone")]
    return dict(zip(("sent", "removed"), counts))


def polars(options, scratch):
    import polars as pl

    old, new = pl.scan_parquet(options.old), pl.scan_parquet(options.new)
    sent = new.join(old, on=COLUMNS, how="anti", nulls_equal=True).collect(engine="streaming")
    sent.write_parquet(f"{scratch}/sent.parquet")
    gone = old.select("id").join(new.select("id"), on="id", how="anti").collect(engine="streaming")
    return {"sent": sent.height, "removed": gone.height}


def python(options, _scratch):
    """A script as many write it: the snapshot as a dict, an upsert a changed row."""
    import hashlib
    import sqlite3

    if options.act == "first":
        options.store.unlink(missing_ok=True)
    source = sqlite3.connect(options.new.with_suffix(".sqlite"))
    store = sqlite3.connect(options.store)
    store.execute("CREATE TABLE IF NOT EXISTS snapshot (k BLOB PRIMARY KEY, h BLOB) WITHOUT ROWID")
    old, sent = dict(store.execute("SELECT k, h FROM snapshot")), []
    for row in source.execute("SELECT * FROM customers"):
        key = hashlib.sha256(str(row[0]).encode()).digest()[:16]
        record = hashlib.sha256(repr(row).encode()).digest()[:16]
        if old.pop(key, None) != record:
            sent.append((key, record))
    store.executemany("INSERT INTO snapshot VALUES (?, ?) ON CONFLICT (k) DO UPDATE SET h = excluded.h", sent)
    store.executemany("DELETE FROM snapshot WHERE k = ?", [(key,) for key in old])
    store.commit()
    return {"sent": len(sent), "removed": len(old)}


ACTS = {"first": first, "steady": steady, "join": join, "except": except_, "polars": polars}


def main():
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("act", choices=ACTS)
    flags.add_argument("rival", nargs="?", choices=[*HASHES, "python"])
    flags.add_argument("data", type=pathlib.Path)
    flags.add_argument("--version", default="B", choices="AB")
    flags.add_argument("--store", type=pathlib.Path)
    flags.add_argument("--memory")
    options = flags.parse_args()
    options.new = options.data / f"customers_{options.version}.parquet"
    options.old = options.data / f"customers_{'BA'['AB'.index(options.version)]}.parquet"
    act = python if options.rival == "python" else ACTS[options.act]
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_SCRATCH")) as scratch:
        print(json.dumps(act(options, pathlib.Path(scratch))))


if __name__ == "__main__":
    main()
