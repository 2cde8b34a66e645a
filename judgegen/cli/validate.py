"""`judgegen validate`: whether a consumer would take a file. Parses, calls validating, prints."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from judgegen.cli import completing
from judgegen.cli.options import Yes

if TYPE_CHECKING:
    from judgegen.exchange.moderating import Moderated
    from judgegen.exchange.validate import Finding, Findings

Pii = Annotated[
    Literal["report", "mask"] | None,
    typer.Option("--pii", help="Count personal data, or put its kinds in its place in OUT."),
]
Region = Annotated[
    str, typer.Option("--region", metavar="CC", help="Whose phone numbers those without a country code are.")
]
Moderate = Annotated[
    str | None,
    typer.Option(
        "--moderate",
        metavar="ENDPOINT",
        help="Ask a guard of every side: OpenAI's moderation route at this base URL, or at [endpoints.guard] of a TOML "
        "file. What is flagged is left out of OUT.",
    ),
]
Guard = Annotated[
    str | None, typer.Option("--guard", metavar="M", help="A guard model, asked by chat in place of the route.")
]
MaxUsd = Annotated[float | None, typer.Option("--max-usd", metavar="USD", help="The most that the guard may cost.")]

Consumer = Annotated[
    str,
    typer.Option(
        "--for", metavar="NAME", autocompletion=completing.formats, help="The consumer; an unknown name lists them."
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        "--model",
        metavar="M",
        autocompletion=completing.models,
        help="Count tokens as this model does, and tell the cost.",
    ),
]


def validate(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSONL, gzipped or not.")],
    *,
    consumer: Consumer,
    other: Annotated[
        Path | None,
        typer.Option("--test", metavar="FILE", help="The held-out file, which must ask nothing of this one."),
    ] = None,
    model: Model = None,
    fix: Annotated[
        Path | None, typer.Option("--fix", metavar="OUT", help="Write the file without the lines at fault.")
    ] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option("--against", metavar="FILE", help="An evaluation set that prompts must not quote; repeatable."),
    ] = None,
    ngram: Annotated[int, typer.Option("--ngram", metavar="N", help="Words in a row that count as quoted.")] = 13,
    pii: Pii = None,
    region: Region = "US",
    moderate: Moderate = None,
    guard: Guard = None,
    max_usd: MaxUsd = None,
    yes: Yes = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, nothing else.")] = False,
) -> None:
    """Check a file by every documented rule of its consumer.

    Exit code 2 when the consumer would refuse it; 0 otherwise, with warnings where a row would do no good, quotes an
    evaluation set or holds personal data.
    """
    from judgegen.cli import ending
    from judgegen.exchange.validate import validate as check
    from judgegen.formats.consumers import consumer as consumer_of

    with ending.told(as_json=as_json):
        moderated = _moderated(file, consumer, moderate, guard, max_usd, yes=yes)
        found = check(
            file,
            consumer,
            other=other,
            fixed=fix,
            model=model,
            against=against or (),
            ngram=ngram,
            pii=pii,
            region=region,
            flagged=None if moderated is None else moderated.flagged,
        )
    aged = (f"beware: {words}" for words in consumer_of(consumer).aged(datetime.now(UTC).date()))
    print(
        json.dumps(_plain(found, moderated))
        if as_json
        else "\n".join([*_text(found, fix), *_guarded(moderated), *aged])
    )
    raise typer.Exit(2 if found.refused else 0)


def _moderated(
    file: Path, consumer: str, endpoint: str | None, guard: str | None, max_usd: float | None, *, yes: bool
) -> Moderated | None:
    from decimal import Decimal

    from judgegen.cli.confirm import permit
    from judgegen.errors import SpecError
    from judgegen.exchange import moderating
    from judgegen.formats.consumers import consumer as named

    if endpoint is None:
        if guard is not None or max_usd is not None:
            raise SpecError("--guard and --max-usd go with --moderate ENDPOINT")
        return None
    if not yes and max_usd is None and moderating.priced(endpoint, guard):
        permit("this guard has a price, and is asked about every side of every row", "Spend what that takes?")
    most = None if max_usd is None else Decimal(str(max_usd))
    return moderating.moderate(file, named(consumer), endpoint, guard, max_usd=most)


def _guarded(found: Moderated | None) -> Iterator[str]:
    if found is not None:
        yield f"guard: {found.rows:,} rows, {len(found.flagged):,} flagged, ${found.usd} in all"
        if found.unreadable:
            lines = ", ".join(map(str, found.unreadable[:5])) + (", …" if len(found.unreadable) > 5 else "")
            count = len(found.unreadable)
            yield f"guard: {count:,} rows whose answer cannot be read: nobody called them safe ({lines})"


def _plain(found: Findings, moderated: Moderated | None) -> dict[str, Any]:
    from judgegen.finetune.show import to_dict

    cost = None if found.cost is None else to_dict(found.cost)
    guarded = None if moderated is None else asdict(moderated) | {"usd": str(moderated.usd)}
    return asdict(found) | {"cost": cost, "refused": found.refused, "moderation": guarded}


def _text(found: Findings, fix: Path | None) -> Iterator[str]:
    verdict = "would be refused" if found.refused else "in order" if not found.findings else "taken, with warnings"
    yield f"{found.file} for {found.consumer}: {verdict}; {found.rows:,} rows, {found.size:,} bytes"
    for fatal, title in ((True, "refused for"), (False, "warnings")):
        of_kind = [finding for finding in found.findings if finding.fatal == fatal]
        if of_kind:
            yield f"{title}:"
            yield from (f"  {told(finding)}" for finding in of_kind)
    yield from (f"  line {each.line} shares with {each.file}: {each.ngram}" for each in found.overlaps[:5])
    yield from _personal(found)
    for name, spread in (*found.lengths.items(), ("margin", found.margins), ("tokens", found.tokens)):
        if spread:
            least, middle, high, most = (f"{x:,.3g}" if name == "margin" else f"{x:,.0f}" for x in spread)
            unit = "" if name in ("margin", "tokens") else " characters"
            yield f"{name}{unit}: {least} to {most}, half below {middle}, 95 % below {high}"
    yield from _cost(found)
    if fix is not None:
        yield f"without {found.left_out:,} lines: {fix}"


def _cost(found: Findings) -> Iterator[str]:
    from judgegen.finetune.show import figures

    if found.cost_unknown is not None:
        yield f"training cost: unknown: {found.cost_unknown}"
    if (cost := found.cost) is not None:
        yield f"training cost, {cost.method} of {cost.model}{'' if cost.usd or cost.hourly else ': unknown'}:"
        yield from (f"  {name}: {value}" for name, value in figures(cost))
        yield from (f"  beware: {text}" for text in cost.warnings)
        yield from (f"  assumed: {text}" for text in cost.assumptions)


def _personal(found: Findings) -> Iterator[str]:
    if found.personal is None:
        return
    yield "personal data:" if found.personal else "personal data: none of the kinds that are looked for"
    for kind, each in found.personal.items():
        numbers = ", ".join(map(str, each.lines[:5])) + (", …" if each.rows > 5 else "")
        yield f"{each.count:>8,}  {kind} ({'line' if each.rows == 1 else 'lines'} {numbers})"


def told(finding: Finding) -> str:
    """A finding as a line: how many rows have it, and which."""
    if not finding.lines:
        return finding.words
    numbers = ", ".join(str(number) for number in finding.lines[:5])
    more = ", …" if finding.count > 5 else ""
    first = "" if finding.first is None else f"; {finding.first}"
    return f"{finding.count:>6,}  {finding.words} ({'line' if finding.count == 1 else 'lines'} {numbers}{more}{first})"
