"""What a calibration makes of a prompt's pairs: P mapped to one worth its name, pairs below the threshold left out.

Knows nothing of how map and threshold were found, or of which judge they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from judgegen.records import Habit, Meaning, Pair, Result

if TYPE_CHECKING:
    from judgegen.trust import CalibrationMap, Gate
    from judgegen.trust.shift import Seen

VERSION = 2
"""Of the file. The first knew neither kinds of P nor habits: what it holds is of P as the judge stated it."""
BELOW = "below-threshold"
"""The drop of a prompt whose pairs all fall below the threshold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What is known of one judge's probabilities.

    Attributes:
        map: from the judge's P to the calibrated one.
        kind: what P it is for; another means something else at the same number.
        schedule: the one by which the comparisons were made that such a P rests on.
        habits: of the judges, as they were taken off those P.
        gate: the test behind the threshold.
        n, prompts: comparisons it rests on, and their prompts.
        judge: what the run file says of the judge, without what is a default.
        template: digest of the judge's templates.
        fingerprint: of the run file it was made with; for the record alone.
        seen: what showed of the comparisons without people, by figure; None in files that are older than that.
        seed: of the run file; None in files that are older than that.
        verdicts: what the judge said of each comparison, by the key that `compared.key` gives it, to hold anchors of
            later runs against; None as of `seed`.
    """

    map: CalibrationMap
    gate: Gate
    n: int
    prompts: int
    judge: Mapping[str, Any]
    template: str
    fingerprint: str
    kind: Meaning = "stated"
    schedule: str = "round-robin"
    habits: Mapping[str, Habit] | None = None
    seen: Mapping[str, Seen] | None = None
    seed: int | None = None
    verdicts: Mapping[str, str | None] | None = None

    @property
    def threshold(self) -> float | None:
        """Keep pairs whose P is at least this, as the judge says it; None where no threshold meets the target."""
        return self.gate.threshold

    @property
    def summary(self) -> dict[str, Any]:
        """What a command prints as JSON."""
        return self.to_dict()

    def to_dict(self) -> dict[str, Any]:
        """What the file holds."""
        return {
            "version": VERSION,
            "judge": dict(self.judge),
            "template": self.template,
            "fingerprint": self.fingerprint,
            "kind": self.kind,
            "schedule": self.schedule,
            "habits": None if self.habits is None else {name: one.to_dict() for name, one in self.habits.items()},
            "n": self.n,
            "prompts": self.prompts,
            "target": self.gate.target,
            "confidence": self.gate.confidence,
            "threshold": self.gate.threshold,
            "brier": {"before": self.map.brier_before, "after": self.map.brier_after},
            "map": self.map.to_dict(),
            "gate": self.gate.to_dict(),
            **({} if self.seen is None else {"seen": {name: one.to_dict() for name, one in self.seen.items()}}),
            **({} if self.verdicts is None else {"seed": self.seed, "verdicts": dict(self.verdicts)}),
        }

    def text(self) -> str:
        """The file."""
        return json.dumps(self.to_dict(), indent=2) + "\n"


def calibrated(result: Result, found: Calibration, min_p_chosen: float) -> Result:
    """The result with every `p_chosen` mapped, without the pairs whose P falls below the threshold.

    The threshold is on P as the judge says it, `min_p_chosen` on the mapped one. A pair that nobody judged stays.
    """
    kept: list[Pair] = []
    drop, detail = result.drop, result.detail
    for pair in result.pairs:
        if pair.p_chosen is None:
            kept.append(pair)
            continue
        longer = len(pair.chosen.text) - len(pair.rejected.text)
        names, p = f"{pair.chosen.key} against {pair.rejected.key}", found.map(pair.p_chosen, longer)
        if round(pair.p_chosen, 12) < (found.threshold or 0.0):
            drop, detail = BELOW, f"{names}: P(chosen) = {pair.p_chosen:.3g} is below {found.threshold:.3g}"
        elif p <= max(min_p_chosen, 0.5):
            drop, detail = "low-p", f"{names}: calibrated P(chosen) = {p:.3g} is not above {max(min_p_chosen, 0.5):.3g}"
        else:
            kept.append(replace(pair, p_chosen=round(p, 12)))
    if kept:
        return replace(result, pairs=tuple(kept))
    return replace(result, pairs=(), drop=drop, detail=detail)
