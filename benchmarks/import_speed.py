"""What `judgegen import` makes of a large file, beside a bare loop of JSON in and JSON out over the same file.

Rows are made up: prompts and answers of the lengths that published sets have, some of several turns, some not in ASCII.
Every reading is a process of its own, so that the peak of memory is its own. No tokens are counted.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Row = dict[str, Any]
WORDS = 4000
CHATS = "chats"
SEVERAL_TURNS, NOT_ASCII, CODE = 0.15, 0.2, 0.1  # shares of rows, and of texts
LOOP = "import {json} as j; out = open({out!r}, 'wb'); [out.write({dumps} + b'\\n') for row in open({file!r}, 'rb')]"
BARE = {
    "json": {"json": "json", "dumps": "j.dumps(j.loads(row), ensure_ascii=False).encode()"},
    "orjson": {"json": "orjson", "dumps": "j.dumps(j.loads(row))"},
}
IMPORT = (
    "from pathlib import Path; from judgegen.exchange.import_ import import_file as i; i({file!r}, None, Path({out!r}))"
)


def vocabulary(lot: random.Random, letters: str) -> list[str]:
    return ["".join(lot.choices(letters, k=lot.randint(2, 9))) for _ in range(WORDS)]


def said(lot: random.Random, mean: float, words: list[str]) -> str:
    """A text of some `mean` characters, in paragraphs, with quotes; now and then with code."""
    weights = [1 / (place + 3) for place in range(len(words))]
    text = " ".join(lot.choices(words, weights, k=max(4, int(lot.lognormvariate(0, 0.7) * mean / 6))))
    text = text.replace(" e", ".\n\n").replace(" ta ", ' "so" ')
    return f'```python\nprint("{text[:60]}")\n```\n{text}' if lot.random() < CODE else text


def texts(row: Row) -> Row:
    """The last turn of its two chats."""
    return {"prompt": row["prompt"], "chosen": row["chosen"][-1]["content"], "rejected": row["rejected"][-1]["content"]}


def turn(role: str, text: str) -> Row:
    return {"role": role, "content": text}


def transcript(question: str, answer: str) -> str:
    return f"\n\nHuman: {question}\n\nAssistant: {answer}"


Shape = Callable[[str, str, str], Row]
SHAPES: dict[str, Shape] = {
    "texts": lambda q, good, bad: {"prompt": q, "chosen": good, "rejected": bad},
    "system": lambda q, good, bad: {"system": "Be brief.", "prompt": q, "chosen": good, "rejected": bad},
    "messages": lambda q, good, bad: {
        "prompt": [turn("user", q)],
        "chosen": [turn("assistant", good)],
        "rejected": [turn("assistant", bad)],
    },
    "alpaca": lambda q, good, bad: {"instruction": q, "input": good[:200], "chosen": good, "rejected": bad},
    "kto": lambda q, _, bad: {"prompt": q, "completion": bad, "label": len(bad) % 2 == 0},
    "answers": lambda q, _, bad: {"question": q, "answer": bad},
    "transcripts": lambda q, good, bad: {"chosen": transcript(q, good), "rejected": transcript(q, bad)},
    "sharegpt": lambda q, good, bad: {
        "conversations": [{"from": "human", "value": q}],
        "chosen": {"from": "gpt", "value": good},
        "rejected": {"from": "gpt", "value": bad},
    },
    "comparisons": lambda q, good, bad: {"prompt": q, "response_a": good, "response_b": bad, "winner": "model_a"},
    "ranked": lambda q, good, bad: {
        "prompt": q,
        "responses": [good, bad, bad[:400] + " etc.", good[:300] + " etc."],
        "ranks": [1, 2, 3, 4],
    },
}
"""Published shapes, of a question, the better answer and the other."""


def rows(size: int, shape: str = CHATS, seed: int = 0) -> Iterator[bytes]:
    """Lines of about `size` bytes in all; a million bytes' worth of rows are made, and told again with other ends."""
    lot = random.Random(seed)
    plain, far = vocabulary(lot, "etaoinshrdlucmfw"), vocabulary(lot, "éàüößжшяабв漢字日本語")
    kinds = [row(lot, far if lot.random() < NOT_ASCII else plain) for _ in range(2000)]
    made = number = 0
    while made < size:
        one, number = kinds[number % len(kinds)], number + 1
        one["rejected"][-1]["content"] = f"{one['rejected'][-1]['content'].rsplit(' #', 1)[0]} #{number}"
        told = SHAPES[shape](*texts(one).values()) if shape in SHAPES else one
        line = json.dumps(told, ensure_ascii=False).encode() + b"\n"
        made += len(line)
        yield line


def row(lot: random.Random, words: list[str]) -> dict[str, Any]:
    chat = [{"role": "user", "content": said(lot, 500, words)}]
    for _ in range(0 if lot.random() > SEVERAL_TURNS else lot.randint(1, 3)):
        chat += [{"role": "assistant", "content": said(lot, 1200, words)}]
        chat += [{"role": "user", "content": said(lot, 200, words)}]
    sides = [[*chat, {"role": "assistant", "content": said(lot, 1300, words)}] for _ in range(2)]
    told = {"source": lot.choice(("flan", "code", "chat")), "score_chosen": 8.5, "score_rejected": lot.randint(1, 8)}
    return {"prompt": chat[0]["content"], "chosen": sides[0], "rejected": sides[1]} | told


def measured(code: str) -> tuple[float, float]:
    """Seconds of processor time that a process took, the system's for it included, and its peak of memory in MB."""
    process = subprocess.Popen([sys.executable, "-c", code])
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{code} ended with {process.returncode}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=int, default=200, help="size of the file, in MB")
    parser.add_argument("--rounds", type=int, default=3, help="of which the best counts")
    parser.add_argument("--shapes", nargs="+", choices=[CHATS, *SHAPES], default=[CHATS], help="of the rows")
    asked = parser.parse_args()
    for shape in asked.shapes:
        compare(shape, asked.mb * 1_000_000, asked.rounds)


def compare(shape: str, size: int, rounds: int) -> None:
    """Print what a file of `size` bytes takes the bare loops and the import, the best of `rounds`."""
    with tempfile.TemporaryDirectory(prefix="judgegen-speed-", dir=Path.cwd()) as folder:
        file, out = str(Path(folder) / "in.jsonl"), str(Path(folder) / "out.jsonl")
        with Path(file).open("wb") as written:
            written.writelines(rows(size, shape))
        mb = Path(file).stat().st_size / 1e6
        codes = {name: LOOP.format(file=file, out=out, **how) for name, how in BARE.items()}
        codes["judgegen import"] = IMPORT.format(file=file, out=out)
        for name, code in codes.items():
            found = [measured(code) for _ in range(rounds)]
            rate, peak = mb / min(seconds for seconds, _ in found), max(memory for _, memory in found)
            print(f"{shape:12s} {name:16s} {rate:7.1f} MB/s of processor time, peak {peak:5.0f} MB")


if __name__ == "__main__":
    main()
