"""What rounds come to on prompts that none of them trained on: right by a grader, better by the judge, longer or not.

Reads the audits of runs in which each round is a variant: one, or one for each time that every prompt was answered.
Knows nothing of training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from judgegen.judge.graders import Grader, GraderFailed
from judgegen.records import Candidate, Prompt
from judgegen.report.comparing import heard
from judgegen.report.tables import Tables
from judgegen.trust.bootstrap import Kind, Measure, figures, ratio
from judgegen.trust.figures import Figure

RESAMPLES, CONFIDENCE = 2000, 0.95
CUT = "truncated"
ALIKE = ("identical", "near-identical")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wins:
    """One round against another before the judge, both orders of every comparison averaged.

    Attributes:
        rate: its share of the wins, ties half; answers of one text are a tie.
        judged, alike, unjudged: answers compared, those with one text from both, those of which nobody could say.
        longer: the mean of its answer's share of both lengths, less one half: what it gained in length.
    """

    rate: Figure
    judged: int
    alike: int
    unjudged: int
    longer: float | None

    def row(self) -> dict[str, Any]:
        """JSON-able."""
        counts = {"judged": self.judged, "alike": self.alike, "unjudged": self.unjudged, "longer": self.longer}
        return {"rate": self.rate.to_dict(), **counts}


def name(number: int) -> str:
    """The variant that a round's answers stand under."""
    return f"round-{number}"


def drawn_in(out: Path, draw: int) -> Path:
    """The folder of the answers to the held-out prompts that were drawn first (0), or again."""
    return out / ("held" if draw == 0 else f"held-{draw + 1}")


class Look:
    """One run over the held-out prompts, read: an answer of each round to each."""

    def __init__(self, folder: Path) -> None:
        tables = Tables(folder)
        self._prompts = {row["prompt_id"]: row for row in tables.prompts}
        self._answers = {(row["prompt_id"], row["variant"]): row for row in tables.candidates}
        self._heard = dict(heard(tables))
        self.diagnostics: Mapping[str, Any] = tables.summary["diagnostics"]

    def compared(self, one: int, other: int) -> tuple[dict[str, float], int, list[float]]:
        """By prompt P(round `one` is better); how many are of one text; its shares of both lengths, less a half."""
        shares: dict[str, float] = {}
        lengths: list[float] = []
        alike = 0
        for prompt in self._prompts:
            a, b = (self._answers.get((prompt, name(number))) for number in (one, other))
            if a is None or b is None:
                continue
            share = self._share(prompt, a, b)
            if share is not None:
                shares[prompt] = share
                alike += _said(a) == _said(b)
                whole = len(_said(a)) + len(_said(b))
                lengths += [len(_said(a)) / whole - 0.5] if whole else []
        return shares, alike, lengths

    def _share(self, prompt: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> float | None:
        """P(the first is better); None where neither the judge nor a score says it."""
        one, other = _said(a), _said(b)
        if one == other:
            return 0.5
        first, second = sorted((one, other))
        if (p := self._heard.get((prompt, first, second))) is not None:
            return p if one == first else 1 - p
        if self._heard or a["score"] is None or b["score"] is None:
            return None
        return 0.5 if a["score"] == b["score"] else float(a["score"] > b["score"])

    def graded(self, number: int, grader: Grader) -> dict[str, float]:
        """The grader's score of a round's answer to each prompt, where it gives one."""
        scores = {prompt: self._grade(prompt, number, grader) for prompt in self._prompts}
        return {prompt: score for prompt, score in scores.items() if score is not None}

    def cut(self, number: int) -> list[bool]:
        """Of each of a round's answers, whether it did not come to its end."""
        return [row["refused"] == CUT for (_, variant), row in self._answers.items() if variant == name(number)]

    def __len__(self) -> int:
        """Prompts."""
        return len(self._prompts)

    def _grade(self, prompt: str, number: int, grader: Grader) -> float | None:
        row, about = self._answers.get((prompt, name(number))), self._prompts[prompt]
        if row is None:
            return None
        asked = Prompt(id=prompt, messages=(), reference=about.get("reference"))
        said = Candidate(
            prompt_id=prompt, variant=row["variant"], index=0, model="", text=_said(row), finish="stop", call_id=""
        )
        try:
            return grader(asked, said)
        except GraderFailed:
            return None


class Held:
    """What every round answered to the held-out prompts, once for each of the folders; figures are over prompts.

    Where a prompt was answered several times, the mean of its answers is its value: many answers to one prompt are no
    more prompts than one.
    """

    def __init__(self, *folders: Path) -> None:
        self._draws = [Look(folder) for folder in folders]
        self.diagnostics = self._draws[0].diagnostics

    @classmethod
    def of(cls, out: Path) -> Held:
        """What the rounds of a folder answered, however often."""
        draws = len(list(out.glob("held-*")))
        return cls(*(drawn_in(out, draw) for draw in range(draws + 1)))

    def wins(self, one: int, other: int, *, seed: int) -> Wins:
        """Round `one` against round `other`."""
        found = [draw.compared(one, other) for draw in self._draws]
        shares, lengths = means([shares for shares, _, _ in found]), [x for *_, lengths in found for x in lengths]
        known, alike = sum(len(shares) for shares, *_ in found), sum(alike for _, alike, _ in found)
        return Wins(
            rate=figure(shares, seed) if shares else Figure(),
            judged=known - alike,
            alike=alike,
            unjudged=sum(map(len, self._draws)) - known,
            longer=sum(lengths) / len(lengths) if lengths else None,
        )

    def right(self, number: int, grader: Grader, *, seed: int) -> Figure:
        """The mean of the grader's scores of a round's answers; one that is cut or empty is graded as it stands."""
        found = self.graded(number, grader)
        return figure(found, seed) if found else Figure()

    def gained(self, one: int, other: int, grader: Grader, *, seed: int) -> Figure:
        """The mean of what round `one` scores more than round `other`, prompt by prompt."""
        found = less(self.graded(one, grader), self.graded(other, grader))
        return figure(found, seed, kind="free") if found else Figure()

    def graded(self, number: int, grader: Grader) -> dict[str, float]:
        """The mean of the grader's scores of a round's answers to each prompt, of those that it scores."""
        return means([draw.graded(number, grader) for draw in self._draws])

    def cut(self, number: int) -> float | None:
        """The share of a round's answers that did not come to their end."""
        found = [one for draw in self._draws for one in draw.cut(number)]
        return sum(found) / len(found) if found else None


def _said(row: Mapping[str, Any]) -> str:
    return row["text"] or ""


def means(values: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Of each prompt the mean over those that have it."""
    prompts = dict.fromkeys(prompt for one in values for prompt in one)
    found = {prompt: [one[prompt] for one in values if prompt in one] for prompt in prompts}
    return {prompt: sum(each) / len(each) for prompt, each in found.items()}


def less(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    """What the one is above the other, on each prompt that both have."""
    return {prompt: value - other[prompt] for prompt, value in one.items() if prompt in other}


def figure(values: Mapping[str, float], seed: int, kind: Kind = "share") -> Figure:
    """Their mean with its interval over prompts."""
    columns = {"sum": np.array(list(values.values()), dtype=np.float64), "n": np.ones(len(values))}
    measure = Measure(of=ratio("sum", "n"), evidence="n", kind=kind)
    groups: Sequence[str] = list(values)
    found = figures(columns, {"mean": measure}, groups, seed=seed, resamples=RESAMPLES, confidence=CONFIDENCE)
    return found["mean"]
