"""All answers in one call against two at a time on the known-truth world: agreement with the truth, calls, tokens.

The library's own pipeline runs over the same candidates by each way of judging, before a judge without flaw but chance,
one that likes what stands first, and one that overlooks the middle of a list. Every two answers of a prompt count: what
is left undecided is half right. A simulated list is as hard as a comparison of two where two answers are of average
distance; whether a model reads a list so well, only labelled answers can tell. Tokens are the simulator's own count.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import tempfile
from pathlib import Path
from typing import Any

from judgegen import api
from judgegen.llm.journal import Journal
from judgegen.simulator.prose import quality_of

WAYS: dict[str, dict[str, Any]] = {
    "every two, both orders": {},
    "min-max, both orders": {"schedule": "min-max"},
    "lists, the whole square": {"method": "listwise"},
    "two lists": {"method": "listwise", "lists": 2},
}
JUDGES: dict[str, dict[str, Any]] = {
    "by chance alone": {},
    "likes the first": {"position_bias": 1.0},
    "overlooks the middle": {"middle_bias": 1.5},
}
PAIRS = {"select": "all-above-margin", "min_margin": 0.0, "require_consistent": False, "min_p_chosen": 0.5}


def table(way: dict[str, Any], judge: dict[str, Any], answers: int) -> dict[str, Any]:
    """The run file: a judge that is right four times in five, and gives no logprobs."""
    world = {"accuracy": 0.8, "logprobs": False, **judge}
    return {
        "prompts": "-",
        "endpoints": {"w": {"provider": "scripted", "scripted": world}},
        "sampler": {"endpoint": "w", "model": "s", "variants": [{"name": "a", "n": answers}]},
        "judge": {"endpoint": "w", "model": "j", **way},
        "pairs": PAIRS,
    }


async def played(way: dict[str, Any], judge: dict[str, Any], prompts: int, answers: int, out: Path) -> dict[str, float]:
    """Calls and input tokens of the judge by prompt; how many of every two are right, and P's Brier score."""
    rows = [{"prompt": f"Question {i}: what is there to know of it?"} for i in range(prompts)]
    await api.generate(table(way, judge, answers), out=out, prompts=rows)
    with Journal(out) as journal:
        judged = [row for row in journal.answers() if row["role"] == "judge"]
    pairs = [json.loads(line) for line in (out / "preferences.jsonl").read_text(encoding="utf-8").splitlines()]
    told = [(_better(row), row["p_chosen"]) for row in pairs]
    whole = prompts * answers * (answers - 1) // 2
    left = whole - len(told)
    by_prompt = prompts or math.nan
    return {
        "calls": len(judged) / by_prompt,
        "tokens": sum(row["input"] for row in judged) / by_prompt,
        "right": (sum(better for better, _ in told) + left / 2) / whole,
        "brier": (sum((better - p) ** 2 for better, p in told) + left / 4) / whole,
    }


def _better(row: dict[str, Any]) -> float:
    """1 where the chosen is the better, 1/2 where both are as good."""
    chosen, rejected = (quality_of(row[side][-1]["content"]) or 0.0 for side in ("chosen", "rejected"))
    return 0.5 + ((chosen > rejected) - (chosen < rejected)) / 2


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--answers", type=int, default=4)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    found: dict[str, dict[str, dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for judge, flaws in JUDGES.items():
            outs = {way: Path(folder) / f"{judge} {way}" for way in WAYS}
            found[judge] = {
                way: asyncio.run(played(keys, flaws, args.prompts, args.answers, outs[way]))
                for way, keys in WAYS.items()
            }
    if args.json:
        print(json.dumps(found))
        return
    for judge, lines in found.items():
        print(f"\na judge that judges {judge}" if judge == "by chance alone" else f"\na judge that {judge}")
        for way, line in lines.items():
            calls = f"{line['calls']:5.1f} calls, {line['tokens']:6.0f} tokens a prompt"
            print(f"{way:24} {calls}; right {line['right']:.3f}, Brier {line['brier']:.3f}")


if __name__ == "__main__":
    main()
