"""What `cost_per_pair.py` found, kept in `cost_per_pair.json`, and its tables in README.md and benchmarks/README.md.

A table stands between two marks that name its number of answers; what is outside the marks is left as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
KEPT = HERE / "cost_per_pair.json"
PAGES = {"5": HERE.parent / "README.md", "2": HERE / "README.md"}
"""Where the table of so many answers to a prompt stands."""
Ways = Mapping[str, Mapping[str, Mapping[str, Any]]]
SPLITS = {"all": "all {}", "seen": "{} at hand", "held back": "{} held back"}
"""How a column names its split; those at hand are printed only where no others are."""


def table(ways: Ways) -> str:
    """Markdown: a row per way of judging, the cheapest first; per split how often right, and at what price."""
    splits = next(iter(ways.values()))
    shown = [split for split in splits if split != "seen"]
    heads = [SPLITS[split].format(splits[split]["prompts"]) for split in shown]
    columns = ["way of judging", "calls per prompt", "prompts with a pair"]
    columns += [f"right, {head}" for head in heads] + [f"USD, {head}" for head in heads]
    cheap = sorted(ways.items(), key=lambda item: item[1]["all"]["usd"][0])
    rows = [columns, ["---"] * len(columns), *([name, *_cells(found, shown)] for name, found in cheap)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cells(found: Mapping[str, Mapping[str, Any]], shown: list[str]) -> list[str]:
    whole = [f"{found['all']['calls']:.1f}", f"{found['all']['coverage']:.0%}"]
    right = ["{:.3f} [{:.3f}, {:.3f}]".format(*found[split]["accuracy"]) for split in shown]
    return [*whole, *right, *("{:.2f} [{:.2f}, {:.2f}]".format(*found[split]["usd"]) for split in shown)]


def block(page: str, answers: str) -> re.Match[str]:
    """The table of so many answers in a page's text: group `table` is what stands between its marks.

    Raises:
        ValueError: the page has no such marks.
    """
    mark = rf"<!-- cost of a pair, {answers} answers -->\n"
    found = re.search(rf"{mark}\n(?P<table>.*?)\n\n{mark}", page, re.DOTALL)
    if found is None:
        raise ValueError(f"no table of {answers} answers stands between its marks")
    return found


def write(found: Mapping[str, Ways]) -> None:
    """Keep the figures, and put each table in the place of the one before."""
    KEPT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    for answers, path in PAGES.items():
        page = path.read_text(encoding="utf-8")
        start, end = block(page, answers).span("table")
        path.write_text(page[:start] + table(found[answers]) + page[end:], encoding="utf-8")
