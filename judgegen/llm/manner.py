"""In which ways a call can be put to a server: for each wish, from the fullest way to the barest. Pure.

A wish is what makes an answer better and can be done without (a schema, logprobs, a seed), or said otherwise (the
system message, the name of the token limit). What the run file wrote has one way only. Knows nothing of HTTP.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Literal

from judgegen.llm import models
from judgegen.llm.calls import Call

Manner = Mapping[str, Any]
"""By wish, the way in which it is sent: schema "json_schema", "json_object" or "words"; top_logprobs a number, 0 for
none; system "system", "developer" or "user"; limit the name of the token limit; else True, or False for left out."""
SystemRole = Literal["system", "developer", "user"]

_INSTRUCT = frozenset({"system", "developer"})
LIMITS = ("max_tokens", "max_completion_tokens")
_SCHEMA = ("json_schema", "json_object", "words")
_FEWER_LOGPROBS = 5
"""What servers give at most that do not give OpenAI's twenty."""


def ways(call: Call, *, limit: str = LIMITS[0], system_role: SystemRole | None = None) -> Mapping[str, tuple[Any, ...]]:
    """Every wish of `call` with its ways, the fullest first."""
    params = call.params
    instructed = not _INSTRUCT.isdisjoint([message.get("role") for message in call.messages])
    return _ways(
        call.model,
        tuple(params),
        call.wishes,
        params.get("schema_as"),
        params.get("reasoning_effort"),
        int(params.get("top_logprobs") or 0),
        system_role if instructed else "none",
        bool(call.room),
        None if call.max_tokens is None else limit,
    )


@functools.lru_cache(maxsize=256)  # a run's calls have few shapes
def _ways(
    model: str,
    names: tuple[str, ...],
    wishes: frozenset[str],
    schema_as: Any,
    effort: Any,
    logprobs: int,
    system_role: SystemRole | Literal["none"] | None,
    room: bool,
    limit: str | None,
) -> Mapping[str, tuple[Any, ...]]:
    found = _wishes(model, sorted(names), wishes, schema_as, effort, logprobs)
    if system_role != "none":
        found["system"] = _roles(model) if system_role is None else (system_role,)
    if room:
        found["room"] = (True, False)
    if limit is not None:
        found["limit"] = (limit, *(name for name in LIMITS if name != limit))
    return MappingProxyType(found)


def _wishes(
    model: str, names: Iterable[str], wishes: frozenset[str], schema_as: Any, effort: Any, logprobs: int
) -> dict[str, tuple[Any, ...]]:
    """Of all parameters; none of what the run file wrote."""
    refused = models.refused(model, effort)
    found: dict[str, tuple[Any, ...]] = {}
    for name in names:
        if name == "schema" and schema_as:
            found[name] = ("words" if schema_as == "off" else schema_as,)
        elif name not in wishes or name in ("max_tokens", "schema_as"):
            continue
        elif name == "schema":
            found[name] = _SCHEMA
        elif name in refused:
            found[name] = (0,) if name == "top_logprobs" else (False,)
        elif name == "top_logprobs":
            found[name] = (logprobs, *((_FEWER_LOGPROBS,) if logprobs > _FEWER_LOGPROBS else ()), 0)
        else:
            found[name] = (True, False)
    return found


def _roles(model: str) -> tuple[SystemRole, ...]:
    """A developer's message is what OpenAI's newer models call it, and a fixed one stays what it is."""
    if models.family(model) == "openai":
        return ("system", "developer", "user")
    return ("system", "user")


def said(wish: str, way: Any) -> str:
    """What is done about a wish that a model does not take, as the end of a sentence."""
    if wish == "schema":
        what = "is asked for a JSON object" if way == "json_object" else "is told the form of a verdict in words"
        return f"takes no JSON schema, and {what}"
    if wish == "top_logprobs":
        fewer = f"gives {way} logprobs at most, and is asked for as many"
        return fewer if way else "gives no logprobs, so that a verdict is a label without a probability"
    if wish == "system":
        where = "before the user's message" if way == "user" else "as the developer's"
        return f"takes no system message, and is sent it {where}"
    if wish == "room":
        return "takes no larger token limit, and has no room for thought"
    return f"takes no {wish}, and is asked without"
