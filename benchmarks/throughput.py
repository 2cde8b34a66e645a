"""The whole job against the simulator, side by side with a bare loop over the openai SDK that makes the same calls.

    python benchmarks/throughput.py [--prompts 1000] [--at-once 64] [--rounds 3]

One prompt is two candidates and one verdict. judgegen runs as its users run it, from process start to written files,
every answer on disk before it is used; the bare loop keeps nothing, retries nothing and writes nothing. Prints wall and
CPU seconds and peak memory of each whole process, and the median ratio judgegen / bare loop.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

RUN_FILE = """\
prompts = "prompts.txt"
[endpoints.sim]
base_url = "{url}"
max_concurrency = {at_once}
price = {{ input = 1, output = 4 }}
[sampler]
endpoint = "sim"
model = "small"
max_tokens = 200
[[sampler.variants]]
name = "a"
n = 2
[judge]
endpoint = "sim"
model = "judge"
orders = "one"
logprobs = false
"""

BARE = """
import asyncio, sys
from openai import AsyncOpenAI
url, at_once, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
prompts = open(path, encoding="utf-8").read().splitlines()
async def main():
    width = asyncio.Semaphore(at_once)
    async with AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
        async def ask(model, text, seed):
            async with width:
                done = await client.chat.completions.create(
                    model=model, messages=[{"role": "user", "content": text}], max_tokens=200, seed=seed)
                return done.choices[0].message.content
        async def one(prompt):
            a, b = await asyncio.gather(ask("small", prompt, 0), ask("small", prompt, 1))
            await ask("judge", f"{prompt}\\n\\nA:\\n{a}\\n\\nB:\\n{b}\\n\\nWhich is better, A, B or tie?", 0)
        await asyncio.gather(*(one(prompt) for prompt in prompts))
asyncio.run(main())
"""


@contextmanager
def simulator() -> Iterator[str]:
    command = [sys.executable, "-m", "judgegen", "simulate", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[-1]
        finally:
            process.terminate()


def measured(command: list[str]) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and peak MB of a process."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    if status:
        raise SystemExit(f"{command[:4]} ended with {status}")
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--prompts", type=int, default=1000)
    parser.add_argument("--at-once", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    ratios: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as name, simulator() as url:
        folder = Path(name)
        lines = "\n".join(f"Explain fact {i} about rivers." for i in range(options.prompts))
        (folder / "prompts.txt").write_text(lines + "\n", encoding="utf-8")
        (folder / "mine.toml").write_text(RUN_FILE.format(url=url, at_once=options.at_once), encoding="utf-8")
        for number in range(options.rounds):
            run = [
                "-m",
                "judgegen",
                "run",
                str(folder / "mine.toml"),
                "--out",
                str(folder / f"{number}"),
                "--quiet",
                "--yes",
            ]
            ours = measured([sys.executable, *run])
            bare = measured([sys.executable, "-c", BARE, url, str(options.at_once), str(folder / "prompts.txt")])
            ratios.append((ours[0] / bare[0], ours[1] / bare[1]))
            print("judgegen  wall {:6.1f} s  CPU {:6.1f} s  {:4.0f} MB".format(*ours), flush=True)
            print("bare SDK  wall {:6.1f} s  CPU {:6.1f} s  {:4.0f} MB".format(*bare), flush=True)
    wall, cpu = (statistics.median(column) for column in zip(*ratios, strict=True))
    print(
        f"{3 * options.prompts} calls, {options.at_once} at once; judgegen / bare SDK: wall {wall:.2f}, CPU {cpu:.2f}"
    )


if __name__ == "__main__":
    main()
