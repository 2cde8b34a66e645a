"""Text that can be written anywhere, and when two texts count as the same. Knows nothing of candidates."""

from __future__ import annotations

import json
import re
import unicodedata
from functools import lru_cache
from typing import Any

import orjson

_RAW = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Control characters but tab and newline, and those that turn the direction of what follows."""


_ROUNDED = 2.0**63
"""From here on a fraction may be what became of a whole number of more than 64 bits in a faster reader."""
_SHORT = 8_000
"""Characters of a text whose normal form is kept for a while."""


def clean(text: str) -> str:
    """Text that UTF-8 can hold: half of a character (a lone surrogate), which some models emit, becomes U+FFFD.

    Two halves that belong together become the character they are.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def parsed(data: bytes | str) -> Any:
    """What `json.loads` makes of it, sooner where nothing in it is read otherwise by a faster reader.

    Raises:
        ValueError: it is no JSON, or no text.
        RecursionError: there is too much of it within one another.
    """
    try:
        found = orjson.loads(data)
    except ValueError:  # half of a character, NaN, UTF-16, or no JSON at all
        return json.loads(data)
    return json.loads(data) if _rounded(found) else found


def _rounded(value: Any) -> bool:
    """Whether a number in it may be rounded; looking at what was read is sooner than looking for its digits."""
    kind = type(value)
    if kind is dict:
        value = value.values()
    elif kind is not list:
        return kind is float and not -_ROUNDED < value < _ROUNDED
    for one in value:  # noqa: SIM110 - `any` takes a frame more for each
        if type(one) is not str and _rounded(one):
            return True
    return False


def harmless(text: str) -> str:
    """Text that moves no cursor, renames no window and hides nothing: what would is shown by its escape."""
    return _RAW.sub(lambda found: ascii(found[0])[1:-1], text)


def normal(text: str) -> str:
    """The text as it is written, without what a reader would not see as a difference: compatibility, case, white space.

    Compatibility caseless matching as The Unicode Standard defines it (3.13, D146); the normal form of a normal form is
    itself.
    """
    return _normal_once(text) if len(text) <= _SHORT else _normal(text)


def _normal(text: str) -> str:
    if text.isascii():
        return " ".join(text.lower().split())
    folded = _nfkc(_nfkc(unicodedata.normalize("NFD", clean(text)).casefold()).casefold())
    return " ".join(folded.split())


@lru_cache(maxsize=512)
def _normal_once(text: str) -> str:
    """Of a text that is asked about several times while its prompt is at hand."""
    return _normal(text)


def _nfkc(text: str) -> str:
    return unicodedata.normalize("NFKC", text)
