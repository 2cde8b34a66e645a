from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import pytest

from judgegen.simulator import tally, wire
from judgegen.simulator.scripted import World, body_digest, quality_of
from judgegen.simulator.server import serving
from judgegen.spec import Scripted

T = TypeVar("T")
Popen = Callable[..., "subprocess.Popen[str]"]


def body(draw: int = 0, **params: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": "Why is the sky blue?"}], "seed": draw, **params}


def judging(**params: Any) -> dict[str, Any]:
    asked = "<q>\nyes\n[quality 0.900]\n</q>\n<q>\nno\n[quality 0.100]\n</q>\nWhich is better?"
    return {"model": "j", "messages": [{"role": "user", "content": asked}], **params}


class Client:
    """A plain HTTP client of one simulator."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session, self.url = session, url

    async def chat(self, asked: Any) -> tuple[int, Any, Any]:
        """Status, headers and JSON of one chat completion."""
        data = asked if isinstance(asked, bytes) else json.dumps(asked)
        async with self.session.post(f"{self.url}/chat/completions", data=data) as response:
            return response.status, response.headers, await response.json()

    async def get(self, path: str, method: str = "GET") -> tuple[int, Any]:
        """Status and JSON of anything else."""
        async with self.session.request(method, self.url.removesuffix("/v1") + path) as response:
            return response.status, await response.json()

    async def stats(self) -> Any:
        """The server's counts."""
        return (await self.get("/stats"))[1]


def served(settings: Scripted, then: Callable[[Client], Awaitable[T]]) -> T:
    async def main() -> T:
        async with serving(settings) as server, aiohttp.ClientSession() as session:
            return await then(Client(session, server.url))

    return asyncio.run(main())


def test_http_gives_what_the_world_gives() -> None:
    """The same body has the same answer in-process and over HTTP."""

    async def then(client: Client) -> None:
        for asked in (body(temperature=0.9), judging(logprobs=True, top_logprobs=3)):
            status, _, answer = await client.chat(asked)
            assert (status, answer) == (200, World(Scripted()).answer(asked))

    served(Scripted(), then)


def test_what_was_served_is_counted() -> None:
    """By kind, with tokens, repeats and how often each body was paid; a reset begins again."""

    async def then(client: Client) -> None:
        answers = [(await client.chat(asked))[2] for asked in (body(1), body(2), body(1), judging(), body(1))]
        await client.chat({"model": "m"})
        found = await client.stats()
        assert {name: found[name] for name in ("sampler", "judge", "refused", "faults", "repeats", "seen")} == {
            "sampler": 4,
            "judge": 1,
            "refused": 1,
            "faults": 0,
            "repeats": 2,
            "seen": 3,
        }
        for name in ("prompt_tokens", "completion_tokens"):
            assert found[name] == sum(answer["usage"][name] for answer in answers)
        paid = (await client.get("/stats/paid"))[1]
        assert paid == {body_digest(body(1)): 3, body_digest(body(2)): 1, body_digest(judging()): 1}
        _, after = await client.get("/stats/reset", "POST")
        assert set(after.values()) == {0}
        assert (await client.stats()) == after

    served(Scripted(), then)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many different bodies the last ones are remembered."""
    monkeypatch.setattr(tally, "REMEMBERED", 3)

    async def then(client: Client) -> None:
        for draw in (1, 2, 3, 4, 4, 1):
            await client.chat(body(draw))
        found = await client.stats()
        assert (found["seen"], found["repeats"]) == (3, 1)

    served(Scripted(), then)


def test_requests_at_once_are_counted() -> None:
    """The peak is the most that were in flight together."""

    async def then(client: Client) -> None:
        await asyncio.gather(*(client.chat(body(draw)) for draw in range(7)))
        await client.chat(body(9))
        found = await client.stats()
        assert (found["peak"], found["in_flight"]) == (7, 0)

    served(Scripted(latency_s=0.4), then)


def test_faults_reach_the_client_as_faults() -> None:
    """Every kind over the wire, a dropped connection as one without a response; none is counted as an answer."""

    async def ask(client: Client, draw: int) -> int:
        try:
            return (await client.chat(body(draw)))[0]
        except aiohttp.ServerDisconnectedError:
            return 0

    async def then(client: Client) -> None:
        found = [await ask(client, draw) for draw in range(120)]
        assert set(found) == {200, 0, 429, 500, 503}
        counted = await client.stats()
        assert (counted["sampler"], counted["faults"]) == (found.count(200), 120 - found.count(200))
        assert (counted["seen"], counted["repeats"]) == (found.count(200), 0)

    served(Scripted(fault_rate=0.6), then)


def test_the_rate_limit_reaches_the_client() -> None:
    """Above rpm: 429 with retry-after, counted apart."""

    async def then(client: Client) -> None:
        found = [await client.chat(body(draw)) for draw in range(5)]
        assert [status for status, _, _ in found] == [200, 200, 429, 429, 429]
        assert all(float(headers["retry-after"]) > 0 for status, headers, _ in found if status == 429)
        assert (await client.stats())["throttled"] == 3

    served(Scripted(rpm=2), then)


@pytest.mark.parametrize("sent", [b"", b"[]", b"{", b"\xff", b'{"model": NaN}', b"[" * 100_000])
def test_what_is_no_json_object_is_refused(sent: bytes) -> None:
    """400 with OpenAI's error object, never a server error."""

    async def then(client: Client) -> tuple[int, Any, Any]:
        return await client.chat(sent)

    status, _, answer = served(Scripted(), then)
    assert (status, answer["error"]["type"]) == (400, "invalid_request_error")


def test_a_body_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """413, in JSON."""
    monkeypatch.setattr(wire, "LARGEST", 1000)

    async def then(client: Client) -> tuple[int, Any, Any]:
        return await client.chat(body(user="x" * 2000))

    status, _, answer = served(Scripted(), then)
    assert (status, answer["error"]["code"]) == (413, "request_too_large")


def test_other_paths_are_not_found() -> None:
    """404 in JSON for a path or a method that is not served; the models are listed."""

    async def then(client: Client) -> None:
        for path, method in (("/v1/completions", "POST"), ("/v1/chat/completions", "GET"), ("/", "GET")):
            status, answer = await client.get(path, method)
            assert (status, answer["error"]["type"]) == (404, "invalid_request_error")
        status, models = await client.get("/v1/models")
        assert status == 200
        assert all(model["object"] == "model" for model in models["data"])

    served(Scripted(), then)


def test_the_openai_sdk_is_served() -> None:
    """Answers, logprobs, usage and errors arrive as the SDK's own types."""
    import openai

    async def main() -> None:
        async with (
            serving(Scripted(rpm=2)) as server,
            openai.AsyncOpenAI(base_url=server.url, api_key="none", max_retries=0) as client,
        ):
            chat = client.chat.completions
            sampled = await chat.create(model="m", messages=[{"role": "user", "content": "Why?"}], temperature=0.3)
            assert quality_of(sampled.choices[0].message.content or "") is not None
            assert sampled.usage is not None
            assert sampled.usage.completion_tokens_details is not None
            assert sampled.usage.completion_tokens_details.reasoning_tokens == 0
            judged = await chat.create(**judging(logprobs=True, top_logprobs=2))
            assert judged.choices[0].logprobs is not None
            assert judged.choices[0].logprobs.content is not None
            assert {top.token for top in judged.choices[0].logprobs.content[0].top_logprobs} == {"A", "B"}
            with pytest.raises(openai.RateLimitError) as caught:
                await chat.create(**body())
            assert caught.value.code == "rate_limit_exceeded"

    asyncio.run(main())


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_told_to_end(popen: Popen, ending: signal.Signals, tmp_path: Path) -> None:
    """One line says where, the flags reach the world, a signal ends it quietly and its files are gone."""
    command = [sys.executable, "-m", "judgegen", "simulate", "--port", "0", "--accuracy", "0", "--no-logprobs"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    process = popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    line = process.stdout.readline()
    url = line.removeprefix("judgegen simulate on ").strip()
    request = urllib.request.Request(f"{url}/chat/completions", data=json.dumps(judging()).encode())
    with urllib.request.urlopen(request, timeout=10) as response:
        assert json.load(response)["choices"][0]["message"]["content"] == "B"
    form = b'--b\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nbatch\r\n--b\r\n'
    form += b'Content-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n{}\r\n--b--\r\n'
    upload = urllib.request.Request(f"{url}/files", data=form)
    upload.add_header("Content-Type", "multipart/form-data; boundary=b")
    with urllib.request.urlopen(upload, timeout=10) as response:
        assert json.load(response)["bytes"] == 2
    assert list(tmp_path.iterdir()) != []
    process.send_signal(ending)
    rest, errors = process.communicate(timeout=10)
    assert (process.returncode, rest, errors) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_port_that_is_taken_is_a_clear_error() -> None:
    """Exit 2, naming the port and the mend."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "judgegen", "simulate", "--port", port]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert f"port {port}" in done.stderr
    assert "--port" in done.stderr
