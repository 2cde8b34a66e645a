"""The JSON of an answer: as it stands, out of its envelope, or put together of a stream that nobody asked for. Pure.

Some gateways stream whatever is asked of them (server-sent events: WHATWG HTML, section 9.2, as OpenAI's chunks use
them; or a chunk a line), and some wrap a completion in a member of their own. A stream that breaks off is no answer.
Knows the shape of chunks, nothing of what an answer is for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from judgegen.llm.ends import unsaid
from judgegen.llm.retry import Odd
from judgegen.textual import parsed

_DONE = "[DONE]"
_SHORT = 80
_BLANK = " \t\r\n\0"
"""What may stand around an answer; some servers send the end of C's texts with it."""
_COMMENTS = re.compile(r"\A(?::[^\r\n]*(?:\s+|\Z))+")
"""What keeps a connection alive, before an answer that need be no stream."""
_NAMES = frozenset({"role", "name", "id", "type"})


def read(content: bytes, kind: str = "") -> Any:
    """The JSON value that a response of status 200 holds; `kind` is its Content-Type.

    Raises:
        Odd: it holds none, or a stream that broke off; what it is stands in `why`.
    """
    try:
        return _opened(parsed(content))
    except (ValueError, RecursionError):
        text = _COMMENTS.sub("", _decoded(content, kind))
    events = list(_events(text)) or _lines(text)
    if not events:
        return _opened(_spoken(text))
    chunks = [chunk for chunk in map(_value, events) if isinstance(chunk, Mapping)]
    wrong = next((chunk for chunk in chunks if not chunk.get("choices") and "usage" not in chunk), None)
    if wrong is not None and len(chunks) == 1:
        return wrong
    whole = _together(chunks)
    ends = [choice["finish_reason"] for choice in whole["choices"]]
    if not (ends and all(ends)) and (_DONE not in events or any(map(_speaks_of_ends, chunks))):
        raise Odd("a stream of events that broke off")
    return whole


def _speaks_of_ends(chunk: Mapping[str, Any]) -> bool:
    """Whether it says that a choice is not over: its stream has a word for that, and may be closed without it."""
    rows = chunk.get("choices")
    return any(isinstance(row, Mapping) and "finish_reason" in row for row in (rows if isinstance(rows, list) else []))


def _opened(answer: Any) -> Any:
    """The completion that an answer is, or the only one in a member of it or in a list: {"result": {"choices": …}}.

    What stands around it is kept, since some count there what was used.
    """
    if isinstance(answer, list) and len(answer) == 1:
        return _opened(answer[0]) if _held(answer[0]) else answer
    if not isinstance(answer, dict) or "choices" in answer:
        return answer
    held = [value for value in answer.values() if _held(value)]
    return {**answer, **held[0]} if len(held) == 1 else answer


def _held(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("choices"), list)


def _decoded(content: bytes, kind: str) -> str:
    """JSON is UTF-8, whatever its server says; what is not is what its server says."""
    declared = re.search(r"charset=[\"']?([\w.:-]+)", kind, re.IGNORECASE)
    for encoding in ("utf-8-sig", *([declared[1]] if declared else ())):
        with suppress(ValueError, LookupError):
            return content.decode(encoding).strip(_BLANK)
    return content.decode("utf-8-sig", "replace").strip(_BLANK)


def _spoken(text: str) -> Any:
    """What has a mark of its encoding before it; else why it is no answer."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    if re.match(r"<(!doctype\s+)?html", text, re.IGNORECASE):
        title = re.search(r"<title[^>]*>([^<]*)", text[:20_000], re.IGNORECASE)
        called = f" ({' '.join(title[1].split())[:_SHORT]!r})" if title else ""
        raise Odd(f"a web page{called} where an answer should be")
    raise Odd(f"an answer that is not JSON; it begins {text[:_SHORT]!r}" if text else "an empty answer")


def _events(text: str) -> Iterator[str]:
    """The data of each event of a stream."""
    if not re.match(r"(data|event|id|retry)?:", text):
        return
    for block in re.split(r"\r\n\r\n|\n\n|\r\r", text):
        data = [line[5:].removeprefix(" ") for line in block.splitlines() if line.startswith("data:")]
        if len(data) > 1 and all(line.strip() == _DONE or _value(line) is not None for line in data):
            yield from map(str.strip, data)  # events that nothing parts but the ends of their lines
        elif data:
            yield "\n".join(data).strip()


def _lines(text: str) -> list[str]:
    """Chunks that stand on a line each, without any marks of events."""
    lines = text.splitlines()
    return lines if len(lines) > 1 and all(isinstance(_value(line), dict) for line in lines) else []


def _value(event: str) -> Any:
    try:
        return json.loads(event)
    except (ValueError, RecursionError):
        return None


def _together(chunks: list[Mapping[str, Any]]) -> dict[str, Any]:
    """Chunks as the completion that they are parts of."""
    whole: dict[str, Any] = {}
    choices: dict[Any, dict[str, Any]] = {}
    for chunk in chunks:
        whole |= {name: value for name, value in chunk.items() if name != "choices" and value is not None}
        listed = chunk.get("choices")
        for row in listed if isinstance(listed, list) else []:
            if isinstance(row, Mapping):
                _add(choices.setdefault(row.get("index"), _EMPTY | {"index": row.get("index"), "message": {}}), row)
    return {**whole, "choices": list(choices.values())}


_EMPTY = {"finish_reason": None, "logprobs": None}


def _add(choice: dict[str, Any], row: Mapping[str, Any]) -> None:
    """One chunk's part of a choice."""
    message = choice["message"]
    part = row.get("delta") or row.get("message") or {"content": row.get("text")}
    for name, value in part.items() if isinstance(part, Mapping) else ():
        before = message.get(name)
        message[name] = _called(before, value) if name == "tool_calls" else _joined(name, before, value)
    if not unsaid(ended := row.get("finish_reason")):
        choice["finish_reason"] = ended
    if isinstance(logprobs := row.get("logprobs"), Mapping):
        before = choice["logprobs"] or {}
        choice["logprobs"] = {name: _joined(name, before.get(name), value) for name, value in logprobs.items()}


def _joined(name: str, before: Any, value: Any) -> Any:
    """Texts and lists grow, a name does not; of anything else the last that is not null stands."""
    if value is None:
        return before
    both = (isinstance(before, kind) and isinstance(value, kind) for kind in (str, list))
    return before + value if name not in _NAMES and any(both) else value


def _called(before: Any, pieces: Any) -> Any:
    """Tool calls, whose arguments come piece by piece, each with its index."""
    calls: list[Any] = list(before or [])
    for piece in pieces if isinstance(pieces, list) else []:
        at = piece.get("index", len(calls)) if isinstance(piece, Mapping) else len(calls)
        if isinstance(at, int) and 0 <= at < len(calls) and isinstance(calls[at], dict):
            calls[at] = _grown(calls[at], piece)
        else:
            calls.append({k: v for k, v in piece.items() if k != "index"} if isinstance(piece, Mapping) else piece)
    return calls


def _grown(call: dict[str, Any], piece: Mapping[str, Any]) -> dict[str, Any]:
    before, more = call.get("function"), piece.get("function")
    if not isinstance(before, Mapping) or not isinstance(more, Mapping):
        return call
    return {**call, "function": {**before, **{name: _joined(name, before.get(name), more[name]) for name in more}}}
