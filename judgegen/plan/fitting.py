"""The calibration file that a run names: read, and refused where it is of another judge than the run's.

Knows nothing of how a calibration is found or applied.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from judgegen.errors import SpecError
from judgegen.llm.calls import digest
from judgegen.spec import Spec
from judgegen.writer.calibrated import VERSION, Calibration

_NOT_THE_JUDGE = {"calibration", "endpoint", "expected_output_tokens", "max_attempts", "schedule", "template"}
"""Keys of [judge] that change no verdict's probability, or that the templates' own digest stands for."""

_OF_PAIRS = {"length_correction", "length_scale"}
"""Keys of [pairs] that change it."""


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
