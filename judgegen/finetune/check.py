"""Whether a provider would take a fine-tuning file, found out before anything is uploaded.

The rules are those of the formats, as `judgegen validate` has them, for the files that Azure takes besides as well. One
pass, a line at a time. Knows nothing of models, tokens or prices.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from judgegen.errors import SpecError
from judgegen.finetune.rows import MOST_PROBLEMS, Method, lines, parsed
from judgegen.formats import messages, rules
from judgegen.formats.consumers import CONSUMERS
from judgegen.formats.format import Format

Service = Literal["openai", "azure"]
MARK = b"\xef\xbb\xbf"
MOST_VALIDATION_ITEMS = 1_000  # of rft (reinforcement fine-tuning guide)


def form_of(service: Service, method: Method) -> Format:
    """What the service reads for this method; where Azure has no page of its own, OpenAI's files with a mark."""
    known = CONSUMERS.get(f"{service}-{method}")
    return known or replace(CONSUMERS[f"openai-{method}"], bom=service == "azure")


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
        export = f"`judgegen export --to {form.name}` writes one"
        mend = export if CONSUMERS[form.name].bom else "in Python, encoding='utf-8-sig' writes one"
        yield f": has no byte order mark, which Azure asks for; {mend}"
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
    if rules.is_preferred(form) and rules.sound(row):
        return None
    fatal = (fault.words for fault in rules.faults(row, form) if fault.fatal)
    return next(fatal, None) or (_unanswered(row) if method == "sft" else None)


def _unanswered(row: Mapping[str, Any]) -> str | None:
    """A conversation that is trained on ends in what the assistant is to say."""
    last = row["messages"][-1]
    if last["role"] != "assistant":
        return f"the last message is of role {last['role']!r}, not the assistant's"
    return "the last message says nothing" if messages.says_nothing(last) else None
