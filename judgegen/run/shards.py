"""A run in parts: which prompts each takes, what it may use of rates and money, and one run made of them all again.

A shard is an ordinary run with a journal of its own. Knows the run file's limits and the layout of folders; nothing of
stages or of what is asked.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from judgegen.errors import SpecError
from judgegen.llm.calls import digest
from judgegen.llm.gathering import gather
from judgegen.spec import Endpoint, Spec
from judgegen.writer.files import write_text

RECORD = "shard.json"
RUN_FILE = "run.toml"
_ALIKE = ("its prompts or limit are not those", "its run file is not that")
_WORD = re.compile(r"([1-9]\d{0,5})/([1-9]\d{0,5})\Z")
_FOLDER = re.compile(r"shard-(\d+)-of-(\d+)\Z")


@dataclass(frozen=True, slots=True, order=True)
class Shard:
    """The `number`-th of `of` parts, from 1."""

    number: int
    of: int

    @classmethod
    def parse(cls, word: str) -> Shard:
        """A part as "3/16" names it.

        Raises:
            SpecError: it names none.
        """
        found = _WORD.match(word)
        if found is None or int(found[1]) > int(found[2]):
            raise SpecError(f"shard {word!r} is not one of N parts; write K/N with K from 1 to N, such as 3/16")
        return cls(int(found[1]), int(found[2]))

    def folder(self, out: Path) -> Path:
        """Its run folder, in the folder of the whole."""
        width = len(str(self.of))
        return out / f"shard-{self.number:0{width}}-of-{self.of}"

    def takes(self, row: Mapping[str, Any]) -> bool:
        """Whether a prompt is its: by what the prompt says, so that what is asked twice is asked by one shard."""
        return owner(row, self.of) == self.number

    def usd(self, most: Decimal | float | None) -> Decimal | None:
        """Its share of a cap."""
        return None if most is None else Decimal(str(most)) / self.of

    def share(self, whole: Spec) -> Spec:
        """The run file with this shard's share of every limit, so that all shards at once keep those of the whole.

        Raises:
            SpecError: a limit is too small to be shared by so many.
        """
        endpoints = {name: self._part(name, endpoint) for name, endpoint in whole.endpoints.items()}
        budget = whole.budget.model_copy(update={"max_usd": self.usd(whole.budget.max_usd)})
        return self.part(whole).model_copy(update={"endpoints": endpoints, "budget": budget})

    def part(self, whole: Spec) -> Spec:
        """The run file with this shard's share of the pairs that are wanted, and every limit of the whole."""
        wanted = None if whole.pairs.wanted is None else -(-whole.pairs.wanted // self.of)
        return whole.model_copy(update={"pairs": whole.pairs.model_copy(update={"wanted": wanted})})

    def _part(self, name: str, endpoint: Endpoint) -> Endpoint:
        for key in ("max_concurrency", "rpm"):
            most = getattr(endpoint, key)
            if self.of > 1 and most is not None and most < self.of:
                raise SpecError(
                    f"endpoints.{name}: {key} = {most:g} cannot be shared by {self.of} shards; "
                    f"take {max(1, int(most))} shards at most, or raise it"
                )
        tpm = None if endpoint.tpm is None else endpoint.tpm / self.of
        rpm = endpoint.rpm if endpoint.rpm is None or self.of == 1 else self._whole(endpoint.rpm)
        shared = {"rpm": rpm, "tpm": tpm, "max_concurrency": self._whole(endpoint.max_concurrency)}
        return endpoint.model_copy(update=shared)

    def _whole(self, total: float) -> int:
        """Its share of what has no fractions; the first shards have what is left over."""
        each, left = divmod(int(total), self.of)
        return each + (self.number <= left)


def owner(row: Mapping[str, Any], of: int) -> int:
    """The number, from 1, of the one among `of` shards that takes a prompt."""
    said = digest([row["messages"], row["tools"]], size=8)
    return int(said, 16) % of + 1


@dataclass(slots=True)
class Census:
    """Which prompts a shard takes, and what all of them are: its record, which those of the others are held against."""

    shard: Shard
    limit: int | None
    leased: bool = False
    seen: int = 0
    _sum: Any = field(default_factory=lambda: hashlib.blake2b(digest_size=16))

    def spec(self, whole: Spec) -> Spec:
        """The run file as this shard takes it: with its share of every limit, unless those are leased."""
        return self.shard.part(whole) if self.leased else self.shard.share(whole)

    def usd(self, most: Decimal | float | None) -> Decimal | float | None:
        """Its share of a cap, unless that is leased."""
        return most if self.leased else self.shard.usd(most)

    def told(self, shared: Spec, usd: Decimal | None) -> str:
        """What it may use by itself, as a sentence: of each endpoint's limits, and USD."""
        ways = "".join(f"; {_limits(name, endpoint)}" for name, endpoint in shared.used_endpoints().items())
        cap = "" if usd is None else f"; ${usd:f} in all"
        return f"shard {self.shard.number}/{self.shard.of} has its share of the limits{ways}{cap}"

    def __call__(self, row: Mapping[str, Any]) -> bool:
        """Whether the next prompt is the shard's."""
        self.seen += 1
        self._sum.update(digest(row).encode("ascii"))
        return self.shard.takes(row)

    def record(self, folder: Path) -> None:
        """Write what all prompts are beside the journal that holds this shard's."""
        row = {
            "shard": self.shard.number,
            "of": self.shard.of,
            "limit": self.limit,
            "prompts": self.seen,
            "digest": self._sum.hexdigest(),
        }
        write_text(folder / RECORD, json.dumps(row, indent=2) + "\n")


def _limits(name: str, endpoint: Endpoint) -> str:
    """What there is of one endpoint's, in words."""
    paced = {"requests": endpoint.rpm, "tokens": endpoint.tpm}
    rates = "".join(f", {most:,.0f} {what} a minute" for what, most in paced.items() if most is not None)
    return f"{name}: {endpoint.places:,} at once{rates}"


def numbers_in(out: Path) -> list[int]:
    """Into how many parts the folder's shards divide a run; several numbers where those of several are there."""
    return sorted({int(match[2]) for _, match in _matched(out)})


def gathered(out: Path) -> list[Shard]:
    """Make one journal and run file of the shards in `out`; returns them, in order.

    Raises:
        SpecError: one is missing, or they are not of one run: other prompts, another limit or run file.
        JournalError: a journal is not there, in use or damaged.
    """
    found = _complete(out)
    folders = [folder for _, folder in found]
    said = {folder: _said(folder) for folder in folders}
    first = folders[0]
    run_file = (first / RUN_FILE).read_text(encoding="utf-8")
    for folder in folders[1:]:
        for what, ours, theirs in zip(_ALIKE, said[first], said[folder], strict=True):
            if ours != theirs:
                raise SpecError(f"{folder}: {what} of {first.name}; run it again with what the others had")
    gather(out, folders)
    write_text(out / RUN_FILE, run_file)
    return [shard for shard, _ in found]


def _complete(out: Path) -> list[tuple[Shard, Path]]:
    found = sorted((Shard(int(match[1]), int(match[2])), path) for path, match in _matched(out))
    numbers = {shard.of for shard, _ in found}
    if not found:
        raise SpecError(f"{out}: no shards here; `judgegen run FILE --shard K/N --out {out}` makes them")
    if len(numbers) > 1:
        raise SpecError(
            f"{out}: shards of {' and of '.join(map(str, sorted(numbers)))} are here; move those of one number away"
        )
    (of,) = numbers
    if missing := sorted(set(range(1, of + 1)) - {shard.number for shard, _ in found}):
        named = ", ".join(f"{number}/{of}" for number in missing[:8])
        raise SpecError(
            f"{out}: {len(missing)} of {of} shards are missing ({named}); run them with --shard, then merge again"
        )
    return found


def _matched(out: Path) -> list[tuple[Path, re.Match[str]]]:
    paths = out.iterdir() if out.is_dir() else ()
    return [(path, match) for path in paths if path.is_dir() and (match := _FOLDER.match(path.name))]


def _said(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a shard's record says of all prompts, and its run file but for where they lay on its machine."""
    try:
        row = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        run_file = tomllib.loads((folder / RUN_FILE).read_text(encoding="utf-8"))
        return {name: row[name] for name in ("of", "limit", "prompts", "digest")}, {**run_file, "prompts": ""}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SpecError(f"{folder}: not a shard that began ({error}); run it with --shard, then merge again") from None
