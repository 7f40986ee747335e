#!/usr/bin/env python3
"""What else sends rows of a SQLite table to HubSpot; bench/delivery.py starts it, a process for each run.

  bench/clients.py requests|hubspot-api-client|drt SOURCE.sqlite ROWS ADDRESS

`requests` posts batches of 100 over one session, `hubspot-api-client` is HubSpot's own package, and `drt` is that
tool's own HubSpot destination, which writes one record a request; its rate limit is lifted.
"""
import json
import os
import sqlite3
import sys


def batches(path, rows):
    cursor = sqlite3.connect(path).execute("SELECT * FROM customers LIMIT ?", (rows,))
    names = [column[0] for column in cursor.description]
    while some := cursor.fetchmany(100):
        yield [dict(zip(names, row)) for row in some]


def by_requests(some, address):
    import requests

    session, headers = requests.Session(), {"content-type": "application/json"}
    for batch in some:
        inputs = [{"idProperty": "email", "id": row["email"], "properties": row} for row in batch]
        url = f"{address}/crm/v3/objects/contacts/batch/upsert"
        answer = session.post(url, data=json.dumps({"inputs": inputs}).encode(), headers=headers)
        answer.raise_for_status()
        yield len(answer.json()["results"])


def by_hubspot(some, address):
    from hubspot import HubSpot
    from hubspot.crm import contacts

    api = HubSpot(access_token="bench").crm.contacts.batch_api
    api.api_client.configuration.host = address
    one, many = contacts.SimplePublicObjectBatchInputUpsert, contacts.BatchInputSimplePublicObjectBatchInputUpsert
    for batch in some:
        inputs = [one(id=row["email"], id_property="email", properties=row) for row in batch]
        yield len(api.upsert(many(inputs=inputs)).results)


def by_drt(some, address):
    import drt.destinations.hubspot as hubspot
    from drt.config.models import HubSpotDestinationConfig, RateLimitConfig, SyncOptions

    class Unlimited:
        def acquire(self):
            pass

    os.environ["HUBSPOT_TOKEN"] = "bench"
    hubspot._HUBSPOT_API = f"{address}/crm/v3/objects"
    hubspot.resolve_rate_limiter = lambda *_, **__: Unlimited()
    auth = {"type": "bearer", "token_env": "HUBSPOT_TOKEN"}
    config = HubSpotDestinationConfig(type="hubspot", object_type="contacts", id_property="email", auth=auth)
    destination, options = hubspot.HubSpotDestination(), SyncOptions(rate_limit=RateLimitConfig(requests_per_second=1000))
    for batch in some:
        yield destination.load(batch, config, options).success


CLIENTS = {"requests": by_requests, "hubspot-api-client": by_hubspot, "drt": by_drt}


def main():
    if len(sys.argv) != 5 or sys.argv[1] not in CLIENTS:
        sys.exit(__doc__)
    client, source, rows, address = sys.argv[1:]
    print(json.dumps({"delivered": sum(CLIENTS[client](batches(source, int(rows)), address))}))


if __name__ == "__main__":
    main()
