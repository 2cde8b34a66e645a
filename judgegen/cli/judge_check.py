"""`judgegen judge check`: parses, calls checking.check, prints. Knows nothing of how figures come about."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from judgegen.cli import completing
from judgegen.cli.options import Batch, MaxUsd, Quiet, Verbose, Wait, Yes, check_wait

if TYPE_CHECKING:
    from judgegen.study.check import Check

Labelled = Annotated[
    Path,
    typer.Argument(metavar="LABELLED", help="Pairs with a winner or votes, or rated answers; JSONL, CSV or Parquet."),
]
RunFile = Annotated[Path, typer.Option("--run", metavar="SPEC", help="The run file whose judge is asked.")]
Source = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="NAME",
        autocompletion=completing.origins,
        help="LABELLED is of this shape, as for `judgegen import --from`.",
    ),
]
Mapping = Annotated[
    list[str] | None,
    typer.Option("--map", metavar="WHAT=COLUMN", help="A column that no list knows: response_a=left,winner=pick."),
]
Out = Annotated[
    Path | None,
    typer.Option(
        "-o", "--out", metavar="DIR", help="Where the journal goes. Default: runs/NAME-check, with the run file's name."
    ),
]
Limit = Annotated[
    int | None, typer.Option("-n", "--limit", metavar="N", min=1, help="Take N comparisons only, spread over them all.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object, nothing else.")]


def check(
    labelled: Labelled,
    *,
    run: RunFile,
    source: Source = None,
    mapping: Mapping = None,
    out: Out = None,
    limit: Limit = None,
    max_usd: MaxUsd = None,
    batch: Batch = False,
    wait: Wait = False,
    as_json: AsJson = False,
    yes: Yes = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """How far a run file's judge agrees with people, and what habits it has.

    Every comparison is put to the judge as a run would put it, in the same orders, and its verdicts stand beside the
    votes: accuracy, agreement, position, length, ties, calibration, price, each with its 95 % interval over prompts.
    The calls are journaled: the same command continues, and a check that is done costs nothing more. Where calls cost
    money the expected cost is shown first, and on a terminal you are asked.

    \b
    Exit codes:
      0    done
      2    run file, LABELLED, template, price or journal: the message says the mend
      3    the provider refuses: key, quota, model name or parameter
      4    the budget is reached: with a higher cap the same command continues
      5    some calls lack an answer: the figures are of the others; the same command tries those again
      8    you were asked whether money may be spent, and said no
      130  interrupted: the same command continues
    """  # noqa: D301 - a backspace is click's mark for lines that stay as they are
    from functools import partial

    from judgegen.cli import ending
    from judgegen.cli.confirm import confirm
    from judgegen.cli.interrupt import stoppable
    from judgegen.show.progress import watch_for
    from judgegen.study import check as checking

    check_wait(batch=batch, wait=wait)
    which: dict[str, Any] = {"run": run, "source": source, "mapping": mapping or (), "out": out, "limit": limit}
    job = partial(checking.check, labelled, **which, max_usd=max_usd, batch=batch, wait=wait)
    with ending.told(as_json=as_json, show=lines):
        confirm(
            run, partial(checking.expected, labelled, **which), max_usd=max_usd, batch=batch, yes=yes, tell=not quiet
        )
        with watch_for(sys.stderr, quiet=quiet, verbose=verbose, noun="comparisons") as watch:
            done = stoppable(job, watch)
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
    beside = *words.one_order(done.one_order), *words.ranks(done.ranks)
    yield printed(words.FIGURES, (*words.figures(found), *beside), names=(0,), words=(3,))
    if found.reliability:
        yield "\nIs P(chosen) worth its name?\n"
        yield printed(words.RELIABILITY, words.reliability(found), names=())
    if found.risk_coverage:
        yield "\nIf only the surer pairs were kept:\n"
        yield printed(words.RISK, words.risk(found), names=())
