"""`judgegen inspect`: what a file of rows would be read as. Parses, calls exchange.inspect, prints."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from judgegen.cli import completing

if TYPE_CHECKING:
    from judgegen.exchange.inspect import Inspection

_WIDTH = 90


def inspect(
    source: Annotated[str, typer.Argument(metavar="FILE", help="What `judgegen import` reads.")],
    *,
    shape: Annotated[
        str | None,
        typer.Option("--from", metavar="NAME", autocompletion=completing.origins, help="Read it as this shape."),
    ] = None,
    mapping: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="WHAT=COLUMN", help="A column that no list knows: chosen=resp_good,prompt=q."),
    ] = None,
    encoding: Annotated[
        str, typer.Option("--encoding", metavar="NAME", help='Of a text file that is not UTF-8, such as "cp1252".')
    ] = "utf-8",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, nothing else.")] = False,
) -> None:
    """Say what a file's rows are, and show three as read.

    Nothing is written. The first 200 rows are looked at. Exit code 2 when none of them is a preference.
    """
    from judgegen.cli import ending
    from judgegen.errors import SpecError
    from judgegen.exchange.inspect import inspect as look

    with ending.told(as_json=as_json):
        found = look(source, name=shape, mapping=mapping or (), encoding=encoding)
        if not found.shown:
            reasons = "; ".join(f"{count:,}: {reason}" for reason, count in list(found.refused.items())[:5])
            raise SpecError(f"{source}: none of its first {found.rows:,} rows is a preference ({reasons})")
    print(json.dumps(asdict(found) | {"sure": round(found.sure, 4)}) if as_json else "\n".join(_text(source, found)))


def _text(source: str, found: Inspection) -> Iterator[str]:
    looked = f"{found.rows:,} rows" if found.whole else f"the first {found.rows:,} rows"
    yield f"{source}: {looked}"
    yield from (f"  {count:>6,}  {shape}" for shape, count in found.shapes.items())
    yield from (f"  {count:>6,}  refused: {reason}" for reason, count in found.refused.items())
    yield f"read: {', '.join(sorted(found.columns))}"
    if found.left:
        yield f"kept as metadata, or empty: {', '.join(found.left)}"
    for number, row in enumerate(found.shown, 1):
        yield f"\npreference {number}"
        yield from (f"  {role}: {words}" for role, words in _chat(row["prompt"]))
        for side in ("chosen", "rejected"):
            yield from (f"  {side}: {words}" for _, words in _chat(row.get(side) or ()))
        yield from (f"  {key}: {row[key]}" for key in ("margin", "p_chosen") if key in row)


def _chat(messages: Any) -> Iterator[tuple[str, str]]:
    """Who says what, on one line each."""
    for message in messages:
        words = " ".join(_words(message).split())
        yield str(message["role"]), words if len(words) <= _WIDTH else f"{words[: _WIDTH - 1]}…"


def _words(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    called = f" {json.dumps(message['tool_calls'], ensure_ascii=False)}" if message.get("tool_calls") else ""
    return (content if isinstance(content, str) else json.dumps(content or "", ensure_ascii=False)) + called
