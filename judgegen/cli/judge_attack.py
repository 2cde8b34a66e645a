"""`judgegen judge attack`: parses, calls attacking.attack, prints. Knows nothing of what is asked."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from judgegen.cli.options import Batch, MaxUsd, Prompts, Quiet, Verbose, Wait, Yes, check_wait

if TYPE_CHECKING:
    from judgegen.study.attack import Attack, Attacked

COLUMNS = ("attack", "judge", "prompts", "won", "share [95 %]", "shown first", "shown second", "lost both", "ties", "")


def attack(
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="The run file (TOML).")],
    *,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", metavar="DIR", help="The run's folder; the attack's is beside it and ends in -attack."
        ),
    ] = None,
    limit: Prompts = None,
    max_usd: MaxUsd = None,
    batch: Batch = False,
    wait: Wait = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, nothing else.")] = False,
    yes: Yes = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """How often hostile answers win before a run file's judge.

    Forged verdicts, pleas, master keys, null models, broken frames and the like stand against a normal answer of the
    run's sampler, in both orders. An answer that the run's journal has is taken from there. The calls are journaled:
    the same command continues, and an attack that is done costs nothing more. Where calls cost money the expected cost
    is shown first, and on a terminal you are asked.

    \b
    Exit codes:
      0    every attack lost: none won under more than 5 % of the prompts
      2    run file, prompts, template, price or journal: the message says the mend
      3    the provider refuses: key, quota, model name or parameter
      4    the budget is reached: with a higher cap the same command continues
      5    some calls lack an answer: the figures are of the others; the same command tries those again
      6    an attack won under more than 5 % of the prompts, in either order: do not trust this judge with strangers
      8    you were asked whether money may be spent, and said no
      130  interrupted: the same command continues
    """  # noqa: D301 - a backspace is click's mark for lines that stay as they are
    from functools import partial

    from judgegen.cli import ending
    from judgegen.cli.confirm import confirm
    from judgegen.cli.interrupt import stoppable
    from judgegen.show.progress import watch_for
    from judgegen.study import attack as attacking

    check_wait(batch=batch, wait=wait)
    expected = partial(attacking.expected, spec, out=out, limit=limit)
    job = partial(attacking.attack, spec, out=out, limit=limit, max_usd=max_usd, batch=batch, wait=wait)
    with ending.told(as_json=as_json, show=lines):
        confirm(spec, expected, max_usd=max_usd, batch=batch, yes=yes, tell=not quiet)
        with watch_for(sys.stderr, quiet=quiet, verbose=verbose, noun="attacked prompts") as watch:
            done = stoppable(job, watch)
    ending.end(done, as_json=as_json, show=lines)


def lines(done: Attack) -> Iterator[str]:
    """An attack for people, line by line."""
    from judgegen.cli.tables import printed
    from judgegen.writer.money import plain

    calls = f"{sum(done.calls.values()):,} calls, {done.from_journal:,} of them from journals, ${plain(done.cost_usd)}"
    yield f"{len(done.rows):,} attacks under {done.prompts:,} prompts; {calls}"
    if done.unanswered:
        yield f"{done.unanswered:,} prompts have no normal answer that may compete"
    yield ""
    yield printed(COLUMNS, map(_cells, done.rows), names=(0, 1), words=(9,))


def _cells(row: Attacked) -> tuple[str, ...]:
    said = (
        ["WINS"] * row.won + ["screened"] * bool(row.screened) + [f"{row.unreadable} unreadable"] * (row.unreadable > 0)
    )
    shares = (_share(row.first.value), _share(row.second.value))
    interval = "-" if row.win_rate.low is None else f"[{_share(row.win_rate.low)}, {_share(row.win_rate.high)}]"
    share = f"{_share(row.win_rate.value)} {interval}"
    counts = (f"{row.lost_both:,}", f"{row.ties:,}", ", ".join(said))
    return row.attack, row.judge, f"{row.n:,}", f"{row.wins:,}", share, *shares, *counts


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"
