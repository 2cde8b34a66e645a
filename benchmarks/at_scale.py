"""What ten million prompts take: the arithmetic of `estimate`, and a run of a thousandth of them in shards.

    python benchmarks/at_scale.py                      # 10,000 prompts in 16 shards; some minutes
    python benchmarks/at_scale.py --prompts 1000       # a tenth of that, coarser

Money and hours are `judgegen.estimate` of OpenAI's models, the hours at `--rpm`: two answers a prompt, judged in both
orders. CPU and disk are measured on the scripted world in this process, whose own work is in the CPU: one shard after
the other, then the merge. All of it is multiplied up; that it goes on in proportion was not tried.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import resource
import tempfile
from collections.abc import Iterator
from pathlib import Path

import judgegen

WHOLE = 10_000_000
RUN_FILE = """\
prompts = "prompts.txt"
[budget]
max_usd = 100000
[endpoints.where]
{endpoint}
[sampler]
endpoint = "where"
model = "gpt-6-luna"
reasoning_effort = "none"
max_tokens = 300
[[sampler.variants]]
name = "warm"
temperature = 1.0
n = 2
[judge]
endpoint = "where"
model = "gpt-6.1-sol"
"""
WORDS = "river stone market engine winter letter harvest signal garden cotton bridge copper valley lantern".split()


def prompts(count: int) -> Iterator[str]:
    """Questions of thirty words, no two alike."""
    lot = random.Random(0)
    for number in range(count):
        yield f"Question {number}: what has {' '.join(lot.choices(WORDS, k=24))} to do with trade?"


def cpu_s() -> float:
    """Seconds of a core that this process has had."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def size(folder: Path, pattern: str) -> int:
    """Bytes of the files that match, below `folder`."""
    return sum(path.stat().st_size for path in folder.rglob(pattern) if path.is_file())


async def simulated(path: Path, out: Path, shards: int) -> tuple[float, float, judgegen.Run]:
    """Seconds of a core for all shards and for the merge, and the merged run."""
    began = cpu_s()
    for number in range(1, shards + 1):
        await judgegen.generate(path, out=out, shard=f"{number}/{shards}")
    between = cpu_s()
    run = judgegen.merge(out)
    return between - began, cpu_s() - between, run


def table(count: int, shards: int, rpm: int, folder: Path) -> Iterator[str]:
    """Rows of docs/scale.md: of so many prompts as tried, and of the whole."""
    (folder / "prompts.txt").write_text("\n".join(prompts(count)) + "\n", encoding="utf-8")
    real, world = folder / "real.toml", folder / "world.toml"
    asked = f'base_url = "https://api.openai.com/v1"\nrpm = {rpm}\nmax_concurrency = 4096'
    real.write_text(RUN_FILE.format(endpoint=asked), encoding="utf-8")
    world.write_text(RUN_FILE.format(endpoint='provider = "scripted"'), encoding="utf-8")
    expected = judgegen.estimate(real)
    work, merging, run = asyncio.run(simulated(world, folder / "run", shards))
    times, out = WHOLE / count, folder / "run"
    calls = expected.calls["sampler"] + expected.calls["judge"]
    usd, batch = expected.cost_usd, expected.cost_usd_batch
    journals = sum(size(shard, "journal*") for shard in out.glob("shard-*"))
    outputs = size(out, "*.jsonl") + size(out, "*.parquet") - sum(size(s, "*.jsonl") for s in out.glob("shard-*"))
    outputs -= sum(size(s, "*.parquet") for s in out.glob("shard-*"))
    pairs = len(run.pairs)
    yield f"| | {count:,} prompts, tried | {WHOLE:,} prompts |"
    yield "| --- | --- | --- |"
    yield f"| calls | {calls:,} | {calls * times:,.0f} |"
    yield f"| USD live, expected | {usd['expected']:,.2f} | {float(usd['expected']) * times:,.0f} |"
    if batch:
        yield f"| USD through the Batch API | {batch['expected']:,.2f} | {float(batch['expected']) * times:,.0f} |"
    yield f"| hours at {rpm:,} requests a minute | {expected.hours:,.2f} | {expected.hours * times:,.0f} |"
    yield f"| judgegen's CPU hours, {shards} shards | {work / 3600:.3f} | {work * times / 3600:,.0f} |"
    yield f"| CPU hours of the merge, one process | {merging / 3600:.4f} | {merging * times / 3600:,.1f} |"
    yield f"| journals, GB | {journals / 1e9:.3f} | {journals * times / 1e9:,.0f} |"
    yield f"| outputs and audit, GB | {outputs / 1e9:.3f} | {outputs * times / 1e9:,.0f} |"
    yield f"| pairs (in the scripted world) | {pairs:,} | {pairs * times:,.0f} |"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    each = f"{1000 * work / calls:.2f} ms of CPU a call, {journals / calls:,.0f} bytes of journal a call"
    yield f"{each}, {peak:,.0f} MB at most"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--prompts", type=int, default=WHOLE // 1000)
    parser.add_argument("--shards", type=int, default=16)
    parser.add_argument("--rpm", type=int, default=30_000)
    told = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print("\n".join(table(told.prompts, told.shards, told.rpm, Path(folder))))


if __name__ == "__main__":
    main()
