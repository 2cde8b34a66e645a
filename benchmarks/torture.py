"""What no user should have to try: a run killed, a disk that fills, a ledger overbilled, a boundary fed with noise.

    python benchmarks/torture.py [--ledger N] [--fuzz N] [--disk N] [--kills N] [--seed S]

Prints a line per part and ends with 1 where something did not hold. docs/reliability.md says what was found.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from judgegen.llm.budget import Ledger
from judgegen.llm.calls import Call, Reply, Tag
from judgegen.llm.providers import reading, refusals
from judgegen.llm.providers.delay import asked_s
from judgegen.llm.retry import Rejected, Transient

RUN_FILE = """\
prompts = "prompts.txt"
[endpoints.world]
provider = "scripted"
price = { input = 1, output = 4 }
[endpoints.world.scripted]
latency_s = 0.02
[sampler]
endpoint = "world"
model = "small"
[[sampler.variants]]
name = "one"
n = 2
[judge]
endpoint = "world"
model = "judge"
"""


def ledger(trials: int, rng: random.Random) -> Counter[str]:
    """Trials of a bill that is a factor and an extra beyond the worst case; what passed the cap after it was told."""
    found: Counter[str] = Counter(trials=0, above=0, hung=0, overbilled=0)

    async def trial() -> None:
        book = Ledger(Decimal(rng.randint(1, 400)) / 100, Decimal(0))
        factor, extra = Decimal(rng.randint(50, 3000)) / 100, Decimal(rng.choice([0, 0, 13, 70])) / 7000
        width, told = asyncio.Semaphore(rng.choice([1, 2, 16, 256])), False

        async def ask(worst: Decimal) -> None:
            nonlocal told
            async with width:
                if (reservation := await book.reserve(worst)) is None:
                    return
                after, before = told, book.spent
                for _ in range(rng.randint(0, 3)):
                    await asyncio.sleep(0)
                before = book.spent
                told |= book.settle(reservation, worst * factor + extra)
                found["above"] += after and book.spent > max(book.cap, before)

        worsts = [Decimal(rng.randint(1, 100)) / 3 / 10000 for _ in range(60)]
        try:
            await asyncio.wait_for(asyncio.gather(*map(ask, worsts)), 20)
        except TimeoutError:
            found["hung"] += 1
        found["trials"] += 1
        found["overbilled"] += told

    for _ in range(trials):
        asyncio.run(trial())
    return found


ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 10**18, 10**400, float("nan"), float("inf"), "", "abc", "\ud800", "\x1b[2J", "[" * 400,
    [], [None], {}, {"a": None}, "stop", "length", "error", [[[]]], '{"verdict": "A"}', "<think>", "</think>",
)  # fmt: skip
SOUND: dict[str, Any] = {
    "model": "m",
    "choices": [
        {
            "message": {"role": "assistant", "content": "text", "refusal": None, "tool_calls": None},
            "finish_reason": "stop",
            "logprobs": {
                "content": [{"token": "A", "logprob": -0.1, "top_logprobs": [{"token": "A", "logprob": -0.1}]}]
            },
        }
    ],
    "usage": {"prompt_tokens": 9, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 0}},
    "error": None,
}
CALL = Call(
    endpoint="here",
    model="m",
    messages=({"role": "user", "content": "hi"},),
    params={"max_tokens": 64},
    tag=Tag(role="judge", prompt_id="p", route="here"),
)


def mutated(found: Any, rng: random.Random) -> Any:
    """The value with something odd somewhere in it."""
    if isinstance(found, dict) and found and rng.random() < 0.85:
        key = rng.choice(list(found))
        if rng.random() < 0.1:
            return {name: value for name, value in found.items() if name != key}
        return {**found, key: mutated(found[key], rng)}
    if isinstance(found, list) and found and rng.random() < 0.85:
        place = rng.randrange(len(found))
        return [*found[:place], mutated(found[place], rng), *found[place + 1 :]]
    return rng.choice(ODD)


def fuzz(inputs: int, rng: random.Random) -> Counter[str]:
    """Odd answers, refusals and delays through the boundary; exceptions that are not ours, by their names."""
    found: Counter[str] = Counter(answers=0, refusals=0, delays=0, foreign=0)
    refusal = {"error": {"message": "no", "type": "t", "code": "c", "param": "p", "details": [{"retryDelay": "3s"}]}}
    for number in range(inputs):
        kind = ("answers", "refusals", "delays")[number % 3]
        odd = SOUND if kind == "answers" else refusal
        for _ in range(rng.randint(1, 3)):
            odd = mutated(odd, rng)
        found[kind] += 1
        try:
            if kind == "answers":
                _kept(reading.reply(CALL, odd))
            else:
                content = json.dumps(odd).encode()
                status = rng.choice([400, 402, 403, 404, 422, 429, 500, 503])
                refused = refusals.read(
                    status, content, asked_s(status, {"retry-after": str(rng.choice(ODD))[:20]}, content)
                )
                refusals.kind(refused)
        except (Transient, Rejected):
            pass
        except Exception as error:  # noqa: BLE001 - that is what is counted
            found["foreign"] += 1
            found[f"{kind}: {type(error).__name__}"] += 1
    return found


def _kept(outcome: Any) -> None:
    """As the journal keeps it and the next request carries it."""
    from judgegen.llm.calls import outcome_from_dict, outcome_to_dict

    back = outcome_from_dict(json.loads(json.dumps(outcome_to_dict(outcome))), outcome.usage, None)
    if isinstance(back, Reply):
        json.dumps(back.first.text, ensure_ascii=False).encode()


@contextmanager
def scene(prompts: int = 12) -> Iterator[Path]:
    """A folder with a run file for the scripted world."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "prompts.txt").write_text("".join(f"Say what {n} is.\n" for n in range(prompts)))
        (folder / "run.toml").write_text(RUN_FILE)
        yield folder


def started(folder: Path, limit: int | None = None) -> subprocess.Popen[str]:
    """`judgegen run` in its own process group; no file of it may grow above `limit` bytes."""
    command = [sys.executable, "-m", "judgegen", "run", "run.toml", "--out", "out", "--yes", "--quiet"]
    bounded: Callable[[], None] | None = None
    if limit is not None:
        bounded = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (limit, limit))
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, stdout=pipe, stderr=pipe, text=True, preexec_fn=bounded)  # noqa: PLW1509


def ended(process: subprocess.Popen[str], found: Counter[str]) -> int:
    """Its exit code; a traceback or no end is counted."""
    try:
        said = "".join(process.communicate(timeout=60))
    except subprocess.TimeoutExpired:
        process.kill()
        said = "".join(process.communicate())
        found["hung"] += 1
    found["tracebacks"] += "Traceback" in said
    return process.returncode


def result(folder: Path) -> bytes:
    """The preferences of a run that is whole."""
    return (folder / "out" / "preferences.jsonl").read_bytes()


def disk(trials: int, rng: random.Random) -> Counter[str]:
    """The disk is full at some byte of some file; then there is room, and the run ends as if there always had been."""
    found: Counter[str] = Counter(trials=0, tracebacks=0, hung=0, odd_code=0, other_bytes=0)
    with scene() as folder:
        ended(started(folder), found)
        whole = result(folder)
    for _ in range(trials):
        with scene() as folder:
            code = ended(started(folder, rng.randint(1, 400_000)), found)
            found["odd_code"] += code not in (0, 2)
            found[f"exit {code}"] += 1
            found["odd_code"] += ended(started(folder), found) != 0
            found["other_bytes"] += result(folder) != whole
        found["trials"] += 1
    return found


def kills(trials: int, rng: random.Random) -> Counter[str]:
    """SIGKILL, SIGTERM and Ctrl-C, once and twice, at any moment; then the same command, to the same bytes."""
    found: Counter[str] = Counter(trials=0, tracebacks=0, hung=0, odd_code=0, other_bytes=0)
    with scene() as folder:
        began = time.monotonic()
        ended(started(folder), found)
        whole, length = result(folder), time.monotonic() - began
    for number in range(trials):
        name, times = (
            (signal.SIGKILL, 1),
            (signal.SIGTERM, 1),
            (signal.SIGTERM, 2),
            (signal.SIGINT, 1),
            (signal.SIGINT, 2),
        )[number % 5]
        with scene() as folder:
            process = started(folder)
            time.sleep(rng.uniform(0.3, 1.0) * length)
            for _ in range(times):
                process.send_signal(name)
                time.sleep(0.01)
            ended(process, Counter())  # a signal while Python itself starts ends in a traceback of Python's
            found["odd_code"] += ended(started(folder), found) != 0
            found["other_bytes"] += result(folder) != whole
        found["trials"] += 1
    return found


PARTS: dict[str, Callable[[int, random.Random], Counter[str]]] = {
    "ledger": ledger,
    "fuzz": fuzz,
    "disk": disk,
    "kills": kills,
}
BROKEN = ("above", "hung", "foreign", "tracebacks", "odd_code", "other_bytes")


def main() -> int:
    """Every part that was asked for, a line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    usual = {"ledger": 10_000, "fuzz": 1_000_000, "disk": 60, "kills": 60}
    for name, count in usual.items():
        parser.add_argument(f"--{name}", type=int, default=count, metavar="N", help=f"trials (default {count:,})")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    broken = 0
    for name, part in PARTS.items():
        if (count := getattr(given, name)) > 0:
            began = time.monotonic()
            found = part(count, random.Random(given.seed))
            broken += sum(found[key] for key in BROKEN)
            said = ", ".join(f"{key} {value:,}" for key, value in found.items())
            print(f"{name:<7} {time.monotonic() - began:6.0f} s  {said}", flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
