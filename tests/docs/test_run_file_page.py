"""docs/run-file.md says what the models say: `python tests/docs/test_run_file_page.py > docs/run-file.md` writes it."""

from __future__ import annotations

import copy
import functools
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from judgegen import spec
from judgegen.errors import SpecError
from judgegen.judge.methods import METHODS
from judgegen.spec.gates import Gates
from judgegen.spec.members import Anchors, Escalation, Grade, Panelist, Third
from judgegen.spec.pairs import Constraint
from judgegen.spec.runfile import Columns
from judgegen.spec.sampler import Few
from judgegen.spec.schema import schema

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "run-file.md"
TABLES: dict[str, type[spec.Frozen]] = {
    "": spec.Spec,
    "[columns]": Columns,
    "[endpoints.NAME]": spec.Endpoint,
    "[endpoints.NAME.price]": spec.Price,
    "[endpoints.NAME.scripted]": spec.Scripted,
    "[sampler]": spec.Sampler,
    "[[sampler.variants]]": spec.Variant,
    "{ low, high }": spec.Range,
    "{ least, most }": Few,
    "[judge]": spec.Judge,
    "[judge.third]": Third,
    "[[judge.panel]]": Panelist,
    "[[judge.escalate]]": Escalation,
    "[judge.grade]": Grade,
    "[judge.anchors]": Anchors,
    "[pairs]": spec.Pairs,
    "[[pairs.constraints]]": Constraint,
    "[budget]": spec.Budget,
    "[output]": spec.Output,
    "[gates]": Gates,
}
OF_RUN_FILES = ("prompts", "seed", "rehearsal")
"""The keys of the top that are values; the others are the tables below."""
NUMBERS = {"integer", "number"}


def page() -> str:
    """The whole page."""
    return "\n".join([*_head(), *(line for name in TABLES for line in _table(name))]) + "\n"


def _head() -> Iterator[str]:
    yield from ("# The run file", "")
    yield "<!-- Written by `python tests/docs/test_run_file_page.py > docs/run-file.md`. -->"
    yield ""
    yield "A run file is TOML. It says what is asked of whom, and which answers become pairs. Only `prompts`,"
    yield "`[sampler]` with a `model` and its variants, and `[judge]`, with a `model` where one judges, are needed."
    yield "Unknown keys are errors that name the nearest known one. Paths are relative to the run file."
    yield "`judgegen schema` prints all of this as JSON Schema for editors."


def _table(name: str) -> Iterator[str]:
    definition = _definition(TABLES[name])
    yield from ("", f"## {name or 'At the top'}", "")
    if name:
        yield from (definition["description"].replace("\n", " ").replace("  ", " "), "")
    if name == "[judge]":
        yield from (*_methods(), "")
    yield from ("| key | what it says | value | unless written | for instance |", "| --- | --- | --- | --- | --- |")
    for key, about in definition["properties"].items():
        if name or key in OF_RUN_FILES:
            cells = [f"`{key}`", about["description"], _value(about), _default(definition, key, about)]
            yield "| " + " | ".join(_cell(cell) for cell in [*cells, _examples(about)]) + " |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _methods() -> Iterator[str]:
    yield "| method | keys that only some methods read, of those it reads |"
    yield "| --- | --- |"
    for name, method in METHODS.items():
        yield f"| `{name}` | {', '.join(f'`{key}`' for key in sorted(method.keys))} |"


@functools.cache
def _whole() -> dict[str, Any]:
    return schema()


def _definition(table: type[spec.Frozen]) -> dict[str, Any]:
    whole = _whole()
    return whole if table is spec.Spec else dict(whole["$defs"][table.__name__])


def _value(about: dict[str, Any]) -> str:
    return " or ".join(dict.fromkeys(_kinds(about)))


def _kinds(about: dict[str, Any]) -> Iterator[str]:
    for arm in about.get("anyOf", [about]):
        if "$ref" in arm:
            yield "a table"
        elif "enum" in arm:
            yield ", ".join(f"`{one}`" for one in arm["enum"])
        elif arm.get("type") in NUMBERS:
            yield f"{_bounds(arm | {k: v for k, v in about.items() if k != 'anyOf'})}"
        else:
            words = {"boolean": "true or false", "string": "text", "object": "a table", "array": "a list"}
            yield words[arm["type"]]


def _bounds(arm: dict[str, Any]) -> str:
    said = [arm["unit"]]
    said += [f"above {arm['exclusiveMinimum']:g}"] if "exclusiveMinimum" in arm else []
    said += [f"from {arm['minimum']:g}"] if "minimum" in arm and "exclusiveMinimum" not in arm else []
    said += [f"below {arm['exclusiveMaximum']:g}"] if "exclusiveMaximum" in arm else []
    said += [f"to {arm['maximum']:g}"] if "maximum" in arm else []
    return f"{said[0]}, {' '.join(said[1:])}" if said[1:] else said[0]


def _default(definition: dict[str, Any], key: str, about: dict[str, Any]) -> str:
    if key in definition.get("required", ()):
        return "must be written"
    default = about.get("default")
    if default in (None, "", [], {}) or isinstance(default, dict):
        return "—"
    return f"`{_toml(default)}`"


def _examples(about: dict[str, Any]) -> str:
    return "<br>".join(f"`{_toml(one)}`" for one in about["examples"])


def _toml(value: Any) -> str:
    """A value as it stands behind the = of a key, on one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{_key(key)} = {_toml(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(one) for one in value) + "]"
    return tomli_w.dumps({"x": value}).removeprefix("x = ").strip()


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() else json.dumps(key)


FIELDS = [(name, key) for name, table in TABLES.items() for key in table.model_fields]
VALUES = [(name, key) for name, key in FIELDS if name or key in OF_RUN_FILES]


@pytest.mark.slow
def test_the_page_says_what_the_models_say() -> None:
    """docs/run-file.md is as `python tests/docs/test_run_file_page.py > docs/run-file.md` writes it."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_table_is_on_the_page() -> None:
    """No model of a run file is left out, and none is listed that no run file reaches."""
    inline = {"Price"}  # stands within `prices` too, where its keys are written out
    assert {table.__name__ for table in TABLES.values()} - {"Spec"} == schema()["$defs"].keys() | inline


@pytest.mark.parametrize(("name", "key"), FIELDS)
def test_every_key_is_described(name: str, key: str) -> None:
    """A key has a description that ends like a sentence, an example that the run file takes, and a number its unit."""
    field = TABLES[name].model_fields[key]
    about = _definition(TABLES[name])["properties"][field.alias or key]
    assert about["description"].endswith((".", ">."))
    if (name, key) in VALUES:
        assert about["examples"]
        for example in about["examples"]:
            TypeAdapter(field.rebuild_annotation()).validate_python(example)
        arms = about.get("anyOf", [about])
        assert all("unit" in about | arm for arm in arms if arm.get("type") in NUMBERS)


@pytest.mark.parametrize(("name", "key"), VALUES)
def test_shares_and_chances_are_between_0_and_1(name: str, key: str) -> None:
    """Whatever is called a share or a probability has bounds within 0 and 1."""
    field = TABLES[name].model_fields[key]
    about = _definition(TABLES[name])["properties"][field.alias or key]
    for arm in about.get("anyOf", [about]):
        if arm.get("unit", about.get("unit")) in ("a share", "a probability"):
            bound = {**about, **arm}
            low = bound.get("minimum", bound.get("exclusiveMinimum"))
            assert low is not None
            assert low >= 0
            assert bound.get("maximum", bound.get("exclusiveMaximum")) in (0.5, 1)


GOOD: dict[str, Any] = {
    "prompts": "prompts.jsonl",
    "endpoints": {"x": {"base_url": "http://127.0.0.1:1/v1"}},
    "sampler": {"model": "small", "variants": [{"name": "a"}, {"name": "b"}]},
    "judge": {"model": "big"},
    "pairs": {},
    "budget": {},
    "output": {},
    "gates": {},
}
NAMES = sorted({table.__name__ for table in TABLES.values()})
ANYTHING = st.sampled_from(["x", "", 3, -1, 1.5, True, [], ["a"], [{}], {}, {"a": 1}, {"low": "x", "high": 1}])


@st.composite
def spoilt(draw: st.DrawFn) -> dict[str, Any]:
    """A run file with one key of one of its tables set to anything."""
    table = copy.deepcopy(GOOD)
    place = draw(
        st.sampled_from([(), ("endpoints", "x"), ("sampler",), ("sampler", "variants", 0), *((k,) for k in GOOD)])
    )
    inner: Any = table
    for part in place:
        inner = inner[part]
    models: dict[Any, type[spec.Frozen]] = {
        "endpoints": spec.Endpoint,
        0: spec.Variant,
        "sampler": spec.Sampler,
        "judge": spec.Judge,
    }
    model = models.get(place[-1] if place[-1:] != ("x",) else "endpoints", spec.Spec) if place else spec.Spec
    if isinstance(inner, dict):
        inner[draw(st.sampled_from(sorted(f.alias or n for n, f in model.model_fields.items())))] = draw(ANYTHING)
    return table


@given(spoilt())
def test_no_message_names_what_only_the_code_knows(table: dict[str, Any]) -> None:
    """A refusal speaks of tables, lists and numbers, not of classes, tuples, dictionaries or instances."""
    try:
        spec.parse(table)
    except SpecError as error:
        said = str(error)
        assert not [word for word in ("instance of", "Input", "uple", "dictionary", "schema_as") if word in said]
        assert not [name for name in NAMES if f" {name} " in said or said.endswith(f" {name}")]


def test_the_schema_takes_what_the_run_file_takes() -> None:
    """The starter and the recipes are valid by the schema; a misspelt key is not.

    The recipe `method` names a method of a package, which the schema knows where that is installed.
    """
    import tomllib

    jsonschema = pytest.importorskip("jsonschema")
    check = jsonschema.Draft202012Validator(schema())
    recipes = [path for path in ROOT.glob("examples/*/run.toml") if path.parent.name != "method"]
    for path in [ROOT / "judgegen" / "starter" / "run.toml", *recipes]:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        assert list(check.iter_errors(table)) == []
        assert list(check.iter_errors({**table, "promts": "x"})) != []


@pytest.mark.parametrize(
    "table", [{"variants": [{"name": "a", "temperature": -0.5}]}, {"variants": [{"name": "a", "top_p": 1.5}]}]
)
def test_what_no_model_takes_is_refused(table: dict[str, Any]) -> None:
    """A temperature below zero and a top_p above one are mistakes, whichever way they are written."""
    with pytest.raises(SpecError, match=r"at least 0|at most 1"):
        spec.parse({**GOOD, "sampler": {"model": "small", **table}})


if __name__ == "__main__":
    sys.stdout.write(page())
