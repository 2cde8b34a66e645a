"""Every derived file of a run folder, written together: nothing is in its place before all of it is whole.

Takes results in prompt order, one at a time, in bounded memory. Knows nothing of where results come from.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from judgegen.formats import fit
from judgegen.formats.consumers import consumer
from judgegen.formats.format import Unfit
from judgegen.llm.tokens import count, count_messages
from judgegen.records import Pair, Result
from judgegen.writer.audit import Audit
from judgegen.writer.files import json_line, part_of, put_in_place, write_text
from judgegen.writer.rows import preference
from judgegen.writer.summary import Summary

PREFERENCES = "preferences.jsonl"


class Outputs:
    """Add results, then finish; left without finishing, the folder is as it was."""

    def __init__(self, folder: Path, *, stamp: Mapping[str, str], formats: Sequence[str], encoding: str) -> None:
        self._folder, self._formats = folder, {name: consumer(name) for name in formats}
        self._summary = Summary()
        self._asked: Counter[str] = Counter()
        self._left_out: dict[str, Counter[str]] = {name: Counter() for name in formats}
        self._count_messages = partial(_messages, encoding)
        self._count = partial(_text, encoding)
        self._open = ExitStack()
        self._audit = Audit(folder / "audit", stamp)
        self._open.callback(self._audit.abandon)
        names = [PREFERENCES, *(f"{name}.jsonl" for name in formats)]
        self._files: dict[str, IO[str]] = {name: self._part(folder / name) for name in names}

    def _part(self, path: Path) -> IO[str]:
        self._open.callback(part_of(path).unlink, missing_ok=True)
        return self._open.enter_context(part_of(path).open("w", encoding="utf-8", newline="\n"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    def add(self, result: Result) -> None:
        """Add what one prompt came to."""
        self._summary.add(result)
        self._audit.add(result)
        self._asked.update(call.id for call, _ in result.calls)
        for pair in result.pairs:
            self._pair(result, pair)

    def _pair(self, result: Result, pair: Pair) -> None:
        row = preference(result, pair, count_messages=self._count_messages, count=self._count)
        self._files[PREFERENCES].write(json_line(row))
        for name, form in self._formats.items():
            try:
                fit.check(row, form)
            except Unfit as reason:
                self._left_out[name][str(reason)] += 1
            else:
                self._files[f"{name}.jsonl"].writelines(json_line(line) for line in form.rows(row))

    def finish(self, extra: Mapping[str, Any]) -> dict[str, Any]:
        """Put everything in its place; the summary, with `extra` keys added, is written last and returned."""
        summary = {**self._row(), **extra}
        for file in self._files.values():
            file.close()
        for name in self._files:
            put_in_place(self._folder / name)
        self._audit.finish()
        self._open.pop_all()
        write_text(self._folder / "summary.json", json.dumps(summary, indent=2, ensure_ascii=False) + "\n")
        return summary

    def _row(self) -> dict[str, Any]:
        row = self._summary.row()
        repeats = sum(times - 1 for times in self._asked.values())
        left_out = {name: dict(sorted(reasons.items())) for name, reasons in self._left_out.items()}
        formats = {
            name: {"rows": row["pairs"] - sum(left_out[name].values()), "left_out": left_out[name]} for name in left_out
        }
        return {**row, "calls": {**row["calls"], "from_journal": repeats}, "formats": formats}


def _messages(encoding: str, messages: Sequence[Mapping[str, Any]], tools: Sequence[Mapping[str, Any]]) -> int:
    return count_messages(messages, encoding, tools=tools)


def _text(encoding: str, text: str) -> int:
    return count(text, encoding)
