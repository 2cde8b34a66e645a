"""Builds a prompt into the calls that draw its candidates.

Every random choice is a function of (seed, prompt id, variant): nothing depends on the order of arrival. Knows nothing
of the run file, the journal or what becomes of the answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from judgegen.llm.calls import Call, Message, Tag, digest
from judgegen.records import Prompt

Drawn = float | tuple[float, float]
"""A setting: a number, or (low, high) from which one is drawn per prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A variant, resolved: where to ask, and how. What is None is not sent.

    Attributes:
        n: candidates that are drawn of every prompt.
        most: that may be drawn of one; those beyond `n` one at a time. 0: no more than `n`.
    """

    name: str
    n: int
    route: str
    endpoint: str
    model: str
    max_tokens: int
    most: int = 0
    in_one_call: bool = False
    drawn: Mapping[str, Drawn] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    system: str | None = None


def calls(prompt: Prompt, settings: tuple[Setting, ...], seed: int) -> tuple[Call, ...]:
    """One call per candidate, variants in order, n of each; or one for all n of a variant asked for in one call."""
    return tuple(
        _call(prompt, setting, index, seed)
        for setting in settings
        for index in range(1 if setting.in_one_call else setting.n)
    )


def missing(prompt: Prompt, settings: tuple[Setting, ...], seed: int, got: Mapping[str, int]) -> tuple[Call, ...]:
    """The calls for candidates that a variant asked for in one call did not get, each by itself.

    `got` says how many choices came per variant: some endpoints ignore `n` and answer once.
    """
    single = [replace(setting, in_one_call=False) for setting in settings if setting.in_one_call]
    return tuple(
        _call(prompt, setting, index, seed) for setting in single for index in range(got[setting.name], setting.n)
    )


def further(prompt: Prompt, settings: tuple[Setting, ...], seed: int) -> tuple[Call, ...]:
    """The calls for candidates beyond those drawn at first, in the order of drawing: variant by variant."""
    single = [replace(setting, in_one_call=False) for setting in settings]
    return tuple(_call(prompt, setting, index, seed) for setting in single for index in range(setting.n, setting.most))


def _call(prompt: Prompt, setting: Setting, index: int, seed: int) -> Call:
    params: dict[str, Any] = {"max_tokens": setting.max_tokens, **setting.fixed}
    for name, value in setting.drawn.items():
        params[name] = draw(value, seed, prompt.id, setting.name, name)
    params["seed"] = _number(seed, prompt.id, setting.name, index) % 2**31
    if setting.in_one_call:
        params["n"] = setting.n
    if prompt.tools:
        params["tools"] = [dict(tool) for tool in prompt.tools]
    return Call(
        endpoint=setting.endpoint,
        model=setting.model,
        messages=with_system(prompt.messages, setting.system),
        params=params,
        draw=index,
        tag=Tag(role="sampler", prompt_id=prompt.id, variant=setting.name, route=setting.route),
        wishes=frozenset({"seed", "n"}),
    )


def draw(value: Drawn, *key: object) -> float:
    """`value` itself, or a number between its ends that depends on `key` alone (4 decimals, uniform)."""
    if not isinstance(value, tuple):
        return value
    low, high = value
    return round(low + (high - low) * (_number(*key) / 2**64), 4)


def _number(*key: object) -> int:
    return int(digest(list(key), size=8), 16)


def with_system(messages: tuple[Message, ...], system: str | None) -> tuple[Message, ...]:
    """The chat under a variant's system prompt; a prompt's own system message keeps its place before it."""
    if system is None:
        return messages
    if messages[0]["role"] in ("system", "developer") and isinstance(messages[0]["content"], str):
        own = {**messages[0], "content": f"{messages[0]['content']}\n\n{system}"}
        return (own, *messages[1:])
    return ({"role": "system", "content": system}, *messages)
