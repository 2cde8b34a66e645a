"""LLMBar recounted: accuracy and agreement of each judge and strategy, and the gate that refuses the confidently wrong.

Labels are objective. Accuracy is the library's `accuracy.ties_half` over both orders, which for verdicts without
probabilities is the mean accuracy of the two orders, as the paper counts it; agreement is `position_consistency`.
Where an order could not be read the pair has no label and is left out; `unreadable_rate` says how many verdicts.
Ratings are given one answer at a time: no order to agree on, a tie where the scores are equal.
"""

from __future__ import annotations

import json
from typing import Any

import recorded

from judgegen.trust import Report, evidence, gate, report

SUBSETS = ("Natural", "Neighbor")
TARGETS = (0.9, 0.8)
WRONG = 0.5
"""Accuracy of order-consistent pairs at or below which a judge is called confidently wrong: worse than a coin."""


def study(data: Any, resamples: int) -> list[dict[str, Any]]:
    """One line per judge, strategy and subset."""
    found = []
    for (judge, strategy), subsets in recorded.llmbar_rows(data).items():
        for subset in SUBSETS:
            rows = subsets[subset]
            every = report(rows, resamples=resamples)
            gates = {str(target): gate(*evidence(rows), target).to_dict() for target in TARGETS}
            found.append({"judge": judge, "strategy": strategy, "subset": subset, "gates": gates} | _figures(every))
    return found


def _figures(every: Report) -> dict[str, Any]:
    whole = every.to_dict()
    names = ("n", "kappa", "position_consistency", "p_first", "tie_rate", "unreadable_rate", "length_excess")
    kept = ("consistent_accuracy", "consistent_coverage")
    return {"accuracy": whole["accuracy"]} | {name: whole[name] for name in (*names, *kept)}


def confidently_wrong(line: dict[str, Any]) -> bool:
    """Whether the verdicts that survive the swap are no better than a coin."""
    kept = line["consistent_accuracy"]["value"]
    return kept is not None and kept <= WRONG


def main() -> None:
    """Print a table per subset and what the gate did."""
    args = recorded.arguments(__doc__, "llmbar")
    found = study(args.data, args.resamples)
    if args.json:
        print(json.dumps(found))
        return
    for subset in SUBSETS:
        lines = [line for line in found if line["subset"] == subset]
        print(f"\n{subset}, n = {lines[0]['n']}\n")
        recorded.show(
            (
                *("judge", "strategy", "accuracy", "agreement", "kept if consistent", "coverage"),
                *("ties", "unreadable", *(f"gate at {target}" for target in TARGETS)),
            ),
            [_cells(line) for line in lines],
        )
    _refused(found)


def _cells(line: dict[str, Any]) -> tuple[str, ...]:
    def value(name: str) -> str:
        return recorded.number(line[name]["value"])

    figure = line["accuracy"]["ties_half"]
    return (
        line["judge"],
        line["strategy"],
        "{value:.3f} [{low:.3f}, {high:.3f}]".format(**figure),
        *map(value, ("position_consistency", "consistent_accuracy", "consistent_coverage", "tie_rate")),
        value("unreadable_rate"),
        *(_gate(line["gates"][str(target)]) for target in TARGETS),
    )


def _gate(found: dict[str, Any]) -> str:
    if found["threshold"] is None:
        return "no threshold"
    return f"{found['threshold']:.2f}: {found['agreed']}/{found['kept']}"


def _refused(found: list[dict[str, Any]]) -> None:
    wrong = [line for line in found if line["subset"] == "Neighbor" and confidently_wrong(line)]
    for target in TARGETS:
        refused = [line for line in wrong if line["gates"][str(target)]["threshold"] is None]
        print(f"\nNeighbor, confidently wrong: {len(wrong)}; refused by the gate at {target}: {len(refused)}", end="")
    print()


if __name__ == "__main__":
    main()
