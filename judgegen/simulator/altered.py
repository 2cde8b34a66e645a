"""What a fault of a plan makes of an answer, and of what is billed for it; the error that a status carries. Pure."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from judgegen.simulator.bodies import Problem
from judgegen.simulator.faults import Change, Fault, Finish, OddUsage, StatusInstead

_TYPES: Mapping[int, str] = {429: "rate_limit_error", 401: "authentication_error", 403: "permission_error"}


def error_of(one: StatusInstead) -> Any:
    """The body of a status: what the plan says, else an error as OpenAI words one."""
    if one.body is not None:
        return one.body
    kind = _TYPES.get(one.status, "server_error" if one.status >= 500 else "invalid_request_error")
    return Problem(message=f"A fault of the plan: {one.status}.", status=one.status, type=kind).payload()


def refused(one: Fault) -> tuple[int, Any] | None:
    """Status and body where the fault is a status, None where it is not."""
    return (one.status, error_of(one)) if isinstance(one, StatusInstead) else None


def altered(one: Fault | None, answer: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """An answer as it is said under the fault, and as it is billed."""
    said = copy.deepcopy(dict(answer))
    if isinstance(one, Change):
        for place, value in one.values.items():
            _put(said, place.split("."), value)
        for place in one.remove:
            _remove(said, place.split("."))
    elif isinstance(one, Finish):
        for choice in said.get("choices", ()):
            choice["finish_reason"] = one.reason
            choice["message"]["content"] = "" if one.empty else choice["message"]["content"]
    elif isinstance(one, OddUsage):
        said["usage"] = _usage(one, said["usage"])
    dearer = isinstance(one, OddUsage) and one.times is not None
    return said, said if dearer else dict(answer)


def _usage(one: OddUsage, usage: Any) -> Any:
    if one.times is not None:
        return _times(usage, one.times)
    return {"absent": None, "zero": _times(usage, 0), "text": "plenty"}[one.said or "absent"]


def _times(found: Any, times: float) -> Any:
    """Every count in a table, so many times as high."""
    if isinstance(found, Mapping):
        return {name: _times(value, times) for name, value in found.items()}
    return round(found * times) if isinstance(found, int) else found


def _put(found: Any, place: list[str], value: Any) -> None:
    """Set what stands at a place; a place whose table is not there stays so."""
    holder, key = _at(found, place)
    if isinstance(holder, dict) or (isinstance(holder, list) and isinstance(key, int) and key < len(holder)):
        holder[key] = value


def _remove(found: Any, place: list[str]) -> None:
    holder, key = _at(found, place)
    if (isinstance(holder, dict) and key in holder) or (
        isinstance(holder, list) and isinstance(key, int) and key < len(holder)
    ):
        del holder[key]


def _at(found: Any, place: list[str]) -> tuple[Any, Any]:
    """What holds the last part of a place, and its key there."""
    for part in place[:-1]:
        key = _key(found, part)
        try:
            found = found[key]
        except (KeyError, IndexError, TypeError):
            return None, ""
    return found, _key(found, place[-1])


def _key(found: Any, part: str) -> Any:
    return int(part) if isinstance(found, list) and part.isdigit() else part
