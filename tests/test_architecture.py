"""The house plan, held by the code itself."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import judgegen

PACKAGE = Path(judgegen.__file__).parent
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if "prompts" not in path.parts)
STAGES = ("sampler", "judge", "writer")
HEAVY = ("pandas", "pyarrow", "openai", "pydantic", "tiktoken", "aiohttp", "altair", "sklearn", "scipy", "genai_prices")


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")


def imports(path: Path) -> Iterator[str]:
    """Every module of ours that a module imports, wherever in it the import stands."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("judgegen"):
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                place = PACKAGE.parent / Path(*whole.split("."))
                module = place.with_suffix(".py").exists() or (place / "__init__.py").exists()
                yield whole if module else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("judgegen"))


def room(module: str) -> str:
    return module.removeprefix("judgegen").removeprefix(".").split(".")[0]


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node


@cache
def graph() -> dict[str, set[str]]:
    """What each module imports; read when the first law asks, not by every process that only collects the laws."""
    return {name_of(path): {module for module in imports(path) if module != name_of(path)} for path in MODULES}


@cache
def reached(start: str) -> set[str]:
    """Every module that importing `start` may come to, through whatever stands between."""
    found: set[str] = set()
    ahead = [start]
    while ahead:
        for module in graph().get(ahead.pop(), set()) - found:
            found.add(module)
            ahead.append(module)
    return found


def test_no_module_imports_itself_by_a_detour() -> None:
    """The whole package is without circles, imports inside functions and for types alone included."""
    assert {module: sorted(graph()[module]) for module in graph() if module in reached(module)} == {}


def test_the_hall_has_ten_doors_at_most() -> None:
    """What stands at the top of the package is what everybody passes; the rest lives in rooms."""
    assert len([path for path in MODULES if path.parent == PACKAGE]) <= 10


UNKNOWN = (
    "judgegen.llm.journal",
    "judgegen.llm.senders",
    "judgegen.llm.providers",
    "judgegen.llm.prices",
    "judgegen.spec",
)


BEYOND_ONE_MACHINE = ("judgegen.fleet", "judgegen.stores", "judgegen.run", "judgegen.llm.lease", "judgegen.llm.lent")


def test_how_many_machines_there_are_is_nothing_to_the_stages() -> None:
    """No shard, store, lease or engine is behind sampler, judge, writer, pipeline; one room knows Ray, one fsspec."""
    for module in graph():
        if room(module) in (*STAGES, "pipeline"):
            assert not [found for found in reached(module) if found.startswith(BEYOND_ONE_MACHINE)], module
    for package, only in (("ray", "fleet"), ("fsspec", "stores")):
        stands = re.compile(rf"^\s*(import|from) {package}\b", re.MULTILINE)
        assert {room(name_of(path)) for path in MODULES if stands.search(path.read_text("utf-8"))} == {only}


@pytest.mark.parametrize("stage", STAGES)
def test_stages_know_neither_each_other_nor_who_answers(stage: str) -> None:
    """Not even through others: no journal, sender, provider, price, run file or other stage is behind a stage."""
    others = tuple(f"judgegen.{other}" for other in STAGES if other != stage)
    for module in graph():
        if room(module) == stage:
            assert not [found for found in reached(module) if found.startswith((*UNKNOWN, *others))], module


def test_the_pipeline_does_not_know_who_answers() -> None:
    """Neither the journal, the senders, a provider, a price nor the run file is behind the pipeline's back."""
    assert not [found for found in reached("judgegen.pipeline") if found.startswith(UNKNOWN)]


def test_models_know_nothing_of_stages() -> None:
    """The room of calls, senders and providers imports no stage, no pipeline and no command."""
    for path in (PACKAGE / "llm").rglob("*.py"):
        for module in imports(path):
            assert room(module) not in (*STAGES, "pipeline", "plan", "api", "cli", "notebook", "sources"), path


@pytest.mark.slow
def test_only_the_command_line_knows_the_command_line() -> None:
    """Nothing below imports judgegen.cli."""
    for path in MODULES:
        if "cli" not in path.parts and path.name != "__main__.py":
            assert not any(room(module) == "cli" for module in imports(path)), path


@pytest.mark.slow
@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_modules_and_functions_stay_small_and_documented(path: Path) -> None:
    """At most 400 lines a module and 60 a function; what is public says what it is; names say what they hold."""
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 400
    assert ast.get_docstring(ast.parse(text)), "no docstring"
    assert not {"utils", "helper", "helpers", "manager", "handler", "base", "common"} & {path.stem}
    for node in functions(path):
        if not isinstance(node, ast.ClassDef):
            assert (node.end_lineno or 0) - node.lineno < 60, node.name
    for top in ast.parse(text).body:
        if isinstance(top, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not top.name.startswith("_"):
            assert ast.get_docstring(top), f"{top.name} has no docstring"


@pytest.mark.slow
def test_no_two_classes_share_a_name() -> None:
    """But for what a run file says and what then flows, and a run folder as it is and with what can be made of it."""
    where: dict[str, set[str]] = {}
    for path in MODULES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                where.setdefault(node.name, set()).add(room(name_of(path)))
    doubled = {name: rooms for name, rooms in where.items() if len(rooms) > 1}
    assert doubled == {
        "Constraint": {"spec", "judge"},
        "Endpoint": {"spec", "llm"},
        "Price": {"spec", "llm"},
        "Run": {"api", "run"},
    }


def test_every_test_says_its_law() -> None:
    """Each test function has a docstring, and can fail: it asserts, or expects an error."""
    for path in Path(__file__).parent.rglob("test_*.py"):
        for node in functions(path):
            if node.name.startswith("test_"):
                assert ast.get_docstring(node), f"{path.name}::{node.name}"


def test_the_public_names_are_sorted_and_there() -> None:
    """`__all__` is sorted, and every name in it resolves."""
    assert judgegen.__all__ == sorted(judgegen.__all__)
    for name in judgegen.__all__:
        assert getattr(judgegen, name) is not None
    assert set(dir(judgegen)) == set(judgegen.__all__)
    with pytest.raises(AttributeError, match="nothing"):
        importlib.import_module("judgegen").nothing  # noqa: B018 - the access is the test


@pytest.mark.parametrize("arguments", [["-c", "import judgegen"], ["-m", "judgegen", "--help"]])
def test_starting_is_light(arguments: list[str]) -> None:
    """Neither the import nor --help loads what only some command needs."""
    done = subprocess.run([sys.executable, "-X", "importtime", *arguments], capture_output=True, text=True, check=True)
    loaded = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
    assert not loaded & set(HEAVY)
