"""`judgegen export`: a run or a file of preferences as a consumer reads it. Parses, calls exporting, prints."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from judgegen.cli import completing
from judgegen.stores.urls import shown

if TYPE_CHECKING:
    from judgegen.exchange.export import Exported

_ROWS_NAMED = 5  # row numbers printed per reason


class Ties(Enum):
    """What answers that tied are for KTO."""

    wanted = "wanted"
    unwanted = "unwanted"


Source = Annotated[
    str,
    typer.Argument(
        metavar="RUN_OR_FILE", autocompletion=completing.runs, help="A run folder, or a file of preferences."
    ),
]
To = Annotated[
    str,
    typer.Option(
        "--to", metavar="NAME", autocompletion=completing.formats, help="The consumer; an unknown name lists them."
    ),
]
Shape = Annotated[
    str,
    typer.Option(
        "--from",
        metavar="NAME",
        autocompletion=completing.origins,
        help="What the file's rows are, as for `judgegen import`.",
    ),
]


def export(
    source: Source,
    *,
    to: To,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="PATH", help="The file or folder. Without it: beside the input."),
    ] = None,
    split: Annotated[
        float | None, typer.Option("--split", metavar="SHARE", help="Share of the prompts for train; the rest is test.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="Another seed, another split.")] = 0,
    standard: Annotated[
        bool, typer.Option("--standard", help="Plain strings in place of messages, where the consumer has that form.")
    ] = False,
    shape: Shape = "preferences",
    unpaired: Annotated[
        bool, typer.Option("--unpaired", help="trl-kto: a run's judged answers that are in no pair go along.")
    ] = False,
    ties: Annotated[
        Ties | None, typer.Option("--ties", help="With --unpaired: answers that tied are taken as this.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, nothing else.")] = False,
) -> None:
    """Write preferences in the shape of one consumer.

    What the consumer cannot take is left out, counted and listed with its row and the reason. The split goes by what
    the prompts say, so that none is on both sides. Exit code 2 when nothing fits or what is asked for cannot be.
    """
    from judgegen.cli import ending
    from judgegen.exchange import handover
    from judgegen.exchange.public import export as exported
    from judgegen.formats.consumers import consumer

    with ending.told(as_json=as_json):
        form = consumer(to, standard=standard)
        calibrated = handover.is_run(Path(source)) and handover.calibrated(Path(source))
        done = exported(
            source,
            to,
            out,
            shape=shape,
            split=split,
            seed=seed,
            standard=standard,
            unpaired=unpaired,
            ties=None if ties is None else ties is Ties.wanted,
        )
    print(
        json.dumps(_object(to, done, calibrated=calibrated))
        if as_json
        else "\n".join(_text(to, done, form.rules, form.aged(datetime.now(UTC).date()), calibrated=calibrated))
    )


def _object(to: str, done: Exported, *, calibrated: bool) -> dict[str, Any]:
    return {
        "format": to,
        "paths": list(map(shown, done.paths)),
        "counts": dict(done.counts),
        "left_out": {"total": len(done.left_out), "reasons": done.reasons(), "rows": [list(r) for r in done.left_out]},
        "refused_for": list(done.refused_for),
        "columns_left_out": dict(done.columns_left_out),
        "flip_rate": done.flip_rate,
        "flip_rate_is_calibrated": calibrated,
    }


def _text(to: str, done: Exported, rules: tuple[str, ...], aged: Iterator[str], *, calibrated: bool) -> Iterator[str]:
    from judgegen.formats import card

    shares = f" ({', '.join(f'{n:,} {part}' for part, n in done.counts.items())})" if len(done.counts) > 1 else ""
    yield f"{sum(done.counts.values()):,} rows for {to}{shares}"
    yield from (f"  {shown(path)}" for path in done.paths)
    if done.left_out:
        yield f"left out: {len(done.left_out):,}"
        yield from (f"  {line}" for line in _left_out(done))
    for name, rows in done.columns_left_out.items():
        yield f"note: no row has the column {name}, since {rows:,} alone could have it: loaders want all or none"
    yield f"how {to} reads it:"
    yield from (f"- {rule}" for rule in rules)
    yield from (f"beware: {words}" for words in aged)
    if done.flip_rate is not None:
        yield card.doubt(done.flip_rate, calibrated=calibrated)
    yield from (f"beware: {reason}" for reason in done.refused_for)


def _left_out(done: Exported) -> Iterator[str]:
    rows: Mapping[str, list[int]] = {reason: [] for reason in done.reasons()}
    for number, reason in done.left_out:
        rows[reason].append(number)
    for reason, numbers in rows.items():
        named = ", ".join(str(number) for number in numbers[:_ROWS_NAMED])
        more = ", …" if len(numbers) > _ROWS_NAMED else ""
        yield f"{len(numbers):>6,}  {reason} ({'row' if len(numbers) == 1 else 'rows'} {named}{more})"
