"""What goes out and where, whichever of the two carries it: heads, addresses, bodies, proxies."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from worlds import world

from judgegen.llm.providers.openai import lane
from judgegen.llm.wire.lane import Lane
from judgegen.spec import Endpoint

LANES = pytest.mark.parametrize("transport", ["lean", "sdk"])


def sent(row: dict[str, Any], path: str = "/v1", **endpoint: Any) -> tuple[web.Request, bytes]:
    """The request that a server sees, and its body; `path` is where the API begins."""
    seen: list[tuple[web.Request, bytes]] = []

    async def main() -> None:
        async def keep(request: web.Request) -> web.Response:
            seen.append((request, await request.read()))
            return web.json_response({})

        app = web.Application()
        app.router.add_route("*", "/{path:.*}", keep)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        base = {"base_url": f"http://127.0.0.1:{runner.addresses[0][1]}{path}"}
        road = lane(Endpoint.model_validate({**base, **endpoint}), "here")
        try:
            await road.post("/chat/completions", row)
        finally:
            await road.aclose()
            await runner.cleanup()

    asyncio.run(main())
    (found,) = seen
    return found


@LANES
def test_the_head_is_the_run_files(transport: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key, the account of the environment, and what the run file writes, which goes before ours in any case."""
    monkeypatch.setenv("A_KEY", "sk-1")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-7")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-8")
    head = sent({}, api_key_env="A_KEY", transport=transport)[0].headers
    assert head["Authorization"] == "Bearer sk-1"
    assert (head["OpenAI-Organization"], head["OpenAI-Project"]) == ("org-7", "proj-8")
    assert head["Content-Type"] == "application/json"
    own = sent({}, transport=transport, headers={"Authorization": "Other x", "X-Team": "a"})[0].headers
    assert own.getall("Authorization") == ["Other x"]
    assert own["X-Team"] == "a"


def test_an_answer_with_a_long_header_is_an_answer() -> None:
    """Four times as long as the client library takes by itself."""

    async def main() -> tuple[int, bytes]:
        async def answer(_: web.Request) -> web.Response:
            return web.json_response({"a": 1}, headers={"X-Policy": "p" * 32_000})

        app = web.Application()
        app.router.add_post("/v1/chat/completions", answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        road = lane(Endpoint(base_url=f"http://127.0.0.1:{runner.addresses[0][1]}/v1"), "here")
        try:
            status, _, body = await road.post("/chat/completions", {})
        finally:
            await road.aclose()
            await runner.cleanup()
        return status, body

    assert asyncio.run(main()) == (200, b'{"a": 1}')


def test_a_header_goes_once_whatever_its_case() -> None:
    """Names of headers have no case: what the run file writes stands in the place of ours."""
    assert sent({}, headers={"authorization": "Other x"})[0].headers.getall("Authorization") == ["Other x"]


@LANES
@pytest.mark.parametrize(
    ("path", "query", "raw"),
    [
        ("/v1", {}, "/v1/chat/completions"),
        ("/v1/", {}, "/v1/chat/completions"),
        ("/v1/chat/completions/", {}, "/v1/chat/completions"),
        ("/d/chat/completions?api-version=1", {}, "/d/chat/completions?api-version=1"),
        ("/a%20b/v1", {}, "/a%20b/v1/chat/completions"),
        ("/v1?api-version=1", {}, "/v1/chat/completions?api-version=1"),
        ("/v1?a=1", {"b": "2 3"}, "/v1/chat/completions?a=1&b=2+3"),
    ],
)
def test_the_path_is_the_addresss_and_the_query_stands_behind_it(
    path: str, query: dict[str, str], raw: str, transport: str
) -> None:
    """Whatever stands in base_url and in query."""
    assert sent({}, path, query=query, transport=transport)[0].raw_path.replace("%20", "+") == raw.replace("%20", "+")


@pytest.mark.parametrize(
    "row",
    [
        {"a": "ünï 😀 \u2028"},
        {"a": "half \ud83d of one"},
        {"a": 2**70, "b": -(2**64), "c": 1e300},
        {"a": [{"b": None, "c": True}], "d": {"e": {}}},
    ],
)
def test_a_body_says_what_it_is_given(row: dict[str, Any]) -> None:
    """Half a character and a number above 64 bits as well: the server decides what it thinks of them."""
    assert json.loads(sent(row)[1]) == row


@LANES
def test_the_environments_proxy_is_asked(transport: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the whole address in the request, and not for a host that is to go without."""
    lines = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        lines.append(head.split(b"\r\n", 1)[0].decode())
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        await writer.drain()
        writer.close()

    async def main() -> None:
        given = {"base_url": "http://models.invalid/v1", "transport": transport}
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        road = lane(Endpoint.model_validate(given), "here")
        try:
            await road.get("/models")
        finally:
            await road.aclose()
            server.close()

    async def without() -> None:
        road = Lane("http://models.invalid/v1", headers={}, query={}, within_s=5, places=1)
        try:
            with pytest.raises(ConnectionError):
                await road.get("/models")
        finally:
            await road.aclose()

    monkeypatch.delenv("no_proxy", raising=False)
    asyncio.run(main())
    assert lines == ["GET http://models.invalid/v1/models HTTP/1.1"]
    monkeypatch.setenv("no_proxy", "models.invalid")
    asyncio.run(without())


@pytest.mark.slow
def test_a_run_loads_no_client_library(tmp_path: Path) -> None:
    """The openai SDK takes a second to load: a run that has no batch goes without it."""
    script = (
        "import asyncio, sys, judgegen\n"
        "given = {'prompts': 'none', 'sampler': {'model': 'm', 'variants': [{'name': 'a', 'n': 2}]},\n"
        "    'judge': {'model': 'j'}, 'endpoints': {'openai': {'price': {'input': 1, 'output': 1}}}}\n"
        "run = asyncio.run(judgegen.generate(given, prompts=['what?', 'why?'], out='out'))\n"
        "print(run.summary['calls']['sampler'], 'openai' in sys.modules)\n"
    )
    with world() as url:
        environment = {**os.environ, "OPENAI_BASE_URL": url, "OPENAI_API_KEY": "sk-simulated"}
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
    assert done.stdout.split() == ["4", "False"]
