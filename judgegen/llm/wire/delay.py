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
_ELSEWHERE = re.compile(
    r"(?:\b(?:in|nach|dans|en|après|em|após)\s+)?(\d{1,9}(?:\.\d+)?)\s*(?:(毫秒|ミリ秒)|(秒|sekunden?\b|secondes?\b|"
    r"segundos?\b)|(分钟?|分間?|minuten\b|minutos?\b)|(小时|時間|stunden?\b|heures?\b|horas?\b))钟?\s*(?:之|以)?"
    r"([后後])?",
    re.IGNORECASE,
)
"""A time in other languages, with the word before or behind it that makes it the time after which to come back."""
_ELSEWHERE_S = (0.001, 1.0, 60.0, 3600.0)
_MOMENT = re.compile(r"\d{9,11}(?:\.\d+)?|\d{12,14}")
"""A Unix time in seconds, or in milliseconds."""
_EVER = 10.0**9
"""Seconds for a wait that is longer than can be meant."""


def asked_s(status: int, headers: Mapping[str, str], content: bytes = b"", *, now: float | None = None) -> float | None:
    """Seconds after which the server wants to be asked again; None where it does not say.

    `now` is Unix time. Dates are taken by the server's own clock where it shows one: it need not go as ours does.
    """
    now = _shown(headers.get("date")) or (time.time() if now is None else now)
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        if (found := _header(headers.get(name), unit, now)) is not None:
            return found
    if status not in (429, 503, 529):
        return None
    body = _parsed(content)
    repeated = {name.lower(): str(value) for name, value in _walk(body) if isinstance(value, str | int)}
    for read in (_retry_info(body, now), _told(body), _reset(headers, now), _reset(repeated, now)):
        if read is not None:
            return min(read, _EVER)
    return None


def _shown(date: str | None) -> float | None:
    """A date of HTTP as Unix time."""
    try:
        return None if date is None else parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def _header(value: str | None, unit: float, now: float) -> float | None:
    """Seconds of a number in `unit`, of a span, a moment or a date of HTTP."""
    if value is None:
        return None
    value = value.strip().strip("\"'").removeprefix("PT")
    if re.fullmatch(r"\d+(\.\d+)?", value) and not (unit == 1.0 and _MOMENT.fullmatch(value)):
        return _EVER if len(value) > 15 else float(value) * unit
    moment = _shown(value)
    return _moment(value, now) if moment is None else max(0.0, moment - now)


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


_FIELDS: Mapping[str, float] = {
    **dict.fromkeys(("retrydelay", "retryafter", "retryafterseconds", "retryin", "retryinseconds"), 1.0),
    **dict.fromkeys(("resetin", "resetinseconds", "resetsinseconds", "estimatedtime"), 1.0),
    **dict.fromkeys(("retryafterms", "retryinms", "retrydelayms"), 0.001),
}
"""By the name of a field, without its joints: in what it counts, in seconds."""
_MOMENTS = ("resetat", "resetsat", "retryat", "resettime", "retryafter")


def _retry_info(body: Any, now: float) -> float | None:
    """A field that says so: RetryInfo's retryDelay ("14.2s"), retry_after as a number of seconds, resets_at."""
    for key, value in _walk(body):
        name = key.lower().replace("_", "").replace("-", "")
        number = float(min(value, _EVER)) if isinstance(value, int | float) and not isinstance(value, bool) else None
        written = str(value).strip() if isinstance(value, str | int | float) else ""
        if name in _MOMENTS and (number is None or _MOMENT.fullmatch(written)):
            if (found := _moment(written, now)) is not None:
                return found
        elif (unit := _FIELDS.get(name)) is not None:
            if number is not None and number >= 0:
                return number * unit
            if (spoken := span(written)) is not None:
                return spoken * (unit if written.replace(".", "").isdigit() else 1.0)
            if isinstance(value, dict) and str(value.get("seconds", "")).isdecimal():
                return float(str(value["seconds"])[:12])
    return None


def _told(body: Any) -> float | None:
    """A sentence that says so."""
    texts = [body] if isinstance(body, str) else [value for _, value in _walk(body) if isinstance(value, str)]
    for text in texts:
        if (found := _SPOKEN.search(text[:2000])) is not None:
            return span(found[1])
        for found in _ELSEWHERE.finditer(text[:2000]):
            if found[6] or not found[0][0].isdigit():
                units = zip(_ELSEWHERE_S, found.groups()[1:5], strict=True)
                return float(found[1]) * next(seconds for seconds, name in units if name)
    return None


def span(text: str) -> float | None:
    """Seconds of "7.66s", "1m30s", "2 hours", "340ms", or a bare number of seconds."""
    if re.fullmatch(r"\s*\d{1,12}(\.\d+)?\s*", text):
        return float(text.strip())  # float() knows fewer kinds of white space
    parts = [(float(found[1]), found[2].lower()) for found in _PART.finditer(text)]
    if not parts:
        return None
    return sum(number * _UNITS["ms" if unit.startswith(("ms", "milli")) else unit[0]] for number, unit in parts)


_LIMITS = re.compile(r"(x-rate-?limit|anthropic-ratelimit|ratelimit)-(.*?)-?reset-?(?:after$)?(.*)")
_IN_ONE = re.compile(r"(?:remaining|\br)\s*=\s*(\d+)[^\"]*?(?:reset|\bt)\s*=\s*(\d{1,12})")
"""A header that says all of a limit: "limit=10, remaining=0, reset=7", or in later drafts "default";r=0;t=7."""


def _reset(headers: Mapping[str, str], now: float) -> float | None:
    """The latest reset among the limits that are used up by their own headers; the next, where none says what is left.

    As OpenAI and its relatives, and the drafts of RateLimit headers (draft-ietf-httpapi-ratelimit-headers) have them.
    """
    used_up = [float(reset) for left, reset in _IN_ONE.findall(headers.get("ratelimit", "")) if not int(left)]
    untold = []
    for name, value in headers.items():
        found = _LIMITS.fullmatch(name.lower())
        wait = None if found is None else _moment(value.strip(), now)
        if found is None or wait is None:
            continue
        kind = "-".join(part for part in (found[2], found[3]) if part)
        left = [headers.get(f"{found[1]}-{shape}") for shape in _shapes(kind)]
        if any(remaining is not None and remaining.strip() == "0" for remaining in left):
            used_up.append(wait)
        elif not any(left):
            untold.append(wait)
    return max(used_up, default=None) if used_up else min(untold, default=None)


def _shapes(kind: str) -> tuple[str, ...]:
    return ("remaining",) if not kind else (f"remaining-{kind}", f"{kind}-remaining")


def _moment(value: str, now: float) -> float | None:
    """A span, a Unix time in seconds or milliseconds, or a date."""
    if _MOMENT.fullmatch(value):
        seconds = float(value) if len(value.partition(".")[0]) < 12 else float(value) / 1000
        return max(0.0, seconds - now)
    if (found := span(value)) is not None and not re.match(r"\d{4}-", value):
        return found
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return max(0.0, (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now)
