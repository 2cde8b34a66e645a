"""The form that a question asks for in words, where no schema says it: labels, names of scores, how high they go.

Read where a form is written as JSON is: a schema that stands in the words, `"verdict": "C" or "D"`, names in quotation
marks. How the rest is phrased, and in which language, makes no difference. Pure.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

from judgegen.simulator.quoted import Quoted
from judgegen.simulator.verdicts import REASON, LabelPlace, Level, Piece, of_schema, ranking_form

VERDICT, RANKING, RATIONALE = "verdict", "ranking", "rationale"
LETTERS = LabelPlace(first="A", second="B", tie="tie")
"""What a verdict is where nothing says what it is called."""
USUAL = (1, 2, 3, 4, 5)
"""The scores there are where nothing says it."""

_RUN = re.compile(r'"verdict"\s*:\s*(?:one of\s+)?((?:"[^"\n]{1,40}"(?!\s*:)[\s|,/]*(?:or\s+)?)+)')
_QUOTED = re.compile(r'"([^"\n]+)"')
_NAME = re.compile(r'"([a-z][a-z0-9_]*)"')
_RANGE = re.compile(r"(?<![\w.])([01])\s*(?:[-/\u2013\u2014]|\.{2,3}|\w{1,3})\s*(\d\d?)(?!\w|\.\d)")
_NUMBER = re.compile(r"(?<![\w.,])(\d)(?![\w.,]*\d)")
_SCHEMA = re.compile(r"\{\s*\"(?:type|properties|\$schema|\$defs)\"")


def form(asked: Quoted, told: str) -> tuple[Piece, ...] | None:
    """What is to be replied, by the words of a question and of what was `told` beside it; None where they ask for none.

    What stands behind the quoted texts comes first: that is where a form is asked for.
    """
    places = (asked.after, f"{told}\n{asked.before}")
    for words in places:
        if (schema := _schema(words)) is not None:
            return schema
    for words in places:
        if (slot := _labels(words)) is not None:
            return '{"verdict":"', slot, '"}'
    labels = tuple(dict.fromkeys(one.name for one in asked.answers))
    if f'"{RANKING}"' in asked.after and 1 < len(labels) == len(asked.answers):
        return f'{{"{RANKING}":', *ranking_form(labels, [str(place) for place, _ in enumerate(labels, 1)]), "}"
    names = next(filter(None, map(_names, places)), ())
    if VERDICT in names:
        return '{"verdict":"', _called(asked), '"}'
    return _scores(names, f"{told}\n{asked.before}\n{asked.after}") if set(names) - {RATIONALE} else None


def _schema(words: str) -> tuple[Piece, ...] | None:
    """The form of a JSON schema that is written out."""
    for begins in _SCHEMA.finditer(words):
        try:
            found, _ = json.JSONDecoder().raw_decode(words, begins.start())
            return of_schema(found)
        except (ValueError, RecursionError):
            continue
    return None


def _labels(words: str) -> LabelPlace | None:
    """The labels that are listed for a verdict."""
    labels = list(dict.fromkeys(label for run in _RUN.findall(words) for label in _QUOTED.findall(run)))
    if len(labels) < 2:
        return None
    return LabelPlace(first=labels[0], second=labels[1], tie=labels[2] if len(labels) > 2 else None)


def _names(words: str) -> tuple[str, ...]:
    """The names in quotation marks of the last paragraph that has any."""
    for paragraph in reversed(re.split(r"\n[ \t]*\n", words)):
        if names := tuple(dict.fromkeys(_NAME.findall(paragraph))):
            return names
    return ()


def _called(asked: Quoted) -> LabelPlace:
    """The labels as the answers are headed by them."""
    names = [one.name for one in asked.answers[-2:]]
    if len(set(names)) < 2 or not all(names):
        return LETTERS
    return LabelPlace(first=names[0], second=names[1], tie=LETTERS.tie)


def _scores(names: Sequence[str], words: str) -> tuple[Piece, ...]:
    """An object with a score for each name, and a reason where one is wanted."""
    return tuple(_object([(name, _score(name, names, words)) for name in names]))


def _object(items: Sequence[tuple[str, Piece]]) -> Iterator[Piece]:
    for number, (name, piece) in enumerate(items):
        yield f"{',' if number else '{'}{json.dumps(name)}:"
        yield piece
    yield "}"


def _score(name: str, names: Sequence[str], words: str) -> Piece:
    return json.dumps(REASON) if name == RATIONALE else Level(values=_values(name, names, words))


def _values(name: str, names: Sequence[str], words: str) -> tuple[int, ...]:
    """The scores an aspect has: those listed behind its name, else the range that is written, else one to five."""
    others = "|".join(re.escape(other) for other in names if other != name)
    for place in re.finditer(rf"(?<![\w\"]){re.escape(name)}(?![\w\"])", words):
        rest = words[place.end() :]
        own = re.split(rf"(?<!\w)(?:{others})(?!\w)", rest, maxsplit=1)[0] if others else rest
        if (listed := _listed(own)) is not None:
            return listed
    return next(_ranges(words), USUAL)


def _listed(words: str) -> tuple[int, ...] | None:
    """Numbers that count up from 1 or 0, whatever stands between them, or a range."""
    for least in (1, 0):
        most = least
        for number in _NUMBER.findall(words):
            most += int(number) == most
        if most - least > 1:
            return tuple(range(least, most))
    return next(_ranges(words), None)


def _ranges(words: str) -> Iterator[tuple[int, ...]]:
    for low, high in _RANGE.findall(words):
        if int(low) < int(high):
            yield tuple(range(int(low), int(high) + 1))
