"""Guesses answers: the sender behind an estimate. What the journal answers is taken from it and is free.

A guessed candidate is distinct text of the expected length, so that the judge's prompts are counted around it; a
guessed verdict is a readable one. Lengths come from the journal's answers to the same model and variant, from the run
file, or from an assumption that is stated. Knows nothing of prices or of the run file.
"""

from __future__ import annotations

import json
import math
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from judgegen.llm.calls import REWARDS, Call, Choice, Outcome, Reply, Usage
from judgegen.llm.ends import why_cut
from judgegen.llm.journal import Journal
from judgegen.llm.tokens import count_messages

Bound = Literal["low", "expected", "high"]
Key = tuple[str, str, str, str]
"""(role, endpoint's name in the run file, model, variant)."""

GUESSED = Usage()
"""The usage of every guessed answer: by this very object it is told from an answer of the journal."""
GOLDEN = 0.618
EXACT_CALLS = 300
"""Prompts counted with the tokenizer per key; beyond that by characters at the ratio found, within a per cent."""

WORDS = tuple(
    "time people way water words history light number music story science house answer question reason world "
    "language energy system market family school government example problem result change point order value".split()
)
"""One token each, with the space before it, in the encodings of tokens.py."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Length:
    """Output tokens of one kind of call, with what they rest on. `asked_again` is the share of unreadable answers."""

    low: float
    expected: float
    high: float
    basis: str
    cached: float = 0.0  # share of the input that the provider reads from its cache
    cut: float = 0.0  # share of candidates that may not compete
    cut_low: float = 0.0  # the same at the low end, since who does not compete is not judged
    asked_again: float = 0.0
    asked_again_high: float = 0.2
    seconds: float | None = None
    input_per_character: float | None = None  # as the provider counted
    characters_per_output: float | None = None

    def at(self, bound: Bound) -> float:
        """The length at one end of the interval, or expected."""
        return {"low": self.low, "expected": self.expected, "high": self.high}[bound]


@dataclass(slots=True)
class Sums:
    """Sums over guessed calls of one key."""

    calls: int = 0
    free: int = 0
    input: float = 0.0
    cached: float = 0.0
    output: float = 0.0


@dataclass(slots=True)
class _Ratio:
    """Tokens per character of one kind of prompt, learned from the first ones."""

    calls: int = 0
    tokens: int = 0
    characters: int = 0


@dataclass(slots=True)
class _Share:
    """So many of a hundred, spread evenly: exact, where a lot would be luck for a few calls."""

    debt: float

    def next(self, share: float) -> bool:
        """Whether the next one is among them."""
        self.debt += share
        if self.debt < 1:
            return False
        self.debt -= 1
        return True


@dataclass(slots=True)
class Guess:
    """The sender: `tally` holds, per key, what the calls it was asked come to at `bound`."""

    journal: Journal | None
    lengths: Mapping[Key, Length]
    bound: Bound
    encodings: Mapping[str, str]
    tally: dict[Key, Sums] = field(default_factory=lambda: defaultdict(Sums))
    ratios: dict[Key, _Ratio] = field(default_factory=lambda: defaultdict(_Ratio))
    unread: dict[Key, _Share] = field(default_factory=dict)
    ends: dict[Key, _Share] = field(default_factory=dict)

    async def __call__(self, call: Call, /) -> Outcome:
        """Answer from the journal, or with a guess."""
        tally = self.tally[key(call)]
        tally.calls += 1
        if self.journal is not None and (known := self.journal.get(call.id)) is not None:
            tally.free += 1
            return known
        return self._guess(call, tally)

    def _guess(self, call: Call, tally: Sums) -> Reply:
        length = self.lengths[key(call)]
        choices = int(call.params.get("n", 1))
        lot = random.Random(call.id)  # noqa: S311 - a guess that is the same every time
        tokens = min(length.at(self.bound), call.most_tokens or math.inf)
        asked = self._count(call)
        tally.input += asked
        tally.cached += asked * length.cached
        tally.output += tokens * choices
        if call.api in REWARDS:
            scores = (Choice(text=f"{lot.random():.6f}") for one in call.messages if one["role"] == "assistant")
            return Reply(choices=tuple(scores), usage=GUESSED)
        if call.api != "chat":
            return Reply(choices=tuple(_decided(call, lot)), usage=GUESSED)
        texts = [_text(call, lot, length, tokens, unreadable=self._unreadable(call, length)) for _ in range(choices)]
        finish = "length" if self._cut(call, length) else "stop"
        return Reply(choices=tuple(Choice(text=text, finish=finish) for text in texts), usage=GUESSED)

    def _cut(self, call: Call, length: Length) -> bool:
        """Whether it is among the share that is cut off; other prompts' for one variant than for the next."""
        share = {"low": length.cut_low, "expected": length.cut, "high": 0.0}[self.bound]
        begun = _Share((0.5 + GOLDEN * len(self.ends)) % 1)
        return self.ends.setdefault(key(call), begun).next(share)

    def _unreadable(self, call: Call, length: Length) -> bool:
        """Whether it is among the share that is asked again: at the high end rounded up, else to the nearest."""
        share = {"low": 0.0, "expected": length.asked_again, "high": length.asked_again_high}[self.bound]
        begun = _Share(1 - share if self.bound == "high" else 0.5)
        return self.unread.setdefault(key(call), begun).next(share)

    def _count(self, call: Call) -> float:
        ratio = self.ratios[key(call)]
        characters = sum(len(str(message.get("content") or "")) for message in call.messages) + 1
        measured = self.lengths[key(call)].input_per_character
        if measured is not None:
            return characters * measured
        if ratio.calls >= EXACT_CALLS and not call.params.get("tools"):
            return characters * ratio.tokens / ratio.characters
        tokens = count_messages(call.said, self.encodings[call.model], tools=call.params.get("tools", ()))
        ratio.calls, ratio.tokens = ratio.calls + 1, ratio.tokens + tokens
        ratio.characters += characters
        return tokens


def key(call: Call) -> Key:
    """What is guessed together."""
    return call.tag.role, call.tag.route, call.model, call.tag.variant


def _text(call: Call, lot: random.Random, length: Length, tokens: float, *, unreadable: bool) -> str:
    schema = call.params.get("schema")
    if schema is not None:
        return "not a verdict" if unreadable else json.dumps(fill(schema, lot))
    words = " ".join(lot.choices(WORDS, k=max(1, round(tokens))))
    if length.characters_per_output is None:
        return words
    # Where prompts are counted by their characters, an answer has as many as the pilot's did.
    return (words * 2)[: max(1, round(tokens * length.characters_per_output))]


def _decided(call: Call, lot: random.Random) -> Iterator[Choice]:
    """An option of each typed question."""
    for question in call.params["questions"]:
        yield Choice(text=lot.choice(question["options"])["value"], finish="stop")


def fill(schema: Mapping[str, Any], lot: random.Random) -> Any:
    """Some value of a JSON schema, of the subset that strict structured output allows."""
    if "enum" in schema:
        return lot.choice(schema["enum"])
    kind = schema.get("type")
    if kind == "object" and (names := _places(schema.get("properties", {}))):
        return dict(zip(schema["properties"], lot.sample(names, len(names)), strict=True))
    if kind == "object":
        return {name: fill(inner, lot) for name, inner in schema.get("properties", {}).items()}
    if kind == "array":
        return [fill(schema.get("items", {}), lot)]
    if kind in ("integer", "number"):
        low, high = schema.get("minimum", 1), schema.get("maximum", 5)
        return lot.randint(int(low), int(high))
    return lot.random() < 0.5 if kind == "boolean" else " ".join(lot.choices(WORDS, k=20))


def _places(properties: Mapping[str, Any]) -> list[str]:
    """What stands in the places of a ranking, one in each; nothing where the properties are none."""
    enums = [inner.get("enum", []) for inner in properties.values()]
    one = enums[0] if enums else []
    places = [str(place) for place, _ in enumerate(one, 1)]
    return list(one) if list(properties) == places and all(enum == one for enum in enums) else []


@dataclass(slots=True)
class _Pilot:
    """What a pilot's answers of one key come to."""

    n: int = 0
    output: float = 0.0
    squares: float = 0.0
    input: int = 0
    characters: int = 0
    answered: int = 0
    cached: int = 0
    cut: int = 0
    again: int = 0
    timed: int = 0
    seconds: float = 0.0


def pilot(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str, str], Length]:
    """Lengths by (role, model, variant) from a journal's answered calls.

    The interval is the mean with three standard errors to each side, and at least 2 %: what it leaves out is that the
    prompts to come may be of another kind than the pilot's.
    """
    seen: dict[tuple[str, str, str], _Pilot] = defaultdict(_Pilot)
    for row in rows:
        _see(seen[row["role"], row["model"], row["variant"]], row)
    return {kind: _length(s) for kind, s in seen.items() if s.n}


def _see(seen: _Pilot, row: Mapping[str, Any]) -> None:
    seen.n += 1
    seen.output += row["output"]
    seen.squares += row["output"] ** 2
    seen.input += row["input"]
    seen.answered += row["answered"]
    seen.characters += row["characters"] + 1
    seen.cached += row["cached"]
    seen.cut += why_cut(row["finish"]) is not None
    seen.again += row["role"] != "sampler" and row["draw"] > 0
    if row["seconds"] is not None:
        seen.timed += 1
        seen.seconds += row["seconds"]


def _length(seen: _Pilot) -> Length:
    mean = seen.output / seen.n
    spread = math.sqrt(max(0.0, seen.squares / seen.n - mean**2) / seen.n) if seen.n > 1 else mean
    slack = max(3 * spread, 0.02 * mean)
    again = seen.again / seen.n
    return Length(
        low=max(0.0, mean - slack),
        expected=mean,
        high=mean + slack,
        basis=f"{seen.n} answers in the journal",
        cached=seen.cached / seen.input if seen.input else 0.0,
        cut=seen.cut / seen.n,
        cut_low=seen.cut / seen.n,
        asked_again=again,
        asked_again_high=min(0.95, again + 3 * math.sqrt((again * (1 - again) + 1 / seen.n) / seen.n)),
        seconds=seen.seconds / seen.timed if seen.timed else None,
        input_per_character=seen.input / seen.characters,
        characters_per_output=seen.answered / seen.output if seen.output else None,
    )
