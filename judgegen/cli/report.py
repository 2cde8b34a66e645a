"""`judgegen report`: parses, calls report.page or report.bundle, prints. Knows nothing of what stands on a page."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from judgegen.cli import completing


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", autocompletion=completing.runs, help="The run folder; several with --bundle."),
    ],
    *,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="Where to. Without it: report.html in RUN.")
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option("--bundle", metavar="DIR", help="A folder of pages instead, one per run, with a table."),
    ] = None,
    show: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, nothing else.")] = False,
) -> None:
    """One page of a run: figures, charts, every pair to read.

    The page stands by itself: it loads nothing, sends nothing and works from disk. Up to 10,000 pairs and dropped
    prompts are in it while it stays below 5 MB; of more it holds a sample, and says so. Needs the extra `report`.
    """
    from judgegen.cli import ending

    if bundle is None and len(runs) > 1:
        raise typer.BadParameter("several runs go into a --bundle", param_hint="RUN...")
    if bundle is not None and out is not None:
        raise typer.BadParameter("says where a bundle goes", param_hint="--bundle")
    with ending.told(as_json=as_json):
        from judgegen.report import bundle as bundling
        from judgegen.report import page

        written = [page.write(runs[0], out)] if bundle is None else bundling.write(runs, bundle)
    first = written[0].path if bundle is None else bundle / "index.html"
    if as_json:
        print(
            json.dumps(
                {"path": str(first), "pages": [{"path": str(w.path), "held": w.held, "of": w.of} for w in written]}
            )
        )
    else:
        for one in written:
            part = "all" if one.held == one.of else f"a sample of {one.held:,} of"
            print(f"{one.path}: {part} {one.of:,} pairs and prompts without one")
        if bundle is not None:
            print(first)
    if show:
        typer.launch(first.resolve().as_uri())
