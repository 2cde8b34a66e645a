"""Lists: all answers of a prompt in one call, in so many orders that what a place is worth cancels.

The orders are the rows of a Williams square (E. J. Williams 1949, Australian Journal of Scientific Research A 2, 149):
over all of them each answer stands in each place equally often, and before and behind each other one equally often.
Rows come two by two, the second the mirror of the first, so that the latter holds after every two of them. n answers
have n rows where n is even and 2n where it is odd.

Of two answers the lists in which one stands before the other are its display in that order: m of them, v of which put
it higher, are P = (v + 1/2) / (m + 1), which over both orders comes to (v + 1) / (k + 2) of k lists, Laplace's rule.
One list alone is a verdict without a probability, and is believed as such. A list knows no ties; where lists differ by
halves there is one. A ranking that does not name every answer once is none. Pure; knows nothing of who answers.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from judgegen.judge import build, read
from judgegen.judge.build import Asking, Notes
from judgegen.judge.guard import FIELDS, frame, letters, neutral
from judgegen.judge.said import Said, objects, under
from judgegen.judge.schedule import Lot
from judgegen.llm import ends
from judgegen.llm.calls import Call, Choice, Failure, Outcome, digest
from judgegen.llm.thought import part
from judgegen.records import Candidate, Comparison, Label, Prompt, Unreadable, Verdict

RANKING = "ranking"
"""The name under which an order is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """All answers in the order in which one call shows them; `turn` counts the lists of a prompt from 0."""

    shown: tuple[Candidate, ...]
    turn: int

    def before(self, one: Candidate, other: Candidate) -> bool:
        """Whether it shows `one` before `other`."""
        keys = [shown.key for shown in self.shown]
        return keys.index(one.key) < keys.index(other.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordering:
    """What was said of a list: the answers' keys, best first, or why there is no order of them."""

    keys: tuple[str, ...] = ()
    reason: str = ""
    call_ids: tuple[str, ...] = ()


def rows(n: int) -> Iterator[tuple[int, ...]]:
    """The rows of the square for `n`, two by two, the second of each two the mirror of the first."""
    zigzag = [(place + 1) // 2 if place % 2 else (n - place // 2) % n for place in range(n)]
    for turn in range(n if n % 2 else n // 2):
        row = tuple((place + turn) % n for place in zigzag)
        yield row
        yield row[::-1]


def lists(among: Sequence[Candidate], lot: Lot, wanted: int | None) -> list[Listed]:
    """As many lists as are wanted, a whole square where that is None; further squares begin with other neighbours.

    `lot` stands in for chance: the order in which the answers come changes nothing.
    """
    found: list[Listed] = []
    for square in itertools.count():
        drawn = sorted(among, key=lambda one: digest([lot(one), square]) if square else lot(one))
        for row in rows(len(drawn)):
            if wanted is not None and len(found) == wanted:
                return found
            found.append(Listed(shown=tuple(drawn[place] for place in row), turn=len(found)))
        if wanted is None:
            break
    return found


def call(prompt: Prompt, listed: Listed, asking: Asking, *, seed: int, draw: int, notes: Notes) -> Call:
    """The call that shows a list and asks for an order of it; `draw` counts the times it was asked before."""
    key = _key(prompt, listed, seed, draw)
    quoted = (build.request(prompt), *map(build.answer, listed.shown), *build.texts(notes))
    names = labels(prompt, listed, seed=seed, draw=draw)
    texts = (neutral(build.answer(one), FIELDS | {RANKING})[0] for one in listed.shown)
    answers = [{"label": label, "text": text} for label, text in zip(names, texts, strict=True)]
    values = {"answers": answers, "fence": frame(quoted, *key).fence}
    wanted = build.closed({RANKING: _places(names)}, asking.rationale)
    return build.calling(prompt, asking, values, notes, key=key, draw=draw, schema=wanted)


def labels(prompt: Prompt, listed: Listed, *, seed: int, draw: int) -> tuple[str, ...]:
    """The labels of a list's answers, in its order."""
    return letters(len(listed.shown), *_key(prompt, listed, seed, draw))


def _key(prompt: Prompt, listed: Listed, seed: int, draw: int) -> list[Any]:
    return ["list", seed, prompt.id, *([one.call_id, one.index] for one in listed.shown), listed.turn, draw]


def _places(names: Sequence[str]) -> dict[str, Any]:
    """A label for each place: so a schema can ask for all of them, which few servers let it do of an array."""
    return build.closed({str(place): {"type": "string", "enum": sorted(names)} for place, _ in enumerate(names, 1)})


def order(asked: Call, outcome: Outcome, listed: Listed, names: Sequence[str]) -> Ordering:
    """The order that one reply gives."""
    if isinstance(outcome, Failure):
        return Ordering(reason=outcome.reason, call_ids=(asked.id,))
    found = spoken(outcome.first, names)
    if found is None:
        why = read.why(outcome.first)
        return Ordering(reason="no-ranking" if why == "no-verdict" else why, call_ids=(asked.id,))
    by_label = dict(zip(names, listed.shown, strict=True))
    return Ordering(keys=tuple(by_label[name].key for name in found), call_ids=(asked.id,))


def spoken(choice: Choice, names: Sequence[str]) -> tuple[str, ...] | None:
    """The labels as an answer orders them; None where it did not come to its own end, or leaves it open."""
    if ends.why_cut(choice.finish) is not None:
        return None
    answer = choice.text[part(choice.text).begins :]
    given = [(said, ranked) for said in objects(answer) if (ranked := _ranked(said)) is not None]
    if not given:
        return None
    last, ranked = given[-1]
    if {other for _, other in given} != {ranked} and not last.introduced:
        return None
    if last.after and not read.only_explains(last, names):
        return None
    return ranked if sorted(ranked) == sorted(names) else None


def _ranked(said: Said) -> tuple[str, ...] | None:
    """What an object gives as its ranking, the only object inside another one included; () for nothing usable."""
    value: Any = said.value
    while isinstance(value, dict) and not under(value, RANKING) and len(value) == 1:
        (value,) = value.values()
    if said.value is None:
        return ()
    if not isinstance(value, dict) or not (found := under(value, RANKING)):
        return None
    given = found[0] if len(found) == 1 else None
    if isinstance(given, dict):
        places = [str(place) for place in range(1, len(given) + 1)]
        given = [given[place] for place in places] if sorted(given) == sorted(places) else None
    if not isinstance(given, list) or not all(isinstance(label, str) for label in given):
        return ()
    return tuple(label.strip() for label in given)


def verdict(pair: Comparison, heard: Sequence[tuple[Listed, Ordering]], asking: Asking) -> Verdict | Unreadable:
    """What the lists that show `pair` in this order say of it, in display order; those that cannot be read are none."""
    mine = [said for listed, said in heard if listed.before(pair.first, pair.second)]
    ids = tuple(dict.fromkeys(i for said in mine for i in said.call_ids))
    told = [said.keys.index(pair.first.key) < said.keys.index(pair.second.key) for said in mine if said.keys]
    if not told:
        why = next((said.reason for said in reversed(mine)), "not-shown")
        return Unreadable(reason=why, call_ids=ids, judge=asking.name, weight=asking.weight)
    m, v = len(told), sum(told)
    p = (v + 0.5) / (m + 1) if m > 1 else float(v)
    label: Label = "tie" if 2 * v == m else "first" if 2 * v > m else "second"
    return Verdict(
        label=label,
        p_first=p,
        p_second=1.0 - p,
        p_tie=0.0,
        call_ids=ids,
        judge=asking.name,
        weight=asking.weight,
        votes=m,
    )
