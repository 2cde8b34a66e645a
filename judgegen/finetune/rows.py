"""Reads a fine-tuning file and counts the tokens of each example, a chunk at a time, so memory does not grow with it.

Knows the three line shapes of OpenAI's API (dpo, sft, rft) as far as their tokens go; whether an upload would be
accepted is for the formats to say. Knows nothing of models or prices.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from judgegen.errors import SpecError
from judgegen.llm import tokens

Method = Literal["dpo", "sft", "rft"]
METHODS: tuple[Method, ...] = get_args(Method)

MOST_PROBLEMS = 20
_CHUNK = 2_000_000  # bytes of file tokenised at once: enough to keep the threads busy
_OLD_NAMES = {"preferred_completion": "preferred_output", "non_preferred_completion": "non_preferred_output"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """Tokens of one line.

    Attributes:
        prompt: the input of a dpo pair with its tools; the whole conversation of the other methods.
        sides: tokens of the preferred and of the other output; empty unless dpo.
        media: parts that are not text, each counted as `tokens.PER_MEDIA`.
    """

    prompt: int
    sides: tuple[int, ...] = ()
    media: int = 0


class _Message(BaseModel):
    model_config = ConfigDict(extra="allow")
    role: str = Field(min_length=1)
    content: str | list[dict[str, Any]] | None = None
    tool_calls: list[dict[str, Any]] | None = None


class _Conversation(BaseModel):
    model_config = ConfigDict(extra="allow")
    messages: list[_Message] = Field(min_length=1)
    tools: list[dict[str, Any]] | None = None


class _Pair(BaseModel):
    model_config = ConfigDict(extra="allow")
    input: _Conversation
    preferred_output: list[_Message] = Field(min_length=1)
    non_preferred_output: list[_Message] = Field(min_length=1)


@cache
def _shape(method: Method) -> TypeAdapter[Any]:
    return TypeAdapter(_Pair if method == "dpo" else _Conversation)


def method_of(path: Path) -> Method:
    """What the first line is shaped for: "dpo", or "sft" for a conversation, which an rft line is as well.

    Raises:
        SpecError: the file cannot be read, is empty, or its first line is neither.
    """
    for number, line in lines(path):
        row = parsed(line, path, number)
        if isinstance(row, dict) and ("preferred_output" in row or _OLD_NAMES.keys() & row.keys()):
            return "dpo"
        if isinstance(row, dict) and "messages" in row:
            return "sft"
        raise SpecError(f"{path}:{number}: neither a dpo line (input, preferred_output, …) nor one with messages")
    raise SpecError(f"{path}: holds no examples")


def examples(path: Path, method: Method, encoding: str) -> Iterator[Example]:
    """Every line of the file, counted.

    Raises:
        SpecError: the file cannot be read, or lines in it are not what the method trains on; the first twenty, by
            number.
    """
    for chunk in _chunks(_rows(path, method)):
        yield from _counted(chunk, method, encoding)


def _counted(rows: list[dict[str, Any]], method: Method, encoding: str) -> Iterator[Example]:
    """The rows' tokens; all their texts are counted together, which is what the threads are for."""
    parted = [_parts(row, method, encoding) for row in rows]
    texts = [text for parts in parted for _, texts in parts for text in texts]
    counts = iter(tokens.count_batch(texts, encoding))
    for row, parts in zip(rows, parted, strict=True):
        prompt, *sides = [fixed + sum(islice(counts, len(texts))) for fixed, texts in parts]
        yield Example(prompt=prompt, sides=tuple(sides), media=_media(row, method))


def _parts(row: Mapping[str, Any], method: Method, encoding: str) -> list[tuple[int, list[str]]]:
    """Prompt, preferred, other; or the one conversation. Training primes no reply: three tokens less than a call."""
    if method != "dpo":
        return [tokens.pieces(row["messages"], encoding, tools=row.get("tools") or ())]
    asked = row["input"]
    return [
        tokens.pieces(asked["messages"], encoding, tools=asked.get("tools") or ()),
        tokens.pieces(row["preferred_output"], encoding),
        tokens.pieces(row["non_preferred_output"], encoding),
    ]


def _media(row: Mapping[str, Any], method: Method) -> int:
    if method != "dpo":
        return tokens.media(row["messages"])
    return sum(map(tokens.media, (row["input"]["messages"], row["preferred_output"], row["non_preferred_output"])))


def _chunks(rows: Iterable[tuple[int, dict[str, Any]]]) -> Iterator[list[dict[str, Any]]]:
    chunk: list[dict[str, Any]] = []
    size = 0
    for length, row in rows:
        chunk.append(row)
        size += length
        if size >= _CHUNK:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def _rows(path: Path, method: Method) -> Iterator[tuple[int, dict[str, Any]]]:
    """(bytes, row) of every line; once a line is bad the rest is only looked through for more bad ones."""
    problems: list[str] = []
    for number, line in lines(path):
        try:
            row = _checked(parsed(line, path, number), method, f"{path}:{number}")
        except SpecError as error:
            problems.append(str(error))
            if len(problems) == MOST_PROBLEMS:
                break
        else:
            if not problems:
                yield len(line), row
    if problems:
        raise SpecError("\n".join(problems))


def _checked(row: Any, method: Method, where: str) -> dict[str, Any]:
    """The row itself, once its shape is that of the method."""
    if not isinstance(row, dict):
        raise SpecError(f"{where}: not a JSON object, so it is no {method} line")
    for old, name in _OLD_NAMES.items():
        if method == "dpo" and old in row:
            raise SpecError(f"{where}: {old!r} is an old name; the key is {name!r}")
    try:
        _shape(method).validate_python(row)
    except ValidationError as error:
        raise SpecError(f"{where}: {_sentence(error)}, so it is no {method} line") from None
    return row


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    # The arms of "text or a list of parts" are pydantic's business, not the reader's.
    place = ".".join(str(part) for part in first["loc"] if part != "str" and not str(part).startswith("list["))
    return f"{place} is missing" if first["type"] == "missing" else f"{place}: {first['msg']}"


def parsed(line: bytes, path: Path, number: int) -> Any:
    """The JSON of line `number`.

    Raises:
        SpecError: it is blank, not UTF-8 or not JSON.
    """
    if not line.strip():
        raise SpecError(f"{path}:{number}: blank; delete the line")
    try:
        return json.loads(line.decode("utf-8-sig" if number == 1 else "utf-8"))
    except UnicodeDecodeError as error:
        raise SpecError(f"{path}:{number}: not UTF-8 at byte {error.start} of the line") from None
    except (json.JSONDecodeError, RecursionError) as error:
        raise SpecError(f"{path}:{number}: not JSON: {error}") from None


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines of a file with their numbers, from 1, as bytes.

    Raises:
        SpecError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            yield from enumerate(file, start=1)
    except OSError as error:
        raise SpecError(f"{path}: cannot be read ({error.strerror})") from None
