"""What is asked of a model and what comes back: Call, Reply, Failure, Usage, and the one seam, Send.

A `Call` holds what the model sees and `draw`, the number of the repetition; its `id` is a tagged blake2b of
canonical JSON, so changing a template, a temperature or a message makes a new call and changing a timeout, a key
or a rate limit does not. This module knows nothing of providers, journals or prices.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field, fields, replace
from decimal import Decimal
from typing import Any, Literal, Protocol

import orjson

from judgegen.llm import shape
from judgegen.textual import clean

ID_PREFIX = "b2:"
UNREADABLE = "unreadable-reply"
"""The reason of an answer that was billed and is no completion: not paid for again, and worth another draw."""
MOST_TOKENS, MOST_USD = 10_000_000, 10_000_000
"""Of one call: no context is longer, and no model that dear."""
PROBE = "judgegen:probe"
"""The prompt of calls that find out what a model does: no prompt of anybody's, and no measure of one."""
Message = Mapping[str, Any]
"""A chat message as the API writes it: `role`, `content`, and whatever else it carries (tool calls, names)."""


_SIMPLE = {str, int, bool, type(None)}
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def canonical_json(value: object) -> str:
    """JSON with sorted keys and no spaces, in ASCII; changing this changes every id."""
    return canonical(value).decode("ascii")


def canonical(value: object) -> bytes:
    """`canonical_json` in bytes: by orjson, as long as that writes every byte as the standard library does.

    It does where all is ASCII without DEL, and no float is one that the two spell apart.
    """
    if _plain(value):
        try:
            found = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        except TypeError:  # half of a character, a key that is no text, a number of more than 64 bits
            pass
        else:
            if found.isascii() and b"\x7f" not in found:
                return found
    return _CANONICAL.encode(value).encode("ascii")


def _plain(value: object) -> bool:
    """Whether a value holds nothing but what both writers know, and no float beyond what they spell alike."""
    kind = type(value)
    if kind is dict:
        within: Any = value.values()  # type: ignore[attr-defined]
    elif kind is list or kind is tuple:
        within = value
    else:
        return kind in _SIMPLE or (kind is float and (value == 0.0 or 1e-4 <= abs(value) < 1e15))  # type: ignore[arg-type]
    return set(map(type, within)) <= _SIMPLE or all(_plain(one) for one in within if type(one) not in _SIMPLE)


def digest(value: object, *, size: int = 16) -> str:
    """Hex blake2b of the canonical JSON of `value`; `size` in bytes."""
    return hashlib.blake2b(canonical(value), digest_size=size).hexdigest()


Api = Literal["chat", "decisions", "systemone", "rerank", "pooling"]
"""A chat that is answered in words; typed questions about one input, answered by the probability of each option, in
OpenAI's words (/v1/decisions) or in TypeSafe's (/v1/systemone); or answers that a model scores: several texts to one
query (/v1/rerank), or a whole conversation (/pooling)."""
REWARDS: frozenset[Api] = frozenset({"rerank", "pooling"})
"""Those by which a model scores an answer by itself."""
Role = Literal["sampler", "judge"]
"""Whether an answer is a candidate, or says something of candidates: a verdict, scores, a note, what a guard sees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """What a call is for. Kept beside the call in the journal and the audit; no part of its identity."""

    role: Role
    prompt_id: str
    variant: str = ""
    route: str = ""  # the endpoint's name in the run file: where to send it


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One question to one model.

    Attributes:
        endpoint: the endpoint's identity (its base URL, or the `identity` the run file gives it).
        messages: the chat as the model sees it.
        params: neutral names (temperature, top_p, top_k, max_tokens, reasoning_effort, seed, schema, top_logprobs,
            tools, n, extra_body …); a provider writes them in its own words. `api` and `questions` where it is no chat.
        draw: 0 for the first time of asking; asking again for a readable answer is draw + 1, a new call.
        wishes: names in `params` that may be left out where an endpoint refuses them; no part of the identity.
        room: tokens beyond `max_tokens` for a model that thinks before it answers; no part of the identity.
        id: "b2:" and 32 hex digits.
        canonical: the canonical JSON of its content, made once: the id is its hash, and the journal keeps it.
    """

    endpoint: str
    model: str
    messages: tuple[Message, ...]
    params: Mapping[str, Any]
    draw: int = 0
    tag: Tag = field(compare=False)
    wishes: frozenset[str] = field(default=frozenset(), compare=False)
    room: int = field(default=0, compare=False)
    id: str = field(init=False, compare=False)
    canonical: bytes = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        said = canonical(self.content())
        object.__setattr__(self, "canonical", said)
        object.__setattr__(self, "id", ID_PREFIX + hashlib.blake2b(said, digest_size=16).hexdigest())

    def content(self) -> dict[str, Any]:
        """What the identity is made of, as plain JSON."""
        return {
            "endpoint": self.endpoint,
            "model": self.model,
            "messages": list(self.messages),
            "params": dict(self.params),
            "draw": self.draw,
        }

    @property
    def api(self) -> Api:
        """What kind of question it is; a chat unless it says otherwise."""
        found: Api = self.params.get("api", "chat")
        return found

    @property
    def said(self) -> tuple[Message, ...]:
        """All that is billed as input: the messages, and what is asked about them where that stands apart.

        A query is read again with each text that is scored.
        """
        if self.api == "rerank":
            query = tuple(one for one in self.messages if one["role"] != "assistant")
            return tuple(part for one in self.messages if one["role"] == "assistant" for part in (*query, one))
        questions = self.params.get("questions")
        if not questions:
            return self.messages
        return (*self.messages, {"role": "user", "content": "\n".join(_worded(one) for one in questions)})

    @property
    def max_tokens(self) -> int | None:
        """The most tokens one choice may have, thought aside, None where the call sets no limit."""
        found: int | None = self.params.get("max_tokens")
        return found

    @property
    def most_tokens(self) -> int | None:
        """The most tokens one choice may be billed for, thought included, None where the call sets no limit."""
        limit = self.params.get("max_tokens")
        return None if limit is None else limit + self.room


def _worded(question: Mapping[str, Any]) -> str:
    """A question's words: what it asks, and the options with what they mean."""
    options = (" ".join((one["value"], one.get("description", ""))).strip() for one in question["options"])
    return "\n".join([question["instructions"], *options])


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens as the provider counted them: `input` includes `cached` and `cache_write`, `output` `reasoning`."""

    input: int = 0
    output: int = 0
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0
    estimated: bool = False  # counted here, because the provider did not say

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            input=self.input + other.input,
            output=self.output + other.output,
            cached=self.cached + other.cached,
            cache_write=self.cache_write + other.cache_write,
            reasoning=self.reasoning + other.reasoning,
            estimated=self.estimated or other.estimated,
        )


_COUNTS = tuple(f.name for f in fields(Usage) if f.name != "estimated")


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One completion.

    Attributes:
        text: as it came, thought in it included where the server did not take it out.
        finish: the server's word for its end, as it came; `ends` knows what it means.
        logprobs: the API's list of {token, logprob, top_logprobs} where it sent one.
        thought: what the server handed over as the model's thought, apart from the text.
        left_out: the names of optional parts that came in no shape that could be read.
    """

    text: str
    finish: str = "stop"
    tool_calls: tuple[Mapping[str, Any], ...] = ()
    logprobs: tuple[Mapping[str, Any], ...] | None = None
    thought: str = ""
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer. `cost` is USD, exact, and `day` the UTC date of its landing; None and "" only before it has landed."""

    choices: tuple[Choice, ...]
    usage: Usage
    model: str = ""
    cost: Decimal | None = None
    day: str = ""

    @property
    def first(self) -> Choice:
        """The first choice, the only one unless the call asked for several."""
        return self.choices[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A "no" to this call: `content_filter`, `too_long`, or what could not be read. Never spelled like an answer."""

    reason: str
    detail: str = ""
    usage: Usage = Usage()
    cost: Decimal | None = None
    day: str = ""

    @property
    def final(self) -> bool:
        """Whether another draw of the same question would end alike."""
        return self.reason != UNREADABLE


Outcome = Reply | Failure


def landed(outcome: Outcome, cost: Decimal | None, day: str) -> Outcome:
    """The outcome with what it cost and the day it landed."""
    if isinstance(outcome, Failure):
        return replace(outcome, cost=cost, day=day)
    return Reply(choices=outcome.choices, usage=outcome.usage, model=outcome.model, cost=cost, day=day)


class Send(Protocol):
    """The seam. Whoever stands behind it decides what happens: a provider, the journal, a guess, a batch.

    Raises:
        Unanswered: there is no answer now; the prompt that needs it waits for another run.
    """

    def __call__(self, call: Call, /) -> Coroutine[Any, Any, Outcome]:
        """Answer one call."""
        ...


def outcome_to_dict(outcome: Outcome) -> dict[str, Any]:
    """Plain JSON of an outcome, without usage and cost (the journal keeps those in columns of their own)."""
    if isinstance(outcome, Failure):
        return {"failure": outcome.reason, "detail": outcome.detail}
    return {"model": outcome.model, "choices": [_choice_to_dict(c) for c in outcome.choices]}


def _choice_to_dict(choice: Choice) -> dict[str, Any]:
    row: dict[str, Any] = {"text": choice.text, "finish": choice.finish}
    if choice.tool_calls:
        row["tool_calls"] = list(choice.tool_calls)
    if choice.logprobs is not None:
        row["logprobs"] = list(choice.logprobs)
    if choice.thought:
        row["thought"] = choice.thought
    if choice.left_out:
        row["left_out"] = list(choice.left_out)
    return row


def outcome_from_dict(row: Mapping[str, Any], usage: Usage, cost: Decimal | None, day: str = "") -> Outcome:
    """The inverse of `outcome_to_dict`; counts that cannot be, which older journals took in, are bounded."""
    most = max(usage.input, usage.output, usage.cached, usage.cache_write, usage.reasoning)
    if most > MOST_TOKENS:
        counts = {name: min(MOST_TOKENS, getattr(usage, name)) for name in _COUNTS}
        usage = Usage(**counts, estimated=True)
        cost = cost if cost is not None and cost < MOST_USD else None
    if "failure" in row:
        return Failure(reason=row["failure"], detail=row["detail"], usage=usage, cost=cost, day=day)
    choices = tuple(_choice_from_dict(c) for c in row["choices"])
    return Reply(choices=choices, usage=usage, model=row["model"], cost=cost, day=day)


def _choice_from_dict(row: Mapping[str, Any]) -> Choice:
    """A choice as it was kept; what older journals took in unseen is left out like what comes now."""
    calls, _ = shape.tool_calls(row.get("tool_calls"))
    logprobs, _ = shape.logprobs(row.get("logprobs"))
    text = row["text"]
    return Choice(
        text=clean(text if isinstance(text, str) else json.dumps(text)),
        finish=row["finish"],
        tool_calls=calls,
        logprobs=logprobs,
        thought=row.get("thought", ""),
        left_out=tuple(row.get("left_out", ())),
    )
