"""The delivery loop against a local server: CPU a row (goal G6), concurrency, and a permitted rate (goal G7)."""
import json
import shutil
import subprocess
import sys

from gen import COLUMNS
from measure import HERE, in_turn, measured

CLIENTS = {"requests": (20_000, 0.12), "hubspot-api-client": (5_000, 0.05), "drt": (1_000, 0.02)}
ROWS = 50_000
LATENCY, JITTER = 0.05, 0.01
IN_FLIGHT = 8


class Server:
    def __init__(self, latency=0.0, jitter=0.0):
        command = [sys.executable, HERE / "server.py", "--latency", latency, "--jitter", jitter]
        self.process = subprocess.Popen([*map(str, command)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.address = f"http://127.0.0.1:{self.process.stdout.readline().strip()}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()

    def seen(self):
        """Since it was asked last."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


class Contacts:
    """A project that sends `customers` of a SQLite file to the server, as contacts matched by e-mail."""

    def __init__(self, options, folder, rows, rate="1000000/10s", batch=100):
        self.binary, self.data, self.folder, self.rows, self.batch = options.binary, options.data, folder, rows, batch
        self.rate = rate
        (folder / "mappings").mkdir(parents=True)

    def connect(self, address, version="A"):
        path = str((self.data / f"customers_{version}.sqlite").resolve())
        hubspot = {"type": "hubspot", "token": "bench", "base_url": address}
        hubspot["limits"] = {"requests": self.rate, "concurrency": IN_FLIGHT}
        connections = {"warehouse": {"type": "sqlite", "path": path}, "marketing": hubspot}
        (self.folder / "outflow.yml").write_text(json.dumps({"name": "bench", "connections": connections}))
        mapping = {
            "source": {
                "connection": "warehouse",
                "query": f"select * from customers where id <= {self.rows}",
                "primary_key": "id",
            },
            "destination": {"connection": "marketing", "object": "contacts", "match_on": {"email": "email"}},
            "ledger": {"keep": "hashes"},
            "fields": {name: name for name in COLUMNS if name not in ("id", "email")} | {"row_id": "id"},
            "delivery": {"batch_rows": self.batch, "concurrency": IN_FLIGHT},
        }
        (self.folder / "mappings" / "contacts.yml").write_text(json.dumps(mapping))

    def sync(self, command="sync"):
        run = measured([self.binary, command, "contacts", "--format", "json"], cwd=self.folder, codes=(0, 1, 3, 4))
        (sync,) = run.report["syncs"]
        if sync["status"] != "ok" and command == "sync":
            sys.exit(f"the delivery ended `{sync['status']}`: {sync['error']}")
        return run

    def first(self):
        shutil.rmtree(self.folder / ".outflow", ignore_errors=True)
        run = self.sync()
        if run.report["syncs"][0]["delivered"] != self.rows:
            sys.exit(f"delivered {run.report['syncs'][0]['delivered']} of {self.rows} rows")
        return run


def client(options, name, rows, address):
    run = measured([options.python, HERE / "clients.py", name, options.data / "customers_A.sqlite", rows, address])
    if run.report.get("delivered") != rows:
        sys.exit(f"{name} delivered {run.report} of {rows} rows")
    return run


def per_row(run, rows):
    return run._replace(cpu=run.cpu / rows * 1e6, wall=run.wall / rows * 1e6)


def delivery(options, book, scratch):
    rows = min(ROWS, options.rows)
    book.chapter(f"Delivery: JSON batches of 100 rows of 20 columns to a local server; outflow sends {rows:,} in a first run")
    shutil.rmtree(scratch, ignore_errors=True)
    ours = Contacts(options, scratch / "delivery", rows)
    sizes = {} if options.no_rivals else {name: min(count, rows) for name, (count, _) in CLIENTS.items()}
    with Server() as server:
        ours.connect(server.address)
        runners = {"outflow": lambda: per_row(ours.first(), rows)}
        for name, size in sizes.items():
            runners[name] = lambda name=name, size=size: per_row(client(options, name, size, server.address), size)
        in_turn(runners, 1)
        runs = in_turn(runners, options.pairs)
    for name, some in runs.items():
        book.value(f"   {name}: CPU of the client, {sizes.get(name, rows):,} rows", [run.cpu for run in some], "us/row")
        book.value(f"   {name}: peak memory", [run.peak for run in some], "MB")
    for name in sizes:
        book.ratio(f"G6 CPU a row: against {name}", runs["outflow"], runs[name], CLIENTS[name][1], "cpu")
    with Server(LATENCY, JITTER) as server:
        ours.connect(server.address)
        parts = []
        for _ in range(options.pairs):
            server.seen()
            ours.first()
            seen = server.seen()
            permitted = IN_FLIGHT * 100 / (LATENCY + JITTER / 2)
            parts.append(seen["rows"] / seen["seconds"] / permitted)
    at = f"{LATENCY * 1000:.0f} to {(LATENCY + JITTER) * 1000:.0f} ms latency, {IN_FLIGHT} in flight"
    book.value(f"   {at}: part of what that permits", parts, "", 0.95, at_least=True)
    rate(options, book, scratch)
    shutil.rmtree(scratch)


def rate(options, book, scratch):
    """A run that is bound by the rate takes no longer than the diff and the permitted time."""
    rows, limit, window = min(200_000, options.rows), 190, 10
    ours = Contacts(options, scratch / "rate", rows)
    with Server(0.02, 0.02) as server:
        ours.connect(server.address)
        ours.sync()
        server.seen()
        ours.rate, ours.batch = f"{limit}/{window}s", 5
        ours.connect(server.address, version="B")
        preview, run, seen = ours.sync("diff"), ours.sync(), server.seen()
    sent = seen["requests"] / limit * window
    label = f"G7 {rows:,} rows, {seen['requests']} requests at {limit}/{window} s: against diff + requests / limit"
    book.value(label, [run.wall / (preview.wall + sent)], "x", 1.05)
