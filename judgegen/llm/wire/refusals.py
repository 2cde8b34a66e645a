"""An error body of any shape, read into one: its status, codes, sentences and the parameters it names; and its kind.

Fields are gathered wherever they stand: in an object, a list, a text that holds JSON, an object inside a 200. Pure;
knows nothing of calls or of what the endpoint has answered before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from judgegen.llm import signs
from judgegen.llm.secrets import masked
from judgegen.llm.wire.delay import asked_s

What = signs.Kind | Literal["forbidden", "unclear"]
"""A refusal's kind; "forbidden" and "unclear" mean that the words do not tell."""

_SENTENCES = (
    "message msg detail error error_description title reason raw status_msg error_msg errormessage description "
    "failed_generation cause"
).split()
_CODES = (
    "code",
    "type",
    "status",
    "error_code",
    "error_type",
    "reason",
    "__type",
    "errorcode",
    "status_code",
    "quotaid",
)
_PARAMS = ("param", "parameter", "field", "loc", "parameters")
_DEEPEST = 8
_LONGEST = 600
_SHOWN = 200
"""Characters of an address that are shown."""
_ELSEWHERE, _REQUESTS, _SERVERS = 300, 400, 500
"""From where on a status is about the address, about the request, about the server."""
_THROTTLES = (420, 429, 430)
_PASSING = (408, 409, 424, 425, 499)
"""Statuses of the four hundreds that say nothing against the request: 424 is of something behind the server (TGI's and
Bedrock's when the model fails), 499 a gateway's that hung up."""
_NOT_SERVED = (501, 505)
"""Statuses of the five hundreds that mean this request, and always will."""
_HEADS = (431, 494)
_HEAD = re.compile(r"\b(headers?|cookies?)\b.{0,24}\btoo (large|long|big|many)", re.IGNORECASE)
"""The head of requests is too large: what stands in it is the endpoint's, and the same for every prompt."""
_FINE = re.compile(r"0+|2\d\d")
_WOULD_TAKE = re.compile(
    r"(?<!not )\b(expected one of|(supported|allowed|valid|permitted|accepted|known|recogni[sz]ed) "
    r"(request )?(field|param|parameter|argument|key|propertie)s( are| include)?:?)\s.*?(?= at line \d|[.;)\n]|\Z)",
    re.IGNORECASE | re.DOTALL,
)
"""What a refusal lists as that which would be taken, and so is not at fault."""
_SAID = ("content", "refusal", "tool_calls", "reasoning", "reasoning_content")
_WORD = re.compile(r"[\w.:\-]{1,64}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why there is no answer. `words` are its codes in lower case, `params` the parameters that it names."""

    status: int
    message: str
    words: frozenset[str] = frozenset()
    params: tuple[str, ...] = ()
    retry_after: float | None = None

    @property
    def said(self) -> str:
        """All that it says of what is at fault, and the parameters it names, as one text."""
        return " ".join((*self.params, _WOULD_TAKE.sub("", self.message)))


def of(status: int, headers: Mapping[str, str], content: bytes, answer: Any = None) -> Refusal | None:
    """The refusal that a response is, with the wait that it asks for; None where it is an answer.

    `answer` is what a status of success holds. A throttle may come with any status, and tells when to come back.
    """
    if status < _ELSEWHERE:
        found = inside(answer)
    elif (found := elsewhere(status, masked(headers.get("location", ""))[:_SHOWN])) is not None:
        return found
    else:
        found = read(status, content, asked_s(status, headers, content))
    if found is None or found.retry_after is not None or kind(found) != "throttled":
        return found
    return replace(found, retry_after=asked_s(_THROTTLES[1], headers, content))


def elsewhere(status: int, where: str) -> Refusal | None:
    """The refusal that a redirection is which was followed as often as any is; None of another status."""
    if not _ELSEWHERE <= status < _REQUESTS:
        return None
    to = f"and on, the last time to {where}" if where else "and does not say where to"
    return Refusal(status=status, message=f"HTTP {status}: it sends requests on {to}")


def read(status: int, content: bytes, retry_after: float | None = None) -> Refusal:
    """The refusal that a response of this status holds."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        said = re.sub(r"<[^>]*>", " ", content[:2000].decode("utf-8", "replace"))
        return Refusal(status=status, message=" ".join(said.split())[:300] or f"HTTP {status}", retry_after=retry_after)
    return gathered(status, found, retry_after)


def inside(answer: Any) -> Refusal | None:
    """The refusal that stands in a 200 in place of an answer; None where there is anything that was said or counted."""
    first = answer[0] if isinstance(answer, list) and answer else answer
    if not isinstance(first, dict):
        return None
    if listed := first.get("choices"):
        return gathered(200, [one["error"] for one in listed]) if not first.get("usage") and _failed(listed) else None
    told = any(first.get(name) for name in ("error", "errors", "detail", "error_code", "base_resp"))
    told = told or first.get("object") == "error" or first.get("success") is False or _coded(first)
    return gathered(200, first) if told else None


def _failed(choices: Any) -> bool:
    """Whether every choice is an error and holds no word: a router's upstream that failed before it said anything."""
    rows = choices if isinstance(choices, list) else [None]
    return all(isinstance(row, dict) and row.get("error") and not _spoke(row) for row in rows)


def _spoke(row: Mapping[str, Any]) -> bool:
    message = row.get("message")
    return bool(row.get("text")) or (isinstance(message, Mapping) and any(map(message.get, _SAID)))


def _coded(answer: Mapping[str, Any]) -> bool:
    """Whether it is an envelope of a code that is not nought or a 200, and a message: {"code": 1210, "msg": "..."}."""
    codes = [str(answer[name]) for name in ("code", "status", "status_code", "statusCode") if answer.get(name)]
    spoken = any(isinstance(answer.get(name), str) for name in ("message", "msg", "reason"))
    return spoken and any(code.isdecimal() and not _FINE.fullmatch(code) for code in codes)


def gathered(status: int, found: Any, retry_after: float | None = None) -> Refusal:
    """The refusal that a JSON value holds; a status of 200 gives way to one that stands inside."""
    pairs = list(_pairs(found, 0))
    sentences = dict.fromkeys(text for name, text in pairs if name in _SENTENCES)
    words = frozenset(text.lower() for name, text in pairs if name in _CODES and _WORD.match(text))
    params = tuple(dict.fromkeys(text for name, text in pairs if name in _PARAMS and not text.isdigit()))
    own = [
        int(text)
        for name, text in pairs
        if name in _CODES and text.isdecimal() and len(text) == 3 and 400 <= int(text) < 600
    ]
    message = _message(list(sentences)) or (str(found)[:300] if found else "") or f"HTTP {status}"
    return Refusal(
        status=own[0] if status == 200 and own else status,
        message=message,
        words=words,
        params=params,
        retry_after=retry_after,
    )


def _message(sentences: list[str]) -> str:
    """The sentences that add something to those before them."""
    kept: list[str] = []
    for text in sentences:
        if not any(text in before for before in kept):
            kept.append(text)
    return " ".join("; ".join(kept).split())[:_LONGEST]


def _pairs(node: Any, depth: int) -> Iterator[tuple[str, str]]:
    """(name in lower case, text) of every leaf, those nearest the top first; JSON in a text is read as well."""
    if depth > _DEEPEST:
        return
    if isinstance(node, str):
        yield "message", node
    if not isinstance(node, Mapping | list):  # a body that is a number or null says nothing
        return
    listed = node[:20] if isinstance(node, list) else []
    items = list(node.items()) if isinstance(node, Mapping) else [("", one) for one in listed]
    deeper: list[Any] = []
    for name, value in items:
        key = str(name).lower()
        if key == "loc" and isinstance(value, list):
            yield from (("loc", str(part)) for part in value if part != "body")
        elif isinstance(value, Mapping | list):
            deeper.append(value)
        elif isinstance(value, str) and value.lstrip()[:1] in ("{", "[") and (held := _held(value)) is not None:
            deeper.append(held)
        elif value is not None and not isinstance(value, bool):
            yield key or "message", str(value)
    for value in deeper:
        yield from _pairs(value, depth + 1)


def _held(text: str) -> Any:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict | list) else None


def only_by_status(refusal: Refusal, what: What) -> bool:
    """Whether a path is taken to be wrong for its status alone, which a gateway also has for a wish it cannot route."""
    return what == "path" and refusal.status >= _REQUESTS and not signs.told("path", refusal.words, refusal.said)


def kind(refusal: Refusal) -> What:
    """What a refusal is about, by its fields and then by its sentences; a status alone decides where it is clear."""
    status, words, said = refusal.status, refusal.words, refusal.said
    if _ELSEWHERE <= status < _REQUESTS:
        return "path"
    if status in _THROTTLES:
        final = signs.coded("money", words) or (signs.told("money", words, said) and not _waits(refusal))
        return "money" if final else "throttled"
    if status == 402 or signs.coded("money", words) or (status < _SERVERS and signs.told("money", words, said)):
        return "money"
    if status >= _SERVERS and status not in _NOT_SERVED:
        return _of_a_server(status, words, said)
    return "passing" if status in _PASSING or signs.passes(words) else _of_a_request(status, words, said)


def _of_a_server(status: int, words: frozenset[str], said: str) -> What:
    """Some say with a 500 what is at fault with the request."""
    rows: tuple[tuple[What, bool], ...] = (
        ("request", signs.told("request", words, said)),
        ("too_long", status == _SERVERS and signs.told("too_long", words, said)),
        ("flagged", status == _SERVERS and signs.coded("flagged", words)),
        ("model", signs.coded("model", words)),
    )
    return next((what for what, holds in rows if holds), "passing")


def _waits(refusal: Refusal) -> bool:
    return refusal.retry_after is not None or re.search(r"\bretry|\bagain\b", refusal.said, re.IGNORECASE) is not None


def _of_a_request(status: int, words: frozenset[str], said: str) -> What:
    """Of the first line that holds: what is sure goes before what sentences hint at, and these before the status."""
    wished = bool(signs.wishes(said))
    rows: tuple[tuple[bool, What], ...] = (
        (status == 498 or signs.told("flagged", words, said), "flagged"),
        (status in _HEADS or _HEAD.search(said) is not None, "key"),
        (status == 401 or signs.coded("key", words), "key"),
        (status == 413 or signs.told("too_long", words, said), "too_long"),
        (signs.told("throttled", words, said), "throttled"),
        (signs.told("again", words, said), "again"),
        (signs.coded("model", words) or (signs.told("model", words, said) and not wished), "model"),
        (wished, "unclear"),
        (signs.told("path", words, said) or status in (404, 405), "path"),
        (signs.told("key", words, said), "key"),
        (status == 200 and signs.told("passing", words, said), "passing"),
        (status == 403, "forbidden"),
    )
    return next((what for holds, what in rows if holds), "unclear")
