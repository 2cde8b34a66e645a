"""Entries as rows of a frame, and those of them that a condition or a lot picks.

Knows nothing of how they are shown.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from judgegen.errors import SpecError
from judgegen.report.entries import Entry
from judgegen.show.words import said

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = (
    *("id", "prompt_id", "outcome", "detail", "p", "margin", "consistent", "differ", "variant", "other_variant"),
    *("model", "prompt", "chosen", "rejected", "words", "suspicions", "usd"),
)
"""What a condition may name; `differ` is whether verdicts do, `words` the judges' own."""


def frame(entries: Sequence[Entry]) -> DataFrame:
    """A row per entry, under `COLUMNS`."""
    import pandas as pd

    rows = [_row(entry) for entry in entries]
    columns = {name: pd.Series([row[name] for row in rows], dtype=_KINDS.get(name, "str")) for name in COLUMNS}
    return pd.DataFrame(columns)


_KINDS: dict[str, Any] = {
    **dict.fromkeys(("p", "margin", "usd"), "float64"),
    "consistent": "boolean",
    "differ": "bool",
}


def _row(entry: Entry) -> dict[str, Any]:
    chosen, rejected = entry.chosen, entry.rejected
    sides = [side for side in (chosen, rejected) if side is not None]
    return {
        "id": entry.name,
        "prompt_id": entry.prompt_id,
        "outcome": entry.outcome,
        "detail": entry.detail,
        "p": math.nan if entry.p_chosen is None else entry.p_chosen,
        "margin": math.nan if entry.margin is None else entry.margin,
        "consistent": entry.consistent,
        "differ": entry.conflict,
        "variant": "" if chosen is None else chosen.variant,
        "other_variant": "" if rejected is None else rejected.variant,
        "model": "" if chosen is None else chosen.model,
        "prompt": said(entry.messages),
        "chosen": "" if chosen is None else chosen.text,
        "rejected": "" if rejected is None else rejected.text,
        "words": "\n".join(opinion.words for opinion in entry.opinions),
        "suspicions": " ".join(kind for side in sides for kind in side.suspicions),
        "usd": math.nan if entry.usd is None else float(entry.usd),
    }


def where(entries: Sequence[Entry], condition: str) -> list[Entry]:
    """Those that a condition in pandas' query language holds for: "outcome == 'flip'", "p < 0.7 and differ".

    Raises:
        SpecError: it is no condition on `COLUMNS`.
    """
    rows, given = frame(entries), f"--where {condition!r}"
    try:
        held: Any = rows.eval(condition, engine="python")
    except Exception as error:  # noqa: BLE001 - whatever somebody's condition may come to
        raise SpecError(f"{given}: {str(error)[:200]}; {_CONDITIONS}") from None
    if getattr(held, "ndim", 0) != 1 or str(held.dtype) not in ("bool", "boolean"):
        raise SpecError(f"{given}: is not true or false of each row; {_CONDITIONS}")
    return [entry for entry, holds in zip(entries, held.fillna(False), strict=True) if holds]


_CONDITIONS = f'it is a condition on {", ".join(COLUMNS)}, like "p < 0.7 and differ" or "prompt.str.contains(\'noun\')"'


def sample(entries: Sequence[Entry], n: int, seed: int = 0) -> list[Entry]:
    """`n` of them, or all, drawn by a lot of (seed, name), in the run's order."""
    drawn = sorted(entries, key=lambda entry: _lot(entry.name, seed))[:n]
    return sorted(drawn, key=lambda entry: (entry.place, entry.number))


def _lot(name: str, seed: int) -> bytes:
    return hashlib.blake2b(f"{seed}\n{name}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
