"""Every label as it stands, soft labels, or the surest ones alone: which trains better, at the same count of pairs.

    python benchmarks/soft_labels.py runs/rounds/round-1/run --out runs/soft-labels

The answers are those of a run over examples/rounds that is there already: of `make rounds`, before any training. A pair
is a right answer and a wrong one to one question. Its judge says P(right one) = p, drawn by lot from 0.5 to 1, and is
wrong in 1 - p of such cases: so P is calibrated, and a quarter of all labels are wrong. Of these pairs as many are
trained on by each way, half of all: drawn by lot and taken at their word (dpo); the same ones, with the loss told how
many are wrong (robust); and those of the highest P (dpo). Then every model answers the questions that the run does not
have, several times, and judge.py counts. The same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from judgegen import api
from judgegen.errors import GateFailed
from judgegen.judge import graders
from judgegen.llm import weights
from judgegen.records import Candidate, Prompt
from judgegen.report.tables import Tables
from judgegen.spec import parse, reading
from judgegen.spec.short import ShortFile
from judgegen.train.held import Held, drawn_in, figure, less, name
from judgegen.train.order import Order
from judgegen.train.train import train
from judgegen.trust.figures import Figure

EXAMPLE = Path(__file__).resolve().parents[1] / "examples" / "rounds"
PER_PROMPT = 4
"""The most pairs of one question, so that no question that is answered in many ways weighs more than others."""
WAYS = {"all": "dpo", "soft": "robust", "filtered": "dpo"}


def lot(*parts: object) -> float:
    """A number from 0 to 1 by what it is for."""
    text = json.dumps(parts, ensure_ascii=False)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=6).digest(), "big") / 2**48


def pairs(run: Path, seed: int) -> list[dict[str, Any]]:
    """A row for each right and wrong answer to one question, as the judge labels it, with its P of that label."""
    tables, found = Tables(run), list[dict[str, Any]]()
    right = graders.load("judge:right", {}, base=EXAMPLE)
    for prompt in tables.prompts:
        asked = Prompt(id=prompt["prompt_id"], messages=(), reference=prompt["reference"])
        texts = {row["text"] for row in tables.candidates if row["prompt_id"] == asked.id and row["refused"] is None}
        sides = {text: bool(right(asked, _said(asked.id, text))) for text in sorted(texts)}
        good, bad = ([text for text, is_right in sides.items() if is_right is wanted] for wanted in (True, False))
        every = sorted(itertools.product(good, bad), key=lambda two: lot(seed, "pair", asked.id, *two))
        found += [_row(asked.id, json.loads(prompt["messages"]), *two, seed) for two in every[:PER_PROMPT]]
    return found


def _said(prompt: str, text: str) -> Any:
    return Candidate(prompt_id=prompt, variant="warm", index=0, model="", text=text, finish="stop", call_id="")


def _row(prompt: str, messages: Sequence[Any], right: str, wrong: str, seed: int) -> dict[str, Any]:
    p = 0.5 + lot(seed, "p", prompt, right, wrong) / 2
    chosen, rejected = (right, wrong) if lot(seed, "label", prompt, right, wrong) < p else (wrong, right)
    sides = {"chosen": chosen, "rejected": rejected}
    said = {side: [{"role": "assistant", "content": text}] for side, text in sides.items()}
    return {"prompt_id": prompt, "prompt": messages, **said, "p_chosen": round(p, 4)}


def parts(rows: Sequence[dict[str, Any]], most: int, seed: int) -> dict[str, list[dict[str, Any]]]:
    """Half of the rows for each way, or the most that are wanted; in the order in which they stood."""
    count = min(most, len(rows) // 2)
    drawn = sorted(range(len(rows)), key=lambda i: lot(seed, "half", rows[i]["prompt_id"], rows[i]["chosen"]))[:count]
    sure = sorted(range(len(rows)), key=lambda i: (-rows[i]["p_chosen"], i))[:count]
    kept = {"all": drawn, "soft": drawn, "filtered": sure}
    return {way: [rows[i] for i in sorted(places)] for way, places in kept.items()}


def models(told: argparse.Namespace) -> list[str]:
    """The base, and a model trained by each way."""
    base = weights.folder_of(told.model, told.out / "base")
    found = [base]
    for way, rows in parts(pairs(told.run, told.seed), told.pairs, told.seed).items():
        file = told.out / f"{way}.jsonl"
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        settings: dict[str, Any] = {"batch": told.batch, "epochs": told.epochs, "learning_rate": told.learning_rate}
        order = Order(method=WAYS[way], model=base, micro=4, validation=0.0, **settings)
        done = train(file, order, told.out / way, partial(print, f"{way}:", flush=True))
        found.append(str(done.model.resolve()))
    return found


def answered(told: argparse.Namespace, found: Sequence[str]) -> Held:
    """Every model's answers to the questions that none was trained on, each time by a seed of its own."""
    path = EXAMPLE / "run.toml"
    table = reading.read(path).model_dump(mode="json", exclude_unset=True)
    table.pop("columns", None)
    first = {key: value for key, value in table["sampler"]["variants"][0].items() if key not in ("n", "name")}
    variants = [{**first, "name": name(number), "n": 1, "model": model} for number, model in enumerate(found)]
    sampler = {**table["sampler"], "model": found[0], "variants": variants}
    rows = list(map(json.loads, (EXAMPLE / "prompts.jsonl").read_text(encoding="utf-8").splitlines()))
    asked = {json.loads(row["messages"])[-1]["content"] for row in Tables(told.run).prompts}
    fresh = [row for row in rows if row["prompt"] not in asked][: told.questions]
    folders = [drawn_in(told.out, draw) for draw in range(told.draws)]
    for seed, folder in enumerate(folders):
        spec = parse({**table, "seed": seed, "sampler": sampler, "pairs": {}, "gates": {}})
        job = api.generate(ShortFile(spec, path), out=folder, prompts=fresh, replace_folder=True, watch=None)
        with contextlib.suppress(GateFailed):  # gates are for data to train on
            asyncio.run(job)
    return Held(*folders)


def shown(held: Held) -> list[str]:
    """A line a way: right, gained on the base, and how much more than all labels at their word."""
    grader = graders.load("judge:right", {}, base=EXAMPLE)
    graded = [held.graded(number, grader) for number in range(len(WAYS) + 1)]
    found = ["| labels | right | gained | more than all | cut |", "| --- | --- | --- | --- | --- |"]
    for number, way in enumerate(("none", *WAYS)):
        figures = [figure(graded[number], 0), _free(graded[number], graded[0]), _free(graded[number], graded[1])]
        cut = held.cut(number)
        found.append(f"| {way} | {' | '.join(map(said, figures))} | {'' if cut is None else f'{cut:.0%}'} |")
    return [*found, f"{len(graded[0])} questions"]


def _free(one: Mapping[str, float], other: Mapping[str, float]) -> Figure:
    return figure(less(one, other), 0, kind="free")


def said(one: Figure) -> str:
    """A share in percent with its interval."""
    if one.value is None:
        return "not known"
    ends = "" if one.low is None or one.high is None else f" [{one.low:.1%}, {one.high:.1%}]"
    return f"{one.value:.1%}{ends}"


def main() -> None:
    """Train by each way, ask, count."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", type=Path, help="a run over examples/rounds by the untrained model")
    parser.add_argument("--out", type=Path, default=Path("runs/soft-labels"))
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--epochs", type=float, default=3.0)
    parser.add_argument("--draws", type=int, default=3, help="answers of every model to a question")
    parser.add_argument("--pairs", type=int, default=1000, help="the most that each way is trained on")
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0, help="of the lots")
    told = parser.parse_args()
    told.out.mkdir(parents=True, exist_ok=True)
    print("\n".join(shown(answered(told, models(told)))))


if __name__ == "__main__":
    main()
