"""The items of a JSON list as they are reached, so that no more than one of them is in memory; also of {"data": […]}.

Only where they end is found here; what is in them is for `swift` to say. Whatever is not plainly such a list is
`Irregular`: then the file has to be read as a whole, by whoever can say what is wrong with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import orjson

from judgegen.sources.lines import chunks

UNDER = frozenset({"data", "rows", "examples", "instances", "train", "items", "records", "results"})
"""Keys under which an object may hold the rows."""

_SOME = re.compile(rb"[^ \t\n\r]")
_MARK = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*(?:(")|\\?\Z)|[][{}]', re.DOTALL)
_SCALAR = re.compile(rb"[^ \t\n\r,\]}]+")
_OPENING, _CLOSING, _QUOTE = frozenset(b"[{"), frozenset(b"]}"), ord('"')


class Irregular(Exception):  # noqa: N818 - a finding about a file; what its fault is, others tell
    """Not plainly a list, or an object with one list of objects in it."""


def items(path: Path, size: int = 1 << 20) -> Iterator[bytes]:
    """Each item's JSON, in order; it is not said to be sound. The file is read `size` bytes at a time, or an item.

    Raises:
        Irregular: at the start, or behind the items that came before.
        ReadError: see `judgegen.sources.lines.lines`.
    """
    text = _Text(chunks(path, size), size)
    if text.mark() == b"{":
        wanted, text = _rows_key(text), _Text(chunks(path, size), size)
        text.mark()
        for key in _members(text):
            if key == wanted:
                yield from _items(text)
                return  # what is behind it was seen already
            text.value()
    elif text.mark() == b"[":
        yield from _items(text)
        if text.mark():
            raise Irregular
    else:
        raise Irregular


class _Text:
    """The bytes of a file from `at` on, as many as the value that is looked at needs."""

    def __init__(self, parts: Iterable[bytes], size: int) -> None:
        self._size = size
        self._parts = iter(parts)
        self._held = b""
        self.at = 0

    def mark(self) -> bytes:
        """The next byte that is no white space, not passed; nothing at the end."""
        while not (hit := _SOME.search(self._held, self.at)):
            self.at = len(self._held)
            if not self._more():
                return b""
        self.at = hit.start()
        return hit[0]

    def value(self) -> bytes:
        """The value that begins here, which is passed.

        Raises:
            Irregular: it does not end.
        """
        start = self.mark()
        end = self._end() if start in (b"{", b"[", b'"') else self._scalar()
        found, self.at = self._held[self.at : end], end
        return found

    def _end(self) -> int:
        depth, place = 0, self.at
        while True:
            for hit in _MARK.finditer(self._held, place):
                mark = self._held[hit.start()]
                if mark == _QUOTE and hit[1] is None:
                    break  # the text goes on in what is not read yet
                depth += (mark in _OPENING) - (mark in _CLOSING)
                place = hit.end()
                if depth <= 0:
                    return place
            place -= self.at
            if not self._more():
                raise Irregular

    def _scalar(self) -> int:
        while (hit := _SCALAR.match(self._held, self.at)) and hit.end() == len(self._held):
            if not self._more():
                break
        if hit is None:
            raise Irregular
        return hit.end()

    def _more(self) -> bool:
        """Read on, as much again as is held, and let go of what is passed."""
        wanted, got = max(self._size, len(self._held) - self.at), [self._held[self.at :]]
        for part in self._parts:
            got.append(part)
            wanted -= len(part)
            if wanted <= 0:
                break
        self._held, self.at = b"".join(got), 0
        return len(got) > 1


def _items(text: _Text) -> Iterator[bytes]:
    _pass(text, b"[")
    if text.mark() == b"]":
        _pass(text, b"]")
        return
    while True:
        yield text.value()
        if text.mark() == b"]":
            _pass(text, b"]")
            return
        _pass(text, b",")


def _members(text: _Text) -> Iterator[str]:
    """The keys of an object; whoever asks for the next one has passed the value."""
    _pass(text, b"{")
    while True:
        if text.mark() != b'"':
            raise Irregular
        try:
            key = orjson.loads(text.value())
        except ValueError:
            raise Irregular from None
        _pass(text, b":")
        yield key
        if text.mark() == b"}":
            _pass(text, b"}")
            return
        _pass(text, b",")


def _pass(text: _Text, mark: bytes) -> None:
    if text.mark() != mark:
        raise Irregular
    text.at += 1


def _rows_key(text: _Text) -> str:
    """The one key of an object that holds a list of objects."""
    keys, found = set(), []
    for key in _members(text):
        if key in keys:
            raise Irregular
        keys.add(key)
        if text.mark() != b"[":
            text.value()
        elif sorted({item[:1] == b"{" for item in _items(text)}) == [True]:
            found.append(key)
    if text.mark() or len(found) != 1 or found[0] not in UNDER:
        raise Irregular
    return found[0]
