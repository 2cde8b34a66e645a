"""Answers that do not speak of their prompt, told from the others by words alone: a null model's, another prompt's.

An answer shares words with its prompt and with the other answers to it, the rarer ones counting for more, and shares
fewer of them with other prompts of the run and theirs. One that shares as much with more than a tenth of up to a
hundred others as with its own is a suspicion: so nine in ten of answers to something else are. Prompts that are alike
are not held against each other. Where an answer or its topic has few words, or others are few, nothing is said.

What is held to be a word depends on no language: runs of letters, cut to their first five characters, and in scripts
without spaces every two characters. Figures: docs/concepts.md, `python benchmarks/off_topic.py`. Pure.
"""

from __future__ import annotations

import heapq
import math
import re
import struct
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from judgegen.judge.build import request
from judgegen.llm.calls import digest
from judgegen.records import OFF_TOPIC, Candidate, Result
from judgegen.textual import normal

OTHERS, LEAST = 101, 30
"""Other prompts that are held against an answer, the answer's own perhaps among them; with fewer nothing is said."""
WORDS = 15
"""Different words that tell topics apart, of which an answer must have so many, and its topic, to be looked at."""
LONGEST = 4_000
"""Characters of a text that are read."""
SHARE = 0.1
"""Of the others, to which an answer may be as near as to its own."""
COMMON = 0.25
"""Of the topics, from which a word tells none from another."""
ALIKE = 0.15
"""Cosine of two prompts from which they are alike."""

_JOINED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Thai, Lao, Burmese, Khmer, Japanese and Chinese: no spaces stand between words."""
_MARKS = "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06dc\u0900-\u0dff"
"""Signs that belong to the letter before them; the scripts of India are made of both."""
_RUN = re.compile(rf"[\w{_MARKS}{_JOINED}]+")
_PART = re.compile(rf"([{_JOINED}]+)|[^{_JOINED}]+")
_HEAD = re.compile(r"(?<!\w)\w{1,5}", re.ASCII)
"""What `words` takes of a run, where all is ASCII."""
_CELL = 4
"""Bytes of a cell in a column of weights: no text as long as `LONGEST` comes to more."""
Words = frozenset[str]


def words(text: str) -> Words:
    """The different words of a text, as far as they tell topics apart."""
    plain = normal(text[:LONGEST])
    if plain.isascii():
        return frozenset(_HEAD.findall(plain))
    runs = _RUN.findall(plain)
    found = {run[:5] for run in runs if run.isascii()}
    for part in (part for run in runs if not run.isascii() for part in _PART.finditer(run)):
        if part[1] is None:
            found.add(part[0][:5])
        else:
            found.update(part[1][i : i + 2] for i in range(max(1, len(part[1]) - 1)))
    return frozenset(found)


def _answers(result: Result) -> list[Candidate]:
    """Those that compete in words; of two alike only one does, so that none vouches for itself."""
    return [one for one in result.candidates if one.refused is None and one.text and not one.tool_calls]


@dataclass(frozen=True, slots=True, order=True)
class _Told:
    """A prompt that was drawn to be held against others: its lot, its text, and its answers but one."""

    lot: int
    prompt_id: str
    asked: str
    answers: tuple[str, ...]


@dataclass(slots=True)
class Topics:
    """Add results, then ask for what answers are held against. The order of adding changes nothing."""

    _drawn: list[_Told] = field(default_factory=list)

    def add(self, result: Result) -> None:
        """One more prompt; those with the lowest lots are kept."""
        answers = _answers(result)
        if result.drop == "incomplete" or not answers:
            return
        lot = -int(digest(["topic", result.prompt.id], size=8), 16)
        if len(self._drawn) == OTHERS and lot <= self._drawn[0].lot:
            return
        told = _Told(lot, result.prompt.id, request(result.prompt), tuple(one.text for one in answers[1:]))
        (heapq.heappush if len(self._drawn) < OTHERS else heapq.heappushpop)(self._drawn, told)

    def found(self) -> Others | None:
        """What answers are held against; None where that is too little."""
        return Others.of(sorted(self._drawn)) if len(self._drawn) > LEAST else None


@dataclass(frozen=True, slots=True)
class _Held:
    """One of the others: its prompt's id, and the lengths of its prompt's and its topic's vectors."""

    prompt_id: str
    prompt: float
    topic: float


@dataclass(frozen=True, slots=True)
class Others:
    """Topics of other prompts, by the words in them.

    Attributes:
        weights: of a word, the rarer the more; 0 of one in more than `COMMON` of the topics, `most` of one in none.
        topics, prompts: by a word in which of `held` it stands, as `_columns` lays it out.
        common: the words without weight.
    """

    held: tuple[_Held, ...]
    weights: Mapping[str, int]
    most: int
    topics: Mapping[str, int]
    prompts: Mapping[str, int]
    common: Words

    @staticmethod
    def of(drawn: Sequence[_Told]) -> Others:
        """Weighed by how many of these topics a word stands in."""
        asked = [words(one.asked) for one in drawn]
        whole = [own.union(*map(words, one.answers)) for own, one in zip(asked, drawn, strict=True)]
        counts = Counter(word for topic in whole for word in topic)
        weights = {word: _weight(count, len(drawn)) for word, count in counts.items()}
        return Others(
            held=tuple(
                _Held(told.prompt_id, _length(own, weights, 0), _length(topic, weights, 0))
                for told, own, topic in zip(drawn, asked, whole, strict=True)
            ),
            weights=weights,
            most=_weight(0, len(drawn)),
            topics=_columns(whole, weights),
            prompts=_columns(asked, weights),
            common=frozenset(word for word, weight in weights.items() if not weight),
        )

    def off(self, result: Result) -> dict[str, bool]:
        """By a candidate's key whether it is off its topic; without those of which nothing can be said."""
        answers = [(one, self._telling(one.text)) for one in _answers(result)]
        if not any(len(own) >= WORDS for _, own in answers):
            return {}
        asked = self._telling(request(result.prompt))
        against = self._against(result.prompt.id, asked)
        if len(against) < LEAST:
            return {}
        found = dict[str, bool]()
        for place, (one, own) in enumerate(answers):
            topic = asked.union(*(other for at, (_, other) in enumerate(answers) if at != place))
            if len(own) >= WORDS and len(topic) >= WORDS:
                found[one.key] = self._nearer(own, topic, against)
        return found

    def _telling(self, text: str) -> Words:
        """The words of a text that do not stand in many topics."""
        return words(text) - self.common

    def _against(self, prompt_id: str, asked: Words) -> list[int]:
        """Those of the others that are not about the same."""
        length, shared = _length(asked, self.weights, self.most), self._shared(asked, self.prompts)
        return [
            i
            for i, one in enumerate(self.held)
            if one.prompt_id != prompt_id and shared[i] < ALIKE * length * one.prompt
        ]

    def _nearer(self, own: Words, topic: Words, against: Collection[int]) -> bool:
        """Whether an answer is as near to more of the others than may be."""
        shares = _weights(own & topic, self.weights, self.most)
        near = shares / _length(topic, self.weights, self.most)
        shared = self._shared(own, self.topics)
        as_near = sum([shared[i] >= near * self.held[i].topic for i in against])
        return as_near > SHARE * len(against)

    def _shared(self, own: Words, columns: Mapping[str, int]) -> tuple[int, ...]:
        """The weight of the words that each of the others shares."""
        added = sum(map(columns.__getitem__, own & columns.keys()))
        return struct.unpack(f"<{len(self.held)}I", added.to_bytes(_CELL * len(self.held), "little"))


def _weight(count: int, topics: int) -> int:
    """What a word counts that stands in so many of the topics: thousandths, so that the order of adding is none."""
    return 0 if count > COMMON * topics else round(1000 * math.log((topics + 1) / (count + 0.5)))


def _length(found: Iterable[str], weights: Mapping[str, int], most: int) -> float:
    """The root of the summed weights; a topic without a word has a length as well."""
    return math.sqrt(_weights(found, weights, most) + 1000)


def _weights(found: Iterable[str], weights: Mapping[str, int], most: int) -> int:
    """Of all these words together."""
    known = list(map(weights.get, found))
    return sum(filter(None, known)) + most * known.count(None)


def _columns(sets: Sequence[Words], weights: Mapping[str, int]) -> dict[str, int]:
    """By a word that weighs something: its weight in the cell of each set it stands in, as one number of all cells.

    So what a text shares with all sets at once is one sum.
    """
    found: dict[str, int] = {}
    for i, one in enumerate(sets):
        for word in one:
            if weight := weights.get(word, 0):
                found[word] = found.get(word, 0) + (weight << (8 * _CELL * i))
    return found


@dataclass(slots=True)
class Marking:
    """Marks the answers of a run that are off their topic, and counts them. `others` None: nothing is said."""

    others: Others | None
    looked_at: int = 0
    off: int = 0
    chosen: int = 0

    def marked(self, result: Result) -> Result:
        """The result with what is suspected of its candidates."""
        if self.others is None or result.drop == "incomplete":
            return result
        found = self.others.off(result)
        suspected = frozenset(key for key, is_off in found.items() if is_off)
        self.looked_at += len(found)
        self.off += len(suspected)
        if not suspected:
            return result
        return replace(result, candidates=tuple(_suspected(one, suspected) for one in result.candidates))

    def came(self, result: Result) -> None:
        """What a marked result came to."""
        self.chosen += any(OFF_TOPIC in pair.chosen.suspicions for pair in result.pairs)

    def again(self) -> None:
        """All are settled once more, and are marked as they were."""
        self.looked_at = self.off = self.chosen = 0

    def row(self) -> dict[str, Any]:
        """What the summary says of it; nothing where nothing was looked at."""
        if self.others is None or not self.looked_at:
            return {}
        counts = {"looked_at": self.looked_at, "off": self.off, "chosen": self.chosen}
        return {"topics": {**counts, "against": len(self.others.held)}}


def _suspected(one: Candidate, keys: Collection[str]) -> Candidate:
    return replace(one, suspicions=(*one.suspicions, OFF_TOPIC)) if one.key in keys else one
