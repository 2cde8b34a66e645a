"""A chat completion read into a Reply: checked part by part before it is journaled; pure, shared by live and batch.

Knows the places where OpenAI's API and its relatives put text, thought, ends and refusals, and that none of them need
be there. What is optional and malformed is left out and named on the choice; what was billed and cannot be read is a
Failure that keeps what came. Knows nothing of connections, or of what an answer is for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from judgegen.llm import shape
from judgegen.llm.calls import UNREADABLE, Call, Choice, Failure, Reply
from judgegen.llm.ends import end, unsaid
from judgegen.llm.retry import Odd
from judgegen.llm.wire import counting
from judgegen.textual import clean

DETAIL = 2_000
"""Characters kept of an answer that cannot be read."""
_THOUGHT = ("reasoning_content", "reasoning", "thinking", "thought", "thoughts", "reasoning_text")
_SAID = frozenset({"role", "content", "refusal", "annotations", "audio", "tool_calls", "function_call"})
"""What a message has that holds no thought."""
_BLOCKS = ("thinking_blocks", "reasoning_details")
_ENDS = ("finish_reason", "finishReason", "stop_reason", "native_finish_reason")
_STRANGE = 80
"""Characters kept of a word for an end."""


def reply(call: Call, answer: Any) -> Reply | Failure:
    """A chat completion as a Reply; a Failure where it was billed and holds no choice that can be read.

    Raises:
        Odd: the server said 200 and sent something that is no completion, and bills nothing for it.
    """
    given = answer if isinstance(answer, dict) else {}
    rows = _rows(given.get("choices"))
    if _says(given.get("error")):  # the gateway told its own trouble beside what it had by then
        rows = [{**row, "error": given["error"]} if isinstance(row, dict) else row for row in rows]
    choices = tuple(_placed(call, choice) for choice in map(_choice, rows) if choice is not None)
    if not choices:
        return _unreadable(call, answer, given)
    usage = counting.usage(call, given.get("usage"), choices)
    if len(choices) == 1:
        choices = (_ended(call, choices[0], usage.output),)
    model = given.get("model")
    return Reply(choices=choices, usage=usage, model=clean(model)[:200] if isinstance(model, str) else "")


def _says(error: Any) -> bool:
    """Whether an error says anything: some send its fields empty, or nought, with every answer."""
    return any(error.values()) if isinstance(error, dict) else bool(error)


def _rows(listed: Any) -> list[Any]:
    """The choices: a list, a table of them by number, as some languages write a list, or one that stands alone."""
    if isinstance(listed, dict):
        return list(listed.values()) if all(key.isdigit() for key in listed) else [listed]
    return listed if isinstance(listed, list) else []


def _placed(call: Call, choice: Choice) -> Choice:
    """A choice whose text, held to a schema, its server took for thought, or for a call of a tool that nobody offered.

    vLLM's parsers of reasoning take a text without thought for thought, and layers over Claude make schemas tools. Only
    what is the object that was asked for, all of it and nothing else, is that text: thought is read for nothing.
    """
    if choice.text.strip() or end(choice.finish) not in ("stop", "tool"):
        return choice
    schema = call.params.get("schema")
    called = "" if call.params.get("tools") or len(choice.tool_calls) != 1 else _arguments(choice.tool_calls[0])
    if _fits(called, schema):
        return replace(choice, text=called, tool_calls=(), left_out=(*choice.left_out, "content"))
    if not choice.tool_calls and _fits(choice.thought, schema):
        return replace(choice, text=choice.thought.strip(), thought="", left_out=(*choice.left_out, "content"))
    return choice


def _arguments(called: Mapping[str, Any]) -> str:
    function = called.get("function")
    said = function.get("arguments") if isinstance(function, Mapping) else None
    return _json(said) if isinstance(said, Mapping) else said if isinstance(said, str) else ""


def _fits(text: str, schema: Any) -> bool:
    """Whether a text is an object with the keys that a schema asks for, and no other."""
    if not isinstance(schema, Mapping) or not text.strip().startswith("{"):
        return False
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and bool(found) and found.keys() == dict(schema.get("properties", {})).keys()


def _unreadable(call: Call, answer: Any, given: Mapping[str, Any]) -> Failure:
    usage = counting.usage(call, given.get("usage"), ())
    if usage.estimated:  # nothing is billed that anybody speaks of
        what = "an answer without choices" if given.get("choices") == [] else "an answer that is no chat completion"
        raise Odd(what)
    return Failure(reason=UNREADABLE, detail=_json(answer)[:DETAIL], usage=usage)


def _ended(call: Call, choice: Choice, output: int) -> Choice:
    """An answer whose server says nothing of its end: cut off where it took all it might, else whole."""
    if choice.finish:
        return choice
    limit = call.max_tokens
    return replace(choice, finish="length" if limit is not None and output >= limit else "stop")


@dataclass(slots=True)
class _Parts:
    """What a message's content holds, gathered piece by piece."""

    text: list[str] = field(default_factory=list)
    thought: list[str] = field(default_factory=list)
    refusal: list[str] = field(default_factory=list)
    odd: bool = False


def _choice(row: Any) -> Choice | None:
    """One choice; None where it holds nothing that is a message."""
    if not isinstance(row, dict):
        return None
    message = next((row[name] for name in ("message", "delta", "text") if row.get(name) is not None), None)
    if isinstance(message, list) and len(message) == 1:
        message = message[0]
    if isinstance(message, str):
        message = {"content": message}
    if not isinstance(message, dict):
        return None
    parts = _content(message.get("content"))
    refusal = _refusal(message.get("refusal")) or "".join(parts.refusal)
    calls, whole_calls = shape.tool_calls(_called(message))
    logprobs, whole_logprobs = _logprobs(row.get("logprobs"))
    odd = {"content": parts.odd, "tool_calls": not whole_calls, "logprobs": not whole_logprobs}
    text = clean("".join(parts.text) or refusal)
    return Choice(
        text=text,
        finish=_finish(row, refused=bool(refusal)),
        tool_calls=calls,
        logprobs=logprobs and shape.spelled(logprobs, text),
        thought=clean("".join(parts.thought) or _thought(message)),
        left_out=tuple(name for name, is_odd in odd.items() if is_odd),
    )


def _finish(row: Mapping[str, Any], *, refused: bool) -> str:
    """The server's word for the end; "" where it has none. An error beside the choice is one, whatever word it has."""
    if _says(row.get("error")):
        return "error"
    if refused:
        return "refusal"
    said = next((word for name in _ENDS if (word := _word(row.get(name)))), "") or _number(row)
    if not (own := _word(row.get("native_finish_reason"))):
        return said
    return own if end(said) == "stop" and end(own) in ("length", "filter", "failed") else said


def _word(value: Any) -> str:
    """An end as a word, "" where it is none."""
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, dict):
        value = value.get("type") or value.get("reason")
    return clean(value.strip())[:_STRANGE] if isinstance(value, str) and not unsaid(value) else ""


def _number(row: Mapping[str, Any]) -> str:
    """An end that is told by a number, as enumerations are; what stands in `stop_reason` may be a token's."""
    given = (row.get(name) for name in _ENDS[:2])
    return next((str(value) for value in given if isinstance(value, bool | int | float)), "")[:_STRANGE]


def _refusal(value: Any) -> str:
    if not value or isinstance(value, str):
        return value or ""
    return _json(value)[:DETAIL]


def _called(message: Mapping[str, Any]) -> Any:
    """The tool calls, or the one of the API's older form."""
    older = message.get("function_call")
    return message.get("tool_calls") or ([{"type": "function", "function": older}] if older else None)


def _thought(message: Mapping[str, Any]) -> str:
    """What the server took out of the text as thought, in whichever field it puts it."""
    if _SAID.issuperset(message):
        return ""
    for name in (*_THOUGHT, *_BLOCKS):
        given = message.get(name)
        if given and (said := "".join(_texts(given))):
            return said
    return ""


def _texts(value: Any, levels: int = 4) -> Iterator[str]:
    """The texts of a thought: a text, a block, or a list of either."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list) and levels:
        for inner in value:
            yield from _texts(inner, levels - 1)
    elif isinstance(value, dict) and levels:
        named = ("text", "thinking", "reasoning", "summary", "content", "value")
        yield from _texts(next((value[name] for name in named if value.get(name)), None), levels - 1)


def _content(value: Any) -> _Parts:
    """A message's content: a text, a list of parts, one part, or what a gateway made of the text."""
    parts = _Parts()
    if isinstance(value, list):
        for part in value:
            _part(part, parts)
    elif isinstance(value, dict) and isinstance(value.get("parts"), list):
        for part in value["parts"]:
            _part(part, parts)
    elif isinstance(value, dict) and ("type" in value or isinstance(value.get("text"), str)):
        _part(value, parts)
    elif isinstance(value, dict):
        # The text was JSON, and the gateway has parsed it.
        parts.text.append(_json(value))
        parts.odd = True
    elif value is not None:
        parts.text.append(value if isinstance(value, str) else _json(value))
        parts.odd = not isinstance(value, str)
    return parts


def _part(part: Any, parts: _Parts) -> None:
    if isinstance(part, str):
        parts.text.append(part)
        return
    if not isinstance(part, dict):
        parts.odd = True
        return
    kind = str(part.get("type") or "text")
    said = "".join(_texts(part.get("refusal") if kind == "refusal" else part))
    if kind == "refusal":
        parts.refusal.append(said)
    elif "thinking" in kind or "reasoning" in kind or "thought" in kind or part.get("thought") is True:
        parts.thought.append(said)
    elif kind in ("text", "output_text"):
        parts.text.append(said)
        parts.odd = parts.odd or (not said and part.get("text") != "")
    else:
        parts.odd = True


def _logprobs(value: Any) -> tuple[tuple[shape.Token, ...] | None, bool]:
    """Logprobs as chat completions have them, or as the older completions do: lists side by side."""
    if value is None:
        return None, True
    if not isinstance(value, dict):
        return None, False
    if "content" not in value and isinstance(value.get("tokens"), list):
        return shape.logprobs(list(_side_by_side(value)))
    return shape.logprobs(value.get("content"))


def _side_by_side(value: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    tokens = value["tokens"]
    logprobs, tops = (value.get(name) for name in ("token_logprobs", "top_logprobs"))
    logprobs = logprobs if isinstance(logprobs, list) else []
    tops = tops if isinstance(tops, list) else []
    for place, token in enumerate(tokens):
        top = tops[place] if place < len(tops) and isinstance(tops[place], Mapping) else {}
        yield {
            "token": token,
            "logprob": logprobs[place] if place < len(logprobs) else None,
            "top_logprobs": [{"token": other, "logprob": number} for other, number in top.items()],
        }


def _json(value: Any) -> str:
    """A stranger's JSON as text, whatever it holds."""
    try:
        return clean(json.dumps(value, ensure_ascii=False))
    except (RecursionError, ValueError, TypeError):
        return f"a {type(value).__name__} that cannot be written down"
