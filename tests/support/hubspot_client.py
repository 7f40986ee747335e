#!/usr/bin/env python3
"""HubSpot's own Python client, unmodified, against a sandbox: a second reading, beside that of `hubspot_client.cjs`.

  python3 -m venv V && V/bin/pip install hubspot-api-client==12.0.0
  V/bin/python hubspot_client.py http://127.0.0.1:PORT/hubspot

The sandbox must serve the account of `hubspot_account.yml`. Every request is built of the client's models, and of every
answer all is asserted (`hubspot_answers.py`). Ends with 0 if all hold, else with 1 after the first that does not.
"""
import json
import random
import sys
import time
import unittest

from hubspot.crm import contacts, objects, properties
from hubspot_answers import RUN, Any, BadValues, Kind, Lately, Sandbox, client, fields, mail
from hubspot_links import Links, Members  # noqa: F401, their tests run with those of this file

LIMIT = 5000
CUSTOM = Kind("2-4711", "sku", ["sku", "title", "weight"], ("hs_createdate", "hs_lastmodifieddate"))
CONTACT_TIMES = ("createdate", "lastmodifieddate")
CONTACT_WANTED = ["email", "firstname", "lastname", "message", "external_id", "lifetime_value", "seats", "vip", "born",
                  "last_seen", "plan", "topics", "settings", "score", "city"]
KINDS = [
    Kind("0-1", "email", CONTACT_WANTED, CONTACT_TIMES),
    Kind("contacts", "external_id", CONTACT_WANTED, CONTACT_TIMES),
    Kind("companies", "account_code", ["account_code", "name", "domain", "numberofemployees", "is_public"]),
    Kind("0-3", "deal_code", ["deal_code", "dealname", "amount", "dealstage", "closedate"]),
    Kind("tickets", "ticket_code", ["ticket_code", "subject", "content", "hs_ticket_priority", "hs_ticket_category"]),
    Kind("0-7", "product_code", ["product_code", "name", "price", "hs_product_type"]),
    CUSTOM,
]
EMAIL, CONTACTS = KINDS[0], KINDS[1]

ROWS = {
    "0-1": [{"firstname": "Ægir", "lifetime_value": "0.10"}, {"firstname": "", "lifetime_value": "-7"}],
    "contacts": [{"email": mail("second"), "topics": "art;law"}, {"topics": "", "vip": "true"}],
    "companies": [{"name": "Ünïcode & Söhne GmbH", "numberofemployees": "12"}, {"numberofemployees": "", "is_public": "false"}],
    "0-3": [{"dealname": "Q1 \"big\"", "amount": "1000000.01", "dealstage": "closedwon"}, {"amount": "5", "dealstage": "closedlost"}],
    "tickets": [{"subject": "Größe\nfalsch", "hs_ticket_category": "BILLING_ISSUE;PRODUCT_ISSUE"},
                {"hs_ticket_priority": "LOW", "subject": ""}],
    "0-7": [{"name": "Stuhl", "price": "19.99", "hs_product_type": "service"}, {"price": "", "hs_product_type": ""}],
    "2-4711": [{"title": "椅子", "weight": "1e2"}, {"title": "机", "weight": ""}],
}


class Objects(Sandbox):
    def test_each_type_is_upserted_read_updated_and_archived(self):
        for kind in KINDS:
            with self.subTest(kind.name):
                first, second = ROWS[kind.name]
                keys = [mail(f"{kind.unique}{n}") for n in range(3)]
                rows = {key: dict(first) for key in keys}
                if kind is CONTACTS:
                    rows = {key: {**first, "email": f"{n}{first['email']}"} for n, key in enumerate(keys)}
                models = self.written(kind, self.upsert(kind, rows), rows, new=True)
                self.assertEqual(len({model.id for model in models.values()}), 3)
                self.reads_as(kind, rows, models)
                merged = {keys[1]: {**rows[keys[1]], **second}}
                changed = self.written(kind, self.upsert(kind, {keys[1]: second}), merged, new=False, known=models)
                self.reads_as(kind, {**rows, **merged}, {**models, **changed})
                self.update_by_id(kind, keys[2], rows[keys[2]], second, models[keys[2]])
                self.archive(kind, models[keys[0]].id, keys[0])
                self.reads_as(kind, merged, changed)

    def update_by_id(self, kind, key, before, values, model):
        request = objects.BatchInputSimplePublicObjectBatchInput([objects.SimplePublicObjectBatchInput(id=model.id, properties=values)])
        answer = self.ask(200, self.batch(kind).update, kind.name, request)
        after = {**before, **values}
        shown = answer.model.results[0]
        self.assertEqual(shown.id, model.id)
        own = self.kept(kind, shown, {kind.unique: key, **after})
        own["properties"] = {name: values.get(name, own["properties"][name]) for name in shown.properties}
        self.assertLessEqual(set(values), set(shown.properties))
        self.holds_batch(answer, [own])
        self.reads_as(kind, {key: after}, {key: shown})

    def archive(self, kind, identity, key):
        gone = objects.BatchInputSimplePublicObjectId([objects.SimplePublicObjectId(id=identity)])
        for _ in range(2):
            self.ask(204, self.batch(kind).archive, kind.name, gone).is_empty()
            self.absent(kind, [key])
            self.absent(kind, [identity], unique=False)
            one = kind.of(self.client).basic_api.get_by_id
            self.refused(404, "OBJECT_NOT_FOUND", "resource not found", one, kind.name, identity)

    def test_a_hundred_rows_of_any_text_are_kept_byte_for_byte(self):
        chance = random.Random(7)
        planes = [(0x20, 0x7E), (0xA0, 0x24F), (0x300, 0x36F), (0x5D0, 0x6FF), (0x2028, 0x206F), (0x4E00, 0x9FFF),
                  (0xFE00, 0xFE0F), (0x1F300, 0x1FAFF), (0x1, 0x1F)]
        any_text = lambda length: "".join(chr(chance.randint(*chance.choice(planes))) for _ in range(length))
        lengths = [1, 10_000, *(chance.randint(2, 60) for _ in range(98))]
        rows = {mail(f"any{n}"): {"message": any_text(length), "city": any_text(3)} for n, length in enumerate(lengths)}
        models = self.written(EMAIL, self.upsert(EMAIL, rows), rows, new=True)
        self.reads_as(EMAIL, rows, models)
        more = {**rows, mail("one-too-many"): {}}
        inputs = [objects.SimplePublicObjectBatchInputUpsert(id=key, id_property="email", properties=row) for key, row in more.items()]
        self.refused(400, "VALIDATION_ERROR", Any(".*101 inputs.*"), self.batch(EMAIL).upsert, "0-1",
                     objects.BatchInputSimplePublicObjectBatchInputUpsert(inputs))
        self.absent(EMAIL, [mail("one-too-many")])

    def test_a_value_is_kept_in_the_form_of_its_type(self):
        forms = {
            "lifetime_value": ["0", "-0.5", "123456789012345678.125", "1e3"], "seats": ["0", "-4", "2147483648"],
            "vip": ["true", "false"], "born": ["1969-12-31", ("-86400000", "1969-12-31"), ("0", "1970-01-01")],
            "last_seen": [("1999-12-31T23:59:59Z", "1999-12-31T23:59:59.000Z"), ("-1", "1969-12-31T23:59:59.999Z"),
                          ("2024-02-29T12:00:00.123-08:00", "2024-02-29T20:00:00.123Z")],
            "plan": ["pro", "team & co"], "topics": ["r&d", "r&d;art"], "settings": ["[]", "\"é\"", "{\"a\":{}}"],
        }
        key = mail("forms")
        models = self.written(EMAIL, self.upsert(EMAIL, {key: {}}), {key: {}}, new=True)
        now = {}
        for name, values in forms.items():
            for value in values:
                given, kept = value if isinstance(value, tuple) else (value, value)
                now[name] = kept
                changed = self.written(EMAIL, self.upsert(EMAIL, {key: {name: given}}), {key: now}, new=False, known=models)
                self.holds_batch(self.read(EMAIL, [key]), [self.kept(EMAIL, changed[key], {"email": key, **now})])

    def test_keys_are_compared_without_case_only_where_they_are_addresses(self):
        key, code = mail("Mixed.Case"), f"Code-{RUN}"
        models = self.written(EMAIL, self.upsert(EMAIL, {key: {"external_id": code}}), {key.lower(): {"external_id": code}}, new=True)
        self.written(EMAIL, self.upsert(EMAIL, {key.upper(): {"city": "Bergen"}}),
                     {key.lower(): {"external_id": code, "city": "Bergen"}}, new=False, known=models)
        self.absent(CONTACTS, [code.lower()])
        other = {code.lower(): {"email": mail("other-case")}}
        self.written(CONTACTS, self.upsert(CONTACTS, other), other, new=True)


class Creates(Sandbox):
    def create(self, properties, trace=None):
        return contacts.SimplePublicObjectBatchInputForCreate(properties=properties, associations=[], object_write_trace_id=trace)

    def request(self, *inputs):
        return contacts.BatchInputSimplePublicObjectBatchInputForCreate(list(inputs))

    def test_creates_and_collisions(self):
        batch = self.client.crm.contacts.batch_api
        rows = {mail(f"created{n}"): {"external_id": f"{n}:{RUN}", "firstname": "Née"} for n in range(2)}
        inputs = [self.create({"email": key, **values}) for key, values in rows.items()]
        models = self.written(EMAIL, self.ask(201, batch.create, self.request(*inputs)), rows)
        self.reads_as(EMAIL, rows, models)
        first = next(iter(rows))
        exists = f"Contact already exists. Existing ID: {models[first].id}"
        for _ in range(2):
            both = self.request(self.create({"email": mail("innocent")}), self.create({"email": first}))
            self.refused(409, "CONFLICT", exists, batch.create, both)
            self.absent(EMAIL, [mail("innocent")])
        traced = self.request(self.create({"email": mail("innocent")}, "a"), self.create({"email": first}, "b"),
                              self.create({"email": mail("third"), "external_id": f"0:{RUN}"}, "c"))
        answer = self.ask(207, batch.create, traced)
        made = answer.model.results[0]
        own = self.kept(EMAIL, made, {"email": mail("innocent")})
        own["properties"] = {name: own["properties"][name] for name in made.properties}
        error = {"status": "error", "context": {"objectWriteTraceId": ["b"]}, "category": "CONFLICT", "message": exists}
        taken = {"status": "error", "context": {"objectWriteTraceId": ["c"]}, "category": "VALIDATION_ERROR",
                 "message": BadValues(external_id="CONFLICTING_UNIQUE_VALUE")}
        self.assertIn("email", made.properties)
        self.holds_batch(answer, [{**own, "object_write_trace_id": "a"}], [error, taken])
        self.reads_as(EMAIL, {mail("innocent"): {}}, {mail("innocent"): made})
        self.absent(EMAIL, [mail("third")])


class Refusals(Sandbox):
    BAD = {
        "email": ("@", "INVALID_EMAIL"), "lifetime_value": ("12 €", "INVALID_NUMBER"), "seats": ("0.5", "INVALID_NUMBER"),
        "vip": ("1", "INVALID_OPTION"), "born": ("29.02.2024", "INVALID_LONG"), "last_seen": ("2024-02-29T10:00", "INVALID_LONG"),
        "plan": ("gold", "INVALID_OPTION"), "topics": ("art;", "INVALID_OPTION"), "settings": ("{'a': 1}", "INVALID_JSON"),
        "score": ("1", "READ_ONLY_VALUE"), "hs_object_id": ("1", "READ_ONLY_VALUE"), "note": ("blocked", "INVALID_VALUE"),
        "colour": ("red", "PROPERTY_DOESNT_EXIST"), "message": ("x" * 65_537, "PROPERTY_VALUE_TOO_LONG"),
    }

    def upserts(self, rows, traced=False):
        inputs = [contacts.SimplePublicObjectBatchInputUpsert(id=key, id_property="email", properties=properties,
                                                       object_write_trace_id=f"#{key}" if traced else None)
                  for key, properties in rows.items()]
        return contacts.BatchInputSimplePublicObjectBatchInputUpsert(inputs)

    def test_one_bad_row_among_good_ones(self):
        batch = self.client.crm.contacts.batch_api
        good = {mail(f"fine{n}"): {"firstname": f"{n}"} for n in range(3)}
        bad = {mail(f"bad-{name}"): {name: value} for name, (value, _) in self.BAD.items()}
        answer = self.ask(207, batch.upsert, self.upserts({**good, **bad}, traced=True))
        shown = {model.object_write_trace_id: model for model in answer.model.results}
        self.assertEqual(set(shown), {f"#{key}" for key in good})
        results = []
        for key, values in good.items():
            model = shown[f"#{key}"]
            own = self.kept(EMAIL, model, {"email": key, **values})
            self.assertLessEqual({"email", "firstname", "hs_object_id"}, set(model.properties))
            own["properties"] = {name: own["properties"][name] for name in model.properties}
            results.append({**own, "object_write_trace_id": f"#{key}", "new": True})
        errors = [{"status": "error", "category": "VALIDATION_ERROR", "context": {"objectWriteTraceId": [f"#{key}"]},
                   "message": BadValues(**{name: self.BAD[name][1] for name in values})} for key, values in bad.items()]
        self.holds_batch(answer, results, errors)
        self.reads_as(EMAIL, good, {key: shown[f"#{key}"] for key in good})
        self.absent(EMAIL, [key for key in bad])

    def test_a_bad_row_without_a_trace_refuses_its_batch(self):
        batch = self.client.crm.contacts.batch_api
        for name, (value, code) in self.BAD.items():
            rows = {mail(f"before-{name}"): {"city": "Turku"}, mail(f"with-{name}"): {name: value}}
            self.refused(400, "VALIDATION_ERROR", BadValues(**{name: code}), batch.upsert, self.upserts(rows))
            self.absent(EMAIL, list(rows))

    def test_a_key_must_be_of_a_unique_property(self):
        for unique in ("city", "hs_object_id", "nothing"):
            kind = Kind("contacts", unique, ["email"])
            self.refused(400, "VALIDATION_ERROR", Any(f"Unable to perform update/upsert by non-unique CONTACT property {unique} .*"),
                         self.batch(kind).upsert, "contacts", objects.BatchInputSimplePublicObjectBatchInputUpsert(
                             [objects.SimplePublicObjectBatchInputUpsert(id="1", id_property=unique, properties={})]))
        unknown = Any("Unable to infer object type from: pets")
        self.refused(400, "VALIDATION_ERROR", unknown, self.client.crm.objects.basic_api.get_by_id, "pets", "1")

    def test_an_update_of_nothing(self):
        update = self.client.crm.objects.batch_api.update
        inputs = [objects.SimplePublicObjectBatchInput(id="7", properties={"city": "Kyiv"})]
        error = {"status": "error", "category": "OBJECT_NOT_FOUND", "context": {"ids": ["7"]}, "message": Any("Could not get some .*")}
        self.holds_batch(self.ask(207, update, "contacts", objects.BatchInputSimplePublicObjectBatchInput(inputs)), [], [error])

    def test_tokens(self):
        rows = {mail("token"): {}}
        message = "The access token is invalid or expired."
        bad, reader = (client(token).crm.contacts.batch_api for token in ("invalid", "no-write-scope"))
        self.refused(401, "INVALID_AUTHENTICATION", message, bad.upsert, self.upserts(rows))
        scopes = [{"message": "One or more of the following scopes are required.",
                   "context": {"requiredGranularScopes": ["crm.objects.contacts.write"]}}]
        self.refused(403, "MISSING_SCOPES", Any("This app hasn't been granted all required scopes.*"), reader.upsert,
                     self.upserts(rows), extra={"errors": scopes})
        self.absent(EMAIL, list(rows))


class Searches(Sandbox):
    def test_a_search_is_paged_and_sees_nothing_that_is_archived(self):
        town = f"Tórshavn {RUN}"
        rows = {mail(f"page{n}"): {"city": town, "seats": str(n)} for n in range(3)}
        models = self.written(EMAIL, self.upsert(EMAIL, rows), rows, new=True)
        found, after = [], None
        for total_left in (3, 1):
            answer = self.search(town, 2, after)
            pages = {"paging": {"next": {"after": "2"}}} if total_left == 3 else {}
            expected = [self.kept(EMAIL, model, {"email": key, **rows[key]}) for key, model in models.items()
                        if model.id in {one.id for one in answer.model.results}]
            self.assertEqual(len(expected), min(2, total_left))
            answer.model.results.sort(key=lambda model: int(model.id))
            self.assertEqual([fields(m) for m in answer.model.results], sorted(expected, key=lambda one: int(one["id"])))
            answer.holds({"total": 3, "results": fields(answer.model.results), **pages})
            found += [model.id for model in answer.model.results]
            after = "2"
        self.assertEqual(sorted(found), sorted(model.id for model in models.values()))
        gone = objects.BatchInputSimplePublicObjectId([objects.SimplePublicObjectId(id=one) for one in found])
        self.ask(204, self.batch(EMAIL).archive, "contacts", gone).is_empty()
        time.sleep(1)
        self.search(town, 2, None).holds({"total": 0, "results": []})

    def search(self, town, limit, after):
        group = contacts.FilterGroup([contacts.Filter(property_name="city", operator="EQ", value=town)])
        request = contacts.PublicObjectSearchRequest(
            filter_groups=[group], properties=CONTACT_WANTED, limit=limit, after=after, sorts=[])
        return self.ask(200, self.client.crm.contacts.search_api.do_search, request)


class Account(Sandbox):
    def test_the_catalogue_says_what_can_be_written(self):
        answer = self.ask(200, self.client.crm.properties.core_api.get_all, "companies")
        by_name = {one.name: fields(one) for one in answer.model.results}
        own = {"name": "account_code", "label": "account_code", "type": "string", "field_type": "text", "description": "",
               "group_name": "information", "display_order": -1, "hidden": False, "form_field": True, "options": [],
               "calculated": False, "external_options": False, "has_unique_value": True, "hubspot_defined": False,
               "modification_metadata": {"archivable": True, "read_only_definition": False, "read_only_value": False}}
        kept = {name: value for name, value in by_name["account_code"].items() if name in own}
        self.assertEqual(kept, own)
        self.assertFalse(by_name["name"]["has_unique_value"])
        for name in ("hs_object_id", "createdate", "hs_lastmodifieddate"):
            self.assertTrue(by_name[name]["modification_metadata"]["read_only_value"], name)
        self.assertEqual([one["value"] for one in by_name["type"]["options"]], ["PROSPECT", "PARTNER", "RESELLER", "VENDOR", "OTHER"])
        self.assertEqual({one["type"] for one in by_name.values()}, {"string", "number", "bool", "enumeration", "datetime"})
        known = set(properties.models.ModelProperty.attribute_map.values())
        newer = {name for one in json.loads(answer.text)["results"] for name in one} - known
        self.assertLessEqual(newer, {"dataSensitivity"}, "names that HubSpot's client does not know")
        answer.holds({"results": fields(answer.model.results)}, newer)

    def test_properties_of_its_own(self):
        name = f"made_{RUN}"
        forms = {"string": "text", "number": "number", "date": "date", "datetime": "date"}
        new = [properties.PropertyCreate(name=f"{name}_{kind}", label=f"Made {kind}", type=kind, field_type=form,
                                         group_name="information") for kind, form in forms.items()]
        create = self.client.crm.properties.batch_api.create
        answer = self.ask(201, create, "deals", properties.BatchInputPropertyCreate(new))
        newer = ["dataSensitivity"]
        shown = [{"name": one.name, "label": one.label, "type": one.type, "field_type": one.field_type, "description": "",
                  "group_name": "information", "display_order": -1, "hidden": False, "form_field": True, "options": [],
                  "calculated": False, "external_options": False, "has_unique_value": False, "hubspot_defined": False,
                  "modification_metadata": {"archivable": True, "read_only_definition": False, "read_only_value": False}}
                 for one in new]
        self.assertEqual(fields(answer.model.results), shown)
        answer.holds({**fields(answer.model), "status": "COMPLETE", "started_at": Lately(), "completed_at": Lately()}, newer)
        catalogue = self.ask(200, self.client.crm.properties.core_api.get_all, "deals")
        named = {one.name: fields(one) for one in catalogue.model.results}
        self.assertEqual([named[one["name"]] for one in shown], [fields(one) for one in answer.model.results])
        catalogue.holds({"results": fields(catalogue.model.results)}, newer)
        again = properties.BatchInputPropertyCreate(new[:1])
        self.refused(409, "OBJECT_ALREADY_EXISTS", Any(".*already exists.*"), create, "deals", again)
        kind = Kind("deals", "deal_code", ["deal_code", *(one.name for one in new)])
        values = [" ü ", "-0.5", "2024-02-29", "2024-02-29T00:00:00.000Z"]
        key, row = mail("made"), {one.name: value for one, value in zip(new, values)}
        self.reads_as(kind, {key: row}, self.written(kind, self.upsert(kind, {key: row}), {key: row}, new=True))

    def test_a_token_is_granted_to_an_app(self):
        create = self.client.oauth.tokens_api.create
        app = {"grant_type": "refresh_token", "client_id": "an app", "client_secret": "s&=cret", "refresh_token": "r+1"}
        answer = self.ask(200, create, **app)
        token = answer.model.access_token
        granted = {"access_token": Any(r"\S+"), "refresh_token": "r+1", "expires_in": 1800, "token_type": "bearer"}
        answer.holds(granted, newer=["hub_id", "token_use"])
        body = json.loads(answer.text)
        self.assertEqual((body["hub_id"], body["token_use"]), (62515, "access_token"))
        self.client = client(token)
        key = mail("by-an-app")
        self.reads_as(EMAIL, {key: {}}, self.written(EMAIL, self.upsert(EMAIL, {key: {}}), {key: {}}, new=True))
        for wrong in ("client_id", "client_secret", "refresh_token"):
            answer = self.ask(400, create, **{**app, wrong: "invalid"})
            refused = {"message": Any(".+"), "error": Any("invalid_.+"), "error_description": Any(".+")}
            same = {"correlationId": answer.headers["x-hubspot-correlation-id"]}
            answer.holds({"status": f"BAD_{wrong.upper()}", **refused, **same})

    def test_the_account_and_its_limits(self):
        before = self.client.api_request({"path": "/account-info/v3/details"})
        after = self.client.api_request({"path": "/account-info/v3/details"})
        for answer in (before, after):
            self.assertEqual(answer.status_code, 200)
            self.assertEqual((answer.json()["portalId"], answer.json()["timeZone"]), (62515, "UTC"))
            self.assertEqual(answer.headers["X-HubSpot-RateLimit-Max"], str(LIMIT))
            self.assertEqual(answer.headers["X-HubSpot-RateLimit-Interval-Milliseconds"], "10000")
        left = [int(answer.headers["X-HubSpot-RateLimit-Daily-Remaining"]) for answer in (before, after)]
        self.assertEqual(left[0] - left[1], 1)
        usage = self.client.api_request({"path": "/account-info/v3/api-usage/daily/private-apps"})
        self.assertEqual(usage.status_code, 200)
        (one,) = usage.json()["results"]
        self.assertEqual((one["usageLimit"] - one["currentUsage"], one["fetchStatus"]), (left[1] - 1, "SUCCESS"))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], failfast=True, verbosity=2)
