"""HTTP responses read as they come: however the bytes are cut, and whatever they are."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from judgegen.llm.wire.bounds import TooLargeError
from judgegen.llm.wire.link import Links, head
from judgegen.llm.wire.response import NotHttpError, Response

BODY = b'{"choices": [1, 2, 3]}'
CHUNKED = b"6;a=b\r\n" + BODY[:6] + b"\r\n10\r\n" + BODY[6:] + b"\r\n0\r\nX: y\r\n\r\n"
PACKED = gzip.compress(BODY[:7]) + gzip.compress(BODY[7:])
RAW = zlib.compressobj(wbits=-15)
DEFLATED = RAW.compress(BODY) + RAW.flush()
SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 22\r\n"

WHOLE = {
    "sized": (SIZED + b"\r\n" + BODY, True),
    "after-others": (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nA: b\r\n\r\n" + SIZED + b"\r\n" + BODY, True),
    "bare-ends": (b"\r\nHTTP/1.1 200\nContent-Length: 22\n\n" + BODY, True),
    "folded": (SIZED + b"A: b\r\n  c\r\n\r\n" + BODY, True),
    "closing": (SIZED + b"Connection: Close\r\n\r\n" + BODY, False),
    "old": (b"HTTP/1.0 200 OK\r\nContent-Length: 22\r\n\r\n" + BODY, False),
    "old-kept": (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 22\r\n\r\n" + BODY, True),
    "more": (SIZED + b"\r\n" + BODY + b"HTTP", False),
    "chunked": (b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n" + CHUNKED, True),
    "packed": (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(PACKED) + PACKED, True),
    "zlib": (b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\n\r\n" + zlib.compress(BODY), False),
    "deflated": (b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\n\r\n" + DEFLATED, False),
    "to-the-end": (b"HTTP/1.1 200 OK\r\n\r\n" + BODY, False),
}


def fed(data: bytes, cuts: list[int]) -> Response:
    """The response, after the pieces that the cuts make, and the end."""
    response, at = Response(), 0
    for cut in [*sorted(cuts), len(data)]:
        if data[at:cut]:
            response.feed(data[at:cut])
        at = max(at, cut)
    response.end()
    return response


@pytest.mark.parametrize("kind", WHOLE)
@given(st.lists(st.integers(0, 160), max_size=8))
def test_cuts_change_nothing(kind: str, cuts: list[int]) -> None:
    """The same status, the same body, and the same word on whether the connection may be used again."""
    data, reusable = WHOLE[kind]
    found = fed(data, cuts)
    assert (found.whole, found.status, found.body, found.reusable) == (True, 200, BODY, reusable)


def test_every_byte_by_itself_changes_nothing() -> None:
    """However slowly it comes."""
    for data, reusable in WHOLE.values():
        found = fed(data, list(range(len(data))))
        assert (found.whole, found.body, found.reusable) == (True, BODY, reusable)


@pytest.mark.parametrize(
    "said",
    [
        b"SSH-2.0-x\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 2x0 Odd\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\n" + PACKED[:9],
        b"HTTP/1.1 204 None\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nA: " + b"b" * 9000 + b"\r\n\r\n",
    ],
)
def test_what_is_no_response_is_none(said: bytes) -> None:
    """Said as soon as it shows, and never taken for an answer."""
    with pytest.raises(NotHttpError):
        fed(said, [])


@pytest.mark.parametrize("cut", ["sized", "chunked", "packed"])
def test_what_breaks_off_is_not_whole(cut: str) -> None:
    """A byte that lacks is enough."""
    assert not fed(WHOLE[cut][0][:-1], []).whole


def test_an_answer_is_bounded_as_it_comes_out_of_its_packing() -> None:
    """Forty megabytes in forty thousand bytes are too many."""
    packed = gzip.compress(b"a" * 40_000_000)
    with pytest.raises(TooLargeError):
        fed(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + packed, [])


@given(st.binary(max_size=300), st.sampled_from([*WHOLE, ""]))
def test_noise_ends_in_a_response_or_a_refusal_of_one(noise: bytes, kind: str) -> None:
    """Nothing else, whatever comes after any beginning."""
    data = WHOLE[kind][0][:-9] if kind else b""
    with suppress(NotHttpError):
        assert len(fed(data + noise, []).body) <= len(data + noise) * 1100


def asked(*answers: bytes, pause_s: float = 0.0, close: bool = False) -> tuple[list[bytes], int]:
    """The bodies of a request after another, and over how many connections they came."""
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(left.pop(0))
                await writer.drain()
                if close:
                    break
        writer.close()

    async def main() -> list[bytes]:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = URL(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1")
        links = Links(4, None)
        found = []
        for _ in answers:
            deadline = asyncio.get_running_loop().time() + 20
            found.append((await links.ask(url.origin(), head("GET", url, {}) + b"\r\n", deadline))[2])
            await asyncio.sleep(pause_s)
        await links.aclose()
        server.close()
        await asyncio.sleep(0.02)  # in which the server's ends are closed
        return found

    left = list(answers)
    return asyncio.run(main()), connections


def test_a_connection_is_kept_while_it_may_be() -> None:
    """One for all answers that end by themselves, another after one that does not."""
    sized = WHOLE["sized"][0]
    assert asked(sized, WHOLE["chunked"][0], sized) == ([BODY] * 3, 1)
    assert asked(WHOLE["closing"][0], sized) == ([BODY] * 2, 2)
    assert asked(WHOLE["more"][0], sized) == ([BODY] * 2, 2)


def test_a_connection_that_the_server_closed_is_not_used_again() -> None:
    """Where it said nothing of that, and nobody asked meanwhile."""
    assert asked(WHOLE["sized"][0], WHOLE["sized"][0], pause_s=0.05, close=True) == ([BODY] * 2, 2)


def test_a_head_ends_where_its_headers_do() -> None:
    """What a header holds cannot make another one."""
    with pytest.raises(ValueError, match="end of a line"):
        head("POST", URL("http://h/v1"), {"A": "b\r\nC: d"})
    assert head("POST", URL("http://h:80/v1?a=b"), {"A": "b"}) == b"POST /v1?a=b HTTP/1.1\r\nHost: h\r\nA: b\r\n"
