"""A judge's scores beside people's ratings of the same answers: rank correlation within a prompt, and its ceiling.

What people say of an answer is the mean over raters of each one's mean over the criteria. Pure; knows nothing of files
or of who judged.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from judgegen.trust.between import Scores, mean_tau, within
from judgegen.trust.figures import Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Rating:
    """What one rater gave an answer, by criterion; `rater` is None where no name is known."""

    rater: str | None = None
    marks: Mapping[str, float]

    def mark(self, criterion: str | None) -> float | None:
        """Of that criterion, or the mean of all; None where nothing finite was given."""
        wanted = self.marks.values() if criterion is None else [self.marks.get(criterion, math.nan)]
        found = [mark for mark in wanted if math.isfinite(mark)]
        return math.fsum(found) / len(found) if found else None


Ratings = Mapping[tuple[str, str], Sequence[Rating]]
"""By a prompt's id and an answer's text what its raters gave it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """How far a judge's scores rank the answers to a prompt as people's ratings do.

    Attributes:
        tau: Kendall's tau-b within a prompt, the mean over prompts in which both tell answers apart.
        ceiling: the same of one rater against the mean of the others, over answers with two raters or more.
        prompts, answers: that tau rests on.
        left_out: prompts with ratings in which nothing can be ranked: fewer than two answers that both the judge and
            people scored, or all alike to one of them.
        criteria: the same by criterion, of those that an aspect of the judge's rubric is named like.
    """

    tau: Figure
    ceiling: Figure
    prompts: int
    answers: int
    left_out: int
    criteria: Mapping[str, Ranks] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; a criterion has no criteria."""
        own = {
            "tau": self.tau.to_dict(),
            "ceiling": self.ceiling.to_dict(),
            "prompts": self.prompts,
            "answers": self.answers,
            "left_out": self.left_out,
        }
        if not self.criteria:
            return own
        return {**own, "criteria": {name: one.to_dict() for name, one in self.criteria.items()}}


def rated(scores: Scores, ratings: Ratings, aspects: Mapping[str, Scores], *, resamples: int = 1000) -> Ranks:
    """The judge's scores against all criteria, and those of each aspect against the criterion of that name.

    Args:
        scores: the judge's of each answer, higher is better.
        ratings: people's; the answers of a prompt are ranked among themselves alone.
        aspects: by criterion the judge's scores of that aspect.
        resamples: of prompts, for the intervals.

    Raises:
        SpecError: SciPy is not installed.
    """
    criteria = {name: _ranks(by, ratings, name, resamples) for name, by in sorted(aspects.items())}
    return replace(_ranks(scores, ratings, None, resamples), criteria=criteria)


def _ranks(scores: Scores, ratings: Ratings, criterion: str | None, resamples: int) -> Ranks:
    marked = {key: found for key, given in ratings.items() if (found := _marked(given, criterion))}
    people = {key: _mean([mark for _, mark in given]) for key, given in marked.items()}
    taus = within(scores, people)
    shared = [key for key in people if key in scores and math.isfinite(scores[key])]
    judged = {key: given for key, given in marked.items() if key in shared} if shared else marked
    return Ranks(
        tau=mean_tau(taus, resamples=resamples),
        ceiling=mean_tau(_ceilings(judged), resamples=resamples),
        prompts=len(taus),
        answers=sum(prompt in taus for prompt, _ in shared),
        left_out=len({prompt for prompt, _ in people} - taus.keys()),
    )


Marked = list[tuple[str | None, float]]


def _marked(given: Sequence[Rating], criterion: str | None) -> Marked:
    return [(one.rater, mark) for one in given if (mark := one.mark(criterion)) is not None]


def _mean(marks: Sequence[float]) -> float:
    """Rounded, so that sums taken in another order are no other rank."""
    return round(math.fsum(marks) / len(marks), 9)


def _ceilings(marked: Mapping[tuple[str, str], Marked]) -> dict[str, float]:
    """By prompt the mean over its raters of the tau of one against the others' mean."""
    prompts: defaultdict[str, dict[str, Marked]] = defaultdict(dict)
    for (prompt, text), given in marked.items():
        if len(given) > 1:
            prompts[prompt][text] = given
    found = {prompt: _of_raters(prompt, answers) for prompt, answers in prompts.items()}
    return {prompt: math.fsum(taus) / len(taus) for prompt, taus in sorted(found.items()) if taus}


def _of_raters(prompt: str, answers: Mapping[str, Marked]) -> list[float]:
    lined = {text: _lined(prompt, text, given, crossed=_crossed(answers)) for text, given in answers.items()}
    return list(_taus(prompt, lined))


def _crossed(answers: Mapping[str, Marked]) -> bool:
    """Whether the same people, by name, rated all of the answers, each of them once."""
    who = [[rater for rater, _ in given] for given in answers.values()]
    return all(None not in one and len(set(one)) == len(one) and set(one) == set(who[0]) for one in who)


def _lined(prompt: str, text: str, given: Marked, *, crossed: bool) -> list[float]:
    """An answer's marks, so that those in one place are of one rater: of one person, or by a lot that is their own.

    The lot is of what was given and not of where it stood, so rows in another order give the same.
    """
    if crossed:
        return [mark for _, mark in sorted(given, key=lambda one: one[0] or "")]
    lot = random.Random(f"{prompt}\0{text}")  # noqa: S311 - a lot that must be the same again, no secret
    marks = [mark for _, mark in sorted(given, key=lambda one: (one[1], one[0] or ""))]
    lot.shuffle(marks)
    return marks


def _taus(prompt: str, lined: Mapping[str, list[float]]) -> Iterator[float]:
    for place in range(max(map(len, lined.values()))):
        one = {(prompt, text): marks[place] for text, marks in lined.items() if place < len(marks)}
        rest = {
            (prompt, text): _mean([*marks[:place], *marks[place + 1 :]])
            for text, marks in lined.items()
            if place < len(marks)
        }
        yield from within(one, rest).values()
