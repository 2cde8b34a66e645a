"""Plays a fault of a plan on the wire: instead of an answer, or on its way. Knows nothing of whom it meets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from judgegen.simulator.altered import error_of
from judgegen.simulator.faults import Cut, Drop, Fault, Hang, Malformed, Slow, StatusInstead, Text
from judgegen.simulator.wire import dropped, in_json

FOR_EVER_S = 1e9


async def instead(one: Fault, request: web.Request) -> web.StreamResponse | None:
    """What comes instead of an answer; None where the answer comes all the same."""
    if isinstance(one, StatusInstead):
        body = error_of(one)
        if isinstance(body, str):
            return web.Response(text=body, status=one.status, headers=one.headers)
        return in_json(body, one.status, one.headers)
    if isinstance(one, Hang):
        await asyncio.sleep(one.seconds or FOR_EVER_S)
    elif isinstance(one, Drop):
        return dropped(request)
    elif isinstance(one, Malformed):
        return _written(request, one.text)
    elif isinstance(one, Text):
        return web.Response(text=one.body, content_type=one.content_type)
    return None


def _written(request: web.Request, text: str) -> web.Response:
    """Put these bytes on the wire and hang up; what is returned to aiohttp reaches nobody."""
    if request.transport is not None:
        request.transport.write(text.encode("utf-8", "replace"))
        request.transport.close()
    return web.Response()


async def delivered(
    one: Fault | None, request: web.Request, answer: Mapping[str, Any], headers: Mapping[str, str]
) -> web.StreamResponse:
    """The answer on its way: whole, in crumbs, or up to where the connection breaks."""
    if not isinstance(one, Slow | Cut):
        return in_json(answer, 200, headers)
    body = json.dumps(answer).encode("ascii")
    response = web.StreamResponse(headers={**headers, "content-type": "application/json"})
    response.content_length = len(body)
    await response.prepare(request)
    if isinstance(one, Cut):
        await response.write(body[: one.after_bytes])
        await asyncio.sleep(0.01)  # so that the beginning is on its way before the end of the connection
        return dropped(request)
    for start in range(0, len(body), one.bytes):
        await response.write(body[start : start + one.bytes])
        await asyncio.sleep(one.pause_s)
    await response.write_eof()
    return response
