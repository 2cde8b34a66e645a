"""One HTTP/1.1 response read out of bytes as they come, bounded, out of its packing (RFC 9110, RFC 9112). Pure.

Lenient where servers are known to be loose (a line that ends without CR, a folded header), strict in what says where an
answer ends. Knows nothing of connections, or of what is asked.
"""

from __future__ import annotations

import re
import zlib

from multidict import CIMultiDict

from judgegen.llm.wire.bounds import MOST_BYTES, TooLargeError

_MOST_LINE, _MOST_HEAD = 8190, 65_536
_STATUS = re.compile(r"HTTP/1\.([01]) +([1-9]\d\d)(?: .*)?", re.DOTALL)
_END = re.compile(rb"\r?\n\r?\n")
_SIZE = re.compile(rb"[0-9A-Fa-f]{1,12}")
_SWITCHES, _NO_CONTENT, _EMPTY = 101, 204, (204, 304)
_PACKED = ("gzip", "x-gzip", "deflate")
_PLAIN = ("", "identity")
_ZLIB, _RAW_OR_ZLIB = 47, {True: 15, False: -15}


class NotHttpError(ConnectionAbortedError):
    """What came is not HTTP, or does not say where it ends."""


class Response:
    """Feed it what comes; `whole` once all of it is there. `reusable`: whether another may follow on its connection."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: CIMultiDict[str] = CIMultiDict()
        self.whole = self.reusable = False
        self._held = b""
        self._parts: list[bytes] = []
        self._size = 0
        self._left: int | None = 0  # bytes to come of the body or chunk; None: until the end, or the end of its line
        self._chunked = self._trailing = False
        self._unpacking: _Unpacking | None = None

    @property
    def body(self) -> bytes:
        """What came by now, unpacked."""
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)

    @property
    def begun(self) -> bool:
        """Whether anything came."""
        return bool(self._held or self.status)

    def feed(self, data: bytes) -> bool:
        """Take what came next; whether the response is whole.

        Raises:
            NotHttpError: it is no HTTP, or packed in a way that cannot be undone.
            TooLargeError: its body is larger than `MOST_BYTES`.
        """
        if self.whole:
            self.reusable = self.reusable and not data
            return True
        if not self.status:
            self._held = (self._held + data).lstrip(b"\r\n") if not self._held else self._held + data
            if not self._head():
                return False
            data, self._held = self._held, b""
        if self._chunked:
            self._chunks(data)
        else:
            self._body(data)
        return self.whole

    def end(self) -> bool:
        """Nothing more comes; whether it is whole by that."""
        if not self.whole and self.status and not self._chunked and self._left is None:
            self._done()
        return self.whole

    def _head(self) -> bool:
        """Read a head that is there whole; what is said in the meantime (1xx) is no answer yet."""
        while self._held:
            if self._held[:5] != b"HTTP/"[: len(self._held)]:
                raise NotHttpError(f"it begins {self._held.splitlines()[0]!r}")
            found = _END.search(self._held)
            if found is None:
                if len(self._held) > _MOST_HEAD or len(self._held) - self._held.rfind(b"\n") > _MOST_LINE:
                    raise NotHttpError("a head without an end")
                return False
            minor, status = self._lines(self._held[: found.start()])
            self._held = self._held[found.end() :]
            if status >= 200:
                self.status = status
                self._framed(minor)
                return True
            if status == _SWITCHES:
                raise NotHttpError("it wants to speak something else")
        return False

    def _lines(self, head: bytes) -> tuple[int, int]:
        """The minor version and the status; keeps the headers."""
        first, *rest = head.decode("utf-8", "surrogateescape").split("\n")
        said = _STATUS.fullmatch(first.rstrip("\r"))
        if said is None:
            raise NotHttpError(f"it begins {head.splitlines()[0]!r}")
        headers: list[tuple[str, str]] = []
        for line in rest:
            name, colon, value = line.partition(":")
            if len(line) > _MOST_LINE:
                raise NotHttpError("a header of more than eight thousand characters")
            if line[:1] in (" ", "\t") and headers:
                headers[-1] = (headers[-1][0], f"{headers[-1][1]} {line.strip()}")
            elif colon and name and name.strip() == name:
                headers.append((name, value.strip()))
            else:
                raise NotHttpError(f"a header that is none: {line!r}")
        self.headers = CIMultiDict(headers)
        return int(said[1]), int(said[2])

    def _all(self, name: str) -> list[str]:
        """The words of a header that is a list, in lower case."""
        found = self.headers.getall(name, None)
        return [word.strip() for word in ",".join(found).lower().split(",")] if found else []

    def _framed(self, minor: int) -> None:
        """Where the body ends, and how it is packed (RFC 9112, section 6.3)."""
        about, coded = self._all("connection"), [one for one in self._all("transfer-encoding") if one not in _PLAIN]
        self.reusable = "close" not in about and (minor == 1 or "keep-alive" in about)
        sizes = set(self._all("content-length"))
        packed = [one for one in self._all("content-encoding") if one not in _PLAIN]
        if len(packed) == 1 and packed[0] in _PACKED:
            self._unpacking = _Unpacking(gzip=packed[0] != "deflate")
        elif packed:
            raise NotHttpError(f"packed as {', '.join(packed)}, which was not asked for")
        if self.status in _EMPTY:
            if self.status == _NO_CONTENT and sizes - {"0"}:
                raise NotHttpError("a body where its status allows none")
            self._unpacking = None
            return
        if coded:
            if coded != ["chunked"]:
                raise NotHttpError(f"sent as {', '.join(coded)}")
            self._chunked, self.reusable = True, self.reusable and not sizes
        elif sizes:
            (size, *others) = sizes
            if others or not (size.isascii() and size.isdigit()) or len(size) > 18:
                raise NotHttpError(f"a length that is none: {size!r}")
            self._left = int(size)
        else:
            self._left, self.reusable = None, False

    def _body(self, data: bytes) -> None:
        if self._left is None:
            self._add(data)
            return
        if len(data) > self._left:
            self.reusable = False
        self._add(data[: self._left])
        self._left -= min(len(data), self._left)
        if not self._left:
            self._done()

    def _chunks(self, data: bytes) -> None:
        """Chunks, each behind a line with its size, and the lines behind the last of them."""
        held, at = self._held + data, 0
        while at < len(held) and not self.whole:
            if self._left:
                part = held[at : at + self._left]
                self._add(part)
                self._left = self._left - len(part) or None
                at += len(part)
                continue
            line_end = held.find(b"\n", at)
            if line_end < 0:
                break
            self._line(held[at:line_end].rstrip(b"\r"))
            at = line_end + 1
        self._held = held[at:]
        if len(self._held) > _MOST_LINE:
            raise NotHttpError("a chunk without a size")
        self.reusable = self.reusable and not (self.whole and self._held)

    def _line(self, line: bytes) -> None:
        """The line before a chunk, the empty one behind it, or one of those behind the last."""
        if self._trailing:
            if not line:
                self._done()
            return
        if self._left is None:  # a chunk is over: its own line ends here
            if line:
                raise NotHttpError("a chunk longer than it says")
            self._left = 0
            return
        size = line.split(b";", 1)[0].strip()
        if not _SIZE.fullmatch(size):
            raise NotHttpError(f"a chunk without a size: {line!r}")
        self._left = int(size, 16)
        self._trailing = not self._left

    def _add(self, data: bytes) -> None:
        if self._unpacking is not None and data:
            data = self._unpacking.more(data, MOST_BYTES - self._size)
        self._size += len(data)
        if self._size > MOST_BYTES:
            raise TooLargeError(f"an answer of more than {MOST_BYTES >> 20} MiB")
        if data:
            self._parts.append(data)

    def _done(self) -> None:
        if self._unpacking is not None:
            self._unpacking.close()
        self.whole = True


class _Unpacking:
    """A body as it comes out of gzip or deflate, which some servers send without zlib's head."""

    def __init__(self, *, gzip: bool) -> None:
        self._gzip, self._begun = gzip, False
        self._by = zlib.decompressobj(_ZLIB)

    def more(self, data: bytes, most: int) -> bytes:
        """The next part, at most one byte above `most`."""
        if not self._begun:
            self._begun = True
            if not self._gzip:
                self._by = zlib.decompressobj(_RAW_OR_ZLIB[data[0] & 0x0F == 8])
        parts: list[bytes] = []
        try:
            while data and most >= 0:
                parts.append(self._by.decompress(data, most + 1))
                most -= len(parts[-1])
                data = self._by.unconsumed_tail or self._by.unused_data.lstrip(b"\0")
                if self._by.eof and data and self._gzip:  # one member behind another
                    self._by = zlib.decompressobj(_ZLIB)
                elif self._by.eof:
                    break
        except zlib.error as error:
            raise NotHttpError(f"packed otherwise than it says: {error}") from None
        return b"".join(parts)

    def close(self) -> None:
        """Nothing more comes."""
        if self._begun and not self._by.eof:
            raise NotHttpError("the packing of its body breaks off")
