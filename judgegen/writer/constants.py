"""Texts that win under many prompts: what answers everything answers nothing (null models, arXiv 2410.07137).

That cannot be seen in one prompt, and both orders agree on it. So it is a fold over results, and what it found bars
those texts from pairs when the same results are settled again; what was asked does not depend on it. Knows nothing of
judges or files.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from typing import Any

from judgegen.llm.calls import digest
from judgegen.records import Candidate, Result
from judgegen.textual import normal
from judgegen.writer.met import Met

LEAST, SHARE = 3, 0.01
"""A text is constant that is chosen under at least so many prompts and more than this share of them."""
LONG = 100
"""Characters from which a constant text is barred. A shorter one may be right each time ("Yes.") or a refusal that
was called for; it is reported only."""
_SHOWN = 200
_KEY_BYTES = 8


def text_key(candidate: Candidate) -> str:
    """What texts that are written alike have in common."""
    return digest(normal(candidate.text), size=_KEY_BYTES)


def bar(candidates: Collection[Candidate], constants: Collection[str]) -> tuple[Candidate, ...]:
    """The candidates, those whose text is one of `constants` refused as "constant"."""
    if not constants:
        return tuple(candidates)
    return tuple(
        replace(c, refused="constant") if c.refused is None and text_key(c) in constants else c for c in candidates
    )


@dataclass(slots=True)
class Constants:
    """Add results, then ask what was found. The order of adding changes nothing.

    Nearly every text wins once: those take a few bytes each, and only the others a count.
    """

    prompts: int = 0
    once: Met = field(default_factory=lambda: Met(_KEY_BYTES))
    wins: dict[str, int] = field(default_factory=dict)
    texts: dict[str, tuple[int, str]] = field(default_factory=dict)

    def add(self, result: Result) -> None:
        """Count the texts that one prompt chose; tool calls are no text, and an unfinished prompt is none yet."""
        if result.drop == "incomplete":
            return
        self.prompts += 1
        chosen = {text_key(pair.chosen): pair.chosen for pair in result.pairs if not pair.chosen.tool_calls}
        for key, candidate in chosen.items():
            if self.once.add(bytes.fromhex(key)):
                continue
            self.wins[key] = self.wins.get(key, 1) + 1
            if self.wins[key] == LEAST:
                text = normal(candidate.text)
                self.texts[key] = len(text), text[:_SHOWN]

    def found(self) -> dict[str, int]:
        """Every constant text's key with the number of prompts it was chosen under."""
        return {key: self.wins[key] for key in sorted(self.texts) if self.wins[key] > SHARE * self.prompts}

    def barred(self) -> frozenset[str]:
        """Those of them that are long enough to be no answer."""
        return frozenset(key for key in self.found() if self.texts[key][0] >= LONG)

    def rows(self) -> list[dict[str, Any]]:
        """As JSON, most frequent first: how the text begins, under how many prompts it won, whether it is barred."""
        found, barred = self.found(), self.barred()
        rows = [{"text": self.texts[key][1], "prompts": found[key], "barred": key in barred} for key in found]
        return sorted(rows, key=lambda row: (-row["prompts"], row["text"]))
