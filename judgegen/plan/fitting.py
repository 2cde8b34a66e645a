"""The calibration file that a run names: read, and refused where it is of another judge than the run's.

Knows nothing of how a calibration is found or applied.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, get_args

from judgegen.errors import SpecError
from judgegen.llm.calls import digest
from judgegen.records import Habit, Meaning
from judgegen.spec import Spec
from judgegen.writer.calibrated import VERSION, Calibration

_NOT_THE_JUDGE = {
    "anchors",
    "calibration",
    "endpoint",
    "expected_output_tokens",
    "max_attempts",
    "schedule",
    "template",
}
"""Keys of [judge] that change no verdict's probability, or that the templates' own digest stands for."""

_OF_PAIRS = {"length_correction", "length_scale"}
"""Keys of [pairs] that change it."""


def parse(text: str, where: str) -> Calibration:
    """The calibration that a file holds; `where` names it in errors.

    Raises:
        SpecError: it is none, or of another version.
    """
    from judgegen.trust import CalibrationMap, Gate
    from judgegen.trust.shift import from_dict

    try:
        row = json.loads(text)
        _check_version(row["version"])
        return Calibration(
            map=CalibrationMap.from_dict(row["map"]),
            gate=Gate(**row["gate"]),
            seen=from_dict(row["seen"]) if row.get("seen") else None,
            seed=row.get("seed"),
            verdicts=row.get("verdicts"),
            **_of_p(row),
            **{name: row[name] for name in ("n", "prompts", "judge", "template", "fingerprint")},
        )
    except SpecError as error:
        raise SpecError(f"{where}: {error}") from None
    except (ValueError, KeyError, TypeError):
        raise SpecError(f"{where}: not a calibration; `judgegen judge calibrate` writes one") from None


def _check_version(found: Any) -> None:
    if found not in range(1, VERSION + 1):
        raise SpecError(f"calibration version {found!r}, and this judgegen reads up to {VERSION}; calibrate again")


def _of_p(row: Mapping[str, Any]) -> dict[str, Any]:
    """What the file says of the P it is for; the first version was of P as the judge stated it."""
    if row["version"] == 1:
        return {}
    habits = None if row["habits"] is None else {name: Habit(**one) for name, one in row["habits"].items()}
    if row["kind"] not in get_args(Meaning):
        raise SpecError(f"kind {row['kind']!r} is not one of {', '.join(get_args(Meaning))}; calibrate again")
    return {"kind": row["kind"], "schedule": row["schedule"], "habits": habits}


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
    _check_kind(found, resolved, f"{where}: made for", again)
    if found.threshold is None:
        raise SpecError(
            f"{where}: no threshold keeps pairs that agree with humans at {found.gate.target:g}, so none can be kept; "
            f"choose another judge or template, or calibrate with a lower --target"
        )
    return found


def _check_kind(found: Calibration, resolved: Spec, made: str, again: str) -> None:
    """One P, one meaning: a map of one kind of P says nothing of another.

    Raises:
        SpecError: this run's P(chosen) is of another kind.
    """
    written, schedule = resolved.pairs.p_chosen, resolved.judge.schedule
    if written is not None and written != found.kind:
        raise SpecError(f'{made} P(chosen) that is "{found.kind}", and pairs.p_chosen = "{written}"; {again}')
    if schedule != found.schedule:
        chained = "" if schedule == "round-robin" else ", where the best and the worst may not have met"
        raise SpecError(
            f"{made} comparisons of schedule = {json.dumps(found.schedule)}, and this run's is "
            f"{json.dumps(schedule)}{chained}: their P are not on one scale; {again}"
        )
