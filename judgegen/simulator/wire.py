"""The simulator's words on the wire: JSON bodies in, JSON responses and OpenAI's errors out, connections dropped."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from judgegen.simulator.bodies import NOT_JSON, Problem

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
LARGEST = 64 * 1024**2
"""Bytes a JSON body may have."""


def in_json(payload: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """A JSON response."""
    body = json.dumps(payload).encode("ascii")
    return web.Response(body=body, status=status, headers=headers, content_type="application/json")


def refused(refusal: Problem) -> web.Response:
    """An error in OpenAI's shape."""
    return in_json(refusal.payload(), refusal.status)


def bad(param: str, message: str, *, status: int = 400, code: str | None = None) -> web.Response:
    """A request's parameter is at fault."""
    return refused(Problem(message=message, param=param, status=status, code=code))


async def body_of(request: web.Request) -> Mapping[str, Any] | Problem:
    """The JSON object that was sent, or why it is none."""
    try:
        found = json.loads(await request.read(), parse_constant=_no_number)
    except web.HTTPRequestEntityTooLarge:
        return Problem(status=413, message=f"The body is larger than {LARGEST} bytes.", code="request_too_large")
    except (ValueError, RecursionError):
        return NOT_JSON
    return found if isinstance(found, dict) else NOT_JSON


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def page(rows: Mapping[str, Mapping[str, Any]], query: Mapping[str, str], *, most: int, usual: int) -> web.Response:
    """One page of a list, by the query's `after` and `limit`."""
    ids, limit = list(rows), query.get("limit", str(usual))
    if not limit.isdecimal() or not 1 <= int(limit) <= most:
        return bad("limit", f"Invalid 'limit': expected a whole number from 1 to {most}.")
    if (after := query.get("after")) is not None and after not in rows:
        return bad("after", f"No object with id '{after}'.")
    start = 0 if after is None else ids.index(after) + 1
    shown = ids[start : start + int(limit)]
    ends = {"first_id": shown[0] if shown else None, "last_id": shown[-1] if shown else None}
    more = start + len(shown) < len(ids)
    return in_json({"object": "list", "data": [rows[i] for i in shown], **ends, "has_more": more})


def patient(handler: Handler) -> Handler:
    """`handler`, for which a client that hangs up while it sends is no event."""

    async def served(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except ConnectionError:
            return dropped(request)

    return served


def dropped(request: web.Request) -> web.Response:
    """Close the connection; what is returned to aiohttp reaches nobody."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


def is_metadata(found: Any) -> bool:
    """At most 16 pairs of texts, keys of 64 characters and values of 512; or none."""
    if found is None:
        return True
    pairs = found.items() if isinstance(found, dict) and len(found) <= 16 else [("", None)]
    return all(len(key) <= 64 and isinstance(value, str) and len(value) <= 512 for key, value in pairs)


async def nowhere(request: web.Request) -> web.Response:
    """Any path or method that is not served."""
    return refused(Problem(status=404, message=f"Invalid URL ({request.method} {request.path})"))
