"""A calibration file: a map from the judge's P to one worth its name, a threshold for what is kept, and whose they are.

Reads and writes the file and applies it to what a prompt came to. Knows nothing of how map and threshold are found.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from judgegen.errors import SpecError
from judgegen.llm.calls import digest
from judgegen.records import Pair, Result
from judgegen.spec import Spec

if TYPE_CHECKING:
    from judgegen.trust import CalibrationMap, Gate

VERSION = 1
BELOW = "below-threshold"
"""The drop of a prompt whose pairs all fall below the threshold."""
_NOT_THE_JUDGE = {"calibration", "endpoint", "expected_output_tokens", "max_attempts", "schedule", "template"}
"""Keys of [judge] that change no verdict's probability, or that the templates' own digest stands for."""

_OF_PAIRS = {"length_correction", "length_scale"}
"""Keys of [pairs] that change it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What is known of one judge's probabilities.

    Attributes:
        map: from the judge's P to the calibrated one.
        gate: the test behind the threshold.
        n, prompts: comparisons it rests on, and their prompts.
        judge: what the run file says of the judge, without what is a default.
        template: digest of the judge's templates.
        fingerprint: of the run file it was made with; for the record alone.
    """

    map: CalibrationMap
    gate: Gate
    n: int
    prompts: int
    judge: Mapping[str, Any]
    template: str
    fingerprint: str

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
            "n": self.n,
            "prompts": self.prompts,
            "target": self.gate.target,
            "confidence": self.gate.confidence,
            "threshold": self.gate.threshold,
            "brier": {"before": self.map.brier_before, "after": self.map.brier_after},
            "map": self.map.to_dict(),
            "gate": self.gate.to_dict(),
        }

    def text(self) -> str:
        """The file."""
        return json.dumps(self.to_dict(), indent=2) + "\n"


def parse(text: str, where: str) -> Calibration:
    """The calibration that a file holds; `where` names it in errors.

    Raises:
        SpecError: it is none, or of another version.
    """
    from judgegen.trust import CalibrationMap, Gate

    try:
        row = json.loads(text)
        _check_version(row["version"])
        return Calibration(
            map=CalibrationMap.from_dict(row["map"]),
            gate=Gate(**row["gate"]),
            **{name: row[name] for name in ("n", "prompts", "judge", "template", "fingerprint")},
        )
    except SpecError as error:
        raise SpecError(f"{where}: {error}") from None
    except (ValueError, KeyError, TypeError):
        raise SpecError(f"{where}: not a calibration; `judgegen judge calibrate` writes one") from None


def _check_version(found: Any) -> None:
    if found != VERSION:
        raise SpecError(f"calibration version {found!r}, and this judgegen reads {VERSION}; calibrate again")


def judge_of(resolved: Spec, kept: Mapping[str, str]) -> tuple[dict[str, Any], str]:
    """What decides a judge's probabilities: its table without defaults, and the digest of its templates."""
    table = resolved.judge.model_dump(mode="json", exclude_defaults=True, exclude=_NOT_THE_JUDGE)
    table |= resolved.pairs.model_dump(mode="json", exclude_defaults=True, include=_OF_PAIRS)
    return table, digest(sorted(text for name, text in kept.items() if name.startswith("judge/")), size=8)


def fitting(found: Calibration, resolved: Spec, kept: Mapping[str, str], where: str) -> Calibration:
    """`found`, if it is of this run's judge and has a threshold.

    Raises:
        SpecError: it is of another judge or template, or no threshold met its target.
    """
    again = "calibrate this one (`judgegen judge calibrate`), or remove judge.calibration"
    table, template = judge_of(resolved, kept)
    for key in sorted(table.keys() | found.judge.keys()):
        if table.get(key) != found.judge.get(key):
            was, now = (json.dumps(row[key]) if key in row else "unset" for row in (found.judge, table))
            raise SpecError(f"{where}: made for a judge with {key} = {was}, and this run has {key} = {now}; {again}")
    if template != found.template:
        raise SpecError(f"{where}: made for another judge template than {resolved.judge.template!r} is now; {again}")
    if found.threshold is None:
        raise SpecError(
            f"{where}: no threshold keeps pairs that agree with humans at {found.gate.target:g}, so none can be kept; "
            f"choose another judge or template, or calibrate with a lower --target"
        )
    return found


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
        names, p = f"{pair.chosen.key} against {pair.rejected.key}", found.map(pair.p_chosen)
        if round(pair.p_chosen, 12) < (found.threshold or 0.0):
            drop, detail = BELOW, f"{names}: P(chosen) = {pair.p_chosen:.3g} is below {found.threshold:.3g}"
        elif p <= max(min_p_chosen, 0.5):
            drop, detail = "low-p", f"{names}: calibrated P(chosen) = {p:.3g} is not above {max(min_p_chosen, 0.5):.3g}"
        else:
            kept.append(replace(pair, p_chosen=round(p, 12)))
    if kept:
        return replace(result, pairs=tuple(kept))
    return replace(result, pairs=(), drop=drop, detail=detail)
