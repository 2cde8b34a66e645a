"""Builds comparisons and candidates into the calls that ask for verdicts and scores.

The candidates of a comparison stand in display order and the schema's labels are first, second, tie in that order.
Knows nothing of the run file, the journal or how answers are read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from judgegen.judge.guard import Frame, frame, neutral
from judgegen.llm.calls import Api, Call, Message, Tag, digest
from judgegen.records import Candidate, Comparison, Prompt
from judgegen.templates import Aspect, Template

Rationale = Literal["none", "before", "after"]
Scale = Literal["logits", "probabilities"]
"""Of a reward: any number, of which two differ by their log odds; or from 0 to 1."""

WISHES = frozenset({"seed", "schema", "top_logprobs", "temperature", "max_tokens"})
"""What a judge is asked for where it can: it is left out for a model that refuses it, unless the run file wrote it.
The limit is never left out: it is raised for a model that thinks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A judge, resolved: where to ask, and how. `name` tells it from other judges of the same run.

    Attributes:
        samples: how many answers one call that scores asks for.
        votes: how many verdicts on one display are counted where one alone says nothing of how sure it is.
        api: whether it is asked in a chat, or typed questions, or scores answers by themselves.
        rewards: on which scale it scores them.
        checklist: of one that scores and is asked a checklist's items as questions of their own, what they weigh
            together; None for one that is shown it.
    """

    route: str
    endpoint: str
    model: str
    template: Template
    max_tokens: int
    fixed: Mapping[str, Any] = field(default_factory=dict)
    wishes: frozenset[str] = WISHES
    room: int = 0  # tokens beyond max_tokens, for thought
    name: str = ""
    weight: float = 1.0
    rationale: Rationale = "none"
    samples: int = 1
    votes: int = 1
    api: Api = "chat"
    rewards: Scale = "logits"
    checklist: float | None = None

    def free(self) -> Asking:
        """This judge free to answer otherwise when it is asked again: at temperature 1 unless the run file says one."""
        if "temperature" not in self.fixed or "temperature" not in self.wishes:
            return self
        return replace(self, fixed={**self.fixed, "temperature": 1.0})


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """What a judge is given beside the answers: once per prompt, the same for all of its comparisons."""

    criteria: str | None = None
    reference: str | None = None
    checklist: str | None = None

    def values(self) -> dict[str, str | None]:
        """By the names that templates know."""
        return {"criteria": self.criteria, "reference": self.reference, "checklist": self.checklist}


def given(prompt: Prompt) -> Notes:
    """What the prompt itself brought along."""
    return Notes(reference=prompt.reference)


def call(
    prompt: Prompt,
    comparison: Comparison,
    asking: Asking,
    *,
    seed: int,
    draw: int,
    notes: Notes | None = None,
    shown: Frame | None = None,
) -> Call:
    """The call that shows `comparison` in its order; `draw` counts the times it was asked before.

    `shown` is what `framed` gives, where that is at hand.
    """
    notes = notes or given(prompt)
    shown = shown or framed(prompt, comparison, seed=seed, draw=draw, notes=notes)
    values = {
        "first": neutral(answer(comparison.first))[0],
        "second": neutral(answer(comparison.second))[0],
        "first_label": shown.first,
        "second_label": shown.second,
        "tie_label": shown.tie,
        "fence": shown.fence,
    }
    key = [seed, prompt.id, *shown.labels, draw]
    return calling(prompt, asking, values, notes, key=key, draw=draw, schema=schema(shown, asking.rationale))


def scoring(prompt: Prompt, candidate: Candidate, asking: Asking, *, seed: int, draw: int, notes: Notes) -> Call:
    """The call that asks for every aspect of one candidate, as often as `asking.samples` says."""
    names = frozenset(aspect.name for aspect in asking.template.aspects)
    text = neutral(answer(candidate), names)[0]
    quoted = (request(prompt), answer(candidate), *texts(notes))
    values = {
        "answer": text,
        "aspects": asking.template.aspects,
        "rules": asking.template.aspects,
        "fence": frame(quoted, seed, prompt.id, candidate.call_id, candidate.index, draw).fence,
    }
    wanted = scores_schema(asking.template.aspects, asking.rationale)
    key = [seed, prompt.id, candidate.call_id, candidate.index, draw]
    return calling(prompt, asking, values, notes, key=key, draw=draw, schema=wanted)


def note(prompt: Prompt, asking: Asking, *, seed: int, draw: int, notes: Notes) -> Call:
    """The call that asks for a reference or a checklist, as the template's kind says, in words."""
    kind = asking.template.kind.name
    values = {"fence": frame((request(prompt), *texts(notes)), seed, prompt.id, kind, draw).fence}
    return calling(prompt, asking, values, notes, key=[seed, prompt.id, kind, draw], draw=draw)


def calling(
    prompt: Prompt,
    asking: Asking,
    values: Mapping[str, Any],
    notes: Notes,
    *,
    key: list[Any],
    draw: int,
    schema: Mapping[str, Any] | None = None,
) -> Call:
    """The call of one filled template; `key` makes its seed, `draw` counts the times it was asked before."""
    asked = {**values, **notes.values(), "request": request(prompt), "rationale": asking.rationale}
    params = {"max_tokens": asking.max_tokens, "schema": schema, "seed": int(digest(key, size=4), 16) % 2**31}
    return Call(
        endpoint=asking.endpoint,
        model=asking.model,
        messages=seen(asking.template.messages(asked), pictures(prompt)),
        params={
            **{name: value for name, value in params.items() if value is not None},
            **asking.fixed,
            **({"n": asking.samples} if asking.samples > 1 else {}),
        },
        draw=draw,
        tag=Tag(role="judge", prompt_id=prompt.id, variant=asking.template.kind.variant, route=asking.route),
        wishes=asking.wishes,
        room=asking.room,
    )


def framed(prompt: Prompt, comparison: Comparison, *, seed: int, draw: int, notes: Notes | None = None) -> Frame:
    """The labels and fence under which `comparison` is shown."""
    first, second = comparison.first, comparison.second
    quoted = (request(prompt), answer(first), answer(second), *texts(notes or given(prompt)))
    return frame(quoted, seed, prompt.id, first.call_id, first.index, second.call_id, second.index, draw)


def pictures(prompt: Prompt) -> tuple[Mapping[str, Any], ...]:
    """The parts of a prompt that are no text, in order: images, audio, files."""
    contents = [message.get("content") for message in prompt.messages]
    parts = (part for parts in contents if isinstance(parts, list | tuple) for part in parts)
    return tuple(part for part in parts if isinstance(part, Mapping) and not part.get("text"))


def seen(messages: tuple[Message, ...], shown: Sequence[Mapping[str, Any]]) -> tuple[Message, ...]:
    """The chat with what the prompt shows beside its text: the judge sees what the sampler saw."""
    if not shown:
        return messages
    *before, last = messages
    head = {"type": "text", "text": "What the request shows, in order:"}
    return (*before, {**last, "content": [{"type": "text", "text": last["content"]}, head, *shown]})


def texts(notes: Notes) -> tuple[str, ...]:
    """What notes hold, to be quoted."""
    return tuple(text for text in notes.values().values() if text)


def schema(shown: Frame, rationale: Rationale = "none") -> dict[str, Any]:
    """The strict JSON schema of a verdict."""
    return closed({"verdict": {"type": "string", "enum": list(shown.labels)}}, rationale)


def scores_schema(aspects: Sequence[Aspect], rationale: Rationale = "none") -> dict[str, Any]:
    """The strict JSON schema of a score for every aspect."""
    return closed({a.name: {"type": "integer", "enum": list(a.levels)} for a in aspects}, rationale)


def closed(properties: dict[str, Any], rationale: Rationale = "none") -> dict[str, Any]:
    """An object with all of these and nothing else; models fill a schema in the order of its properties."""
    reason = {"rationale": {"type": "string"}}
    if rationale != "none":
        properties = {**reason, **properties} if rationale == "before" else {**properties, **reason}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def request(prompt: Prompt) -> str:
    """The conversation as the judge reads it: a lone user message as it stands, else each turn under its role."""
    if len(prompt.messages) == 1:
        return content(prompt.messages[0])
    return "\n\n".join(f"[{message['role']}]\n{content(message)}" for message in prompt.messages)


def answer(candidate: Candidate) -> str:
    """A candidate as the judge reads it: its text, and its tool calls as JSON."""
    return content(candidate.message()) if candidate.tool_calls else candidate.text


def suspicions(candidate: Candidate) -> tuple[str, ...]:
    """The kinds of a judge's frame that a candidate imitates; it is shown with a mark in each."""
    return neutral(answer(candidate))[1]


def content(message: Message) -> str:
    """The text of a message, content parts joined, tool calls as JSON lines."""
    text = message.get("content") or ""
    if not isinstance(text, str):
        text = "\n".join(str(part.get("text") or f"[{part.get('type')}]") for part in text)
    tools = [json.dumps(tool.get("function", tool), ensure_ascii=False) for tool in message.get("tool_calls") or ()]
    return "\n".join(part for part in (text, *tools) if part)
