"""`judgegen import`: files in other shapes as rows of preferences. Parses, calls importing, prints."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from judgegen.cli import completing
from judgegen.stores.urls import shown

if TYPE_CHECKING:
    from judgegen.exchange.import_ import Imported


class WhichPairs(Enum):
    """Which pairs are made of several rated answers."""

    all = "all"
    best_worst = "best-worst"


def import_(
    source: Annotated[
        str,
        typer.Argument(metavar="FILE", help="JSONL, JSON, CSV or Parquet, also gzipped; a folder; or a hub data set."),
    ],
    *,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="FILE", help="Where the preferences go, as JSONL.")],
    shape: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="NAME",
            autocompletion=completing.origins,
            help="Its shape, where its columns do not say it; an unknown name lists them.",
        ),
    ] = None,
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="WHAT=COLUMN", help="A column that no list knows: chosen=resp_good,prompt=q."),
    ] = None,
    system: Annotated[
        str | None, typer.Option("--system", metavar="TEXT", help="A system message for every prompt.")
    ] = None,
    encoding: Annotated[
        str, typer.Option("--encoding", metavar="NAME", help='Of a text file that is not UTF-8, such as "cp1252".')
    ] = "utf-8",
    pairs: Annotated[
        WhichPairs, typer.Option("--pairs", help="Of several rated answers: all pairs, or the best with the worst.")
    ] = WhichPairs.all,
    prompt_from_prefix: Annotated[
        bool,
        typer.Option("--prompt-from-prefix", help="Two texts without a prompt: the words both begin with are it."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, nothing else.")] = False,
) -> None:
    """Read preferences that others published.

    A row is read as what its columns say it is, or refused; `judgegen inspect FILE` shows how. Without --from every row
    is read so; with it, what is of another shape is refused.

    Rows that are no preference (ties, contradictions, broken ones) go to a .rejects.jsonl beside the output, each with
    its line and the reason; nothing vanishes. Exit code 2 when nothing in the file is a preference.
    """
    from judgegen.cli import ending
    from judgegen.exchange.import_ import Wishes, import_file

    wishes = Wishes(
        system=system,
        mapping=mapping or (),
        pairs=pairs.value,
        prompt_from_prefix=prompt_from_prefix,
    )
    with ending.told(as_json=as_json):
        done = import_file(source, shape, out, encoding=encoding, wishes=wishes)
    if as_json:
        rejects = {"total": sum(done.rejects.values()), "reasons": dict(done.rejects)}
        counts = {"rows": done.rows, "pairs": done.pairs, "repeats": done.repeats}
        print(json.dumps({**counts, "rejects": rejects, "paths": [shown(path) for path in done.paths]}))
    else:
        print("\n".join(_text(done)))


def _text(done: Imported) -> Iterator[str]:
    halves = done.rows - done.pairs
    shares = f" ({done.pairs:,} pairs, {halves:,} answers alone)" if halves else ""
    yield f"{done.rows:,} preferences in {shown(done.paths[0])}{shares}"
    if done.repeats:
        yield f"repeats: {done.repeats:,} rows say what an earlier one says"
    if done.rejects:
        yield f"rejected: {sum(done.rejects.values()):,}, listed in {shown(done.paths[1])}"
        yield from (f"  {count:>6,}  {reason}" for reason, count in done.rejects.items())
