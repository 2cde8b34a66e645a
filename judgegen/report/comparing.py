"""Two runs over the same prompts beside each other: where they agree, what moved, what each cost.

What is compared is what both judges said of the same two texts, whoever drew them. The first run's label takes the
place of a vote in the figures of `judgegen.trust`. Knows nothing of terminals; its page runs no script.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judgegen.errors import SpecError
from judgegen.report import page
from judgegen.report.entries import PAIR, entries
from judgegen.report.packing import clipped
from judgegen.report.tables import Row, Tables
from judgegen.show.words import said
from judgegen.textual import harmless
from judgegen.trust import Figure, Judged, Vote
from judgegen.trust.between import between
from judgegen.writer.files import write_text

MOST = 200
"""Disagreements that a page holds."""
Two = tuple[str, str, str]
"""A prompt's id and two of its answers' texts, sorted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Two texts of which the runs prefer different ones; P is of the first in both."""

    prompt_id: str
    prompt: str
    texts: tuple[str, str]
    p: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What two runs come to beside each other.

    Attributes:
        names, summaries: of the runs.
        prompts: in both; `pairs`: prompts with a pair in both, in the first alone, in the second alone.
        judged: comparisons that both read; `agreement`, `kappa`: of their labels, ties a label of their own.
        moved: pairs in both whose two texts are the same and whose chosen and rejected changed places.
        same: pairs in both that are the same.
        differences: where one prefers one text and the other the other, those they are surest of first.
    """

    names: tuple[str, str]
    summaries: tuple[Mapping[str, Any], Mapping[str, Any]]
    prompts: int
    pairs: tuple[int, int, int]
    judged: int
    agreement: Figure
    kappa: Figure
    same: int
    moved: int
    differences: tuple[Difference, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        both, first, second = self.pairs
        return {
            "runs": list(self.names),
            "prompts": self.prompts,
            "pairs": {"both": both, "first_only": first, "second_only": second},
            "judged_by_both": self.judged,
            "agreement": self.agreement.to_dict(),
            "kappa": self.kappa.to_dict(),
            "same_label": self.same,
            "moved_label": self.moved,
            "opposed": len(self.differences),
            "cost_usd": [summary["cost_usd"]["total"] for summary in self.summaries],
        }

    def rows(self) -> list[tuple[str, str, str]]:
        """Figures of each run, by name."""
        found = [("pairs", *(f"{s['pairs']:,}" for s in self.summaries))]
        found.append(("USD", *(s["cost_usd"]["total"] or "not known" for s in self.summaries)))
        for name in ("flip_rate", "p_first", "tie_rate", "unreadable_rate", "longer_chosen"):
            shares = (s["diagnostics"].get(name) for s in self.summaries)
            found.append((name, *("-" if share is None else f"{share:.1%}" for share in shares)))
        return [(name, one, other) for name, one, other in found]

    def words(self) -> Iterator[str]:
        """What there is to know, line by line."""
        both, first, second = self.pairs
        yield f"{self.prompts:,} prompts in both: {both:,} gave a pair in both, {first:,} and {second:,} in one alone"
        yield f"of the pairs in both {self.same:,} are the same, and {self.moved:,} changed sides"
        if not self.judged:
            yield "no two texts were judged in both runs, so nobody knows how far the judges agree"
            return
        yield f"{self.judged:,} comparisons of the same texts: agreement {self.agreement}, kappa {self.kappa}"
        yield f"{len(self.differences):,} times one judge prefers the one text and the other the other"


def compare(first: Path, second: Path) -> Compared:
    """Compare two run folders.

    Raises:
        SpecError: one is no run, or they have no prompt in common, or the extra `trust` is not installed.
    """
    one, other = Tables(first), Tables(second)
    asked = {row["prompt_id"]: row for row in one.prompts}
    common = asked.keys() & {row["prompt_id"] for row in other.prompts}
    if not common:
        raise SpecError(f"{first} and {second} have no prompt in common")
    heard_by = dict(heard(one)), dict(heard(other))
    shared = sorted(two for two in heard_by[0] if two in heard_by[1])
    found = between(*([Judged(prompt_id=two[0], p=_leaning(of[two])) for two in shared] for of in heard_by))
    chosen = _pairs(one), _pairs(other)
    with_pair = [{two[0] for two in pairs} & common for pairs in chosen]
    return Compared(
        names=(harmless(first.resolve().name), harmless(second.resolve().name)),
        summaries=(one.summary, other.summary),
        prompts=len(common),
        pairs=(len(with_pair[0] & with_pair[1]), len(with_pair[0] - with_pair[1]), len(with_pair[1] - with_pair[0])),
        judged=found.judged,
        agreement=found.agreement,
        kappa=found.kappa,
        same=sum(chosen[1].get(two) == text for two, text in chosen[0].items()),
        moved=sum(chosen[1].get(two, text) != text for two, text in chosen[0].items()),
        differences=tuple(_difference(asked, shared[place], *heard_by) for place in found.opposed),
    )


def _pairs(tables: Tables) -> dict[Two, str]:
    """The chosen text of each pair, by its two texts."""
    found: dict[Two, str] = {}
    for entry in entries(tables):
        if entry.outcome == PAIR and entry.chosen is not None and entry.rejected is not None:
            found[_two(entry.prompt_id, entry.chosen.text, entry.rejected.text)] = entry.chosen.text
    return found


def _two(prompt_id: str, a: str, b: str) -> Two:
    return (prompt_id, a, b) if a <= b else (prompt_id, b, a)


def heard(tables: Tables) -> Iterator[tuple[Two, float]]:
    """P(the first text is better), the mean over all that was said of two texts; ties half."""
    texts = {(c["prompt_id"], c["candidate"]): c["text"] or "" for c in tables.candidates}
    leans: defaultdict[Two, list[float]] = defaultdict(list)
    for row in tables.verdicts:
        if row["unreadable"] is None and row["counted"]:
            first, second = (texts[row["prompt_id"], row[place]] for place in ("first", "second"))
            two = _two(row["prompt_id"], first, second)
            lean = row["p_first"] + row["p_tie"] / 2 - 0.5
            leans[two].append(lean if two[1] == first else -lean)
    for two, found in leans.items():
        if two[1] != two[2]:
            yield two, 0.5 + sum(found) / len(found)


def label(p: float) -> Vote:
    """The side that a P is for, A being the first text."""
    return "tie" if _leaning(p) == 0.5 else "A" if p > 0.5 else "B"


def _leaning(p: float) -> float:
    """P without a lean that rounding makes."""
    return 0.5 if abs(p - 0.5) < 1e-9 else p


def _difference(asked: Mapping[str, Row], two: Two, one: Mapping[Two, float], other: Mapping[Two, float]) -> Difference:
    return Difference(
        prompt_id=two[0],
        prompt=said(json.loads(asked[two[0]]["messages"])),
        texts=(two[1], two[2]),
        p=(one[two], other[two]),
    )


def write(found: Compared, path: Path) -> None:
    """The page: the same words and figures, and the disagreements to read."""
    shown = [
        (d.prompt_id, clipped(d.prompt, 4000), [clipped(text, 8000) for text in d.texts], d.p)
        for d in found.differences[:MOST]
    ]
    safe = [(harmless(i), harmless(q), [harmless(t) for t in texts], p) for i, q, texts, p in shown]
    text = page.render(
        "compare.html",
        scripts=[],
        style=page.own("page.css"),
        names=found.names,
        words=list(found.words()),
        rows=found.rows(),
        shown=safe,
        of=len(found.differences),
    )
    write_text(path, text)
