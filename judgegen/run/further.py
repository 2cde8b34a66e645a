"""What was drawn beyond the least, of prompts of whose first candidates nothing came. Knows results and run file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from judgegen.records import Result
from judgegen.spec import Spec


@dataclass(slots=True)
class Further:
    """Add results, then ask: prompts of which more was drawn, how many candidates, and the pairs that came of it."""

    spec: Spec
    prompts: int = 0
    candidates: int = 0
    pairs: int = 0

    def add(self, result: Result) -> None:
        """One more result."""
        least = {variant.name: variant.least for variant in self.spec.sampler.variants}
        later = sum(one.index >= least[one.variant] for one in result.candidates)
        self.prompts += later > 0
        self.candidates += later
        self.pairs += len(result.pairs) if later else 0

    def close(self) -> dict[str, Any]:
        """What the summary says of it; nothing where no variant goes beyond its least."""
        if all(variant.most == variant.least for variant in self.spec.sampler.variants):
            return {}
        return {"further": {"prompts": self.prompts, "candidates": self.candidates, "pairs": self.pairs}}
