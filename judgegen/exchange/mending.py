"""The good lines of a checked file as another file, without personal data where that is asked for.

Knows which lines are bad only from who calls; looks again at the lines that masking changes.
"""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from judgegen.exchange.personal import Seeker
from judgegen.formats import plainly, rules
from judgegen.formats.format import Format
from judgegen.sources.lines import opened
from judgegen.writer.files import part_of, put_in_place


def fix(path: Path, fixed: Path, form: Format, bad: set[int], seeker: Seeker | None) -> int:
    """Copy the good lines, masked where there is a seeker; the number of those left out."""
    left_out = len(bad)
    part_of(fixed).parent.mkdir(parents=True, exist_ok=True)
    with part_of(fixed).open("wb") as out:
        out.write(codecs.BOM_UTF8 if form.bom else b"")
        for line in _good(path, bad):
            if (kept := line if seeker is None else _masked(line, form, seeker)) is None:
                left_out += 1
            else:
                out.write(kept.rstrip(b"\r\n") + b"\n")
    put_in_place(fixed)
    return left_out


def _masked(line: bytes, form: Format, seeker: Seeker) -> bytes | None:
    """The line without personal data; as it was where it has none, None where its sides differed in nothing else."""
    row = json.loads(line)
    masked = seeker.masked(row)
    if masked == row:
        return line
    if any(fault.fatal for fault in rules.faults(masked, form_of(masked, form))):
        return None
    return json.dumps(masked, ensure_ascii=has_half(masked)).encode()


def _good(path: Path, bad: set[int]) -> Iterator[bytes]:
    with opened(path) as lines:
        for number, line in enumerate(lines, 1):
            if number not in bad:
                yield line.removeprefix(codecs.BOM_UTF8) if number == 1 else line


def form_of(row: Any, form: Format) -> Format:
    """The form that a row has: with plain strings where its prompt is one."""
    strings = form.standard is not None and isinstance(row, dict) and isinstance(row.get("prompt"), str)
    return form.standard if strings and form.standard is not None else form


def has_half(value: Any) -> bool:
    """Whether a text in it has half of a character (a lone surrogate)."""
    if isinstance(value, str):
        return plainly.has_half(value)
    inner: Iterable[Any] = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(has_half(item) for item in inner)
