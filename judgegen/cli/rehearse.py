"""`judgegen rehearse`: a run file played through at no cost. Parses, calls api.rehearse, prints."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from judgegen.cli.options import MaxUsd, Prompts, Quiet, Verbose


def rehearse(
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="The run file (TOML).")],
    *,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            metavar="DIR",
            help="The folder. Default: rehearsals/NAME, with the run file's name, or its folder's for run.toml.",
        ),
    ] = None,
    limit: Prompts = None,
    max_usd: MaxUsd = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as one JSON object, nothing else.")
    ] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Play a run file through with made-up models, at no cost.

    The known-truth world (`judgegen simulate --help`) plays every model of the run file, in the dialect of its address;
    no key is needed. Prompts, templates, graders, method, panel, escalation, schedule, cap, gates and prices are the
    run file's: first the expected cost of the real run is told, and the USD in the summary are what the made-up answers
    would have cost. Graders find right answers where the prompts bring references.

    Every row says that it is of a rehearsal, and no consumer's format takes it; the folder holds no run's answers. Exit
    codes are those of `judgegen run`.
    """
    from functools import partial

    from judgegen import api
    from judgegen.cli import ending
    from judgegen.cli.confirm import confirm
    from judgegen.cli.interrupt import stoppable
    from judgegen.show.progress import watch_for

    job = partial(api.rehearse, spec, out=out, limit=limit, max_usd=max_usd)
    with ending.told(as_json=as_json):
        confirm(spec, partial(api.estimate, spec, out=out, limit=limit), batch=False, yes=True, tell=not quiet)
        with watch_for(sys.stderr, quiet=quiet, verbose=verbose) as watch:
            done = stoppable(job, watch)
    ending.end(done, as_json=as_json)
