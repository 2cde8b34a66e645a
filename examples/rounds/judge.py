"""A judge whose errors are known: it says whether an answer obeys its question's rule, and errs by lot.

A language model of this size judges by chance, and a larger one does not run on two cores. `errs` is how often it says
the contrary; 0.5 is a judge that knows nothing, whose pairs are labelled by lot. The lot is of prompt and answer, so
that the same answer is judged alike every time. Without errors it is the grader that counts.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any


def right(prompt: Any, candidate: Any, *, errs: float = 0.0) -> float:
    """1 for an answer that obeys the rule which is its question's reference, 0 for any other, but where it errs."""
    obeyed = obeys(candidate.text, prompt.reference)
    lot = hashlib.blake2b(f"{prompt.id}\0{candidate.text}".encode(), digest_size=6).digest()
    return float(obeyed != (int.from_bytes(lot, "big") / 2**48 < errs))


def obeys(text: str, rule: str) -> bool:
    """Whether a text keeps to a rule: "at most 10 words", "with" a word or a mark, "without" one; no empty one does."""
    words = re.findall(r"\w+(?:['\u2019-]\w+)*", text.lower())
    if not words:
        return False
    if most := re.fullmatch(r"at most (\d+) words", rule):
        return len(words) <= int(most[1])
    verb, _, what = rule.partition(" ")
    return (what in (words if what.isalnum() else text)) == (verb == "with")
