"""Plain text: every line that is not blank is a prompt, kept as it stands without its line end."""

from __future__ import annotations

from pathlib import Path

from judgegen.sources.lines import lines
from judgegen.sources.rows import Bad, ReadError, Row, RowError, Rows


def rows(path: Path, *, named_so: bool) -> Rows:
    """One row of text per line.

    Raises:
        ReadError: the file's name does not say that it is text (`named_so`) and its lines look like JSON, which would
            be paid for as prompts; or see `judgegen.sources.lines.lines`.
    """
    first = True
    for line in lines(path):
        try:
            text = line.text().removesuffix("\n").removesuffix("\r")
        except RowError as error:
            yield Bad(line=line.number, why=str(error))
            continue
        if text.strip():
            if first and not named_so and text.startswith(('{"', "[{")):
                raise ReadError(
                    None, "looks like JSON by another name; call it .jsonl or .json, or .txt to ask its lines"
                )
            first = False
            yield Row(line=line.number, value=text)
