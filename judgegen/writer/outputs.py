"""Every derived file of a run folder, written together: nothing is in its place before all of it is whole.

Takes results in prompt order, one at a time; of each call it remembers 16 bytes, so that none is paid for or listed
twice. Knows nothing of where results come from.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from judgegen.formats import fit
from judgegen.formats.consumers import CONSUMERS, consumer
from judgegen.formats.format import Format, Unfit
from judgegen.llm.calls import ID_PREFIX
from judgegen.llm.tokens import count_batch, count_messages
from judgegen.records import Result
from judgegen.textual import clean, parsed
from judgegen.writer import laws
from judgegen.writer.audit import Audit
from judgegen.writer.files import SUFFIX, json_line, part_of, put_in_place, same_bytes
from judgegen.writer.met import Met
from judgegen.writer.rows import Asked, Bill, CountMessages, CountTexts, bill, preferences
from judgegen.writer.summary import Summary

PREFERENCES, SUMMARY = "preferences.jsonl", "summary.json"
EARLIER = "earlier"
"""The folder in a run folder for what was made of earlier preferences."""
_ID_BYTES = 16
"""Of a call's id."""


class Outputs:
    """Add results, then finish; left without finishing, the folder is as it was.

    Args:
        folder: the run folder.
        stamp: what made these files (versions, the run's fingerprint); stands in the metadata of the audit's files.
        formats: names of consumers whose file is rows alone.
        encoding: of the tokens counted in preferences.jsonl.
        thinking: whether the thought of models that think stands before their answers.
        rehearsal: whether all of it is made up; every row and the summary say so then.
        count_messages, count_texts: count them otherwise.

    Raises:
        SpecError: there is no such format.
    """

    def __init__(
        self,
        folder: Path,
        *,
        stamp: Mapping[str, str],
        formats: Sequence[str],
        encoding: str,
        thinking: bool = False,
        rehearsal: bool = False,
        count_messages: CountMessages | None = None,
        count_texts: CountTexts | None = None,
    ) -> None:
        self._folder = folder
        self._rehearsal = rehearsal
        self._summary, self._met = Summary(), Met(_ID_BYTES)
        self._formats = {name: Tailored(consumer(name)) for name in formats}
        self._rows = partial(
            preferences,
            thinking=thinking,
            extra={"rehearsal": True} if rehearsal else {},
            count_messages=count_messages or partial(_messages, encoding),
            count_texts=count_texts or partial(_texts, encoding),
        )
        _sweep(folder)
        self._open = ExitStack()
        names = [PREFERENCES, *map(_file_of, self._formats), SUMMARY]
        try:
            self._audit = Audit(folder / "audit", stamp)
            self._open.callback(self._audit.abandon)
            self._files: dict[str, IO[bytes]] = {name: self._part(folder / name) for name in names}
        except BaseException:
            self._open.close()
            raise

    def _part(self, path: Path) -> IO[bytes]:
        self._open.callback(part_of(path).unlink, missing_ok=True)
        return self._open.enter_context(part_of(path).open("wb"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def add(self, result: Result, billed: Bill | None = None) -> None:
        """Add what one prompt came to; its calls as well, unless they were heard before and are `billed`.

        Raises:
            ValueError: it breaks a law of label integrity.
        """
        laws.hold(result)
        billed = self.heard(result.calls) if billed is None else billed
        rows = list(self._rows(result, spent=billed.spent))
        self._summary.came(result)
        self._audit.came(result, rows, billed)
        for row in rows:
            self._preference(json_line(row))

    def heard(self, calls: Sequence[Asked]) -> Bill:
        """Add the calls of one prompt, whatever it comes to later; what its rows will say of them."""
        fresh = list(self._fresh(calls))
        self._summary.heard(calls, fresh)
        self._audit.heard(fresh)
        return bill(calls)

    def again(self) -> None:
        """Take back every result, to add them settled in another way; the calls that were heard stay."""
        self._summary = self._summary.settled_again()
        self._audit.again()
        for file in self._files.values():
            file.seek(0)
            file.truncate()
        for tailored in self._formats.values():
            tailored.again()

    def _fresh(self, calls: Iterable[Asked]) -> Iterator[Asked]:
        """Those of the calls that were not met before."""
        for call, outcome in calls:
            if self._met.add(bytes.fromhex(call.id.removeprefix(ID_PREFIX))):
                yield call, outcome

    def _preference(self, line: bytes) -> None:
        """Formats are laid out from what is written, so that an export of preferences.jsonl gives the same bytes."""
        self._files[PREFERENCES].write(line)
        for name, tailored in self._formats.items():
            self._files[_file_of(name)].writelines(tailored.lines(parsed(line)))

    def finish(self, extra: Mapping[str, Any]) -> dict[str, Any]:
        """Put everything in its place; the summary, with `extra` keys added, comes last and is returned."""
        counted = {name: tailored.row() for name, tailored in self._formats.items()}
        summary = {**self._summary.row(), "formats": counted, **extra}
        summary |= {"rehearsal": True} if self._rehearsal else {}
        text = clean(json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False))
        self._files[SUMMARY].write(text.encode() + b"\n")
        for file in self._files.values():
            file.close()
        self._audit.close()
        set_aside(self._folder, keep=self._files)
        self._audit.land()
        for name in self._files:
            put_in_place(self._folder / name)
        self._open.pop_all()
        found: dict[str, Any] = json.loads(text)
        return found


def set_aside(folder: Path, *, keep: Collection[str]) -> None:
    """Move what was derived from other preferences than those about to be put in place into EARLIER.

    That is: a consumer's files and a report. What the coming files replace stays, and so does everything where the
    preferences are the same.
    """
    if not (folder / PREFERENCES).exists() or same_bytes(folder / PREFERENCES, part_of(folder / PREFERENCES)):
        return
    for path in sorted(folder.iterdir()):
        if path.name not in keep and path.is_file() and _derived(path.name):
            (folder / EARLIER).mkdir(exist_ok=True)
            path.replace(folder / EARLIER / path.name)


def _derived(name: str) -> bool:
    """Whether a file of this name in a run folder is made of its preferences, and whole."""
    if name.endswith(SUFFIX):
        return False
    return name.startswith("report.") or any(name.startswith(f"{form}.") for form in CONSUMERS)


class Tailored:
    """One consumer's rows, and what was left out of them."""

    def __init__(self, form: Format) -> None:
        self._form = form
        self.again()

    def again(self) -> None:
        """Count from nothing."""
        self._rows, self._left_out = 0, Counter[str]()

    def lines(self, preference: Mapping[str, Any]) -> list[bytes]:
        """The lines of one preference; none where it does not fit, and then the reason is counted."""
        try:
            rows = fit.laid_out(preference, self._form)
        except Unfit as reason:
            self._left_out[str(reason)] += 1
            return []
        self._rows += len(rows)
        return [json_line(row) for row in rows]

    def row(self) -> dict[str, Any]:
        """What the summary says of it."""
        return {"rows": self._rows, "left_out": dict(sorted(self._left_out.items()))}


def _file_of(name: str) -> str:
    return f"{name}.jsonl"


def _sweep(folder: Path) -> None:
    """Clear what a killed writer left beside the files; the audit's tables begin with clearing theirs."""
    for name in (PREFERENCES, SUMMARY, *map(_file_of, CONSUMERS)):
        part_of(folder / name).unlink(missing_ok=True)


def _messages(encoding: str, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]) -> int:
    return count_messages(messages, encoding, tools=tools)


def _texts(encoding: str, texts: Sequence[str]) -> list[int]:
    return count_batch(texts, encoding)
