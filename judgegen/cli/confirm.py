"""Asks, on a terminal, before calls go to endpoints that cost money. Knows nothing of prices or of the journal."""

from __future__ import annotations

from pathlib import Path

import typer

from judgegen.spec import Spec, read


def confirm(path: Path) -> None:
    """Say who will be asked what per prompt, and go on only at a yes.

    Raises:
        SpecError: the run file is wrong.
        typer.Abort: the answer was no.
    """
    spec = read(path)
    if lines := asked(spec):
        typer.echo("\n".join(["per prompt:", *lines]), err=True)
        typer.confirm("go on?", default=True, abort=True, err=True)


def asked(spec: Spec) -> list[str]:
    """One line per variant and one for the judge, for those whose endpoint is a paid one."""
    sampler, judge = spec.sampler, spec.judge
    drawn = sum(variant.n for variant in sampler.variants)
    comparisons = drawn * (drawn - 1) // 2 * (2 if judge.orders == "both" else 1)
    lines = [
        (variant.endpoint or sampler.endpoint, f"{variant.n} from {variant.model or sampler.model} ({variant.name})")
        for variant in sampler.variants
    ]
    lines.append((judge.endpoint, f"up to {comparisons} verdicts from {judge.model}, more where one is unreadable"))
    return [f"  {words} at {spec.endpoints[name].address}" for name, words in lines if _paid(spec, name)]


def _paid(spec: Spec, name: str) -> bool:
    endpoint = spec.endpoints[name]
    free = endpoint.price is not None and not endpoint.price.input and not endpoint.price.output
    return endpoint.provider == "openai" and not free
