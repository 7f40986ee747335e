"""What `hubspot_client.py` asserts of each call of HubSpot's own client.

Every answer is compared whole: its status, each field of the client's model, and that the model holds all that was
answered. An answer that no assertion has looked at fails its test, and so does a request that left in any other way.
"""
import datetime
import json
import re
import sys
import time
import unittest
import uuid

import hubspot
import urllib3
from hubspot import oauth
from hubspot.crm import contacts, lists, objects, properties
from hubspot.crm.associations import v4

UTC = datetime.timezone.utc
RUN = f"{time.time_ns():x}"
BASE = sys.argv[1].rstrip("/") if len(sys.argv) == 2 else sys.exit("usage: hubspot_client.py BASE_URL")

REFUSED = tuple(package.ApiException for package in (contacts, lists, oauth, objects, properties, v4))

sent = []
transport = urllib3.PoolManager.request


def counted(pool, method, url, *args, **kwargs):
    sent.append(f"{method} {url}")
    return transport(pool, method, url, *args, **kwargs)


urllib3.PoolManager.request = counted


def client(token="pat-python-client"):
    return hubspot.Client.create(access_token=token, host=BASE, base_url=BASE)


def mail(name):
    return f"{name}-{RUN}@example.org"


class Any:
    """Equal to every text that the pattern matches whole."""

    def __init__(self, pattern):
        self.pattern = re.compile(pattern, re.DOTALL)

    def __eq__(self, other):
        return isinstance(other, str) and self.pattern.fullmatch(other) is not None

    def __repr__(self):
        return f"Any({self.pattern.pattern})"


class Lately:
    """Equal to every time of this run."""

    begun = datetime.datetime.now(UTC) - datetime.timedelta(seconds=2)

    def __eq__(self, other):
        now = datetime.datetime.now(UTC) + datetime.timedelta(seconds=2)
        return isinstance(other, datetime.datetime) and self.begun <= other <= now

    def __repr__(self):
        return "Lately()"


class BadValues:
    """Equal to the message that lists these invalid values, by name and code."""

    def __init__(self, **codes):
        self.codes = codes

    def __eq__(self, other):
        head, _, tail = str(other).partition(": ")
        if head != "Property values were not valid":
            return False
        listed = json.loads(tail)
        whole = all(set(one) == {"isValid", "message", "error", "name"} and not one["isValid"] for one in listed)
        return whole and {one["name"]: one["error"] for one in listed} == self.codes

    def __repr__(self):
        return f"BadValues({self.codes})"


def fields(model):
    """A model of the client, as plain values without what is unset."""
    if isinstance(model, list):
        return [fields(one) for one in model]
    if isinstance(model, dict):
        return {name: fields(value) for name, value in model.items()}
    if not hasattr(model, "attribute_map"):
        return model
    named = {name: getattr(model, name) for name in model.attribute_map}
    return {name: fields(value) for name, value in named.items() if value is not None}


def wire(model):
    """The same with the names and times of the wire."""
    if isinstance(model, list):
        return [wire(one) for one in model]
    if isinstance(model, dict):
        return {name: wire(value) for name, value in model.items()}
    if isinstance(model, datetime.datetime):
        return model.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if not hasattr(model, "attribute_map"):
        return model
    named = {key: getattr(model, name) for name, key in model.attribute_map.items()}
    return {key: wire(value) for key, value in named.items() if value is not None}


class Kind:
    """One type of object through the API of objects in general, or of contacts."""

    def __init__(self, name, unique, wanted, times=("createdate", "hs_lastmodifieddate"), api=None):
        self.name, self.unique, self.wanted, self.times = name, unique, wanted, times
        self.api = api

    def of(self, token_client):
        return self.api or token_client.crm.objects


class Answer:
    def __init__(self, test, place, status, model, text, headers):
        self.test, self.place, self.status, self.model, self.text, self.headers = test, place, status, model, text, headers
        self.seen = False

    def holds(self, expected, newer=()):
        """Asserts all of the answer: the model's fields, and that the model lost nothing of the text."""
        self.seen = True
        test = self.test
        test.assertEqual(fields(self.model), expected, self.place)
        body = json.loads(self.text) if self.text else None
        lost = f"{self.place}: the client's model lost something"
        test.assertEqual(without(body, newer), without(wire(self.model)), lost)
        return self

    def is_empty(self):
        self.seen = True
        self.test.assertEqual((self.model, self.text), (None, ""), self.place)


def without(body, names=()):
    """The body without these names, and without nulls, which a model does not tell from what is unset."""
    if isinstance(body, list):
        return [without(one, names) for one in body]
    if isinstance(body, dict):
        kept = {name: value for name, value in body.items() if name not in names and value is not None}
        return {name: without(value, names) for name, value in kept.items()}
    return body


def place(result):
    """Where a result stands in a sorted batch: by its ids, in the names of the wire or in the client's."""
    named = {name.replace("_", "").lower(): value for name, value in result.items()}
    ids = [named.get(name) for name in ("id", "from", "to", "fromobjectid", "toobjectid")]
    return [int(one["id"] if isinstance(one, dict) else one) for one in ids if one and not isinstance(one, list)]


class Sandbox(unittest.TestCase):
    maxDiff = 3000

    def setUp(self):
        self.client = client()
        self.answers, self.already = [], len(sent)

    def tearDown(self):
        unseen = [answer.place for answer in self.answers if not answer.seen]
        self.assertEqual(unseen, [], "answers that nothing has looked at")
        self.assertEqual(len(sent) - self.already, len(self.answers), "requests that were not made by `ask`")

    def ask(self, status, call, *args, **kwargs):
        """One call of the client, which must be answered with this status."""
        api = call.__self__.api_client
        place = f"{call.__module__.split('.')[-1]}.{call.__name__}"
        try:
            model, got, headers = getattr(call.__self__, f"{call.__name__}_with_http_info")(*args, **kwargs)
            text = api.last_response.data
        except REFUSED as error:
            got, text, headers = error.status, error.body, error.headers
            model = json.loads(text)
        self.assertEqual(got, status, f"{place}: {text[:500]}")
        headers = {name.lower(): value for name, value in headers.items()}
        uuid.UUID(headers["x-hubspot-correlation-id"])
        answer = Answer(self, place, got, model, text, headers)
        self.answers.append(answer)
        return answer

    def refused(self, status, category, message, call, *args, extra=None, **kwargs):
        answer = self.ask(status, call, *args, **kwargs)
        same = {"correlationId": answer.headers["x-hubspot-correlation-id"]}
        answer.holds({"status": "error", "category": category, "message": message, **same, **(extra or {})})

    # Objects

    def batch(self, kind):
        return kind.of(self.client).batch_api

    def upsert(self, kind, rows, status=200):
        """Upserts `{key: properties}`."""
        inputs = [objects.SimplePublicObjectBatchInputUpsert(id=key, id_property=kind.unique, properties=properties)
                  for key, properties in rows.items()]
        return self.ask(status, self.batch(kind).upsert, kind.name, objects.BatchInputSimplePublicObjectBatchInputUpsert(inputs))

    def read(self, kind, keys, status=200, unique=True):
        request = objects.BatchReadInputSimplePublicObjectId(
            inputs=[objects.SimplePublicObjectId(id=key) for key in keys], properties=kind.wanted,
            properties_with_history=[], id_property=kind.unique if unique else None)
        return self.ask(status, self.batch(kind).read, kind.name, request)

    def kept(self, kind, model, values):
        """The fields of an object that a read shows, if it has these values."""
        made, changed = (wire(at) for at in (model.created_at, model.updated_at))
        system = {kind.times[0]: made, kind.times[1]: changed, "hs_object_id": model.id}
        unset = dict.fromkeys(kind.wanted)
        return {"id": model.id, "archived": False, "created_at": model.created_at, "updated_at": model.updated_at,
                "properties": {**unset, **{name: value or None for name, value in values.items()}, **system}}

    def reads_as(self, kind, rows, models):
        """By key, by record id and one by one: exactly these values."""
        expected = [self.kept(kind, models[key], {kind.unique: key, **values}) for key, values in rows.items()]
        for keys, unique in ((list(rows), True), ([model.id for model in models.values()], False)):
            answer = self.read(kind, keys, unique=unique)
            self.holds_batch(answer, expected)
        key = next(iter(rows))
        one = kind.of(self.client).basic_api.get_by_id
        self.ask(200, one, kind.name, models[key].id, properties=kind.wanted).holds(expected[0])
        by_key = self.ask(200, one, kind.name, key, properties=kind.wanted, id_property=kind.unique)
        by_key.holds(expected[0])

    def holds_batch(self, answer, results, errors=None):
        """Asserts a batch's answer, with these results in any order."""
        answer.model.results.sort(key=lambda model: place(wire(model)))
        body = json.loads(answer.text)
        body["results"].sort(key=place)
        answer.text = json.dumps(body)
        failed = {"errors": errors, "num_errors": len(errors)} if errors else {}
        answer.holds({"status": "COMPLETE", "started_at": Lately(), "completed_at": Lately(),
                      "results": sorted(results, key=place), **failed})
        self.assertLessEqual(answer.model.started_at, answer.model.completed_at)

    def written(self, kind, answer, rows, new=None, known=None):
        """Asserts the results of a write of these rows, and gives the models by key."""
        models = {model.properties[kind.unique]: model for model in answer.model.results}
        self.assertEqual(set(models), set(rows), answer.place)
        results = []
        for key, model in models.items():
            expected = self.kept(kind, model, {kind.unique: key, **rows[key]})
            values = {name: value for name, value in expected["properties"].items() if name in model.properties}
            silent = {name for name, value in rows[key].items() if value} - set(values)
            self.assertEqual(silent, set(), f"{answer.place} does not show what was sent")
            self.assertIn("hs_object_id", values)
            results.append({**expected, "properties": values, **({} if new is None else {"new": new})})
            self.assertEqual(model.created_at, known[key].created_at if known else Lately())
            self.assertGreaterEqual(model.updated_at, model.created_at)
        self.holds_batch(answer, results)
        if known:
            self.assertEqual({k: m.id for k, m in models.items()}, {k: known[k].id for k in models})
        return models

    def absent(self, kind, keys, unique=True):
        error = {"status": "error", "category": "OBJECT_NOT_FOUND", "context": {"ids": list(keys)},
                 "message": Any(r"Could not get some .+ objects, they may be deleted or not exist\. .+")}
        self.holds_batch(self.read(kind, keys, 207, unique), [], [error])
