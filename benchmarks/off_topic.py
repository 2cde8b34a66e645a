"""How often an answer is suspected of not speaking of its prompt: real ones, and those that do not.

Each set is taken for a run of all its prompts. Of every answer it is asked as it stands (a suspicion is a false alarm,
or the answer is a poor one), and with another prompt's answer in its place (a suspicion is right). In AlpacaEval's it
is also asked of NullModel's one text in each answer's place. The numbers of `run/topics` were chosen with a sample of
each set at hand; the prompts that are in no sample were not looked at then.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import recorded

from judgegen.records import Candidate, Prompt, Result
from judgegen.run.topics import Others, Topics
from judgegen.trust.bootstrap import Measure, figures, ratio

SAMPLE = 420
"""Prompts of each set that were looked at."""
Asked = tuple[str, Sequence[str]]
"""A prompt and its answers."""


def alpaca(data: Path) -> list[Asked]:
    """AlpacaEval: seven models' answers."""
    files = sorted((data / "alpaca_eval" / "outputs").glob("*.gz"))
    outputs = [
        {one["idx"]: one["output"] for one in recorded.lines(path)} for path in files if "NullModel" not in path.name
    ]
    asked = recorded.lines(data / "alpaca_eval" / "instructions.jsonl")
    return [(one["instruction"], [given[one["idx"]] for given in outputs]) for one in asked]


def vicuna(data: Path) -> list[Asked]:
    """Vicuna-80, as PRD has it: five models' answers."""
    answers: dict[Any, list[str]] = {}
    for one in recorded.lines(data / "prd_vicuna80" / "answers.jsonl"):
        answers.setdefault(one["question_id"], []).append(one["text"])
    questions = recorded.lines(data / "prd_vicuna80" / "questions.jsonl")
    return [(one["text"], answers[one["question_id"]]) for one in questions]


def llmbar(data: Path, subset: str) -> list[Asked]:
    """LLMBar: two answers."""
    rows = recorded.lines(data / "llmbar" / "pairs.jsonl")
    return [(one["input"], [one["output_1"], one["output_2"]]) for one in rows if subset in one["subset"]]


def pandalm(data: Path) -> list[Asked]:
    """PandaLM: two small models' answers."""
    rows = recorded.lines(data / "pandalm" / "pairs.jsonl")
    return [(f"{one['instruction']}\n{one['input']}".strip(), [one["response1"], one["response2"]]) for one in rows]


def gsm8k(data: Path) -> list[Asked]:
    """GSM8K: four solutions."""
    rows = recorded.lines(data / "gsm8k_solutions" / "items.jsonl")
    return [(one["question"], [each["solution"] for each in one["candidates"]]) for one in rows]


def harmless(data: Path) -> list[Asked]:
    """HH-RLHF, harmless: the last two answers of conversations that are one up to there."""
    found, mark = list[Asked](), "\n\nAssistant:"
    for one in recorded.lines(data / "hh_rlhf_harmless_test" / "test.jsonl.gz"):
        (asked, answer), (other, second) = (one[side].rsplit(mark, 1) for side in ("chosen", "rejected"))
        if asked == other:
            found.append((asked, [answer.strip(), second.strip()]))
    return found


def sets(data: Path) -> dict[str, list[Asked]]:
    """By name the prompts of each set with their answers."""
    return {
        "AlpacaEval": alpaca(data),
        "Vicuna-80 (PRD)": vicuna(data),
        "LLMBar Natural": llmbar(data, "Natural"),
        "LLMBar Neighbor": llmbar(data, "Neighbor"),
        "LLMBar Processed": llmbar(data, "Processed"),
        "GSM8K": gsm8k(data),
        "PandaLM": pandalm(data),
        "HH harmless": harmless(data),
    }


def result(number: int, asked: Asked, place: int = 0, instead: str | None = None) -> Result:
    """A prompt with its answers, one of them another where that is given."""
    prompt = Prompt(id=f"p{number}", messages=({"role": "user", "content": asked[0]},))
    texts = [instead if i == place and instead is not None else text for i, text in enumerate(asked[1])]
    answers = (
        Candidate(prompt_id=prompt.id, variant="v", index=i, model="m", text=text, finish="stop", call_id=f"{i}")
        for i, text in enumerate(texts)
    )
    return Result(prompt=prompt, candidates=tuple(answers))


def others(rows: Sequence[Asked]) -> Others:
    """What answers are held against in a run of these prompts."""
    topics = Topics()
    for number, asked in enumerate(rows):
        topics.add(result(number, asked))
    found = topics.found()
    assert found is not None, "a set of so many prompts"
    return found


@dataclass(frozen=True, slots=True)
class Look:
    """What was said of one answer: `asked` whether anything was, of it and of what stood in its place."""

    prompt: int
    kind: str
    asked: bool
    off: bool


def looks(rows: Sequence[Asked], null: str | None) -> Iterator[Look]:
    """Every answer of a set as it stands, and what does not speak of its prompt in its place."""
    against, lot = others(rows), random.Random(0)
    for number, asked in enumerate(rows):
        said = against.off(result(number, asked))
        for place in range(len(asked[1])):
            key = f"v/{place}"
            yield Look(number, "real", key in said, said.get(key, False))
            stranger = rows[(number + lot.randrange(1, len(rows))) % len(rows)][1]
            strangers = {"stranger": stranger[place % len(stranger)], **({} if null is None else {"null": null})}
            for kind, text in strangers.items():
                told = against.off(result(number, asked, place, text))
                yield Look(number, kind, key in told, told.get(key, False))


def shares(found: Sequence[Look], kind: str, resamples: int) -> dict[str, Any]:
    """Of the answers of one kind how many were looked at, and the share suspected with its interval over prompts."""
    mine = [one for one in found if one.kind == kind]
    columns = {
        "asked": np.array([float(one.asked) for one in mine]),
        "off": np.array([float(one.off) for one in mine]),
    }
    measure = {"off": Measure(of=ratio("off", "asked"), kind="share", evidence="asked")}
    groups = [str(one.prompt) for one in mine]
    figure = figures(columns, measure, groups, seed=0, resamples=resamples, confidence=0.95)["off"]
    return {"answers": len(mine), "looked_at": int(columns["asked"].sum()), "off": figure.to_dict()}


def seen(rows: Sequence[Asked]) -> set[int]:
    """The prompts of a set that were at hand when the numbers were chosen."""
    every = range(len(rows))
    return set(every) if len(rows) <= SAMPLE else set(random.Random(1).sample(every, SAMPLE))


def figures_of(rows: Sequence[Asked], null: str | None, resamples: int) -> dict[str, Any]:
    """Figures of a set: of the prompts that were looked at and, where there are any, of the others."""
    before, every = seen(rows), list(looks(rows, null))
    parts = {
        "seen": [one for one in every if one.prompt in before],
        "unseen": [one for one in every if one.prompt not in before],
    }
    kinds = ("real", "stranger", *(() if null is None else ("null",)))
    return {
        part: {kind: shares(found, kind, resamples) for kind in kinds} for part, found in parts.items() if found
    } | {"prompts": {"seen": len(before), "unseen": len(rows) - len(before)}}


def percent(found: Mapping[str, Any]) -> str:
    """A share with its interval."""
    value, low, high = (found["off"][name] for name in ("value", "low", "high"))
    ends = "" if low is None else f" [{100 * low:.1f}, {100 * high:.1f}]"
    return f"{100 * value:.1f}{ends}"


def main() -> None:
    """Print what each set comes to."""
    args = recorded.arguments(__doc__, "alpaca_eval")
    null = next(iter(recorded.lines(args.data / "alpaca_eval" / "outputs" / "NullModel.jsonl.gz")))["output"]
    found = {
        name: figures_of(rows, null if name == "AlpacaEval" else None, args.resamples)
        for name, rows in sets(args.data).items()
    }
    if args.json:
        print(json.dumps(found, indent=2))
        return
    lines = [
        [
            f"{name}{'' if part == 'seen' else ', not looked at'}",
            each["prompts"][part],
            f"{each[part]['real']['looked_at']:,} of {each[part]['real']['answers']:,}",
            percent(each[part]["real"]),
            percent(each[part]["stranger"]),
            percent(each[part]["null"]) if "null" in each[part] else "",
        ]
        for name, each in found.items()
        for part in ("seen", "unseen")
        if part in each
    ]
    recorded.show(["set", "prompts", "answers looked at", "real, %", "another prompt's, %", "NullModel, %"], lines)


if __name__ == "__main__":
    main()
