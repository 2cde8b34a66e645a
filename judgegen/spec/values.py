"""What no key of a run file may hold, whichever key it is: numbers, texts, sizes, addresses that cannot be meant.

Goes through the table as it was read, before its keys are known. Knows nothing of what the keys mean but their sizes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from typing import Any
from urllib.parse import urlsplit

_MOST: Mapping[str, int] = {
    "n": 1_000,
    "max_attempts": 100,
    "max_retries": 1_000,
    "max_concurrency": 100_000,
    "slots": 10_000,
    "timeout_s": 10_000_000,
    "latency_s": 10_000_000,
    "seed": 2**63 - 1,
    "top_k": 10_000_000,
    "max_tokens": 100_000_000,
    "expected_output_tokens": 100_000_000,
    "temperature": 1_000,
}
"""The most that a key can mean; the others are bounded by `_ANY`."""
_ANY = 10**15
_FREE = ("extra_body", "options", "headers", "query")
"""Tables of somebody else's keys: what is JSON may stand there."""


def problems(found: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """What is wrong with the values in a table: the place of each, and a sentence that names it."""
    if isinstance(found, Mapping):
        for key, value in found.items():
            if problem := _text(str(key)):
                yield place, f"{'.'.join(place) or 'a key'}: the key {key!r} holds {problem}"
            yield from problems(value, (*place, str(key)))
    elif isinstance(found, list | tuple):
        for number, value in enumerate(found):
            yield from problems(value, (*place, str(number)))
    elif problem := _value(found, place):
        yield place, f"{'.'.join(place)}: {problem}"


def _value(found: Any, place: tuple[str, ...]) -> str | None:
    if isinstance(found, datetime | date | time):
        return f"{found} is a date or a time; write it in quotes if it is a text"
    if isinstance(found, str):
        problem = _text(found)
        return None if problem is None else f"{found[:40]!r} holds {problem}"
    if isinstance(found, float) and not math.isfinite(found):
        return f"{found} is no finite number"
    if isinstance(found, int | float) and not isinstance(found, bool):
        return _size(found, place)
    return None


def _size(found: float, place: tuple[str, ...]) -> str | None:
    free = any(part in _FREE for part in place)
    most = 2**63 - 1 if free else _MOST.get(place[-1] if place else "", _ANY)
    if -most <= found <= most:
        return None
    said = str(found) if len(str(found)) <= 24 else f"a number of {len(str(found))} digits"
    return f"{said} is more than can be meant; the most is {most:,}"


def _text(found: str) -> str | None:
    if "\0" in found:
        return "a NUL character"
    try:
        found.encode()
    except UnicodeEncodeError:
        return "half of a character (a lone surrogate)"
    return None


def url_problem(url: str) -> str | None:
    """Why `url` is no address of an API; None where it is one. A password in it is not repeated."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        return f"is no URL ({error})"
    if parts.scheme not in ("http", "https"):
        scheme, mark, _ = url.partition("://")
        return f"begins with {scheme + mark!r}, not with https:// or http://" if mark else "lacks http:// or https://"
    if not host or any(c.isspace() or not c.isprintable() for c in url):
        return "names no host" if not host else "holds white space or a control character"
    if parts.fragment:
        return "ends in a #fragment, which is never sent"
    return None
