#!/usr/bin/env python3
"""Which part of a permitted rate outflow uses, and whether it ever passes it: alone, and as three processes together.

  bench/limits.py [--binary target/release/outflow] [--seconds 30] [--rate 190/10s] [--processes 1 3]

The server of this script is another process than outflow. It sees each request 0 to 80 ms after it was sent and answers
120 ms later, keeps the exact sliding window, and refuses with a 429 what passes it. Each process syncs rows of its own,
one request a row, eight in flight, and all of them share one account and one file of limits. Printed for each number of
processes: the part of the permitted requests that was used in the time, the fullest window that the server saw, its
refusals, and the CPU seconds of outflow for a thousand requests. Goal: 0.98 or more, never more than the limit, no
refusal. On a machine that is busy otherwise, scheduling adds to the 80 ms, and the margin of 100 ms may not do.
Needs Python 3.9.
"""
import argparse
import asyncio
import collections
import json
import multiprocessing
import pathlib
import random
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time

JITTER, LATENCY = 0.080, 0.120
IN_FLIGHT = 8


class Server:
    """As much of HubSpot as a sync of contacts asks for."""

    def __init__(self, limit, window):
        self.limit, self.window = limit, window
        self.accepted, self.seen, self.refused = collections.deque(), [], 0
        self.random = random.Random(7)

    async def talk(self, reader, writer):
        try:
            while line := await reader.readline():
                method, path, _ = line.decode().split()
                length = 0
                while (header := await reader.readline()).strip():
                    name, _, value = header.decode().partition(":")
                    length = int(value) if name.lower() == "content-length" else length
                body = await reader.readexactly(length)
                await asyncio.sleep(self.random.uniform(0, JITTER))
                status, headers, answer = self.answer(path, body)
                await asyncio.sleep(LATENCY)
                text = json.dumps(answer).encode()
                head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {len(text)}\r\n"
                head += "".join(f"{name}: {value}\r\n" for name, value in headers.items())
                writer.write(head.encode() + b"\r\n" + text)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def answer(self, path, body):
        now = time.monotonic()
        while self.accepted and now - self.accepted[0] >= self.window:
            self.accepted.popleft()
        headers = {
            "x-hubspot-ratelimit-max": self.limit,
            "x-hubspot-ratelimit-interval-milliseconds": int(self.window * 1000),
        }
        if len(self.accepted) >= self.limit:
            self.refused += 1
            return 429, headers, {"policyName": "TEN_SECONDLY_ROLLING", "message": "too many"}
        self.accepted.append(now)
        self.seen.append(now)
        headers["x-hubspot-ratelimit-remaining"] = self.limit - len(self.accepted)
        return 200, headers, self.content(path, body)

    def content(self, path, body):
        if path.endswith("/details"):
            return {"portalId": 1, "timeZone": "UTC"}
        if "/properties/" in path:
            known = {"type": "string", "fieldType": "text", "modificationMetadata": {"readOnlyValue": False}}
            unique = {"email": True, "firstname": False}
            return {"results": [{"name": n, "label": n, "hasUniqueValue": u, **known} for n, u in unique.items()]}
        inputs = json.loads(body)["inputs"]
        results = [{"id": i["id"], "new": True, "properties": i["properties"]} for i in inputs]
        return {"status": "COMPLETE", "results": results}


def serve(limit, window, pipe):
    async def run():
        server = Server(limit, window)
        listening = await asyncio.start_server(server.talk, "127.0.0.1", 0)
        pipe.send(listening.sockets[0].getsockname()[1])
        while not pipe.poll():
            await asyncio.sleep(0.02)
        pipe.send((server.seen, server.refused))

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(run())


def project(folder, number, port, rate, rows):
    (folder / "mappings").mkdir(parents=True)
    db = sqlite3.connect(folder / "rows.sqlite")
    db.execute("create table people (id integer primary key, email text)")
    db.executemany("insert into people values (?, ?)", ((i, f"p{number}-{i}@example.com") for i in range(rows)))
    db.commit()
    db.close()
    hubspot = {"type": "hubspot", "token": "bench", "base_url": f"http://127.0.0.1:{port}"}
    hubspot["limits"] = {"requests": rate, "shared": "../limits.db", "concurrency": IN_FLIGHT}
    connections = {"warehouse": {"type": "sqlite", "path": "rows.sqlite"}, "marketing": hubspot}
    (folder / "outflow.yml").write_text(json.dumps({"name": "bench", "connections": connections}))
    mapping = {
        "source": {"connection": "warehouse", "query": "select * from people", "primary_key": "id"},
        "destination": {"connection": "marketing", "object": "contacts", "match_on": {"email": "email"}},
        "fields": {"firstname": "email"},
        "delivery": {"batch_rows": 1, "concurrency": IN_FLIGHT},
    }
    (folder / "mappings" / "people.yml").write_text(json.dumps(mapping))


def cpu_of_children():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def fullest(times, window):
    first, most = 0, 0
    for last, at in enumerate(times):
        while at - times[first] >= window:
            first += 1
        most = max(most, last - first + 1)
    return most


def bench(binary, processes, limit, window, args):
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(limit, window, theirs))
    server.start()
    try:
        port = ours.recv()
        with tempfile.TemporaryDirectory(prefix="outflow-limits-") as folder:
            folders = [pathlib.Path(folder) / str(n) for n in range(processes)]
            for number, each in enumerate(folders):
                project(each, number, port, args.rate, int(limit / window * (args.seconds + 2 * window)))
            used = cpu_of_children()
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            running = [subprocess.Popen([binary, "sync", "-q"], cwd=each, **quiet) for each in folders]
            time.sleep(args.seconds + window + 3)
            for one in running:
                if one.poll() is not None:
                    sys.exit("a sync ended before its time")
                one.send_signal(signal.SIGINT)
            for one in running:
                one.wait()
            used = cpu_of_children() - used
        ours.send("stop")
        seen, refused = ours.recv()
    finally:
        server.terminate()
    counted = sum(1 for at in seen if at - seen[0] < args.seconds)
    # A window's worth may leave at once; whole windows are counted, so that this is a bound and no estimate.
    permitted = limit * args.seconds / window
    part, most = counted / permitted, fullest(seen, window)
    print(
        f"{processes} process(es): {part:.4f} of the rate used, fullest window {most} of {limit}, refused {refused}, "
        f"CPU {used * 1000 / max(len(seen), 1):.3f} s per 1,000 requests"
    )
    return part >= 0.98 and most <= limit and refused == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="target/release/outflow", type=pathlib.Path)
    parser.add_argument("--seconds", default=30, type=float, help="a whole number of windows")
    parser.add_argument("--rate", default="190/10s")
    parser.add_argument("--processes", default=[1, 3], type=int, nargs="+")
    args = parser.parse_args()
    requests, _, time_text = args.rate.partition("/")
    limit, window = int(requests), float(time_text.rstrip("s"))
    met = [bench(args.binary.resolve(), processes, limit, window, args) for processes in args.processes]
    sys.exit(0 if all(met) else 1)


if __name__ == "__main__":
    main()
