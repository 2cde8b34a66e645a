"""Reads a run file and says what is wrong with it by file, line and key; of an unknown key it names the nearest."""

from __future__ import annotations

import difflib
import itertools
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from judgegen.errors import SpecError
from judgegen.spec import lines, values
from judgegen.spec.endpoint import Endpoint, Price, Scripted
from judgegen.spec.gates import Gates
from judgegen.spec.judge import Judge
from judgegen.spec.members import Anchors, Escalation, Grade, Panelist, Third
from judgegen.spec.pairs import Pairs
from judgegen.spec.runfile import Budget, Columns, Output, Spec
from judgegen.spec.sampler import Few, Range, Sampler, Variant

_MOST_TOLD = 20
_NOBODY: Mapping[str, Any] = {"prompts": "-", "sampler": Sampler.model_construct(model="", variants=())}


def read(path: Path, *, judging: bool = False) -> Spec:
    """The run file at `path`; with `judging` one that only says who judges will do.

    Raises:
        SpecError: no such file, not UTF-8, not TOML, or a key or value that does not fit.
    """
    text = _text(path)
    return parse(_toml(path, text), where=str(path), judging=judging, text=text)


def table(path: Path) -> dict[str, Any]:
    """The run file at `path` as TOML reads it.

    Raises:
        SpecError: no such file, not UTF-8, not TOML.
    """
    return _toml(path, _text(path))


def _text(path: Path) -> str:
    try:
        return lines.plain(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SpecError(f"{path}: cannot be read ({error.strerror}); {_instead(path)}") from None
    except UnicodeDecodeError as error:
        raise SpecError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from None


def _toml(path: Path, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"{path}: not TOML: {lines.meant(text, str(error))}") from None
    except (RecursionError, ValueError) as error:  # nested without end; digits without end
        raise SpecError(f"{path}: not a run file: {error}") from None


def _instead(path: Path) -> str:
    """What to do where a run file cannot be read."""
    if (path / "run.toml").is_file():
        return f"it is a folder, and its run file is {path / 'run.toml'}"
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    beside = [one.name for one in path.parent.glob("*.toml")]
    near = [] if path.exists() else difflib.get_close_matches(path.name, beside, n=1)
    return f"did you mean {path.parent / near[0]}?" if near else "`judgegen init DIR` writes one to start from"


def parse(given: Mapping[str, Any], *, where: str = "run file", judging: bool = False, text: str = "") -> Spec:
    """A run file's table, `given`, as a Spec; `where` names it in errors, and `text` is what it was read from, if so.

    With `judging` neither `prompts` nor [sampler] is missed: what is judged comes from elsewhere, and the sampler of
    the Spec has no variants then.

    Raises:
        SpecError: every problem found, one a line.
    """
    if wrong := list(itertools.islice(values.problems(given), _MOST_TOLD)):
        raise SpecError("\n".join(_at(where, text, place, problem) for place, problem in wrong))
    try:
        return Spec.model_validate({**(_NOBODY if judging else {}), **given})
    except ValidationError as error:
        found = [e for e in error.errors(include_url=False) if _relevant(e)]
        raise SpecError("\n".join(_at(where, text, _place(e), _sentence(e)) for e in found)) from None


def _at(where: str, text: str, place: tuple[Any, ...], problem: str) -> str:
    """A problem behind the file and, where it is known, the line."""
    line = lines.number(text, place)
    return f"{where}: {problem}" if line is None else f"{where}: line {line}: {problem}"


def _place(error: Any) -> tuple[Any, ...]:
    """The keys that lead to what was written."""
    return tuple(part for part in error["loc"] if not _is_union_arm(part))


def _relevant(error: Any) -> bool:
    """Of the errors pydantic gives for "a number or a { low, high } table", the ones for what was written."""
    arms = [part for part in error["loc"] if _is_union_arm(part)]
    if not arms:
        return True
    wrote_table = isinstance(error["input"], dict) or len(error["loc"]) > error["loc"].index(arms[0]) + 1
    return wrote_table == any(table in arms[0] for table in _TABLE_ARMS)


def _sentence(error: Any) -> str:
    loc = _place(error)
    place = ".".join(str(part) for part in loc)
    if error["type"] == "extra_forbidden":
        return f"unknown key {place!r}; {_nearest(str(loc[-1]), loc[:-1])}"
    if error["type"] == "missing":
        return f"missing key {place!r}"
    message = _said(error, loc)
    return f"{place}: {message}" if place else message


def _said(error: Any, loc: tuple[Any, ...]) -> str:
    """What does not fit, in a run file's words: a table, a list, a text, a number, true or false."""
    kind, context = str(error["type"]), error.get("ctx", {})
    if kind in ("model_type", "model_attributes_type", "dict_type"):
        return f"must be a table, not {_shown(error)}; its keys: {_keys_of(loc)}"
    if kind in _WANTED:
        return f"must be {_WANTED[kind]}, not {_shown(error)}"
    if kind in _BOUNDS:
        return f"must be {_BOUNDS[kind].format(*context.values())}, not {_shown(error)}"
    return str(error["msg"]).removeprefix("Value error, ").replace("Input should", "must").replace("String", "The text")


def _shown(error: Any) -> str:
    found = error["input"]
    if isinstance(found, bool):
        return str(found).lower()
    if isinstance(found, dict | list | tuple):
        return "a table" if isinstance(found, dict) else "a list"
    text = repr(found)
    return text if len(text) <= 60 else f"{text[:60]}…"


def _keys_of(loc: tuple[Any, ...]) -> str:
    """The keys of the table that was wanted at `loc`; of one with the user's own keys, that they are."""
    known = next((_TABLES[part] for part in reversed(loc) if part in _TABLES), None)
    names = loc and loc[-1] in ("endpoints", "prices", "weights", "options", "extra_body")
    return "names of yours" if names or known is None else ", ".join(_names(known))


def _names(model: Any) -> list[str]:
    """The keys of a table as they are written."""
    return sorted(field.alias or name for name, field in model.model_fields.items())


_WANTED: Mapping[str, str] = {
    "string_type": "a text in quotes",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "decimal_type": "a number",
    "decimal_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "tuple_type": "a list",
    "list_type": "a list",
}
_BOUNDS: Mapping[str, str] = {
    "greater_than": "above {}",
    "greater_than_equal": "at least {}",
    "less_than": "below {}",
    "less_than_equal": "at most {}",
    "literal_error": "{}",
    "too_short": "{1} or more items",
    "string_too_short": "a text of {} or more characters",
}


_TABLE_ARMS = ("Range", "Few")
_CHECKED_ARM = "function-"
"""How pydantic begins the name of an arm that has a validator of its own."""
_NUMBER_ARMS = ("float", "constrained-float", "int", "constrained-int")


def _is_union_arm(part: object) -> bool:
    return isinstance(part, str) and (part in _NUMBER_ARMS or part.startswith((*_TABLE_ARMS, _CHECKED_ARM)))


def _nearest(key: str, place: tuple[Any, ...]) -> str:
    """Names the nearest key of the table at `place`, else of another table, else all that are known there."""
    known = _known_keys(place)
    if near := difflib.get_close_matches(key, known, n=1, cutoff=0.6):
        return f"did you mean {near[0]!r}?"
    for name, model in _TABLES.items():
        if near := difflib.get_close_matches(key, _names(model), n=1, cutoff=0.75):
            return f"did you mean {near[0]!r} in {name}? Known here: {', '.join(known)}"
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
    return f"the nearest known key is {near[0]!r}; known here: {', '.join(known)}"


def _known_keys(place: tuple[Any, ...]) -> list[str]:
    model = next((_TABLES[part] for part in reversed(place) if part in _TABLES), Spec)
    return _names(model if place else Spec)


_TABLES: dict[Any, Any] = {
    "columns": Columns,
    "endpoints": Endpoint,
    "price": Price,
    "prices": Price,
    "scripted": Scripted,
    "sampler": Sampler,
    "variants": Variant,
    "n": Few,
    "temperature": Range,
    "top_p": Range,
    "judge": Judge,
    "third": Third,
    "panel": Panelist,
    "escalate": Escalation,
    "grade": Grade,
    "anchors": Anchors,
    "pairs": Pairs,
    "budget": Budget,
    "output": Output,
    "gates": Gates,
}
