"""AlpacaEval's logprob judge: P(label) from real logprobs, its position and length habits, the null model.

Every pair was judged in one order, drawn by lot per instruction, and no human voted: so there is no accuracy here, only
what a run shows without humans. A win rate is the mean of P(model better than the baseline). Bands are of the win rate
over both orders together; the figures expected are those of the whole leaderboard (about fifty models, 805
instructions), of which seven models and half the instructions are here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import recorded

from judgegen.trust import Figure, Judged, report

ATTACK = "NullModel"
BANDS = (
    ("win rate 5 to 15 %", 0.05, 0.15, (0.127, 0.028)),
    ("win rate 15 to 40 %", 0.15, 0.40, (0.244, 0.087)),
)
NULL = (0.769, 0.857, 0.682)
"""The null model's recorded win rate on the whole set: over both orders, shown second, shown first."""


def win_rate(rows: Sequence[Judged], first: str = "AB") -> Figure:
    """Mean P(model better) of the rows whose model stood where asked, with a bootstrap interval over instructions."""
    p: dict[str, list[float]] = {row.prompt_id: [] for row in rows}
    for row in rows:
        if row.p is not None and row.orders[0].first in first:
            p[row.prompt_id].append(row.p)
    sums = np.array([(sum(each), len(each)) for _, each in sorted(p.items()) if each])
    drawn = sums[np.random.default_rng(0).integers(len(sums), size=(1000, len(sums)))].sum(axis=1)
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], [0.025, 0.975])
    return Figure(value=float(sums[:, 0].sum() / sums[:, 1].sum()), low=float(low), high=float(high))


def by_position(rows: Sequence[Judged]) -> dict[str, Any]:
    """Win rate over both orders, shown second, shown first."""
    return {name: win_rate(rows, first).to_dict() for name, first in (("both", "AB"), ("second", "B"), ("first", "A"))}


def study(data: Path, resamples: int) -> dict[str, Any]:
    """Every figure of this benchmark."""
    models = recorded.alpaca_rows(data)
    said = {
        (str(item["idx"]), item["model"]): item["preference"] - 1
        for item in recorded.lines(data / "alpaca_eval" / "verdicts_weighted.jsonl.gz")
    }
    off = [abs(row.p - said[row.prompt_id, name]) for name, rows in models.items() for row in rows if row.p is not None]
    everything = [row for rows in models.values() for row in rows]
    honest = {name: rows for name, rows in models.items() if name != ATTACK}
    table = {name: by_position(rows) for name, rows in models.items()}
    bands = {
        label: by_position(
            [row for name in honest if low <= table[name]["both"]["value"] < high for row in honest[name]]
        )
        for label, low, high, _ in BANDS
    }
    whole = report([row for rows in honest.values() for row in rows], resamples=resamples)
    return {
        "largest_difference": max(off),
        "verdicts": len(off),
        "models": table,
        "bands": bands,
        "habits": {name: report(rows, resamples=resamples).to_dict() for name, rows in models.items()},
        "all_but_the_attack": whole.to_dict(),
        "sure": float(np.mean([max(row.p, 1 - row.p) > 0.9 for row in everything if row.p is not None])),
    }


def main() -> None:
    """Print the tables."""
    args = recorded.arguments(__doc__, "alpaca_eval")
    found = study(args.data, args.resamples)
    if args.json:
        print(json.dumps(found))
        return
    print(
        f"P(label) from the logprobs of {found['verdicts']} verdicts is the recorded one to within "
        f"{found['largest_difference']:.1e}; {found['sure']:.1%} put more than .9 on one side\n"
    )
    _win_rates(found)
    _habits(found)


def _cell(figure: dict[str, Any]) -> str:
    return str(Figure(**figure))


def _win_rates(found: dict[str, Any]) -> None:
    sets = {**found["models"], **found["bands"]}
    expected = {label: f"second {second:.3f}, first {first:.3f}" for label, _, _, (second, first) in BANDS}
    expected[ATTACK] = "{:.3f}: second {:.3f}, first {:.3f}".format(*NULL)
    recorded.show(
        ("win rate against " + recorded.BASELINE, "both", "shown second", "shown first", "whole leaderboard"),
        [
            (name, *(_cell(each[place]) for place in ("both", "second", "first")), expected.get(name, ""))
            for name, each in sets.items()
        ],
    )


def _habits(found: dict[str, Any]) -> None:
    sets = {**found["habits"], "all but " + ATTACK: found["all_but_the_attack"]}
    print()
    recorded.show(
        ("judged", "P(first)", "P(longer)", "unreadable", "USD per 1,000", "seconds per 1,000"),
        [
            (
                name,
                *(_cell(each[key]) for key in ("p_first", "longer_judge", "unreadable_rate")),
                *(recorded.number(each[key]["value"], 2) for key in ("usd_per_1000", "seconds_per_1000")),
            )
            for name, each in sets.items()
        ],
    )


if __name__ == "__main__":
    main()
