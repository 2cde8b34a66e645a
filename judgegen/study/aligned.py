"""What aligning a judge came to: templates that were tried, the one that was chosen, and whether it is kept.

Knows nothing of asking.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

from judgegen import templates
from judgegen.study.grouped import Group
from judgegen.trust import Figure
from judgegen.writer.money import plain


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A template with lessons, before the half that teaches.

    Attributes:
        template: where it stands, to be read; None for the one that there is now.
        agreement: of that half, with people, ties half.
        gain: what it agrees more often than the one there is now; it chose by this, so it promises nothing.
    """

    name: str
    template: Path | None
    agreement: Figure
    gain: Figure

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        template = None if self.template is None else str(self.template)
        figures = {"agreement": self.agreement.to_dict(), "gain": self.gain.to_dict()}
        return {"name": self.name, "template": template, **figures}


@dataclass(frozen=True, kw_only=True)
class Aligned:
    """What aligning came to.

    Attributes:
        judge: the models that are asked.
        learned, held: comparisons of each half.
        tried: what was tried on the half that teaches, the template of now first.
        chosen: the best of them; None where none was better there, and then nothing else was asked.
        before, after: agreement with people on the half held out, ties half, of the template of now and the chosen.
        gain: their difference there with its interval; kept where all of that is above 0.
        groups: where the template of now and people part, over everything it was asked.
        cost_usd: of all of it, ever.
        folder: where journals and templates are.
    """

    judge: str
    learned: int
    held: int
    tried: tuple[Tried, ...]
    chosen: Tried | None
    before: Figure
    after: Figure
    gain: Figure
    groups: tuple[Group, ...] = field(repr=False)
    cost_usd: Decimal
    folder: Path

    @property
    def kept(self) -> bool:
        """Whether the chosen template is better on prompts that taught nothing, beyond chance."""
        return self.gain.low is not None and self.gain.low > 0

    @property
    def text(self) -> str | None:
        """The template that is kept; None where none is."""
        if not self.kept or self.chosen is None or self.chosen.template is None:
            return None
        return templates.read_text(self.chosen.template)

    @cached_property
    def summary(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "judge": self.judge,
            "comparisons": {"learned": self.learned, "held": self.held},
            "tried": [one.to_dict() for one in self.tried],
            "chosen": None if self.chosen is None else self.chosen.name,
            "held_out": {name: getattr(self, name).to_dict() for name in ("before", "after", "gain")},
            "kept": self.kept,
            "apart": [group.to_dict() for group in self.groups],
            "cost_usd": plain(self.cost_usd),
        }
