"""Keeps candidates out of the frame they are shown in: fresh labels, a fence, and no imitation of either.

Labels and fence are drawn per call and occur in no candidate. What imitates a frame all the same (fences, chat roles,
verdicts, the schema) is broken by a visible mark. Whether a text does so depends on the text alone, not on the call it
is shown in, so that a suspicion is the candidate's. Pure; knows nothing of who wins.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass

from judgegen.llm.calls import digest

LETTERS = "CDFGHJKLMNPRSTVWXZ"
"""Labels are drawn from these: one token each, and free of what A, B, I, O, Q, U, Y mean to models and readers."""
TIE = "tie"
MARK = "~"
"""Put into an imitation: a reader sees it, no tokenizer, parser or template takes the rest for the real thing."""
FIELDS = frozenset({"verdict"})
"""The names that a verdict's schema asks for."""
DELIMITER, ROLE, VERDICT, SCHEMA = "delimiter", "role", "verdict", "schema"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """How one call names and quotes its two candidates."""

    first: str
    second: str
    fence: str
    tie: str = TIE

    @property
    def labels(self) -> tuple[str, str, str]:
        """The labels in display order: first, second, tie."""
        return self.first, self.second, self.tie


def frame(quoted: Sequence[str], *key: object) -> Frame:
    """Labels and fence for one call, functions of `key` alone; the fence occurs in none of the `quoted` texts."""
    number = int(digest(["labels", *key], size=8), 16)
    first = LETTERS[number % len(LETTERS)]
    rest = LETTERS.replace(first, "")
    second = rest[number // len(LETTERS) % len(rest)]
    fences = (f"quote-{digest(['fence', turn, *key], size=4)}" for turn in itertools.count())
    fence = next(fence for fence in fences if not any(fence in text for text in quoted))
    return Frame(first=first, second=second, fence=fence)


def letters(count: int, *key: object) -> tuple[str, ...]:
    """So many labels, no two alike, a function of `key` alone; of two letters where there are not enough of one."""
    number, left, found = int(digest(["letters", *key], size=16), 16), list(LETTERS), list[str]()
    if count > len(left):
        left = ["".join(two) for two in itertools.permutations(LETTERS, 2)]
    for _ in range(count):
        number, place = divmod(number, len(left))
        found.append(left.pop(place))
    return tuple(found)


@functools.lru_cache(maxsize=1024)  # a candidate is shown many times
def neutral(text: str, fields: frozenset[str] = FIELDS) -> tuple[str, tuple[str, ...]]:
    """`text` with a mark in whatever imitates the frame it will stand in, and the kinds of imitation, sorted.

    Marks are all that is added and nothing is taken away; a text without imitations comes back as it is, and so does
    one that was marked before.

    Args:
        text: a candidate as a judge would read it.
        fields: names that the judge's schema asks for.
    """
    found: set[str] = set()
    plain = text.lower() if text.isascii() else None  # beyond ASCII other letters count as these
    there = None if plain is None else {need for need in _NEEDS if need in plain}
    for kind, needs, pattern in _patterns(fields):
        if there is not None and there.isdisjoint(needs):
            continue
        text, count = pattern.subn(rf"\g<1>{MARK}", text)
        if count:
            found.add(kind)
    return text, tuple(sorted(found))


_ANSWERS = ("answer", "response", "assistant", "candidate", "output")
_ANSWER = rf"(?:{'|'.join(_ANSWERS)})"
_TURN = r"(?:system|human|user|assistant|developer)"
_LABEL = r"[\"'(\[*]*(?-i:[A-Z])[\"')\]*]*"
_PRAISE = r"\b(?:better|best|win|winner|preferred|superior|chosen)\b"
_QUOTES = ('"', "'", "`")
_COLONS = (":", "\uff1a")
_IMITATIONS: tuple[tuple[str, tuple[str, ...], str], ...] = (  # kind, what stands in any text that it is found in, how
    # Special tokens: ChatML and Llama 3, DeepSeek (with bars of its own), Llama 2 and Mistral, Gemma, thinking.
    (ROLE, ("<",), r"(<)(?=\|[\w/ .-]{1,40}\|>|\uff5c[\w/ ▁-]{1,40}\uff5c>)"),
    (ROLE, ("[",), r"(\[)(?=/?(?-i:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\])"),
    (ROLE, ("<<",), r"(<)(?=</?SYS>>)"),
    (ROLE, ("<",), r"(</?)(?=(?:start_of_turn|end_of_turn|bos|eos|think|s)>)"),
    # Lines that open a turn: "Human:", "### System:", "**Assistant:**", "### Response:", and our own "[user]".
    (ROLE, _COLONS, rf"^((?:[ \t]|[#>*_])*{_TURN}(?: prompt| message)?[*_ \t]*)(?=[:\uff1a])"),
    (ROLE, ("#",), r"^(#{1,6}[ \t]*(?:instruction|response|input)[ \t]*)(?=[:\uff1a])"),
    (ROLE, ("[",), rf"^([ \t]*\[)(?=(?:{_TURN}|tool)\][ \t]*$)"),
    # Fences and headings around answers: ours, and those of the judges of FastChat and its like.
    (DELIMITER, ("<",), r"(</?)(?=quote-[0-9a-f]+>)"),
    (
        DELIMITER,
        ("[",),
        rf"(\[)(?=(?:the )?(?:start|begin|beginning|end) of [^\[\]\n]{{0,40}}(?:{_ANSWER}|question)\b)",
    ),
    (DELIMITER, _COLONS, rf"^((?:[ \t]|[#>*_])*{_ANSWER}[ \t]+{_LABEL})(?=[ \t]*[:\uff1a])"),
    # Verdicts, as judges are told to write them.
    (VERDICT, ("[[",), r"(\[)(?=\[(?:(?-i:[A-Z])(?:[<>=]+(?-i:[A-Z]))?|tie)\]\])"),
    (VERDICT, (":", "="), rf"\b((?:final )?verdict[\"'*_]*[ \t]*)(?=[:=][ \t]*(?:{_LABEL}|tie)[.}}]*[ \t]*$)"),
    (
        VERDICT,
        _ANSWERS,
        rf"\b({_ANSWER}[ \t]+)(?={_LABEL}[ \t]+(?:wins\b|(?:is|was|seems|should)\b[^.\n]{{0,40}}?{_PRAISE}))",
    ),
    (VERDICT, _ANSWERS, rf"\b(better[ \t]+{_ANSWER}[ \t]+is[: \t]+)(?=(?:{_ANSWER}[ \t]+)?{_LABEL}(?!\w|[ \t]+[a-z]))"),
)
_NEEDS = frozenset(_QUOTES).union(*(needs for _, needs, _ in _IMITATIONS))


@functools.cache
def _patterns(fields: frozenset[str]) -> tuple[tuple[str, tuple[str, ...], re.Pattern[str]], ...]:
    """The imitations as patterns; in each, the mark goes behind group 1. No text without what it needs is searched."""
    name = rf"(?:{'|'.join(map(re.escape, sorted(fields)))})"
    quoted, end = rf"(\\?[\"'`])(?={name}", r"\\?[\"'`]"
    named = (
        (SCHEMA, _QUOTES, rf"{quoted}{end}[ \t\r\n]*(?::[ \t\r\n]*[{{\[]|[^: \t\r\n]|$))"),
        (VERDICT, _QUOTES, rf"{quoted}{end}[ \t\r\n]*:)"),
    )
    every = (*_IMITATIONS, *named)
    return tuple((kind, needs, re.compile(pattern, re.IGNORECASE | re.MULTILINE)) for kind, needs, pattern in every)
