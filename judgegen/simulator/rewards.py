"""The known-truth world as a model that scores answers by themselves: a reranker, or a reward model.

    POST /v1/rerank   {model, query, documents} to {results: [{index, relevance_score}]}, the highest score first
    POST /pooling     {model, messages, task: "classify"} to {data: [{data: [score]}]}: of what was said last

A score is the logit of the height that a judge's scores have, the true one in `accuracy` of all answers and its reverse
in the others; as vLLM gives it, between 0 and 1 by a sigmoid unless `use_activation` is false. So a judge without flaw
ranks by quality, and P of two is by their odds. `unreadable_rate` of all answers have no score. A query with its
answer that is longer than `cuts_at` tokens is cut in silence, and counted as it was cut; of an answer without a mark of
quality nothing is known.

Pure; knows nothing of HTTP.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from judgegen.llm.calls import digest
from judgegen.simulator.bodies import Problem, text_of
from judgegen.simulator.decisions import CHARACTERS_PER_TOKEN, Truth
from judgegen.simulator.lots import Lots
from judgegen.simulator.quoted import quoted

_EDGE = 1e-6


def asks(body: Mapping[str, Any]) -> bool:
    """Whether a body is of one of these routes."""
    return "documents" in body or ("task" in body and not body.keys() & {"max_tokens", "max_completion_tokens"})


def rewarded(truth: Truth, body: Mapping[str, Any]) -> dict[str, Any] | Problem:
    """The response to a body of either route, or why there is none."""
    ranks = "documents" in body
    texts, query = (body["documents"], body.get("query")) if ranks else _conversation(body)
    if not isinstance(body.get("model"), str) or not isinstance(query, str) or not texts:
        return Problem(message="Missing required parameter: 'model', 'query' and 'documents', or 'messages'.")
    seen = [_seen(truth, query, str(text)) for text in texts]
    scores = [_score(truth, body, query, text) for text in seen]
    tokens = sum(-(-(len(query) + len(text)) // CHARACTERS_PER_TOKEN) for text in seen)
    head = {
        "id": digest(dict(body)),
        "model": body["model"],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }
    if not ranks:
        return {**head, "object": "list", "data": [{"index": 0, "object": "pooling", "data": [scores[0]]}]}
    rows = [{"index": i, "relevance_score": score} for i, score in enumerate(scores) if score is not None]
    return {**head, "results": sorted(rows, key=lambda row: -float(row["relevance_score"]))}


def _conversation(body: Mapping[str, Any]) -> tuple[list[str], str]:
    """What was said last, and all that was said before it."""
    *before, last = map(text_of, body["messages"])
    return [last], "\n".join(before)


def _seen(truth: Truth, query: str, text: str) -> str:
    cuts_at = truth.settings.cuts_at
    return text if cuts_at is None else text[: max(0, cuts_at * CHARACTERS_PER_TOKEN - len(query))]


def _score(truth: Truth, body: Mapping[str, Any], query: str, text: str) -> float | None:
    """The score of one answer; None where it has none."""
    lots = Lots("reward", truth.settings.seed, json.dumps([body["model"], query, text]))
    if lots.unit() < truth.settings.unreadable_rate:
        return None
    found = quoted(text).answers
    height = 0.5
    if found:
        (share, right), (_, wrong) = truth.heights(found[-1])
        height = right if lots.unit() < share else wrong
    inside = min(1 - _EDGE, max(_EDGE, height))
    return math.log(inside / (1 - inside)) if body.get("use_activation") is False else inside
