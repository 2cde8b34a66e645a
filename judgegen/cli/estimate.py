"""`judgegen estimate`: what a run will take, before it does. Parses, calls api.estimate, prints."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from judgegen.cli.given import Judge, Pairs, Sampler, Seed, Settings, Variants, Words, given
from judgegen.cli.options import Out, Prompts


def estimate(
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
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, nothing else.")] = False,
) -> None:
    """Calls, tokens, USD and hours a run will take, before it does.

    No key, no network, nothing is sent. What the journal in the run folder answers is free, and its answers' lengths
    are the expectation for the rest: after `judgegen run SPEC --limit 50` the interval is a narrow one.
    """
    from judgegen import api
    from judgegen.cli import ending

    with ending.told(as_json=as_json):
        words = Words(sampler=sampler, judge=judge, variants=variants, settings=settings, seed=seed, pairs=pairs)
        asked: Any = given(spec, words)
        found = api.estimate(asked, out=out, limit=limit)
    if as_json:
        import json

        print(json.dumps(found.to_dict()))
        return
    from judgegen.cli.tables import print_estimate

    print_estimate(found)
