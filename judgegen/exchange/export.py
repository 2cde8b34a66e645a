"""Preferences out, in the shape of one consumer: what fits is written, what does not is listed with its reason.

The split goes by what a prompt says and by the seed, one prompt at a time: it depends neither on the other rows nor on
their order, and never puts one prompt on both sides. Knows nothing of runs.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from judgegen.errors import SpecError
from judgegen.exchange import columns
from judgegen.exchange.parts import Parts
from judgegen.formats import fit, messages, trl_kto
from judgegen.formats.consumers import consumer
from judgegen.formats.format import Done, Format, Preference, Row, Unfit, Written
from judgegen.writer.files import json_line, write_text

_DATA = (".jsonl", ".json", ".csv", ".parquet")  # endings that promise what is in a file


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What an export came to.

    Attributes:
        paths: every file written, data first.
        counts: rows by split ("train", "test"; "train" alone without a split).
        left_out: (row number from 1, reason) for each preference that is not in the files.
        columns_left_out: columns that only some rows have and that are therefore in none, with how many have them.
        refused_for: why the consumer would refuse files of this length.
        flip_rate: mean(1 - p_chosen) over the exported pairs, the label_smoothing of TRL's robust loss; None without
            p_chosen.
    """

    paths: tuple[Path, ...]
    counts: Mapping[str, int]
    left_out: tuple[tuple[int, str], ...]
    columns_left_out: Mapping[str, int] = field(default_factory=dict)
    refused_for: tuple[str, ...] = ()
    flip_rate: float | None

    def reasons(self) -> dict[str, int]:
        """How many were left out for each reason, the most frequent first."""
        return dict(Counter(reason for _, reason in self.left_out).most_common())


def export(
    rows: Iterable[Preference | Unfit],
    name: str,
    out: Path,
    *,
    split: float | None = None,
    seed: int = 0,
    standard: bool = False,
    facts: Mapping[str, Any] | None = None,
    unpaired: Iterable[Preference] | None = None,
) -> Exported:
    """Write preferences for the consumer `name`.

    Args:
        rows: rows of preferences.jsonl, or what an importer made of others; taken one at a time. An `Unfit` in the
            place of a row is one that could not be read.
        name: a key of `judgegen.formats.consumers.CONSUMERS`.
        out: the file, or the folder where the consumer takes one. With `split` its name gets .train and .test before
            the ending.
        split: the share of prompts that goes to train, between 0 and 1.
        seed: another one, another split.
        standard: plain strings in place of messages.
        facts: what is known of the run, for cards and graders: `summary`, `run` (the run file's table),
            `judge_template` (its text).
        unpaired: rows {prompt, completion, label} that go along, for trl-kto.

    Raises:
        SpecError: no such consumer or form, a split outside 0..1, or no row that fits.
    """
    form = consumer(name, standard=standard)
    if split is not None and not 0 < split < 1:
        raise SpecError(f"split = {split} is not between 0 and 1; 0.9 puts nine prompts of ten into train")
    if unpaired is not None and form.name != trl_kto.FORMAT.name:
        raise SpecError(f"{name} takes pairs; unpaired rows go with {trl_kto.FORMAT.name}")
    files = _files(form, out, split)
    with Parts(files, bom=form.bom) as parts:
        filling = _Filling(form, parts, split, seed)
        left_out = [*filling.take(rows), *filling.take_unpaired(unpaired or ())]
        _check_any(filling, left_out, name)
        _check_sides(parts.rows, split, seed)
        by_reason = Counter(reason for _, reason in left_out)
        done = Done(files=files, rows=parts.rows, left_out=by_reason, tally=filling.tally, facts=facts or {})
        beside = dict(form.companions(done)) if form.companions is not None else {}
        lacking = _land(form, parts, filling.tally)
    for path, text in beside.items():
        write_text(path, text)
    return Exported(
        paths=(*files.values(), *beside),
        counts=done.rows,
        left_out=tuple(left_out),
        columns_left_out=lacking,
        refused_for=tuple(_refused(form, done.rows)),
        flip_rate=filling.tally.flip_rate,
    )


def _land(form: Format, parts: Parts, tally: Written) -> dict[str, int]:
    """Write the files with one schema; the columns that are in none since only some rows have them."""
    if form.columns is not None:
        parts.land(form.columns(frozenset(tally.message_keys)))
        return {}
    plans = columns.plans(parts.columns, form.fill, loose=form.loose, movable=not form.stagger)
    parts.land(plans=plans, spare=form.spare)
    known = form.fill.keys() | form.loose
    return {name: count for name, count in columns.partial(parts.columns).items() if name not in known}


def _check_any(filling: _Filling, left_out: list[tuple[int, str]], name: str) -> None:
    if filling.written:
        return
    if not left_out:
        raise SpecError("there are no preferences to export")
    reasons = "; ".join(f"{count:,}: {reason}" for reason, count in Counter(r for _, r in left_out).most_common(5))
    raise SpecError(
        f"no preference fits {name}, so nothing is written ({reasons}); "
        f"`judgegen inspect` says what a file's rows are, --from NAME reads them as that"
    )


def _check_sides(rows: Mapping[str, int], split: float | None, seed: int) -> None:
    empty = next((side for side, count in rows.items() if not count), None)
    if empty is not None:
        raise SpecError(
            f"split = {split} with seed = {seed} leaves {empty} without a row, which loaders refuse: a prompt goes to "
            "one side whole, so few prompts need another seed or a share nearer to one half"
        )


def _refused(form: Format, rows: Mapping[str, int]) -> Iterator[str]:
    """Why the consumer would refuse the files that were written, by its limits of whole files."""
    for side, count in rows.items():
        told = form.limits.faults(count, form.name, fewest=None if side == "train" else 1)
        yield from (f"{side} has {why}" for why in told)
    yield from (f"{form.name}: {why}" for why in form.limits.test_faults(rows.get("test", 0), rows["train"]))


def _files(form: Format, out: Path, split: float | None) -> dict[str, Path]:
    if not form.folder and out.suffix in _DATA and out.suffix != form.suffix:
        raise SpecError(f"{out}: {form.name} reads {form.suffix} files; give the file that ending")
    parts = ("train",) if split is None else ("train", "test")
    if form.folder:
        return {part: out / "data" / f"{part}-00000-of-00001{form.suffix}" for part in parts}
    if split is None:
        return {"train": out}
    ending = out.suffix or form.suffix
    return {part: out.with_name(f"{out.name.removesuffix(ending)}.{part}{ending}") for part in parts}


def split_of(prompt: Iterable[Mapping[str, Any]], split: float, seed: int) -> str:
    """The side of the split on which a prompt stands: "train" with probability `split` over prompts."""
    key = messages.prompt_key(prompt)
    drawn = hashlib.blake2b(key, digest_size=8, salt=hashlib.blake2b(str(seed).encode(), digest_size=16).digest())
    return "train" if int.from_bytes(drawn.digest()) < split * 2**64 else "test"


class _Filling:
    """Rows into parts. Keeps a count of what passed, and of rows that may stand once their 16-byte keys."""

    def __init__(self, form: Format, parts: Parts, split: float | None, seed: int) -> None:
        self.tally = Written()
        self.written = 0
        self._form, self._parts, self._split, self._seed = form, parts, split, seed
        self._seen: set[Any] = set()

    def take(self, rows: Iterable[Preference | Unfit]) -> Iterator[tuple[int, str]]:
        """Lay out what fits; yield the number and the reason of what does not."""
        for number, preference in enumerate(rows, 1):
            try:
                if isinstance(preference, Unfit):
                    raise preference
                self._write(preference)
            except Unfit as error:
                yield number, str(error)

    def take_unpaired(self, rows: Iterable[Preference]) -> Iterator[tuple[int, str]]:
        """Count rows of one answer; their numbers are their own."""
        for number, row in enumerate(rows, 1):
            try:
                self._write(trl_kto.unpaired(row))
            except Unfit as error:
                yield number, f"unpaired: {error}"

    def _write(self, preference: Preference) -> None:
        laid = fit.laid_out(preference, self._form)
        if not laid:
            raise Unfit("neither a chosen nor a rejected side")
        self._once(laid)
        try:
            lines = [json_line(row, halves=True) for row in laid]
        except ValueError:
            raise Unfit("holds a number that JSON has no word for") from None
        part = self._parts[self._part(preference)]
        for data, row in zip(lines, laid, strict=True):
            part.add(data, row=row, later=self._form.stagger and row["label"] is False)
        self.written += len(lines)
        count(preference, self.tally)

    def _once(self, laid: list[Row]) -> None:
        if self._form.once is None:
            return
        keys = {self._form.once(row) for row in laid}
        if keys <= self._seen:
            raise Unfit(f"repeats an earlier row: {self._form.name} needs each once")
        self._seen |= keys

    def _part(self, preference: Preference) -> str:
        return "train" if self._split is None else split_of(preference["prompt"], self._split, self._seed)


def count(preference: Preference, tally: Written) -> None:
    """Add a preference to a tally."""
    tally.pairs += 1
    p = preference.get("p_chosen")
    if p is not None:
        tally.soft += 1
        tally.loss += 1 - p
        tally.buckets[min(9, int(p * 10))] += 1
    agreed = preference.get("consistent")
    tally.consistent[agreed] = tally.consistent.get(agreed, 0) + 1
    tally.references += preference.get("reference") is not None
    for place, side in enumerate(("chosen_from", "rejected_from")):
        if model := (preference.get(side) or {}).get("model"):
            tally.models.setdefault(model, [0, 0])[place] += 1
    for side in ("prompt", "chosen", "rejected"):
        for message in preference.get(side) or ():
            if not message.keys() <= tally.message_keys:
                tally.message_keys.update(message)
