"""Which comparisons to ask people about: `review --by informative` against uncertain and random, on recorded votes.

    python benchmarks/informative.py --data ../shared/data

PRD on Vicuna-80: five judges, 40 questions, the comparisons that people decide. Comparisons are asked `STEP` at a time;
one that was asked gets the majority's label, the others keep the judge's (its pooled P). The table has the share of all
labels that agree with the people after so many were asked, the mean over `LOTS` lots, and what informative gained on
the two others, with 95 % intervals over questions.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import recorded

from judgegen.judge.bradley_terry import Bout, fit
from judgegen.review.informative import informative
from judgegen.review.queue import Queued, queue
from judgegen.train.held import figure, less
from judgegen.trust.figures import Figure

STEP, LOTS = 20, 5
ASKED = (0, 40, 80, 120, 160)
WAYS: tuple[Literal["random", "uncertain", "informative"], ...] = ("random", "uncertain", "informative")
_SHARE = {"first": 1.0, "second": 0.0, "tie": 0.5}


def items(data: Path, judge: str) -> tuple[list[Queued], dict[str, str]]:
    """Comparisons as a review has them, and what most people say of each."""
    shown, lengths = recorded.prd_verdicts(data)[judge], recorded.prd_lengths(data)
    places = {model: number for number, model in enumerate(recorded.MODELS)}
    by_question: dict[int, list[tuple[str, str, str]]] = defaultdict(list)
    for (question, a, b), votes in recorded.prd_votes(data).items():
        lead = votes.count("A") - votes.count("B")
        by_question[question].append((a, b, "A" if lead > 0 else "B" if lead < 0 else "tie"))
    found: list[Queued] = []
    people: dict[str, str] = {}
    for question, couples in by_question.items():
        orders = {(a, b): (_SHARE[shown[question, a, b]], 1 - _SHARE[shown[question, b, a]]) for a, b, _ in couples}
        bouts = [Bout(first=places[a], second=places[b], share=sum(each) / 2) for (a, b), each in orders.items()]
        strengths = fit(len(places), bouts)
        for a, b, said in couples:
            if said != "tie":
                name = f"{question} {a} {b}"
                one, other = orders[a, b]
                people[name] = said
                found.append(
                    Queued(
                        id=name,
                        prompt_id=str(question),
                        messages=(),
                        a="x" * lengths[question, a],
                        b="x" * lengths[question, b],
                        p=strengths.p(places[a], places[b]),
                        conflict=one != other,
                    )
                )
    return found, people


def curve(found: Sequence[Queued], people: Mapping[str, str], way: str, seed: int) -> dict[int, dict[str, float]]:
    """After so many that were asked: of each question the share of labels that agree."""
    lines: list[dict[str, Any]] = []
    curves: dict[int, dict[str, float]] = {}
    for asked in range(0, ASKED[-1] + 1, STEP):
        known = {line["id"] for line in lines}
        if asked in ASKED:
            shares: dict[str, list[float]] = defaultdict(list)
            for item in found:
                shares[item.prompt_id].append(1.0 if item.id in known else _agrees(item, people[item.id]))
            curves[asked] = {question: float(np.mean(values)) for question, values in shares.items()}
        left = [item for item in found if item.id not in known]
        if way == "informative":
            chosen = informative(found, STEP, lines, seed)
        else:
            chosen = queue(left, STEP, "random" if way == "random" else "uncertain", seed)
        lines += [{"id": item.id, "annotator": "people", "winner": people[item.id]} for item in chosen]
    return curves


def _agrees(item: Queued, said: str) -> float:
    assert item.p is not None
    return 0.5 if abs(item.p - 0.5) < 1e-9 else float((item.p > 0.5) == (said == "A"))


def study(data: Path) -> dict[str, Any]:
    """Every judge's curves, and all judges' together, question by question."""
    every: dict[str, Mapping[str, Mapping[int, dict[str, float]]]] = {}
    for judge in recorded.MODELS:
        found, people = items(data, judge)
        every[judge] = {way: _pooled([curve(found, people, way, seed) for seed in range(LOTS)]) for way in WAYS}
    together: dict[str, Mapping[int, dict[str, float]]] = {
        way: _pooled([every[judge][way] for judge in recorded.MODELS]) for way in WAYS
    }
    every["all five"] = together
    return {judge: _told(curves) for judge, curves in every.items()}


def _pooled(curves: Sequence[Mapping[int, dict[str, float]]]) -> dict[int, dict[str, float]]:
    return {asked: _each([one[asked] for one in curves]) for asked in ASKED}


def _each(shares: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {question: float(np.mean([one[question] for one in shares])) for question in shares[0]}


def _told(curves: Mapping[str, Mapping[int, dict[str, float]]]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for asked in ASKED:
        shares: dict[str, Any] = {way: float(np.mean(list(curves[way][asked].values()))) for way in WAYS}
        apart: dict[str, Any] = {
            f"more than {other}": figure(less(curves["informative"][asked], curves[other][asked]), 0, kind="free")
            for other in ("random", "uncertain")
        }
        rows.append({"asked": asked} | shares | apart)
    return rows


def said(one: Figure) -> str:
    """A difference of shares with its interval, in points."""
    if one.value is None or one.low is None or one.high is None:
        return "0" if one.value == 0 else "-"
    return f"{100 * one.value:+.1f} [{100 * one.low:.1f}, {100 * one.high:.1f}]"


def main() -> None:
    """Print the table."""
    args = recorded.arguments(__doc__, "prd_vicuna80")
    found = study(args.data)
    if args.json:
        print(json.dumps(found, default=lambda one: one.to_dict()))
        return
    header = ("judge", "asked", *WAYS, "more than random", "more than uncertain")
    recorded.show(
        header,
        [
            (judge, row["asked"], *(f"{row[way]:.3f}" for way in WAYS), *(said(row[key]) for key in header[-2:]))
            for judge, rows in found.items()
            for row in rows
        ],
    )


if __name__ == "__main__":
    main()
