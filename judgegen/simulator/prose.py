"""What the known-truth world's models say: a few English sentences around the words of the question, then a mark.

The last line `[quality 0.731]` is the answer's latent quality, readable by anybody: it is how the world's judge knows
the truth. What a judge writes for its own use, a reference or a checklist, has no mark. Pure; knows nothing of
requests, rates or verdicts.
"""

from __future__ import annotations

import re

from judgegen.simulator.lots import Lots

MARK = re.compile(r"\[quality ([01]\.\d{3})\]")
_WORD = re.compile(r"[^\W\d_]{4,24}")

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
_QUESTIONS = (
    "Does it say what {a} has to do with {b}?",
    "Is {a} told apart from {b}?",
    "Does it come to {a} before it comes to {b}?",
    "Is there an example of {a}?",
    "Does it say where {a} ends?",
    "Does it leave {b} out where only {a} was asked for?",
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
    return f"{reference(question, lots)}\n[quality {quality:.3f}]"


def reference(question: str, lots: Lots) -> str:
    """Two to seven sentences around words of `question`."""
    words = _taken_up(question, lots)
    sentences = lots.some(_SENTENCES, 2 + lots.below(6))
    return " ".join(_told(sentence, words, lots) for sentence in sentences)


def checklist(question: str, lots: Lots) -> str:
    """Two to five questions around words of `question`, one a line."""
    words = _taken_up(question, lots)
    return "\n".join(_told(asked, words, lots) for asked in lots.some(_QUESTIONS, 2 + lots.below(4)))


def _taken_up(question: str, lots: Lots) -> list[str]:
    pool = list(dict.fromkeys(word.lower() for word in _WORD.findall(question[:2000])))
    return [*lots.some(pool, 6), *lots.some(_WORDS, 4)]


def _told(sentence: str, words: list[str], lots: Lots) -> str:
    a, b = lots.some(words, 2)
    return sentence.format(a=a, b=b)


def broken_off(text: str, lots: Lots) -> str:
    """The beginning of `text`, a fifth to four fifths of it: what a model leaves that ran out of room."""
    return text[: max(1, int(len(text) * (0.2 + 0.6 * lots.unit())))]
