"""A run folder at a glance, as plain words: figures of its summary, its files, its first pairs.

What the command line prints and a notebook shows are the same words. Knows nothing of terminals or HTML.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

PAIRS_SHOWN = 3


def headline(summary: Mapping[str, Any]) -> str:
    """What came of what."""
    return f"{summary['pairs']:,} pairs from {summary['prompts']:,} prompts"


def figures(summary: Mapping[str, Any]) -> dict[str, str]:
    """Drops, calls, tokens, spend and diagnostics of a summary, each as one line; what there is none of is left out."""
    calls, usd = summary["calls"], summary["cost_usd"]
    fresh = calls["sampler"] + calls["judge"] - calls["from_journal"]
    lines = {
        "dropped": ", ".join(f"{count:,} {reason}" for reason, count in sorted(summary["drops"].items()) if count),
        "calls": f"{calls['sampler']:,} sampler, {calls['judge']:,} judge; "
        f"{fresh:,} sent now, {calls['from_journal']:,} from the journal",
        "tokens": f"{summary['tokens']['input']:,} in, {summary['tokens']['output']:,} out",
        "spend": f"${usd['total']}: ${usd['sampler']} sampler, ${usd['judge']} judge",
        "verdicts": _diagnostics(summary["diagnostics"]),
    }
    return {name: line for name, line in lines.items() if line}


def _diagnostics(found: Mapping[str, Any]) -> str:
    """Shares of comparisons that flipped with the order and of wins of the first shown; what is None is not said."""
    sentences = {"flip_rate": "{:.0%} flipped with the order", "p_first": "the first shown won {:.0%}"}
    return ", ".join(words.format(found[key]) for key, words in sentences.items() if found.get(key) is not None)


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
    line = " ".join("".join(c if c.isprintable() else " " for c in words[: 8 * width]).split())
    return line if len(line) <= width else line[: width - 1] + "…"
