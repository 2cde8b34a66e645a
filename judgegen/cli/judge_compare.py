"""`judgegen judge compare`: parses, calls rivals.compare, prints. Knows nothing of how figures come about."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from judgegen.cli.judge_check import AsJson, Limit, Mapping, Source
from judgegen.cli.options import MaxUsd, Quiet, Yes

if TYPE_CHECKING:
    from judgegen.study.rivals import Dispute, Rivals

READ = 3
"""Disagreements that are printed unless another number is given."""


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="SPEC...", help="The run files whose judges are compared.")],
    *,
    on: Annotated[
        Path,
        typer.Option("--on", metavar="LABELLED|RUN", help="Labelled comparisons, or a run to judge again."),
    ],
    source: Source = None,
    mapping: Mapping = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="DIR", help="Where the journals go; as for check unless given."),
    ] = None,
    limit: Limit = None,
    max_usd: MaxUsd = None,
    n: Annotated[int, typer.Option("--read", metavar="N", min=0, help="How many disagreements to print.")] = READ,
    as_json: AsJson = False,
    yes: Yes = False,
    quiet: Quiet = False,
) -> None:
    """Judges beside one another: what to use, and where they disagree.

    The same comparisons are put to the judge of each run file, as `judgegen judge check` does it and in the same
    journals. What comes out is how often each agrees with people on what it gives a side, how often it gives one
    (coverage), at which price per 1,000 correct pairs, how far every two agree with each other (with kappa, and for
    judges that score the ranks of their scores within a prompt), and disagreements to read. Of a RUN its own labels
    stand where people's votes would. Exit codes as for `judgegen judge check`.
    """
    from functools import partial

    from judgegen.cli import ending
    from judgegen.cli.confirm import confirm
    from judgegen.cli.interrupt import stoppable
    from judgegen.show.progress import watch_for
    from judgegen.study import rivals

    job = partial(
        rivals.compare, runs, on=on, source=source, mapping=mapping or (), out=out, limit=limit, max_usd=max_usd
    )
    show = partial(lines, n=n)
    with ending.told(as_json=as_json, show=show):
        for one, expected in rivals.expected(runs, on=on, source=source, mapping=mapping or (), out=out, limit=limit):
            confirm(one, expected, max_usd=max_usd, batch=False, yes=yes, tell=not quiet)
        with watch_for(sys.stderr, quiet=quiet, noun="comparisons") as watch:
            done = stoppable(job, watch)
    ending.end(done, as_json=as_json, show=show)


def lines(done: Any, *, n: int = READ) -> Iterator[str]:
    """What there is to know, line by line; of one judge's check, where that is how far it came, its own."""
    from judgegen.cli import judge_check
    from judgegen.cli.tables import printed
    from judgegen.study.rivals import Rivals

    if not isinstance(done, Rivals):
        yield from judge_check.lines(done)
        return
    whom = "people" if done.voted else "the run"
    yield printed(("judge", f"as {whom}", "kappa", "coverage", "USD per 1,000 right"), _judges(done), names=(0,))
    if any(one.ranks is not None for one in done.checks):
        yield "\n" + printed(("judge", "ranks as ratings", "ceiling", "prompts", "answers"), _ranked(done), names=(0,))
    yield ""
    yield printed(("judges", "compared", "agreement", "kappa", "opposed", "ranks"), _versus(done), names=(0,))
    for one in islice(done.disputes, n):
        yield "\n" + "\n".join(_read(one, done.names))


def _judges(done: Rivals) -> list[tuple[str, ...]]:
    return [
        (name, str(r.accuracy.non_tie), str(r.kappa), str(r.coverage), str(usd))
        for name, r, usd in zip(done.names, (one.report for one in done.checks), done.usd, strict=True)
    ]


def _ranked(done: Rivals) -> list[tuple[str, ...]]:
    found = zip(done.names, (one.ranks for one in done.checks), strict=True)
    return [
        (name, str(one.tau), str(one.ceiling), f"{one.prompts:,}", f"{one.answers:,}") for name, one in found if one
    ]


def _versus(done: Rivals) -> list[tuple[str, ...]]:
    return [
        (
            " | ".join(done.names[i] for i in one.judges),
            f"{one.found.judged:,}",
            str(one.found.agreement),
            str(one.found.kappa),
            f"{len(one.found.opposed):,}",
            str(one.ranks),
        )
        for one in done.versus
    ]


def _read(one: Dispute, names: tuple[str, ...]) -> list[str]:
    import shutil

    from judgegen.show.words import shortened

    width = min(100, shutil.get_terminal_size((80, 24)).columns)
    told = ", ".join("-" if p is None else f"{name} {p:.2f}" for name, p in zip(names, one.p, strict=True))
    votes = ", ".join(f"{vote} x {one.votes.count(vote)}" for vote in dict.fromkeys(one.votes))
    sides = [f"  {side}: {text}" for side, text in zip("AB", one.responses, strict=True)]
    return [shortened(line, width) for line in (f"{one.id}: {one.prompt}", *sides, f"  P(A): {told}; votes: {votes}")]
