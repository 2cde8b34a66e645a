"""What fine-tuning costs and when it ends: training_prices.toml, read into frozen records.

The dates and figures stand in that file with the source of each. Knows nothing of training files or of today.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

from judgegen.llm import models


@dataclass(frozen=True, slots=True, kw_only=True)
class Tunable:
    """One base model. USD per million tokens; what is not published is None.

    Attributes:
        methods: those the provider documents for it: "sft", "dpo", "rft".
        training: per million tokens trained on, once per epoch.
        hourly: USD per hour in the core training loop (rft).
        cached: cached input of the tuned model; the input rate where it has none.
        example_tokens: where a longer training example is cut, silently.
        shutdown: the base model's last day, and so that of every tune of it.
        sources: field name to the address its figure comes from.
    """

    model: str
    snapshots: tuple[str, ...]
    methods: tuple[str, ...]
    input: Decimal
    output: Decimal
    cached: Decimal
    training: Decimal | None = None
    hourly: Decimal | None = None
    example_tokens: int | None = None
    shutdown: date | None = None
    sources: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Retirement:
    """A model's days at Azure.

    Attributes:
        base: the base model retires, and who never trained it no longer can.
        training: the earliest day from which nobody can train it.
        deployment: tunes of it stop answering.
    """

    base: date
    training: date
    deployment: date


@dataclass(frozen=True, slots=True, kw_only=True)
class Azure:
    """What Azure publishes of tuned models: `as_of` is the date of its page."""

    as_of: date
    source: str
    models: Mapping[str, Retirement]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPrices:
    """The whole file. `closed`: who could no longer start a job, from which day."""

    as_of: date
    no_new_jobs: date
    closed: tuple[tuple[date, str], ...]
    models: Mapping[str, Tunable]
    source: str
    azure: Azure

    def find(self, model: str) -> Tunable | None:
        """The base model of this name, snapshot, or tune of either ("ft:…"); None where it is not listed."""
        name = models.bare(model)
        return next((m for m in self.models.values() if name == m.model or name in m.snapshots), None)


@cache
def table() -> TrainingPrices:
    """The file that ships with the package."""
    text = (files("judgegen.llm") / "training_prices.toml").read_text(encoding="utf-8")
    return parse(tomllib.loads(text, parse_float=Decimal))


def parse(row: Mapping[str, Any]) -> TrainingPrices:
    """The file's TOML as a Table; every figure must name a source that is listed."""
    addresses, platform = row["sources"], row["platform"]
    return TrainingPrices(
        as_of=row["as_of"],
        no_new_jobs=platform["no_new_jobs"],
        closed=tuple((step["on"], step["to"]) for step in platform["closed"]),
        models={name: _tunable(name, fields, addresses) for name, fields in row["models"].items()},
        source=addresses[platform["source"]],
        azure=Azure(
            as_of=row["azure"]["as_of"],
            source=addresses[row["azure"]["source"]],
            models={name: Retirement(**days) for name, days in row["azure"]["models"].items()},
        ),
    )


def _tunable(name: str, fields: Mapping[str, Any], addresses: Mapping[str, str]) -> Tunable:
    money = {key: Decimal(fields[key]) for key in ("training", "hourly", "input", "cached", "output") if key in fields}
    rest = {key: fields[key] for key in ("example_tokens", "shutdown") if key in fields}
    stated = {"methods", *money, *rest}
    if unsourced := stated ^ fields["sources"].keys():
        raise ValueError(f"{name}: figures and sources differ: {sorted(unsourced)}")
    return Tunable(
        model=name,
        snapshots=tuple(fields["snapshots"]),
        methods=tuple(fields["methods"]),
        sources={key: addresses[source] for key, source in fields["sources"].items()},
        **{"cached": money["input"], **money, **rest},
    )
