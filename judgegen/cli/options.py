"""The options that `run` and the commands around a judge share, each said once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from judgegen.stores.urls import url_of

Out = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--out",
        metavar="DIR",
        help="The run folder, here or at a URL like s3://. Default: runs/NAME, after the run file, or its folder.",
    ),
]
MaxUsd = Annotated[
    float | None, typer.Option("--max-usd", metavar="USD", min=0, help="The most the run folder may cost in all.")
]
Batch = Annotated[bool, typer.Option("--batch", help="Through the provider's Batch API: submit, or fetch and go on.")]
BatchFile = Annotated[
    Path | None,
    typer.Option("--batch-file", metavar="DIR", help="Through files: write what is asked there, take answers in."),
]
Wait = Annotated[bool, typer.Option("--wait", help="With --batch: stay until all is answered.")]
Yes = Annotated[bool, typer.Option("--yes", help="Spend money without asking.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show no progress; warnings and errors remain.")]
Verbose = Annotated[
    bool, typer.Option("--verbose", help="Tell of each request sent again, refused or lost, and where.")
]
Prompts = Annotated[
    int | None, typer.Option("-n", "--limit", metavar="N", min=1, help="Take N prompts only, spread over them all.")
]
TakeOver = Annotated[
    bool, typer.Option("--take-over", help="With --out at a URL: go on though another machine's run left its mark.")
]
ShardWord = Annotated[
    str | None,
    typer.Option("--shard", metavar="K/N", help="Of N parts the K-th alone, with an N-th of every limit; see merge."),
]
EngineName = Annotated[
    str | None,
    typer.Option("--engine", metavar="NAME", help="Shards on many machines at once: ray (extra `ray`)."),
]
Address = Annotated[
    str | None,
    typer.Option("--address", metavar="HOST:PORT", help="With --engine: its cluster; else one on this machine."),
]
Shards = Annotated[
    int | None,
    typer.Option("--shards", metavar="N", min=1, help="With --engine: so many; else those there, or one per core."),
]


def check_ways(which: Mapping[str, Any], how: Mapping[str, Any], engine: Mapping[str, Any]) -> bool:
    """Whether the run goes in shards on an engine, which makes them itself and asks live; --address is of that alone.

    Raises:
        typer.BadParameter: one stands by itself, or no such engine is there, or another way is asked for, too.
    """
    check_wait(batch=how["batch"], wait=how["wait"], batch_file=how["batch_file"])
    if engine["engine"] is None:
        for name in ("address", "shards"):
            if engine[name] is not None:
                raise typer.BadParameter("goes with --engine", param_hint=f"--{name}")
        return False
    if engine["engine"] != "ray":
        raise typer.BadParameter(f"{engine['engine']!r} is not one of: ray", param_hint="--engine")
    for name in ("shard", "batch", "batch_file", "take_over"):
        if {**which, **how}[name]:
            raise typer.BadParameter("does not go with --engine", param_hint=f"--{name.replace('_', '-')}")
    return True


def check_wait(*, batch: bool, wait: bool, batch_file: Path | None = None) -> None:
    """--wait says something to --batch alone, and calls go through a provider's batches or through files.

    Raises:
        typer.BadParameter: it stands by itself, or both are asked for.
    """
    if url_of(batch_file) is not None:
        raise typer.BadParameter("is a folder on this machine, which an engine reads", param_hint="--batch-file")
    if batch and batch_file is not None:
        raise typer.BadParameter("does not go with --batch", param_hint="--batch-file")
    if wait and not batch:
        raise typer.BadParameter("goes with --batch", param_hint="--wait")
