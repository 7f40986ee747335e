#!/usr/bin/env python3
"""How long outflow takes when there is nothing to do: start-up, and a sync of 1,000 rows of which none changed.

  bench/startup.py [--binary target/release/outflow] [--pairs 5] [--no-drt]

The rival is `drt --version` (PyPI `drt-core`, pinned), installed into a virtual environment that is thrown away. Ours
and theirs alternate, after one warm-up each; every line has the median and, in brackets, the least and the most.
The sync has 20 columns, all mapped, and speaks to `outflow sandbox serve` over loopback. Counts are checked first: the
first run must deliver every row, and the measured runs must send nothing. Needs GNU time in /usr/bin/time (its own
memory is small; a child of Python starts with Python's) and Python 3.9.
"""
import argparse
import hashlib
import json
import os
import pathlib
import platform
import resource
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

DRT = "drt-core==1.2.1"
ROWS = 1_000
TEXTS = "first_name last_name phone company country city postal_code plan segment source campaign owner_name".split()
NUMBERS = "orders_count lifetime_value churn_score visits".split()
DATES = "first_order last_order".split()


def warehouse(path):
    """A table of 20 columns; every value follows from the row's number."""
    columns = ["id INTEGER PRIMARY KEY", "email TEXT"]
    columns += [f"{c} TEXT" for c in TEXTS] + [f"{c} REAL" for c in NUMBERS] + [f"{c} TEXT" for c in DATES]
    db = sqlite3.connect(path)
    db.execute(f"create table customers ({', '.join(columns)})")
    for i in range(1, ROWS + 1):
        digest = hashlib.md5(str(i).encode()).hexdigest()
        row = [i, f"user{i}.{digest[:6]}@example.com"]
        row += [f"{c} {digest[k:k + 8]}" for k, c in enumerate(TEXTS)]
        row += [int(digest[k:k + 5], 16) / 100 for k in range(len(NUMBERS))]
        row += [f"20{10 + int(digest[k], 16)}-0{1 + int(digest[k + 1], 16) % 9}-15" for k in range(len(DATES))]
        db.execute(f"insert into customers values ({','.join('?' * len(row))})", row)
    db.commit()
    db.close()


def project(folder):
    warehouse(folder / "warehouse.sqlite")
    properties = {c: "string" for c in TEXTS} | {c: "number" for c in NUMBERS} | {c: "date" for c in DATES}
    known = {"phone", "company", "country", "city"}
    properties = {c: t for c, t in properties.items() if c not in known}
    properties["row_id"] = "number"
    account = {"objects": {"contacts": properties}, "limits": {"requests": "10000/10s"}}
    (folder / "account.yml").write_text(json.dumps(account))
    (folder / "mappings").mkdir()
    fields = {c: c for c in TEXTS + NUMBERS + DATES} | {"row_id": "id"}
    mapping = {
        "source": {"connection": "warehouse", "query": "select * from customers", "primary_key": "id"},
        "destination": {"connection": "marketing", "object": "contacts", "match_on": {"email": "email"}},
        "fields": fields,
    }
    (folder / "mappings" / "customers.yml").write_text(json.dumps(mapping))


def connect(folder, address):
    connections = {
        "warehouse": {"type": "sqlite", "path": "warehouse.sqlite"},
        "marketing": {
            "type": "hubspot",
            "token": "bench",
            "base_url": f"{address}/hubspot",
            "limits": {"requests": "10000/10s"},
        },
    }
    (folder / "outflow.yml").write_text(json.dumps({"name": "bench", "connections": connections}))


def measured(command, cwd):
    """Wall seconds, CPU seconds, peak megabytes, stdout."""
    with tempfile.NamedTemporaryFile("r") as figures:
        timed = ["/usr/bin/time", "-f", "%M", "-o", figures.name, *map(str, command)]
        spent, begun = cpu_of_children(), time.perf_counter()
        done = subprocess.run(timed, cwd=cwd, capture_output=True, text=True)
        wall, spent = time.perf_counter() - begun, cpu_of_children() - spent
        if done.returncode:
            sys.exit(f"{command} ended with {done.returncode}: {done.stdout}{done.stderr}")
        return wall, spent, int(figures.read()) / 1024, done.stdout


def cpu_of_children():
    """Seconds, GNU time's own millisecond included; its report has no more than two decimals."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def alternate(ours, theirs, pairs):
    """Runs of both in turn, without the first pair."""
    ran = [(ours(), theirs() if theirs else None) for _ in range(pairs + 1)]
    return ran[1:]


def line(name, values, unit, goal):
    low, middle, high = min(values), statistics.median(values), max(values)
    print(f"{name:<44} {middle:9.4g} {unit:<3} [{low:.4g} to {high:.4g}]   goal: {goal}")


def install_drt(folder):
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    pip = [folder / "venv/bin/pip", "install", "--quiet", "--disable-pip-version-check", DRT]
    subprocess.run(pip, check=True)
    return folder / "venv/bin/drt"


def counted(report, **expected):
    (sync,) = json.loads(report)["syncs"]
    found = {name: sync[name] for name in expected}
    if found != expected:
        sys.exit(f"wrong counts: {found}, expected {expected}: {sync['error']}")


def bench(binary, drt, folder, pairs):
    rival = (lambda: measured([drt, "--version"], folder)) if drt else None
    version = alternate(lambda: measured([binary, "--version"], folder), rival, max(pairs, 20) if not drt else pairs)
    line("`--version`, wall", [a[0] * 1000 for a, _ in version], "ms", "10 or less")
    sync = [binary, "sync", "--format", "json"]
    counted(measured(sync, folder)[3], rows_read=ROWS, added=ROWS, delivered=ROWS, rejected=0, invalid=0)

    def unchanged():
        figures = measured(sync, folder)
        counted(figures[3], rows_read=ROWS, unchanged=ROWS, sent=0, requests=0)
        return figures

    runs = alternate(unchanged, rival, pairs)
    line(f"sync of {ROWS:,} unchanged rows, wall", [a[0] * 1000 for a, _ in runs], "ms", "-")
    line(f"sync of {ROWS:,} unchanged rows, CPU", [a[1] * 1000 for a, _ in runs], "ms", "-")
    line(f"sync of {ROWS:,} unchanged rows, peak memory", [a[2] for a, _ in runs], "MB", "16 or less")
    if drt:
        line("`drt --version`, wall", [b[0] * 1000 for _, b in runs], "ms", "-")
        line("the sync as a share of `drt --version`", [a[0] / b[0] for a, b in runs], "x", "0.06 or less")


def main():
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--binary", default="target/release/outflow", type=pathlib.Path)
    flags.add_argument("--pairs", default=5, type=int)
    flags.add_argument("--no-drt", action="store_true", help="without the rival, which needs PyPI")
    options = flags.parse_args()
    binary = options.binary.resolve()
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        drt = None if options.no_drt else install_drt(scratch)
        folder = scratch / "project"
        folder.mkdir()
        project(folder)
        serve = [binary, "sandbox", "serve", "--port", "0", "--config", "account.yml", "--file", "sandbox.db"]
        server = subprocess.Popen(serve, cwd=folder, stdout=subprocess.PIPE, text=True)
        try:
            connect(folder, server.stdout.readline().strip())
            versions = [measured([binary, "--version"], folder)[3].strip()] + ([] if options.no_drt else [DRT])
            load = os.getloadavg()[0]
            print(f"{', '.join(versions)}; {platform.machine()}, {os.cpu_count()} cores, load {load:.1f}; {options.pairs} pairs")
            bench(binary, drt, folder, options.pairs)
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
