"""`judgegen merge`: one run of its shards. Parses, calls api.merge, prints."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from judgegen.cli.options import Quiet


def merge(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The --out of the shards.")],
    *,
    dataset: Annotated[
        bool, typer.Option("--dataset", help="Write the audit as a Parquet data set too, a folder per shard.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as one JSON object, nothing else.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Make one run of the shards that --shard left.

    Every `judgegen run SPEC --shard K/N --out DIR` must have been there, with one run file, its prompts and one
    --limit. Their journals become one in DIR, which is a run folder from then on: `run`, `write`, `export` and `judge`
    take it. Nothing is sent. Run it again after a shard went on.

    With --dataset DIR/dataset/calls/shard=1/ and so on hold the rows of audit/calls.parquet and of the other tables,
    for DuckDB, Polars, Spark, Ray Data and the like.
    """
    from judgegen import api
    from judgegen.cli import ending
    from judgegen.show.progress import watch_for

    with ending.told(as_json=as_json), watch_for(sys.stderr, quiet=quiet) as watch:
        done = api.merge(folder, dataset=dataset, watch=watch)
    ending.end(done, as_json=as_json)
