"""Judges beside one another on the same comparisons: which to use, and what they disagree on.

Each is checked as `judge check` does it, in a journal of its own, so that what one command asked the other does not ask
again. Of a run instead of labelled comparisons its own labels stand where people's votes would. Knows nothing of
terminals.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judgegen.errors import SpecError
from judgegen.exchange import comparisons
from judgegen.judge.build import content
from judgegen.llm.stop import Stop
from judgegen.report import comparing
from judgegen.report.tables import Tables
from judgegen.run.session import Given
from judgegen.sources.labelled import Labelled
from judgegen.study import check as checking
from judgegen.study.check import Check
from judgegen.trust import Figure
from judgegen.trust.between import Between, between, couples, price, ranks
from judgegen.trust.judged import Vote
from judgegen.watch import Watch

if TYPE_CHECKING:
    from judgegen.run.expected import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """A comparison on which judges prefer different sides. `p` is of the first response, by judge; None: none read."""

    id: str
    prompt: str
    responses: tuple[str, str]
    votes: tuple[Vote, ...]
    p: tuple[float | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Versus:
    """Two of the judges, by place: what they come to beside each other; `ranks` of scores, where both give some."""

    judges: tuple[int, int]
    found: Between
    ranks: Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Rivals:
    """What judges come to beside one another.

    Attributes:
        names: of the run files; `checks` of each, over the same comparisons.
        usd: per 1,000 correct pairs, each.
        voted: whether people's votes were there; else those of the run that was judged again.
        versus: every two of them.
        disputes: to read, those on which two are surest against each other first.
    """

    names: tuple[str, ...]
    checks: tuple[Check, ...] = field(repr=False)
    usd: tuple[Figure, ...]
    voted: bool
    versus: tuple[Versus, ...]
    disputes: tuple[Dispute, ...] = field(repr=False)

    @property
    def summary(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "against": "votes" if self.voted else "the run",
            "judges": [self._judge(i) for i in range(len(self.names))],
            "pairs": [
                {"judges": [self.names[i] for i in one.judges], **one.found.to_dict(), "ranks": one.ranks.to_dict()}
                for one in self.versus
            ],
            "disputes": len(self.disputes),
        }

    def _judge(self, place: int) -> dict[str, Any]:
        found, report = self.checks[place], self.checks[place].report
        return {
            "name": self.names[place],
            "judge": found.judge,
            "comparisons": report.n,
            "accuracy": report.accuracy.non_tie.to_dict(),
            "kappa": report.kappa.to_dict(),
            "coverage": report.coverage.to_dict(),
            "position_consistency": report.position_consistency.to_dict(),
            "brier": report.brier.to_dict(),
            "ranks": None if found.ranks is None else found.ranks.to_dict(),
            "usd_per_1000_correct": self.usd[place].to_dict(),
            "cost_usd": format(found.cost_usd, "f"),
        }


async def compare(
    runs: Sequence[Given],
    *,
    on: comparisons.Rows,
    source: str | None = None,
    mapping: Mapping[str, str] | Sequence[str] = (),
    out: str | Path | None = None,
    limit: int | None = None,
    max_usd: Decimal | float | None = None,
    watch: Watch | None = None,
    stop: Stop | None = None,
    resamples: int = 1000,
) -> Rivals:
    """Put the same comparisons to the judges of several run files.

    Args:
        runs: run files, their tables, or Specs; two at least.
        on: labelled comparisons as for `check`, or a run's folder: what was compared there is judged again.
        source: as for `check`; of labelled comparisons alone.
        mapping: as for `check`; of labelled comparisons alone.
        out: a folder with a journal for each; as for `check` unless given.
        limit: so many comparisons, spread over them all.
        max_usd: the most that each folder may cost in all.
        watch: sees the calls go.
        stop: ends it from outside; what is in flight lands.
        resamples: of prompts, for the intervals.

    Raises:
        SpecError: fewer than two judges, or two run files of one name; and as `check`.
        PriceUnknown, JournalError, ProviderRefused, BudgetReached, Incomplete, Interrupted: as `check`.
    """
    names = names_of(runs)
    given, voted = _given(on)
    rows = {row.id: row for row in comparisons.labelled(given, source, lambda _: None, mapping=mapping)}
    checks = [
        await checking.check(
            given,
            run=one,
            source=source,
            mapping=mapping,
            out=None if out is None else Path(out) / name,
            limit=limit,
            max_usd=max_usd,
            resamples=resamples,
            watch=watch,
            stop=stop,
        )
        for one, name in zip(runs, names, strict=True)
    ]
    return rivals(names, checks, rows, voted=voted, resamples=resamples)


def expected(
    runs: Sequence[Given],
    *,
    on: comparisons.Rows,
    source: str | None = None,
    mapping: Mapping[str, str] | Sequence[str] = (),
    out: str | Path | None = None,
    limit: int | None = None,
) -> Iterator[tuple[Given, Callable[[], Estimate]]]:
    """Each run file, with what counts what its judge will take beyond what its journal answers; raises as `compare`."""
    given, _ = _given(on)
    for one, name in zip(runs, names_of(runs), strict=True):
        folder = None if out is None else Path(out) / name
        which: dict[str, Any] = {"source": source, "mapping": mapping, "out": folder, "limit": limit}
        yield one, partial(checking.expected, given, run=one, **which)


def names_of(runs: Sequence[Given]) -> tuple[str, ...]:
    """What the judges are called: by their run files; where two are called alike, by the folders that these are in.

    Raises:
        SpecError: fewer than two, or two of one name, whose journals would be one.
    """
    if len(runs) < 2:
        raise SpecError("one judge has nothing to stand beside: name two run files at least")
    files = [Path(run) if isinstance(run, str | Path) else Path(f"judge-{i}") for i, run in enumerate(runs, 1)]
    stems = [file.stem for file in files]
    names = tuple(file.resolve().parent.name if stems.count(file.stem) > 1 else file.stem for file in files)
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SpecError(f"two run files are called {twice[0]!r}: their journals would be one; rename one of them")
    return names


def _given(on: comparisons.Rows) -> tuple[comparisons.Rows, bool]:
    """The comparisons, and whether people voted on them."""
    if isinstance(on, str | Path) and Path(on).is_dir():
        return list(_of_run(Path(on))), False
    return (on if isinstance(on, str | Path) else list(on)), True


def _of_run(folder: Path) -> list[dict[str, Any]]:
    """What a run compared, with its own label as the winner."""
    tables = Tables(folder)
    asked = {row["prompt_id"]: json.loads(row["messages"]) for row in tables.prompts}
    rows = [
        {
            "id": f"{prompt_id}/{place}",
            "messages": asked[prompt_id],
            "response_a": a,
            "response_b": b,
            "winner": comparing.label(p),
        }
        for place, ((prompt_id, a, b), p) in enumerate(comparing.heard(tables))
    ]
    if not rows:
        raise SpecError(f"{folder}: nothing was compared in this run")
    return rows


def rivals(
    names: Sequence[str], checks: Sequence[Check], rows: Mapping[str, Labelled], *, voted: bool, resamples: int = 1000
) -> Rivals:
    """What checks over the same comparisons come to beside one another; what one of them lacks is left out of all."""
    found = [dict(zip(one.ids, one.rows, strict=True)) for one in checks]
    shared = [name for name in checks[0].ids if all(name in one for one in found)]
    lined = [[one[name] for name in shared] for one in found]
    versus = [
        Versus(
            judges=(i, j),
            found=between(lined[i], lined[j], resamples=resamples),
            ranks=ranks(checks[i].scores, checks[j].scores, resamples=resamples),
        )
        for i, j in couples(len(checks))
    ]
    apart: dict[int, float] = {}
    for one in versus:
        for place in one.found.opposed:
            a, b = (lined[judge][place].p or 0.0 for judge in one.judges)
            apart[place] = max(apart.get(place, 0.0), abs(a - b))
    order = sorted(apart, key=lambda place: (-apart[place], place))
    return Rivals(
        names=tuple(names),
        checks=tuple(checks),
        usd=tuple(price(one.rows, resamples=resamples) for one in checks),
        voted=voted,
        versus=tuple(versus),
        disputes=tuple(_dispute(rows[shared[place]], [one[place].p for one in lined]) for place in order),
    )


def _dispute(row: Labelled, p: Sequence[float | None]) -> Dispute:
    said = "\n".join(content(message) for message in row.messages)
    return Dispute(
        id=row.id, prompt=said, responses=(row.response_a, row.response_b), votes=tuple(row.votes), p=tuple(p)
    )
