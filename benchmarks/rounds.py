"""Two arms of `judgegen rounds` beside one another on the held-out questions that both answered: `make rounds`.

    python benchmarks/rounds.py runs/rounds runs/rounds-shuffled [--truth judge:right --run examples/rounds/run.toml]

Of every round: right answers of each arm, how each gained on its round 0, and by how much more the first gained than
the second, question by question, with 95 % intervals over questions. One training an arm: what another seed comes to is
in no interval.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

from judgegen.judge import graders
from judgegen.judge.graders import Grader
from judgegen.train.held import Held, figure, less
from judgegen.trust.figures import Figure


def lines(arms: list[Path], grader: Grader, seed: int) -> list[str]:
    """A table of the rounds that both have."""
    helds = [Held(arm / "held") for arm in arms]
    last = min(max(one["round"] for one in json.loads((arm / "rounds.json").read_text())["rounds"]) for arm in arms)
    found = [
        "| round | " + " | ".join(f"{arm.name}: right, gained, cut" for arm in arms) + " | the first gained more by |"
    ]
    found += ["| --- | --- | --- | --- |"]
    for number in range(last + 1):
        gains = [less(held.graded(number, grader), held.graded(0, grader)) for held in helds]
        cells = [_cell(held, number, gain, grader, seed) for held, gain in zip(helds, gains, strict=True)]
        apart = said(figure(less(*gains), seed, kind="free"))
        found.append(f"| {number} | {' | '.join(cells)} | {apart} |")
    return [*found, f"{len(helds[0].graded(0, grader))} questions"]


def _cell(held: Held, number: int, gain: Mapping[str, float], grader: Grader, seed: int) -> str:
    right, gained = held.right(number, grader, seed=seed), figure(gain, seed, kind="free")
    cut = held.cut(number)
    return ", ".join([said(right), said(gained), "not known" if cut is None else f"{cut:.0%}"])


def said(one: Figure) -> str:
    """A share in percent with its interval."""
    if one.value is None:
        return "not known"
    ends = "" if one.low is None or one.high is None else f" [{one.low:.1%}, {one.high:.1%}]"
    return f"{one.value:.1%}{ends}"


def main() -> None:
    """Read two folders and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("arms", nargs=2, type=Path, help="--out of the two commands, the control second")
    parser.add_argument("--truth", default="judge:right")
    parser.add_argument("--run", type=Path, default=Path("examples/rounds/run.toml"))
    parser.add_argument("--seed", type=int, default=0, help="of the resampling")
    told = parser.parse_args()
    print("\n".join(lines(told.arms, graders.load(told.truth, {}, base=told.run.resolve().parent), told.seed)))


if __name__ == "__main__":
    main()
