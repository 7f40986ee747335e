#!/usr/bin/env python3
"""Contacts into the sandbox's Salesforce by jobs of the Bulk API 2.0, and the same rows by simple-salesforce.

  target/bench/venv/bin/python bench/salesforce.py [--binary target/release/outflow] [--contacts 1000000] [--pairs 1] [--flat]

Serves the sandbox as a process of its own. In turn, `outflow sync` brings all contacts over from a SQLite file, each with its
account by an external id, and a script that reads the same rows of the same file into simple-salesforce's `bulk2`, in jobs
as large as ours, waits for them and reads their results. Each changes all rows that the one before has left; `--flat` leaves the accounts out. Prints seconds,
CPU seconds, peak memory and calls; ends with 1 where a row was not delivered, or where a second sync sends anything. Needs
Python 3.10 and the packages of bench/requirements.txt; a debug build needs ten times as long.
"""
import argparse
import json
import pathlib
import sqlite3
import sys
import tempfile
import urllib.request

from associations import Sandbox as Served
from measure import Book, measured

ACCOUNTS, JOB = 1_000, 20_000
FIELDS = ("code", "last", "first", "email", "phone", "title", "score", "account")


class Sandbox(Served):
    account = {
        "limits": {"requests": "1000000/10s", "daily_calls": 100_000_000},
        "objects": {
            "Account": {"Number__c": {"unique": True}},
            "Contact": {"Code__c": {"unique": True}, "Score__c": "number"},
        },
    }

    def requests(self):
        with urllib.request.urlopen(f"{self.address}/__sandbox/stats") as answer:
            counts = json.load(answer)["requests"]
        return counts["writes"] + counts["reads"]


def warehouse(path, contacts):
    db = sqlite3.connect(path)
    db.execute("create table accounts (code text primary key, name text)")
    db.executemany("insert into accounts values (?, ?)", ((f"A{n}", f"Account {n}") for n in range(ACCOUNTS)))
    db.execute(f"create table contacts (id integer primary key, {', '.join(FIELDS)})")
    rows = (
        (n, f"c{n}", f"Last {n}", f"First {n % 977}", f"contact{n}@example.com", f"+49 30 {n:08}", "Head of " + "x" * (n % 20),
         n % 1000 / 8, f"A{n * 7919 % ACCOUNTS}")
        for n in range(contacts))
    db.executemany(f"insert into contacts values ({', '.join('?' * 9)})", rows)
    db.commit()
    db.close()


def touch(path, round):
    db = sqlite3.connect(path)
    db.execute("update contacts set title = ? || substr(title, instr(title, ' '))", (f"Chief{round}",))
    db.commit()
    db.close()


def project(folder, base_url, flat=False):
    (folder / "mappings").mkdir(parents=True)
    auth = {"method": "access_token", "access_token": "00D!bench"}
    crm = {"type": "salesforce", "auth": auth, "base_url": base_url}
    connections = {"warehouse": {"type": "sqlite", "path": "rows.sqlite"}, "crm": crm}
    (folder / "outflow.yml").write_text(json.dumps({"name": "bench", "connections": connections}))
    fields = {"LastName": "last", "FirstName": "first", "Email": "email", "Phone": "phone", "Title": "title", "Score__c": "score",
              **({} if flat else {"Account.Number__c": "account"})}
    for table, object, key, mapped in (
        ("accounts", "Account", {"Number__c": "code"}, {"Name": "name"}),
        ("contacts", "Contact", {"Code__c": "code"}, fields),
    ):
        source = {"connection": "warehouse", "query": f"select * from {table}", "primary_key": "id" if table == "contacts" else "code"}
        mapping = {"source": source, "destination": {"connection": "crm", "object": object, "match_on": key}, "fields": mapped}
        (folder / "mappings" / f"{table}.yml").write_text(json.dumps(mapping))


def sync(binary, folder, name, sent):
    run = measured([binary, "sync", name, "--format", "json", "-q", "--allow-changes"], cwd=folder)
    (said,) = run.report["syncs"]
    if (said["status"], said["sent"], said["delivered"]) != ("ok", sent, sent):
        sys.exit(f"{name}: wrong counts, {said}")
    return run


RIVAL = """
import resource, sqlite3, sys, json
import requests
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce

address, path, size = sys.argv[1], sys.argv[2], int(sys.argv[3])

class Plain(HTTPAdapter):
    def send(self, request, **more):
        request.url = request.url.replace("https://", "http://")
        return super().send(request, **more)

session = requests.Session()
session.trust_env = False
session.mount("https://", Plain())
sf = Salesforce(instance=address.removeprefix("http://"), session_id="00D!bench", session=session, version="66.0")
bulk = sf.bulk2.Contact
db = sqlite3.connect(path)
cursor = db.execute("select code, last, first, email, phone, title, score, account from contacts")
names = ["Code__c", "LastName", "FirstName", "Email", "Phone", "Title", "Score__c", "Account.Number__c"][:int(sys.argv[4])]
delivered = 0
while rows := cursor.fetchmany(size):
    records = [dict(zip(names, row)) for row in rows]
    for done in bulk.upsert(records=records, external_id_field="Code__c", wait=0.02):
        saved = bulk.get_successful_records(done["job_id"])
        delivered += done["numberRecordsProcessed"] - done["numberRecordsFailed"]
        bulk.get_failed_records(done["job_id"])
print(json.dumps({"delivered": delivered}))
"""


def rival(folder, base_url, contacts, flat):
    run = measured([sys.executable, "-c", RIVAL, base_url, folder / "rows.sqlite", JOB, 7 if flat else 8])
    if run.report["delivered"] != contacts:
        sys.exit(f"simple-salesforce: {run.report}")
    return run


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="target/release/outflow", type=pathlib.Path)
    parser.add_argument("--contacts", default=1_000_000, type=int)
    parser.add_argument("--pairs", default=1, type=int)
    parser.add_argument("--flat", action="store_true")
    args = parser.parse_args()
    binary, book = args.binary.resolve(), Book()
    with tempfile.TemporaryDirectory(prefix="outflow-salesforce-") as folder:
        folder = pathlib.Path(folder)
        inside = folder / "project"
        with Sandbox(binary, folder) as sandbox:
            base_url = f"{sandbox.address}/salesforce"
            project(inside, base_url, args.flat)
            warehouse(inside / "rows.sqlite", args.contacts)
            sync(binary, inside, "accounts", ACCOUNTS)
            before = sandbox.requests()
            first = sync(binary, inside, "contacts", args.contacts)
            book.absolute("first run", [first], args.contacts)
            print(f"      {sandbox.requests() - before:,} calls")
            sync(binary, inside, "contacts", 0)
            ours, theirs = [], []
            for pair in range(args.pairs):
                touch(inside / "rows.sqlite", pair)
                before = sandbox.requests()
                ours.append(sync(binary, inside, "contacts", args.contacts))
                print(f"      {sandbox.requests() - before:,} calls, every row changed")
                theirs.append(rival(inside, base_url, args.contacts, args.flat))
            book.absolute("outflow, every row changed", ours, args.contacts)
            book.absolute("simple-salesforce's bulk2", theirs, args.contacts)
            book.ratio("outflow to simple-salesforce's bulk2", ours, theirs, 0.2, of="cpu")
            book.value("peak memory of a run that changes all rows", [run.peak for run in [first, *ours]], "MB", 150)
    sys.exit(1 if book.missed else 0)


if __name__ == "__main__":
    main()
