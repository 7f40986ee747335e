"""All rows as CSV cut at 10 MB, plain and packed, by outflow and by its rivals (goal G8); each file and each row is checked."""
import csv
import gzip
import json
import shutil
import sqlite3
import sys

from customers import Customers
from diff import MILLION, said
from measure import HERE, in_turn, measured

# Bytes of a file at most; of a small table less, so that it makes several files too.
LIMIT, SMALL_LIMIT, SMALL = 10_000_000, 50_000, 100_000
PLAIN, PACKED = "plain", "gzip"


class Parts(Customers):
    """A sync that writes all rows in every run, as files of CSV."""

    def __init__(self, options, folder, limit, form):
        self.limit, self.form = limit, form
        has_parquet = (options.data / "customers_A.parquet").exists()
        super().__init__(options, folder, source="parquet" if has_parquet else "sqlite", mode="upsert")

    def map(self, is_swapped=False):
        super().map(is_swapped)
        path = self.folder / "mappings" / "customers.yml"
        mapping = json.loads(path.read_text())
        mapping["destination"] |= {"format": "csv", "compression": "gzip" if self.form == PACKED else "none"}
        mapping["destination"] |= {"extract": "full", "max_bytes": self.limit}
        path.write_text(json.dumps(mapping))

    def again(self):
        """The same rows once more: all of them are written."""
        self.clear()
        rows = self.expected["rows_a"]
        return self.run("sync", "customers", rows_read=rows, removed=0, delivered=rows)

    def out(self):
        return self.folder / "out"


class Rival:
    """One of the rivals of `split_rivals.py`."""

    def __init__(self, options, folder, act, source, limit):
        self.options, self.folder, self.act, self.source, self.limit = options, folder, act, source, limit

    def run(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        command = [self.options.python, HERE / "split_rivals.py", self.act, self.source, self.folder, "--limit", self.limit]
        return measured(command)


def sizes(folder):
    return [path.stat().st_size for path in folder.iterdir() if not path.name.startswith(".")]


def check(options, ours, rows):
    """Ends the bench where a file is above the limit, or the files together are not the table."""
    large = [size for size in sizes(ours.out()) if size > ours.limit]
    if large:
        sys.exit(f"files above {ours.limit} bytes: {large}")
    if options.no_rivals:
        problem = by_hand(options, ours, rows)
    else:
        source = options.data / "customers_A.parquet"
        found = measured([options.python, HERE / "split_rivals.py", "check", source, ours.out()]).report
        problem = None if found.get("ours") == found.get("theirs") and found["ours"][0] == rows else found
    if problem:
        sys.exit(f"the files are not the table: {problem}")


def by_hand(options, ours, rows):
    """What of ids and e-mails differs, without DuckDB: for small tables."""
    if ours.source != "sqlite":
        return "without the rivals only a table of SQLite can be checked"
    found = []
    for path in ours.out().iterdir():
        with (gzip.open if ours.form == PACKED else open)(path, "rt", encoding="utf-8", newline="") as file:
            found += [(int(row["id"]), row["email"]) for row in csv.DictReader(file)]
    db = sqlite3.connect(options.data / "customers_A.sqlite")
    expected = db.execute("SELECT id, email FROM customers ORDER BY id").fetchall()
    db.close()
    return None if sorted(found) == expected and len(found) == rows else f"{len(found)} rows of {rows}, or others"


def split(options, book, scratch):
    rows, at = options.rows, said(options.rows)
    limit = LIMIT if rows >= SMALL else SMALL_LIMIT
    book.chapter(f"All rows as CSV in files of {limit / 1e6:g} MB at most: {at}")
    for form in (PLAIN, PACKED):
        one_form(options, book, scratch / form, (form, limit))
        shutil.rmtree(scratch, ignore_errors=True)


def one_form(options, book, scratch, what):
    rows, at, (form, limit) = options.rows, said(options.rows), what
    ours = Parts(options, scratch / "outflow", limit, form)
    ours.first()
    check(options, ours, rows)
    ours.again()
    check(options, ours, rows)
    rivals = {} if options.no_rivals else rivals_of(options, scratch, what)
    runners = {"outflow, first run": ours.first, "outflow, once more": ours.again}
    runners |= {name: rival.run for name, (rival, _) in rivals.items()}
    in_turn({name: rival.run for name, (rival, _) in rivals.items()}, 1)
    runs = in_turn(runners, options.pairs)
    for name, some in runs.items():
        book.absolute(f"{at}, {form}, {name}", some, rows)
    for name, (rival, goal) in rivals.items():
        for mine in ("outflow, first run", "outflow, once more"):
            book.ratio(f"{'G8' if goal else '  '} {at}, {form}, {mine.partition(', ')[2]}: against {name}", runs[mine], runs[name], goal)
    files = {"outflow": ours.out()} | {name: rival.folder for name, (rival, _) in rivals.items()}
    for name, folder in files.items():
        book.value(f"   {at}, {form}, {name}: largest of {len(sizes(folder))} files", [max(sizes(folder)) / 1e6], "MB")
    flat(options, book, form, [run.peak for run in runs["outflow, once more"]])


def flat(options, book, form, peaks):
    """Peak memory by itself, and against that of the smaller table before this one."""
    at, earlier = said(options.rows), options.split_peaks.get(form)
    book.value(f"   {at}, {form}: peak memory", peaks, "MB")
    if earlier and earlier[0] < options.rows and options.rows > MILLION:
        label = f"G8 {at}, {form}: peak memory against {said(earlier[0])}"
        book.value(label, [large / small for large, small in zip(peaks, earlier[1])], "x", 1.0)
    options.split_peaks[form] = (options.rows, peaks)


def rivals_of(options, scratch, what):
    """By name, each with its goal."""
    form, limit = what
    table = options.data / "customers_A.parquet"
    if form == PLAIN:
        return {"DuckDB, COPY with FILE_SIZE_BYTES": (Rival(options, scratch / "duckdb", "duckdb", table, limit), 0.85)}
    # What packing alone takes, of lines that are there: no goal, but it says where the time goes.
    plain = Rival(options, scratch / "lines", "duckdb", table, limit)
    plain.run()
    return {
        "Python, csv and gzip of level 6": (Rival(options, scratch / "python", "python", table, limit), 1.0),
        "Python, gzip of level 6 alone": (Rival(options, scratch / "alone", "pack", plain.folder, limit), None),
    }
