"""How the known-truth world's judge puts what it finds into words: the form asked for, as tokens with their logprobs.

A form is a row of pieces: text, slots where a verdict's label goes, ranks where one of a ranking goes, and levels where
a score goes. Of a JSON schema every object of places "1", "2" … with one and the same enum of as many strings is a
ranking, every other enum of two or more strings is a slot (value 0 the answer shown first, value 1 the one shown
second, the last of three or more the tie), every enum of numbers and every number between two bounds a level; other
strings hold a short reason, other numbers the middle of their range, booleans true. A label or a score is one token of
its own; its top_logprobs are the true probabilities of what could have stood there. Pure; knows nothing of requests.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

REASON = "Weighed against the other answer and found so by lot."
GARBAGE = (
    "Both answers have their merits, and I would rather not choose between them.",
    "Here is a third answer that improves on what was shown.",
    "As an assistant I cannot compare these texts.",
    "{ unfinished",
)
NEVER = -9999.0
"""What OpenAI writes for the logarithm of a probability of zero."""
DEEPEST = 32
MOST_LEVELS = 101
_STEPS = 10
"""Into how many steps a range is divided that has more levels than `MOST_LEVELS`, or none."""

_TOKEN = re.compile(r'"|\s*[^"\s]+|\s+')


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelPlace:
    """Where a verdict's label goes; `tie` is None where a tie is not on offer."""

    first: str
    second: str
    tie: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Odds:
    """The true probabilities of a verdict; they sum to 1."""

    first: float
    second: float
    tie: float

    def without_tie(self) -> Odds:
        """The odds where no tie is on offer: its share goes to the others in proportion."""
        rest = self.first + self.second
        share = self.first / rest if rest else 0.5
        return Odds(first=share, second=1.0 - share, tie=0.0)

    def drawn(self, unit: float) -> str:
        """The verdict ("first", "second" or "tie") that a number in [0, 1) falls on."""
        if unit < self.first:
            return "first"
        return "second" if unit < self.first + self.second or not self.tie else "tie"


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """Where a score goes; `values` ascend."""

    values: tuple[float, ...]

    @property
    def middle(self) -> str:
        """What stands here where nothing is scored, as JSON."""
        return json.dumps(self.values[len(self.values) // 2])

    def chances(self, mixture: Sequence[tuple[float, float]]) -> dict[str, float]:
        """The probability of each value, as JSON, whose mean is the mixture's: (share, height in 0..1) pairs.

        A height between two values falls on either, the nearer one the more often.
        """
        found = dict.fromkeys(map(json.dumps, self.values), 0.0)
        names = list(found)
        for share, height in mixture:
            place = height * (len(names) - 1)
            below = min(int(place), len(names) - 2)
            found[names[below]] += share * (below + 1 - place)
            found[names[below + 1]] += share * (place - below)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Rank:
    """Where a label goes in a ranking of all of `labels`; the first such place of a form is the best's."""

    labels: tuple[str, ...]


Piece = str | LabelPlace | Level | Rank
Token = tuple[str, Mapping[str, float]]
"""A token and the probability of each token that could have stood there."""


def of_schema(schema: Any) -> tuple[Piece, ...]:
    """The form that a JSON schema asks for.

    Raises:
        ValueError: it is none that a value can be made of.
    """
    return tuple(_fill(schema, schema, 0))


def _fill(schema: Any, root: Any, depth: int) -> Iterator[Piece]:
    if not isinstance(schema, Mapping) or depth > DEEPEST:
        raise ValueError("not a schema, or one that nests too deep")
    if "$ref" in schema:
        yield from _fill(_referred(schema["$ref"], root), root, depth + 1)
    elif options := schema.get("anyOf") or schema.get("allOf"):
        yield from _fill(options[0], root, depth + 1)
    elif "const" in schema:
        yield json.dumps(schema["const"])
    elif "enum" in schema:
        yield from _label(schema["enum"])
    else:
        yield from _typed(schema, root, depth)


def _referred(pointer: str, root: Any) -> Any:
    node = root
    for part in pointer.lstrip("#/").split("/") if pointer != "#" else ():
        if not isinstance(node, Mapping) or part not in node:
            raise ValueError(f"{pointer} leads nowhere")
        node = node[part]
    return node


def _label(values: Any) -> Iterator[Piece]:
    if not isinstance(values, list | tuple) or not values:
        raise ValueError("an enum without values")
    if len(values) > 1 and all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        yield Level(values=tuple(sorted(values)))
        return
    if len(values) < 2 or not all(isinstance(value, str) for value in values):
        yield json.dumps(values[len(values) // 2])
        return
    first, second, *rest = (json.dumps(value)[1:-1] for value in values)
    yield '"'
    yield LabelPlace(first=first, second=second, tie=rest[-1] if rest else None)
    yield '"'


def _typed(schema: Mapping[str, Any], root: Any, depth: int) -> Iterator[Piece]:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object" and (labels := _ranked(schema.get("properties", {}))):
        yield from ranking_form(labels, list(schema["properties"]))
    elif kind == "object":
        yield from _object(schema.get("properties", {}), root, depth)
    elif kind == "array":
        yield "["
        yield from _fill(schema.get("items", {}), root, depth + 1)
        yield "]"
    elif kind in ("number", "integer"):
        yield _between(schema, whole=kind == "integer")
    else:
        yield {"boolean": "true", "null": "null"}.get(kind, json.dumps(REASON))


def _ranked(properties: Any) -> tuple[str, ...]:
    """The labels of a ranking, one for each of its places; nothing where the properties are something else."""
    enums = [one.get("enum") for one in properties.values() if isinstance(one, Mapping)]
    labels = enums[0] if enums and isinstance(enums[0], list | tuple) else ()
    places = [str(place) for place, _ in enumerate(labels, 1)]
    alike = len(places) > 1 and list(properties) == places and all(one == labels for one in enums)
    return tuple(labels) if alike and all(isinstance(label, str) for label in labels) else ()


def ranking_form(labels: tuple[str, ...], places: Sequence[str]) -> Iterator[Piece]:
    """An object with a label in each of its places."""
    for i, place in enumerate(places):
        yield f'{"," if i else "{"}{json.dumps(place)}:"'
        yield Rank(labels=labels)
        yield '"'
    yield "}"


def _object(properties: Mapping[str, Any], root: Any, depth: int) -> Iterator[Piece]:
    yield "{"
    for i, (name, schema) in enumerate(properties.items()):
        yield f"{',' if i else ''}{json.dumps(name)}:"
        yield from _fill(schema, root, depth + 1)
    yield "}"


def _between(schema: Mapping[str, Any], *, whole: bool) -> Piece:
    """A number: a level where it has both bounds, else the middle of what it may be."""
    low, high = schema.get("minimum", 0), schema.get("maximum", 1)
    if not {"minimum", "maximum"} <= schema.keys() or not low < high:
        middle = (low + high) / 2
        return json.dumps(math.floor(middle) if whole else middle)
    if whole and high - low < MOST_LEVELS:
        return Level(values=tuple(range(math.ceil(low), math.floor(high) + 1)))
    steps = (low + (high - low) * step / _STEPS for step in range(_STEPS + 1))
    return Level(values=tuple(round(step) if whole else round(step, 6) for step in steps))


def verdict(pieces: Sequence[Piece], odds: Odds, unit: float) -> list[Token]:
    """The reply that compares, with one verdict drawn by `unit` in every slot and the middle in every level."""
    slots = [piece for piece in pieces if isinstance(piece, LabelPlace)]
    fair = odds if all(slot.tie is not None for slot in slots) else odds.without_tie()
    drawn = fair.drawn(unit)
    return _spoken(pieces, lambda slot: (getattr(slot, drawn), _chances(slot, fair)), lambda level: plain(level.middle))


def ranking(pieces: Sequence[Piece], strengths: Mapping[str, float], unit: Callable[[], float]) -> list[Token]:
    """The reply that puts labels in order, each place drawn from those that are left by their log strengths.

    R. D. Luce 1959 and R. L. Plackett 1975: the chances of any two are those of their difference, whoever is there.
    """
    left = dict(strengths)
    found: list[Token] = []
    for piece in pieces:
        if not isinstance(piece, Rank):
            found += _spoken([piece], lambda slot: (slot.first, {slot.first: 1.0}), lambda level: plain(level.middle))
            continue
        highest = max(left.values())
        weights = {label: math.exp(one - highest) for label, one in left.items()}
        whole = math.fsum(weights.values())
        chances = {label: weight / whole for label, weight in weights.items()}
        name = _drawn(chances, unit())
        found.append((name, chances))
        del left[name]
    return found


def _drawn(chances: Mapping[str, float], lot: float) -> str:
    """The name that a number in [0, 1) falls on."""
    reached = itertools.accumulate(chances.values())
    return next((name for name, below in zip(chances, reached, strict=True) if lot < below), list(chances)[-1])


def scores(pieces: Sequence[Piece], mixture: Sequence[tuple[float, float]], unit: Callable[[], float]) -> list[Token]:
    """The reply that scores one answer: each level drawn by the next `unit` from the mixture of heights."""

    def scored(level: Level) -> list[Token]:
        chances = level.chances(mixture)
        return [(_drawn(chances, unit()), chances)]

    return _spoken(pieces, lambda slot: (slot.first, {slot.first: 1.0}), scored)


def _spoken(
    pieces: Sequence[Piece], said: Callable[[LabelPlace], Token], scored: Callable[[Level], list[Token]]
) -> list[Token]:
    found: list[Token] = []
    for piece in pieces:
        if isinstance(piece, LabelPlace):
            found.append(said(piece))
        elif isinstance(piece, Rank):
            found.extend(plain(piece.labels[0]))
        else:
            found.extend(scored(piece) if isinstance(piece, Level) else plain(piece))
    return found


def _chances(slot: LabelPlace, odds: Odds) -> dict[str, float]:
    chances = {slot.first: odds.first, slot.second: odds.second}
    return chances if slot.tie is None else {**chances, slot.tie: odds.tie}


def plain(text: str) -> list[Token]:
    """`text` as tokens that could not have been others; a quotation mark is a token of its own."""
    return [(token, {token: 1.0}) for token in _TOKEN.findall(text)]


def logprobs(found: Sequence[Token], top: int) -> list[dict[str, Any]]:
    """Tokens as the API writes them, each with its `top` likeliest alternatives."""
    return [{**_entry(token, chances[token]), "top_logprobs": _top(chances, top)} for token, chances in found]


def _top(chances: Mapping[str, float], top: int) -> list[dict[str, Any]]:
    likeliest = sorted(chances.items(), key=lambda pair: -pair[1])[:top]
    return [_entry(token, p) for token, p in likeliest]


def _entry(token: str, p: float) -> dict[str, Any]:
    return {
        "token": token,
        "logprob": math.log(p) if p else NEVER,
        "bytes": list(token.encode("utf-8", "surrogatepass")),
    }
