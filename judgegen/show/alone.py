"""What the judge alone would have said where a grader beside it decides: read from a run folder's audit.

Knows the audit's columns; nothing of how a run went.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path

GRADER = "grader"


def alone(folder: Path) -> dict[str, int]:
    """How often the judge's own verdicts name the answer that the grader puts higher: right, wrong, undecided.

    Counted are comparisons whose two answers have different grades; undecided are those whose verdicts tie, or name
    either answer as often as the other. Empty where no grader stands beside a judge, or the audit is not there.
    """
    from pyarrow import parquet

    if not (folder / "audit" / "verdicts.parquet").is_file():
        return {}
    columns = ["prompt_id", "match", "first", "second", "label", "counted"]
    said: dict[tuple[str, int], Counter[str]] = defaultdict(Counter)
    shown: dict[tuple[str, int], tuple[str, str]] = {}
    for row in parquet.read_table(folder / "audit" / "verdicts.parquet", columns=columns).to_pylist():
        where = row["prompt_id"], row["match"]
        shown.setdefault(where, (row["first"], row["second"]))
        if row["counted"] and row["label"] in ("first", "second"):
            said[where][row[row["label"]]] += 1
    grades, found = _grades(folder), Counter[str]()
    for (prompt, match), (one, other) in shown.items():
        a, b = grades.get((prompt, one)), grades.get((prompt, other))
        if a is None or b is None or a == b:
            continue
        better, worse = (one, other) if a > b else (other, one)
        for_it = said[prompt, match][better] - said[prompt, match][worse]
        found["right" if for_it > 0 else "wrong" if for_it < 0 else "undecided"] += 1
    return dict(found)


def _grades(folder: Path) -> dict[tuple[str, str], float]:
    """What the grader gave, by prompt and candidate."""
    from pyarrow import parquet

    found = {}
    columns = ["prompt_id", "candidate", "scores"]
    for row in parquet.read_table(folder / "audit" / "candidates.parquet", columns=columns).to_pylist():
        for score in json.loads(row["scores"] or "[]"):
            if score["judge"] == GRADER and score.get("score") is not None:
                found[row["prompt_id"], row["candidate"]] = score["score"]
    return found


def sentence(counts: dict[str, int]) -> str:
    """The counts as a sentence for people; empty where there is nothing to say."""
    total = sum(counts.values())
    if not total:
        return ""
    right, wrong, undecided = (counts.get(name, 0) for name in ("right", "wrong", "undecided"))
    times = "comparison" if total == 1 else "comparisons"
    others = f"wrong in {wrong:,}, torn in {undecided:,}"
    return f"alone right in {right:,} of {total:,} {times} that the grader decides, {others}"
