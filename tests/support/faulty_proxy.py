#!/usr/bin/env python3
"""A proxy before a HubSpot sandbox that tells one kind of lie: what the checks of the vendor's own clients must refuse.

  faulty_proxy.py MODE http://127.0.0.1:PORT

It listens on a free port and prints its address, then a line for each lie. MODE is `none`, which passes all on unchanged,
or one of the functions below that are marked as a lie. Ends at a signal. Needs Python 3.9 and nothing else.
"""
import http.client
import http.server
import json
import sys
import threading
import urllib.parse

WRITES = ("/batch/create", "/batch/update", "/batch/upsert")
LIES = {}


def lie(tell):
    """Marks a function (path, request, status, answer, memory) -> (status, answer) | None, which means no lie this time."""
    LIES[tell.__name__] = tell
    return tell


def writes(path):
    return path.endswith(WRITES)


def results(answer):
    """The objects that an answer shows."""
    if not isinstance(answer, dict):
        return []
    shown = answer.get("results", [answer])
    return [one for one in shown if "id" in one and "properties" in one]


@lie
def wrong_id(path, request, status, answer, memory):
    """A result of a write has the id of another object."""
    if writes(path) and results(answer):
        first = answer["results"][0]
        first["id"] = first["properties"]["hs_object_id"] = str(int(first["id"]) + 1)
        return status, answer


@lie
def dropped_row(path, request, status, answer, memory):
    """A batch of several answers for one fewer."""
    if "/batch/" in path and len(results(answer)) > 1:
        del answer["results"][-1]
        return status, answer


@lie
def accepted(path, request, status, answer, memory):
    """What was refused for a bad value is called written."""
    errors = {400: [answer], 207: (answer or {}).get("errors", [])}.get(status, []) if writes(path) else []
    if not any(error["message"].startswith("Property values were not valid") for error in errors):
        return None
    now, made = "2026-01-01T00:00:00.000Z", []
    for number, sent in enumerate(request["inputs"]):
        identity = str(900_000_000 + number)
        properties = {**sent["properties"], "hs_object_id": identity}
        made.append({"id": identity, "properties": properties, "createdAt": now, "updatedAt": now, "archived": False})
        if path.endswith("upsert"):
            made[-1]["new"] = True
        if "objectWriteTraceId" in sent:
            made[-1]["objectWriteTraceId"] = sent["objectWriteTraceId"]
    good = 201 if path.endswith("create") else 200
    return good, {"status": "COMPLETE", "results": made, "startedAt": now, "completedAt": now}


@lie
def changed_byte(path, request, status, answer, memory):
    """A value is read back with one character changed."""
    if writes(path) or status >= 300:
        return None
    for shown in results(answer):
        for name, value in shown.get("properties", {}).items():
            if value and name not in ("hs_object_id", "email") and "date" not in name:
                shown["properties"][name] = value[:-1] + chr(ord(value[-1]) ^ 1)
                return status, answer


@lie
def archived_shown(path, request, status, answer, memory):
    """An object that was archived is still there for those who read it."""
    if "/objects/" in path and path.endswith("/batch/archive"):
        memory.setdefault("archived", set()).update(one["id"] for one in request["inputs"])
        return None
    gone = memory.get("archived", set())
    for shown in results(answer):
        memory[shown["id"]] = shown
    if "/objects/" in path and path.endswith("/batch/read") and status == 207:
        asked = answer["errors"][0]["context"]["ids"]
        unique = request.get("idProperty")
        found = [memory[i] for i in gone if i in memory and (i in asked or memory[i]["properties"].get(unique) in asked)]
        if found:
            kept = {"status": "COMPLETE", "startedAt": answer["startedAt"], "completedAt": answer["completedAt"]}
            return 200, {**kept, "results": answer["results"] + found}
    if status == 404 and path.split("/")[-1] in gone & memory.keys():
        return 200, memory[path.split("/")[-1]]
    return None


@lie
def cleared_shown(path, request, status, answer, memory):
    """A value that was cleared is still there for those who read it."""
    told = False
    for shown in results(answer):
        kept = memory.setdefault(shown["id"], {})
        for name, value in shown.get("properties", {}).items():
            if value is None and name in kept and not writes(path):
                shown["properties"][name], told = kept[name], True
            elif value is not None:
                kept[name] = value
    return (status, answer) if told else None


@lie
def traceless(path, request, status, answer, memory):
    """An error of a batch does not say which row it is about."""
    if status == 207 and writes(path):
        told = [error["context"].pop("objectWriteTraceId", None) for error in answer["errors"]]
        return (status, answer) if any(told) else None


@lie
def new_inverted(path, request, status, answer, memory):
    """An upsert says that it made what was there, and the other way round."""
    if path.endswith("upsert") and results(answer):
        for one in answer["results"]:
            one["new"] = not one["new"]
        return status, answer


@lie
def plain_refusal(path, request, status, answer, memory):
    """A refusal for the token, the scope or a conflict looks like one for a bad value."""
    if status in (401, 403, 409):
        return 400, {**answer, "category": "VALIDATION_ERROR"}


@lie
def lost_link(path, request, status, answer, memory):
    """One link of an object is not there for those who read it."""
    if "/associations/" in path and path.endswith("/batch/read") and results_of_links(answer):
        linked = results_of_links(answer)[-1]
        del linked["to"][-1]
        return status, answer


def results_of_links(answer):
    return [one for one in answer["results"] if len(one["to"]) > 1]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body leave together: apart, each answer would wait for the acknowledgement of its head.
    wbufsize = -1
    upstream, tell, memory, lock = None, None, {}, threading.Lock()

    def pass_on(self):
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length) if length else None
        connection = http.client.HTTPConnection(self.upstream, timeout=30)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "accept-encoding")}
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        text, status = answer.read(), answer.status
        connection.close()
        status, text = self.changed(body, status, text)
        self.send_response(status)
        for name, value in answer.getheaders():
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "date"):
                self.send_header(name, value)
        if status != 204:
            self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def changed(self, body, status, text):
        if self.tell is None:
            return status, text
        path = urllib.parse.urlsplit(self.path).path
        if "/crm/" not in path:
            return status, text
        with self.lock:
            read = [json.loads(part) if part else None for part in (body, text)]
            told = self.tell(path, read[0], status, read[1], self.memory)
        if told is None:
            return status, text
        print(f"{self.command} {path}", flush=True)
        return told[0], json.dumps(told[1]).encode()

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = pass_on

    def log_message(self, *_):
        pass


def main():
    if len(sys.argv) == 2 and sys.argv[1] == "--list":
        print("\n".join(LIES))
        return
    if len(sys.argv) != 3 or sys.argv[1] not in ("none", *LIES):
        sys.exit(f"usage: faulty_proxy.py none|{'|'.join(LIES)} URL\n       faulty_proxy.py --list")
    Handler.tell = staticmethod(LIES[sys.argv[1]]) if sys.argv[1] in LIES else None
    Handler.upstream = urllib.parse.urlsplit(sys.argv[2]).netloc
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
