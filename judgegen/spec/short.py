"""A run file from a few words, and single keys of one changed: what the command line and Python say without a file.

    written(prompts="prompts.jsonl", sampler="gpt-6-luna", judge="gpt-6.1-sol")     a run file's table
    changed(table, ["judge.samples=3", "sampler.variants.loose.n=2"])               the same with these keys

Knows nothing of what the keys mean; whoever parses the table does.
"""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judgegen.errors import SpecError
from judgegen.llm import models
from judgegen.spec.runfile import Spec

VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "focused": {"temperature": 0.3},
    "loose": {"temperature": {"low": 0.9, "high": 1.3}},
    "terse": {"system": "Answer as briefly as the question allows."},
    "thorough": {"system": "Answer thoroughly. Name what is uncertain."},
}
"""Ways of asking by name, for those who write no run file."""
USUAL, WITHOUT_TEMPERATURE = ("focused", "loose"), ("terse", "thorough")


@dataclass(frozen=True, slots=True)
class ShortFile:
    """A run file as it holds here: read from `path` and changed, or written for the prompts that lie there."""

    spec: Spec
    path: Path


def written(*, prompts: str, sampler: str, judge: str, variants: Sequence[str] = ()) -> dict[str, Any]:
    """The table of a run file that asks `sampler` for answers in these ways and `judge` which is better.

    A model that thinks is told not to before it samples, where it can be: with thought it refuses temperature.

    Raises:
        SpecError: there is no such variant.
    """
    effort = {"reasoning_effort": "none"} if _can_be_told(sampler) else {}
    hot = "temperature" not in models.refused(sampler, effort.get("reasoning_effort"))
    names = tuple(variants) or (USUAL if hot else WITHOUT_TEMPERATURE)
    if unknown := [name for name in names if name not in VARIANTS]:
        raise SpecError(f"--variants: {unknown[0]!r} is not one of: {', '.join(VARIANTS)}")
    ways = [{"name": name, **VARIANTS[name]} for name in names]
    if len(ways) == 1:
        ways[0]["n"] = 2
    return {
        "prompts": prompts,
        "sampler": {"model": sampler, **effort, "variants": ways},
        "judge": {"model": judge},
    }


def _can_be_told(model: str) -> bool:
    return bool(models.refused(model, None)) and models.effort_problem(model, "none") is None


def changed(table: Mapping[str, Any], settings: Iterable[str]) -> dict[str, Any]:
    """The table with every `KEY=VALUE` set: a dotted key, and a value as TOML, or else a text.

    A variant, a panelist and the like are named by their `name` or `model`, or by their number from 0.

    Raises:
        SpecError: one of them is no KEY=VALUE, or leads through what is no table.
    """
    found = copy.deepcopy(dict(table))
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key.strip():
            raise SpecError(f"--set {setting}: write KEY=VALUE, like --set judge.samples=3")
        *way, last = key.strip().split(".")
        inner = _inner(found, way, setting)
        if isinstance(inner, list):
            inner[_place(inner, last, setting)] = _value(value.strip())
        else:
            inner[last] = _value(value.strip())
    return found


def _inner(table: Any, way: Iterable[str], setting: str) -> Any:
    for part in way:
        table = table[_place(table, part, setting)] if isinstance(table, list) else table.setdefault(part, {})
        if not isinstance(table, dict | list):
            raise SpecError(f"--set {setting}: {part} is a value, and no table")
    return table


def _place(rows: list[Any], part: str, setting: str) -> int:
    named = [n for n, row in enumerate(rows) if isinstance(row, dict) and part in (row.get("name"), row.get("model"))]
    if named:
        return named[0]
    if part.isdigit() and int(part) < len(rows):
        return int(part)
    known = [str(row.get("name") or row.get("model") or n) for n, row in enumerate(rows)]
    raise SpecError(f"--set {setting}: {part!r} is not one of: {', '.join(known) or 'none are written'}")


def _value(text: str) -> Any:
    """What TOML reads; a word that it does not know is a text."""
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return text
