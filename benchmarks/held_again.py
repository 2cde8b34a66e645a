"""Several answers to every question that rounds held out, by each of their models: a finer measure than one answer.

    python benchmarks/held_again.py runs/rounds runs/rounds-shuffled --draws 4 --out runs/held-again

One answer at a temperature is right by lot as much as by skill. The models of two arms of `judgegen rounds` are there
after it; each answers the arms' held-out questions so many times more, and the shares of right answers are compared
question by question, with 95 % intervals over questions. Nothing is trained. The same command goes on where it was
stopped.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from soft_labels import said

from judgegen import api
from judgegen.errors import GateFailed
from judgegen.judge import graders
from judgegen.judge.graders import Grader
from judgegen.records import Candidate, Prompt
from judgegen.report.tables import Tables
from judgegen.spec import parse
from judgegen.spec.short import ShortFile
from judgegen.train.held import figure, less


def models(arms: list[Path]) -> dict[str, str]:
    """By a variant's name the model it asks: round 0, which all arms share, and every round of each arm."""
    found = dict[str, str]()
    for arm in arms:
        spec = Tables(arm / "held").spec
        assert spec is not None
        for variant in spec.sampler.variants:
            name = variant.name if variant.name == "round-0" else f"{arm.name} {variant.name}"
            found.setdefault(name, str(variant.model))
    return found


def answered(arms: list[Path], file: Path, draws: int, out: Path) -> Tables:
    """Every model's answers; of the models' variants the settings are the held-out run's."""
    held = Tables(arms[0] / "held")
    assert held.spec is not None
    table = held.spec.model_dump(mode="json", exclude_unset=True)
    table.pop("columns", None)
    settings = {k: v for k, v in table["sampler"]["variants"][0].items() if k not in ("name", "n", "model")}
    asked = models(arms)
    variants = [
        {**settings, "name": name.replace(" ", "."), "n": draws, "model": model} for name, model in asked.items()
    ]
    spec = parse({**table, "sampler": {**table["sampler"], "variants": variants}, "pairs": {}, "gates": {}})
    rows = [
        {"id": row["prompt_id"], "messages": json.loads(row["messages"]), "reference": row["reference"]}
        for row in held.prompts
    ]
    job = api.generate(ShortFile(spec, file), out=out, prompts=rows, replace_folder=True, watch=None)
    with contextlib.suppress(GateFailed):  # gates are for data to train on
        asyncio.run(job)
    return Tables(out)


def shares(tables: Tables, grader: Grader) -> dict[str, dict[str, float]]:
    """By variant and question the share of its answers that are right; what is cut counts as it stands."""
    asked = {row["prompt_id"]: row["reference"] for row in tables.prompts}
    scores: dict[str, dict[str, list[float]]] = {}
    for row in tables.candidates:
        prompt = Prompt(id=row["prompt_id"], messages=(), reference=asked[row["prompt_id"]])
        answer = Candidate(
            prompt_id=prompt.id, variant="", index=0, model="", text=row["text"] or "", finish="stop", call_id=""
        )
        scores.setdefault(row["variant"], {}).setdefault(prompt.id, []).append(grader(prompt, answer))
    return {name: {one: sum(all_) / len(all_) for one, all_ in found.items()} for name, found in scores.items()}


def lines(found: Mapping[str, Mapping[str, float]]) -> list[str]:
    """A line a model, each beside round 0 and beside the last of the other arm."""
    base = found["round-0"]
    told = ["| model | right | gained on round 0 |", "| --- | --- | --- |"]
    told += [f"| {name} | {_said(one, 'share')} | {_said(less(one, base), 'free')} |" for name, one in found.items()]
    last = list({name.partition(".")[0]: name for name in found if name != "round-0"}.values())
    for other in last[1:]:
        told.append(f"{last[0]} less {other}: {_said(less(found[last[0]], found[other]), 'free')}")
    return [*told, f"{len(base)} questions"]


def _said(values: Mapping[str, float], kind: Literal["share", "free"]) -> str:
    return said(figure(values, 0, kind=kind))


def main() -> None:
    """Ask, count."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("arms", nargs=2, type=Path, help="--out of two `judgegen rounds`, the control second")
    parser.add_argument("--out", type=Path, default=Path("runs/held-again"))
    parser.add_argument("--draws", type=int, default=4, help="answers of each model to a question")
    parser.add_argument("--truth", default="judge:right")
    parser.add_argument("--run", type=Path, default=Path("examples/rounds/run.toml"))
    told = parser.parse_args()
    tables = answered(told.arms, told.run, told.draws, told.out)
    print("\n".join(lines(shares(tables, graders.load(told.truth, {}, base=told.run.resolve().parent)))))


if __name__ == "__main__":
    main()
