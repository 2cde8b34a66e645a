"""Plain text: every line that is not blank is a prompt, kept as it stands without its line end."""

from __future__ import annotations

import json
from pathlib import Path

from judgegen.sources.lines import lines
from judgegen.sources.rows import Bad, ReadError, Row, RowError, Rows


def rows(path: Path) -> Rows:
    """One row of text per line.

    Raises:
        ReadError: its lines look like JSON, which would be paid for as prompts; or see `judgegen.sources.lines.lines`.
    """
    first = True
    for line in lines(path):
        try:
            text = line.text().removesuffix("\n").removesuffix("\r")
        except RowError as error:
            yield Bad(line=line.number, why=str(error))
            continue
        if text.strip():
            begun = text.strip() in ("[", "{") or (text.startswith(('{"', "[{")) and is_json(text))
            if first and begun:
                mend = 'call it .jsonl or .json; what is JSON and to be asked is written {"prompt": "…"}'
                raise ReadError(line.number, f"holds JSON under another name, and each line would be asked: {mend}")
            first = False
            yield Row(line=line.number, value=text)


def is_json(text: str) -> bool:
    """Whether a text is JSON."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
