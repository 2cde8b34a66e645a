"""What the known-truth world's models say: a few English sentences around the words of the question, then a mark.

The last line `[quality 0.731]` is the answer's latent quality, readable by anybody: it is how the world's judge knows
the truth. Pure; knows nothing of requests, rates or verdicts.
"""

from __future__ import annotations

import itertools
import math
import re
from dataclasses import dataclass

from judgegen.simulator.lots import Lots

MARK = re.compile(r"\[quality ([01]\.\d{3})\]")
_WORD = re.compile(r"[^\W\d_]{4,24}")
_FRAME = re.compile(r"\s*(?:[<\[].*[>\]]|#.*|.{0,40}:)\s*")
"""A line that frames an answer: a tag or a bracketed line alone, a heading, or a short line that ends in a colon."""

_SENTENCES = (
    "The short answer is that {a} depends on {b} more than most people expect.",
    "It helps to separate {a} from {b} before drawing a conclusion.",
    "A careful reader would first ask what is meant by {a} here.",
    "In practice {a} comes up whenever {b} has been left out.",
    "One common mistake is to treat {a} as if it were {b}.",
    "Start with {a}, because everything else follows from it.",
    "There are two sides to this: {a} on one hand and {b} on the other.",
    "Evidence for {a} is stronger than evidence for {b}, though neither is beyond doubt.",
    "As a rule of thumb, the less {a} there is, the more {b} matters.",
    "Consider a small example in which {a} changes while {b} stays as it was.",
    "This works well for {a} and rather badly for {b}.",
    "If time is short, look at {a} first and come back to {b} later.",
    "Experts disagree about {a}, but most accept what is said of {b}.",
    "The cost of {a} is easy to see; the cost of ignoring {b} is not.",
    "Nothing in the question settles whether {a} or {b} should come first.",
    "Historically {a} was understood quite differently from today.",
    "Put plainly, {a} is what remains once {b} has been taken away.",
    "A second step is to check {a} against what is known of {b}.",
    "That is why {a} deserves a closer look than it usually gets.",
    "To sum up, keep {a} in view and do not lose sight of {b}.",
    "It is tempting to stop at {a}, and that would be too early.",
    "Where {a} fails, {b} may still serve as a guide.",
    "Anyone who has worked with {a} will have met {b} along the way.",
    "Both {a} and {b} can be measured, with some effort.",
)
_WORDS = (
    "context",
    "purpose",
    "evidence",
    "detail",
    "structure",
    "example",
    "method",
    "result",
    "habit",
    "balance",
    "pattern",
    "motive",
    "limit",
    "practice",
    "memory",
    "language",
    "pressure",
    "feedback",
    "routine",
    "distance",
    "attention",
    "weather",
    "margin",
    "process",
)


def quality_of(text: str) -> float | None:
    """The quality that stands in `text` as its last mark; None where there is none."""
    found = MARK.findall(text)
    return float(found[-1]) if found else None


def answer(question: str, quality: float, lots: Lots) -> str:
    """Two to seven sentences around words of `question`, with `quality` (0 to 1) as the last line."""
    pool = list(dict.fromkeys(word.lower() for word in _WORD.findall(question[:2000])))
    words = [*lots.some(pool, 6), *lots.some(_WORDS, 4)]
    sentences = lots.some(_SENTENCES, 2 + lots.below(6))
    return f"{' '.join(_told(sentence, words, lots) for sentence in sentences)}\n[quality {quality:.3f}]"


def _told(sentence: str, words: list[str], lots: Lots) -> str:
    a, b = lots.some(words, 2)
    return sentence.format(a=a, b=b)


def broken_off(text: str, lots: Lots) -> str:
    """The beginning of `text`, a fifth to four fifths of it: what a model leaves that ran out of room."""
    return text[: max(1, int(len(text) * (0.2 + 0.6 * lots.unit())))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An answer as a judge sees it: its quality and its length in characters."""

    quality: float
    length: int


def shown(text: str) -> tuple[Shown, ...]:
    """The marked answers quoted in `text`, in display order.

    An answer is what stands before its mark, back to the nearest line that frames it: the mark before, a line in angle
    or square brackets, a heading, or a line of up to 40 characters that ends in a colon.
    """
    found, start = [], 0
    for mark in MARK.finditer(text):
        lines = text[start : mark.start()].split("\n")
        own = itertools.takewhile(lambda line: not _frames(line), reversed(lines))
        found.append(Shown(quality=float(mark[1]), length=len("\n".join(own).strip())))
        start = mark.end()
    return tuple(found)


def _frames(line: str) -> bool:
    return bool(line.strip()) and _FRAME.fullmatch(line) is not None


def doublings(first: Shown, second: Shown) -> float:
    """How many times the second's length must be doubled to reach the first's; negative where the first is shorter."""
    return math.log2(max(first.length, 1) / max(second.length, 1))
