"""`judgegen probe`: parses, calls probing.probe, prints. Knows nothing of what is asked."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from judgegen.cli.options import MaxUsd, Out, Quiet, Yes

if TYPE_CHECKING:
    from judgegen.probing.report import Probe


def probe(
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="The run file (TOML).")],
    *,
    out: Out = None,
    max_usd: MaxUsd = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, nothing else.")] = False,
    yes: Yes = False,
    quiet: Quiet = False,
) -> None:
    """Ask each model a few tiny things, and say what a run will do.

    Every variant is asked one short question, every judge about two short answers, and each sampler draws forty words a
    few times: whether schema, logprobs, seed, system message, temperature and the like are taken and heeded, how the
    model thinks, whether its counts can be, how long its context is. The calls are journaled in the run folder: what is
    learned is known to the run, and the same command costs nothing more; another --out asks anew. Where calls cost
    money the expected cost is shown first, and on a terminal you are asked.

    \b
    Exit codes:
      0    nothing was found that speaks against a run
      2    run file, template, price or journal: the message says the mend
      3    a run could not work: key, quota, model name, a parameter, no verdict or answer of use
      4    the budget is reached: with a higher cap the same command continues
      5    some calls lack an answer: the same command tries those again
      8    you were asked whether money may be spent, and said no
      130  interrupted: the same command continues
    """  # noqa: D301 - a backspace is click's mark for lines that stay as they are
    from functools import partial

    from judgegen.cli import ending
    from judgegen.cli.confirm import confirm
    from judgegen.cli.interrupt import stoppable
    from judgegen.probing import probe as probing
    from judgegen.show.progress import watch_for

    job = partial(probing.probe, spec, out=out, max_usd=max_usd)
    with ending.told(as_json=as_json, show=lines):
        confirm(spec, partial(probing.expected, spec, out=out), max_usd=max_usd, batch=False, yes=yes, tell=not quiet)
        with watch_for(sys.stderr, quiet=quiet, noun="needs") as watch:
            done = stoppable(job, watch)
    ending.end(done, as_json=as_json, show=lines)


def lines(done: Probe) -> Iterator[str]:
    """A probe for people, line by line."""
    from judgegen.cli.tables import printed
    from judgegen.probing.report import COLUMNS
    from judgegen.writer.money import plain

    for model in done.models:
        yield model.headline
        if model.findings:
            yield printed(COLUMNS, model.table(), names=(0, 1), words=(2,))
        yield from (f"- {trouble}" for trouble in model.troubles())
        yield ""
    calls = f"{done.calls:,} calls, {done.from_journal:,} of them from the journal, ${plain(done.cost_usd)}"
    yield f"{'nothing speaks against a run' if done.works else 'a run will not do'}; {calls}"
