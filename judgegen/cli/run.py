"""`judgegen run`: the main job. Parses, calls api.generate, prints. Knows nothing of stages or providers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from judgegen.api import Run
    from judgegen.progress import Shown


def run(
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="The run file (TOML).")],
    *,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="The run folder. Without it: runs/ and SPEC's name.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", min=1, help="Take the first N prompts only.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as one JSON object, nothing else.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before calls that cost money go out.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress; warnings and errors remain.")] = False,
) -> None:
    """Make preference pairs from a run file; run again, it continues.

    What the journal in the run folder answers is not sent again, so nothing is paid for twice. Ctrl-C lets what is in
    flight land, writes the outputs and prints the command that continues; a second Ctrl-C ends at once.

    \b
    Exit codes:
      0    done
      2    run file, prompts, template, price or journal: the message says the mend
      3    the provider refuses: key, quota, model name or parameter
      4    the budget is reached: with a higher cap the same command continues
      5    some calls still fail: the same command tries those again
      130  interrupted: the same command continues
    """  # noqa: D301 - a backspace is click's mark for lines that stay as they are
    import asyncio

    from judgegen.cli import ending
    from judgegen.progress import watch_for

    with ending.told(as_json=as_json):
        if not yes and sys.stdin.isatty() and sys.stderr.isatty():
            from judgegen.cli.confirm import confirm

            confirm(spec)
        with watch_for(sys.stderr, quiet=quiet) as watch:
            done = asyncio.run(_generate(spec, out, limit, watch))
    ending.end(done, as_json=as_json)


async def _generate(spec: Path, out: Path | None, limit: int | None, watch: Shown) -> Run:
    from judgegen import api
    from judgegen.cli import ending
    from judgegen.cli.interrupt import FIRST, interruptible
    from judgegen.errors import Interrupted
    from judgegen.llm.stop import Stop

    stop = Stop()

    def first(error: Interrupted) -> None:
        stop.request(error)
        watch.warned(FIRST)

    def second() -> str:
        watch.close()
        return f"ended at once; to continue: {ending.same_command()}"

    with interruptible(first, second):
        return await api.generate(spec, out=out, limit=limit, watch=watch, stop=stop)
