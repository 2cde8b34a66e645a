"""Why calls have no answer, in the words of whoever would not give one; the commonest first.

Words that differ in numbers and identifiers alone are one reason. Knows nothing of where it is told.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from judgegen.llm.calls import Call, Failure, Outcome
from judgegen.textual import harmless

MOST = 5
"""Reasons that are told."""
LONGEST = 240
"""Characters of words that are told; all of them stand in audit/calls.parquet."""
_OWN = re.compile(r"[A-Za-z0-9_-]*[0-9][A-Za-z0-9_-]*")
"""A number or an identifier: of one request, most often."""
_Kind = tuple[str, str, str, str]


@dataclass(slots=True)
class Failures:
    """Add calls, then ask for the rows. The order of adding changes nothing."""

    counts: dict[_Kind, int] = field(default_factory=dict)
    words: dict[_Kind, str] = field(default_factory=dict)

    def add(self, call: Call, outcome: Outcome) -> None:
        """Count a call, if it has no answer and never will."""
        if isinstance(outcome, Failure):
            said = _line(outcome.detail)
            kind = (call.tag.role, call.model, outcome.reason, _OWN.sub("#", said))
            self.counts[kind] = self.counts.get(kind, 0) + 1
            self.words[kind] = min(said, self.words.get(kind, said))

    def rows(self) -> list[dict[str, Any]]:
        """The commonest: who was asked, the reason, its words as one of the calls has them, and how many calls."""
        common = sorted(self.counts, key=lambda kind: (-self.counts[kind], kind))[:MOST]
        return [
            {"role": role, "model": model, "reason": reason, "words": self.words[kind], "calls": self.counts[kind]}
            for kind in common
            for role, model, reason, _ in (kind,)
        ]

    def said(self, role: str, reason: str) -> str:
        """The commonest words for such a reason; "" where there are none."""
        kinds = [kind for kind in self.counts if kind[0] == role and kind[2] == reason]
        return self.words[min(kinds, key=lambda kind: (-self.counts[kind], kind))] if kinds else ""


def _line(detail: str) -> str:
    """Words as one line, harmless to whoever reads it."""
    line = harmless(" ".join(detail[: 8 * LONGEST].split()))
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
