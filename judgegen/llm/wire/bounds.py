"""What a lane gives, what it holds answers to, and two of the ways in which there is none. Loads nothing."""

from __future__ import annotations

from collections.abc import Mapping

Answer = tuple[int, Mapping[str, str], bytes]
"""HTTP status, headers, body."""
MOST_BYTES = 32 * 1024**2
"""Bytes of one answer: tens of thousands of tokens with twenty alternatives each are less."""
HOPS = 3
"""Requests that one question may take, redirections included."""


class ElsewhereError(Exception):
    """The server sends the request on to another host, `where`."""

    def __init__(self, where: str) -> None:
        super().__init__(where)
        self.where = where


class TooLargeError(ConnectionAbortedError):
    """An answer has more bytes than any can need."""
