"""docs/performance.md, made of what `wire.py` measured. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

NAMES = {
    "judgegen": "judgegen, all of it",
    "raw": "a bare loop over aiohttp and orjson",
    "sdk": "a bare loop over the openai SDK on aiohttp",
}
Figures = Mapping[str, Any]

HEAD = """\
# Performance

Made by `python benchmarks/wire.py --page docs/performance.md`, which says how it is measured; ratios are of processes
that ran side by side in that one command. Taken on {day}, Python {python}, {cores} cores, load {load:.1f} before and
{load_after:.1f} after: what else ran takes from all alike, so read ratios, not absolutes.

One prompt is two candidates and two verdicts. The bare loops make the same calls and keep nothing, retry nothing and
write nothing; judgegen is a whole run, every answer on disk before it is used, to its last file.
"""

FURTHER = """
## What a further call costs

CPU of a run of {more:,} calls less one of {fewer:,}, by calls; answers come at once, 64 at a time. The server is
`benchmarks/mock.c`.

| | CPU ms per further call | to the bare loop | wall ms | the server's CPU ms | peak MB |
|---|---|---|---|---|---|
"""


def page(found: Figures) -> str:
    """The page; a part that was not measured is left out."""
    parts: dict[str, Callable[[Any], str]] = {"further": _further, "start": _start, "late": _late, "again": _again}
    fewer, more = found["calls"]
    made = "".join(part(found[name]) for name, part in parts.items() if name in found)
    return HEAD.format(**found["machine"]) + made.replace("{more:,}", f"{more:,}").replace("{fewer:,}", f"{fewer:,}")


def _further(found: Figures) -> str:
    raw = found["raw"]["cpu_ms"]
    rows = [
        f"| {NAMES[kind]} | {one['cpu_ms']:.2f} | {one['cpu_ms'] / raw:.1f} x | {one['wall_ms']:.2f} "
        f"| {one['server_ms']:.2f} | {one['runs'][-1]['mb']:.0f} |"
        for kind, one in found.items()
    ]
    return FURTHER + "\n".join(rows) + "\n"


def _start(found: Figures) -> str:
    return (
        f"\nThe first call of a run reaches the server after {found['cpu']:.2f} s of CPU ({found['wall']:.1f} s of the "
        f"clock under that load), imports included.\n"
    )


def _late(found: Sequence[Figures]) -> str:
    head = (
        "\n## What the wire bears\n\nAnswers a second, each after 200 ms, over the middle three fifths of a run. wrk "
        "is a load generator in C.\n\n| connections | wrk | bare loop | judgegen | of wrk |\n|---|---|---|---|---|\n"
    )
    return head + "".join(map(_width, found))


def _width(row: Figures) -> str:
    wrk = "not here" if row["wrk"] is None else f"{row['wrk']:,.0f}"
    share = "" if row["wrk"] is None else f"{row['judgegen'] / row['wrk']:.0%}"
    return f"| {row['width']:,} | {wrk} | {row['raw']:,.0f} | {row['judgegen']:,.0f} | {share} |\n"


def _again(found: Figures) -> str:
    return (
        f"\n## A finished run\n\nOf {{more:,}} calls, without what starting takes: run again it reads "
        f"{found['replay']:,.0f} calls a second\nof CPU from the journal; `judgegen write` {found['write']:,.0f}. "
        f"`judgegen.load` and its table of calls take {found['load_s']:.1f} s of CPU\nin all. The journal holds "
        f"{found['journal_kb']:.1f} KB a call, at answers of 150 words, which are billed as 200 tokens.\n"
    )
