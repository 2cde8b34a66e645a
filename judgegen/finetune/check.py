"""Whether a provider would take a fine-tuning file, found out before anything is uploaded.

The rules are those of the formats (what fits, limits, byte order mark) and the keys that the API documents. One pass, a
line at a time. Knows nothing of models, tokens or prices.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from judgegen.errors import SpecError
from judgegen.finetune.rows import MOST_PROBLEMS, Method, lines, parsed
from judgegen.formats import fit, messages
from judgegen.formats.consumers import CONSUMERS
from judgegen.formats.format import Format, Unfit

Service = Literal["openai", "azure"]
MARK = b"\xef\xbb\xbf"
MOST_VALIDATION_ITEMS = 1_000  # of rft (reinforcement fine-tuning guide)
_KEYS: Mapping[Method, frozenset[str]] = {
    "dpo": frozenset({"input", "preferred_output", "non_preferred_output"}),
    "sft": frozenset({"messages", "tools", "parallel_tool_calls", "functions"}),
}
_INPUT_KEYS = frozenset({"messages", "tools", "parallel_tool_calls"})
_MESSAGE_KEYS = frozenset(
    {"role", "content", "name", "refusal", "weight", "tool_calls", "tool_call_id", "function_call"}
)
_TRAINED = frozenset({"system", "user", "assistant", "tool", "function"})
_ROLES: Mapping[Method, frozenset[str]] = {
    "dpo": _TRAINED,
    "sft": _TRAINED,
    "rft": frozenset({"developer", "user", "assistant", "tool"}),
}


def form_of(service: Service, method: Method) -> Format:
    """What the service reads for this method; where Azure has no page of its own, OpenAI's files with a mark."""
    known = CONSUMERS.get(f"{service}-{method}")
    return known or replace(CONSUMERS[f"openai-{method}"], name=f"{service}-{method}", bom=service == "azure")


def check(path: Path, service: Service, method: Method, *, validation: bool = False) -> int:
    """Pass a file that the service would take; its number of lines.

    Raises:
        SpecError: it cannot be read or would be refused; the first twenty faults, by line.
    """
    form = form_of(service, method)
    _check_size(path, form)
    found: list[str] = []
    for fault in _faults(path, form, method, validation=validation):
        if isinstance(fault, int):
            if found:
                raise SpecError("\n".join(found))
            return fault
        found.append(f"{path}{fault}")
        if len(found) == MOST_PROBLEMS:
            break
    raise SpecError("\n".join(found))


def _faults(path: Path, form: Format, method: Method, *, validation: bool) -> Iterator[str | int]:
    """What is wrong, as ":line: fault" or ": fault", and at last the number of lines."""
    count = 0
    for number, line in lines(path):
        count = number
        if number == 1:
            yield from _mark(line, form)
        if fault := _line(line, path, number, form, method):
            yield f":{number}: {fault}"
    fewest, most = form.limits.rows, form.limits.most_rows
    if validation:
        fewest, most = 1, MOST_VALIDATION_ITEMS if method == "rft" else most
    if count < fewest:
        yield f": {count} examples; {form.name} needs at least {fewest}"
    if most is not None and count > most:
        yield f": {count:,} examples; {form.name} takes at most {most:,}"
    yield count


def _mark(first: bytes, form: Format) -> Iterator[str]:
    marked = first.startswith(MARK)
    if form.bom and not marked:
        yield f": has no byte order mark, which Azure asks for; `judgegen export --to {form.name}` writes one"
    elif marked and not form.bom:
        yield f": begins with a byte order mark, which OpenAI cannot read; `judgegen export --to {form.name}` has none"


def _check_size(path: Path, form: Format) -> None:
    most = form.limits.size
    if most is not None and path.is_file() and (size := path.stat().st_size) > most:
        raise SpecError(f"{path}: {size:,} bytes; {form.name} takes at most {most:,}")


def _line(line: bytes, path: Path, number: int, form: Format, method: Method) -> str | None:
    """The first fault of one line."""
    try:
        row = parsed(line, path, number)
    except SpecError as error:
        return str(error).removeprefix(f"{path}:{number}: ")
    if not isinstance(row, dict):
        return "not a JSON object"
    try:
        return next(_row(row, form, method), None)
    except Unfit as reason:
        return str(reason)


def _row(row: dict[str, Any], form: Format, method: Method) -> Iterator[str]:
    if (known := _KEYS.get(method)) is not None:
        for key in sorted(row.keys() - known):
            yield f"key {key!r}: a {method} line has {', '.join(sorted(known))} and nothing else"
    asked = row.get("input") if method == "dpo" else row
    if method == "dpo":
        for key in sorted(known - row.keys() if known else ()):
            yield f"{key} is missing, so it is no dpo line"
        for key in sorted(asked.keys() - _INPUT_KEYS) if isinstance(asked, dict) else ():
            yield f"key 'input.{key}': input has {', '.join(sorted(_INPUT_KEYS))} and nothing else"
    yield from _chat(asked.get("messages") if isinstance(asked, dict) else None, method)
    fit.check(messages.plain(_preference(row, form, method)), _as_documented(form, method))


def _chat(chat: Any, method: Method) -> Iterator[str]:
    if not isinstance(chat, list) or not chat or not all(isinstance(message, dict) for message in chat):
        yield "messages is not a list of messages"
        return
    for message in chat:
        if message.get("role") not in _ROLES[method]:
            yield f"role {message.get('role')!r}: {method} lines take {', '.join(sorted(_ROLES[method]))}"
        for key in sorted(message.keys() - _MESSAGE_KEYS):
            yield f"key {key!r} in a message: the API knows {', '.join(sorted(_MESSAGE_KEYS))}"


def _preference(row: dict[str, Any], form: Format, method: Method) -> Mapping[str, Any]:
    """The line as the rules of what fits look at it."""
    if method == "rft":
        return {"prompt": row["messages"], "tools": row.get("tools")}
    assert form.back is not None
    found = form.back(row)
    return {**found, "prompt": [_seen(m) for m in found["prompt"]]} if method == "sft" else found


def _seen(message: Mapping[str, Any]) -> Mapping[str, Any]:
    """A user's message with its images as text: supervised fine-tuning takes them, though no export writes any."""
    content = message.get("content")
    if message.get("role") != "user" or not isinstance(content, list):
        return message
    images = [part for part in content if isinstance(part, dict) and part.get("type") == "image_url"]
    return {**message, "content": "(an image)"} if images else message


def _as_documented(form: Format, method: Method) -> Format:
    """The format with any role, since those of the line have been looked at before `plain` renamed them."""
    return replace(form, roles=_TRAINED | _ROLES[method], sides=frozenset() if method == "rft" else form.sides)
