"""The alarm of a calibration: how often it tells natural from adversarial pairs, and halves of one set from each other.

What is compared is what a run sees without people. Halves are of prompts, drawn by seed; each is compared with the
other as a calibration with a run. Verdicts of these recordings have no probabilities; the threshold is .9.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import recorded

from judgegen.trust import Judged
from judgegen.trust.shift import seen, shifts

THRESHOLD = 0.9
LENGTHS = ("length", "gap")
"""Figures of the answers alone, whoever judges them."""
HALVINGS = {"llmbar": 50, "prd_vicuna80": 200}
"""Of each judge and set."""


def halvings(name: str, rows: Sequence[Judged], times: int) -> int:
    """How many of so many halvings raise the alarm."""
    prompts = sorted({row.prompt_id for row in rows})
    alarms = 0
    for turn in range(times):
        half = set(random.Random(f"{name}/{turn}").sample(prompts, len(prompts) // 2))
        one, other = ([row for row in rows if (row.prompt_id in half) is within] for within in (True, False))
        alarms += bool(shifts(seen(one, THRESHOLD), seen(other, THRESHOLD)))
    return alarms


def llmbar(data: Path) -> dict[str, Any]:
    """Judges told apart between the sets, and of the halvings of each set the share that raises the alarm."""
    told = of_the_judge = alarms = judges = tried = 0
    times = HALVINGS["llmbar"]
    for name, sets in recorded.llmbar_rows(data).items():
        judges += 1
        then, now = (seen(sets[which], THRESHOLD) for which in ("Natural", "Neighbor"))
        told += bool(shifts(then, now))
        of_the_judge += bool(shifts({name: one for name, one in then.items() if name not in LENGTHS}, now))
        alarms += sum(halvings(f"{name}{which}", rows, times) for which, rows in sets.items())
        tried += times * len(sets)
    return {
        "judges": judges,
        "told_apart": told,
        "without_lengths": of_the_judge,
        "halvings": tried,
        "false_alarms": alarms / tried,
    }


def vicuna(rows: Iterable[tuple[str, list[Judged]]]) -> dict[str, Any]:
    """Of the halvings of five judges' pairs the share that raises the alarm."""
    times = HALVINGS["prd_vicuna80"]
    found = [halvings(judge, mine, times) for judge, mine in rows]
    return {"judges": len(found), "halvings": times * len(found), "false_alarms": sum(found) / (times * len(found))}


def main() -> None:
    """Print both."""
    args = recorded.arguments(__doc__, "llmbar")
    found = {"llmbar": llmbar(args.data), "prd_vicuna80": vicuna(recorded.prd_rows(args.data).items())}
    if args.json:
        print(json.dumps(found))
        return
    for name, figures in found.items():
        print(f"{name}: " + ", ".join(f"{key} {value:.3g}" for key, value in figures.items()))


if __name__ == "__main__":
    main()
