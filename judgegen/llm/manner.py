"""In which ways a call can be put to a server: for each wish, from the fullest way to the barest. Pure.

A wish is what makes an answer better and can be done without (a schema, logprobs, a seed), or said otherwise (the
system message, the name of the token limit). What the run file wrote has one way only. Knows nothing of HTTP.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from judgegen.llm import models
from judgegen.llm.calls import Call

Manner = Mapping[str, Any]
"""By wish, the way in which it is sent: schema "json_schema", "json_object" or "words"; top_logprobs a number, 0 for
none; system "system", "developer" or "user"; limit the name of the token limit; else True, or False for left out."""
SystemRole = Literal["system", "developer", "user"]

LIMITS = ("max_tokens", "max_completion_tokens")
_SCHEMA = ("json_schema", "json_object", "words")
_FEWER_LOGPROBS = 5
"""What servers give at most that do not give OpenAI's twenty."""


def ways(call: Call, *, limit: str = LIMITS[0], system_role: SystemRole | None = None) -> dict[str, tuple[Any, ...]]:
    """Every wish of `call` with its ways, the fullest first."""
    found = {name: _ways_of(call, name) for name in sorted(call.params) if name not in ("max_tokens", "schema_as")}
    found = {name: values for name, values in found.items() if values}
    if any(message.get("role") in ("system", "developer") for message in call.messages):
        found["system"] = _roles(call) if system_role is None else (system_role,)
    if call.room:
        found["room"] = (True, False)
    if call.max_tokens is not None:
        found["limit"] = (limit, *(name for name in LIMITS if name != limit))
    return found


def _ways_of(call: Call, name: str) -> tuple[Any, ...]:
    """Of one parameter; none where the run file wrote it."""
    if name == "schema":
        said = call.params.get("schema_as")
        return ("words" if said == "off" else said,) if said else _SCHEMA if name in call.wishes else ()
    if name not in call.wishes:
        return ()
    if name in models.refused(call.model, call.params.get("reasoning_effort")):
        return (0,) if name == "top_logprobs" else (False,)
    if name == "top_logprobs":
        asked = int(call.params[name])
        return (asked, *((_FEWER_LOGPROBS,) if asked > _FEWER_LOGPROBS else ()), 0)
    return (True, False)


def _roles(call: Call) -> tuple[SystemRole, ...]:
    """A developer's message is what OpenAI's newer models call it, and a fixed one stays what it is."""
    if models.family(call.model) == "openai":
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
