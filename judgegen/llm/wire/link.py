"""Connections that speak HTTP/1.1, one request at a time on each, kept for the next: leaner than any general client.

A request is one write and its answer is read as it comes; a session of aiohttp's takes four times the CPU for the same.
No proxies, no cookies, no redirections: what needs those goes another way. Knows nothing of what is asked.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress

import aiohappyeyeballs
from yarl import URL

from judgegen.llm.wire.bounds import Answer
from judgegen.llm.wire.response import Response

_IDLE_S = 15.0
"""Seconds after which a connection that waits is not trusted any more: the server may be about to close it."""
_CONNECT_S = 10.0
_NEXT_ADDRESS_S = 0.25
"""After this the next address of a host is tried as well (RFC 8305)."""


class Link(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._response = Response()
        self.free_since = 0.0

    @property
    def fresh(self) -> bool:
        """Whether another request may go over it."""
        alive = self._transport is not None and not self._transport.is_closing()
        return alive and time.monotonic() - self.free_since < _IDLE_S

    @property
    def reusable(self) -> bool:
        """Whether its last answer came whole, and left it fit for another."""
        return self._response.reusable and self._transport is not None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def ask(self, request: bytes) -> asyncio.Future[Answer]:
        """Send a request; its answer.

        Raises, when awaited:
            NotHttpError, TooLargeError: as `Response`.
            ConnectionError: the connection ended before its answer was whole.
        """
        self._response = Response()
        self._answer = asyncio.get_running_loop().create_future()
        if self._transport is None:
            self._lost(None)
        else:
            self._transport.write(request)
        return self._answer

    def data_received(self, data: bytes) -> None:
        """More came; what nobody asked for ends the connection."""
        if self._answer is None or self._answer.done():
            self.abort()
            return
        try:
            if self._response.feed(data):
                self._settle()
        except ConnectionError as error:
            self._answer.set_exception(error)
            self.abort()

    def connection_lost(self, error: Exception | None) -> None:
        """It is gone."""
        self._transport = None
        if self._answer is not None and not self._answer.done():
            self._lost(error)

    def _lost(self, error: Exception | None) -> None:
        assert self._answer is not None
        try:
            whole = error is None and self._response.end()
        except ConnectionError as broken:
            self._answer.set_exception(broken)
            return
        if whole:
            self._settle()
            return
        what = "the answer broke off" if self._response.begun else "Server disconnected"
        self._answer.set_exception(ConnectionError(what if error is None else f"{what}: {error}"))

    def _settle(self) -> None:
        assert self._answer is not None
        self._answer.set_result((self._response.status, self._response.headers, self._response.body))

    def late(self, error: TimeoutError) -> None:
        """The answer is waited for no longer."""
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)

    def abort(self) -> None:
        """End it."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None


class Links:
    """The connections to whatever one lane asks, `places` of them at once."""

    def __init__(self, places: int, trust: ssl.SSLContext | None) -> None:
        self._trust = trust
        self._places = asyncio.Semaphore(places)
        self._free: defaultdict[URL, list[Link]] = defaultdict(list)

    async def ask(self, origin: URL, request: bytes, deadline: float) -> Answer:
        """The answer to a request, by `deadline` of the loop's clock.

        Raises:
            TimeoutError: it was not whole by then.
            ConnectionRefusedError: nobody is there.
            ConnectionAbortedError: what came is not HTTP, or too much.
            ConnectionError: the connection broke, or could not be made.
        """
        async with self._places:
            link = self._waiting(origin) or await self._connected(origin, deadline)
            timer = asyncio.get_running_loop().call_at(deadline, link.late, TimeoutError())
            try:
                return await link.ask(request)
            finally:
                timer.cancel()
                self._left(origin, link)

    def _waiting(self, origin: URL) -> Link | None:
        """The connection that was used last: those that are not needed grow old."""
        free = self._free[origin]
        while free:
            if (link := free.pop()).fresh:
                return link
            link.abort()
        return None

    def _left(self, origin: URL, link: Link) -> None:
        if link.reusable:
            link.free_since = time.monotonic()
            self._free[origin].append(link)
        else:
            link.abort()

    async def _connected(self, origin: URL, deadline: float) -> Link:
        loop = asyncio.get_running_loop()
        host, port = origin.raw_host or "", origin.port or 0
        try:
            async with asyncio.timeout_at(min(deadline, loop.time() + _CONNECT_S)):
                sock = await _reached(host, port)
                secure = origin.scheme == "https"
                _, link = await loop.create_connection(
                    Link,
                    sock=sock,
                    ssl=(self._trust or ssl.create_default_context()) if secure else None,
                    server_hostname=host if secure else None,
                )
        except (TimeoutError, ConnectionRefusedError):
            raise
        except OSError as error:
            raise ConnectionError(f"{host}:{port} cannot be reached: {error}") from None
        return link

    async def aclose(self) -> None:
        """End those that wait."""
        for links in self._free.values():
            for link in links:
                link.abort()
        self._free.clear()
        await asyncio.sleep(0)  # a socket is closed in the loop's next turn


async def _reached(host: str, port: int) -> socket.socket:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    sock = await aiohappyeyeballs.start_connection(
        [(*one[:2], one[2], one[3], one[4]) for one in found], happy_eyeballs_delay=_NEXT_ADDRESS_S, interleave=1
    )
    with suppress(OSError):  # a path that is silent for minutes is forgotten by what stands on it
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return sock


def head(method: str, url: URL, headers: Mapping[str, str]) -> bytes:
    """The head of a request as far as it is the same for every body: what is left is its length and an empty line.

    Raises:
        ValueError: a header holds what would end it.
    """
    port = "" if url.is_default_port() else f":{url.port}"
    lines = [f"{method} {url.raw_path_qs} HTTP/1.1", f"Host: {url.host_subcomponent}{port}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if any(mark in line for line in lines for mark in "\r\n\0"):
        raise ValueError("a header with the end of a line in it")
    return "\r\n".join(lines).encode() + b"\r\n"
