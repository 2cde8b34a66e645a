"""Prompts from a file, a folder of files, or from rows in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from judgegen.records import Prompt
from judgegen.sources import fields, files, memory
from judgegen.sources.folders import rows_through, split_and_folder
from judgegen.sources.intake import Intake, items
from judgegen.sources.mapping import met, parsed_mapping
from judgegen.sources.readings import Names
from judgegen.stores.urls import shown

if TYPE_CHECKING:
    import pandas as pd

NONE: Mapping[str, str] = MappingProxyType({})


def prompts(path: Path, *, warn: Callable[[str], None], mapping: Mapping[str, str] = NONE) -> Iterator[Prompt]:
    """The prompts of a JSONL, JSON, CSV, TSV, Parquet or plain text file, or of such a file gzipped, as they are read.

    Columns are taken as `judgegen.sources.fields` says. A prompt without an id is named "p-" and 16 hex digits of its
    content; one with the content of an earlier one is left out with a warning. `line` is the 1-based line (in CSV the
    one where the record starts), in Parquet and JSON the row.

    Good prompts come before the error that a later row is: take all of them before you use any. After the first bad
    row none comes, so that the first N are the file's first N or an error.

    Args:
        path: the file, or its URL; its ending says the format, and an unknown one is plain text, a prompt a line. Or a
            folder of such files as the hub lays a data set out, FOLDER:SPLIT where it holds several splits.
        warn: told in a sentence of what was merged and of columns that look misnamed, at most 20 merges one by one.
        mapping: which column says what, where its name does not: {"prompt": "q", "system": "sys", …}.

    Raises:
        SpecError: no such file, not readable as what it is named, no prompts, or rows that are wrong: up to 20 of them
            with their lines, one a line of the message, the rest as a count.
    """
    folder, split = split_and_folder(str(path))
    inside = folder.is_dir()
    intake = Intake(where=shown(path), unit="row" if inside else files.unit(path), noun="prompt", warn=warn)
    names = Names(mapped=parsed_mapping(mapping))
    read = partial(files.rows, check=partial(fields.check_columns, mapped=names.mapped))
    rows = rows_through(folder, split, read) if inside else read(path)
    return items(met(rows, names.mapped), partial(fields.prompt, names=names), fields.remark, intake)


def prompts_from_rows(
    rows: Iterable[Mapping[Any, Any] | str] | pd.DataFrame,
    *,
    where: str,
    warn: Callable[[str], None],
    mapping: Mapping[str, str] = NONE,
) -> Iterator[Prompt]:
    """Prompts from mappings, texts or a pandas DataFrame, by the rules of `prompts`; `where` names them in messages.

    None, NaN, NaT and NA are absent cells, dates become ISO 8601 text, decimals text. `line` is the row, from 1.

    Raises:
        SpecError: as `prompts`.
    """
    intake = Intake(where=where, unit="row", noun="prompt", warn=warn)
    names = Names(mapped=parsed_mapping(mapping))
    found = memory.rows(rows, check=partial(fields.check_columns, mapped=names.mapped))
    return items(met(found, names.mapped), partial(fields.prompt, names=names), fields.remark, intake)
