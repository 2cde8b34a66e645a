"""What one looks at: a pair with all that speaks for it, or a prompt without one and why. Pure, from the audit's rows.

Knows nothing of pages or terminals; texts are as the models wrote them, harmless to nobody.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from typing import Any

from judgegen.report.tables import Row, Tables
from judgegen.show.cards import Table, card
from judgegen.show.words import said
from judgegen.writer.money import plain, total

PAIR = "pair"
"""The outcome of an entry that is a pair; any other is the reason why a prompt has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance:
    """What a judge said of one candidate by itself, or of a display: its words, and what they took.

    Attributes:
        first, second: the candidates as displayed; `second` is empty where one was scored by itself.
        said: the label ("first", "second", "tie"), the score, or why it could not be read.
        readable: whether it could.
        p_first: P(the first is better), ties half; None where it was not read or nothing was compared.
        counted: False for a judge that the match was taken away from.
        words: the judge's own, of its last answer.
        usd: None where some price is not known.
    """

    judge: str
    first: str
    second: str
    said: str
    readable: bool
    p_first: float | None
    counted: bool
    words: str
    calls: tuple[str, ...]
    tokens: int
    usd: Decimal | None

    def _repr_html_(self) -> str:
        """The verdict as a card: of whom, by whom, in which order, in whose words, for how much."""
        p = {} if self.p_first is None else {"P(first)": f"{self.p_first:.2f}"}
        shown = {"first": self.first, "second": self.second, **p, "words": self.words, "USD": plain(self.usd) or "?"}
        title = f"{self.judge or 'judge'}: {self.said if self.readable else f'could not be read ({self.said})'}"
        return card(title, Table([(name, text) for name, text in shown.items() if text]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A candidate as one looks at it. `refused` says why it may not compete, `tokens` is of the call that drew it."""

    key: str
    variant: str
    model: str
    text: str
    called: str
    settings: Mapping[str, Any]
    refused: str | None
    suspicions: tuple[str, ...]
    score: float | None
    tokens: int | None
    call: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A pair, or a prompt that gave none.

    Attributes:
        place: of its prompt in the run, from 0; `number` of the pair within its prompt, from 0.
        outcome: "pair", or the reason why there is none; `detail` is the sentence behind it.
        chosen, rejected: the sides; of a prompt without a pair its best and worst by score, None where there are fewer.
        others: how many more candidates there were.
        opinions: on these two where there are any, else on all of the prompt's.
        usd: all that the prompt cost; None where some price is not known.
    """

    place: int
    number: int
    prompt_id: str
    outcome: str
    detail: str
    messages: tuple[Mapping[str, Any], ...]
    reference: str | None
    metadata: Mapping[str, Any]
    chosen: Side | None
    rejected: Side | None
    others: int
    opinions: tuple[Utterance, ...]
    p_chosen: float | None = None
    margin: float | None = None
    consistent: bool | None = None
    usd: Decimal | None = field(default=None)

    @property
    def name(self) -> str:
        """Its address: the prompt's id, and the number of a further pair."""
        return f"{self.prompt_id}~{self.number}" if self.number else self.prompt_id

    def _repr_html_(self) -> str:
        """The entry as a card: what was asked, both sides, what each judge said."""
        names = ("chosen", "rejected") if self.outcome == PAIR else ("best", "worst")
        two = zip(names, (self.chosen, self.rejected), strict=True)
        sides = [(name, side.text or side.called, side.key) for name, side in two if side is not None]
        heard = [(opinion.judge or "judge", opinion.said, opinion.words) for opinion in self.opinions]
        p = "" if self.p_chosen is None else f", p {self.p_chosen:.2f}"
        asked = ("prompt", said(self.messages), "")
        return card(f"{self.name}: {self.outcome}{p}", Table([asked, *sides]), Table(heard, ("judge", "said", "words")))

    @property
    def conflict(self) -> bool:
        """Whether judges or orders prefer different candidates."""
        won = {_winner(opinion) for opinion in self.opinions if opinion.readable and opinion.second}
        return len(won - {None}) > 1


def _winner(opinion: Utterance) -> tuple[str, ...] | None:
    """Of which two which one; None for a tie."""
    two = sorted((opinion.first, opinion.second))
    return {"first": (*two, opinion.first), "second": (*two, opinion.second)}.get(opinion.said)


def entries(tables: Tables) -> list[Entry]:
    """Every pair and every prompt without one, in prompt order."""
    sides, pairs, verdicts = _by_prompt(tables.candidates), _by_prompt(tables.pairs), _by_prompt(tables.verdicts)
    paid = _paid(tables.calls.values())
    found: list[Entry] = []
    for place, row in enumerate(tables.prompts):
        name = row["prompt_id"]
        reader = _Prompt(tables, place, row, sides[name], verdicts[name], paid.get(name, Decimal(0)))
        found.extend(reader.pairs(pairs[name]) if pairs[name] else [reader.without()])
    return found


def _by_prompt(rows: Iterable[Row]) -> defaultdict[str, list[Row]]:
    grouped = ((name, list(group)) for name, group in groupby(rows, itemgetter("prompt_id")))
    return defaultdict(list, grouped)


def _paid(calls: Iterable[Row]) -> dict[str, Decimal | None]:
    costs: defaultdict[str, list[Decimal | None]] = defaultdict(list)
    for call in calls:
        costs[call["prompt_id"]].append(call["cost_usd"])
    return {name: total(found) for name, found in costs.items()}


@dataclass(frozen=True, slots=True)
class _Prompt:
    """One prompt's rows."""

    tables: Tables
    place: int
    row: Row
    candidates: Sequence[Row]
    verdicts: Sequence[Row]
    usd: Decimal | None

    def pairs(self, rows: Iterable[Row]) -> Iterator[Entry]:
        """An entry per pair."""
        for number, row in enumerate(rows):
            yield self._entry(
                (row["chosen"], row["rejected"]),
                number=number,
                outcome=PAIR,
                p_chosen=row["p_chosen"],
                margin=row["margin"],
                consistent=row["consistent"],
                usd=row["prompt_cost_usd"],
            )

    def without(self) -> Entry:
        """The entry of a prompt without a pair: its best and worst, those that may not compete last."""
        ranked = sorted(self.candidates, key=lambda c: (c["refused"] is not None, -(c["score"] or 0.0)))
        competing = [c for c in ranked if c["refused"] is None] or ranked
        ends = [ranked[0], (competing if len(competing) > 1 else ranked)[-1]] if len(ranked) > 1 else ranked
        keys = tuple(c["candidate"] for c in ends)
        return self._entry(keys, number=0, outcome=self.row["outcome"], usd=self.usd)

    def _entry(self, keys: Sequence[str], *, number: int, outcome: str, **figures: Any) -> Entry:
        known = {c["candidate"]: c for c in self.candidates}
        sides = [_side(known[key]) for key in keys]
        chosen, rejected, *_ = (*sides, None, None)
        return Entry(
            place=self.place,
            number=number,
            prompt_id=self.row["prompt_id"],
            outcome=outcome,
            detail=self.row["detail"] or "",
            messages=tuple(json.loads(self.row["messages"])),
            reference=self.row["reference"],
            metadata=json.loads(self.row["metadata"]),
            chosen=chosen,
            rejected=rejected,
            others=len(self.candidates) - len(sides),
            opinions=(*self._compared(keys), *(o for key in keys for o in self._scored(known[key]))),
            **figures,
        )

    def _compared(self, keys: Sequence[str]) -> list[Utterance]:
        """The displays of these two where they met, of all otherwise: a chain of others led from one to the other."""
        two = set(keys)
        met = [v for v in self.verdicts if {v["first"], v["second"]} == two]
        return [self._opinion(v) for v in (met or self.verdicts)]

    def _opinion(self, row: Row) -> Utterance:
        known = row["unreadable"] is None
        return Utterance(
            judge=row["judge"] or "",
            first=row["first"],
            second=row["second"],
            said=row["label"] if known else row["unreadable"],
            readable=known,
            p_first=row["p_first"] + row["p_tie"] / 2 if known else None,
            counted=row["counted"],
            **self._of_calls(row["call_ids"]),
        )

    def _scored(self, candidate: Row) -> Iterator[Utterance]:
        for one in json.loads(candidate["scores"] or "[]"):
            readable = "unreadable" not in one
            yield Utterance(
                judge=one["judge"] or "",
                first=candidate["candidate"],
                second="",
                said=_score(one) if readable else one["unreadable"],
                readable=readable,
                p_first=None,
                counted=True,
                **self._of_calls(one["calls"]),
            )

    def _of_calls(self, ids: Sequence[str]) -> dict[str, Any]:
        known = [self.tables.calls[i] for i in ids if i in self.tables.calls]
        return {
            "words": self.tables.words.get(ids[-1], "") if ids else "",
            "calls": tuple(ids),
            "tokens": sum(call["input_tokens"] + call["output_tokens"] for call in known),
            "usd": total(call["cost_usd"] for call in known),
        }


def _score(one: Mapping[str, Any]) -> str:
    aspects = ", ".join(f"{name} {value:g}" for name, value in one["aspects"].items())
    return f"{one['score']:.2f} ({aspects})" if aspects else f"{one['score']:.2f}"


def _side(row: Row) -> Side:
    return Side(
        key=row["candidate"],
        variant=row["variant"],
        model=row["model"],
        text=row["text"] or "",
        called=row["tool_calls"] or "",
        settings=json.loads(row["settings"]),
        refused=row["refused"],
        suspicions=tuple(row["suspicions"]),
        score=row["score"],
        tokens=row["output_tokens"],
        call=row["call_id"],
    )
