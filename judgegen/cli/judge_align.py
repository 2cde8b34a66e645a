"""`judgegen judge align`: parses, calls align.align, writes the template; nothing of how anything is learned."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from judgegen.cli.judge_check import AsJson, Labelled, Limit, Mapping, RunFile, Source
from judgegen.cli.options import MaxUsd, Quiet, Yes

if TYPE_CHECKING:
    from judgegen.study.aligned import Aligned
    from judgegen.study.check import Check

TRIES = 3
TOLD = 8
"""Groups that are printed; --json has all of them."""
File = Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="Where a better template goes.")]
Folder = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="DIR", help="Where the journals go. Default: runs/NAME-align, with the run file's name."
    ),
]
Tries = Annotated[int, typer.Option("--tries", metavar="N", min=0, max=20, help="How often rules are written.")]


def align(
    labelled: Labelled,
    *,
    run: RunFile,
    file: File = Path("aligned.md"),
    out: Folder = None,
    tries: Tries = TRIES,
    source: Source = None,
    mapping: Mapping = None,
    limit: Limit = None,
    max_usd: MaxUsd = None,
    as_json: AsJson = False,
    yes: Yes = False,
    quiet: Quiet = False,
) -> None:
    """Improve a judge's template from what people voted and noted.

    Half of the prompts teach: the judge writes rules from comparisons that it decided otherwise than people, short
    comparisons stand as examples, and each template with them is checked as `judgegen judge check` does it. The best
    one is put before the other half, once, beside the template there is now. FILE is written where it is better there,
    the whole interval above 0. Where the judge and people part is told by group: a fault of the judge, or of how
    labels are given. The calls are journaled: the same command continues. Exit codes as for `judgegen judge check`; a
    template that is not better is no error.
    """
    from functools import partial

    from judgegen.cli import ending
    from judgegen.cli.confirm import confirm
    from judgegen.cli.interrupt import stoppable
    from judgegen.show.progress import watch_for
    from judgegen.study import align as aligning
    from judgegen.writer.files import write_text

    labels: dict[str, Any] = {"source": source, "mapping": mapping or ()}
    which: dict[str, Any] = {"run": run, **labels, "out": out, "limit": limit, "tries": tries}
    with ending.told(as_json=as_json, show=lines):
        asked = partial(aligning.expected, labelled, **which)
        confirm(run, asked, max_usd=max_usd, batch=False, yes=yes, tell=not quiet)
        with watch_for(sys.stderr, quiet=quiet, noun="comparisons") as watch:
            done = stoppable(partial(aligning.align, labelled, **which, max_usd=max_usd), watch)
        if done.text is not None:
            write_text(file, done.text)
    ending.end(done, as_json=as_json, show=lambda found: chain(lines(found), wrote(found, file, run)))


def wrote(done: Aligned, file: Path, run: Path) -> Iterator[str]:
    """Where the template is, and the line by which a run takes it."""
    if done.text is not None:
        name = Path(os.path.relpath(file.resolve(), run.resolve().parent)).as_posix()
        yield f"\n  wrote      {file}"
        yield f"  to use it  write under [judge] of {run}: template = {json.dumps(name, ensure_ascii=False)}"


def lines(done: Aligned | Check) -> Iterator[str]:
    """What was learned; of one check, where that is how far it came, its own figures."""
    from judgegen.cli import judge_check
    from judgegen.cli.tables import printed
    from judgegen.study.check import Check
    from judgegen.writer.money import plain

    if isinstance(done, Check):
        yield from judge_check.lines(done)
        return
    yield f"{done.judge}: {done.learned:,} comparisons to learn from, {done.held:,} held out; ${plain(done.cost_usd)}"
    yield "\nOn those to learn from, by which the best was chosen:\n"
    yield printed(
        ("template", "as people", "gain"), [(t.name, str(t.agreement), str(t.gain)) for t in done.tried], names=(0,)
    )
    yield f"\n{_verdict(done)}"
    yield "\nWhere the judge and people part, as the template is now:\n"
    rows = [(g.name, f"{g.comparisons:,}", f"{g.apart:,}", str(g.rate)) for g in done.groups[:TOLD]]
    yield printed(("comparisons", "of them", "apart", "share"), rows, names=(0,))


def _verdict(done: Aligned) -> str:
    if done.chosen is None:
        return "None is better there than the template of now: nothing was held against the others, nothing is kept."
    found = f"held out: {done.before} now, {done.after} with {done.chosen.name}: a gain of {done.gain}"
    if done.kept:
        return f"Better on prompts that taught nothing.\n  {found}"
    return (
        f"Not shown to be better on prompts that taught nothing, so it is not kept.\n  {found}\n"
        f"  to read    {done.chosen.template}"
    )
