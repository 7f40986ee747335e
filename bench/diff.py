"""The diff: steady state, first run, ledger levels and memory (goals G1 to G4)."""
import os
import shutil
import sys

from customers import Customers
from measure import HERE, in_turn, measured

MILLION = 1_000_000
# The goal at 1 M rows and the goal at 10 M, of the wall time.
STEADY = {
    "duckdb-hash": ("DuckDB, stored hash()", 0.8, 1.0),
    "duckdb-md5": ("DuckDB, stored md5", 0.35, 0.35),
    "duckdb-sha256": ("DuckDB, stored sha256", 0.25, 0.30),
    "duckdb-held": ("DuckDB, stored hash(), held to 256 MB", None, 0.33),
    "join": ("DuckDB, FULL JOIN of both versions, md5", None, 0.25),
    "except": ("DuckDB, EXCEPT", None, 0.45),
    "polars": ("polars, anti join", None, None),
}


class Rival:
    """One of the rivals of `rivals.py`; it goes from version to version as ours does."""

    def __init__(self, options, name, scratch):
        self.options, self.name, self.version = options, name, "A"
        self.store = scratch / f"{name}.db"
        self.held = ["--memory", "256MB"] if name == "duckdb-held" else []
        self.stored = "duckdb-hash" if name == "duckdb-held" else name
        self.expected = Customers.expected_of(options)
        self.environment = os.environ | {"BENCH_SCRATCH": str(scratch)}

    def call(self, *arguments):
        command = [self.options.python, HERE / "rivals.py", *arguments, self.options.data, "--version", self.version]
        run = measured([*command, "--store", self.store, *self.held], environment=self.environment)
        return run

    def has_state(self):
        return self.stored.startswith("duckdb") or self.stored == "python"

    def first(self):
        self.version = "A"
        # Under 256 MB the snapshot is made without the limit: only what follows is measured.
        held, self.held = self.held, []
        run = self.call("first", self.stored)
        self.held = held
        return run

    def steady(self):
        self.version = "A" if self.version == "B" else "B"
        run = self.call("steady", self.stored) if self.has_state() else self.call(self.name)
        self.check(run.report)
        return run

    def check(self, found):
        added, removed = (self.expected[name] for name in ("added", "removed"))
        added, removed = (added, removed) if self.version == "B" else (removed, added)
        counts = {"added": added, "removed": removed, "changed": self.expected["changed"], "sent": added + self.expected["changed"]}
        if any(counts[name] != count for name, count in found.items()) or "removed" not in found:
            sys.exit(f"wrong counts of {self.name}: {found} instead of {counts}")


def rivals_of(options, names, scratch):
    """Ready for steady runs: those that store a snapshot have one of A."""
    rivals = {name: Rival(options, name, scratch) for name in names}
    for rival in rivals.values():
        if rival.has_state():
            rival.first()
    return rivals


def said(rows):
    return f"{rows / MILLION:g} M rows" if rows >= 100_000 else f"{rows:,} rows"


def floors(options, ours):
    if not options.has_floors:
        return {}
    return {"read": lambda: ours.floor("read"), "hash": lambda: ours.floor("hash")}


def steady(options, book, scratch):
    rows, at = options.rows, said(options.rows)
    book.chapter(f"Steady state: {at} of Parquet, 1.2 % of them added, changed or removed, to `{options.to}`")
    ours = Customers(options, scratch / "steady", to=options.to)
    prove(ours, rows)
    rivals = rivals_of(options, [] if options.no_rivals else options.rivals or STEADY, scratch)
    runners = {"outflow": ours.steady} | {name: rival.steady for name, rival in rivals.items()} | floors(options, ours)
    runs = in_turn(runners, options.pairs)
    names = {"outflow": "outflow, keep: hashes", "read": "floor: decoding only", "hash": "floor: decoding, encoding, hashing"}
    for name, some in runs.items():
        book.absolute(f"{at}, {names.get(name) or STEADY[name][0]}", some, rows)
    for name in rivals:
        label, small, large = STEADY[name]
        goal = large if rows > MILLION else small
        book.ratio(f"{'G1' if rows > MILLION else 'G1`'} {at}: against {label}", runs["outflow"], runs[name], goal)
    if options.has_floors:
        book.ratio(f"G2 {at}: against decoding only", runs["outflow"], runs["read"], 2.5, "cpu")
        book.ratio(f"G2 {at}: against decoding, encoding, hashing", runs["outflow"], runs["hash"], 1.25, "cpu")
    book.value(f"G3 {at}: peak memory", [run.peak for run in runs["outflow"]], "MB", 192 if rows > MILLION else None)
    shutil.rmtree(scratch)


def prove(ours, rows):
    """Runs that must be right before any is measured: A, B, B again, A, and the ledger of A is what it was."""
    ours.first()
    dumped = ours.dump() if rows <= MILLION else None
    ours.steady()
    ours.idle()
    ours.steady()
    if dumped and ours.dump() != dumped:
        sys.exit("after A, B, A the ledger is not what it was after A")


def levels(options, book, scratch):
    rows, at = options.rows, said(options.rows)
    book.chapter(f"Steady state at the other levels of the ledger: {at} of Parquet, to `files`")
    ours = {keep: Customers(options, scratch / keep, keep=keep) for keep in ("hashes", "fields", "values")}
    for project in ours.values():
        project.first()
        project.steady()
    runs = in_turn({keep: project.steady for keep, project in ours.items()}, options.pairs)
    for keep, some in runs.items():
        book.absolute(f"{at}, keep: {keep}", some, rows)
        book.value(f"   {at}: ledger, keep: {keep}", [ours[keep].ledger_bytes() / rows], "B/row")
    for keep in ("fields", "values"):
        book.ratio(f"   {at}: keep: {keep} against keep: hashes", runs[keep], runs["hashes"], None)
    shutil.rmtree(scratch)


def sqlite_source(options, book, scratch):
    rows, at = options.rows, said(options.rows)
    book.chapter(f"Steady state: {at} of SQLite, to `files`")
    ours = Customers(options, scratch / "sqlite", source="sqlite")
    prove(ours, rows)
    rivals = rivals_of(options, [] if options.no_rivals else ["python"], scratch)
    runners = {"outflow": ours.steady} | {name: rival.steady for name, rival in rivals.items()} | floors(options, ours)
    runs = in_turn(runners, options.pairs)
    for name, some in runs.items():
        book.absolute(f"{at} of SQLite, {name}", some, rows)
    if rivals:
        book.ratio(f"G2 {at} of SQLite: against a script of sqlite3 and hashlib", runs["outflow"], runs["python"], 0.15, "cpu")
    if options.has_floors:
        book.ratio(f"G2 {at} of SQLite: against reading only", runs["outflow"], runs["read"], None, "cpu")
        book.ratio(f"G2 {at} of SQLite: against reading, encoding, hashing", runs["outflow"], runs["hash"], 1.4, "cpu")
    shutil.rmtree(scratch)


def first(options, book, scratch):
    rows, at = options.rows, said(options.rows)
    book.chapter(f"First run: {at} of Parquet, to `{options.sink}`")
    # A mirror keeps each row's key in plain, so that it can be deleted; an upsert does not need it.
    ours = {f"outflow, {mode}": Customers(options, scratch / mode, to=options.sink, mode=mode) for mode in ("upsert", "mirror")}
    names = [] if options.no_rivals else ["duckdb-hash", "duckdb-md5"]
    rivals = {name: Rival(options, name, scratch) for name in names}
    runners = {name: runner.first for name, runner in (ours | rivals).items()}
    in_turn(runners, 1)
    runs = in_turn(runners, options.pairs)
    for name, some in runs.items():
        book.absolute(f"{at}, first run, {name if name in ours else STEADY[name][0]}", some, rows)
    for project in ours:
        label = f"G4 {at}, first run, {project.partition(' ')[2]}"
        for name, goal in zip(names, (2.0, 0.5)):
            book.ratio(f"{label}: against {STEADY[name][0]}", runs[project], runs[name], goal)
        book.value(f"{label}: peak memory", [run.peak for run in runs[project]], "MB", 128)
        book.value(f"{label}: ledger, keep: hashes", [ours[project].ledger_bytes() / rows], "B/row", 35)
    for name, project in ours.items():
        every = [project.all_changed() for _ in range(options.pairs)]
        book.absolute(f"{at}, every row changed, {name}", every, rows)
        book.value(f"G3 {at}, every row changed, {name}: peak memory", [run.peak for run in every], "MB", 256)
    shutil.rmtree(scratch)


def wide(options, book, scratch):
    rows, at = options.rows, said(options.rows)
    book.chapter(f"Rows of 2 kB: {at} of Parquet, to `{options.sink}`")
    runs = {}
    for source in ("parquet", "wide"):
        ours = Customers(options, scratch / source, source=source, to=options.sink)
        runs[f"{source}, first run"] = [ours.first()]
        ours.steady()
        runs[f"{source}, steady"] = [ours.steady() for _ in range(options.pairs)]
        runs[f"{source}, every row changed"] = [ours.all_changed()]
    for name, some in runs.items():
        book.absolute(f"{at}, {name}", some, rows)
    book.ratio(f"G3 {at} of 2 kB, steady: against 250 B", runs["wide, steady"], runs["parquet, steady"], 1.0, "peak")
    book.ratio(f"G3 {at} of 2 kB, first run: against 250 B", runs["wide, first run"], runs["parquet, first run"], 1.0, "peak")
    shutil.rmtree(scratch)
