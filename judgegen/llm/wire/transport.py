"""HTTP under the SDK, bounded: in seconds, in bytes as they come out of their packing, in where it sends us.

The SDK's own timeout is one of silence, which a byte now and then outlasts, and it reads whatever comes into memory.
What is no HTTP at all is told apart from silence. Knows nothing of what is asked.
"""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import SplitResult, urlsplit

import aiohttp
import httpx2
from aiohttp.http_exceptions import HttpProcessingError
from openai import DefaultAioHttpClient

from judgegen.llm.secrets import masked

MOST_BYTES = 32 * 1024**2
"""Bytes of one answer: tens of thousands of tokens with twenty alternatives each are less."""
_HOPS = 3


class ElsewhereError(Exception):
    """The server sends the request on to another host, `where`."""

    def __init__(self, where: str) -> None:
        super().__init__(where)
        self.where = where


class TooLargeError(ConnectionAbortedError):
    """An answer has more bytes than any can need."""


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
                for _ in range(_HOPS):
                    response = await super().send(request, **options)
                    if response.next_request is None:
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
            masked(f"{after.scheme}://{after.hostname}{'' if after.port is None else f':{after.port}'}")
        )
    return following


def _place(url: SplitResult) -> tuple[str, int | None]:
    return url.scheme, url.port
