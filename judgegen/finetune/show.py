"""Shows what fine-tuning costs: a table for people, plain JSON for scripts. Knows nothing of how it was found."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any

from judgegen.finetune.cost import DAYS_A_MONTH, Cost
from judgegen.writer.money import plain

if TYPE_CHECKING:
    from rich.console import RenderableType


def to_dict(found: Cost) -> dict[str, Any]:
    """Plain JSON; money as decimal strings, what is unknown as null."""
    return {
        "file": found.file,
        "model": found.model,
        "method": found.method,
        "examples": found.count.examples,
        "epochs": found.epochs,
        "tokens": {
            "encoding": found.encoding,
            "file": asdict(found.count.tokens),
            "trained": None if found.trained is None else asdict(found.trained),
            "longest_example": found.count.longest,
            "cut_examples": found.count.cut,
            "cut_tokens": found.count.lost,
            "media": found.count.media,
        },
        "training_usd": None if found.usd is None else {"low": plain(found.usd[0]), "high": plain(found.usd[1])},
        "usd_per_hour": plain(found.hourly),
        "load": None if found.load is None else asdict(found.load),
        "running_usd": {"per_day": plain(found.per_day), "per_month": plain(found.per_month)},
        "ends": {"new_jobs": _day(found.new_jobs_end), "inference": _day(found.inference_ends)},
        "warnings": list(found.warnings),
        "assumptions": list(found.assumptions),
        "prices": {"as_of": str(found.as_of), "sources": list(found.sources)},
    }


def _day(day: date | None) -> str | None:
    return None if day is None else str(day)


def renderable(found: Cost) -> RenderableType:
    """The figures as a table, with what to beware of and what was assumed below it."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    known = f"prices as of {found.as_of}" if found.sources else "prices not known"
    title = f"{found.method} of {found.model}: {found.count.examples:,} examples, {known}"
    table = Table(title=title, title_justify="left", show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name, value in figures(found):
        table.add_row(name, value)
    notes = [*(f"beware: {text}" for text in found.warnings), *(f"assumed: {text}" for text in found.assumptions)]
    return Group(table, *map(Text, notes))


def figures(found: Cost) -> Iterator[tuple[str, str]]:
    """The rows of the table: name and value."""
    yield "tokens in the file", _between(f"{found.count.tokens.low:,}", f"{found.count.tokens.high:,}")
    if found.trained is not None:
        yield (
            f"tokens trained on, epochs: {found.epochs}",
            _between(f"{found.trained.low:,}", f"{found.trained.high:,}"),
        )
    if found.usd is not None:
        yield "training", _between(money(found.usd[0]), money(found.usd[1]))
    if found.hourly is not None:
        yield "training, per hour", money(found.hourly)
    if found.load is not None and found.per_day is not None and found.per_month is not None:
        load = found.load
        each = f"{load.input_tokens:,} tokens in, {load.output_tokens:,} out"
        yield f"running, a day of {load.requests_per_day:,} requests of {each}", money(found.per_day)
        yield f"running, {DAYS_A_MONTH} days", money(found.per_month)
    if found.new_jobs_end is not None:
        yield "no new jobs from", str(found.new_jobs_end)
    if found.inference_ends is not None:
        yield "tunes shut down on", str(found.inference_ends)


def money(amount: Decimal) -> str:
    """USD for people: cents, or two digits that are not nought where it is less than a cent."""
    if amount >= Decimal("0.01") or not amount:
        return f"${amount.quantize(Decimal('0.01'), ROUND_HALF_UP):,}"
    return f"${plain(round(amount, 1 - amount.adjusted()))}"


def _between(low: str, high: str) -> str:
    return low if low == high else f"{low} to {high}"
