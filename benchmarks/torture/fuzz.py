"""Noise at every boundary: answers and refusals of servers, verdicts, rows of prompts, preferences and comparisons.

A sound value gets one to three odd ones somewhere in it. What comes of it may be an error of ours, which says what was
wrong; any other exception would end a run, or stand in its journal for ever.
"""

from __future__ import annotations

import json
import random
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from judgegen import sources
from judgegen.errors import JudgegenError
from judgegen.exchange.import_ import Reject, imported
from judgegen.judge import read as judge
from judgegen.judge.guard import Frame
from judgegen.llm.calls import Call, Reply, Tag, outcome_from_dict, outcome_to_dict
from judgegen.llm.retry import Rejected, Transient
from judgegen.llm.wire import reading, refusals
from judgegen.llm.wire.delay import asked_s
from judgegen.sampler.read import candidates
from judgegen.sources.labelled import labelled, labelled_from_rows
from judgegen.writer.files import json_line

ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 10**18, 10**400, float("nan"), float("inf"), "", " ", "abc", "\ud800", "\x00", "\x1b[2J",
    "[" * 400, [], [None], {}, {"a": None}, {"": []}, "stop", "length", "error", [[[]]], '{"verdict": "A"}', "<think>",
    "</think>", "\u2028", "user", [{}], "0", "-0.0", b"bytes".decode(), "\ufeff", {"role": "user"}, [["a", "b"]],
)  # fmt: skip
ANSWER: dict[str, Any] = {
    "model": "m",
    "choices": [
        {
            "message": {"role": "assistant", "content": '{"verdict": "A"}', "refusal": None, "tool_calls": None},
            "finish_reason": "stop",
            "logprobs": {
                "content": [
                    {"token": '{"verdict": "', "logprob": -0.1, "top_logprobs": []},
                    {"token": "A", "logprob": -0.1, "top_logprobs": [{"token": "A", "logprob": -0.1}]},
                    {"token": '"}', "logprob": -0.1, "top_logprobs": []},
                ]
            },
        }
    ],
    "usage": {"prompt_tokens": 9, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 0}},
    "error": None,
}
REFUSAL: dict[str, Any] = {
    "error": {"message": "no", "type": "t", "code": "c", "param": "p", "details": [{"retryDelay": "3s"}]}
}
_ASKED, _SAID = {"role": "user", "content": "a b"}, {"role": "assistant", "content": "c"}
_CALLS = [{"id": "x", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
PROMPTS: tuple[dict[str, Any], ...] = (
    {
        "prompt": "a",
        "id": "x",
        "system": "s",
        "reference": "r",
        "metadata": {"k": [1]},
        "tools": [{"type": "function"}],
    },
    {"messages": [{"role": "system", "content": "s"}, _ASKED, {"role": "assistant", "tool_calls": _CALLS}, _ASKED]},
    {"instruction": "a", "input": "b", "output": "c"},
    {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u"}}]}]},
    {"conversations": [{"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}], "turns": ["a", "b"]},
)
PREFERENCES: tuple[dict[str, Any], ...] = (
    {"prompt": "a", "chosen": "b", "rejected": "c", "score_chosen": 2, "score_rejected": 1},
    {"chosen": [_ASKED, _SAID], "rejected": [_ASKED, {**_SAID, "content": "d"}], "tools": []},
    {"chosen": "\n\nHuman: a\n\nAssistant: b", "rejected": "\n\nHuman: a\n\nAssistant: c"},
    {"prompt": [_ASKED], "completion": [_SAID], "label": True},
    {"prompt": "a", "response_a": "b", "response_b": "c", "winner": "model_a"},
    {"instruction": "a", "completions": [{"response": "b", "overall_score": 3}, {"response": "c", "overall_score": 1}]},
    {"question": "a", "conversation_a": [_ASKED, _SAID], "conversation_b": [_ASKED, _SAID], "winner": "tie (bothbad)"},
    {"history": "a", "human_ref_A": "b", "human_ref_B": "c", "labels": 1, "score_ratio": 2.0},
    {"instruction": "a", "input": "", "response1": "b", "response2": "c", "preference": -1},
    {"context": [_ASKED], "response1": "b", "response2": "c", "overall_preference": 2, "domain": "code"},
    {"input": {"messages": [_ASKED]}, "preferred_output": [_SAID], "non_preferred_output": [_SAID]},
    {"conversations": [{"from": "human", "value": "a"}], "chosen": {"from": "gpt", "value": "b"}, "rejected": {}},
    {"prompt": "a", "responses": ["b", "c"], "scores": [1, 2], "rank": [2, 1], "best": 0},
    {"prompt": "a", "extra_info": {"chosen": "b", "rejected": "c", "split": "train"}, "data_source": "d"},
    {"comparison": {"prompt_conversation": [_ASKED], "completion_A": [_SAID], "completion_B": [_SAID]}, "label": "A"},
    {
        "data": {"prompt": "a", "answer1": "b", "answer2": "c"},
        "annotations": [{"result": [{"value": {"selected": "left"}}]}],
    },
    {
        "fields": {"instruction": "a", "response-1": "b", "response-2": "c"},
        "responses": {"choice": [{"value": 1, "status": "submitted"}]},
        "metadata": {"k": 1},
    },
    {"info": {"post": "a", "title": "t"}, "summaries": [{"text": "b"}, {"text": "c"}], "choice": 1, "worker": "w"},
    {"prompt": "a", "all_responses": ["b", "c"], "all_scores": [0.5, 0.1], "chosen": None},
)
CALL = Call(
    endpoint="here",
    model="m",
    messages=(_ASKED,),
    params={"max_tokens": 64},
    tag=Tag(role="judge", prompt_id="p", route="here"),
)
OURS = (Transient, Rejected, JudgegenError)
BROKEN = ("foreign",)
_ROWS = 20
"""Rows read at once; and in `lines`, a file."""


def mutated(found: Any, rng: random.Random) -> Any:
    """The value with something odd somewhere in it."""
    if isinstance(found, dict) and found and rng.random() < 0.85:
        key = rng.choice(list(found))
        if rng.random() < 0.1:
            return {name: value for name, value in found.items() if name != key}
        if rng.random() < 0.05:
            return {**found, str(rng.choice(ODD))[:20]: found[key]}
        return {**found, key: mutated(found[key], rng)}
    if isinstance(found, list) and found and rng.random() < 0.85:
        place = rng.randrange(len(found))
        return [*found[:place], mutated(found[place], rng), *found[place + 1 :]]
    if isinstance(found, str) and rng.random() < 0.3:
        place = rng.randint(0, len(found))
        return found[:place] + str(rng.choice(ODD))[:40] + found[place:]
    return rng.choice(ODD)


def odd(found: Any, rng: random.Random) -> Any:
    """The value with one to three odd things in it."""
    for _ in range(rng.randint(1, 3)):
        found = mutated(found, rng)
    return found


def answer(rng: random.Random) -> int:
    """An answer, as a sampler's and as a judge's, as the journal keeps it and as it is sent on."""
    outcome = reading.reply(CALL, odd(ANSWER, rng))
    back = outcome_from_dict(json.loads(json.dumps(outcome_to_dict(outcome))), outcome.usage, None)
    for one in (outcome, back):
        candidates(CALL, one)
        judge.verdict(CALL, one, Frame(first="A", second="B", fence="f"))
    if isinstance(back, Reply):
        json.dumps(back.first.text, ensure_ascii=False).encode()
    return 1


def refusal(rng: random.Random) -> int:
    """A refusal of any status, with a delay of any kind."""
    content = json.dumps(odd(REFUSAL, rng)).encode()
    content = _torn(content, rng) if rng.random() < 0.2 else content
    status = rng.choice([200, 400, 401, 402, 403, 404, 413, 422, 429, 498, 500, 503, 529, 599])
    header = {rng.choice(["retry-after", "retry-after-ms", "x-ratelimit-reset"]): str(rng.choice(ODD))[:20]}
    refusals.kind(refusals.read(status, content, asked_s(status, header, content)))
    return 1


def prompt_rows(rng: random.Random) -> int:
    """Rows of prompts, from memory."""
    rows = [odd(rng.choice(PROMPTS), rng) for _ in range(_ROWS)]
    for row in rows:
        _all(sources.prompts_from_rows([row], where="rows", warn=_silent))
    return _ROWS


def preference_rows(rng: random.Random) -> int:
    """Rows of preferences that others published; what is imported is written, what is not is told."""
    rows = [odd(rng.choice(PREFERENCES), rng) for _ in range(_ROWS)]
    for row in imported(rows):
        if not isinstance(row, Reject):
            json_line(row, halves=True)
    return _ROWS


def compared_rows(rng: random.Random) -> int:
    """Rows of comparisons with humans' votes, which a judge is checked on."""
    for _ in range(_ROWS):
        _all(labelled_from_rows([odd(rng.choice(PREFERENCES), rng)], where="rows", warn=_silent))
    return _ROWS


def lines(rng: random.Random) -> int:
    """Lines of files, some with bytes torn out or put in, read as prompts, preferences and comparisons."""
    rows = [json.dumps(odd(rng.choice(PROMPTS + PREFERENCES), rng)).encode() for _ in range(_ROWS)]
    rows = [_torn(row, rng) if rng.random() < 0.3 else row for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / rng.choice(["a.jsonl", "a.json", "a.csv", "a.tsv", "a.txt"])
        path.write_bytes(b"\n".join(rows))
        for read in (sources.prompts, labelled):
            _all(read(path, warn=_silent))
        _all(imported(path))
    return _ROWS


KINDS: Mapping[str, Callable[[random.Random], int]] = {
    "answers": answer,
    "refusals": refusal,
    "prompts": prompt_rows,
    "preferences": preference_rows,
    "comparisons": compared_rows,
    "lines": lines,
}
"""By what is counted. Each draws, feeds and returns how many inputs that were."""


def fuzz(inputs: int, rng: random.Random) -> Counter[str]:
    """So many inputs, as many of each kind; exceptions that are not ours, by name, kind and place."""
    found: Counter[str] = Counter(dict.fromkeys(("inputs", *KINDS, *BROKEN), 0))
    for kind, feed in KINDS.items():
        while found[kind] < inputs // len(KINDS):
            state = rng.getstate()
            try:
                found[kind] += feed(rng)
            except OURS:
                found[kind] += _ROWS if feed is lines or feed is preference_rows else 1
            except Exception as error:  # noqa: BLE001 - that is what is counted
                found[kind] += 1
                _tell(found, kind, error, state)
        found["inputs"] += found[kind]
    return found


def _tell(found: Counter[str], kind: str, error: Exception, state: object) -> None:
    """Count it, and show the first of each."""
    place = traceback.extract_tb(error.__traceback__)[-1]
    name = f"{kind}: {type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
    if not found[name]:
        traceback.print_exception(error)
        print(f"{name}; drawn from {hash(state)}", flush=True)
    found["foreign"] += 1
    found[name] += 1


def _all(items: Any) -> None:
    """Every item; an error of ours ends them."""
    try:
        for _ in items:
            pass
    except JudgegenError:
        pass


def _torn(content: bytes, rng: random.Random) -> bytes:
    """The bytes with some of them gone, doubled or others."""
    place, size = rng.randrange(len(content) + 1), rng.randint(0, 8)
    return content[:place] + rng.randbytes(rng.randint(0, 4)) + content[place + size :]


def _silent(_: str) -> None:
    """Hears no warning."""
