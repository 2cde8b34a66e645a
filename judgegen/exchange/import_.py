"""Preferences in, from files, frames and hub data sets in the shapes that others publish.

Nothing vanishes: what is no preference comes back as a `Reject` with its line and the reason. Files are read by
`judgegen.sources`, a row at a time. Knows nothing of what happens to the rows.
"""

from __future__ import annotations

import importlib
import io
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judgegen.errors import SpecError
from judgegen.exchange.parts import Parts, line
from judgegen.formats.format import Row, Unfit
from judgegen.formats.origin import Origin, preference
from judgegen.formats.origins import origin
from judgegen.sources import files, memory
from judgegen.sources.lines import opened, zipped
from judgegen.sources.rows import Bad, ReadError
from judgegen.sources.rows import Row as Read

if TYPE_CHECKING:
    import pandas as pd

_HUB = re.compile(r"[\w.-]+/[\w.-]+(?::[\w.]+)?")
_DATA = (".parquet", ".jsonl", ".json", ".csv")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """A row that is no preference. `line` is where it stood, from 1; `raw` what stood there, as far as it was read."""

    line: int
    reason: str
    raw: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import came to: `rows` written, rejects by reason, and every file written, the rejects' last."""

    paths: tuple[Path, ...]
    rows: int
    rejects: Mapping[str, int] = field(default_factory=dict)


def imported(
    source: str | Path | pd.DataFrame | Iterable[Mapping[str, Any]],
    name: str,
    *,
    system: str | None = None,
    encoding: str = "utf-8",
) -> Iterator[Row | Reject]:
    """Preferences of the shape `name`, in the order of the rows.

    Args:
        source: a JSONL, JSON, CSV, TSV or Parquet file, each also gzipped; a folder of such files; a hub data set as
            "owner/name" or "owner/name:split" where `datasets` is installed; a DataFrame; or rows in memory.
        name: a key of `judgegen.formats.origins.ORIGINS`.
        system: becomes the first message of every prompt.
        encoding: of a text file that is not UTF-8, by Python's name for it ("cp1252").

    Raises:
        SpecError: no such shape, file or encoding, or a file that cannot be read on, after the rows before that.
    """
    shape = origin(name)
    try:
        for row in _rows(source, encoding):
            yield _taken(row, shape, system)
    except ReadError as error:
        place = "" if error.line is None else f"line {error.line}: "
        raise SpecError(f"{_where(source)}: {place}{error}") from None


def _where(source: Any) -> str:
    return str(source) if isinstance(source, str | Path) else "rows"


def import_file(
    source: str | Path | pd.DataFrame | Iterable[Mapping[str, Any]],
    name: str,
    out: Path,
    *,
    system: str | None = None,
    encoding: str = "utf-8",
) -> Imported:
    """Write the preferences of `source` to `out`, in the shape of preferences.jsonl, and the rejects beside it.

    Raises:
        SpecError: as `imported`; or nothing in it is a preference.
    """
    refused = out.with_name(f"{out.name.removesuffix('.jsonl')}.rejects.jsonl")
    rejects: Counter[str] = Counter()
    with Parts({"rows": out, "rejects": refused}) as parts:
        for row in imported(source, name, system=system, encoding=encoding):
            if isinstance(row, Reject):
                rejects[row.reason] += 1
                parts["rejects"].add(_told(row))
            else:
                parts["rows"].add(line(row))
        rows = parts.rows["rows"]
        if not rows:
            raise SpecError(f"{_where(source)}: nothing in it is a preference of the shape {name}{_reasons(rejects)}")
        parts.land(None)
    if not rejects:
        refused.unlink()
    paths = (out, refused) if rejects else (out,)
    return Imported(paths=paths, rows=rows, rejects=dict(rejects.most_common()))


def _told(reject: Reject) -> bytes:
    """A reject as a line; what JSON cannot write is told in Python's words."""
    try:
        return line({"line": reject.line, "reason": reject.reason, "raw": reject.raw})
    except (TypeError, ValueError):
        return line({"line": reject.line, "reason": reject.reason, "raw": repr(reject.raw)})


def _reasons(rejects: Counter[str]) -> str:
    told = "; ".join(f"{count:,}: {reason}" for reason, count in rejects.most_common(5))
    return f" ({told})" if told else ""


def _taken(row: Read | Bad, shape: Origin, system: str | None) -> Row | Reject:
    if isinstance(row, Bad):
        return Reject(line=row.line, reason=row.why)
    if not isinstance(row.value, Mapping):
        return Reject(line=row.line, reason="not an object with columns", raw=row.value)
    try:
        return preference(row.value, shape, system=system)
    except Unfit as error:
        return Reject(line=row.line, reason=str(error), raw=dict(row.value))


def _rows(source: Any, encoding: str) -> Iterator[Read | Bad]:
    if not isinstance(source, str | Path):
        return memory.rows(source, check=_any_columns)
    path = Path(source)
    if path.is_dir():
        return _folder(path, encoding)
    if not path.exists() and _HUB.fullmatch(str(source)):
        return memory.rows(_hub(str(source)), check=_any_columns)
    return _file(path, encoding)


def _any_columns(_: Sequence[str]) -> None:
    """Every column will do: which are needed depends on the shape, row by row."""


def _folder(folder: Path, encoding: str) -> Iterator[Read | Bad]:
    """The data files of a folder, or of its data/, one after the other; rows are numbered through."""
    found = sorted(p for p in (*folder.glob("*"), *folder.glob("data/*")) if p.suffix in _DATA)
    if not found:
        raise ReadError(None, f"no {', '.join(_DATA)} file in it or in its data/")
    number = 0
    for path in found:
        for row in _file(path, encoding):
            number += 1
            yield replace(row, line=number)


def _file(path: Path, encoding: str) -> Iterator[Read | Bad]:
    if encoding.lower().replace("_", "-") in ("utf-8", "utf8", "utf-8-sig") or files.suffix(path) in (
        ".parquet",
        ".pq",
    ):
        yield from files.rows(path, check=_any_columns)
        return
    with _as_utf8(path, encoding) as written:
        yield from files.rows(written, check=_any_columns)


@contextmanager
def _as_utf8(path: Path, encoding: str) -> Iterator[Path]:
    """A copy of a text file in UTF-8, line for line, for readers that take nothing else."""
    with tempfile.TemporaryDirectory(prefix="judgegen-") as folder:
        copy = Path(folder) / (path.stem if zipped(path) else path.name)
        try:
            with opened(path) as raw, io.TextIOWrapper(raw, encoding, newline="") as text, copy.open("wb") as out:
                while part := text.read(1 << 20):
                    out.write(part.encode())
        except LookupError:
            raise ReadError(
                None, f"{encoding!r} is no encoding that Python knows; try cp1252, latin-1 or utf-16"
            ) from None
        except UnicodeError as error:
            raise ReadError(None, f"not {encoding} ({error})") from None
        except OSError as error:
            raise ReadError(None, f"cannot be read ({error.strerror or error})") from None
        yield copy


def _hub(name: str) -> Iterator[Mapping[str, Any]]:
    """The rows of a hub data set, streamed; its train split unless another is named."""
    try:
        datasets = importlib.import_module("datasets")
    except ImportError:
        mend = "no such file; as the name of a hub data set it needs `pip install datasets`"
        raise ReadError(None, mend) from None
    path, _, split = name.partition(":")
    try:
        yield from datasets.load_dataset(path, split=split or "train", streaming=True)
    except (OSError, ValueError) as error:
        raise ReadError(None, f"no such file, and the hub gives no such data set ({error})") from None
