"""Pairs and dropped prompts to read: as lines for a terminal of any width, as a card for a notebook.

Knows nothing of how they came about. Texts are wrapped and cut to a few lines, and say how much is missing.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import overload

from judgegen.records import OFF_TOPIC
from judgegen.report.entries import PAIR, Entry, Side, Utterance
from judgegen.show.words import said, shortened
from judgegen.textual import harmless
from judgegen.writer.money import plain

LABEL = 11
LINES = 8
"""Of a text, unless all of it is asked for."""


def lines(entry: Entry, width: int, most: int | None = LINES) -> Iterator[str]:
    """An entry, line by line, none wider than `width`; `most` lines to a text, all where it is None."""
    yield from _labelled(entry.name, _head(entry), width, None)
    yield from _labelled("  prompt", said(entry.messages), width, most)
    names = ("chosen", "rejected") if entry.outcome == PAIR else ("best", "worst")
    for name, side in zip(names, (entry.chosen, entry.rejected), strict=True):
        if side is not None:
            yield from _labelled(f"  {name}", side.text or side.called or "(no text)", width, most)
            yield from _labelled("", _about(side), width, None)
    for opinion in entry.opinions:
        yield from _labelled("  judge", heard(opinion), width, None)
        if opinion.words:
            yield from _labelled("", opinion.words, width, most)


def _head(entry: Entry) -> str:
    cost = "of unknown cost" if entry.usd is None else f"${plain(entry.usd)}"
    if entry.outcome != PAIR:
        return f"no pair: {entry.outcome}{f', {entry.detail}' if entry.detail else ''}; {cost}"
    orders = {True: "both orders agree", False: "the orders differ", None: "one order, or settled otherwise"}
    return f"p {_two(entry.p_chosen)}, margin {_two(entry.margin)}, {orders[entry.consistent]}; {cost}"


def _two(number: float | None) -> str:
    return "-" if number is None else f"{number:.2f}"


def _about(side: Side) -> str:
    settings = ", ".join(f"{name} {value}" for name, value in side.settings.items())
    parts = [side.key, side.model, settings, "" if side.tokens is None else f"{side.tokens:,} tokens"]
    parts += [f"may not compete: {side.refused}" if side.refused else ""]
    frame = [kind for kind in side.suspicions if kind != OFF_TOPIC]
    parts += [f"imitates the judge's frame: {', '.join(frame)}" if frame else ""]
    parts += ["as near to other prompts as to its own" if OFF_TOPIC in side.suspicions else ""]
    return f"({'; '.join(part for part in parts if part)})"


def heard(opinion: Utterance, names: Mapping[str, str] | None = None, *, words: bool = False) -> str:
    """Who said what of whom, in words; `names`: letters for the candidates, in brackets that no text has for them."""
    first, second = (f"⟨{names[key]}⟩" if names and key in names else key for key in (opinion.first, opinion.second))
    judge = f"{opinion.judge}, " if opinion.judge else ""
    said_ = f": {opinion.words}" if words and opinion.words else ""
    if not opinion.second:
        verdict = f"scores {opinion.said}" if opinion.readable else f"could not be read: {opinion.said}"
        return f"{judge}{first}: {verdict}{said_}"
    won = {"first": first, "second": second}.get(opinion.said)
    verdict = "a tie" if won is None else f"prefers {won}"
    if not opinion.readable:
        verdict = f"could not be read: {opinion.said}"
    p = "" if opinion.p_first is None else f" (P(first) {opinion.p_first:.2f})"
    return f"{judge}{first} first, {second} second: {verdict}{p}{said_}"


def _labelled(label: str, text: str, width: int, most: int | None) -> Iterator[str]:
    """A label, and the text beside it; a long label stands on a line of its own."""
    if len(label) > LABEL - 1:
        yield shortened(label, width)
        label = ""
    for number, line in enumerate(_wrapped(text, max(20, width - LABEL), most)):
        yield f"{label if number == 0 else '':<{LABEL}}{line}".rstrip()


def _wrapped(text: str, width: int, most: int | None) -> list[str]:
    found = [part for line in harmless(text).split("\n") for part in textwrap.wrap(line, width) or [""]]
    while found and not found[-1]:
        found.pop()
    if most is None or len(found) <= most:
        return found or [""]
    return [*found[: most - 1], f"… {len(found) - most + 1:,} more lines"]


class Sample(Sequence[Entry]):
    """Some entries of a run; shows itself on a terminal and in a notebook."""

    def __init__(self, entries: Sequence[Entry], of: int) -> None:
        self._entries = tuple(entries)
        self.of = of

    @overload
    def __getitem__(self, index: int) -> Entry: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Entry]: ...
    def __getitem__(self, index: int | slice) -> Entry | Sequence[Entry]:
        return self._entries[index]

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return "\n\n".join("\n".join(lines(entry, 100)) for entry in self._entries)

    def _repr_html_(self) -> str:
        """Every entry with its two answers beside each other, in a frame that scrolls."""
        head = f"<div>{len(self):,} of {self.of:,} pairs and prompts without one</div>"
        return f"<div>{head}{''.join(map(_card, self._entries))}</div>"


BOX = "white-space:pre-wrap;overflow-wrap:anywhere;max-height:16em;overflow:auto;padding:4px 0;text-align:left"


def _card(entry: Entry) -> str:
    names = ("chosen", "rejected") if entry.outcome == PAIR else ("best", "worst")
    sides = zip(names, (entry.chosen, entry.rejected), strict=True)
    cells = "".join(
        f'<td style="width:50%;vertical-align:top;text-align:left"><em>{name}</em> {_html(_about(side))}'
        f'<div style="{BOX}">{_html(side.text or side.called)}</div></td>'
        for name, side in sides
        if side is not None
    )
    opinions = "".join(f"<li>{_html(heard(opinion))}</li>" for opinion in entry.opinions)
    prompt = f'<div style="{BOX}">{_html(said(entry.messages))}</div>'
    table = f'<table style="width:100%;table-layout:fixed"><tr>{cells}</tr></table>'
    summary = f"<summary>{_html(f'{entry.name}: {_head(entry)}')}</summary>"
    return f"<details open>{summary}{prompt}{table}<ul>{opinions}</ul></details>"


def _html(text: str) -> str:
    return f"<bdi>{escape(harmless(text))}</bdi>"
