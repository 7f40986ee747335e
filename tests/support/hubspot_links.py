"""The calls of HubSpot's Python client on links between objects and on lists; `hubspot_client.py` runs them."""
import json
import random

from hubspot.crm.associations import v4
from hubspot_answers import Any, Kind, Lately, Sandbox, fields, mail

EMAIL = Kind("0-1", "email", ["email"], ("createdate", "lastmodifieddate"))
FIRMS = Kind("companies", "account_code", ["account_code", "name"])


class Links(Sandbox):
    PLAIN = {"category": "HUBSPOT_DEFINED", "type_id": 279}
    BILLING = {"category": "USER_DEFINED", "type_id": 1, "label": "Billing contact"}

    def setUp(self):
        super().setUp()
        self.batch_api = self.client.crm.associations.v4.batch_api
        self.ends = ("contacts", "companies")

    def objects(self, kind, count):
        rows = {mail(f"{self._testMethodName}{n}"): {} for n in range(count)}
        return [model.id for model in self.written(kind, self.upsert(kind, rows), rows, new=True).values()]

    def post(self, pairs, kind=None):
        spec = kind and [v4.AssociationSpec(association_category=kind["category"], association_type_id=kind["type_id"])]
        ends = [(v4.PublicObjectId(one), v4.PublicObjectId(other)) for one, other in pairs]
        if not spec:
            inputs = [v4.PublicDefaultAssociationMultiPost(_from=one, to=other) for one, other in ends]
            return v4.BatchInputPublicDefaultAssociationMultiPost(inputs)
        inputs = [v4.PublicAssociationMultiPost(types=spec, _from=one, to=other) for one, other in ends]
        return v4.BatchInputPublicAssociationMultiPost(inputs)

    def links_are(self, people, links):
        """Asserts all links of these people; `links` is by (person, company)."""
        inputs = [v4.PublicFetchAssociationsBatchRequest(id=person) for person in people]
        linked = [person for person in people if any(one == person for one, _ in links)]
        answer = self.ask(200 if linked == people else 207, self.batch_api.get_page, *self.ends,
                          v4.BatchInputPublicFetchAssociationsBatchRequest(inputs))
        for result in answer.model.results:
            result.to.sort(key=lambda one: int(one.to_object_id))
        body = json.loads(answer.text)
        for result in body["results"]:
            result["to"].sort(key=lambda one: int(one["toObjectId"]))
        answer.text = json.dumps(body)
        results = [{"_from": {"id": person}, "to": [
            {"to_object_id": company, "association_types": kinds}
            for (one, company), kinds in sorted(links.items(), key=lambda link: int(link[0][1])) if one == person
        ]} for person in linked]
        none = [{"status": "error", "category": "OBJECT_NOT_FOUND", "sub_category": "crm.associations.NO_ASSOCIATIONS_FOUND",
                 "message": Any(f"No .+ is associated with .+ {person}[.]"),
                 "context": {"fromObjectId": [person], "toObjectType": ["companies"]}}
                for person in people if person not in linked]
        self.holds_batch(answer, results, none)

    def test_any_order_of_making_and_taking_links(self):
        chance, links = random.Random(11), {}
        people, firms = self.objects(EMAIL, 5), self.objects(FIRMS, 4)
        self.links_are(people, links)
        for _ in range(25):
            pairs = list({(chance.choice(people), chance.choice(firms)) for _ in range(3)})
            kind = chance.choice([None, self.BILLING, self.PLAIN])
            step = chance.choice([self.make, self.make, self.unlabel, self.cut])
            step(pairs, kind, links)
            self.links_are(people, links)
        self.assertTrue(links, "the last state is no trivial one")

    def make(self, pairs, kind, links):
        for pair in pairs:
            kinds = links.setdefault(pair, [])
            kinds += [] if (kind or self.PLAIN) in kinds else [kind or self.PLAIN]
        if kind is None:
            spec = {"association_category": "HUBSPOT_DEFINED", "association_type_id": 279}
            answer = self.ask(200, self.batch_api.create_default, *self.ends, self.post(pairs))
            results = [{"_from": {"id": one}, "to": {"id": other}, "association_spec": spec} for one, other in pairs]
        else:
            answer = self.ask(201, self.batch_api.create, *self.ends, self.post(pairs, kind))
            labels = [kind["label"]] if "label" in kind else []
            results = [{"from_object_type_id": Any(".+"), "from_object_id": one, "to_object_type_id": Any(".+"),
                        "to_object_id": other, "labels": labels} for one, other in pairs]
        self.holds_batch(answer, results)

    def unlabel(self, pairs, kind, links):
        kind = kind or self.PLAIN
        self.ask(204, self.batch_api.archive_labels, *self.ends, self.post(pairs, kind)).is_empty()
        for pair in pairs:
            kept = [one for one in links.pop(pair, []) if one != kind]
            links.update({pair: kept} if kept else {})

    def cut(self, pairs, kind, links):
        inputs = [v4.PublicAssociationMultiArchive(_from=v4.PublicObjectId(one), to=[v4.PublicObjectId(other)]) for one, other in pairs]
        self.ask(204, self.batch_api.archive, *self.ends, v4.BatchInputPublicAssociationMultiArchive(inputs)).is_empty()
        for pair in pairs:
            links.pop(pair, None)

    def test_what_is_not_there_is_not_linked(self):
        (person,) = self.objects(EMAIL, 1)
        (firm,) = self.objects(FIRMS, 1)
        answer = self.ask(207, self.batch_api.create, *self.ends, self.post([(person, "3"), ("4", firm)], self.BILLING))
        missing = [{"status": "error", "category": "OBJECT_NOT_FOUND", "message": Any(".+ does not exist"), "context": context}
                   for context in ({"toObjectId": ["3"]}, {"fromObjectId": ["4"]})]
        self.holds_batch(answer, [], missing)
        self.refused(400, "VALIDATION_ERROR", Any(".*type 5 doesn't exist.*"), self.batch_api.create, *self.ends,
                     self.post([(person, firm)], {**self.BILLING, "type_id": 5}))
        self.links_are([person], {})


class Members(Sandbox):
    def test_a_list_has_the_members_that_were_put_on_it(self):
        rows = {mail(f"member{n}"): {} for n in range(6)}
        ids = [model.id for model in self.written(EMAIL, self.upsert(EMAIL, rows), rows, new=True).values()]
        lists, on = self.client.crm.lists, set()
        shown = self.ask(200, lists.lists_api.get_by_name, "Audience", "0-1")
        number = shown.model.list.list_id
        shown.holds({"list": {"list_id": number, "list_version": 1, "name": "Audience", "object_type_id": "0-1",
                              "processing_status": "COMPLETE", "processing_type": "MANUAL"}})
        for adds, some in ((True, ids[:4]), (True, ids[3:5]), (False, ids[:2]), (False, [ids[0], ids[5]]), (True, ids)):
            call = lists.memberships_api.add if adds else lists.memberships_api.remove
            changed = [one for one in some if (one not in on) == adds]
            answer = self.ask(200, call, number, [*some, "5"])
            for names in (answer.model.records_ids_added, answer.model.record_ids_removed):
                self.assertEqual(sorted(names), sorted(changed) if (names is answer.model.records_ids_added) == adds else [])
            answer.holds({**fields(answer.model), "record_ids_missing": ["5"]})
            on = on | set(some) if adds else on - set(some)
            for one in ids:
                member = {"list_id": number, "list_version": 1,
                          "first_added_timestamp": Lately(), "last_added_timestamp": Lately()}
                results = [member] if one in on else []
                answer = self.ask(200, lists.memberships_api.get_lists, "0-1", one)
                answer.holds({"total": len(results), "results": results}, newer=["isPublicList"])
        live = self.ask(200, lists.lists_api.get_by_name, "Live", "0-1")
        self.assertEqual(live.model.list.processing_type, "DYNAMIC")
        live.holds(fields(live.model))
        dynamic = Any(".*DYNAMIC list.*")
        self.refused(400, "VALIDATION_ERROR", dynamic, lists.memberships_api.add, live.model.list.list_id, ids)
