"""Typed questions and scores against chats on the known-truth world: labels, calls, tokens of a fully judged prompt.

The library's own pipeline runs over the same candidates with the same judge, asked in a chat, by /v1/decisions, by
/v1/systemone, and for the score of each answer by /v1/rerank and by /pooling, at two lengths of request. Tokens are the
simulator's own count of what it was sent.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

from judgegen import api
from judgegen.llm.calls import REWARDS
from judgegen.llm.journal import Journal

APIS = ("chat", "decisions", "systemone", "rerank", "pooling")


def table(how: str, prompts: int, words: int) -> dict[str, Any]:
    """The run file: n = 4, a judge that is right nine times in ten and likes what stands first."""
    method = "reward" if how in REWARDS else "pairwise"
    rows = [{"prompt": f"Question {i}: " + "what is there to know of it? " * words} for i in range(prompts)]
    return {
        "prompts": "-",
        "rows": rows,
        "endpoints": {"w": {"provider": "scripted", "scripted": {"accuracy": 1.0}}},
        "sampler": {"endpoint": "w", "model": "s", "variants": [{"name": "a", "n": 4}]},
        "judge": {"endpoint": "w", "model": "j", "api": how, "method": method},
    }


async def played(how: str, prompts: int, words: int, out: Path) -> dict[str, Any]:
    """Calls and input tokens of the judge by prompt, and the sides of every pair."""
    given = table(how, prompts, words)
    rows = given.pop("rows")
    await api.generate(given, out=out, prompts=rows)
    with Journal(out) as journal:
        judged = [row for row in journal.answers() if row["role"] == "judge"]
    pairs = [json.loads(line) for line in (out / "preferences.jsonl").read_text(encoding="utf-8").splitlines()]
    sides = sorted((row["chosen"][-1]["content"], row["rejected"][-1]["content"]) for row in pairs)
    return {
        "calls": len(judged) / prompts,
        "tokens": sum(row["input"] for row in judged) / prompts,
        "pairs": len(sides),
        "sides": sides,
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    found: dict[str, Any] = {}
    for words in (2, 40):
        with tempfile.TemporaryDirectory() as folder:
            lines = {how: asyncio.run(played(how, args.prompts, words, Path(folder) / how)) for how in APIS}
        same = all(line["sides"] == lines["chat"]["sides"] for line in lines.values())
        found[f"{words} sentences"] = {
            "labels equal": same,
            **{how: {k: v for k, v in line.items() if k != "sides"} for how, line in lines.items()},
        }
    if args.json:
        print(json.dumps(found))
        return
    for request, lines in found.items():
        print(f"\nrequests of {request}; labels equal: {lines.pop('labels equal')}")
        for how, line in lines.items():
            share = line["tokens"] / lines["chat"]["tokens"]
            calls = f"{line['calls']:5.1f} calls, {line['tokens']:6.0f} tokens"
            print(f"{how:10} {calls} ({share:.0%}), {line['pairs']} pairs")


if __name__ == "__main__":
    main()
