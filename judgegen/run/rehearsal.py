"""A run file with the known-truth world in place of its endpoints: all else is as it stands, prices included.

Each endpoint is played in the dialect that is spoken at its address. The world is told what is right where the prompts
bring references, so that graders find right answers and wrong ones. Nothing of an endpoint's key, headers or pace is
kept. Knows nothing of how a run goes.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

from judgegen.errors import SpecError
from judgegen.judge.build import content
from judgegen.llm import prices
from judgegen.llm.dialects import spoken_at
from judgegen.records import Prompt
from judgegen.run.live import Rates
from judgegen.spec import Endpoint, Price, Scripted, Spec
from judgegen.writer.files import write_text

NOTE, ANSWERS = "REHEARSAL.txt", "answers.json"
SAYS = """\
This folder is a rehearsal: judgegen's known-truth world played every model, nothing was sent, nothing was spent.
Its answers and labels are made up. They are no data: no consumer's format takes them.
"""
_MILLION = Decimal(1_000_000)


def played(resolved: Spec, rates: Rates, answers: Path | None) -> Spec:
    """The run file as it is rehearsed; `rates` are its models' prices, `answers` what the world is told."""
    found = {
        name: _played(resolved, name, endpoint, rates, answers) for name, endpoint in resolved.used_endpoints().items()
    }
    return resolved.model_copy(update={"endpoints": found, "rehearsal": True})


def _played(resolved: Spec, name: str, endpoint: Endpoint, rates: Rates, answers: Path | None) -> Endpoint:
    told = None if answers is None else str(answers)
    if endpoint.provider == "scripted":  # a world of the user's own stays what it is
        return endpoint.model_copy(update={"scripted": endpoint.scripted.model_copy(update={"answers": told})})
    family = spoken_at(endpoint.base_url) if endpoint.base_url else None
    dialect = None if family is None else family.name
    return Endpoint(
        provider="scripted",
        identity=f"rehearsal:{name}",
        system_role=endpoint.system_role,
        max_concurrency=endpoint.max_concurrency,
        prices=tuple((model, _price(rate)) for (route, model), rate in sorted(rates.items()) if route == name),
        scripted=Scripted(seed=resolved.seed, dialect=dialect, answers=told),
    )


def _price(rate: prices.Rate) -> Price:
    """A model's price as a run file can say it: without tiers, and thought at the price of output."""
    return Price(
        input=float(rate.input * _MILLION), output=float(rate.output * _MILLION), cached=float(rate.cached * _MILLION)
    )


def right_answers(prompts: Iterable[Prompt]) -> dict[str, str]:
    """What is right, by the last words of each prompt that brings a reference."""
    return {content(prompt.messages[-1]): prompt.reference for prompt in prompts if prompt.reference is not None}


def mark(folder: Path, answers: dict[str, str]) -> None:
    """Say in the folder what it is, and keep what the world is told."""
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / NOTE, SAYS)
    if answers:
        write_text(folder / ANSWERS, json.dumps(answers, ensure_ascii=False))


def check_folder(folder: Path, *, rehearses: bool) -> None:
    """A run goes into no rehearsal's folder, and no rehearsal into a run's.

    Raises:
        SpecError: the folder holds the other.
    """
    try:
        held = tomllib.loads((folder / "run.toml").read_text(encoding="utf-8")).get("rehearsal", False)
    except (OSError, ValueError):
        return
    if bool(held) != rehearses:
        what = "a rehearsal" if held else "a run whose answers are real"
        raise SpecError(f"{folder} holds {what}; choose another folder with --out")
