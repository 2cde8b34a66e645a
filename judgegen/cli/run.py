"""`judgegen run`: the main job. Parses, calls api.generate, prints. Knows nothing of stages or providers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from judgegen.cli.given import Judge, Pairs, Sampler, Seed, Settings, Variants, Words, given
from judgegen.cli.options import (
    Address,
    Batch,
    BatchFile,
    EngineName,
    MaxUsd,
    Out,
    Prompts,
    Quiet,
    Shards,
    ShardWord,
    TakeOver,
    Verbose,
    Wait,
    Yes,
    check_ways,
)


def run(
    spec: Annotated[Path, typer.Argument(metavar="SPEC", help="The run file (TOML), or prompts with two models.")],
    *,
    out: Out = None,
    limit: Prompts = None,
    sampler: Sampler = None,
    judge: Judge = None,
    variants: Variants = None,
    settings: Settings = None,
    seed: Seed = None,
    pairs: Pairs = None,
    max_usd: MaxUsd = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Write into a run folder that another run file made.")
    ] = False,
    batch: Batch = False,
    batch_file: BatchFile = None,
    wait: Wait = False,
    shard: ShardWord = None,
    take_over: TakeOver = False,
    engine: EngineName = None,
    address: Address = None,
    shards: Shards = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as one JSON object, nothing else.")
    ] = False,
    yes: Yes = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Make preference pairs from a run file; run again, it continues.

    Without a run file: judgegen run prompts.jsonl --sampler MODEL --judge MODEL. The run file that this means is shown
    and kept in the run folder.

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
      8    you were asked whether money may be spent, and said no
      130  interrupted: the same command continues
    """  # noqa: D301 - a backspace is click's mark for lines that stay as they are
    words = Words(sampler=sampler, judge=judge, variants=variants, settings=settings, seed=seed, pairs=pairs)
    which: dict[str, Any] = {"out": out, "limit": limit, "shard": shard}
    how: dict[str, Any] = {"max_usd": max_usd, "replace_folder": replace, "batch": batch, "wait": wait}
    how |= {"batch_file": batch_file, "take_over": take_over}
    told = {"quiet": quiet, "verbose": verbose}
    if check_ways(which, how, by := {"engine": engine, "address": address, "shards": shards}):
        _run_on_engine(spec, words, which, how, told, by, as_json=as_json, yes=yes)
    else:
        _run(spec, words, which, how, told, as_json=as_json, yes=yes)


def _run(
    spec: Path,
    words: Words,
    which: dict[str, Any],
    how: dict[str, Any],
    told: dict[str, Any],
    *,
    as_json: bool,
    yes: bool,
) -> None:
    """Ask, run and end; `which` says what is made and where, `how` by which way and for how much, `told` what of it."""
    from functools import partial

    from judgegen import api
    from judgegen.cli import ending
    from judgegen.cli.confirm import confirm
    from judgegen.cli.interrupt import stoppable
    from judgegen.run.shards import Shard
    from judgegen.run.unchanged import finished
    from judgegen.show.progress import watch_for

    with ending.told(as_json=as_json):
        asked: Any = given(spec, words)
        expected = partial(api.estimate, asked, **which, quick=True)
        paid = {"max_usd": how["max_usd"], "parts": Shard.parse(which["shard"]).of if which["shard"] else 1}
        live = not (which["shard"] or how["batch"] or how["batch_file"])
        if live and finished(asked, out=which["out"], limit=which["limit"]):
            foreseen = None
        else:
            foreseen = confirm(asked, expected, **paid, batch=how["batch"], yes=yes, tell=not told["quiet"])
        with watch_for(sys.stderr, **told) as watch:
            done = stoppable(partial(api.generate, asked, **which, **how, expected=foreseen), watch)
    ending.end(done, as_json=as_json)


def _run_on_engine(
    spec: Path,
    words: Words,
    which: dict[str, Any],
    how: dict[str, Any],
    told: dict[str, Any],
    by: dict[str, Any],
    *,
    as_json: bool,
    yes: bool,
) -> None:
    """Run in shards on an engine, `by` which it is reached, and show them all in one display."""
    from functools import partial

    from judgegen import api
    from judgegen.cli import ending
    from judgegen.cli.confirm import confirm
    from judgegen.cli.interrupt import stoppable
    from judgegen.fleet import drive, on_ray
    from judgegen.fleet.shard import whole_of
    from judgegen.show.progress import watch_for

    with ending.told(as_json=as_json):
        asked: Any = given(spec, words)
        whole = whole_of(asked, which, how, verbose=told["verbose"])
        on_ray.check()
        expected = partial(api.estimate, asked, out=which["out"], limit=which["limit"], quick=True)
        confirm(asked, expected, max_usd=how["max_usd"], batch=False, yes=yes, tell=not told["quiet"])
        with on_ray.connected(by["address"]) as engine:
            whole = drive.divided(whole, by["shards"], engine.cores)
            with watch_for(sys.stderr, **told) as watch:
                done = stoppable(partial(drive.run, whole, engine), watch)
    ending.end(done, as_json=as_json)
