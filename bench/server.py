#!/usr/bin/env python3
"""As much of HubSpot as clients that write contacts ask for, on a free port of the loopback; bench/delivery.py starts it.

  bench/server.py [--latency 0.05] [--jitter 0.01]

Prints its port. A line on stdin prints what was seen since the last one, as JSON: write requests, rows, seconds from
the first write to the last answer, and the most requests in flight. The end of stdin ends it.
"""
import argparse
import asyncio
import json
import random
import re
import sys
import time

from gen import COLUMNS

EMAIL = re.compile(rb'"email"\s*:\s*("[^"]*")')
PROPERTIES = [
    {
        "name": name,
        "label": name,
        "type": "string",
        "fieldType": "text",
        "hasUniqueValue": name == "email",
        "modificationMetadata": {"readOnlyValue": False},
    }
    for name in [*COLUMNS, "row_id"]
]
STAMP = b'"createdAt":"2026-01-01T00:00:00.000Z","updatedAt":"2026-01-01T00:00:00.000Z","archived":false,"new":true'


class Server:
    def __init__(self, latency, jitter):
        self.latency, self.jitter, self.random, self.given = latency, jitter, random.Random(7), 0
        self.in_flight = 0
        self.forget()

    def forget(self):
        self.requests, self.rows, self.first, self.last, self.most = 0, 0, None, None, 0

    async def talk(self, reader, writer):
        try:
            while line := await reader.readline():
                path, length = line.split()[1], 0
                while (header := await reader.readline()).strip():
                    if header.lower().startswith(b"content-length:"):
                        length = int(header[15:])
                body = await reader.readexactly(length)
                self.in_flight += 1
                self.most = max(self.most, self.in_flight)
                self.first = self.first or time.monotonic()
                if self.latency or self.jitter:
                    await asyncio.sleep(self.latency + self.random.uniform(0, self.jitter))
                text = self.answer(path, body)
                self.in_flight -= 1
                self.last = time.monotonic()
                head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
                writer.write(head % len(text) + text)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def answer(self, path, body):
        if path.endswith(b"/details"):
            self.first = None
            return b'{"portalId":1,"timeZone":"UTC"}'
        if b"/properties/" in path:
            self.first = None
            return json.dumps({"results": PROPERTIES}).encode()
        if path.endswith(b"/search"):
            return b'{"total":0,"results":[]}'
        # Nothing is parsed: on two cores the server's time would be the client's waiting.
        found = [self.result(email) for email in EMAIL.findall(body)]
        self.requests += 1
        if b"/batch/" not in path:
            self.rows += 1
            return self.result(b'"-"')
        self.rows += len(found)
        return b'{"status":"COMPLETE","startedAt":"2026-01-01T00:00:00.000Z","completedAt":"2026-01-01T00:00:00.000Z","results":[%s]}' % b",".join(found)

    def result(self, email):
        self.given += 1
        return b'{"id":"%d","properties":{"email":%s,"hs_object_id":"%d"},%s}' % (self.given, email, self.given, STAMP)

    def seen(self):
        seconds = self.last - self.first if self.first and self.last else 0
        return {"requests": self.requests, "rows": self.rows, "seconds": seconds, "in_flight": self.most}


async def serve(options):
    server = Server(options.latency, options.jitter)
    listening = await asyncio.start_server(server.talk, "127.0.0.1", 0, limit=1 << 20)
    print(listening.sockets[0].getsockname()[1], flush=True)
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(server.seen()), flush=True)
        server.forget()


def main():
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--latency", type=float, default=0)
    flags.add_argument("--jitter", type=float, default=0)
    asyncio.run(serve(flags.parse_args()))


if __name__ == "__main__":
    main()
