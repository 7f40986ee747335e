#!/usr/bin/env python3
"""Contacts with two links each, to a company and to a deal, from a SQLite file into the sandbox; then all are read back.

  target/bench/venv/bin/python bench/associations.py [--binary target/release/outflow] [--contacts 100000]

Serves the sandbox as a process of its own with a high limit, loads companies and deals, then the contacts, and syncs
these once more, which must send nothing. Prints of each sync the seconds, requests and peak memory. Then HubSpot's own
Python client, of bench/requirements.txt, reads each contact by its e-mail and each of its links: an object, a link or a
kind of link that is missing, or one too many, ends it with 1. Needs Python 3.10; a debug build needs ten times as long.
"""
import argparse
import json
import pathlib
import sqlite3
import subprocess
import sys
import tempfile
import time

from measure import measured

LABEL = "Buyer"
COMPANIES, DEALS = 50, 20
"""Contacts to one of them."""
READ, LINKS = 100, 1000
"""Inputs of a call."""


class Office:
    """The rows, and what each contact is linked to."""

    def __init__(self, contacts):
        self.contacts, self.companies, self.deals = contacts, max(contacts // COMPANIES, 1), max(contacts // DEALS, 1)

    def email(self, number):
        return f"contact{number}@example.com"

    def company(self, number):
        return f"C{number * 7919 % self.companies}"

    def deal(self, number):
        return f"D{number * 104729 % self.deals}"

    def warehouse(self, path):
        db = sqlite3.connect(path)
        db.execute("create table companies (code text primary key, name text)")
        db.execute("create table deals (code text primary key, name text)")
        db.execute("create table contacts (id integer primary key, email text, name text, company text, deal text)")
        for table, letter, count in (("companies", "C", self.companies), ("deals", "D", self.deals)):
            rows = ((f"{letter}{number}", f"{table} {number}") for number in range(count))
            db.executemany(f"insert into {table} values (?, ?)", rows)
        rows = ((n, self.email(n), f"Name {n}", self.company(n), self.deal(n)) for n in range(self.contacts))
        db.executemany("insert into contacts values (?, ?, ?, ?, ?)", rows)
        db.commit()
        db.close()

    def project(self, folder, base_url):
        (folder / "mappings").mkdir(parents=True)
        self.warehouse(folder / "rows.sqlite")
        hubspot = {"type": "hubspot", "token": "bench", "base_url": base_url, "limits": {"requests": "100000/10s", "concurrency": 4}}
        connections = {"warehouse": {"type": "sqlite", "path": "rows.sqlite"}, "crm": hubspot}
        (folder / "outflow.yml").write_text(json.dumps({"name": "bench", "connections": connections}))
        links = [
            {"to": "companies", "match_on": {"account_code": "company"}},
            {"to": "deals", "match_on": {"deal_code": "deal"}, "label": LABEL},
        ]
        for table, key, rest in (
            ("companies", {"account_code": "code"}, {"fields": {"name": "name"}}),
            ("deals", {"deal_code": "code"}, {"fields": {"dealname": "name"}}),
            ("contacts", {"email": "email"}, {"fields": {"firstname": "name"}, "associations": links}),
        ):
            source = {"connection": "warehouse", "query": f"select * from {table}", "primary_key": "id" if table == "contacts" else "code"}
            mapping = {"source": source, "destination": {"connection": "crm", "object": table, "match_on": key}, **rest}
            (folder / "mappings" / f"{table}.yml").write_text(json.dumps(mapping))


class Sandbox:
    account = {
        "limits": {"requests": "1000000/10s", "daily_calls": 100_000_000},
        "objects": {
            "companies": {"account_code": {"type": "string", "unique": True}},
            "deals": {"deal_code": {"type": "string", "unique": True}},
        },
        "associations": [{"from": "contacts", "to": "deals", "label": LABEL}],
    }

    def __init__(self, binary, folder):
        (folder / "account.yml").write_text(json.dumps(self.account))
        command = [binary, "sandbox", "serve", "--port", "0", "--config", "account.yml", "--file", "objects.db"]
        self.process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
        self.address = self.process.stdout.readline().strip()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def sync(binary, folder, name, rows, sent):
    run = measured([binary, "sync", name, "--format", "json", "-q"], cwd=folder)
    (said,) = run.report["syncs"]
    counts = {count: said[count] for count in ("rows_read", "sent", "delivered", "invalid", "rejected", "deferred", "unknown")}
    wanted = {"rows_read": rows, "sent": sent, "delivered": sent, "invalid": 0, "rejected": 0, "deferred": 0, "unknown": 0}
    if counts != wanted or said["status"] != "ok":
        sys.exit(f"{name}: wrong counts, {said}")
    print(
        f"{name:<10} {rows:>9,} rows, {sent:,} sent: {run.wall:.1f} s, CPU {run.cpu:.1f} s, peak {run.peak:.0f} MB, "
        f"{said['requests']:,} write requests, {said['reads']:,} others, {said['retries']} retries",
        flush=True,
    )
    if not sent and said["requests"]:
        sys.exit(f"{name}: {said['requests']} write requests for nothing")


def chunks(items, size):
    return (items[start:start + size] for start in range(0, len(items), size))


class Reader:
    """HubSpot's own client, which reads what there is."""

    def __init__(self, base_url):
        import hubspot
        from hubspot.crm import objects
        from hubspot.crm.associations import v4

        self.objects, self.v4, self.calls = objects, v4, 0
        self.crm = hubspot.Client.create(access_token="bench-reader", host=base_url).crm

    def ids(self, kind, unique, keys):
        """The record id of each key; all must be there, each once."""
        found = {}
        for some in chunks(keys, READ):
            inputs = [self.objects.SimplePublicObjectId(id=key) for key in some]
            request = self.objects.BatchReadInputSimplePublicObjectId(
                inputs=inputs, properties=[unique], properties_with_history=[], id_property=unique)
            answer = self.crm.objects.batch_api.read(kind, request)
            self.calls += 1
            found.update({one.properties[unique]: one.id for one in answer.results})
        if set(found) != set(keys) or len(set(found.values())) != len(keys):
            sys.exit(f"{kind}: {len(keys):,} keys, but {len(found):,} found as {len(set(found.values())):,} objects")
        return found

    def links(self, to, ids):
        """Of each contact, the objects it is linked to and how."""
        found = {}
        for some in chunks(ids, LINKS):
            inputs = [self.v4.PublicFetchAssociationsBatchRequest(id=one) for one in some]
            request = self.v4.BatchInputPublicFetchAssociationsBatchRequest(inputs)
            answer = self.crm.associations.v4.batch_api.get_page("contacts", to, request)
            self.calls += 1
            for result in answer.results:
                kinds = {one.to_object_id: sorted(kind.label or "" for kind in one.association_types) for one in result.to}
                if result._from.id in found or result.paging:
                    sys.exit(f"contact {result._from.id} is answered twice, or in part")
                found[result._from.id] = kinds
        return found


def check(office, base_url):
    begun, reader = time.monotonic(), Reader(base_url)
    contacts = reader.ids("contacts", "email", [office.email(number) for number in range(office.contacts)])
    others = {
        "companies": (office.company, "", reader.ids("companies", "account_code", [f"C{n}" for n in range(office.companies)])),
        "deals": (office.deal, LABEL, reader.ids("deals", "deal_code", [f"D{n}" for n in range(office.deals)])),
    }
    for to, (linked, label, ids) in others.items():
        wanted = {contacts[office.email(n)]: {ids[linked(n)]: [label]} for n in range(office.contacts)}
        found = reader.links(to, list(contacts.values()))
        wrong = [one for one in wanted if found.get(one) != wanted[one]]
        if wrong or len(found) != len(wanted):
            first = wrong[0] if wrong else None
            sys.exit(f"{to}: {len(wrong):,} contacts are linked otherwise, {first} for one: {found.get(first)}, not {wanted.get(first)}")
        print(f"read back: {len(found):,} contacts, each with its link to one of {len(ids):,} {to}", flush=True)
    print(f"the reader made {reader.calls:,} calls in {time.monotonic() - begun:.1f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="target/release/outflow", type=pathlib.Path)
    parser.add_argument("--contacts", default=100_000, type=int)
    args = parser.parse_args()
    binary, office = args.binary.resolve(), Office(args.contacts)
    with tempfile.TemporaryDirectory(prefix="outflow-associations-") as folder:
        folder = pathlib.Path(folder)
        with Sandbox(binary, folder) as sandbox:
            base_url = f"{sandbox.address}/hubspot"
            office.project(folder / "project", base_url)
            sync(binary, folder / "project", "companies", office.companies, office.companies)
            sync(binary, folder / "project", "deals", office.deals, office.deals)
            sync(binary, folder / "project", "contacts", office.contacts, office.contacts)
            sync(binary, folder / "project", "contacts", office.contacts, 0)
            check(office, base_url)


if __name__ == "__main__":
    main()
