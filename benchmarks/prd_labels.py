"""Labels from five judges against human votes (PRD, Vicuna-80): one order, both, consistent only, panel, escalation.

Each figure is the library's own (judgegen.trust) over rows made of the recorded verdicts. Accuracy of kept pairs is
over those that both the human majority and the judge decide; coverage is of the pairs humans decide. Brier scores are
over individual votes, after calibration on prompts that the map was not fitted on (5 folds).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import recorded

from judgegen.trust import CalibrationMap, Judged, Report, by_vote, fit_map, mean_p, report

PANEL = ("claude", "gpt35", "gpt4")


def one_order(rows: Sequence[Judged]) -> list[Judged]:
    """Each display as a judgment of its own: what one order, drawn by lot, is worth on average."""
    return [replace(row, orders=(shown,), p=mean_p((shown,))) for row in rows for shown in row.orders]


def panel(judges: dict[str, list[Judged]], members: Sequence[str]) -> list[Judged]:
    """The mean of the members' probabilities."""
    together = zip(*(judges[name] for name in members), strict=True)
    return [replace(rows[0], p=_mean([row.p for row in rows]), orders=()) for rows in together]


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None


def conflict(row: Judged) -> bool:
    """Whether the two orders do not both prefer the same side."""
    return row.consistent is not True or row.label == "tie"


def escalation(cheap: Sequence[Judged], dear: Sequence[Judged]) -> tuple[list[Judged], float]:
    """The cheap judge's rows with the dear one's in place of the conflicts, and the share asked of the latter."""
    asked = [conflict(row) for row in cheap]
    rows = [second if again else first for first, second, again in zip(cheap, dear, asked, strict=True)]
    return rows, sum(asked) / len(asked)


def fitted(rows: Sequence[Judged]) -> CalibrationMap:
    """The calibration map of a judge, with its Brier scores on prompts unseen."""
    return fit_map(*by_vote(rows))


def strategy(name: str, found: Report, calls: float) -> dict[str, Any]:
    """One line of the table."""
    return {
        "labels": name,
        "calls": calls,
        "ties_half": found.accuracy.ties_half.to_dict(),
        "kept": found.accuracy.non_tie.to_dict(),
        "coverage": found.coverage.to_dict(),
    }


def study(judges: dict[str, list[Judged]], resamples: int) -> dict[str, Any]:
    """Every figure of this benchmark."""
    table: list[dict[str, Any]] = []
    brier: list[dict[str, Any]] = []
    habits: dict[str, Any] = {}
    sets = {**judges, "panel of 3": panel(judges, PANEL), "panel of 5": panel(judges, recorded.MODELS)}
    for name, rows in sets.items():
        both = report(rows, resamples=resamples)
        if name in judges:
            table.append(strategy(f"{name}, one order", report(one_order(rows), resamples=resamples), 1))
            table.append(strategy(f"{name}, both orders", both, 2))
            consistent = strategy(f"{name}, consistent only", both, 2)
            kept = {"kept": both.consistent_accuracy.to_dict(), "coverage": both.consistent_coverage.to_dict()}
            table.append(consistent | kept | {"ties_half": None})
            habits[name] = both.to_dict()
        else:
            table.append(strategy(name, both, 2 * int(name[-1])))
        fit = fitted(rows)
        brier.append(
            {"judge": name, "method": fit.method, "strength": fit.strength}
            | {"before": fit.brier_before, "after": fit.brier_after}
        )
    escalated, share = escalation(judges["gpt35"], judges["gpt4"])
    table.append(strategy("gpt35, gpt4 on conflict", report(escalated, resamples=resamples), 2 + 2 * share))
    return {"strategies": table, "brier": brier, "escalated": share, "judges": habits}


def expectations(found: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """What gpt4 is expected to show, what it shows, whether that holds."""
    kept = next(line for line in found["strategies"] if line["labels"] == "gpt4, consistent only")
    accuracy, coverage = kept["kept"]["value"], kept["coverage"]["value"]
    after = next(line["after"] for line in found["brier"] if line["judge"] == "gpt4")
    return [
        (
            "gpt4, consistent only: at least .85 right at .6 coverage or more",
            f"{accuracy:.3f} at {coverage:.3f}",
            accuracy >= 0.85 and coverage >= 0.6,
        ),
        ("gpt4, calibrated Brier below .19", f"{after:.3f}", after < 0.19),
    ]


def main() -> None:
    """Print the tables."""
    args = recorded.arguments(__doc__, "prd_vicuna80")
    found = study(recorded.prd_rows(args.data), args.resamples)
    if args.json:
        print(json.dumps(found))
        return
    _print(found)


def _cell(figure: dict[str, float | None] | None) -> str:
    if figure is None or figure["value"] is None:
        return "-"
    return f"{figure['value']:.3f} [{recorded.number(figure['low'])}, {recorded.number(figure['high'])}]"


def _print(found: dict[str, Any]) -> None:
    recorded.show(
        ("labels", "calls per pair", "accuracy, ties half", "accuracy of kept pairs", "coverage"),
        [
            (line["labels"], f"{line['calls']:.2f}", *(_cell(line[k]) for k in ("ties_half", "kept", "coverage")))
            for line in found["strategies"]
        ],
    )
    print(f"\ngpt35 to gpt4 on conflict: {found['escalated']:.1%} of the pairs escalated\n")
    recorded.show(
        ("judge", "Brier before", "after, held out", "map"),
        [
            (line["judge"], recorded.number(line["before"]), recorded.number(line["after"]), line["method"])
            for line in found["brier"]
        ],
    )
    print()
    recorded.show(
        ("judge", "kappa", "position consistency", "P(first)", "tie rate", "length excess", "ceiling"),
        [
            (
                name,
                *(_cell(each[k]) for k in ("kappa", "position_consistency", "p_first", "tie_rate", "length_excess")),
                _cell(each["ceiling"]),
            )
            for name, each in found["judges"].items()
        ],
    )
    print()
    recorded.show(
        ("expected", "found", ""),
        [(a, b, "holds" if holds else "DOES NOT HOLD") for a, b, holds in expectations(found)],
    )


if __name__ == "__main__":
    main()
