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
_USES = {"preferences": "judgegen import", "comparisons": "judgegen judge check", "prompts": "prompts of a run"}


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

    Nothing is written. The first 200 rows are looked at: what each is read as, and what they are good for: preferences
    for `judgegen import`, comparisons for `judgegen judge check`, prompts for a run. Exit code 2 when for nothing.
    """
    from judgegen.cli import ending
    from judgegen.errors import SpecError
    from judgegen.exchange.inspect import inspect as look

    with ending.told(as_json=as_json):
        found = look(source, name=shape, mapping=mapping or (), encoding=encoding)
        if not found.good:
            reasons = "; ".join(f"{count:,}: {reason}" for reason, count in list(found.refused.items())[:5])
            raise SpecError(
                f"{source}: none of its first {found.rows:,} rows is a preference, a comparison or a prompt ({reasons})"
            )
    print(json.dumps(asdict(found) | {"sure": round(found.sure, 4)}) if as_json else "\n".join(_text(source, found)))


def _text(source: str, found: Inspection) -> Iterator[str]:
    looked = f"{found.rows:,} rows" if found.whole else f"the first {found.rows:,} rows"
    yield f"{source}: {looked}"
    yield from (f"  {count:>6,}  {shape}" for shape, count in found.shapes.items())
    yield from (f"  {count:>6,}  refused: {reason}" for reason, count in found.refused.items())
    yield f"read: {', '.join(sorted(found.columns))}"
    if found.left:
        yield f"kept as metadata, or empty: {', '.join(found.left)}"
    for name, use in found.uses.items():
        told = f"{use.count:,} {name}" if use.count else f"no; {use.refused or 'none of its rows is a preference'}"
        yield f"{_USES[name]}: {_cut(told)}"
    kind = next((name.removesuffix("s") for name, use in found.uses.items() if use.count), "")
    for number, row in enumerate(found.shown, 1):
        yield f"\n{kind} {number}"
        yield from (f"  {role}: {words}" for role, words in _chat(row["prompt"]))
        for side in ("chosen", "rejected"):
            yield from (f"  {side}: {words}" for _, words in _chat(row.get(side) or ()))
        yield from (f"  {key}: {row[key]}" for key in ("margin", "p_chosen") if key in row)
        yield from (f"  {key}: {_cut(row[key])}" for key in ("response_a", "response_b") if key in row)
        yield from (f"  votes: {', '.join(row[key])}" for key in ("votes",) if key in row)


def _chat(messages: Any) -> Iterator[tuple[str, str]]:
    """Who says what, on one line each."""
    for message in messages:
        yield str(message["role"]), _cut(_words(message))


def _cut(words: str) -> str:
    """On one line."""
    words = " ".join(words.split())
    return words if len(words) <= _WIDTH else f"{words[: _WIDTH - 1]}…"


def _words(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    called = f" {json.dumps(message['tool_calls'], ensure_ascii=False)}" if message.get("tool_calls") else ""
    return (content if isinstance(content, str) else json.dumps(content or "", ensure_ascii=False)) + called
