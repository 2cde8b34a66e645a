"""What an answer may hold beside its text, in the shape that everything behind the journal relies on.

A stranger's JSON is read part by part: what has another shape is left out, and never fails the answer it came with.
Answers in older journals pass here as well. Knows no calls, no provider's words.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from judgegen.textual import clean

DEEPEST = 64
"""Levels of nesting that a tool call's JSON may have."""
MOST_LOGPROB = 1.0
"""Above what a rounding of 0 can be: e to it is no probability."""

Token = dict[str, Any]


def tool_calls(value: Any) -> tuple[tuple[dict[str, Any], ...], bool]:
    """The tool calls that are such, and whether that is all that came."""
    if not value:
        return (), True
    given = value if isinstance(value, list | tuple) else [None]
    found = [call for call in map(_tool_call, given) if call is not None]
    return tuple(found), len(found) == len(given)


def _tool_call(value: Any) -> dict[str, Any] | None:
    call = plain(value)
    if not isinstance(call, dict) or not call:
        return None
    function = call.get("function")
    if function is None:
        return call if "function" not in call else None
    named = isinstance(function, dict) and isinstance(function.get("name"), str) and function["name"]
    return call if named and isinstance(function.get("arguments"), str | dict | list | None) else None


def plain(value: Any, levels: int = DEEPEST) -> Any:
    """JSON that can be written and read back: whole characters, finite numbers, text keys, no deeper than `levels`.

    What is not is None, with everything around it.
    """
    if isinstance(value, str):
        return clean(value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if levels and isinstance(value, Mapping):
        found = {clean(str(key)): plain(inner, levels - 1) for key, inner in value.items()}
        return found if _as_many(value.values(), found.values(), len(value)) else None
    if levels and isinstance(value, list | tuple):
        items = [plain(inner, levels - 1) for inner in value]
        return items if _as_many(value, items, len(value)) else None
    return None


def _as_many(given: Any, found: Any, count: int) -> bool:
    """Whether nothing became None that was not, and no two keys became one."""
    kept = list(found)
    return len(kept) == count and all(k is not None or g is None for g, k in zip(given, kept, strict=True))


def logprobs(value: Any) -> tuple[tuple[Token, ...] | None, bool]:
    """The tokens with their logprobs, None without; and whether all that came is there.

    One token without a number makes the rest worthless, since places are counted along them; an alternative without
    one is left out.
    """
    if value is None:
        return None, True
    if not isinstance(value, list | tuple):
        return None, False
    tokens, whole = [], True
    for entry in value:
        if not isinstance(entry, Mapping) or (token := _token(entry)) is None:
            return None, False
        given = entry.get("top_logprobs") or ()
        whole = whole and len(token["top_logprobs"]) == (len(given) if isinstance(given, Sequence | Mapping) else -1)
        tokens.append(token)
    return tuple(tokens), whole


_JOINTS = str.maketrans({"\u0120": " ", "\u010a": "\n", "\u2581": " "})
"""White space as vocabularies spell it (byte-level BPE, SentencePiece)."""


def spelled(tokens: tuple[Token, ...], text: str) -> tuple[Token, ...]:
    """Tokens as the text has them, where they come as their vocabulary does: its marks of white space are that."""
    said = "".join(token["token"] for token in tokens)
    meant = said.translate(_JOINTS)
    if said == meant or text in said or text.strip() not in meant:
        return tokens
    return tuple({**_plainly(one), "top_logprobs": list(map(_plainly, one["top_logprobs"]))} for one in tokens)


def _plainly(one: Token) -> Token:
    return {**one, "token": one["token"].translate(_JOINTS)}


def _token(entry: Mapping[str, Any]) -> Token | None:
    """One token with its alternatives, without the byte lists that would treble the journal."""
    own = _alternative(entry)
    if own is None:
        return None
    given = entry.get("top_logprobs")
    if isinstance(given, Mapping):  # by their tokens
        given = [{"token": token, "logprob": logprob} for token, logprob in given.items()]
    top = map(_alternative, given) if isinstance(given, list | tuple) else ()
    return {**own, "top_logprobs": [found for found in top if found is not None]}


def _alternative(value: Any) -> Token | None:
    if not isinstance(value, Mapping):
        return None
    token, logprob = value.get("token"), value.get("logprob")
    if not isinstance(token, str) or isinstance(logprob, bool) or not isinstance(logprob, int | float):
        return None
    if not (-1e9 < logprob <= MOST_LOGPROB):
        return None
    return {"token": clean(token), "logprob": logprob}
