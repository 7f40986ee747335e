#!/usr/bin/env python3
"""Deterministic data for the benchmarks: a table `customers` of 20 columns, in two versions.

  bench/gen.py ROWS FOLDER [--formats parquet,sqlite,wide]

Version A has the ids 1 to ROWS. Version B is A with about 1 % of the rows updated (three columns), about 0.1 % deleted and
ROWS/1000 appended. Every value follows from MD5(seed|id|x) and MD5(seed|id|y), so that the data is the same on every
machine; what must be found between A and B is written to expected.json. `wide` is a second pair of Parquet files
whose rows have another column of 1,760 bytes. What is there already is kept. Parquet needs the package `duckdb`.
"""
import argparse
import hashlib
import json
import os
import pathlib
import sqlite3

SEED = 42
FIRST = "James Mary Robert Patricia John Jennifer Michael Linda David Elizabeth William Barbara Richard Susan José Zoë Søren Łukasz Юлия 太郎".split()
LAST = "Smith Johnson Williams Brown Jones García Miller Davis Rodríguez Martínez Hernández López Wilson Anderson Thomas Müller Nguyễn O'Brien Kowalski 佐藤".split()
CITY = "London Paris Berlin Madrid Tokyo Osaka München Zürich Toronto Austin Denver Chicago Lagos Nairobi Mumbai Delhi Seoul Sydney Lima Oslo".split()
COUNTRY = "GB FR DE ES JP US CA IN BR MX NG KE KR AU PE NO SE PL CZ IT".split()
PLAN = "free starter team business enterprise".split()
DOMAIN = "example.com mail.example.org corp.example.net post.example.io".split()
COLUMNS = (
    "id external_id email first_name last_name phone company country city postal_code created_at updated_at last_login_at "
    "is_active marketing_opt_in orders_count lifetime_value churn_score plan attributes"
).split()
TYPES = dict.fromkeys(COLUMNS, "TEXT") | {
    "id": "INTEGER PRIMARY KEY",
    "is_active": "INTEGER",
    "marketing_opt_in": "INTEGER",
    "orders_count": "INTEGER",
    "lifetime_value": "REAL",
    "churn_score": "REAL",
}
ROW_GROUP = 122_880


def one_of(words, number):
    quoted = ",".join("'" + word.replace("'", "''") + "'" for word in words)
    return f"[{quoted}][({number} % {len(words)} + 1)::INT]"


def select(rows, version):
    """The SQL (DuckDB's) of all rows of a version."""
    is_b, end = version == "B", rows + 1 + (max(1, rows // 1000) if version == "B" else 0)
    numbers = ", ".join(
        f"('0x' || m{m}[{8 * i + 1}:{8 * i + 8}])::UBIGINT AS {letter}{i + 1}" for m, letter in ((1, "u"), (2, "v")) for i in range(4)
    )
    return f"""
    WITH h AS (SELECT i AS id, md5('{SEED}|' || i || '|x') AS m1, md5('{SEED}|' || i || '|y') AS m2 FROM range(1, {end}) t(i)),
    r AS (SELECT *, {numbers} FROM h),
    s AS (SELECT *, ({is_b} AND u1 % 100 = 7) AS upd FROM r)
    SELECT id::BIGINT AS id,
      m1[1:8]||'-'||m1[9:12]||'-4'||m1[14:16]||'-a'||m1[18:20]||'-'||m1[21:32] AS external_id,
      'user' || id || '.' || m2[1:6] || '@' || {one_of(DOMAIN, "u2")} AS email,
      {one_of(FIRST, "u3")} AS first_name,
      {one_of(LAST, "u4")} AS last_name,
      CASE WHEN v1 % 10 < 3 THEN NULL ELSE '+1' || lpad((u2 % 10000000000)::VARCHAR, 10, '0') END AS phone,
      CASE WHEN v2 % 10 < 4 THEN NULL ELSE 'Company ' || (v3 % 50000) || ' Ltd' END AS company,
      {one_of(COUNTRY, "v1")} AS country,
      CASE WHEN v3 % 10 < 1 THEN NULL ELSE {one_of(CITY, "v2")} END AS city,
      lpad((v4 % 100000)::VARCHAR, 5, '0') AS postal_code,
      TIMESTAMP '2019-01-01' + to_microseconds(((u1 * 37) % 157680000)::BIGINT * 1000000) AS created_at,
      CASE WHEN upd THEN TIMESTAMP '2026-01-02 03:04:05'
           ELSE TIMESTAMP '2025-01-01' + to_microseconds(((u2 % 31536000)::BIGINT) * 1000000 + (u3 % 1000000)::BIGINT) END AS updated_at,
      CASE WHEN v4 % 10 < 2 THEN NULL
           ELSE TIMESTAMP '2025-06-01' + to_microseconds((v1 % 15552000)::BIGINT * 1000000) END AS last_login_at,
      (u3 % 10 < 8) AS is_active,
      CASE WHEN u4 % 10 < 2 THEN NULL ELSE (u4 % 2 = 0) END AS marketing_opt_in,
      ((u2 % 200) + CASE WHEN upd THEN 1 ELSE 0 END)::INTEGER AS orders_count,
      ((u3 % 1000000)::DOUBLE / 100.0 + CASE WHEN upd THEN 12.34 ELSE 0 END)::DOUBLE AS lifetime_value,
      CASE WHEN v2 % 10 < 2 THEN NULL ELSE (v2::DOUBLE / 4294967296.0) END AS churn_score,
      {one_of(PLAN, "v4")} AS plan,
      '{{"segments":["s' || (u1 % 40) || '","s' || (u2 % 40) || '"],"score":' || (u3 % 1000) || ',"src":"' || m2[7:14] || '"}}' AS attributes
    FROM s {"WHERE NOT (u1 % 1000 = 13)" if is_b else ""}
    """


def parquet(con, sql, path):
    if not path.exists():
        half = f"{path}.tmp"
        con.execute(f"COPY ({sql}) TO '{half}' (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {ROW_GROUP})")
        os.rename(half, path)


def sqlite(rows, path):
    """`rows` is an iterable of lists of rows."""
    half = pathlib.Path(f"{path}.tmp")
    half.unlink(missing_ok=True)
    db = sqlite3.connect(half)
    db.execute("PRAGMA journal_mode=OFF")
    db.execute("PRAGMA synchronous=OFF")
    db.execute(f"CREATE TABLE customers({', '.join(f'{name} {kind}' for name, kind in TYPES.items())})")
    for some in rows:
        db.executemany(f"INSERT INTO customers VALUES({','.join('?' * len(COLUMNS))})", some)
    db.commit()
    db.close()
    half.rename(path)


def of_parquet(con, path):
    """The rows of a Parquet file as SQLite keeps them."""
    times = {"created_at", "updated_at", "last_login_at"}
    casts = {name: f"strftime({name}, '%Y-%m-%d %H:%M:%S.%f')" for name in times}
    casts |= {name: f"{name}::INT" for name in ("is_active", "marketing_opt_in")}
    cursor = con.execute(f"SELECT {', '.join(casts.get(name, name) for name in COLUMNS)} FROM '{path}'")
    while some := cursor.fetchmany(50_000):
        yield some


def small(rows, version):
    """A few columns' worth of the same table without DuckDB, for tests: ids, who is updated, deleted and added as above."""
    end = rows + 1 + (max(1, rows // 1000) if version == "B" else 0)
    found = []
    for i in range(1, end):
        one, two = (hashlib.md5(f"{SEED}|{i}|{x}".encode()).hexdigest() for x in "xy")
        u1 = int(one[:8], 16)
        if version == "B" and u1 % 1000 == 13:
            continue
        is_updated = version == "B" and u1 % 100 == 7
        row = dict.fromkeys(COLUMNS) | {"id": i, "external_id": one, "email": f"user{i}.{two[:6]}@example.com"}
        row |= {"updated_at": "2026-01-02 03:04:05" if is_updated else "2025-01-01 00:00:00", "orders_count": u1 % 200}
        found.append(list(row.values()))
    return found


def write_expected(folder, rows, counts):
    names = ("rows_b", "added", "removed", "changed")
    (folder / "expected.json").write_text(json.dumps({"rows_a": rows, **dict(zip(names, counts))}))


def generate_small(rows, folder):
    folder.mkdir(parents=True, exist_ok=True)
    a, b = ({row[0]: row for row in small(rows, version)} for version in "AB")
    for version, table in (("A", a), ("B", b)):
        sqlite([list(table.values())], folder / f"customers_{version}.sqlite")
    changed = sum(1 for key in a.keys() & b.keys() if a[key] != b[key])
    write_expected(folder, rows, (len(b), len(b.keys() - a.keys()), len(a.keys() - b.keys()), changed))


def generate(rows, folder, formats):
    import duckdb

    folder.mkdir(parents=True, exist_ok=True)
    con = duckdb.connect()
    con.execute("SET preserve_insertion_order=true")
    paths = {version: folder / f"customers_{version}.parquet" for version in "AB"}
    for version, path in paths.items():
        parquet(con, select(rows, version), path)
        if "sqlite" in formats and not path.with_suffix(".sqlite").exists():
            sqlite(of_parquet(con, path), path.with_suffix(".sqlite"))
        if "wide" in formats:
            # The text differs from row to row and packs well, so that the disk holds a million of them.
            wide = f"SELECT *, repeat(md5(id::VARCHAR), 55) AS notes FROM '{path}'"
            parquet(con, wide, folder / f"wide_{version}.parquet")
    if not (folder / "expected.json").exists():
        counts = con.execute(f"""SELECT count(b.id), count(*) FILTER (a.id IS NULL), count(*) FILTER (b.id IS NULL),
            count(*) FILTER (a.updated_at <> b.updated_at)
            FROM '{paths["A"]}' a FULL JOIN '{paths["B"]}' b USING (id)""").fetchone()
        write_expected(folder, rows, counts)


def main():
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("rows", type=int)
    flags.add_argument("folder", type=pathlib.Path)
    flags.add_argument("--formats", default="parquet,sqlite")
    options = flags.parse_args()
    generate(options.rows, options.folder, options.formats.split(","))
    print((options.folder / "expected.json").read_text())


if __name__ == "__main__":
    main()
