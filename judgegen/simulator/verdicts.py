"""How the known-truth world's judge puts a verdict into words: the shape asked for, as tokens with their logprobs.

A shape is a row of pieces: text, and slots where a label goes. Where the request has a JSON schema, every enum of two
or more strings is a slot (value 0 the answer shown first, value 1 the one shown second, the last of three or more the
tie), other strings hold a short reason, numbers the middle of their range, booleans true. Without a schema the labels
are read from the instruction (`{"verdict": "C"} or {"verdict": "D"} or {"verdict": "tie"}`), else they are A, B, tie.
A label is one token of its own; its top_logprobs are the true probabilities of the labels. Pure.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from judgegen.simulator.bodies import text_of
from judgegen.simulator.prose import MARK

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

_RUN = re.compile(r'"verdict"\s*:\s*(?:one of\s+)?((?:"[^"\n]{1,40}"(?!\s*:)[\s|,/]*(?:or\s+)?)+)')
_QUOTED = re.compile(r'"([^"\n]+)"')
_TOKEN = re.compile(r'"|\s*[^"\s]+|\s+')


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
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


Piece = str | Slot
Token = tuple[str, Mapping[str, float]]
"""A token and the probability of each token that could have stood there."""


def shape(body: Mapping[str, Any]) -> tuple[Piece, ...]:
    """The shape in which `body` asks for a verdict.

    Raises:
        ValueError: its schema is none that a value can be made of.
    """
    asked = body.get("response_format") or {}
    if asked.get("type") == "json_schema":
        schema = asked["json_schema"]["schema"]
        return tuple(_fill(schema, schema, 0))
    slot = _named(body["messages"])
    if slot is None and asked.get("type") != "json_object":
        return (Slot(first="A", second="B", tie="tie"),)
    return '{"verdict":"', slot or Slot(first="A", second="B", tie="tie"), '"}'


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
    if len(values) < 2 or not all(isinstance(value, str) for value in values):
        yield json.dumps(values[len(values) // 2])
        return
    first, second, *rest = (json.dumps(value)[1:-1] for value in values)
    yield '"'
    yield Slot(first=first, second=second, tie=rest[-1] if rest else None)
    yield '"'


def _typed(schema: Mapping[str, Any], root: Any, depth: int) -> Iterator[Piece]:
    kind = schema.get("type", "object" if "properties" in schema else "string")
    kind = kind[0] if isinstance(kind, list) else kind
    if kind == "object":
        yield from _object(schema.get("properties", {}), root, depth)
    elif kind == "array":
        yield "["
        yield from _fill(schema.get("items", {}), root, depth + 1)
        yield "]"
    elif kind in ("number", "integer"):
        middle = (schema.get("minimum", 0) + schema.get("maximum", 1)) / 2
        yield json.dumps(math.floor(middle) if kind == "integer" else middle)
    else:
        yield {"boolean": "true", "null": "null"}.get(kind, json.dumps(REASON))


def _object(properties: Mapping[str, Any], root: Any, depth: int) -> Iterator[Piece]:
    yield "{"
    for i, (name, schema) in enumerate(properties.items()):
        yield f"{',' if i else ''}{json.dumps(name)}:"
        yield from _fill(schema, root, depth + 1)
    yield "}"


def _named(messages: Sequence[Mapping[str, Any]]) -> Slot | None:
    """The labels that the instruction lists: after the last mark, else before the first or in the system prompt."""
    texts = [text_of(message) for message in messages]
    asked = MARK.split(texts[-1])
    for text in (asked[-1], "\n".join([*texts[:-1], asked[0]])):
        runs = _RUN.findall(text)
        labels = list(dict.fromkeys(label for run in runs for label in _QUOTED.findall(run)))
        if len(labels) >= 2:
            return Slot(first=labels[0], second=labels[1], tie=labels[2] if len(labels) > 2 else None)
    return None


def tokens(pieces: Sequence[Piece], odds: Odds, unit: float) -> list[Token]:
    """The reply, with one verdict drawn by `unit` in every slot."""
    slots = [piece for piece in pieces if isinstance(piece, Slot)]
    fair = odds if all(slot.tie is not None for slot in slots) else odds.without_tie()
    verdict = fair.drawn(unit)
    found: list[Token] = []
    for piece in pieces:
        if isinstance(piece, Slot):
            found.append((getattr(piece, verdict), _chances(piece, fair)))
        else:
            found.extend(plain(piece))
    return found


def _chances(slot: Slot, odds: Odds) -> dict[str, float]:
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
