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
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judgegen.errors import SpecError
from judgegen.exchange.parts import Parts, check_apart, spool
from judgegen.exchange.plain_rows import plan
from judgegen.exchange.plain_rows import preference as plain_row
from judgegen.exchange.repeats import Repeats
from judgegen.formats.format import Row, Unfit
from judgegen.formats.origin import Origin, Pairs, Read, checked, preferences, read, together, under
from judgegen.formats.origins import OWN, known_by, origin
from judgegen.sources import files, memory
from judgegen.sources.columns import Mapped
from judgegen.sources.folders import rows_through, split_and_folder
from judgegen.sources.lines import opened, zipped
from judgegen.sources.mapping import met, parsed_mapping
from judgegen.sources.readings import Names
from judgegen.sources.rows import Bad, ReadError, RowError
from judgegen.sources.rows import Row as Found
from judgegen.sources.shapes import PROBE, looked_at
from judgegen.stores.sending import outgoing
from judgegen.writer.files import compact_line, json_line

if TYPE_CHECKING:
    import pandas as pd

_HUB = re.compile(r"[\w.-]+/[\w.-]+(?::[\w.]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """A row that is no preference. `line` is where it stood, from 1; `raw` what stood there, as far as it was read."""

    line: int
    reason: str
    raw: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What an import came to: `rows` written, rejects by reason, and every file written, the rejects' last.

    `pairs` of the rows have both sides, the others one; `repeats` say what an earlier row says.
    """

    paths: tuple[Path, ...]
    rows: int
    pairs: int
    repeats: int = 0
    rejects: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What one may say of how rows are read.

    Attributes:
        system: becomes the first message of every prompt.
        mapping: what a column is that no list knows, as {"chosen": "resp_good"} or ["chosen=resp_good,prompt=q"].
        pairs: of several rated answers "all" pairs, or the "best-worst" alone.
        prompt_from_prefix: where two texts stand without a prompt, the words that both begin with are it.
    """

    system: str | None = None
    mapping: Mapping[str, str] | Sequence[str] = ()
    pairs: Pairs = "all"
    prompt_from_prefix: bool = False


def imported(
    source: str | Path | pd.DataFrame | Iterable[Mapping[str, Any]],
    name: str | None = None,
    *,
    system: str | None = None,
    encoding: str = "utf-8",
    wishes: Wishes | None = None,
) -> Iterator[Row | Reject]:
    """Preferences of the shape `name`, or of whatever shape the rows' columns say, in the order of the rows.

    Args:
        source: a JSONL, JSON, CSV, TSV, Parquet or Arrow file, each also packed; a folder of such files, or one split
            of it as "FOLDER:SPLIT"; a hub data set as
            "owner/name" or "owner/name:split" where `datasets` is installed; a DataFrame; or rows in memory.
        name: a key of `judgegen.formats.origins.ORIGINS`.
        system: becomes the first message of every prompt.
        encoding: of a text file that is not UTF-8, by Python's name for it ("cp1252").
        wishes: what else is to be said of how rows are read.

    Raises:
        SpecError: no such shape, file or encoding, or a file that cannot be read on, after the rows before that.
    """
    shape = None if name is None else origin(name)
    said = wishes or Wishes()
    said = said if system is None else replace(said, system=system)
    try:
        mapped = _of_preferences(parsed_mapping(said.mapping))
        rows, doubtful = looked_at(_rows(source, encoding))
        names = Names(mapped=mapped, unsure=doubtful)
        yield from _Reader(shape=shape, names=names, wishes=said).read(met(rows, mapped))
    except RowError as error:
        raise SpecError(f"--map: {error}") from None
    except ReadError as error:
        place = "" if error.line is None else f"line {error.line}: "
        raise SpecError(f"{_where(source)}: {place}{error}") from None


def _of_preferences(mapped: Mapped) -> Mapped:
    """What is mapped, if a preference can hold it."""
    if any(meaning == "rater" for meaning, _ in mapped):
        raise RowError("a preference has no rater: people's ratings are read by judge check, calibrate, align, compare")
    return mapped


def probed(source: Any, encoding: str) -> tuple[list[Found | Bad], bool]:
    """The first rows of what `imported` takes, and whether they are all.

    Raises:
        SpecError: it cannot be read.
    """
    try:
        found = list(islice(_rows(source, encoding), PROBE + 1))
    except ReadError as error:
        place = "" if error.line is None else f"line {error.line}: "
        raise SpecError(f"{_where(source)}: {place}{error}") from None
    return found[:PROBE], len(found) <= PROBE


def _where(source: Any) -> str:
    return str(source) if isinstance(source, str | Path) else "rows"


def import_file(
    source: str | Path | pd.DataFrame | Iterable[Mapping[str, Any]],
    name: str | None,
    out: Path,
    *,
    system: str | None = None,
    encoding: str = "utf-8",
    wishes: Wishes | None = None,
) -> Imported:
    """Write the preferences of `source` to `out`, in the shape of preferences.jsonl, and the rejects beside it.

    Raises:
        SpecError: as `imported`; or nothing in it is a preference, or `out` is what is read.
    """
    check_apart(source, out)
    with outgoing(out) as going:
        done = _import_file(source, name, going.path, system=system, encoding=encoding, wishes=wishes)
        return replace(done, paths=going.places(done.paths))


def _import_file(source: Any, name: str | None, out: Path, **how: Any) -> Imported:
    refused = out.with_name(f"{out.name.removesuffix('.jsonl')}.rejects.jsonl")
    rejects, sides = Counter[str](), Counter[str]()
    with Parts({"rows": out, "rejects": refused}, as_they_come=True) as parts, Repeats(partial(spool, out)) as repeats:
        for row in imported(source, name, **how):
            if isinstance(row, Reject):
                rejects[row.reason] += 1
                parts["rejects"].add(_told(row))
            else:
                sides["pairs" if row.get("chosen") and row.get("rejected") else "alone"] += 1
                data = compact_line(row)
                repeats.add(data)
                parts["rows"].add(data)
        rows = parts.rows["rows"]
        if not rows:
            shape = f" of the shape {name}" if name else ""
            raise SpecError(f"{_where(source)}: nothing in it is a preference{shape}{_reasons(rejects)}")
        again = repeats.count()
        parts.land(None)
    if not rejects:
        refused.unlink()
    paths = (out, refused) if rejects else (out,)
    return Imported(
        paths=paths,
        rows=rows,
        pairs=sides["pairs"],
        repeats=again,
        rejects=dict(rejects.most_common()),
    )


def _told(reject: Reject) -> bytes:
    """A reject as a line; what JSON cannot write is told in Python's words."""
    try:
        return json_line({"line": reject.line, "reason": reject.reason, "raw": reject.raw}, halves=True)
    except (TypeError, ValueError):
        return json_line({"line": reject.line, "reason": reject.reason, "raw": repr(reject.raw)}, halves=True)


def _reasons(rejects: Counter[str]) -> str:
    told = "; ".join(f"{count:,}: {reason}" for reason, count in rejects.most_common(5))
    return f" ({told})" if told else ""


@dataclass(slots=True, kw_only=True)
class _Reader:
    """Rows to preferences; rated answers to one prompt that stand in a row are one ranking."""

    shape: Origin | None
    names: Names
    wishes: Wishes
    _held: list[tuple[Read, int, Any]] = field(default_factory=list)

    def read(self, rows: Iterable[Found | Bad]) -> Iterator[Row | Reject]:
        plans = self.plans
        for row in rows:
            if isinstance(row, Bad):
                yield Reject(line=row.line, reason=row.why)
            elif plans and (made := self._plain(row.value)) is not None:
                yield from self._flushed() if self._held else ()
                yield made
            elif not isinstance(row.value, Mapping):
                yield Reject(line=row.line, reason="not an object with columns", raw=row.value)
            else:
                yield from self._row(row.value, row.line)
        yield from self._flushed()

    def _row(self, value: Mapping[str, Any], line: int) -> Iterator[Row | Reject]:
        shape = self.shape or known_by(tuple(value))
        given = _with_prompt(value) if self.wishes.prompt_from_prefix else value
        try:
            if shape.read is not None:
                made = [self._own(given, shape)]
            else:
                found = read(given, shape, self.names)
                if self._held and not _one_question(self._held[-1][0], found):
                    yield from self._flushed()
                if found.grouped:
                    self._held.append((found, line, value))
                    return
                made = preferences(found, shape, system=self.wishes.system, pairs=self.wishes.pairs)
        except Unfit as error:
            yield from self._flushed()
            other = self._another(given)
            yield Reject(line=line, reason=str(error), raw=dict(value)) if other is None else other
            return
        yield from made

    @property
    def plans(self) -> bool:
        """Whether rows are read as they stand, so that what they say is known by their columns."""
        wishes = self.wishes
        return not (self.names.mapped or wishes.system is not None or wishes.prompt_from_prefix)

    def _plain(self, value: Any) -> Row | None:
        how = plan(tuple(value), self.shape.name if self.shape else None) if isinstance(value, Mapping) else None
        return None if how is None else plain_row(value, how)

    def _own(self, value: Mapping[str, Any], shape: Origin) -> Row:
        assert shape.read is not None
        row = shape.read(value)
        if self.wishes.system is not None:
            row["prompt"] = under(row["prompt"], self.wishes.system)
        return checked(row)

    def _another(self, value: Mapping[str, Any]) -> Row | None:
        """The row as a consumer's that reads its own back, where no shape was named and one of them takes it."""
        if self.shape is not None:
            return None
        for shape in OWN:
            try:
                return self._own(value, shape)
            except (Unfit, KeyError, TypeError, ValueError, AttributeError, IndexError):
                continue
        return None

    def _flushed(self) -> Iterator[Row | Reject]:
        held, self._held = self._held, []
        if not held:
            return
        group, value = [one for one, _, _ in held], held[0][2]
        shape = self.shape or known_by(tuple(value))
        try:
            one = together(group) if len(group) > 1 else group[0]
            yield from preferences(one, shape, system=self.wishes.system, pairs=self.wishes.pairs)
        except Unfit as error:
            yield from (Reject(line=number, reason=str(error), raw=dict(raw)) for _, number, raw in held)


def _one_question(first: Read, second: Read) -> bool:
    return second.grouped and first.reading.asked.messages == second.reading.asked.messages


def _alike(first: str, second: str) -> int:
    """How many characters two texts begin with alike."""
    pairs = zip(first, second, strict=False)
    return next((place for place, (a, b) in enumerate(pairs) if a != b), min(len(first), len(second)))


def _with_prompt(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A row of two texts without a prompt, with the whole words that both begin with as its prompt."""
    chosen, rejected = row.get("chosen"), row.get("rejected")
    if "prompt" in row or not isinstance(chosen, str) or not isinstance(rejected, str):
        return row
    shared = chosen.rfind(" ", 0, _alike(chosen, rejected)) + 1
    if not chosen[:shared].strip():
        return row
    return {**row, "prompt": chosen[:shared].rstrip(" "), "chosen": chosen[shared:], "rejected": rejected[shared:]}


def _rows(source: Any, encoding: str) -> Iterator[Found | Bad]:
    if not isinstance(source, str | Path):
        return memory.rows(source, check=_any_columns)
    path, split = split_and_folder(str(source))
    if path.is_dir():
        return rows_through(path, split, partial(_file, encoding=encoding))
    if not path.exists() and _HUB.fullmatch(str(source)):
        return memory.rows(_hub(str(source)), check=_any_columns)
    return _file(path, encoding)


def _any_columns(_: Sequence[str]) -> None:
    """Every column will do: which are needed depends on the shape, row by row."""


def _file(path: Path, encoding: str) -> Iterator[Found | Bad]:
    plain = encoding.lower().replace("_", "-") in ("utf-8", "utf8", "utf-8-sig")
    if plain or not files.is_text(path):
        yield from _with_mend(files.rows(path, check=_any_columns))
        return
    with _as_utf8(path, encoding) as written:
        yield from files.rows(written, check=_any_columns)


def _with_mend(rows: Iterator[Found | Bad]) -> Iterator[Found | Bad]:
    """The rows; what is not UTF-8 is told with the option that names another encoding."""
    try:
        for row in rows:
            yield replace(row, why=_mended(row.why)) if isinstance(row, Bad) else row
    except ReadError as error:
        raise ReadError(error.line, _mended(str(error))) from None


def _mended(why: str) -> str:
    return why.replace("; save the file as UTF-8", "; name its encoding, like --encoding cp1252, or save it as UTF-8")


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
