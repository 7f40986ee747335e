"""What Snowflake does and fakesnow 0.12.1 does not: results as JSON texts, in chunks to be downloaded; answers that a query is
still in progress; logins that are checked; sessions that have numbers; queries that can be cancelled; and faults.

Run by `.ci/services/snowflake`. What a query is to meet stands in a comment of it:

- `/*slow N*/`: N answers that it is still in progress; with `/*slow forever*/` until it is cancelled.
- `/*fail CODE*/`: it is refused with this code.
- `/*chunk forbidden*/`, `/*chunk busy*/`, `/*chunk short*/`, `/*chunk garbage*/`: of the chunks the last is refused, comes only at the third
  attempt, has a row too few, or is no JSON.

`GET /test/log` has what was asked for, `PUT /test/key/USER` registers a public key.
"""

import asyncio
import base64
import datetime
import decimal
import gzip
import hashlib
import importlib
import itertools
import json
import os
import re
import secrets
import time

import jwt
import pyarrow as pa
from cryptography.hazmat.primitives import serialization
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

fakesnow = importlib.import_module("fakesnow.server")

CHUNK_ROWS = int(os.environ.get("CHUNK_ROWS", "20000"))
PAUSE = float(os.environ.get("PAUSE", "0.05"))

chunks: dict[str, dict] = {}
pending: dict[str, dict] = {}
totals: dict[str, int] = {}
numbers: dict[str, str] = {}
running: dict[str, dict] = {}
keys: dict[str, object] = {}
log: dict[str, list] = {"logins": [], "queries": [], "cancelled": []}
counter = itertools.count(1_000_000_001)


def refusal(code, message, query=None):
    data = None if query is None else {"queryId": query, "errorCode": code, "sqlState": "57014" if code == "000604" else "42000"}
    return JSONResponse({"data": data, "code": code, "message": message, "success": False, "headers": None})


async def body_of(request):
    body = await request.body()
    return json.loads(gzip.decompress(body) if request.headers.get("content-encoding") == "gzip" else body)


# --- sessions


def login_fault(data):
    """Why a login is refused, as Snowflake words it."""
    user, how = data["LOGIN_NAME"].upper(), data.get("AUTHENTICATOR", "")
    if user == "BLOCKED":
        return "390422", "Incoming request with IP/Token 10.1.2.3 is not allowed to access Snowflake. Contact your account administrator."
    if how == "OAUTH":
        if data["TOKEN"] == "expired":
            return "390318", "OAuth access token expired. [5c0f]"
        return None if data["TOKEN"] == "oauth-token" else ("390303", "Invalid OAuth access token. [5c0f]")
    if how == "SNOWFLAKE_JWT":
        return jwt_fault(user, data)
    right = data.get("PASSWORD") in ("secret", "programmatic-token")
    return None if right else ("390100", "Incorrect username or password was specified.")


def jwt_fault(user, data):
    bad = "390144", "JWT token is invalid. [8f1c]"
    key = keys.get(user)
    if key is None:
        return bad
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    print_ = base64.b64encode(hashlib.sha256(der).digest()).decode()
    subject = data["ACCOUNT_NAME"].split(".")[0].upper() + "." + user
    try:
        claims = jwt.decode(data["TOKEN"], key, algorithms=["RS256"])
    except jwt.PyJWTError:
        return bad
    right = claims["iss"] == f"{subject}.SHA256:{print_}" and claims["sub"] == subject and claims["exp"] > time.time()
    return None if right else bad


async def login(request):
    asked = await body_of(request)
    data = asked["data"]
    log["logins"].append({"user": data["LOGIN_NAME"], "query": dict(request.query_params), "parameters": data.get("SESSION_PARAMETERS", {})})
    if (role := request.query_params.get("roleName")) == "STRANGER":
        return refusal("390189", f"Role '{role}' specified in the connect string does not exist or not authorized.")
    if fault := login_fault(data):
        return refusal(*fault)
    answer = json.loads((await fakesnow.login_request(request)).body)
    token = answer["data"]["token"]
    numbers[token] = str(next(counter))
    answer["data"] |= {"masterToken": "m-" + token, "sessionId": int(numbers[token]), "validityInSeconds": 3600, "masterValidityInSeconds": 14400}
    return JSONResponse(answer)


def token_of(request):
    return request.headers["authorization"][17:-1]


# --- results


def written(value, kind, scale):
    """A value as Snowflake writes it in a JSON result."""
    if value is None:
        return None
    if kind == "boolean":
        return "1" if value else "0"
    if kind == "fixed":
        return format(value if isinstance(value, decimal.Decimal) else decimal.Decimal(value), "f")
    if kind == "real":
        return {"nan": "NaN"}.get(repr(float(value)), repr(float(value)))
    if kind == "date":
        return str((value - datetime.date(1970, 1, 1)).days)
    if kind == "time":
        return f"{value // 10**9}.{value % 10**9:09d}"
    if kind.startswith("timestamp"):
        # A null among others comes as a struct of nulls.
        if value["epoch"] is None:
            return None
        epoch, fraction = value["epoch"], value.get("fraction") or 0
        total = epoch * 10**9 + fraction
        text = f"{'-' if total < 0 else ''}{abs(total) // 10**9}.{abs(total) % 10**9:09d}"
        return f"{text} {value.get('timezone') or 1440}" if kind == "timestamp_tz" else text
    if isinstance(value, (bytes, bytearray)):
        return value.hex().upper()
    return str(value)


def rows_of(table, types):
    columns = [[written(v, t["type"], t.get("scale")) for v in c.to_pylist()] for c, t in zip(table.columns, types)]
    return [list(row) for row in zip(*columns)]


def put_chunk(request, raw, fault):
    name = secrets.token_hex(8)
    chunks[name] = {"data": gzip.compress(raw, 1), "fault": fault, "asked": 0}
    return f"{request.url.scheme}://{request.url.netloc}/chunk/{name}?signature=top-secret"


def finish(request, answer, sql):
    """Turns fakesnow's Arrow into JSON, and cuts it into chunks."""
    data = answer.get("data")
    if not (answer.get("success") and data and "rowtype" in data):
        if data is not None:
            data.setdefault("queryId", secrets.token_hex(16))
        return answer
    arrow = data.pop("rowsetBase64", None)
    if not arrow:
        data |= {"queryResultFormat": "json", "rowset": data.get("rowset", [])}
        return answer
    table = pa.ipc.open_stream(base64.b64decode(arrow)).read_all()
    types = data["rowtype"]
    parts = [table.slice(at, CHUNK_ROWS) for at in range(CHUNK_ROWS, table.num_rows, CHUNK_ROWS)]
    data |= {"queryResultFormat": "json", "rowset": rows_of(table.slice(0, CHUNK_ROWS), types), "returned": table.num_rows, "total": table.num_rows}
    totals[data["queryId"]] = table.num_rows
    fault = re.search(r"/\*chunk (\w+)\*/", sql)
    listed = []
    for number, part in enumerate(parts, 1):
        rows = rows_of(part, types)
        mine = fault.group(1) if fault and number == len(parts) else ""
        # Rows with commas between them, and no brackets around them.
        raw = json.dumps(rows[:-1] if mine == "short" else rows)[1:-1].encode()
        listed.append({"url": put_chunk(request, b"[oops" if mine == "garbage" else raw, mine), "rowCount": part.num_rows, "uncompressedSize": len(raw), "compressedSize": len(raw)})
    if listed:
        data |= {"chunks": listed, "chunkHeaders": {"x-test": "1"}}
    return answer


async def chunk(request):
    kept = chunks[request.path_params["name"]]
    kept["asked"] += 1
    if request.headers.get("x-test") != "1" or kept["fault"] == "forbidden":
        return Response("<Error><Code>AccessDenied</Code><Signature>top-secret</Signature></Error>", 403)
    if kept["fault"] == "busy" and kept["asked"] < 3:
        return Response("slow down", 503)
    return Response(kept["data"], media_type="application/octet-stream")


# --- queries


def one_text(name, value):
    kind = {"name": name, "type": "text", "nullable": False, "length": 100, "precision": None, "scale": None}
    data = {"queryId": secrets.token_hex(16), "rowtype": [kind], "rowset": [[value]], "queryResultFormat": "json", "total": 1, "returned": 1}
    return JSONResponse({"success": True, "code": None, "message": None, "data": data})


def own_answer(request, sql):
    """The functions of a session that fakesnow lacks."""
    if "current_session()" in sql:
        return one_text("CURRENT_SESSION()", numbers[token_of(request)])
    if found := re.search(r"system\$cancel_all_queries\((\d+)\)", sql):
        mine = [r for r in running.values() if r["session"] == found.group(1)]
        for query in mine:
            query["cancelled"] = True
        log["cancelled"].append(found.group(1))
        return one_text("CANCELLED", f"{len(mine)} queries cancelled")
    if found := re.search(r"count\(\*\) from table\(result_scan\('([0-9a-f-]+)'\)\)", sql):
        return one_text("COUNT(*)", str(totals[found.group(1)]))
    return None


async def query(request):
    sql, identity = (await body_of(request))["sqlText"], request.query_params.get("requestId", "")
    session = numbers.get(token_of(request))
    log["queries"].append({"sql": sql, "session": session})
    if session is None:
        return refusal("390104", "User must login again to access the service.")
    if found := re.search(r"/\*fail (\w+)\*/", sql):
        return refusal(found.group(1), "SQL compilation error:\nas the test asked for", secrets.token_hex(16))
    if answer := own_answer(request, sql):
        return answer
    if re.search(r"/\*slow (\w+)\*/", sql):
        running[identity] = {"session": session, "cancelled": False}
    answered = await fakesnow.query_request(request)
    answer = await asyncio.to_thread(finish, request, json.loads(answered.body), sql)
    if found := re.search(r"/\*slow (\w+)\*/", sql):
        name, polls = answer["data"]["queryId"], found.group(1)
        pending[name] = {"answer": answer, "polls": -1 if polls == "forever" else int(polls), "identity": identity}
        return in_progress(name, "333334")
    return JSONResponse(answer, status_code=answered.status_code)


def in_progress(name, code):
    data = {"queryId": name, "getResultUrl": f"/queries/{name}/result", "queryAbortsAfterSecs": 300, "progressDesc": None}
    return JSONResponse({"success": True, "code": code, "message": "Query execution in progress.", "data": data})


async def result(request):
    name = request.path_params["name"]
    kept = pending[name]
    await asyncio.sleep(PAUSE)
    if running[kept["identity"]]["cancelled"]:
        return refusal("000604", "SQL execution canceled", name)
    if kept["polls"] != 0:
        kept["polls"] -= 1
        return in_progress(name, "333333")
    return JSONResponse(kept["answer"])


async def abort(request):
    identity = (await body_of(request))["requestId"]
    if identity not in running:
        return refusal("000605", "Identified SQL statement is not currently executing.")
    running[identity]["cancelled"] = True
    log["cancelled"].append(identity)
    return JSONResponse({"success": True, "code": None, "message": None, "data": None})


# --- for the tests


async def put_key(request):
    keys[request.path_params["user"].upper()] = serialization.load_pem_public_key(await request.body())
    return Response(status_code=204)


async def get_log(_):
    return JSONResponse(log)


app = Starlette(
    routes=[
        Route("/session/v1/login-request", login, methods=["POST"]),
        Route("/queries/v1/query-request", query, methods=["POST"]),
        Route("/queries/v1/abort-request", abort, methods=["POST"]),
        Route("/queries/{name}/result", result, methods=["GET"]),
        Route("/chunk/{name}", chunk),
        Route("/test/key/{user}", put_key, methods=["PUT"]),
        Route("/test/log", get_log),
        *[r for r in fakesnow.routes if r.path == "/session"],
    ]
)
