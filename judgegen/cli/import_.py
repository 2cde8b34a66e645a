"""`judgegen import`: files in other shapes as rows of preferences. Parses, calls importing, prints."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from judgegen.exchange.import_ import Imported


def import_(
    source: Annotated[
        str,
        typer.Argument(metavar="FILE", help="JSONL, JSON, CSV or Parquet, also gzipped; a folder; or a hub data set."),
    ],
    *,
    shape: Annotated[str, typer.Option("--from", metavar="NAME", help="Its shape; an unknown name lists them.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="Where the preferences go, as JSONL.")],
    system: Annotated[
        str | None, typer.Option("--system", metavar="TEXT", help="A system message for every prompt.")
    ] = None,
    encoding: Annotated[
        str, typer.Option("--encoding", metavar="NAME", help='Of a text file that is not UTF-8, such as "cp1252".')
    ] = "utf-8",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, nothing else.")] = False,
) -> None:
    """Read preferences that others published.

    Rows that are no preference (ties, contradictions, broken ones) go to a .rejects.jsonl beside the output, each with
    its line and the reason; nothing vanishes. Exit code 2 when nothing in the file is a preference.
    """
    from judgegen.cli import ending
    from judgegen.exchange.import_ import import_file

    with ending.told(as_json=as_json):
        done = import_file(source, shape, out, system=system, encoding=encoding)
    if as_json:
        rejects = {"total": sum(done.rejects.values()), "reasons": dict(done.rejects)}
        print(json.dumps({"rows": done.rows, "rejects": rejects, "paths": [str(path) for path in done.paths]}))
    else:
        print("\n".join(_text(done)))


def _text(done: Imported) -> Iterator[str]:
    yield f"{done.rows:,} preferences in {done.paths[0]}"
    if done.rejects:
        yield f"rejected: {sum(done.rejects.values()):,}, listed in {done.paths[1]}"
        yield from (f"  {count:>6,}  {reason}" for reason, count in done.rejects.items())
