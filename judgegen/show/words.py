"""A run at a glance, as plain words: figures of its summary, its files, its first pairs; money, time, quantities.

What the command line prints and a notebook shows are the same words. Knows nothing of terminals or HTML.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

PAIRS_SHOWN = 3


def number(count: int, noun: str) -> str:
    """So many of them: 1 pair, 2 pairs."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def headline(summary: Mapping[str, Any]) -> str:
    """What came of what."""
    made_up = "a rehearsal: " if summary.get("rehearsal") else ""
    return f"{made_up}{number(summary['pairs'], 'pair')} from {number(summary['prompts'], 'prompt')}"


def figures(summary: Mapping[str, Any]) -> dict[str, str]:
    """A summary as lines by name: drops, candidates, calls, tokens, spend, diagnostics; none of them empty."""
    calls, usd = summary["calls"], summary["cost_usd"]
    made_up = "nothing; such answers would have cost " if summary.get("rehearsal") else ""
    fresh = calls["sampler"] + calls["judge"] - calls["from_journal"]
    lines = {
        "to come": _to_come(summary["drops"]),
        "dropped": _counted({why: count for why, count in summary["drops"].items() if why != "incomplete"}),
        "refused": _counted(summary["candidates"]["refused"]),
        "failed": _failed(summary.get("failures", [])),
        "suspected": _counted(summary.get("suspicions", {})),
        "constant": _constant(summary.get("constants", [])),
        "alike": _alike(summary.get("alike", [])),
        "drawn on": _further(summary.get("further")),
        "shift": _shift(summary.get("shift") or []),
        "anchors": _anchors(summary.get("anchors")),
        "calls": f"{calls['sampler']:,} sampler, {calls['judge']:,} judge; "
        f"{fresh:,} sent now, {calls['from_journal']:,} from the journal",
        "tokens": f"{summary['tokens']['input']:,} in, {summary['tokens']['output']:,} out",
        "spend": f"{made_up}${usd['total']}: ${usd['sampler']} sampler, ${usd['judge']} judge",
        "in doubt": _in_doubt(summary.get("in_doubt")),
        "probe": _probe(summary.get("probe")),
        "verdicts": _diagnostics(summary["diagnostics"]),
        "formats": "" if summary.get("rehearsal") or not summary["pairs"] else _formats(summary.get("formats", {})),
    }
    return {name: line for name, line in lines.items() if line}


def _to_come(drops: Mapping[str, int]) -> str:
    """Prompts that lack answers: they are not dropped, the same command goes on with them."""
    count = drops.get("incomplete", 0)
    return f"{number(count, 'prompt')} whose calls lack answers" if count else ""


def _in_doubt(found: Mapping[str, Any] | None) -> str:
    """What was sent and never answered."""
    if found is None:
        return ""
    return f"{number(found['requests'], 'request')} without an answer, at most ${found['usd_at_most']}"


def _probe(found: Mapping[str, Any] | None) -> str:
    """What finding out what the models do took, in this folder."""
    return "" if found is None else f"{number(found['calls'], 'call')} beside these, ${found['usd']}"


def _counted(reasons: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {reason}" for reason, count in sorted(reasons.items()) if count)


def _failed(rows: Iterable[Mapping[str, Any]]) -> str:
    """Calls that have no answer and never will, in the provider's words."""
    told = ((row, number(row["calls"], f"{row['role']} call")) for row in islice(rows, 3))
    return "; ".join(f"{calls} {row['reason']}{': ' * bool(row['words'])}{row['words']}" for row, calls in told)


def _formats(counted: Mapping[str, Mapping[str, Any]]) -> str:
    """What consumers' files lack of the pairs, and why a consumer refuses its file."""
    return "; ".join(line for name, rows in sorted(counted.items()) for line in _format(name, rows))


def _format(name: str, counted: Mapping[str, Any]) -> Iterator[str]:
    from judgegen.formats.consumers import CONSUMERS

    if left_out := _counted(counted["left_out"]):
        yield f"{name} leaves out {left_out}"
    if (form := CONSUMERS.get(name)) is not None:
        yield from (f"{name}.jsonl has {why}" for why in form.limits.faults(counted["rows"], name))


def _constant(rows: Iterable[Mapping[str, Any]]) -> str:
    """Texts that were chosen under many prompts."""
    return "; ".join(
        f"{shortened(row['text'], 40)!r} won under {row['prompts']:,} prompts{', barred' if row['barred'] else ''}"
        for row in islice(rows, 3)
    )


def _further(found: Mapping[str, int] | None) -> str:
    """What was drawn where nothing came of the least."""
    if not found or not found["prompts"]:
        return ""
    more = f"{number(found['candidates'], 'answer')} more for {number(found['prompts'], 'prompt')}"
    return f"{more}, of which came {number(found['pairs'], 'pair')}"


def _shift(rows: Iterable[Mapping[str, Any]]) -> str:
    """What is not as the calibration saw it."""
    told = ", ".join(f"{row['name']} {row['now']:.3g} (was {row['then']:.3g})" for row in rows)
    return f"not what the calibration saw: {told}" if told else ""


def _anchors(found: Mapping[str, Any] | None) -> str:
    """What became of the anchors, and whether the judge is another than it was."""
    if found is None:
        return ""
    return f"{anchored(found)}{': another judge than then' if found['alarms'] else ''}"


def anchored(found: Mapping[str, Any]) -> str:
    """Anchors as the summary has them, in a line."""
    said = f"{found['agreed']:,} of {found['decided']:,} judged as people do"
    lacking = f"; {found['lacking']:,} lack answers" if found["lacking"] else ""
    if not found["known"]:
        return said + lacking
    turned = f"{found['stayed']:,} of them again, {found['returned']:,} back when asked once more"
    moved = f"{found['moved']:,} of {found['known']:,} verdicts moved" + (f", {turned}" if found["moved"] else "")
    return f"{said} ({found['lost']:,} lost, {found['gained']:,} gained); {moved}{lacking}"


def _alike(rows: Iterable[Mapping[str, Any]]) -> str:
    """Variants that are one."""
    return "; ".join(f"{one!r} and {other!r} cannot be told apart" for one, other in (row["variants"] for row in rows))


DIAGNOSTICS = {
    "flip_rate": "{:.0%} flipped with the order",
    "p_first": "{:.0%} for the first shown",
    "tie_rate": "{:.0%} ties",
    "unreadable_rate": "{:.0%} unreadable",
    "longer_chosen": "{:.0%} chose the longer",
}


def _diagnostics(found: Mapping[str, Any]) -> str:
    """What the run says of its judge; what is None, a share of nothing, is not said."""
    return ", ".join(words.format(found[name]) for name, words in DIAGNOSTICS.items() if found.get(name) is not None)


def files(folder: Path) -> list[str]:
    """What a reader may want to open, without the journal's own files."""
    names = (path.name + "/" * path.is_dir() for path in folder.iterdir() if not path.name.startswith("."))
    return sorted(name for name in names if not name.startswith("journal."))


def first_pairs(folder: Path, count: int = PAIRS_SHOWN) -> list[dict[str, Any]]:
    """The first rows of preferences.jsonl; none where the file is not there."""
    path = folder / "preferences.jsonl"
    if not path.is_file():
        return []
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in islice(lines, count)]


def said(messages: Iterable[Mapping[str, Any]]) -> str:
    """The text of messages; what is not text (parts, tool calls) as its JSON."""
    contents = (m.get("content") or m.get("tool_calls") or "" for m in messages)
    return "\n".join(c if isinstance(c, str) else json.dumps(c) for c in contents)


def shortened(words: str, width: int) -> str:
    """One line of at most `width` characters. A stranger's control characters reach neither terminal nor page."""
    head = words[: 8 * width]
    line = " ".join("".join(c if c.isprintable() else " " for c in head).split())
    return line if len(line) <= width and head == words else line[: width - 1] + "…"


def duration(seconds: float) -> str:
    """Seconds as 8s, 2:13 or 1:02:03."""
    minutes, s = divmod(round(seconds), 60)
    hours, m = divmod(minutes, 60)
    if hours:
        return f"{hours}:{m:02}:{s:02}"
    return f"{m}:{s:02}" if m else f"{s}s"


def quantity(number: int) -> str:
    """A count as 950, 12.3k or 4.5M."""
    if number < 10_000:
        return f"{number:,}"
    return f"{number / 1e3:.1f}k" if number < 1_000_000 else f"{number / 1e6:.1f}M"


def money(usd: Decimal) -> str:
    """USD to four places; what is not nothing does not read as nothing."""
    return "<$0.0001" if 0 < usd < Decimal("0.0001") else f"${usd:,.4f}"
