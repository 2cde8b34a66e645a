"""`judgegen judge check`: parses, calls checking.check, prints. Knows nothing of how figures come about."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from judgegen.study.check import Check

Labelled = Annotated[
    Path, typer.Argument(metavar="LABELLED", help="Pairs of responses with a winner, or votes; JSONL, CSV or Parquet.")
]
RunFile = Annotated[Path, typer.Option("--run", metavar="SPEC", help="The run file whose judge is asked.")]
Source = Annotated[
    str | None,
    typer.Option("--from", metavar="NAME", help="LABELLED is of this shape, as for `judgegen import --from`."),
]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Where the journal goes. Without it: runs/ and SPEC's name, -check."),
]
Limit = Annotated[
    int | None, typer.Option("--limit", metavar="N", min=1, help="Take N comparisons only, spread over them all.")
]
MaxUsd = Annotated[
    float | None, typer.Option("--max-usd", metavar="USD", min=0, help="The most that folder may cost in all.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, nothing else.")]
Silent = Annotated[bool, typer.Option("--quiet", help="Show no progress; warnings and errors remain.")]


def check(
    labelled: Labelled,
    *,
    run: RunFile,
    source: Source = None,
    out: Out = None,
    limit: Limit = None,
    max_usd: MaxUsd = None,
    as_json: AsJson = False,
    quiet: Silent = False,
) -> None:
    """How far a run file's judge agrees with people, and what habits it has.

    Every comparison is put to the judge as a run would put it, in the same orders, and its verdicts stand beside the
    votes: accuracy, agreement, position, length, ties, calibration, price, each with its 95 % interval over prompts.
    The calls are journaled: the same command continues, and a check that is done costs nothing more.

    \b
    Exit codes:
      0    done
      2    run file, LABELLED, template, price or journal: the message says the mend
      3    the provider refuses: key, quota, model name or parameter
      4    the budget is reached: with a higher cap the same command continues
      5    some calls lack an answer: the figures are of the others; the same command tries those again
      130  interrupted: the same command continues
    """  # noqa: D301 - a backspace is click's mark for lines that stay as they are
    import asyncio
    from functools import partial

    from judgegen.cli import ending
    from judgegen.cli.interrupt import stoppable
    from judgegen.show.progress import watch_for
    from judgegen.study import check as checking

    job = partial(checking.check, labelled, run=run, source=source, out=out, limit=limit, max_usd=max_usd)
    with ending.told(as_json=as_json, show=lines), watch_for(sys.stderr, quiet=quiet, noun="comparisons") as watch:
        done = asyncio.run(stoppable(job, watch))
    ending.end(done, as_json=as_json, show=lines)


def lines(done: Check) -> Iterator[str]:
    """A check for people, line by line."""
    from judgegen.cli.tables import printed
    from judgegen.trust import words
    from judgegen.writer.money import plain

    found = done.report
    asked = f"{done.calls:,} calls, ${plain(done.cost_usd)}"
    yield f"{done.judge}: {found.n:,} comparisons of {found.prompts:,} prompts; {asked}"
    yield ""
    yield printed(words.FIGURES, words.figures(found), names=(0,), words=(3,))
    if found.reliability:
        yield "\nIs P(chosen) worth its name?\n"
        yield printed(words.RELIABILITY, words.reliability(found), names=())
    if found.risk_coverage:
        yield "\nIf only the surer pairs were kept:\n"
        yield printed(words.RISK, words.risk(found), names=())
