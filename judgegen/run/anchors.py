"""Anchors: labelled comparisons judged again with every run, and what their verdicts say beside an earlier judging.

They are drawn by lots of a seed, one of each prompt, and kept in the journal with the templates. They are judged before
any prompt. The seed is the reference's where there is one, so that the calls are those of then; the anchors whose
verdict moved are judged once more under the next seed, whose labels are other ones. Of a run in shards the first judges
them. Knows a session's sender and its plan; nothing of what else the run asks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judgegen import templates
from judgegen.errors import SpecError
from judgegen.exchange import comparisons
from judgegen.llm.calls import Send, digest
from judgegen.llm.journal import Journal
from judgegen.pipeline import Plan, windowed
from judgegen.records import Result
from judgegen.run.compared import compared, key
from judgegen.run.estimate import count
from judgegen.run.expected import Estimate, joined
from judgegen.show.words import anchored
from judgegen.sources.labelled import Labelled
from judgegen.spec import Spec
from judgegen.watch import Watch

if TYPE_CHECKING:
    from judgegen.trust.drift import Anchor, Drift, Said

FILE = "anchors.json"
"""In a run folder what the judge said of its anchors: what later runs are held against."""
_LABELS = ("A", "B", "tie", None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """What a judge said of comparisons before, by their keys, and the seed that it was asked by."""

    name: str
    seed: int
    verdicts: Mapping[str, Said]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorSet:
    """What is judged again: the comparisons, the seed, what they are held against and how often that is done."""

    rows: tuple[Labelled, ...]
    seed: int
    looks: int
    reference: Reference | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejudged:
    """Anchors as they were judged: every result, with its calls, what they come to, and why some lack answers."""

    results: tuple[Result, ...]
    anchors: tuple[Anchor, ...]
    found: Drift
    lacks: tuple[str, ...]
    verdicts: Mapping[str, Said]
    asked: AnchorSet

    def summary(self) -> dict[str, Any]:
        """What the summary says of it."""
        reference = self.asked.reference
        return {**self.found.to_dict(), "reference": None if reference is None else reference.name}

    def text(self) -> str:
        """The file that later runs are held against."""
        moved = [
            {"id": one.id, "votes": list(one.votes), "then": one.then, "now": one.now, "again": one.again}
            for one in self.anchors
            if one.moved
        ]
        return json.dumps({"seed": self.asked.seed, "verdicts": self.verdicts, "moved": moved}, indent=2) + "\n"


def texts(spec: Spec, base: Path, warn: Callable[[str], None], others: Mapping[str, str]) -> dict[str, str]:
    """`others`, with the anchors that are drawn and their reference, by the names under which a journal keeps them.

    Raises:
        SpecError: a file is not there, or holds no labelled comparisons.
    """
    told = spec.judge.anchors
    if told is None:
        return dict(others)
    found = dict(others)
    if told.reference is not None:
        mend = f"a run with judge.anchors leaves {FILE} in its folder; take `reference` out for the first one"
        found[f"anchors/reference/{told.reference}"] = templates.read_text(base / told.reference, mend)
    reference = _reference(spec, found)
    seed = spec.seed if reference is None else reference.seed
    rows = _drawn(comparisons.labelled(base / told.file, None, warn), seed, told.n)
    drawn = "".join(json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in rows)
    return {**found, f"anchors/{told.file}": drawn}


def _drawn(rows: Iterable[Labelled], seed: int, most: int) -> list[Labelled]:
    """Of each prompt the comparison of the lowest lot, and of those the lowest."""
    lots: dict[str, tuple[str, Labelled]] = {}
    for row in rows:
        lot, prompt = digest([seed, "anchors", key(row)], size=8), comparisons.prompt(row).id
        lots[prompt] = min(lots.get(prompt, (lot, row)), (lot, row), key=lambda one: one[0])
    return [row for _, row in sorted(lots.values(), key=lambda one: one[0])[:most]]


def anchors(spec: Spec, kept: Mapping[str, str]) -> AnchorSet | None:
    """The anchors of a run file by the `kept` texts; None where it names none.

    Raises:
        SpecError: the reference is none, or the texts are not among those kept.
    """
    told = spec.judge.anchors
    if told is None:
        return None
    rows = tuple(comparisons.again(json.loads(line)) for line in _kept(kept, f"anchors/{told.file}").splitlines())
    reference = _reference(spec, kept)
    seed = spec.seed if reference is None else reference.seed
    return AnchorSet(rows=rows, seed=seed, looks=told.looks, reference=reference)


def _kept(kept: Mapping[str, str], name: str) -> str:
    if name not in kept:
        raise SpecError(f"{name}: not kept in this run's journal; `judgegen run` reads it from its file")
    return kept[name]


def _reference(spec: Spec, kept: Mapping[str, str]) -> Reference | None:
    """The one that is named; else the calibration, where it holds verdicts (older ones hold none)."""
    told = spec.judge.anchors
    if told is not None and told.reference is not None:
        found = _parsed(told.reference, _kept(kept, f"anchors/reference/{told.reference}"))
        if found is None:
            raise SpecError(
                f"judge.anchors.reference = {told.reference!r} holds no verdicts: name the {FILE} of a run with these "
                f"anchors, or a calibration made by this version (`judgegen judge calibrate`)"
            )
        return found
    name = spec.judge.calibration
    return None if name is None else _parsed(name, _kept(kept, f"calibration/{name}"))


def _parsed(name: str, text: str) -> Reference | None:
    try:
        row = json.loads(text)
    except ValueError:
        return None
    seed, verdicts = (row.get("seed"), row.get("verdicts")) if isinstance(row, dict) else (None, None)
    if not isinstance(seed, int) or not isinstance(verdicts, dict) or not set(verdicts.values()) <= set(_LABELS):
        return None
    return Reference(name=name, seed=seed, verdicts=verdicts)


async def heard(asked: AnchorSet, steps: Plan, send: Send, *, window: int) -> Rejudged:
    """All anchors before the judge, those that moved twice."""
    from judgegen.trust.drift import Anchor, drift

    then: Mapping[str, Said] = {} if asked.reference is None else asked.reference.verdicts
    first = await _put(asked.rows, _seeded(steps, asked.seed), send, window)
    now = {key(row): _label(result) for row, result in first if result.drop is None}
    moved = [row for row in asked.rows if key(row) in now and now[key(row)] != then.get(key(row), now[key(row)])]
    second = await _put(moved, _seeded(steps, asked.seed + 1), send, window)
    again = {key(row): _label(result) for row, result in second if result.drop is None}
    lacks = tuple(result.detail for _, result in (*first, *second) if result.drop is not None)
    found = tuple(
        Anchor(
            id=row.id,
            votes=row.votes,
            now=now[at],
            then=then.get(at),
            known=at in then,
            again=again.get(at),
            asked_again=at in again,
        )
        for row in asked.rows
        if (at := key(row)) in now
    )
    return Rejudged(
        results=tuple(result for _, result in (*first, *second)),
        anchors=found,
        found=drift(found, lacking=len(lacks), looks=asked.looks),
        lacks=lacks,
        verdicts=now,
        asked=asked,
    )


def counted_with(found: Estimate, asked: AnchorSet, spec: Spec, steps: Plan, journal: Journal | None) -> Estimate:
    """The estimate with what the anchors take: each is judged once, at the high end all of them twice."""
    through = partial(compared, steps=_seeded(steps, asked.seed))
    beside = count(spec, steps, asked.rows, journal, through)
    twice = "at the high end twice: one whose verdict moved is judged once more" if asked.reference else "once each"
    return replace(
        found,
        rows=joined(found.rows, beside.rows, high=2 if asked.reference else 1),
        hours=found.hours + beside.hours,
        assumptions=(*found.assumptions, f"anchors: {len(asked.rows):,} are judged beside the prompts, {twice}"),
    )


async def _put(rows: Sequence[Labelled], steps: Plan, send: Send, window: int) -> list[tuple[Labelled, Result]]:
    """Each comparison with what the judge said of it."""
    async with aclosing(windowed(rows, partial(compared, steps=steps), send, window=window)) as results:
        return list(zip(rows, [result async for result in results], strict=True))


def _seeded(steps: Plan, seed: int) -> Plan:
    judging = None if steps.judging is None else replace(steps.judging, seed=seed)
    return replace(steps, seed=seed, judging=judging)


def _label(result: Result) -> Said:
    from judgegen.trust.judged import judged

    return judged(result.matches[0]).label


def told(found: Rejudged, watch: Watch) -> None:
    """Say what shows: a judge that drifted, or a reference that knows none of the anchors."""
    drifted, reference = found.found, found.asked.reference
    if drifted.alarms:
        watch.warned(
            f"the judge is not the one that {'' if reference is None else reference.name} saw: "
            f"{anchored(found.summary())}; its labels, and a calibration of it, promise nothing here: check it again "
            f"(gates.max_drifts = 0 ends such a run)"
        )
    elif reference is not None and found.anchors and not drifted.known:
        watch.warned(f"judge.anchors: {reference.name} knows none of these comparisons, so drift cannot be seen")
