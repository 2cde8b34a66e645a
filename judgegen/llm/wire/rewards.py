"""Answers as models score them by two routes, and the scores as a Reply; pure.

    rerank    a query and texts: {query, documents} to {results: [{index, relevance_score}]}, in the order of the scores
    pooling   a conversation that ends with the answer: {messages, task} to {data: [{data: [score]}]}

A Reply has one choice for each text, in the order in which they were sent: its text is the score, a number. What is
missing, stands there twice, is no finite number or is several ends with "malformed_response". Of a model that scores
every token the last one's counts.

Sources: llama.cpp, tools/server (POST /v1/rerank; a list of {index, score} for TEI's clients); vLLM,
vllm/entrypoints/pooling (POST /v1/rerank, /pooling, /classify) and docs/models/pooling_models/reward.md, by which an
outcome reward model is asked with task "classify" and use_activation false for what it says before a sigmoid; SGLang,
docs of /classify, whose scores stand in "embedding". Knows nothing of connections, or of what is compared.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from judgegen.llm.calls import UNREADABLE, Call, Choice, Failure, Message, Reply
from judgegen.llm.manner import Manner
from judgegen.llm.retry import Odd
from judgegen.llm.tokens import count_messages
from judgegen.llm.wire import counting
from judgegen.llm.wire.body import body as chat
from judgegen.llm.wire.decisions import cut
from judgegen.textual import clean

PATHS = {"rerank": "/rerank", "pooling": "/pooling"}
_LIMITS = {"max_tokens", "max_completion_tokens"}
_LISTS = ("results", "data", "scores")
_SCORES = ("relevance_score", "score", "data", "probs", "embedding")


def path(row: Mapping[str, Any]) -> str | None:
    """Where a request is posted; None where it scores nothing."""
    if "documents" in row and "query" in row:
        return PATHS["rerank"]
    return PATHS["pooling"] if "task" in row and not row.keys() & _LIMITS else None


def body(call: Call, manner: Manner | None = None) -> dict[str, Any]:
    """The request body: all that is said of the answer, or the query and the texts that are scored to it."""
    more = call.params.get("extra_body", {})
    raw = {"use_activation": False} if call.params.get("raw") else {}
    if call.api == "pooling":
        said = chat(call, {"system": (manner or {}).get("system", "system")})["messages"]
        return {"model": call.model, "messages": said, "task": "classify", **raw, **more}
    query = "\n\n".join(_text(one) for one in call.messages if one["role"] != "assistant")
    texts = [_text(one) for one in scored(call)]
    return {"model": call.model, "query": query, "documents": texts, **raw, **more}


def scored(call: Call) -> list[Message]:
    """The answers that a call has scored."""
    answers = [one for one in call.messages if one["role"] == "assistant"]
    return answers[-1:] if call.api == "pooling" else answers


def _text(message: Message) -> str:
    content = message["content"]
    return content if isinstance(content, str) else "\n".join(str(part.get("text", "")) for part in content)


def reply(call: Call, answer: Any) -> Reply | Failure:
    """The scores as a Reply; a Failure where they were billed and there are none, or what was sent was cut off.

    Raises:
        Odd: the server said 200 and sent something that holds no scores, and bills nothing for it.
    """
    given = answer if isinstance(answer, Mapping) else {}
    usage = counting.usage(call, _usage(given.get("usage")), ())
    rows = answer if isinstance(answer, list) else next((given[name] for name in _LISTS if name in given), None)
    if not isinstance(rows, list) or not rows:
        if usage.estimated:  # nothing is billed that anybody speaks of
            raise Odd("an answer that holds no scores")
        return Failure(reason=UNREADABLE, detail=repr(answer)[:2_000], usage=usage)
    if not usage.estimated and (why := cut(usage.input, count_messages(call.messages))):
        return Failure(reason="too_long", detail=why, usage=usage)
    choices = tuple(map(_choice, _placed(rows, len(scored(call)))))
    model = given.get("model")
    return Reply(choices=choices, usage=usage, model=clean(model)[:200] if isinstance(model, str) else "")


def _usage(told: Any) -> Mapping[str, Any] | None:
    """What is counted: where it is one number, all of it went in."""
    if not isinstance(told, Mapping):
        return None
    return {"output_tokens": 0, **({"input_tokens": told["total_tokens"]} if "total_tokens" in told else {}), **told}


def _placed(rows: Sequence[Any], count: int) -> list[Any]:
    """The row of each text by its index, None for one without; by their places where no row has one."""
    indices = [row.get("index") if isinstance(row, Mapping) else None for row in rows]
    if not any(index is not None for index in indices):
        return list(rows) if len(rows) == count else [None] * count
    return [rows[indices.index(i)] if indices.count(i) == 1 else None for i in range(count)]


def _choice(row: Any) -> Choice:
    """The score of one text."""
    value = (
        next((row[name] for name in _SCORES if row.get(name) is not None), None) if isinstance(row, Mapping) else row
    )
    number = _number(value)
    if number is None:
        return Choice(text="", finish="malformed_response")
    return Choice(text=json.dumps(number), finish="stop")


def _number(value: Any) -> float | None:
    """The one number that a score is: itself, alone in a list, or the last token's."""
    if isinstance(value, list) and value and all(isinstance(one, list) for one in value):
        value = value[-1]
    if isinstance(value, list):
        value = value[0] if len(value) == 1 else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None
