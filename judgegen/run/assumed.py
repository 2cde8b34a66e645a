"""How many tokens answers have that nobody has seen yet: from the run file, or assumed and said so.

Lengths of single answers spread about as an exponential distribution of some mean does, so a limit L cuts that mean to
mean * (1 - exp(-L / mean)). What is not known of a job is its mean: those here are the 2.5 %, middle and 97.5 % ones
over models and kinds of prompts. benchmarks/estimate_interval.py holds them against recorded answers.
"""

from __future__ import annotations

from dataclasses import replace
from math import exp

from judgegen.judge.build import Asking
from judgegen.llm import models
from judgegen.llm.guess import Key, Length
from judgegen.pipeline import Plan
from judgegen.sampler.build import Setting
from judgegen.spec import Spec

Means = tuple[float, float, float]
"""Tokens: low, expected and high of what a job's mean may be."""

ANSWER: Means = (85, 280, 800)
THOUGHT: Means = (275, 820, 2350)
"""Of a model that thinks with no effort named, or a medium one."""
CUT = 0.12
"""The most that a limit is assumed to cut off: who sets a low one expects short answers."""
LITTLE, MUCH = 1 / 3, 2.5
"""Times that of an effort below and above it."""
_LITTLE, _MUCH = ("minimal", "low"), ("high", "xhigh", "max")


def lengths(spec: Spec, plan: Plan) -> dict[Key, Length]:
    """A length for every kind of call."""
    found: dict[Key, Length] = {}
    variants = {variant.name: variant for variant in spec.sampler.variants}  # a plan may have fewer
    for setting in plan.settings:
        variant = variants[setting.name]
        stated = variant.expected_output_tokens or spec.sampler.expected_output_tokens
        key = ("sampler", setting.route, setting.model, setting.name)
        found[key] = _stated(stated, setting.max_tokens) if stated else _candidate(setting)
    for asking in plan.judges:
        found["judge", asking.route, asking.model, asking.template.kind.variant] = _opinion(spec, asking)
    return found


def _stated(tokens: int, limit: int) -> Length:
    basis = f"expected_output_tokens = {tokens}; half to twice that"
    return Length(low=tokens / 2, expected=tokens, high=min(2 * tokens, limit), basis=basis)


def _candidate(setting: Setting) -> Length:
    found = _answer(setting.model, setting.fixed.get("reasoning_effort"), setting.max_tokens)
    return replace(found, cut_low=min(CUT, _beyond(setting.max_tokens, ANSWER[1])))


def _beyond(limit: int, mean: float) -> float:
    """The share of answers beyond the limit: those that are compared spread less than an exponential's (gamma of 2)."""
    return (1 + 2 * limit / mean) * exp(-2 * limit / mean)


def _opinion(spec: Spec, asking: Asking) -> Length:
    """What a judge's call comes to; `expected_output_tokens` is about verdicts and scores."""
    if asking.api != "chat":
        return Length(low=0.0, expected=0.0, high=0.0, basis="none: probabilities are no tokens", asked_again_high=0.05)
    writes, limit = asking.template.kind.returns == "text", asking.max_tokens
    if (stated := spec.judge.expected_output_tokens) and not writes:
        return _stated(stated, limit)
    effort, whole = asking.fixed.get("reasoning_effort"), limit + asking.room
    if writes:
        return _answer(asking.model, effort, whole)
    aspects, aloud = len(asking.template.aspects), asking.rationale != "none"
    places = sum(variant.most for variant in spec.sampler.variants) if asking.template.kind.returns == "ranking" else 0
    said = _verdict(places or aspects, aloud=aloud)
    what = f"a ranking of {places}" if places else f"{aspects} scores" if aspects else "a verdict"
    return _cut(said, _thought(asking.model, effort), whole, what + (" with its rationale" if aloud else ""))


def _answer(model: str, effort: str | None, limit: int) -> Length:
    return _cut(ANSWER, _thought(model, effort), limit, "an answer")


def _verdict(aspects: int, *, aloud: bool) -> Means:
    """A label, or a score for each of some aspects, as JSON; some sentences before it where they are asked for."""
    parts, said = max(1, aspects), (35, 80, 200) if aloud else (0, 0, 0)
    return (5 * parts + said[0], 10 * parts + said[1], 24 * parts + said[2])


def _thought(model: str, effort: str | None) -> Means | None:
    """What a model thinks before it answers; None where it does not."""
    if not models.thinks(model, effort):
        return None
    times = LITTLE if effort in _LITTLE else MUCH if effort in _MUCH else 1
    return (THOUGHT[0] * times, THOUGHT[1] * times, THOUGHT[2] * times)


def _cut(said: Means, thought: Means | None, limit: int, what: str) -> Length:
    """The means of words and thought together, as a limit leaves them."""
    low, expected, high = (
        _mean(words + more, limit) for words, more in zip(said, thought or (0.0, 0.0, 0.0), strict=True)
    )
    whose = " of a model that thinks" if thought else ""
    basis = f"assumed: {what}{whose} has {low:.0f} to {high:.0f} tokens on average, {expected:.0f} expected"
    return Length(low=low, expected=expected, high=high, basis=f"{basis}, of at most {limit}")


def _mean(tokens: float, limit: int) -> float:
    """The mean length of answers that would have `tokens` on average without the limit."""
    return tokens * (1 - exp(-limit / tokens))
