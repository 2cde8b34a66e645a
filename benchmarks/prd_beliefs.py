"""What a verdict is worth: P as stated, believed, and pooled; both orders against one (PRD, Vicuna-80, five judges).

A panel of three of them is judged as a run judges by one, in both orders. `--lots 300` prints another table in its
place: what one order loses against both where each pair's order is drawn by lot, and where every answer to a question
stands first as often as second; and the same where a pair's own tie stays a tie, whatever is pooled.

The library's own habits, beliefs and pooling over recorded verdicts. A judge's habits (how often it repeats itself in
the other order, the place it favours) come from the other four fifths of the questions, and no human vote is in any of
them. One order is drawn by lot, `LOTS` times; its figures are means over the lots. "Right at the same number": of the
pairs that people decide, the surest ones, as many as the judge's own comparisons give a side both ways. "Mapped": the
Brier score after calibration, on questions that the map was not fitted on.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import recorded

from judgegen.judge import decide
from judgegen.judge.belief import Habits, believed
from judgegen.records import Candidate, Comparison, Habit, Label, Match, Verdict
from judgegen.trust import Judged, by_vote, fit_map, report

FOLDS, LOTS = 5, 5
KINDS = ("stated", "direct", "pooled")
RULES = ("pooled", "pooled, own ties stay")
PANEL = ("claude", "gpt35", "gpt4")
Found = dict[tuple[int, str, str], Match]


def candidate(question: int, model: str) -> Candidate:
    """A model's answer; its text is of no account here."""
    key = f"{question} {model}"
    return Candidate(prompt_id=str(question), variant=model, index=0, model=model, text=key, finish="stop", call_id=key)


def spoken(label: Label, judge: str) -> Verdict:
    """A verdict that is a label alone."""
    first, second, tie = (float(label == side) for side in ("first", "second", "tie"))
    return Verdict(label=label, p_first=first, p_second=second, p_tie=tie, judge=judge)


def firsts(lot: random.Random, *, balanced: bool) -> set[tuple[str, str]]:
    """Who of every two models stands first: by lot, or so that each does as often as not (five in a ring)."""
    if not balanced:
        return {lot.choice([(a, b), (b, a)]) for a, b in itertools.combinations(recorded.MODELS, 2)}
    ring = lot.sample(recorded.MODELS, len(recorded.MODELS))
    return {(one, ring[(i + step) % len(ring)]) for i, one in enumerate(ring) for step in (1, 2)}


def matches(shown: Mapping[str, recorded.Shown], lot: random.Random | None, *, balanced: bool = False) -> Found:
    """Every couple of every question, before one judge or several: in both orders, or in one by lot."""
    found: Found = {}
    every = set.intersection(*({key for key in one if key[1] < key[2]} for one in shown.values()))
    ahead = {question: firsts(lot, balanced=balanced) for question in sorted({key[0] for key in every})} if lot else {}
    for question, a, b in sorted(every):
        orders = [pair for pair in ((a, b), (b, a)) if lot is None or pair in ahead[question]]
        displays = [
            (
                Comparison(first=candidate(question, x), second=candidate(question, y)),
                spoken(said[question, x, y], judge),
            )
            for x, y in orders
            for judge, said in shown.items()
        ]
        found[question, a, b] = decide.match(candidate(question, a), candidate(question, b), displays)
    return found


def worth(stated: Found, kind: str) -> dict[tuple[int, str, str], float]:
    """P of each couple; habits are of the questions in other folds."""
    questions = sorted({question for question, _, _ in stated})
    folds = {question: i % FOLDS for i, question in enumerate(random.Random(0).sample(questions, len(questions)))}
    if kind == "stated":
        return {key: match.p_of(match.a) or 0.0 for key, match in stated.items()}
    found: dict[tuple[int, str, str], float] = {}
    for fold in range(FOLDS):
        habits = Habits()
        habits.add(match for key, match in stated.items() if folds[key[0]] != fold)
        inside = {key: match for key, match in stated.items() if folds[key[0]] == fold}
        found |= _believed(inside, habits.found(), kind)
    return found


def _believed(stated: Found, habits: Mapping[str, Habit], kind: str) -> dict[tuple[int, str, str], float]:
    direct = {key: believed(match, habits) for key, match in stated.items()}
    if kind == "direct":
        return {key: match.p or 0.0 for key, match in direct.items()}
    found: dict[tuple[int, str, str], float] = {}
    for question, group in itertools.groupby(sorted(direct), key=lambda key: key[0]):
        keys = list(group)
        field = [candidate(question, model) for model in recorded.MODELS]
        ranking = decide.ranking(field, [direct[key] for key in keys], lambda c: c.key, pooled=True)
        found |= {key: round(ranking.p(direct[key].a, direct[key].b), 9) for key in keys}
    if kind == RULES[1]:
        found |= {key: 0.5 for key, match in direct.items() if match.p == 0.5}
    return found


def rows(base: Sequence[Judged], keys: Sequence[tuple[int, str, str]], p: Mapping[Any, float]) -> list[Judged]:
    """The judged rows with another P."""
    return [replace(row, p=p[key], orders=()) for row, key in zip(base, keys, strict=True)]


def at(found: Sequence[Judged], number: int) -> float:
    """The share right of the `number` surest pairs that people decide."""
    decided = sorted(
        (row for row in found if row.human in ("A", "B")), key=lambda row: 0.0 if row.p is None else -abs(row.p - 0.5)
    )
    return sum(row.label == row.human for row in decided[:number]) / number


def best_worst(p: Mapping[tuple[int, str, str], float], human: Mapping[Any, str | None]) -> tuple[int, int]:
    """(Right, counted) of the pairs of best and worst answer by mean P, where people decide."""
    right = counted = 0
    for question in sorted({key[0] for key in p}):
        score = dict.fromkeys(recorded.MODELS, 0.0)
        for (q, a, b), share in p.items():
            if q == question:
                score[a] += share
                score[b] += 1 - share
        ranked = sorted(recorded.MODELS, key=lambda model: (score[model], model))
        worst, best = ranked[0], ranked[-1]
        side = human[question, min(best, worst), max(best, worst)]
        counted += side in ("A", "B")
        right += side == ("A" if best < worst else "B")
    return right, counted


def halves(found: Sequence[Judged]) -> np.ndarray[Any, Any]:
    """(Agreement with ties half, known) per row."""
    table = []
    for row in found:
        known = row.human is not None and row.label is not None
        same, tie = row.human == row.label, "tie" in (row.human, row.label)
        table.append((known * (1.0 if same else 0.5 if tie else 0.0), known))
    return np.array(table, dtype=float)


def difference(
    one: Sequence[Sequence[Judged]], other: Sequence[Sequence[Judged]], resamples: int
) -> tuple[float, float, float]:
    """Agreement (ties half) of one way, the mean over lots, less that of another; 95 % over questions."""
    prompts = sorted({row.prompt_id for row in other[0]})
    place = np.array([prompts.index(row.prompt_id) for row in other[0]])
    tables = np.stack([np.mean([halves(rows_) for rows_ in way], axis=0) for way in (one, other)])
    sums = np.stack([[table[place == i].sum(axis=0) for i in range(len(prompts))] for table in tables])
    drawn = np.random.default_rng(0).integers(len(prompts), size=(resamples, len(prompts)))

    def gap(which: Any) -> Any:
        total = sums[:, which].sum(axis=-2)
        share = total[..., 0] / total[..., 1]
        return share[0] - share[1]

    low, high = np.quantile(gap(drawn), [0.025, 0.975])
    return float(gap(np.arange(len(prompts)))), float(low), float(high)


def study(args: Any) -> list[dict[str, Any]]:
    """Every judge, both orders and one, by every kind of P."""
    base, shown = recorded.prd_rows(args.data), recorded.prd_verdicts(args.data)
    keys = list(recorded.prd_votes(args.data))
    found = []
    votes = base["gpt4"]  # people's, the same of every judge
    human = dict(zip(keys, (row.human for row in votes), strict=True))
    for judges in [*((judge,) for judge in sorted(shown)), PANEL]:
        said = {judge: shown[judge] for judge in judges}
        both = {kind: worth(matches(said, None), kind) for kind in KINDS}
        own = rows(votes, keys, both["direct"])
        sides = sum(row.human in ("A", "B") and row.label in ("A", "B") for row in own)
        for orders, kind in itertools.product(("both", "one") if len(judges) == 1 else ("both",), KINDS):
            lots = [both[kind]]
            if orders == "one":
                lots = [worth(matches(said, random.Random(i)), kind) for i in range(LOTS)]
            tables = [rows(votes, keys, p) for p in lots]
            found.append(
                {"judge": " + ".join(judges), "orders": orders, "kind": kind}
                | _figures(tables, sides, args.resamples)
                | {"best_worst": np.sum([best_worst(p, human) for p in lots], axis=0).tolist()}
                | {"less": difference(tables, [own], args.resamples)}
            )
    return found


def designs(args: Any) -> list[dict[str, Any]]:
    """What one order loses against both orders, direct, for each judge: by lot, in balance, and what balance gains."""
    base, shown = recorded.prd_rows(args.data), recorded.prd_verdicts(args.data)
    keys, votes = list(recorded.prd_votes(args.data)), base["gpt4"]
    found = []
    for judge, rule in itertools.product(sorted(shown), RULES):
        said = {judge: shown[judge]}
        own = rows(votes, keys, worth(matches(said, None), "direct"))
        lot, balance = (
            [
                rows(votes, keys, worth(matches(said, random.Random(i), balanced=balanced), rule))
                for i in range(args.lots)
            ]
            for balanced in (False, True)
        )
        pairs = {"lot": (lot, [own]), "balance": (balance, [own]), "gain": (balance, lot)}
        found.append(
            {"judge": judge, "rule": rule}
            | {name: difference(one, other, args.resamples) for name, (one, other) in pairs.items()}
        )
    return found


def _figures(tables: Sequence[Sequence[Judged]], sides: int, resamples: int) -> dict[str, Any]:
    found = [report(table, resamples=resamples if len(tables) == 1 else 2) for table in tables]
    names = {"brier": "brier", "ece": "ece", "coverage": "coverage"}
    values = {name: np.mean([getattr(one, key).value for one in found]) for name, key in names.items()}
    values["ties_half"] = np.mean([one.accuracy.ties_half.value for one in found])
    values["right"] = np.mean([one.accuracy.non_tie.value for one in found])
    values["mapped"] = np.mean([fit_map(*by_vote(table)).brier_after for table in tables])
    values["same_number"] = np.mean([at(table, sides) for table in tables])
    return {name: float(value) for name, value in values.items()}


def show_designs(found: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """Print what one order loses."""
    if as_json:
        print(json.dumps(found))
        return
    names = ("lot", "balance", "gain")
    recorded.show(
        ("judge", "P", "one by lot less both", "one in balance less both", "balance less lot"),
        [
            (line["judge"], line["rule"], *("{:+.3f} [{:+.3f}, {:+.3f}]".format(*line[name]) for name in names))
            for line in found
        ],
    )


def main() -> None:
    """Print the table."""
    args = recorded.arguments(__doc__, "prd_vicuna80", lots=LOTS)
    if args.lots != LOTS:
        show_designs(designs(args), as_json=args.json)
        return
    found = study(args)
    if args.json:
        print(json.dumps(found))
        return
    recorded.show(
        (
            *("judge", "orders", "P", "Brier", "mapped", "ECE", "ties half", "right", "coverage"),
            *("right at the same number", "best over worst right", "ties half less both orders, direct"),
        ),
        [
            (
                *(line["judge"], line["orders"], line["kind"]),
                *(
                    recorded.number(line[name])
                    for name in ("brier", "mapped", "ece", "ties_half", "right", "coverage", "same_number")
                ),
                f"{line['best_worst'][0] / line['best_worst'][1]:.3f}",
                "{:+.3f} [{:+.3f}, {:+.3f}]".format(*line["less"]),
            )
            for line in found
        ],
    )


if __name__ == "__main__":
    main()
