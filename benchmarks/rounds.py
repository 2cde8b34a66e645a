"""Two arms of `judgegen rounds` beside one another on the held-out questions that both answered: `make rounds`.

    python benchmarks/rounds.py runs/rounds runs/rounds-shuffled [--truth judge:right --run examples/rounds/run.toml]

Of every round: right answers of each arm, how each gained on its round 0, and by how much more the first gained than
the second, question by question, with 95 % intervals over questions; first on the questions held out, which each round
answers as often as `--held-draws` says, then on those that it was trained on, which the round after it answers several
times. Between the two a table by the kind of question. One training an arm: what another seed comes to is in no
interval.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from judgegen.judge import graders
from judgegen.judge.graders import Grader
from judgegen.records import Candidate, Prompt
from judgegen.report.tables import Tables
from judgegen.train.held import Held, figure, less, name
from judgegen.trust.figures import Figure

KINDS = 12
"""The most references that questions have in common for a table of them to be one of kinds."""
UNASKED = " | kept by the first's answers to other questions |"


def lines(arms: list[Path], grader: Grader, seed: int) -> list[str]:
    """A table of the rounds that both have."""
    helds = [Held.of(arm) for arm in arms]
    last = min(map(_last, arms))
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


def by_kind(arms: list[Path], grader: Grader, seed: int) -> list[str]:
    """Where questions have few references, a table of each: kept where it is asked, and by answers to other questions.

    What rises among these as well is a manner, and no obedience.
    """
    kinds = {row["prompt_id"]: row["reference"] for row in Tables(arms[0] / "held").prompts}
    names = sorted(set(kinds.values()))
    if len(names) > KINDS:
        return []
    found = ["| reference | questions | round 0 | " + " | ".join(f"{arm.name} gained" for arm in arms) + UNASKED]
    found += ["| --- | --- | --- |" + " --- |" * (len(arms) + 1)]
    for kind in names:
        mine = {prompt for prompt, reference in kinds.items() if reference == kind}
        cells = [said(figure(_of(mine, Held.of(arms[0]).graded(0, grader)), seed))]
        for arm in arms:
            held, last = Held.of(arm), _last(arm)
            gain = less(held.graded(last, grader), held.graded(0, grader))
            cells.append(said(figure(_of(mine, gain), seed, kind="free")))
        others = [unasked(arms[0], number, kind, kinds, grader) for number in (0, _last(arms[0]))]
        found.append(f"| {kind} | {len(mine)} | {' | '.join(cells)} | {others[0]:.0%} → {others[1]:.0%} |")
    return found


def unasked(arm: Path, number: int, kind: str, kinds: Mapping[str, str], grader: Grader) -> float:
    """The share of a round's answers to questions of other references that are right by this one."""
    rows = [row for folder in arm.glob("held*") for row in Tables(folder).candidates if row["variant"] == name(number)]
    others = [row for row in rows if kinds[row["prompt_id"]] != kind]
    return sum(_graded(row, kind, grader) for row in others) / len(others)


def _last(arm: Path) -> int:
    return max(int(one["round"]) for one in json.loads((arm / "rounds.json").read_text())["rounds"])


def _of(prompts: set[str], values: Mapping[str, float]) -> dict[str, float]:
    return {prompt: value for prompt, value in values.items() if prompt in prompts}


def trained_on(arms: list[Path], grader: Grader, seed: int) -> list[str]:
    """A table of the models that a later round sampled from, on the questions whose pairs they were trained on."""
    found = ["| round | " + " | ".join(f"{arm.name}: right, gained" for arm in arms) + " | the first gained more by |"]
    found += ["| --- | --- | --- | --- |"]
    number = 0
    while all((arm / name(number + 1) / "run" / "summary.json").is_file() for arm in arms):
        shares = [drawn(arm / name(number + 1) / "run", grader) for arm in arms]
        gains = [less(share, drawn(arm / name(1) / "run", grader)) for share, arm in zip(shares, arms, strict=True)]
        cells = [
            f"{said(figure(share, seed))}, {said(figure(gain, seed, kind='free'))}"
            for share, gain in zip(shares, gains, strict=True)
        ]
        found.append(f"| {number} | {' | '.join(cells)} | {said(figure(less(*gains), seed, kind='free'))} |")
        number += 1
    return found


def drawn(run: Path, grader: Grader) -> dict[str, float]:
    """The share of a run's answers to each question that are right; what is cut or a repeat counts as it stands."""
    tables = Tables(run)
    asked = {row["prompt_id"]: row["reference"] for row in tables.prompts}
    scores: dict[str, list[float]] = {}
    for row in tables.candidates:
        scores.setdefault(row["prompt_id"], []).append(_graded(row, asked[row["prompt_id"]], grader))
    return {prompt: sum(found) / len(found) for prompt, found in scores.items()}


def _graded(row: Mapping[str, Any], reference: str, grader: Grader) -> float:
    prompt = Prompt(id=row["prompt_id"], messages=(), reference=reference)
    text = row["text"] or ""
    return grader(
        prompt, Candidate(prompt_id=prompt.id, variant="", index=0, model="", text=text, finish="stop", call_id="")
    )


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
    grader = graders.load(told.truth, {}, base=told.run.resolve().parent)
    tables = [lines, by_kind, trained_on]
    print("\n\n".join("\n".join(found) for table in tables if (found := table(told.arms, grader, told.seed))))


if __name__ == "__main__":
    main()
