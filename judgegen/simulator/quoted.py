"""What a judge's question quotes: the texts between its fences, or else the answers that end in a mark of quality.

A fence is what this project's templates put around what they quote: a line with nothing but `quote-` and hex digits
in brackets, once before and once behind. Where there is none, an answer is what stands before its mark, back to the
nearest line that frames it: a line in angle or square brackets, a heading, or a line of up to 40 characters that ends
in a colon. Pure; knows nothing of what is asked about the answers.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from judgegen.simulator.prose import MARK

_FENCE = re.compile(r"^\W*(quote-[0-9a-f]+)\W*$", re.MULTILINE)
_FRAME = re.compile(r"\s*(?:[<\[].*[>\]]|#.*|.{0,40}:)\s*")
"""A line that frames an answer: a tag or a bracketed line alone, a heading, or a short line that ends in a colon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Displayed:
    """An answer as a judge sees it: its quality, its length in characters, and the lines that introduce it."""

    quality: float
    length: int
    heading: str = ""

    @property
    def name(self) -> str:
        """What it is called: the last word of the last line above it that is more than a tag."""
        lines = [line for line in self.heading.split("\n") if line.strip() and not _FENCE.match(line)]
        words = re.findall(r"\w+", lines[-1]) if lines else []
        return words[-1] if words else ""

    def called(self, label: str) -> bool:
        """Whether one of the last two lines above it has the label as a word."""
        lines = [line for line in self.heading.split("\n") if line.strip()][-2:]
        return any(re.search(rf"(?<!\w){re.escape(label)}(?!\w)", line) for line in lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quoted:
    """A text with what it quotes taken apart.

    Attributes:
        fenced: whether fences say where the quoted texts are.
        texts: what stands in the fences, in order; nothing without them.
        answers: the marked ones, in display order.
        before, after: the words of the question itself, up to the last quoted text and behind it.
    """

    fenced: bool
    texts: tuple[str, ...] = ()
    answers: tuple[Displayed, ...] = ()
    before: str
    after: str


def quoted(text: str) -> Quoted:
    """Take a question apart."""
    fences = list(_FENCE.finditer(text))
    fences = [fence for fence in fences if fence[1] == fences[0][1]]
    if not fences or len(fences) % 2:
        return _by_marks(text)
    pairs = list(zip(fences[::2], fences[1::2], strict=True))
    ends = [0, *(behind.end() for _, behind in pairs)]
    headings = [text[end : before.start()] for end, (before, _) in zip(ends, pairs, strict=False)]
    texts = [text[before.end() : behind.start()].strip() for before, behind in pairs]
    found = (_marked(one, heading) for one, heading in zip(texts, headings, strict=True))
    answers = tuple(one for one in found if one is not None)
    return Quoted(fenced=True, texts=tuple(texts), answers=answers, before="\n".join(headings), after=text[ends[-1] :])


def _marked(text: str, heading: str) -> Displayed | None:
    """A quoted answer; its last mark is its own, whatever it claims before."""
    marks = list(MARK.finditer(text))
    if not marks:
        return None
    return Displayed(quality=float(marks[-1][1]), length=len(text[: marks[-1].start()].strip()), heading=heading)


def _by_marks(text: str) -> Quoted:
    answers, headings, start = [], [], 0
    for mark in MARK.finditer(text):
        lines = text[start : mark.start()].split("\n")
        own = list(itertools.takewhile(lambda line: not _frames(line), reversed(lines)))
        heading = "\n".join(lines[: len(lines) - len(own)])
        said = "\n".join(reversed(own)).strip()
        answers.append(Displayed(quality=float(mark[1]), length=len(said), heading=heading))
        headings.append(heading)
        start = mark.end()
    return Quoted(fenced=False, answers=tuple(answers), before="\n".join(headings), after=text[start:])


def _frames(line: str) -> bool:
    return bool(line.strip()) and _FRAME.fullmatch(line) is not None


def compared(found: Quoted, labels: Sequence[str]) -> tuple[Displayed, ...]:
    """The two answers that are compared, the first of `labels` first; all that are marked where it is not sure which.

    Of more than two it is those that the labels name; in fences, where they name none, the last two: a request comes
    before the answers to it.
    """
    answers = found.answers
    if len(answers) <= 2:
        return answers
    named = [[one for one in answers if one.called(label)] for label in labels]
    if len(named) == 2 and all(len(ones) == 1 for ones in named) and named[0] != named[1]:
        sure = found.fenced or all(one.heading for one in answers)
        return (named[0][0], named[1][0]) if sure else answers
    return answers[-2:] if found.fenced else answers


def doublings(first: Displayed, second: Displayed) -> float:
    """How many times the second's length must be doubled to reach the first's; negative where the first is shorter."""
    return math.log2(max(first.length, 1) / max(second.length, 1))
