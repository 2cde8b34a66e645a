"""Best and worst of five by min-max, against a full round robin, on recorded verdicts (PRD, Vicuna-80).

For every question a schedule names a best and a worst of the five answers; the pair is right when the human majority
prefers the former (questions where that pair has no human majority for a side do not count). Which answers meet first,
which of the two orders is asked and how a tie falls are drawn by lot, `DRAWS` times per question; accuracies are means
over the draws, intervals a bootstrap over questions. A call is one verdict in one order.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import recorded

from judgegen.trust import Vote, majority

DRAWS = 200
Prefer = Callable[[str, str], float]
"""The first one's share of the win, 0 to 1, asking as many verdicts as it takes."""


class Judge:
    """The recorded judge on one question, counting its calls."""

    def __init__(self, shown: recorded.Shown, question: int, lot: random.Random) -> None:
        """Answer from the verdicts on one question."""
        self._shown, self._question, self._lot, self.calls = shown, question, lot, 0

    def verdict(self, first: str, second: str) -> float:
        """One call: the first's share."""
        self.calls += 1
        return {"first": 1.0, "second": 0.0, "tie": 0.5}[self._shown[self._question, first, second]]

    def one(self, a: str, b: str) -> float:
        """One order, drawn by lot."""
        return self.verdict(a, b) if self._lot.random() < 0.5 else 1 - self.verdict(b, a)

    def both(self, a: str, b: str) -> float:
        """Both orders, averaged."""
        return (self.verdict(a, b) + 1 - self.verdict(b, a)) / 2


def min_max(models: Sequence[str], prefer: Prefer, lot: random.Random) -> tuple[str, str]:
    """Best and worst in at most ceil(3n/2) - 2 comparisons; a tie falls by lot."""

    def better(a: str, b: str) -> bool:
        share = prefer(a, b)
        return share > 0.5 or (share == 0.5 and lot.random() < 0.5)

    waiting = lot.sample(list(models), len(models))
    best = worst = waiting.pop() if len(waiting) % 2 else ""
    while waiting:
        a, b = waiting.pop(), waiting.pop()
        high, low = (a, b) if better(a, b) else (b, a)
        if not best:
            best, worst = high, low
        elif best == worst and better(best, high):
            worst = low  # the odd one beat the better of two: it need not meet the lesser
        else:
            alone = best == worst
            best = high if alone or better(high, best) else best
            worst = low if better(worst, low) else worst
    return best, worst


def round_robin(models: Sequence[str], prefer: Prefer, lot: random.Random) -> tuple[str, str]:
    """Best and worst by mean share over all pairs; a tie falls by lot."""
    score = dict.fromkeys(models, 0.0)
    for i, a in enumerate(models):
        for b in models[i + 1 :]:
            share = prefer(a, b)
            score[a] += share
            score[b] += 1 - share
    ranked = sorted(models, key=lambda model: (score[model], lot.random()))
    return ranked[-1], ranked[0]


SCHEDULES = {
    "round robin, both orders": (round_robin, "both"),
    "round robin, one order": (round_robin, "one"),
    "min-max, both orders": (min_max, "both"),
    "min-max, one order": (min_max, "one"),
}


def play(shown: recorded.Shown, human: dict[tuple[int, str, str], Vote | None], name: str) -> dict[str, Any]:
    """Calls per question, and per question (right, counted) over the draws."""
    schedule, orders = SCHEDULES[name]
    calls, tallies = 0, []
    questions = sorted({question for question, _, _ in human})
    for question in questions:
        right = counted = 0
        for draw in range(DRAWS):
            lot = random.Random(f"{question} {draw}")
            judge = Judge(shown, question, lot)
            best, worst = schedule(recorded.MODELS, getattr(judge, orders), lot)
            calls += judge.calls
            side = human[question, min(best, worst), max(best, worst)]
            counted += side in ("A", "B")
            right += side == ("A" if best < worst else "B")
        tallies.append((right, counted))
    return {"calls": calls / len(questions) / DRAWS, "tallies": np.array(tallies, dtype=float)}


def interval(tallies: np.ndarray[Any, Any], against: np.ndarray[Any, Any] | None = None) -> tuple[float, float, float]:
    """The share right, less that of another schedule, and its 95 % interval over resampled questions."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(len(tallies), size=(1000, len(tallies)))

    def share(of: np.ndarray[Any, Any], rows: Any) -> Any:
        total = of[rows].sum(axis=-2)
        return total[..., 0] / total[..., 1]

    everything = np.arange(len(tallies))
    value, spread = share(tallies, everything), share(tallies, drawn)
    if against is not None:
        value, spread = value - share(against, everything), spread - share(against, drawn)
    low, high = np.quantile(spread, [0.025, 0.975])
    return float(value), float(low), float(high)


def study(shown: dict[str, recorded.Shown], human: dict[tuple[int, str, str], Vote | None]) -> list[dict[str, Any]]:
    """Every judge under every schedule."""
    found = []
    for judge in sorted(shown):
        played = {name: play(shown[judge], human, name) for name in SCHEDULES}
        full = played["round robin, both orders"]
        for name, each in played.items():
            found.append(
                {"judge": judge, "schedule": name, "calls": each["calls"], "share": each["calls"] / full["calls"]}
                | {"accuracy": interval(each["tallies"]), "less": interval(each["tallies"], full["tallies"])}
            )
    return found


def main() -> None:
    """Print the table."""
    args = recorded.arguments(__doc__, "prd_vicuna80")
    human = {key: majority(votes) for key, votes in recorded.prd_votes(args.data).items()}
    found = study(recorded.prd_verdicts(args.data), human)
    if args.json:
        print(json.dumps(found))
        return
    recorded.show(
        ("judge", "schedule", "calls", "of the full", "right", "less the full"),
        [
            (
                line["judge"],
                line["schedule"],
                f"{line['calls']:.2f}",
                f"{line['share']:.1%}",
                "{:.3f} [{:.3f}, {:.3f}]".format(*line["accuracy"]),
                "{:+.3f} [{:+.3f}, {:+.3f}]".format(*line["less"]),
            )
            for line in found
        ],
    )
    gpt4 = next(line for line in found if line["judge"] == "gpt4" and line["schedule"] == "min-max, one order")
    holds = gpt4["less"][0] >= -0.02 and gpt4["share"] <= 0.3
    print(
        f"\nexpected of gpt4: min-max within .02 of the full round robin at 30 % of its calls or fewer; found "
        f"{gpt4['less'][0]:+.3f} at {gpt4['share']:.1%}: {'holds' if holds else 'DOES NOT HOLD'}"
    )


if __name__ == "__main__":
    main()
