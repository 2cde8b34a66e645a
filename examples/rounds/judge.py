"""A judge whose errors are known: it says whether an answer is right and brief, and errs by lot.

A language model of this size judges by chance, and a larger one does not run on two cores. `errs` is how often it says
the contrary; 0.5 is a judge that knows nothing, whose pairs are labelled by lot. The lot is of prompt and answer, so
that the same answer is judged alike every time. Without errors it is the grader that counts.
"""

from __future__ import annotations

import hashlib
from typing import Any

WORDS = 8
"""The most of a brief answer: enough to say it in a sentence."""


def right(prompt: Any, candidate: Any, *, errs: float = 0.0) -> float:
    """1 for an answer that holds the reference and is brief, 0 for any other, but where it errs."""
    brief = len(candidate.text.split()) <= WORDS
    found = brief and prompt.reference.lower() in candidate.text.lower()
    lot = hashlib.blake2b(f"{prompt.id}\0{candidate.text}".encode(), digest_size=6).digest()
    return float(found != (int.from_bytes(lot, "big") / 2**48 < errs))
