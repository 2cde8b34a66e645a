"""What is to be labelled: two answers side by side, and what the judge said of them, which stays hidden until then.

From a run's entries or a labelled file. Which answer is A is drawn by lot from the content, so that a label says
nothing of what the judge chose. Knows nothing of pages or labels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from judgegen.errors import SpecError
from judgegen.exchange.comparisons import labelled
from judgegen.llm.calls import digest
from judgegen.report.entries import Entry, entries
from judgegen.report.tables import Tables
from judgegen.show.entries import heard
from judgegen.textual import normal

By = Literal["uncertain", "random", "disagreement"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """A comparison to be labelled.

    Attributes:
        p: the judge's P(A is better), ties half; None where it said nothing of these two.
        said: what it said, in words, A and B named so; empty without a judge.
        conflict: whether its verdicts differ.
    """

    id: str
    prompt_id: str
    messages: tuple[Mapping[str, Any], ...]
    a: str
    b: str
    p: float | None = None
    said: tuple[str, ...] = ()
    conflict: bool = False

    def row(self) -> dict[str, Any]:
        """The comparison as a line of labels has it."""
        return {
            "id": self.id,
            "prompt_id": self.prompt_id,
            "messages": [dict(message) for message in self.messages],
            "response_a": self.a,
            "response_b": self.b,
        }


def items(source: Path, warn: Callable[[str], None]) -> list[Queued]:
    """Every comparison of a run folder or a labelled file.

    Raises:
        SpecError: it is neither, or has none.
    """
    if source.is_dir():
        found = list(_of_run(entries(Tables(source))))
    else:
        found = [_of_file(row) for row in labelled(source, None, warn)]
    if not found:
        raise SpecError(f"{source}: no two answers to compare are in it")
    return list({item.id: item for item in found}.values())


def _of_file(row: Any) -> Queued:
    return Queued(id=row.id, prompt_id=row.id, messages=row.messages, a=row.response_a, b=row.response_b)


def _of_run(found: Iterable[Entry]) -> Iterator[Queued]:
    for entry in found:
        chosen, rejected = entry.chosen, entry.rejected
        if chosen is None or rejected is None or chosen.refused or rejected.refused:
            continue
        if chosen.called or rejected.called or normal(chosen.text) == normal(rejected.text):
            continue
        lot = digest([list(entry.messages), *sorted((chosen.text, rejected.text))], size=8)
        a_first = (int(lot, 16) % 2 == 0) == (chosen.text <= rejected.text)
        a, b = (chosen, rejected) if a_first else (rejected, chosen)
        p = _p(entry, a.key)
        yield Queued(
            id=f"c-{lot}",
            prompt_id=entry.prompt_id,
            messages=entry.messages,
            a=a.text,
            b=b.text,
            p=p,
            said=tuple(heard(opinion, {a.key: "A", b.key: "B"}, words=True) for opinion in entry.opinions),
            conflict=entry.conflict,
        )


def _p(entry: Entry, a: str) -> float | None:
    """P(A is better): the pair's own where it is one, else the mean over what was said of the two."""
    assert entry.chosen is not None
    if entry.p_chosen is not None:
        return entry.p_chosen if entry.chosen.key == a else 1 - entry.p_chosen
    read = [o for o in entry.opinions if o.p_first is not None and o.counted and a in (o.first, o.second)]
    leans = [o.p_first - 0.5 if o.first == a else 0.5 - o.p_first for o in read if o.p_first is not None]
    return 0.5 + sum(leans) / len(leans) if leans else None


def queue(found: Sequence[Queued], count: int, by: By, seed: int) -> list[Queued]:
    """`count` of them: those the judge is least sure of, those its verdicts differ on first, or by lot."""
    lots = sorted(found, key=lambda item: hashlib.blake2b(f"{seed}\n{item.id}".encode(), digest_size=8).digest())
    if by == "uncertain":
        lots.sort(key=lambda item: 1.0 if item.p is None else abs(item.p - 0.5))
    elif by == "disagreement":
        lots.sort(key=lambda item: not item.conflict)
    return lots[:count]


def a_on_the_left(item: Queued, annotator: str, seed: int) -> bool:
    """Which side stands left, by a lot of (seed, annotator, comparison)."""
    lot = hashlib.blake2b(f"{seed}\n{annotator}\n{item.id}".encode("utf-8", "surrogatepass"), digest_size=1)
    return lot.digest()[0] % 2 == 0
