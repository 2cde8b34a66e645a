"""When to come back, however a server says it: in a header as seconds, milliseconds or a date, in the body, in words.

Sources: RFC 9110 (10.2.3) for Retry-After; google.rpc.RetryInfo; the x-ratelimit-reset-* headers of OpenAI and its
relatives, anthropic-ratelimit-*-reset; sentences such as "try again in 7.66s". Pure; knows nothing of waiting.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(
    r"(\d{1,15}(?:\.\d{1,9})?)\s*(ms|millisecond|s(?:ec(?:ond)?)?|m(?:in(?:ute)?)?|h(?:our|r)?|d(?:ay)?)s?(?![a-z])",
    re.IGNORECASE,
)
_SPAN = rf"(?:{_PART.pattern}[\s,]*(?:and\s+)?)+"
_SPOKEN = re.compile(
    rf"(?:again|retry|retrying|wait|back|reset\w*|after)\s+(?:again\s+)?(?:in|after|for|at least|about)?\s*({_SPAN})",
    re.IGNORECASE,
)
_EVER = 10.0**9
"""Seconds for a wait that is longer than can be meant."""


def asked_s(status: int, headers: Mapping[str, str], content: bytes = b"", *, now: float | None = None) -> float | None:
    """Seconds after which the server wants to be asked again; None where it does not say. `now` is Unix time."""
    now = time.time() if now is None else now
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        if (found := _header(headers.get(name), unit, now)) is not None:
            return found
    if status not in (429, 503, 529):
        return None
    body = _parsed(content)
    for read in (_retry_info(body), _told(body), _reset(headers, now)):
        if read is not None:
            return min(read, _EVER)
    return None


def _header(value: str | None, unit: float, now: float) -> float | None:
    if value is None:
        return None
    value = value.strip()
    if re.fullmatch(r"\d+(\.\d+)?", value):
        return _EVER if len(value) > 15 else float(value) * unit
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - now)
    except (ValueError, TypeError, OverflowError):
        return None


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content[:100_000])
    except (ValueError, RecursionError):
        return content[:2000].decode("utf-8", "replace")


def _walk(found: Any, depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Every key with its value, lists and tables opened; not deeper than anybody nests."""
    inner = (
        found.items() if isinstance(found, dict) else [("", one) for one in found] if isinstance(found, list) else []
    )
    for key, value in inner:
        yield str(key), value
        if depth < 8:
            yield from _walk(value, depth + 1)


def _retry_info(body: Any) -> float | None:
    """A field that says so: RetryInfo's retryDelay ("14.2s"), retry_after as a number of seconds."""
    for key, value in _walk(body):
        name = key.lower().replace("_", "").replace("-", "")
        if name in ("retrydelay", "retryafter", "retryafterseconds", "retryafterms"):
            unit = 0.001 if name.endswith("ms") else 1.0
            if isinstance(value, int | float) and not isinstance(value, bool) and value >= 0:
                return float(min(value, _EVER)) * unit
            if isinstance(value, str) and (spoken := span(value)) is not None:
                return spoken
            if isinstance(value, dict) and str(value.get("seconds", "")).isdecimal():
                return float(str(value["seconds"])[:12])
    return None


def _told(body: Any) -> float | None:
    """A sentence that says so."""
    texts = [body] if isinstance(body, str) else [value for _, value in _walk(body) if isinstance(value, str)]
    for text in texts:
        if (found := _SPOKEN.search(text[:2000])) is not None:
            return span(found[1])
    return None


def span(text: str) -> float | None:
    """Seconds of "7.66s", "1m30s", "2 hours", "340ms", or a bare number of seconds."""
    if re.fullmatch(r"\s*\d{1,12}(\.\d+)?\s*", text):
        return float(text)
    parts = [(float(found[1]), found[2].lower()) for found in _PART.finditer(text)]
    if not parts:
        return None
    return sum(number * _UNITS["ms" if unit.startswith(("ms", "milli")) else unit[0]] for number, unit in parts)


def _reset(headers: Mapping[str, str], now: float) -> float | None:
    """The latest reset among the limits that are used up by their own headers."""
    waits = []
    for name, value in headers.items():
        found = re.fullmatch(r"(x-ratelimit|anthropic-ratelimit|ratelimit)-(.*?)-?reset-?(.*)", name.lower())
        if found is None:
            continue
        kind = "-".join(part for part in (found[2], found[3]) if part)
        left = [headers.get(f"{found[1]}-{shape}") for shape in _shapes(kind)]
        if any(remaining is not None and remaining.strip() == "0" for remaining in left):
            waits += [wait for wait in [_moment(value.strip(), now)] if wait is not None]
    return max(waits, default=None)


def _shapes(kind: str) -> tuple[str, ...]:
    return ("remaining",) if not kind else (f"remaining-{kind}", f"{kind}-remaining")


def _moment(value: str, now: float) -> float | None:
    """A span, a Unix time in seconds or milliseconds, or a date."""
    if re.fullmatch(r"\d{9,11}(\.\d+)?", value):
        return max(0.0, float(value) - now)
    if re.fullmatch(r"\d{12,14}", value):
        return max(0.0, float(value) / 1000 - now)
    if (found := span(value)) is not None and not re.match(r"\d{4}-", value):
        return found
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return max(0.0, (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now)
