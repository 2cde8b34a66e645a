"""docs/performance.md, made of what `wire.py` measured and, its last sections, `rates.py` and `peers.py`. Pure."""

from __future__ import annotations

import re
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

PEERS = """\
## Beside its peers

Made by `make peers`; `benchmarks/peers.py` says how it is measured. {prompts:,} prompts, two answers to each at two
temperatures and one verdict: {calls:,} calls, {at_once} at once, answered at once by `benchmarks/mock.c`, which counted
them. Whole processes with their children, imports included; of each one the least seconds and the most memory of
{rounds} rounds. Each peer does the job as its own documentation shows (`benchmarks/peers_jobs.py`), without cache and
telemetry, and keeps what it keeps by itself. Taken on {day}, Python {python}, {cores} cores, load {load:.1f} before and
{load_after:.1f} after: what else ran takes from all alike, so read ratios, not absolutes.

| | calls | of them verdicts | CPU s | to judgegen | wall s | to judgegen | first call after s | peak MB |
|---|---|---|---|---|---|---|---|---|
"""


RATES = """\
## What a server's limits leave

Made by `python benchmarks/rates.py --page docs/performance.md`, which says how it is measured: runs of {minutes:g}
minutes against `benchmarks/mock.c`, which counts any sixty seconds and answers 429 with the time to wait; from the
second minute on. "Told" is a run file that states the limit; else it is found by what is refused. Taken on {day},
{cores} cores.

| the server's limit | told | used of it | refused | refused in the first minute |
|---|---|---|---|---|
"""


def page(found: Figures, before: str = "") -> str:
    """The page; a part that was not measured is left out, sections that others make are those of the page before."""
    parts: dict[str, Callable[[Any], str]] = {"further": _further, "start": _start, "late": _late, "again": _again}
    fewer, more = found["calls"]
    made = "".join(part(found[name]) for name, part in parts.items() if name in found)
    made = made.replace("{more:,}", f"{more:,}").replace("{fewer:,}", f"{fewer:,}")
    kept = [section for section in _sections(before) if section.startswith((_heading(RATES), _heading(PEERS)))]
    return "\n".join([HEAD.format(**found["machine"]) + made, *kept])


def with_section(before: str, section: str) -> str:
    """The page with this section in the place of the one of its heading, or behind all others."""
    sections = _sections(before)
    places = [i for i, one in enumerate(sections) if one.startswith(_heading(section))] or [len(sections)]
    return "\n".join([*(one.rstrip() + "\n" for one in sections[: places[0]]), section, *sections[places[0] + 1 :]])


def _sections(text: str) -> list[str]:
    """What stands before the first heading of the second order, and each such with what stands below it."""
    return [f"{one.strip()}\n" for one in re.split(r"^(?=## )", text, flags=re.MULTILINE) if one.strip()]


def _heading(section: str) -> str:
    return section.partition("\n")[0]


def rates(found: Figures) -> str:
    """The section of what `rates.py` measured."""
    rows = [
        f"| {row['limit']} | {'yes' if row['told'] else 'no'} | {row['used']:.1%} | {row['refused']:.2%} "
        f"| {row['refused_first']:.2%} |\n"
        for row in found["rows"]
    ]
    return RATES.format(minutes=found["minutes"], **found["machine"]) + "".join(rows)


def peers(found: Figures) -> str:
    """Their section; who is not here has a line that says why."""
    ours = found["rows"].get("judgegen")
    rows = "".join(_peer(name, row, ours) for name, row in found["rows"].items())
    left = "".join(f"\nLeft out: {name}, {why}.\n" for name, why in found["left_out"].items())
    return PEERS.format(**found, **found["machine"]) + rows + _probes(found) + left


def _peer(name: str, row: Figures, ours: Figures | None) -> str:
    cpu, wall = ("—" if ours is None else f"{row[part] / ours[part]:.2g} x" for part in ("cpu", "wall"))
    named = NAMES.get(name) or f"{name} {row['version']}"
    return (
        f"| {named} | {row['calls']:,} | {row['verdicts']:,} | {row['cpu']:.1f} | {cpu} | {row['wall']:.1f} | {wall} "
        f"| {row['first']:.1f} | {row['mb']:,.0f} |\n"
    )


def _probes(found: Figures) -> str:
    more = [
        f"{name} {row['calls'] - found['calls']:,}"
        for name, row in found["rows"].items()
        if row["calls"] > found["calls"]
    ]
    return f"\nCalls beyond the job: {', '.join(more)}.\n" if more else ""


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
        "is a load generator in C.\nIn two shards (docs/scale.md) a run is two processes, each with half of the "
        "connections.\n\n| connections | wrk | bare loop | judgegen | of wrk | in two shards | of wrk |\n"
        f"|{7 * '---|'}\n"
    )
    return head + "".join(map(_width, found))


def _width(row: Figures) -> str:
    wrk = "not here" if row["wrk"] is None else f"{row['wrk']:,.0f}"
    cells = [f"{row['width']:,}", wrk, f"{row['raw']:,.0f}"]
    for ours in ("judgegen", "shards"):
        cells += [f"{row[ours]:,.0f}", "" if row["wrk"] is None else f"{row[ours] / row['wrk']:.0%}"]
    return f"| {' | '.join(cells)} |\n"


def _again(found: Figures) -> str:
    return (
        f"\n## A finished run\n\nOf {{more:,}} calls, without what starting takes: run again, it sees that there is "
        f"nothing to do at {found['replay']:,.0f} calls\na second of CPU; `judgegen write` makes all of it again from "
        f"the journal at {found['write']:,.0f}. `judgegen.load` and its table of\ncalls take {found['load_s']:.1f} s "
        f"of CPU in all. The journal holds {found['journal_kb']:.1f} KB a call, at answers of 150 words, which are "
        f"billed\nas 200 tokens.\n"
    )
