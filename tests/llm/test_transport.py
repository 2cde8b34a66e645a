"""What a hostile or broken server can do to one request, over real sockets: it costs bounded time and memory."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
import zlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from judgegen.errors import ProviderRefused
from judgegen.llm import secrets
from judgegen.llm.calls import Call, Reply, Tag
from judgegen.llm.providers.openai import connect
from judgegen.llm.retry import Transient
from judgegen.llm.wire import refusals
from judgegen.llm.wire.bounds import HOPS
from judgegen.llm.wire.delay import asked_s
from judgegen.spec import Endpoint

Writes = Callable[[asyncio.StreamWriter, int], Awaitable[None]]
"""What the server does with a connection once it has read the request, given the port it serves."""
ANSWER = json.dumps({"choices": [{"message": {"content": "hello"}, "finish_reason": "stop"}], "model": "m"}).encode()
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


ON = ["lean"]
"""What carries the calls of the test that runs."""


@pytest.fixture(params=["lean", "sdk"], autouse=True)
def lane(request: pytest.FixtureRequest) -> None:
    """Every law here holds for both."""
    ON[0] = request.param


def asked(writes: Writes, *, timeout_s: float = 5.0) -> Any:
    """The outcome of one call to a server that answers every request by `writes`."""

    async def main() -> Any:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            found = re.search(rb"content-length: *(\d+)", head, re.IGNORECASE)
            assert found is not None
            await reader.readexactly(int(found[1]))
            with suppress(ConnectionError, asyncio.CancelledError):
                await writes(writer, port)
                await writer.drain()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        endpoint = {"base_url": f"http://127.0.0.1:{port}/v1", "timeout_s": timeout_s, "transport": ON[0]}
        provider = connect(Endpoint.model_validate(endpoint), "here")
        call = Call(
            endpoint="here",
            model="m",
            messages=({"role": "user", "content": "hi"},),
            params={"max_tokens": 7},
            tag=Tag(role="judge", prompt_id="p", route="here"),
        )
        try:
            async with asyncio.timeout(20):
                return await provider(call)
        finally:
            await provider.aclose()
            server.close()

    return asyncio.run(main())


def sending(*parts: bytes) -> Writes:
    async def writes(writer: asyncio.StreamWriter, _: int) -> None:
        writer.write(b"".join(parts))

    return writes


def dripping(head: bytes, drop: bytes) -> Writes:
    """`head`, then `drop` again and again, each long before any silence could be taken for the end."""

    async def writes(writer: asyncio.StreamWriter, _: int) -> None:
        writer.write(head)
        while True:
            writer.write(drop)
            await writer.drain()
            await asyncio.sleep(0.05)

    return writes


@pytest.mark.parametrize(
    ("head", "drop"),
    [
        (OK + b"Content-Length: 100000\r\n\r\n", b" "),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        (OK, b"X-More: 1\r\n"),
        (b"", b"H"),
    ],
)
def test_a_byte_now_and_then_does_not_hold_a_call(head: bytes, drop: bytes) -> None:
    """timeout_s bounds the whole answer, head and body: or the head is no HTTP before that."""
    with pytest.raises(Transient, match=r"timeout_s = 0\.5|not HTTP") as caught:
        asked(dripping(head, drop), timeout_s=0.5)
    assert caught.value.billed is None


def test_an_answer_that_comes_slowly_and_in_time_is_read() -> None:
    """A byte now and then is no fault by itself."""

    async def writes(writer: asyncio.StreamWriter, _: int) -> None:
        writer.write(OK + f"Content-Length: {len(ANSWER)}\r\n\r\n".encode())
        for byte in ANSWER:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.001)

    assert isinstance(asked(writes), Reply)


def flooding(*, packed: bool) -> Writes:
    """A body without an end: as it is, or packed a thousandfold."""

    async def writes(writer: asyncio.StreamWriter, _: int) -> None:
        packer = zlib.compressobj(wbits=31)
        writer.write(OK + (b"Content-Encoding: gzip\r\n" if packed else b"") + b"Connection: close\r\n\r\n")
        while True:
            part = b"a" * 2**20
            writer.write(packer.compress(part) + packer.flush(zlib.Z_SYNC_FLUSH) if packed else part)
            await writer.drain()
            await asyncio.sleep(0)  # a full buffer is not the only time to let the client read

    return writes


@pytest.mark.parametrize("packed", [False, True])
def test_an_answer_without_end_is_given_up(packed: bool) -> None:
    """Bytes are counted as they come out of their packing, and so many are no answer."""
    with pytest.raises(Transient, match="MiB") as caught:
        asked(flooding(packed=packed))
    assert caught.value.billed is None


def test_a_packed_answer_is_read() -> None:
    """Packing itself is welcome."""
    body = gzip.compress(ANSWER)
    reply = asked(sending(OK, f"Content-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n".encode(), body))
    assert reply.first.text == "hello"


@pytest.mark.parametrize(
    "said",
    [
        b"SSH-2.0-OpenSSH_9\r\n",
        b"HTTP/1.1 2x0 Odd\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * 20000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\x00c\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"A%d: b\r\n" % i for i in range(40000)) + b"\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        OK + b"Content-Length: 3\r\n\r\n" + ANSWER,
        OK + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nabcde",
        OK + b"Content-Length: 200000\r\n\r\n" + b"[" * 200000,
        b"HTTP/1.1 204 No Content\r\nContent-Length: 10\r\n\r\n0123456789",
        b"",
    ],
)
def test_what_is_no_answer_passes(said: bytes) -> None:
    """A line of another protocol, a header too many, a body cut or broken: asked again, never a crash."""
    with pytest.raises(Transient):
        asked(sending(said))


def moved(where: str, status: int = 307) -> Writes:
    """The first request is sent on to `where`, what follows is answered."""
    seen: list[int] = []

    async def writes(writer: asyncio.StreamWriter, port: int) -> None:
        seen.append(1)
        if len(seen) == 1:
            head = f"HTTP/1.1 {status} Moved\r\nLocation: {where.format(port=port)}\r\n"
            writer.write(f"{head}Content-Length: 0\r\nConnection: close\r\n\r\n".encode())
        else:
            writer.write(OK + f"Content-Length: {len(ANSWER)}\r\n\r\n".encode() + ANSWER)

    return writes


@pytest.mark.parametrize(
    "where", ["http://localhost:{port}/v1", "http://127.0.0.1:9/v1", "https://127.0.0.1:{port}/v1"]
)
def test_prompts_do_not_follow_to_another_host(where: str) -> None:
    """A redirection elsewhere ends the run with both addresses; nothing is sent there."""
    with pytest.raises(ProviderRefused, match=r"not sent to another host.*base_url"):
        asked(moved(where))


def test_the_same_host_may_send_on() -> None:
    """A path that moved is followed, with the body."""
    assert asked(moved("http://127.0.0.1:{port}/other/chat/completions")).first.text == "hello"


@pytest.mark.parametrize(
    ("status", "location"),
    [
        (307, "Location: /v1/chat/completions\r\n"),
        (308, "Location: http://127.0.0.1:{port}/v1/chat/completions?again=1\r\n"),
        (302, "Location: /v1/chat/completions\r\n"),
        (301, "Location: /login\r\n"),
        (307, ""),
        (300, ""),
        (304, ""),
        (399, ""),
    ],
)
def test_an_address_that_leads_nowhere_ends_the_run_at_once(status: int, location: str) -> None:
    """A circle, a page to log in at, a status of the three hundreds that is no answer: the key is base_url."""
    met: list[int] = []

    async def writes(writer: asyncio.StreamWriter, port: int) -> None:
        met.append(port)
        head = f"HTTP/1.1 {status} Moved\r\n{location.format(port=port)}Content-Length: 0\r\nConnection: close\r\n\r\n"
        writer.write(head.encode())

    with pytest.raises(ProviderRefused, match=r"sends requests on.*base_url"):
        asked(writes)
    assert len(met) <= HOPS


@pytest.mark.parametrize(
    "body", ["null", "7", "true", '"no"', "[null]", "[]", '{"error": {"code": "\\u00b2\\u00b2"}}', "9" * 400]
)
def test_a_refusal_of_any_shape_is_one(body: str) -> None:
    """A body that is a number, null or nested in nothing: a refusal by its status, never a crash."""
    refusal = refusals.read(404, body.encode(), None)
    assert refusal.status == 404
    assert refusals.kind(refusal)
    assert asked_s(429, {}, f'{{"retry_after": {body}}}'.encode()) in (None, 7.0, 1e9)


@pytest.mark.parametrize("said", [b"KEY KEY\r\n\r\n", OK + b"A KEY\r\n\r\n", b"HTTP/1.1 2x0 KEY\r\n\r\n"])
def test_what_is_quoted_of_no_answer_holds_no_secret(said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """The parser's words quote what came, which may be what was sent."""
    monkeypatch.setattr(secrets, "_forms", {})
    secrets.remember("sk-planted-1f2e3d4c5b")
    with pytest.raises(Transient) as caught:
        asked(sending(said.replace(b"KEY", b"sk-planted-1f2e3d4c5b")))
    assert "planted" not in str(caught.value)


def asked_over_tls(said: bytes) -> Any:
    """The outcome of one call over TLS to a server that says this to whatever comes first, and hangs up."""

    async def main() -> Any:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.write(said)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        provider = connect(Endpoint.model_validate({"base_url": url, "timeout_s": 5.0, "transport": ON[0]}), "here")
        messages = ({"role": "user", "content": "hi"},)
        tag = Tag(role="judge", prompt_id="p", route="here")
        try:
            return await provider(Call(endpoint="here", model="m", messages=messages, params={}, tag=tag))
        finally:
            await provider.aclose()
            server.close()

    return asyncio.run(main())


def test_an_address_without_tls_ends_the_run_with_the_key_that_says_https() -> None:
    """No further try can help, and nothing was sent that could be billed."""
    with pytest.raises(ProviderRefused, match=r"base_url of endpoint 'here' \(https, or http\)") as refused:
        asked_over_tls(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert refused.value.billed is False


def test_a_hang_up_before_anything_was_sent_passes_and_costs_nothing() -> None:
    """It may be a server that is being started again: it is asked once more, and nothing stands as perhaps billed."""
    with pytest.raises(Transient, match="no connection") as trouble:
        asked_over_tls(b"")
    assert trouble.value.billed is False


@pytest.mark.parametrize(
    "choices",
    [
        '{"0": {"message": {"content": "hello"}, "finish_reason": "stop"}}',
        '{"message": {"content": "hello"}, "finish_reason": "stop"}',
        '[{"message": [{"content": "hello"}], "finish_reason": "stop"}]',
    ],
)
def test_one_choice_is_read_however_it_is_listed(choices: str) -> None:
    """By its number, alone, or as a list of one message: it was billed, and says what was asked for."""
    body = f'{{"choices": {choices}, "usage": {{"prompt_tokens": 3, "completion_tokens": 1}}}}'.encode()
    found = asked(sending(OK + f"Content-Length: {len(body)}\r\n\r\n".encode() + body))
    assert found.first.text == "hello"
    assert found.first.finish == "stop"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (431, "Request Header Fields Too Large"),
        (400, "<title>400 Request Header Or Cookie Too Large</title>"),
        (494, ""),
    ],
)
def test_a_head_that_is_too_large_is_no_prompts_fault(status: int, words: str) -> None:
    """The key and the headers are of the endpoint: no row is dropped for them."""
    head = f"HTTP/1.1 {status} No\r\nContent-Length: {len(words)}\r\n\r\n{words}"
    with pytest.raises(ProviderRefused, match=r"api_key_env of endpoint 'here', or its headers"):
        asked(sending(head.encode()))
