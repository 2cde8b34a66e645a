"""What the home advantage is worth to the embedded judge, which favours what stands first: LLMBar's natural pairs.

The shortest pairs, judged by the small model inside the process as `judge check` does it, in both orders and in one; P
as the judge states it, and as a run believes it with the home advantage taken off that its own verdicts show. No human
vote is in that. One folder holds the answers of all four, so that each is asked for once.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import recorded

import judgegen

MODEL = "smollm2-135m-instruct"


def pairs(data: Path, count: int) -> Iterator[dict[str, Any]]:
    """So many of the shortest natural pairs, as `judge check` reads them."""
    rows = [one for one in recorded.lines(data / "llmbar" / "pairs.jsonl") if one["subset"].endswith("Natural")]
    rows.sort(key=lambda one: len(one["input"] + one["output_1"] + one["output_2"]))
    for one in rows[:count]:
        sides = {"response_a": one["output_1"], "response_b": one["output_2"]}
        yield {"prompt": one["input"], **sides, "votes": ["A" if str(one["label"]) == "1" else "B"]}


def run_file(orders: str, p: str) -> dict[str, Any]:
    """Who judges, in which orders, and what P is."""
    return {
        "endpoints": {"here": {"provider": "local"}},
        "judge": {"endpoint": "here", "model": MODEL, "orders": orders},
        "pairs": {"p_chosen": p},
    }


async def study(data: Path, count: int, folder: Path) -> list[dict[str, Any]]:
    """Figures of both orders and of one, as stated and as believed."""
    labelled, found = folder / "labelled.jsonl", []
    labelled.write_text("".join(json.dumps(one) + "\n" for one in pairs(data, count)), encoding="utf-8")
    for orders, p in itertools.product(("both", "one"), ("stated", "direct")):
        done = await judgegen.check(labelled, run=run_file(orders, p), out=folder / "check")
        habits = (done.worth.habits or {}).values()
        found.append(
            {"orders": orders, "p": p, "calls": done.calls, "home": next((one.home for one in habits), None)}
            | {"right": done.report.accuracy.ties_half.to_dict(), "brier": done.report.brier.to_dict()}
            | {"first": done.report.p_first.to_dict()}
        )
    return found


def figure(found: dict[str, Any]) -> str:
    """A value with its interval."""
    return "{value:.3f} [{low:.3f}, {high:.3f}]".format(**found)


def main() -> None:
    """Print the table."""
    args = recorded.arguments(__doc__, "llmbar", pairs=60)
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(study(args.data, args.pairs, Path(folder)))
    if args.json:
        print(json.dumps(found))
        return
    recorded.show(
        ("orders", "P", "calls", "first named", "home, logits", "right, ties half", "Brier"),
        [
            (
                *(one["orders"], one["p"], one["calls"], figure(one["first"]), recorded.number(one["home"], 2)),
                *(figure(one["right"]), figure(one["brier"])),
            )
            for one in found
        ],
    )


if __name__ == "__main__":
    main()
