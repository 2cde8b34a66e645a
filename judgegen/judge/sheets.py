"""Typed questions for a decision model: a prompt's answers on one shared input, its comparisons as questions about it.

A sheet is one input: answers in the order in which they are shown, and which two of them each question names. What is
wanted in both orders stands on two sheets, the second with the answers in reverse, so that request and answers are sent
twice and not once for each comparison. Where answers are many or long they stand on more sheets, fewer on each.

Labels are letters drawn per call, one for each answer; what the model gives is P(first), P(second), P(tie) as they
come. Pure; knows nothing of who answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from judgegen.judge import build, read
from judgegen.judge.build import Asking, Notes
from judgegen.judge.guard import Frame, frame, letters, neutral
from judgegen.judge.score import Heard
from judgegen.llm import ends
from judgegen.llm.calls import Call, Choice, Failure, Outcome, Tag
from judgegen.records import Candidate, Comparison, Prompt, Unreadable, Verdict
from judgegen.templates import Aspect

MOST_ANSWERS = 6
"""On one sheet: with more, an input that a server cuts could lose its middle in both orders without a sign of it."""
MOST_CHARACTERS = 60_000
"""Of the answers on one sheet, unless two alone have more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """One input. `shown` are its answers in their order; of each comparison the first stands before the second."""

    shown: tuple[Candidate, ...]
    comparisons: tuple[Comparison, ...]


def sheets(displays: Sequence[Comparison], lot: Callable[[Candidate], str], most: int = MOST_ANSWERS) -> list[Sheet]:
    """The fewest sheets that hold every display, as far as a greedy choice finds them; `lot` says who stands first.

    Which sheets they are depends on lots alone, never on the order of the displays.
    """
    found: list[Sheet] = []
    for onward in (True, False):
        left = [one for one in displays if (lot(one.first) < lot(one.second)) is onward]
        left.sort(key=lambda one: sorted((lot(one.first), lot(one.second))))
        while left:
            group = _group(left, most)
            on = [one for one in left if one.first.key in group and one.second.key in group]
            left = [one for one in left if one not in on]
            shown = sorted(group.values(), key=lot, reverse=not onward)
            found.append(Sheet(shown=tuple(shown), comparisons=tuple(on)))
    return found


def _group(left: Sequence[Comparison], most: int) -> dict[str, Candidate]:
    """The answers of the first display, and of further ones as long as there is room: those that need the least first.

    All answers of the displays go together where they fit.
    """
    group: dict[str, Candidate] = {}
    ahead = list(left)
    while ahead:
        wider = [group | {c.key: c for c in (one.first, one.second)} for one in ahead]
        place = min(range(len(ahead)), key=lambda i: (len(wider[i]), i))
        if group and not _fits(wider[place], most):
            break
        group = wider[place]
        ahead.pop(place)
    return group


def _fits(group: Mapping[str, Candidate], most: int) -> bool:
    return len(group) <= most and sum(len(build.answer(one)) for one in group.values()) <= MOST_CHARACTERS


def call(prompt: Prompt, sheet: Sheet, asking: Asking, *, seed: int, draw: int, notes: Notes) -> Call:
    """The call that shows a sheet and asks of every two that are named on it."""
    frames = framed(prompt, sheet, seed=seed, draw=draw, notes=notes)
    labels = _labels(prompt, sheet, seed, draw)
    answers = [{"label": labels[one.key], "text": neutral(build.answer(one))[0]} for one in sheet.shown]
    values = {"answers": answers, "fence": frames[0].fence}
    return _asking(prompt, asking, values, notes, [_comparing(one) for one in frames], draw=draw)


def framed(prompt: Prompt, sheet: Sheet, *, seed: int, draw: int, notes: Notes) -> list[Frame]:
    """The labels and fence under which each comparison of a sheet is asked."""
    quoted = (build.request(prompt), *map(build.answer, sheet.shown), *build.texts(notes))
    fence = frame(quoted, *_key(prompt, sheet, seed, draw)).fence
    labels = _labels(prompt, sheet, seed, draw)
    return [Frame(first=labels[one.first.key], second=labels[one.second.key], fence=fence) for one in sheet.comparisons]


def _labels(prompt: Prompt, sheet: Sheet, seed: int, draw: int) -> dict[str, str]:
    drawn = letters(len(sheet.shown), *_key(prompt, sheet, seed, draw))
    return {one.key: label for one, label in zip(sheet.shown, drawn, strict=True)}


def _key(prompt: Prompt, sheet: Sheet, seed: int, draw: int) -> list[object]:
    return ["sheet", seed, prompt.id, *((one.call_id, one.index) for one in sheet.shown), draw]


def _comparing(shown: Frame) -> dict[str, Any]:
    """The question which of two is the better; the options stand in display order, the tie last.

    It is short: a prompt has many of them, and the input says what better means, and what a tie is.
    """
    return {
        "name": f"{shown.first}_{shown.second}",
        "type": "choice",
        "instructions": f"Which is better, answer {shown.first} or answer {shown.second}?",
        "options": [{"value": value} for value in shown.labels],
    }


def scoring(prompt: Prompt, candidate: Candidate, asking: Asking, *, seed: int, draw: int, notes: Notes) -> Call:
    """The call that shows one answer and asks for a score of each aspect, and of each predicate whether it is so."""
    aspects = asking.template.aspects
    quoted = (build.request(prompt), build.answer(candidate), *build.texts(notes))
    values = {
        "answer": neutral(build.answer(candidate), frozenset(one.name for one in aspects))[0],
        "aspects": [one for one in aspects if one.asked == "score"],
        "fence": frame(quoted, seed, prompt.id, candidate.call_id, candidate.index, draw).fence,
    }
    return _asking(prompt, asking, values, notes, [_rating(one) for one in aspects], draw=draw)


def _rating(aspect: Aspect) -> dict[str, Any]:
    if aspect.asked == "predicate":
        options = [{"value": str(level)} for level in aspect.levels]
        return {"name": aspect.name, "type": "predicate", "instructions": aspect.question, "options": options}
    levels = zip(aspect.levels, aspect.anchors, strict=True)
    return {
        "name": aspect.name,
        "type": "score",
        "instructions": aspect.question or f"How good is the answer's {aspect.name}?",
        "options": [{"value": str(level), "description": anchor} for level, anchor in levels],
    }


def _asking(
    prompt: Prompt,
    asking: Asking,
    values: Mapping[str, Any],
    notes: Notes,
    questions: list[dict[str, Any]],
    *,
    draw: int,
) -> Call:
    asked = {**values, **notes.values(), "request": build.request(prompt), "rationale": "none"}
    return Call(
        endpoint=asking.endpoint,
        model=asking.model,
        messages=build.seen(asking.template.messages(asked), build.pictures(prompt)),
        params={"api": asking.api, "questions": questions, **asking.fixed},
        draw=draw,
        tag=Tag(role="judge", prompt_id=prompt.id, variant=asking.template.kind.variant, route=asking.route),
    )


def verdicts(asked: Call, outcome: Outcome, shown: Sequence[Frame], asking: Asking) -> list[Verdict | Unreadable]:
    """The verdict on each comparison of a sheet, in display order."""
    return [
        read.verdict(asked, _alone(outcome, i), one, judge=asking.name, weight=asking.weight)
        for i, one in enumerate(shown)
    ]


_NOTHING = Choice(text="", finish="malformed_response")


def _alone(outcome: Outcome, place: int) -> Outcome:
    """What was answered to one question."""
    if isinstance(outcome, Failure):
        return outcome
    return replace(outcome, choices=(outcome.choices[place] if place < len(outcome.choices) else _NOTHING,))


def heard(outcome: Outcome, aspects: Sequence[Aspect]) -> list[Heard | str]:
    """The scores of one answer, or why they cannot be read: without one of the aspects there are none."""
    if isinstance(outcome, Failure):
        return [outcome.reason]
    means, variances = dict[str, float](), dict[str, float]()
    for place, aspect in enumerate(aspects):
        choice = outcome.choices[place] if place < len(outcome.choices) else _NOTHING
        if ends.why_cut(choice.finish) is not None:
            return [read.why(choice)]
        shares = read.shares(choice, tuple(map(str, aspect.levels)))
        if shares is None:
            return ["off-the-scale"]
        mean = sum(level * p for level, p in zip(aspect.levels, shares, strict=True))
        means[aspect.name] = mean
        variances[aspect.name] = sum(p * (level - mean) ** 2 for level, p in zip(aspect.levels, shares, strict=True))
    return [Heard(means=means, variances=variances)]
