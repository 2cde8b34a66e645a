"""Judges beside one another, as `judge compare` counts it, on recorded verdicts: PRD's five, and LLMBar's six.

Against people: agreement on what gets a side, kappa, the share that gets one. Beside each other: agreement, kappa, and
how many comparisons two judges decide for different sides. The recordings say no prices; `cost_per_pair.py` does.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import recorded

from judgegen.trust import Figure, Judged, report
from judgegen.trust.between import between, couples

STRATEGY = "Vanilla"
Judges = Mapping[str, Sequence[Judged]]


def sets(data: Path) -> Iterator[tuple[str, Judges]]:
    """A name, and each judge's rows on the same comparisons."""
    yield "PRD, Vicuna-80", recorded.prd_rows(data)
    found = {judge: rows for (judge, way), rows in recorded.llmbar_rows(data).items() if way == STRATEGY}
    for subset in ("Natural", "Neighbor"):
        yield f"LLMBar {subset}, {STRATEGY}", {judge: rows[subset] for judge, rows in found.items() if subset in rows}


def study(judges: Judges, resamples: int) -> dict[str, Any]:
    """What each comes to against people, and every two beside each other."""
    alone = {name: report(rows, resamples=resamples) for name, rows in judges.items()}
    names = list(judges)
    versus = {
        f"{names[i]} | {names[j]}": between(judges[names[i]], judges[names[j]], resamples=resamples).to_dict()
        for i, j in couples(len(names))
    }
    figures = {
        name: {"as_people": one.accuracy.non_tie, "kappa": one.kappa, "coverage": one.coverage}
        for name, one in alone.items()
    }
    return {
        "judges": {name: {key: figure.to_dict() for key, figure in one.items()} for name, one in figures.items()},
        "pairs": versus,
    }


def main() -> None:
    """Print two tables per set."""
    args = recorded.arguments(__doc__, "llmbar")
    found = {name: study(judges, args.resamples) for name, judges in sets(args.data)}
    if args.json:
        print(json.dumps(found))
        return
    for name, one in found.items():
        print(f"\n{name}\n")
        recorded.show(
            ("judge", "as people", "kappa", "coverage"),
            [(judge, *(_said(figure) for figure in figures.values())) for judge, figures in one["judges"].items()],
        )
        print()
        recorded.show(
            ("judges", "agreement", "kappa", "opposed"),
            [(two, _said(v["agreement"]), _said(v["kappa"]), v["opposed"]) for two, v in one["pairs"].items()],
        )


def _said(figure: Mapping[str, float | None]) -> str:
    return str(Figure(**figure))


if __name__ == "__main__":
    main()
