"""What a run's figures say of it, in plain words, worst first. Pure, from the summary; thresholds stand once, here.

Knows nothing of pages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from judgegen.records import OFF_TOPIC
from judgegen.show.words import money, number
from judgegen.writer.expected import Expected

Level = Literal["bad", "beware", "unknown", "good"]
LEVELS: tuple[Level, ...] = ("bad", "beware", "unknown", "good")
FEW = 20
"""Verdicts or pairs below which a share says little."""


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing to know, and how it stands."""

    level: Level
    text: str


def verdict(remarks: list[Remark]) -> Remark:
    """All of them in one sentence: the worst decides."""
    worst = min((LEVELS.index(remark.level) for remark in remarks), default=len(LEVELS) - 1)
    return {
        "bad": Remark("bad", "Do not train on this yet: something below is wrong with the labels."),
        "beware": Remark("beware", "Look before you train: the run is whole, and something below wants your eyes."),
        "unknown": Remark(
            "unknown", "Nothing speaks against these labels, and nobody has checked them against people."
        ),
        "good": Remark("good", "Nothing speaks against these labels."),
    }[LEVELS[worst]]


def remarks(
    summary: Mapping[str, Any],
    *,
    cap: Decimal | None,
    expected: Expected | None = None,
    agreement: Remark | None = None,
) -> list[Remark]:
    """What is to be known of a run, worst first."""
    unchecked = Remark(
        "unknown", "Nobody has compared this judge with people here; judgegen review takes fifty of your own labels."
    )
    asked = summary["calls"]["judge"]
    found = [*_pairs(summary), *_judge(summary["diagnostics"], asked, summary["pairs"]), *_texts(summary)]
    found += _spend(summary, cap, expected)
    if asked or agreement:
        found.append(agreement or unchecked)
    return sorted(found, key=lambda remark: LEVELS.index(remark.level))


def _pairs(summary: Mapping[str, Any]) -> Iterator[Remark]:
    prompts, pairs = summary["prompts"], summary["pairs"]
    dropped = sum(summary["drops"].values())
    text = f"{number(pairs, 'pair')}; {prompts - dropped:,} of {number(prompts, 'prompt')} gave one."
    if summary.get("rehearsal"):
        yield Remark("bad", "A rehearsal: its answers and labels are made up, and nobody may train on them.")
    if not pairs:
        yield Remark("bad", text)
    elif dropped > prompts / 2:
        yield Remark("beware", f"{text} More than half fell: the reasons are in the flow below.")
    else:
        yield Remark("good", text)
    if lacking := summary["drops"].get("incomplete", 0):
        why = max(summary.get("lacking", []), key=lambda row: row["prompts"], default={"why": ""})["why"]
        said = f"Still without answers: {number(lacking, 'prompt')}; the same command asks for them again."
        yield Remark("beware", f"{said} Most often: {why}" if why else said)


def _judge(found: Mapping[str, float | None], asked: int, pairs: int) -> Iterator[Remark]:
    """Of a judge's habits; a few verdicts show none, and where no judge was asked there are none."""
    if not asked and pairs:
        yield Remark("unknown", "No judge was asked: nothing here says how far what decided in its place is right.")
    elif 0 < asked < FEW:
        yield Remark("unknown", f"{number(asked, 'verdict')}: too few to know the judge's habits.")
        yield from (remark for remark in _habits(found) if remark.level != "good")
    elif asked:
        yield from _habits(found)


def _habits(found: Mapping[str, float | None]) -> Iterator[Remark]:
    yield from _flips(found.get("flip_rate"))
    if (first := found.get("p_first")) is not None:
        words = f"{first:.0%} of decided verdicts went to the answer shown first"
        if abs(first - 0.5) > 0.2:
            yield Remark("bad", f"{words}: the judge goes by place.")
        elif abs(first - 0.5) > 0.1:
            yield Remark("beware", f"{words}, where half is no habit; both orders are asked to cancel it.")
        else:
            yield Remark("good", f"{words}: no habit of place to speak of.")
    if (unread := found.get("unreadable_rate")) is not None and unread > 0.02:
        level: Level = "bad" if unread > 0.3 else "beware"
        yield Remark(level, f"{unread:.0%} of verdicts could not be read; they are no labels.")


def _flips(rate: float | None) -> Iterator[Remark]:
    if rate is None:
        yield Remark("unknown", "No comparison was decided in both orders, so nobody knows how steady the judge is.")
        return
    words = f"The judge changed its mind in {rate:.0%} of comparisons when the answers changed places"
    if rate == 0:
        yield Remark("good", f"{words}.")
    elif rate > 0.5:
        yield Remark("bad", f"{words}: a coin does as well.")
    elif rate > 0.25:
        yield Remark("beware", f"{words}; those are no evidence, and the rest come from a shaky judge.")
    else:
        yield Remark("good", f"{words}; those are no evidence.")


def _texts(summary: Mapping[str, Any]) -> Iterator[Remark]:
    longer = summary["diagnostics"].get("longer_chosen")
    if longer is not None and summary["pairs"] >= FEW:
        words = f"The longer answer was chosen in {longer:.0%} of pairs"
        many = longer > 0.7
        yield Remark("beware" if many else "good", f"{words}: labels may reward length." if many else f"{words}.")
    suspicions = summary.get("suspicions", {})
    if suspected := sum(count for kind, count in suspicions.items() if kind != OFF_TOPIC):
        yield Remark("beware", f"{suspected:,} times an answer imitates the judge's own frame: filter by suspicion.")
    if strays := summary.get("topics", {}).get("chosen"):
        where = "was chosen that may not speak of its prompt: filter by suspicion"
        yield Remark("beware", f"Under {number(strays, 'prompt')} an answer {where}.")
    if constants := [row for row in summary.get("constants", []) if not row["barred"]]:
        yield Remark("beware", f"{len(constants):,} texts won under many prompts: a judge may be answered by rote.")


def _spend(summary: Mapping[str, Any], cap: Decimal | None, expected: Expected | None) -> Iterator[Remark]:
    usd = summary["cost_usd"]["total"]
    if usd is None:
        yield Remark("beware", "What it cost is not known: some call has no price.")
        return
    words = f"It cost ${usd}" if cap is None else f"It cost ${usd} of the ${cap:f} it may cost"
    over = cap is not None and Decimal(usd) > cap
    yield Remark("beware" if over else "good", f"{words}." if not over else f"{words}: the cap was passed.")
    if expected is not None and expected.high:
        said = f"{money(expected.expected)} was expected, {money(expected.low)} to {money(expected.high)}"
        more = Decimal(usd) > expected.high
        yield Remark("beware" if more else "good", f"{said}: it came to more than that." if more else f"{said}.")
