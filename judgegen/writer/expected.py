"""expected.jsonl in a run folder: what was said of a run's cost before it was paid, a JSON object per time it was said.

It is no output: it cannot be made again, since an estimate knows less than the journal does later. Knows no counting.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

NAME = "expected.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """USD that a run of so many prompts was to cost in all: what was spent before, and what was expected to come."""

    low: Decimal
    expected: Decimal
    high: Decimal


def keep(folder: Path, prompts: int, spent: Decimal, usd: Mapping[Any, Decimal]) -> None:
    """One more line: what the rest of a run is expected to cost, USD `low`, `expected` and `high`."""
    row = {"prompts": prompts, "spent": f"{spent:f}", "usd": {bound: f"{usd[bound]:f}" for bound in Expected.__slots__}}
    with (folder / NAME).open("a", encoding="utf-8") as lines:
        lines.write(json.dumps(row) + "\n")


def kept(folder: Path, prompts: int) -> Expected | None:
    """What was said first of a run of so many prompts; None where nothing was, or it cannot be read any more."""
    try:
        rows = [json.loads(line) for line in (folder / NAME).read_text(encoding="utf-8").splitlines()]
        found = next((row for row in rows if row["prompts"] == prompts), None)
        if found is None:
            return None
        spent = Decimal(found["spent"])
        return Expected(**{bound: spent + Decimal(found["usd"][bound]) for bound in Expected.__slots__})
    except (OSError, ValueError, KeyError, TypeError, InvalidOperation):
        return None
