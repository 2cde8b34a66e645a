"""Screens candidates: which may compete, and why the others may not. Pure; sees one prompt's candidates."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from judgegen.llm.calls import canonical_json
from judgegen.llm.ends import why_cut
from judgegen.records import Candidate
from judgegen.textual import normal

LOOPING, LOOP_OF, LOOP_FROM = 0.8, 24, 200
"""A text of at least `LOOP_FROM` characters loops where this share of its stretches of `LOOP_OF` repeats another one.

Of 7,221 recorded answers 12 do, all of stuck models. Between 0.63 and 0.8 lie only stuck ones too; below that come
sound ones that were asked to repeat themselves.
"""
_CONTROL = re.compile(
    r"[\x00-\x08\x0e-\x1f\x7f]"
    r"|<\|(?:im_start|im_end|endoftext|endofprompt|begin_of_text|end_of_text|eot_id|eom_id|start_header_id|end_header_id"
    r"|system|user|assistant|end|start|channel|message|return)\|>"
    r"|<\uff5c[\w\u2581 ]{1,40}\uff5c>|<(?:start|end)_of_turn>|^<s>|</s>$"
)
_TURN = re.compile(r"\[/?INST\]|<</?SYS>>")
"""Llama's marks of a turn, which are also words that people speak of."""
_NEAR = 64
_ENDS, _CLOSES = ".!?>\u2026\u3002\uff01\uff1f", "\"'\u201d\u2019)"
_VISIBLE = re.compile(r"[^\s\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u2064\ufeff]")
_MARKS = re.compile(r"[\x00-\x08\x0e-\x1f\x7f<\[]")
"""With what each of these begins; most texts have none, which is seen much sooner."""
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)


def screen(
    candidates: Sequence[Candidate], *, near_identical: float, before: Sequence[Candidate] = ()
) -> tuple[Candidate, ...]:
    """All candidates, those that may not compete with their reason.

    Reasons: empty, truncated, content-filtered, refusal, control-tokens, looping, identical, near-identical, the word
    of an end that is none, and what a failure brought. Of two alike the first in the order of variants stays.

    Args:
        candidates: in the order of variants.
        before: those that were screened before them, and stay as they are.
        near_identical: normalised edit similarity in 0..1 from which two answers count as one.
    """
    screened: list[Candidate] = []
    for candidate in candidates:
        reason = candidate.refused or unfit(candidate)
        standing = [other for other in (*before, *screened) if other.refused is None]
        reason = reason or _alike(candidate, standing, near_identical)
        screened.append(candidate if reason == candidate.refused else replace(candidate, refused=reason))
    return tuple(screened)


def unfit(candidate: Candidate) -> str | None:
    """Why a candidate may not compete, seen by itself."""
    if (cut := why_cut(candidate.finish)) is not None:
        return cut
    text = normal(candidate.text)
    if _VISIBLE.search(text) is None:
        return None if candidate.tool_calls else "empty"
    if controlled(candidate.text):
        return "control-tokens"
    return "looping" if loops(text) else None


def controlled(text: str) -> bool:
    """Whether a chat template's tokens or control characters stand in a text outside of code, which may quote them."""
    if _MARKS.search(text) is None:
        return False
    if _CONTROL.search(text) is None and _TURN.search(text) is None:
        return False
    bare = _CODE.sub("", text).strip(" \n")
    return _CONTROL.search(bare) is not None or any(_turns(bare, mark) for mark in _TURN.finditer(bare))


def _turns(text: str, mark: re.Match[str]) -> bool:
    """Whether a mark stands where a turn begins or ends, and not in the middle of a sentence that speaks of it."""
    near = text[max(0, mark.start() - _NEAR) : mark.start()]
    before = near.rstrip()
    starts = not before or "\n" in near[len(before) :] or (near == before and before[-1].isalnum())
    return starts or mark.end() == len(text) or before.rstrip(_CLOSES)[-1:] in tuple(_ENDS)


def repetition(text: str) -> float:
    """The share of stretches of `LOOP_OF` characters that occurred before in the text; 0 for a short one."""
    if len(text) < LOOP_FROM:
        return 0.0
    count = len(text) - LOOP_OF + 1
    return 1 - len({text[start : start + LOOP_OF] for start in range(count)}) / count


def loops(text: str) -> bool:
    """Whether `repetition` is above `LOOPING`.

    Few texts come near it, and most show that by every fourth stretch: so many of those are no repeats that, were all
    the others repeats, it would not be above.
    """
    count = len(text) - LOOP_OF + 1
    few = {text[start : start + LOOP_OF] for start in range(0, max(0, count), 4)}
    return 1 - len(few) / max(1, count) > LOOPING and repetition(text) > LOOPING


def _alike(candidate: Candidate, standing: Sequence[Candidate], near: float) -> str | None:
    for other in standing:
        if canonical_json(candidate.tool_calls) != canonical_json(other.tool_calls):
            continue
        if normal(candidate.text) == normal(other.text):
            return "identical"
        if _similar(normal(candidate.text), normal(other.text), near):
            return "near-identical"
    return None


def _similar(a: str, b: str, near: float) -> bool:
    from rapidfuzz.distance import Indel

    return near < 1 and Indel.normalized_similarity(a, b, score_cutoff=near) >= near
