"""Whether a consumer would take a file, by its documented rules, with line numbers; and the file without its faults.

One pass, a line at a time. Of each row 40 bytes are kept, to find what only the whole file shows: rows that come
twice, answers that are chosen in one row and rejected in another, prompts that a held-out file asks too. A file of
2 GB with 1.2 million rows took 211 MB. With evaluation sets to compare with, 8 bytes are kept of each of their runs.
Per second of one core: 61 MB by the rules alone, 10 MB with tokens, 7 MB against evaluation sets, 6 MB for
personal data.
"""

from __future__ import annotations

import codecs
import hashlib
import json
from array import array
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from judgegen.errors import PriceUnknown, SpecError
from judgegen.exchange import spelling
from judgegen.exchange.contamination import WORDS, Overlap, Sets
from judgegen.exchange.mending import fix, form_of, has_half
from judgegen.exchange.personal import REGION, Found, Seeker, Way
from judgegen.finetune.cost import Cost, Count, counted, estimate, unpriced
from judgegen.finetune.rows import Method, examples
from judgegen.formats import messages, preferred, rules
from judgegen.formats.chat_rules import Fault
from judgegen.formats.consumers import consumer
from judgegen.formats.format import Format, Unfit
from judgegen.llm import tokens
from judgegen.llm.tokens import encoding_name
from judgegen.llm.training_prices import table
from judgegen.sources.lines import opened
from judgegen.sources.lines import size as size_of

LINES_KEPT = 20
"""Line numbers kept per fault."""
_METHODS: Mapping[str, Method] = {"openai-sft": "sft", "openai-rft": "rft"}
_DUPLICATE = "the row stands in the file before"
_CONTRADICTION = "an answer to one prompt is chosen in one row and rejected in another"
_LEAK = "the prompt stands in the other file too: the split leaks"
_CONTAMINATED = "the prompt shares a run of words with an evaluation set"


@dataclass(slots=True, kw_only=True)
class Finding:
    """One fault: how many lines have it, and the first of them; `first` says what is known of the first one besides.

    None of it is about lines where `lines` is empty.
    """

    words: str
    fatal: bool
    count: int = 0
    lines: list[int] = field(default_factory=list)
    first: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What was found.

    Attributes:
        rows: lines that are not blank.
        findings: fatal ones first, the most frequent first.
        lengths: characters of prompt, chosen and rejected at the 0th, 50th, 95th and 100th percentile.
        tokens: the same percentiles of an example's tokens, the longer side counted; empty where they were not counted.
        margins: the same percentiles of the margins, where rows have them.
        left_out: lines that `fixed` left out; None where nothing was to be fixed.
        overlaps: of the first prompts that share a run of words with an evaluation set, which run and which set.
        cost: of the training, where tokens were counted for OpenAI or Azure (whose money is unknown, so None).
        cost_unknown: why there is none, where OpenAI has no price or takes no more jobs for the model.
        personal: values of personal data by kind; None where none was looked for.
    """

    file: str
    consumer: str
    rows: int
    size: int
    findings: tuple[Finding, ...]
    lengths: Mapping[str, tuple[float, ...]]
    margins: tuple[float, ...]
    tokens: tuple[float, ...] = ()
    left_out: int | None = None
    overlaps: tuple[Overlap, ...] = ()
    personal: Mapping[str, Found] | None = None
    cost: Cost | None = None
    cost_unknown: str | None = None

    @property
    def refused(self) -> bool:
        """Whether the consumer would refuse the file."""
        return any(finding.fatal for finding in self.findings)


def _path(given: str | Path | None) -> Path | None:
    return None if given is None else Path(given)


def validate(
    path: str | Path,
    name: str | Format,
    *,
    other: str | Path | None = None,
    fixed: str | Path | None = None,
    model: str | None = None,
    today: date | None = None,
    against: Sequence[Path] = (),
    ngram: int = WORDS,
    pii: Way | None = None,
    region: str = REGION,
    flagged: Mapping[int, Sequence[str]] | None = None,
) -> Findings:
    """Check a JSONL file, gzipped or not, by the rules of the consumer `name`.

    Args:
        path: the file.
        name: a key of `judgegen.formats.consumers.CONSUMERS`, or a format that stands in none.
        other: the file on the other side of the split, whose prompts must not be in this one.
        fixed: where the file goes without the lines that have fatal faults, repeat or contradict others; with the
            byte order mark that the consumer wants.
        model: counts tokens as this model does, where the lines are OpenAI's and nothing fatal was found.
        today: the day on which the training's cost is estimated; by default it is this one, in UTC.
        against: evaluation sets; a prompt that shares a run of words with one is a warning, and not in `fixed`.
        ngram: words in such a run.
        pii: "report" counts personal data, "mask" also puts its kinds in its place in `fixed`.
        region: whose phone numbers those without a country code are.
        flagged: by line what a guard flags it for; a warning each, and not in `fixed`.

    Raises:
        SpecError: no such consumer, one whose files are not JSONL, a file that cannot be read, or a mask without a
            file to put it in.
    """
    form = name if isinstance(name, Format) else consumer(name)
    path, other, fixed = Path(path), _path(other), _path(fixed)
    if form.suffix != ".jsonl":
        raise SpecError(f"{form.name} reads Parquet, which has its columns by construction; validate checks JSONL")
    if pii == "mask" and fixed is None:
        raise SpecError("--pii mask writes another file; say which with --fix OUT")
    seeker = None if pii is None else Seeker(region)
    check = _Check(form, sets=Sets(against, ngram) if against else None, seeker=seeker)
    try:
        check.read(path, limit=form.limits.tokens if model is None else None)
        leaked = _Check(form)
        if other is not None:
            leaked.read(other)
        check.across(leaked)
        check.flag(flagged or {})
        if fixed is not None and not check.whole:
            raise SpecError(f"{path}: {spelling.of_file(path)}; then --fix can look at its lines")
        left_out = None if fixed is None else fix(path, fixed, form, check.bad, seeker if pii == "mask" else None)
        if model is not None:
            check.count_tokens(path, model, today or datetime.now(UTC).date())
    except (OSError, EOFError) as error:
        raise SpecError(
            f"{getattr(error, 'filename', None) or path}: cannot be read ({getattr(error, 'strerror', None) or error})"
        ) from None
    return check.report(path, left_out)


class _Check:
    """One pass over a file, and what is kept of it."""

    def __init__(self, form: Format, *, sets: Sets | None = None, seeker: Seeker | None = None) -> None:
        self.bad: set[int] = set()
        self.prompts = array("Q")
        self.whole = True
        self._form, self._sets, self._seeker = form, sets, seeker
        self._overlaps: list[Overlap] = []
        self._cost: Cost | None = None
        self._cost_unknown: str | None = None
        self._findings: dict[str, Finding] = {}
        self._chosen, self._rejected, self._numbers = array("Q"), array("Q"), array("I")
        self._lengths = {part: array("I") for part in ("prompt", "chosen", "rejected")}
        self._margins, self._tokens = array("d"), array("I")
        self._rows = 0

    def read(self, path: Path, *, limit: int | None = None) -> None:
        """Check every line, then what the file as a whole shows; `limit` is the most tokens of an example."""
        if words := spelling.of_file(path):
            self._tell(Fault(words))
            self.whole = False
            return
        preferred_shape = rules.is_preferred(self._form)
        with opened(path) as lines:
            for number, raw in enumerate(lines, 1):
                line = self._marked(raw) if number == 1 else raw
                row = self._parsed(line, number)
                if row is None:
                    continue
                self._rows += 1
                if self._seeker is not None:
                    self._seeker.count(row, number)
                if limit is not None and len(line) > limit:
                    self._count_long(row, number, limit)
                if preferred_shape and rules.sound(row) and _once(line, row):
                    self._keep(row["input"]["messages"], row["preferred_output"], row["non_preferred_output"], number)
                else:
                    self._faults(row, number, line)
                    self._keep_odd(row, number)
        self._whole(path)

    def _marked(self, first: bytes) -> bytes:
        """The first line without its byte order mark, which some need and the others cannot read."""
        marked = first.startswith(codecs.BOM_UTF8)
        if self._form.bom and not marked:
            self._tell(Fault(f"no byte order mark at its start, which {self._form.name} asks for"))
        if marked and not self._form.bom:
            self._tell(Fault("a byte order mark at its start, which JSON readers stumble over"))
        return first.removeprefix(codecs.BOM_UTF8)

    def _parsed(self, line: bytes, number: int) -> Any:
        """The value of a line; None for a blank one or one that is none, which are told of."""
        if not line.strip():
            self._tell(Fault("a blank line"), number)
            return None
        try:
            return spelling.parsed(line)
        except spelling.NotJson as error:
            self._rows += 1
            self._tell(Fault(str(error)), number, error.detail)
        return None

    def _faults(self, row: Any, number: int, line: bytes) -> None:
        for fault in rules.faults(row, form_of(row, self._form)):
            self._tell(fault, number)
        if b"\\ud" in line.lower() and has_half(row):
            self._tell(Fault("half of a character (a lone surrogate)", fatal=not self._form.halves), number)
        if (twice := spelling.twice(line)) is not None:
            self._tell(Fault(f"the key {twice!r} stands twice in one object"), number)

    def _tell(self, fault: Fault, number: int | None = None, detail: str | None = None) -> None:
        finding = self._findings.setdefault(fault.words, Finding(words=fault.words, fatal=fault.fatal))
        finding.count += 1
        if finding.count == 1 and detail is not None:
            finding.first = f"line {number}, {detail}"
        if number is not None and len(finding.lines) < LINES_KEPT:
            finding.lines.append(number)
        if number is not None and fault.fatal:
            self.bad.add(number)

    def _count_long(self, row: Any, number: int, limit: int) -> None:
        """Count the tokens of a line that has bytes enough to be above the limit; no token is shorter than a byte."""
        with suppress(Unfit, AttributeError, KeyError, TypeError, IndexError, ValueError):
            found = rules.preference(row, self._form) or {}
            encoding, guessed = encoding_name(self._form.limits.model)
            sides = [tokens.count_messages(found[side], encoding) for side in ("chosen", "rejected") if found.get(side)]
            if tokens.count_messages(found["prompt"], encoding) + max(sides, default=0) > limit:
                by = f" by the tokens of {encoding}" if guessed else ""
                self._tell(Fault(f"more than {limit:,} tokens{by}: cut at the end", fatal=False), number)

    def _keep_odd(self, row: Any, number: int) -> None:
        """Keep what there is to keep of a row of any shape; nothing of one that holds no preference."""
        try:
            found = rules.preference(row, self._form) or {}
            self._keep(found["prompt"], found.get("chosen") or [], found.get("rejected") or [], number)
        except (Unfit, AttributeError, KeyError, TypeError, IndexError, ValueError):
            return
        if isinstance(margin := found.get("margin"), int | float):
            self._margins.append(margin)

    def _keep(self, prompt: list[Any], chosen: list[Any], rejected: list[Any], number: int) -> None:
        """Keep hashes and lengths of a row."""
        key = messages.prompt_key(prompt)
        asked = sum([len(messages.text(message)) for message in prompt])
        good, bad = _side(chosen, key), _side(rejected, key)
        if not chosen and not rejected:
            good = (int.from_bytes(key[8:]) | 1, 0)  # a row that holds a prompt alone is that prompt
        self._numbers.append(number)
        self.prompts.append(int.from_bytes(key[:8]))
        self._chosen.append(good[0])
        self._rejected.append(bad[0])
        for kept, length in zip(self._lengths.values(), (asked, good[1], bad[1]), strict=True):
            kept.append(length)
        if self._sets is not None and (overlap := self._sets.overlap(prompt, number)) is not None:
            self._tell(Fault(_CONTAMINATED, fatal=False), number)
            self.bad.add(number)
            self._overlaps += [overlap] if len(self._overlaps) < LINES_KEPT else []

    def _whole(self, path: Path) -> None:
        limits, name = self._form.limits, self._form.name
        if self._rows < limits.rows:
            self._tell(Fault(f"{self._rows} rows; {name} needs at least {limits.rows}"))
        if limits.most_rows is not None and self._rows > limits.most_rows:
            self._tell(Fault(f"{self._rows:,} rows; {name} takes at most {limits.most_rows:,}"))
        size = size_of(path)
        if limits.size is not None and size > limits.size:
            self._tell(Fault(f"{size:,} bytes; {name} takes at most {limits.size:,}"))
        if name.startswith("openai-") and path.suffix != ".jsonl":
            self._tell(Fault(f"named {path.name}; the API takes files named .jsonl"))

    def across(self, test: _Check) -> None:
        """What rows say of one another, and of the file that is tested on."""
        for why in self._form.limits.test_faults(test._rows, self._rows):
            self._tell(Fault(why))
        import numpy as np

        chosen, rejected = (np.frombuffer(kept, dtype=np.uint64) for kept in (self._chosen, self._rejected))
        both = np.bitwise_xor(chosen, rejected * np.uint64(3))
        _, first = np.unique(both, return_index=True)
        again = np.ones(len(both), dtype=bool)
        again[first] = False
        answers = np.intersect1d(chosen[chosen != 0], rejected[rejected != 0])
        opposite = np.isin(chosen, answers) | np.isin(rejected, answers)
        asked = np.frombuffer(self.prompts, dtype=np.uint64)
        leaks = np.isin(asked, np.frombuffer(test.prompts, dtype=np.uint64))
        for words, found in ((_DUPLICATE, again), (_CONTRADICTION, opposite), (_LEAK, leaks)):
            for place in np.flatnonzero(found):
                self._tell(Fault(words, fatal=False), self._numbers[place])
                self.bad.add(self._numbers[place])

    def flag(self, flagged: Mapping[int, Sequence[str]]) -> None:
        """Tell of what a guard flags, by category, and leave those lines out."""
        for number, categories in flagged.items():
            for name in categories:
                self._tell(Fault(f"a side is flagged: {name}", fatal=False), number)
            self.bad.add(number)

    def count_tokens(self, path: Path, model: str, today: date) -> None:
        """Count every example's tokens, tell of those that are cut, and price them."""
        method = _METHODS.get(self._form.name) or ("dpo" if rules.is_preferred(self._form) else None)
        if method is None:
            raise SpecError(f"--model counts the tokens of OpenAI's lines; {self._form.name} has its own tokenizer")
        if any(finding.fatal for finding in self._findings.values()):
            return
        self._price(path, model, method, self._counted(path, model, method), today)

    def _counted(self, path: Path, model: str, method: Method) -> Count:
        """The examples' tokens, added up as they are billed."""
        base, count = table().find(model), Count()
        own = None if base is None else base.example_tokens
        limit = own or self._form.limits.tokens
        for number, example in enumerate(examples(path, method, encoding_name(model)[0]), 1):
            count += counted(example, own)
            self._tokens.append(example.prompt + max(example.sides, default=0))
            if limit is not None and self._tokens[-1] > limit:
                self._tell(Fault(f"more than {limit:,} tokens: cut at the end", fatal=False), number)
        return count

    def _price(self, path: Path, model: str, method: Method, count: Count, today: date) -> None:
        if self._form.name == "azure-dpo":
            self._cost = unpriced(path, model, method, today=today, count=count)
        elif self._form.name.startswith("openai-"):
            try:
                self._cost = estimate(path, model, today=today, method=method, count=count)
            except (SpecError, PriceUnknown) as error:
                self._cost_unknown = str(error)

    def report(self, path: Path, left_out: int | None) -> Findings:
        """All of it."""
        findings = sorted(self._findings.values(), key=lambda found: (not found.fatal, -found.count, found.words))
        return Findings(
            file=str(path),
            consumer=self._form.name,
            rows=self._rows,
            size=size_of(path),
            findings=tuple(findings),
            lengths={part: _percentiles(kept) for part, kept in self._lengths.items()},
            margins=_percentiles(self._margins),
            tokens=_percentiles(self._tokens),
            left_out=left_out,
            cost=self._cost,
            cost_unknown=self._cost_unknown,
            overlaps=tuple(self._overlaps),
            personal=None if self._seeker is None else dict(sorted(self._seeker.found.items())),
        )


def _side(side: list[Any], prompt: bytes) -> tuple[int, int]:
    """A side as a number that it shares with the same answer to the same prompt, and its length; 0, 0 without one."""
    if not side:
        return 0, 0
    words = messages.text(side[0])
    called = json.dumps(side[0]["tool_calls"]) if side[0].get("tool_calls") else ""
    said = prompt + f"{words}\x1f{called}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(said, digest_size=8).digest()) | 1, len(words)


def _percentiles(kept: array[int] | array[float]) -> tuple[float, ...]:
    import numpy as np

    return tuple(float(x) for x in np.percentile(np.asarray(kept), (0, 50, 95, 100))) if kept else ()


_KEYS = tuple(key.encode() for key in (*preferred.KEYS, "messages"))


def _once(line: bytes, row: Mapping[str, Any]) -> bool:
    """Whether the keys of a sound row certainly stand once each, and no half of a character among its texts."""
    if b"\\u" in line and (b"\\ud" in line or b"\\uD" in line):
        return False
    count = len(row["input"]["messages"]) + 2
    if line.count(b'":') == 2 * count + len(_KEYS):  # as many keys as there ought to be, and no text with such a mark
        return True
    each = (line.count(b'"role"'), line.count(b'"content"'))
    return each == (count, count) and all(line.count(b'"%b"' % key) == 1 for key in _KEYS)
