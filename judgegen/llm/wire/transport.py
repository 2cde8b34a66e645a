"""The openai SDK in the place of a `Lane`, with the same bounds: in seconds, in bytes, in where it sends us.

The SDK's own timeout is one of silence, which a byte now and then outlasts, and it reads whatever comes into memory.
Knows nothing of what is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

import aiohttp
import httpx2
from aiohttp.http_exceptions import HttpProcessingError
from openai import APIConnectionError, APIStatusError, AsyncOpenAI, DefaultAioHttpClient

from judgegen.llm.secrets import masked
from judgegen.llm.wire.bounds import HOPS, MOST_BYTES, Answer, ElsewhereError, TooLargeError, behind, unmade


class SdkLane:
    """Requests through the SDK's client: what it adds to them and makes of them, for a gateway that wants it."""

    def __init__(self, asking: AsyncOpenAI) -> None:
        self._asking = asking

    async def post(self, path: str, row: Mapping[str, Any]) -> Answer:
        """What the server says to a body of JSON; raises as `Lane.post`."""
        return await _answer(self._asking.post(path, cast_to=httpx2.Response, body=row))

    async def get(self, path: str) -> Answer:
        """What stands at `path`; raises as `Lane.post`."""
        return await _answer(self._asking.get(path, cast_to=httpx2.Response))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._asking.close()


async def _answer(asked: Awaitable[httpx2.Response]) -> Answer:
    try:
        response = await asked
    except APIStatusError as error:
        response = error.response
    except (APIConnectionError, TimeoutError) as error:
        raise lost(error) from None
    return response.status_code, response.headers, response.content


def lost(error: BaseException) -> OSError:
    """What became of a request without an answer, by its root: the SDK's transport calls a hang-up a timeout."""
    root = error
    while root.__cause__ is not None and not isinstance(root, TimeoutError):
        root = root.__cause__
    if isinstance(root, TimeoutError):
        return TimeoutError(str(root))
    if any(isinstance(one, aiohttp.ClientConnectorError) for one in behind(error)):
        return unmade(error, str(root))
    return (ConnectionRefusedError if isinstance(root, ConnectionRefusedError) else ConnectionError)(str(root))


class Bounded(DefaultAioHttpClient):
    """A client whose every request is over after `within_s`, head, body and redirections together."""

    def __init__(self, *, within_s: float, most_bytes: int = MOST_BYTES, **options: Any) -> None:
        super().__init__(**options)
        self._within_s, self._most_bytes = within_s, most_bytes

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """The response, wholly read.

        Raises:
            TimeoutError: it was not all there in time.
            TooLargeError: it is larger than `most_bytes`.
            ElsewhereError: it is a redirection to another host.
            ConnectionAbortedError: what came is not HTTP.
        """
        options |= {"stream": True, "follow_redirects": False}
        try:
            async with asyncio.timeout(self._within_s):
                for hop in range(1, HOPS + 1):
                    response = await super().send(request, **options)
                    if response.next_request is None or hop == HOPS:
                        break
                    await response.aclose()
                    request = _same_host(request, response)
                return await self._read(response)
        except (aiohttp.ClientError, HttpProcessingError, httpx2.InvalidURL, UnicodeError) as error:
            words = masked(str(error)).splitlines() or [type(error).__name__]  # it quotes what came
            raise ConnectionAbortedError(f"an answer that is not HTTP ({words[0][:120]})") from error

    async def _read(self, response: httpx2.Response) -> httpx2.Response:
        parts, size = [], 0
        try:
            async for part in response.aiter_bytes():
                parts.append(part)
                size += len(part)
                if size > self._most_bytes:
                    raise TooLargeError(f"an answer of more than {self._most_bytes >> 20} MiB")
        finally:
            await response.aclose()
        packing = ("content-encoding", "content-length", "transfer-encoding")
        headers = [(name, value) for name, value in response.headers.multi_items() if name.lower() not in packing]
        return httpx2.Response(response.status_code, headers=headers, content=b"".join(parts), request=response.request)


def _same_host(request: httpx2.Request, response: httpx2.Response) -> httpx2.Request:
    """The redirected request, where it stays what it was and with whom it was (at most from http to https)."""
    following = response.next_request
    assert following is not None
    before, after = urlsplit(str(request.url)), urlsplit(str(following.url))
    safer = (before.scheme, after.scheme, before.port, after.port) == ("http", "https", None, None)
    same = before.hostname == after.hostname and (safer or _place(before) == _place(after))
    if not same or following.method != request.method:
        raise ElsewhereError(
            masked(f"{after.scheme}://{after.hostname}{'' if after.port is None else f':{after.port}'}{after.path}")
        )
    return following


def _place(url: SplitResult) -> tuple[str, int | None]:
    return url.scheme, url.port
