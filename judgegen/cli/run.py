"""`judgegen run`: the main job. Parses, calls api.generate, prints. Knows nothing of stages or providers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from judgegen.cli.options import Batch, MaxUsd, Prompts, Quiet, Shard, Wait, Yes, check_wait


def run(
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="The run file (TOML).")],
    *,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="The run folder. Without it: runs/ and SPEC's name.")
    ] = None,
    limit: Prompts = None,
    max_usd: MaxUsd = None,
    batch: Batch = False,
    wait: Wait = False,
    shard: Shard = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as one JSON object, nothing else.")
    ] = False,
    yes: Yes = False,
    quiet: Quiet = False,
) -> None:
    """Make preference pairs from a run file; run again, it continues.

    What the journal in the run folder answers is not sent again, so nothing is paid for twice. Where calls cost money
    the expected cost is shown first, and on a terminal you are asked. Ctrl-C lets what is in flight land, writes the
    outputs and prints the command that continues; a second Ctrl-C ends at once.

    \b
    Exit codes:
      0    done
      2    run file, prompts, template, price or journal: the message says the mend
      3    refused (key, quota, model, parameter), or the first answers are of no use
      4    the budget is reached: with a higher cap the same command continues
      5    some calls lack an answer: the same command tries those again
      6    all is written, but a figure is past a limit that [gates] sets
      130  interrupted: the same command continues
    """  # noqa: D301 - a backspace is click's mark for lines that stay as they are
    from functools import partial

    from judgegen import api
    from judgegen.cli import ending
    from judgegen.cli.confirm import confirm
    from judgegen.cli.interrupt import stoppable
    from judgegen.show.progress import watch_for

    check_wait(batch=batch, wait=wait)
    expected = partial(api.estimate, spec, out=out, limit=limit, shard=shard)
    job = partial(api.generate, spec, out=out, limit=limit, max_usd=max_usd, batch=batch, wait=wait, shard=shard)
    with ending.told(as_json=as_json):
        confirm(spec, expected, batch=batch, ask=not yes, tell=not quiet)
        with watch_for(sys.stderr, quiet=quiet) as watch:
            done = stoppable(job, watch)
    ending.end(done, as_json=as_json)
