"""A project of outflow that maps all 20 columns of `customers`, and its runs, each with its counts checked."""
import hashlib
import json
import os
import shutil
import sqlite3
import sys

from gen import COLUMNS
from measure import measured


class Customers:
    """`source` is parquet, sqlite or wide; `to` the type of the destination, files or discard; the rest as in a mapping."""

    def __init__(self, options, folder, source="parquet", to="files", keep="hashes", mode="mirror"):
        self.binary, self.data, self.folder, self.source = options.binary, options.data, folder, source
        self.expected = self.expected_of(options)
        self.version = None
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "mappings").mkdir(parents=True)
        lake = {"type": "files", "url": "lake"} if source != "sqlite" else {"type": "sqlite", "path": "lake/current"}
        out = {"type": to} | ({"url": "out"} if to == "files" else {})
        (folder / "outflow.yml").write_text(json.dumps({"name": "bench", "connections": {"lake": lake, "out": out}}))
        self.columns = COLUMNS[1:] + (["notes"] if source == "wide" else [])
        self.keep, self.mode = keep, mode
        self.map()

    @staticmethod
    def expected_of(options):
        return json.loads((options.data / "expected.json").read_text())

    def map(self, is_swapped=False):
        """Writes the mapping; swapped, both names change places, so that every row is a change."""
        fields = {name: name for name in self.columns}
        if is_swapped:
            fields |= {"first_name": "last_name", "last_name": "first_name"}
        self.is_swapped = is_swapped
        query = {"table": "customers"} if self.source == "sqlite" else {"file": "current.parquet"}
        mapping = {
            "source": {"connection": "lake", "primary_key": "id", **query},
            "destination": {"connection": "out", "object": "customers", "match_on": {"id": "id"}},
            "mode": self.mode,
            "ledger": {"keep": self.keep},
            "fields": fields,
        }
        (self.folder / "mappings" / "customers.yml").write_text(json.dumps(mapping))

    def turn_to(self, version):
        """The source has this version from now on; its path stays."""
        stem, ending = ("wide" if self.source == "wide" else "customers"), "sqlite" if self.source == "sqlite" else "parquet"
        lake = self.folder / "lake"
        lake.mkdir(exist_ok=True)
        new = lake / "new"
        new.symlink_to((self.data / f"{stem}_{version}.{ending}").resolve())
        os.replace(new, lake / ("current" if self.source == "sqlite" else "current.parquet"))
        self.version = version

    def run(self, *arguments, **counts):
        """One command of outflow, whose report must have these counts."""
        run = measured([self.binary, *arguments, "--format", "json"], cwd=self.folder, codes=(0, 1, 3, 4))
        syncs = run.report.get("syncs") or [{"error": run.report.get("error")}]
        found = {name: syncs[0].get(name) for name in counts}
        if found != counts:
            sys.exit(f"wrong counts in {self.folder.name}: {found} instead of {counts}; {syncs[0].get('error')}")
        return run

    def first(self):
        """A first run, from no ledger."""
        shutil.rmtree(self.folder / ".outflow", ignore_errors=True)
        self.clear()
        self.turn_to("A")
        rows = self.expected["rows_a"]
        return self.run("sync", "customers", rows_read=rows, added=rows, changed=0, removed=0, delivered=rows)

    def steady(self, command="sync"):
        """The other version than that of the last run."""
        self.clear()
        self.turn_to("A" if self.version == "B" else "B")
        expected, is_b = self.expected, self.version == "B"
        counts = {
            "rows_read": expected["rows_b" if is_b else "rows_a"],
            "added": expected["added" if is_b else "removed"],
            "removed": expected["removed" if is_b else "added"],
            "changed": expected["changed"],
        }
        return self.run(command, "customers", **counts)

    def idle(self):
        """The version of the last run once more."""
        return self.run("sync", "customers", added=0, changed=0, removed=0, sent=0, requests=0)

    def all_changed(self):
        """The version of the last run under another mapping."""
        self.clear()
        self.map(not self.is_swapped)
        rows = self.expected["rows_b" if self.version == "B" else "rows_a"]
        return self.run("sync", "customers", rows_read=rows, added=0, changed=rows, removed=0, delivered=rows)

    def floor(self, stage):
        return measured([self.binary, "bench-floor", "customers", "--stage", stage], cwd=self.folder)

    def clear(self):
        """What earlier runs delivered goes away."""
        shutil.rmtree(self.folder / "out", ignore_errors=True)

    def ledger_bytes(self):
        return sum(path.stat().st_size for path in (self.folder / ".outflow" / "ledger").glob("*"))

    def dump(self):
        """A hash of what the ledger holds, whatever its layout."""
        (path,) = (self.folder / ".outflow" / "ledger").glob("*.db")
        db, digest = sqlite3.connect(f"file:{path}?mode=ro", uri=True), hashlib.sha256()
        for row in db.execute("SELECT key, record FROM dump"):
            digest.update(repr(row).encode())
        db.close()
        return digest.hexdigest()
