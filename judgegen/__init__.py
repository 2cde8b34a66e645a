"""Trusted preference pairs from a cheap sampler and a judge asked in both orders, with every cost on record.

The public names; each is imported when first used, so that `import judgegen` stays fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from judgegen.api import Run, estimate, generate, load, merge, rehearse, rejudge, rewrite
    from judgegen.errors import (
        AttackWon,
        BudgetReached,
        GateFailed,
        Incomplete,
        Interrupted,
        JournalError,
        JudgegenError,
        NoThreshold,
        PriceUnknown,
        ProviderRefused,
        SpecError,
        Waiting,
    )
    from judgegen.exchange.inspect import Inspection, inspect
    from judgegen.exchange.public import export, import_
    from judgegen.exchange.validate import validate
    from judgegen.probing.probe import probe
    from judgegen.probing.report import Probe
    from judgegen.run.begin import init
    from judgegen.show.notebook import Notebook
    from judgegen.spec import Spec
    from judgegen.study.align import align
    from judgegen.study.aligned import Aligned
    from judgegen.study.attack import Attack, attack
    from judgegen.study.calibrate import calibrate
    from judgegen.study.check import Check, check
    from judgegen.watch import Watch
    from judgegen.writer.calibrated import Calibration

__all__ = [
    "Aligned",
    "Attack",
    "AttackWon",
    "BudgetReached",
    "Calibration",
    "Check",
    "GateFailed",
    "Incomplete",
    "Inspection",
    "Interrupted",
    "JournalError",
    "JudgegenError",
    "NoThreshold",
    "Notebook",
    "PriceUnknown",
    "Probe",
    "ProviderRefused",
    "Run",
    "Spec",
    "SpecError",
    "Waiting",
    "Watch",
    "__version__",
    "align",
    "attack",
    "calibrate",
    "check",
    "estimate",
    "export",
    "generate",
    "import_",
    "init",
    "inspect",
    "load",
    "merge",
    "probe",
    "rehearse",
    "rejudge",
    "rewrite",
    "validate",
]

_HOMES = {
    "judgegen.api": ("Run", "estimate", "generate", "load", "merge", "rehearse", "rejudge", "rewrite"),
    "judgegen.exchange.inspect": ("Inspection", "inspect"),
    "judgegen.exchange.public": ("export", "import_"),
    "judgegen.exchange.validate": ("validate",),
    "judgegen.probing.probe": ("probe",),
    "judgegen.probing.report": ("Probe",),
    "judgegen.study.align": ("align",),
    "judgegen.study.aligned": ("Aligned",),
    "judgegen.study.attack": ("Attack", "attack"),
    "judgegen.writer.calibrated": ("Calibration",),
    "judgegen.study.calibrate": ("calibrate",),
    "judgegen.study.check": ("Check", "check"),
    "judgegen.errors": (
        "AttackWon",
        "BudgetReached",
        "GateFailed",
        "Incomplete",
        "Interrupted",
        "JournalError",
        "JudgegenError",
        "NoThreshold",
        "PriceUnknown",
        "ProviderRefused",
        "SpecError",
        "Waiting",
    ),
    "judgegen.run.begin": ("init",),
    "judgegen.show.notebook": ("Notebook",),
    "judgegen.spec": ("Spec",),
    "judgegen.watch": ("Watch",),
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("judgegen")
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(home), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
