"""What the simulated fine-tuning refuses: parameters at once, a file's lines when the job validates its files.

The rules are those of the API's line schemas (openai-openapi f7f4b05: FineTuneChatRequestInput,
FineTunePreferenceRequestInput, FineTuneReinforcementRequestInput), of its guides, and of Azure's. Written apart from
the formats, so that their output is held against a second reading of the documents. Knows nothing of HTTP or of jobs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from judgegen.llm.training_prices import table
from judgegen.simulator.bodies import Problem
from judgegen.simulator.prose import quality_of
from judgegen.simulator.wire import is_metadata

METHODS = ("supervised", "dpo", "reinforcement")
GRADERS = ("string_check", "text_similarity", "python", "score_model", "multi")
TRAINING_TYPES = ("Standard", "GlobalStandard", "Developer")
MOST_ERRORS = 5
FEWEST = 10
CHARACTERS_A_TOKEN = 4
_MARK = b"\xef\xbb\xbf"
_ARGUMENTS = {
    *("model", "training_file", "validation_file", "suffix", "seed", "metadata", "method", "hyperparameters"),
    "integrations",
}
_RANGES: Mapping[str, tuple[type, float, float]] = {
    "n_epochs": (int, 1, 50),
    "batch_size": (int, 1, 256),
    "learning_rate_multiplier": (float, 5e-324, float("inf")),
    "beta": (float, 5e-324, 2),
}
_TAKES = {
    "supervised": {"n_epochs", "batch_size", "learning_rate_multiplier"},
    "dpo": {"n_epochs", "batch_size", "learning_rate_multiplier", "beta"},
    "reinforcement": {
        *("n_epochs", "batch_size", "learning_rate_multiplier"),
        *("reasoning_effort", "compute_multiplier", "eval_interval", "eval_samples"),
    },
}
_TRAINED = ("system", "user", "assistant", "tool", "function")
_REINFORCED = ("developer", "user", "assistant", "tool")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A training file: its lines, its tokens at four characters each, and what is wrong with it.

    `better`: by how much a pair's preferred side is the better one, on average, by the marks that both bear.
    """

    lines: int
    tokens: int
    errors: tuple[str, ...]
    better: float = 0.0


def refusal(body: Mapping[str, Any], *, azure: bool) -> Problem | None:
    """The first thing wrong with the parameters of a job, apart from its files."""
    return next(_parameters(body, azure=azure), None)


def method_of(body: Mapping[str, Any]) -> str:
    """The method that a body asks for; supervised where it names none."""
    return str((body.get("method") or {}).get("type", "supervised"))


def hyperparameters(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Those of the method that is asked for."""
    inner = (body.get("method") or {}).get(method_of(body)) or {}
    return inner.get("hyperparameters") or body.get("hyperparameters") or {}


def _parameters(body: Mapping[str, Any], *, azure: bool) -> Iterator[Problem]:
    for name in sorted(body.keys() - _ARGUMENTS - ({"trainingType"} if azure else set())):
        yield Problem(message=f"Unrecognized request argument supplied: {name}", code="unknown_parameter", param=name)
    model = body.get("model")
    if not isinstance(model, str) or not (azure or table().find(model)):
        said = f"Model {model} is not available for fine-tuning or does not exist."
        yield Problem(message=said, param="model", code="model_not_available")
    if azure and body.get("trainingType", "Standard") not in TRAINING_TYPES:
        yield _bad("trainingType", f"supported: {', '.join(TRAINING_TYPES)}")
    yield from _names(body, azure=azure)
    yield from _method(body.get("method"))
    if method_of(body) == "reinforcement" and body.get("validation_file") is None:
        yield _bad("validation_file", "a validation file is required for reinforcement fine-tuning")


def _names(body: Mapping[str, Any], *, azure: bool) -> Iterator[Problem]:
    suffix, seed = body.get("suffix"), body.get("seed")
    if suffix is not None and not (isinstance(suffix, str) and 1 <= len(suffix) <= 64):
        yield _bad("suffix", "expected a string of 1 to 64 characters")
    if azure and "." in (suffix or ""):
        yield _bad("suffix", "it may not contain a dot")
    if seed is not None and not (isinstance(seed, int) and 0 <= seed < 2**31):
        yield _bad("seed", "expected an integer from 0 to 2147483647")
    if not is_metadata(body.get("metadata")):
        yield _bad("metadata", "expected at most 16 pairs of strings")


def _method(asked: Any) -> Iterator[Problem]:
    if asked is None:
        return
    kind = asked.get("type") if isinstance(asked, dict) else None
    if kind not in METHODS:
        yield _bad("method.type", f"supported: {', '.join(METHODS)}")
        return
    inner = asked.get(kind) or {}
    if kind == "reinforcement" and (inner.get("grader") or {}).get("type") not in GRADERS:
        yield _bad("method.reinforcement.grader", f"expected a grader of type {', '.join(GRADERS)}")
    for name, value in (inner.get("hyperparameters") or {}).items():
        where = f"method.{kind}.hyperparameters.{name}"
        if name not in _TAKES[kind]:
            yield _bad(where, f"{kind} has no such hyperparameter")
        elif name in _RANGES and value != "auto" and not _within(value, *_RANGES[name]):
            yield _bad(where, f"expected 'auto' or a number from {_RANGES[name][1]:g} to {_RANGES[name][2]:g}")


def _within(value: Any, kind: type, low: float, high: float) -> bool:
    number = isinstance(value, int if kind is int else int | float) and not isinstance(value, bool)
    return number and low <= value <= high


def _bad(param: str, why: str) -> Problem:
    return Problem(message=f"Invalid value for '{param}': {why}.", param=param, code="invalid_value")


def check(path: Path, method: str, *, azure: bool, fewest: int = FEWEST) -> Checked:
    """Read a training or validation file as the API does, its first faults in its own words."""
    errors: list[str] = []
    lines = characters = 0
    better = 0.0
    with path.open("rb") as file:
        marked = file.read(3) == _MARK
        file.seek(3 if marked else 0)
        for number, line in enumerate(file, start=1):
            lines, characters = number, characters + len(line)
            if len(errors) < MOST_ERRORS and (found := _line(line, method, azure=azure)):
                errors.append(f"Line {number}: {found}")
            better += _better(line) if method == "dpo" and not errors else 0.0
    if marked != azure:
        errors.insert(0, "The file must be UTF-8 with a byte order mark." if azure else "Line 1: not valid JSON.")
    if method != "reinforcement" and lines < fewest:
        errors.append(f"Training file has {lines} example(s), but must have at least {fewest} examples.")
    tokens = characters // CHARACTERS_A_TOKEN
    return Checked(lines=lines, tokens=tokens, errors=tuple(errors), better=better / max(1, lines))


def _better(line: bytes) -> float:
    """How much better a sound pair's preferred side is, 0 where a side bears no mark."""
    row = json.loads(line)
    sides = [quality_of(str(row[key][-1].get("content"))) for key in ("preferred_output", "non_preferred_output")]
    return 0.0 if sides[0] is None or sides[1] is None else sides[0] - sides[1]


def _line(line: bytes, method: str, *, azure: bool) -> str | None:
    try:
        row = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):
        return "not valid JSON."
    if not isinstance(row, dict):
        return "expected an object."
    read: Callable[[dict[str, Any]], Iterator[str]] = {
        "supervised": _chat,
        "dpo": _azure_pair if azure else _pair,
        "reinforcement": _item,
    }[method]
    return next(read(row), None)


def _chat(row: dict[str, Any]) -> Iterator[str]:
    if extra := row.keys() - {"messages", "tools", "parallel_tool_calls", "functions"}:
        yield f"unexpected key '{min(extra)}'."
    yield from _messages(row.get("messages"), "messages", _TRAINED)
    if row["messages"][-1]["role"] != "assistant":
        yield "the last message must be from the assistant."


def _item(row: dict[str, Any]) -> Iterator[str]:
    yield from _messages(row.get("messages"), "messages", _REINFORCED)


def _pair(row: dict[str, Any]) -> Iterator[str]:
    yield from _pair_of(row, ("assistant",))
    for key in ("preferred_output", "non_preferred_output"):
        if len(row[key]) > 1:
            yield f"'{key}' must have exactly one message."


def _azure_pair(row: dict[str, Any]) -> Iterator[str]:
    yield from _pair_of(row, ("assistant", "tool"))
    for key in ("preferred_output", "non_preferred_output"):
        if not any(message["role"] == "assistant" for message in row[key]):
            yield f"'{key}' must contain at least one assistant message."


def _pair_of(row: dict[str, Any], roles: tuple[str, ...]) -> Iterator[str]:
    keys = {"input", "preferred_output", "non_preferred_output"}
    for key in sorted(keys - row.keys()):
        yield f"missing key '{key}'."
    for key in sorted(row.keys() - keys):
        yield f"unexpected key '{key}'."
    asked = row["input"]
    if not isinstance(asked, dict):
        yield "'input' must be an object."
    if extra := asked.keys() - {"messages", "tools", "parallel_tool_calls"}:
        yield f"unexpected key 'input.{min(extra)}'."
    yield from _messages(asked.get("messages"), "input.messages", _TRAINED)
    if asked["messages"][-1]["role"] == "assistant":
        yield "'input.messages' must not end with an assistant message."
    for key in ("preferred_output", "non_preferred_output"):
        yield from _messages(row[key], key, roles)
        if not any(message.get("content") or message.get("tool_calls") for message in row[key]):
            yield f"'{key}' is empty."


def _messages(found: Any, where: str, roles: tuple[str, ...]) -> Iterator[str]:
    if not isinstance(found, list) or not found:
        yield f"'{where}' must be a list of at least one message."
        return
    for number, message in enumerate(found):
        if not isinstance(message, dict) or message.get("role") not in roles:
            yield f"'{where}[{number}].role' must be one of {', '.join(roles)}."
        elif message.get("content") is None and not message.get("tool_calls"):
            yield f"'{where}[{number}].content' is missing."
