"""The plan of a run: the run file resolved against its templates into what each stage needs.

The one place where the run file's words become the stages' own types. Knows nothing of prompts, journals or senders.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from judgegen import templates
from judgegen.errors import SpecError
from judgegen.llm.calls import digest
from judgegen.pipeline import Plan
from judgegen.plan import fitting
from judgegen.plan import judge as judge_plan
from judgegen.sampler.build import Drawn, Setting
from judgegen.spec import Range, Spec, Variant
from judgegen.writer.calibrated import Calibration


def texts(spec: Spec, base: Path) -> dict[str, str]:
    """Every template and system prompt the run file names, by the name `plan` looks it up under; paths are from `base`.

    Raises:
        SpecError: one of them is not there or not UTF-8.
    """
    judges = judge_plan.template_names(spec)
    found = {f"judge/{name}": templates.text_of(name, kind, base) for name, kind in judges}
    for variant in spec.sampler.variants:
        if variant.system_file is not None:
            found[f"system/{variant.system_file}"] = templates.read_text(_system(variant.system_file, base))
    if spec.judge.calibration is not None:
        path = base / spec.judge.calibration
        mend = "`judgegen judge calibrate` makes one of labelled comparisons"
        found[f"calibration/{spec.judge.calibration}"] = templates.read_text(path, mend)
    return found


def _system(name: str, base: Path) -> Path:
    """A system prompt's file: relative to the run file, or one of the shipped ones ("prompts/system/terse.md")."""
    shipped = templates.prompts_folder().parent / name if name.startswith("prompts/") else None
    own = base / name
    return shipped if shipped is not None and shipped.is_file() and not own.is_file() else own


def plan(spec: Spec, kept: Mapping[str, str], base: Path | None = None) -> Plan:
    """Resolve `spec` with the `kept` texts; a module of graders is looked for in `base` first, else where we are.

    Raises:
        SpecError: a template does not fit, or is not among the texts.
    """
    used = {f"judge/{name}" for name, _ in judge_plan.template_names(spec)}
    used |= {f"system/{v.system_file}" for v in spec.sampler.variants if v.system_file}
    used |= {f"calibration/{spec.judge.calibration}"} if spec.judge.calibration else set()
    calibration = _calibration(spec, kept)
    meaning = spec.meaning_of_p if calibration is None else calibration.kind
    judging = judge_plan.judging(spec, kept, base)
    newer = [] if meaning == "stated" or judging is None or not judging.panel else [meaning]
    return Plan(
        seed=spec.seed,
        settings=tuple(_setting(spec, variant, kept) for variant in spec.sampler.variants),
        near_identical=spec.sampler.near_identical,
        judging=judging,
        rules=judge_plan.rules(spec),
        fingerprint=digest([spec.meaning(), {key: _kept(kept, key) for key in used}, *newer]),
        calibration=calibration,
        meaning=meaning,
        habits=None if calibration is None else calibration.habits,
    )


def _calibration(spec: Spec, kept: Mapping[str, str]) -> Calibration | None:
    name = spec.judge.calibration
    if name is None:
        return None
    return fitting.fitting(fitting.parse(_kept(kept, f"calibration/{name}"), name), spec, kept, name)


def _kept(kept: Mapping[str, str], name: str) -> str:
    if name not in kept:
        raise SpecError(f"{name}: not kept in this run's journal; `judgegen run` reads it from its file")
    return kept[name]


def _setting(spec: Spec, variant: Variant, kept: Mapping[str, str]) -> Setting:
    sampler = spec.sampler
    route = variant.endpoint or sampler.endpoint
    effort = variant.reasoning_effort or sampler.reasoning_effort
    fixed: dict[str, Any] = {
        "reasoning_effort": effort,
        "top_k": variant.top_k,
        "extra_body": variant.extra_body or None,
    }
    drawn = {"temperature": variant.temperature, "top_p": variant.top_p}
    system = variant.system
    if variant.system_file is not None:
        system = _kept(kept, f"system/{variant.system_file}").strip()
    return Setting(
        name=variant.name,
        n=variant.least,
        most=variant.most,
        in_one_call=variant.n_in_one_call and variant.least > 1,
        route=route,
        endpoint=spec.endpoints[route].address,
        model=variant.model or sampler.model,
        max_tokens=variant.max_tokens or sampler.max_tokens,
        drawn={name: _ends(value) for name, value in drawn.items() if value is not None},
        fixed={name: value for name, value in fixed.items() if value is not None},
        system=system,
    )


def _ends(value: float | Range) -> Drawn:
    return (value.low, value.high) if isinstance(value, Range) else value
