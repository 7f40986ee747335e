#!/usr/bin/env python3
"""Which part of a permitted rate outflow uses, and whether it ever passes it: alone, and as three processes together.

  bench/limits.py [--binary target/release/outflow] [--seconds 30] [--rate 190/10s] [--processes 1 3] [--in-flight 8]

The server of this script is another process than outflow. It sees each request 0 to 80 ms after it was sent and answers
120 ms later, keeps the exact sliding window, and refuses with a 429 what passes it. Each process syncs rows of its own,
one request a row, and all of them share one account and one file of limits. Printed for each number of processes: the
part of the permitted requests that was used in the time, the fullest window that the server saw, its refusals, the
milliseconds by which the server itself was late, and the CPU seconds of outflow for a thousand requests; then the
verdict on the goal: 0.98 or more, never more than the limit, no refusal.

A server that is late adds to the 80 ms. A refusal after it was later than the margin of 100 ms leaves tells of the machine
and not of outflow, as does a low rate where it was late so often that the places in flight cannot reach the limit: the
verdict then is that the goal cannot be told. The exit code is 0 where it is met, 1 where it is not, and 2 where it cannot
be told. Needs Python 3.9.
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
GOAL = 0.98
# What of outflow's margin of 100 ms the jitter leaves for the server.
SPARE = 0.100 - JITTER
MET, MISSED, UNTOLD = 0, 1, 2


class Server:
    """As much of HubSpot as a sync of contacts asks for."""

    def __init__(self, limit, window):
        self.limit, self.window = limit, window
        self.accepted, self.seen, self.refused = collections.deque(), [], 0
        self.random = random.Random(7)
        self.late = []

    async def sleep(self, seconds):
        until = time.monotonic() + seconds
        await asyncio.sleep(seconds)
        self.late.append(time.monotonic() - until)

    async def talk(self, reader, writer):
        try:
            while line := await reader.readline():
                method, path, _ = line.decode().split()
                length = 0
                while (header := await reader.readline()).strip():
                    name, _, value = header.decode().partition(":")
                    length = int(value) if name.lower() == "content-length" else length
                body = await reader.readexactly(length)
                await self.sleep(self.random.uniform(0, JITTER))
                status, headers, answer = self.answer(path, body)
                await self.sleep(LATENCY)
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
            await server.sleep(0.02)
        pipe.send((server.seen, server.refused, server.late))

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(run())


def project(folder, number, port, args, rows):
    (folder / "mappings").mkdir(parents=True)
    db = sqlite3.connect(folder / "rows.sqlite")
    db.execute("create table people (id integer primary key, email text)")
    db.executemany("insert into people values (?, ?)", ((i, f"p{number}-{i}@example.com") for i in range(rows)))
    db.commit()
    db.close()
    hubspot = {"type": "hubspot", "token": "bench", "base_url": f"http://127.0.0.1:{port}"}
    hubspot["limits"] = {"requests": args.rate, "shared": "../limits.db", "concurrency": args.in_flight}
    connections = {"warehouse": {"type": "sqlite", "path": "rows.sqlite"}, "marketing": hubspot}
    (folder / "outflow.yml").write_text(json.dumps({"name": "bench", "connections": connections}))
    mapping = {
        "source": {"connection": "warehouse", "query": "select * from people", "primary_key": "id"},
        "destination": {"connection": "marketing", "object": "contacts", "match_on": {"email": "email"}},
        "fields": {"firstname": "email"},
        "delivery": {"batch_rows": 1, "concurrency": args.in_flight},
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
                project(each, number, port, args, int(limit / window * (args.seconds + 2 * window)))
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
        seen, refused, late = ours.recv()
    finally:
        server.terminate()
    counted = sum(1 for at in seen if at - seen[0] < args.seconds)
    # A window's worth may leave at once; whole windows are counted, so that this is a bound and no estimate.
    permitted = limit * args.seconds / window
    part, most, latest = counted / permitted, fullest(seen, window), max(late)
    print(
        f"{processes} process(es), {args.in_flight} in flight: {part:.4f} of the rate used, fullest window {most} of {limit}, "
        f"refused {refused}, server late by {1000 * sum(late) / len(late):.1f} ms, {1000 * latest:.0f} at most, "
        f"CPU {used * 1000 / max(len(seen), 1):.3f} s per 1,000 requests"
    )
    faults, excused = [], []
    if part < GOAL:
        faults.append(f"{part:.4f} of the rate used, not {GOAL}")
        answered = JITTER / 2 + LATENCY + 2 * sum(late) / len(late)
        excused.append(processes * args.in_flight / answered < limit / window)
    if most > limit or refused:
        faults.append(f"{most} requests in one window, {refused} refused")
        excused.append(latest > SPARE)
    verdict = MET if not faults else UNTOLD if all(excused) else MISSED
    word = {MET: "met", MISSED: "NOT MET: ", UNTOLD: "cannot be told, the server was too late itself: "}[verdict]
    print(f"  goal G7, {processes} process(es): {word}{'; '.join(faults)}", flush=True)
    return verdict


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", default="target/release/outflow", type=pathlib.Path)
    parser.add_argument("--seconds", default=30, type=float, help="a whole number of windows")
    parser.add_argument("--rate", default="190/10s")
    parser.add_argument("--processes", default=[1, 3], type=int, nargs="+")
    parser.add_argument("--in-flight", default=8, type=int, help="of each process")
    args = parser.parse_args()
    requests, _, time_text = args.rate.partition("/")
    limit, window = int(requests), float(time_text.rstrip("s"))
    verdicts = [bench(args.binary.resolve(), processes, limit, window, args) for processes in args.processes]
    sys.exit(MISSED if MISSED in verdicts else max(verdicts))


if __name__ == "__main__":
    main()
