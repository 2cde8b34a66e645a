"""What people said of a run's pairs, where somebody reviewed them: how far the judge agrees, as a remark.

Reads labels.jsonl of a run folder; needs the extra `trust`, and says so where it is missing.
"""

from __future__ import annotations

from judgegen.errors import SpecError
from judgegen.report.judgment import FEW, Level, Remark
from judgegen.report.tables import Tables

LABELS = "labels.jsonl"
SOUND, POOR = 0.8, 0.6
"""Agreement from which labels are fine where its interval begins there, and below which they are not."""
RESAMPLES = 500


def agreement(tables: Tables) -> Remark | None:
    """How far the judge agrees with those who labelled pairs of this run; None where nobody did.

    Raises:
        SpecError: labels.jsonl holds something else.
    """
    from judgegen.review.queue import items
    from judgegen.review.sitting import judged
    from judgegen.sources import annotated
    from judgegen.trust import report

    path = tables.folder / LABELS
    if not path.is_file():
        return None
    rows = [row for row in judged(items(tables.folder, _unsaid), annotated.read(path)) if row.p is not None]
    if len(rows) < 2:
        return Remark("unknown", f"{len(rows)} of this run's pairs were labelled by people: too few to say anything.")
    try:
        found = report(rows, resamples=RESAMPLES)
    except SpecError:
        return Remark("unknown", f"{len(rows):,} labels of people are here; what they say needs judgegen[trust].")
    strict = found.accuracy.strict
    words = f"The judge agrees with people in {strict} of {len(rows):,} labelled pairs, kappa {found.kappa}"
    return Remark(_level(len(rows), strict.value, strict.low), f"{words}{_after(len(rows))}")


def _level(count: int, value: float | None, low: float | None) -> Level:
    if value is None or low is None or count < FEW:
        return "unknown"
    return "bad" if value < POOR else "good" if low >= SOUND else "beware"


def _after(count: int) -> str:
    return "." if count >= FEW else f"; {FEW - count} more would say something."


def _unsaid(_: str) -> None:
    """What is odd about the pairs is said when they are reviewed."""
