"""Labels as people gave them, one at a time: a file to which only is added, a line per label.

A line has a comparison (`id`, `prompt_id`, `messages`, `response_a`, `response_b`) and whose word it is: `annotator`,
`winner` ("A", "B", "tie", or null where it is taken back), `note`, `at`. Of each annotator the last word on a
comparison counts.
Knows nothing of who writes such a file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from judgegen.errors import SpecError

MARK = "judgegen-labels"
"""What stands in the column `log` of every line, so that such a file is known by its first."""


def known(path: Path) -> bool:
    """Whether the file is one of these."""
    try:
        with path.open(encoding="utf-8") as lines:
            first = json.loads(lines.readline())
    except (OSError, ValueError):
        return False
    return isinstance(first, dict) and first.get("log") == MARK


def read(path: Path) -> list[dict[str, Any]]:
    """Its lines; the last one is left out where it was cut off, since nobody was told that it was kept.

    Raises:
        SpecError: a line that is not the last is no label.
    """
    raw = path.read_bytes()
    whole, _, _ = raw.rpartition(b"\n")
    found = []
    for number, line in enumerate(whole.split(b"\n") if whole else [], start=1):
        try:
            row = json.loads(line)
            found.append({**row, "id": str(row["id"]), "annotator": str(row["annotator"])})
        except (ValueError, KeyError, TypeError):
            raise SpecError(f"{path}: line {number} is no label; mend or remove it") from None
    return found


def standing(lines: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], Mapping[str, Any]]:
    """The last word of each annotator on each comparison, by (comparison, annotator); what was taken back is gone."""
    last = {(line["id"], line["annotator"]): line for line in lines}
    return {key: line for key, line in last.items() if line["winner"] is not None}


def merged(lines: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """A labelled comparison per comparison, with a vote of each annotator, and what they noted beside it."""
    votes: dict[str, list[Mapping[str, Any]]] = {}
    for (name, _), line in standing(lines).items():
        votes.setdefault(name, []).append(line)
    for name, said in votes.items():
        row = {key: said[0][key] for key in ("messages", "response_a", "response_b")}
        notes = [line["note"] for line in said if line.get("note")]
        yield {"id": name, **row, "votes": [line["winner"] for line in said], **({"notes": notes} if notes else {})}
