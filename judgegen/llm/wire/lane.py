"""HTTP for what is asked most: bytes out, bytes back, over one session per endpoint, bounded in seconds and in bytes.

No more of an answer is read than any can need, as it comes out of its packing; a redirection to another host is not
followed; what is no HTTP at all is told apart from silence. Knows nothing of what is asked.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
from collections.abc import Mapping
from typing import Any
from urllib.request import getproxies, proxy_bypass

import aiohttp
import orjson
from aiohttp.http_exceptions import HttpProcessingError
from multidict import CIMultiDict
from yarl import URL

from judgegen.llm.secrets import masked
from judgegen.llm.wire.bounds import HOPS, MOST_BYTES, Answer, ElsewhereError, TooLargeError, unmade

_CONNECT_S = 10.0
_MOST_OF_A_HEADER = 64 * 1024
"""Bytes of one header of an answer; gateways put cookies and accounts of their filters there."""
_MOVED = (301, 302, 303, 307, 308)
_KEEPS_METHOD = (307, 308)


class Lane:
    """Requests to one endpoint, each over after `within_s`, head, body and redirections together.

    Args:
        url: where its API begins, without a query.
        headers: sent with every request.
        query: behind the path of every request.
        within_s: seconds.
        places: connections at once.
    """

    def __init__(
        self, url: str, *, headers: Mapping[str, str], query: Mapping[str, str], within_s: float, places: int
    ) -> None:
        self._url, self._headers, self._query = url.rstrip("/"), headers, query
        self._within_s, self._places = within_s, places
        self._session: aiohttp.ClientSession | None = None
        self._through: _Proxy = (None, None)
        self._addresses: dict[str, URL] = {}

    async def post(self, path: str, row: Mapping[str, Any]) -> Answer:
        """What the server says to a body of JSON.

        Raises:
            TimeoutError: it was not all there in time.
            TooLargeError: it is larger than `MOST_BYTES`.
            ElsewhereError: it is a redirection to another host.
            ConnectionRefusedError: nobody is there.
            UnsentError: no connection could be made; NoTlsError: nor ever will be.
            ConnectionAbortedError: what came is not HTTP.
            ConnectionError: the connection broke, or could not be made.
        """
        return await self._asked("POST", path, _encoded(row))

    async def get(self, path: str) -> Answer:
        """What stands at `path`; raises as `post`."""
        return await self._asked("GET", path, None)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()

    async def _asked(self, method: str, path: str, body: bytes | None) -> Answer:
        try:
            async with asyncio.timeout(self._within_s):
                return await self._followed(method, self._address(path), body)
        except TimeoutError:  # aiohttp's own are such as well
            raise TimeoutError(f"no whole answer within {self._within_s:g} s") from None
        except aiohttp.ClientConnectorError as error:
            raise unmade(error, _words(error)) from None
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError) as error:
            raise ConnectionError(_words(error)) from None
        except (aiohttp.ClientError, HttpProcessingError, UnicodeError, ValueError) as error:
            raise ConnectionAbortedError(f"an answer that is not HTTP ({_words(error)[:120]})") from None

    def _address(self, path: str) -> URL:
        """Where `path` stands; there are few."""
        if (known := self._addresses.get(path)) is None:
            known = self._addresses[path] = URL(self._url + path).update_query(self._query)
        return known

    async def _followed(self, method: str, url: URL, body: bytes | None) -> Answer:
        for hop in range(1, HOPS + 1):
            async with self._opened(url).request(
                method, url, data=body, allow_redirects=False, proxy=self._through[0], proxy_auth=self._through[1]
            ) as response:
                where = response.headers.get("Location") if response.status in _MOVED else None
                if where is None or hop == HOPS:
                    return response.status, response.headers, await _read(response)
                url = _same_host(url, url.join(URL(where)), keeps=body is None or response.status in _KEEPS_METHOD)
        raise AssertionError("the last hop returns")

    def _opened(self, url: URL) -> aiohttp.ClientSession:
        if self._session is None:
            self._through = _proxy(url)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._places + 8, ssl=_context(url)),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=min(_CONNECT_S, self._within_s)),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers=self._head(),
                max_field_size=_MOST_OF_A_HEADER,
            )
        return self._session

    def _head(self) -> CIMultiDict[str]:
        head = CIMultiDict({"Accept": "application/json", "Content-Type": "application/json"})
        for name, value in self._headers.items():  # names have no case: the last one stands
            head[name] = value
        return head


_Proxy = tuple[URL | None, aiohttp.BasicAuth | None]


def _encoded(row: Mapping[str, Any]) -> bytes:
    """JSON in bytes; what is half a character, or a number too large, goes as JSON can spell it."""
    try:
        return orjson.dumps(row)
    except TypeError:
        return json.dumps(row, allow_nan=False).encode()


def _proxy(url: URL) -> _Proxy:
    """The proxy that the environment names for such an address, and its login."""
    named = getproxies()
    proxy = named.get(url.scheme) or named.get("all")
    if not proxy or proxy_bypass(url.host or ""):
        return None, None
    through = URL(proxy)
    login = None if through.user is None else aiohttp.BasicAuth(through.user, through.password or "")
    return through.with_user(None), login


def _context(url: URL) -> ssl.SSLContext | bool:
    """Whom to trust: whom the system trusts, which Python does not find by itself on a Mac."""
    if url.scheme != "https":
        return True
    if sys.platform == "darwin":
        import truststore

        return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return ssl.create_default_context()


async def _read(response: aiohttp.ClientResponse) -> bytes:
    parts, size, body = [], 0, response.content
    while not body.at_eof():
        parts.append(part := await body.readany())
        size += len(part)
        if size > MOST_BYTES:
            raise TooLargeError(f"an answer of more than {MOST_BYTES >> 20} MiB")
    return b"".join(parts)


def _same_host(before: URL, after: URL, *, keeps: bool) -> URL:
    """Where the request is to go, if it stays what it was and with whom it was (at most from http to https)."""
    safer = (before.scheme, after.scheme) == ("http", "https") and before.is_default_port() and after.is_default_port()
    same = before.host == after.host and (safer or (before.scheme, before.port) == (after.scheme, after.port))
    if not same or not keeps:
        raise ElsewhereError(masked(str(after.with_user(None).with_query(None).with_fragment(None))))
    return after


def _words(error: BaseException) -> str:
    """What went wrong, in one line without secrets: it may quote what came."""
    return (masked(str(error)).splitlines() or [type(error).__name__])[0]
