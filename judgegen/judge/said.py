"""The JSON object that a judge's answer ends with: what was asked for, found by a JSON reader, not by its looks.

An answer may think aloud first, stand in a fence, or say some words before its object. What is quoted on the way there
is not what it says in the end. Where nothing in it is JSON, what is `almost` is read as it was meant. Knows nothing of
labels or scores.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from judgegen.judge import almost

_START = re.compile(r"\{\s*\"")
_INTRODUCED = re.compile(
    r"(?:\A|[\n.:!?=>)\]\[(,*`{-]|\b(?:is|json|verdict|answer|decision|result|output))\s*\Z", re.IGNORECASE
)
_CLOSING = re.compile(r"(?:\s|```|[*\"'`\])}]|</?[a-z_]+>|</s>|<\|[\w ]{1,40}\|>|<[a-z_]+_of_turn>)*", re.IGNORECASE)
MOST_STARTS = 2_000
"""Places in one answer where an object may begin; an answer with more is stuck."""
_MOST_ALMOST = 8
"""The last places of an answer where one is looked for that is almost JSON."""


@dataclass(frozen=True, slots=True)
class Said:
    """An object in a text.

    Attributes:
        value: what it holds; None where it is no object that can be relied on (a name stands in it twice).
        start, end: where it stands.
        introduced: whether it begins a line or follows the end of a sentence or a colon, rather than being spoken of.
        after: what the text says behind it, without fences, brackets and marks that only close something.
    """

    value: dict[str, Any] | None
    start: int
    end: int
    introduced: bool
    after: str

    def whole(self, text: str) -> bool:
        """Whether nothing else stands in the text that it was found in."""
        return not self.after and not text[: self.start].strip()


def under(value: Mapping[str, Any], name: str) -> list[Any]:
    """What stands in an object under a name, in whatever case: nothing, one thing, or several that contradict."""
    return [inner for key, inner in value.items() if key.strip().casefold() == name.casefold()]


class _Twice:
    """Stands for an object that names something twice."""


def objects(text: str) -> list[Said]:
    """The outermost JSON objects of a text, in order."""
    return [
        Said(
            value=value if isinstance(value, dict) else None,
            start=start,
            end=end,
            introduced=_INTRODUCED.search(text[max(0, start - 40) : start]) is not None,
            after=text[_closed(text, end) :].strip(),
        )
        for value, start, end in list(_decoded(text)) or _nearly(text)
    ]


def _closed(text: str, end: int) -> int:
    found = _CLOSING.match(text, end)
    return found.end() if found else end


def _decoded(text: str) -> Iterator[tuple[Any, int, int]]:
    at = 0
    for _ in range(MOST_STARTS):
        if (begins := _START.search(text, at)) is None:
            return
        start = begins.start()
        try:
            value, at = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            at = start + 1
            continue
        yield value, start, at


def _nearly(text: str) -> Iterator[tuple[Any, int, int]]:
    """Objects that are almost JSON, of a text in which none is JSON."""
    at = 0
    for start in [found.start() for found in almost.START.finditer(text)][-_MOST_ALMOST:]:
        meant = almost.put_right(text, start) if start >= at else None
        if meant is None:
            continue
        try:
            value = _DECODER.decode(meant[0])
        except (ValueError, RecursionError):
            continue
        at = meant[1]
        yield value, start, at


def _once(pairs: list[tuple[str, Any]]) -> Any:
    """The object, or a mark where a name stands in it twice: then nobody knows which one is meant."""
    return _Twice() if len({name for name, _ in pairs}) < len(pairs) else dict(pairs)


def _no_number(name: str) -> float:
    raise ValueError(name)


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_number, strict=False)
"""Lines may break within its texts: models write them so."""
