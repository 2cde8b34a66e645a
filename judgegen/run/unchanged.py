"""Whether a finished run has anything left to do: what made its files, and what they are, by digest.

What a run writes is a function of its run file and the texts that it names, its prompts, its journal and this program.
So a run that ends with every answer keeps digests of all of these and of its files. Where each is byte for byte what it
was, the same command would make the same bytes, and does nothing. Whatever else holds (a file edited or gone, a prompt
more, another version of anything), all is made again; so it is without this record, which nothing else reads.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from judgegen.llm.calls import digest
from judgegen.llm.journal import NAME as JOURNAL
from judgegen.llm.resting import resting, whole
from judgegen.llm.secrets import masked
from judgegen.plugins import points
from judgegen.records import Prompt, Result
from judgegen.run import kept_file
from judgegen.run.job import job, texts
from judgegen.run.log import logged
from judgegen.run.result import as_seen, asked, load
from judgegen.run.session import Given, Inquiry, Terms, Warn, resolve, source_of
from judgegen.spec import Spec
from judgegen.stores.urls import url_of
from judgegen.templates import prompts_folder
from judgegen.writer.files import write_text

NAME, RUN_FILE = "journal.finished", "run.toml"
"""In a run folder."""
_BEGAN = time.time()
_GROUPS = ("judgegen.methods", "judgegen.providers", "judgegen.formats")
_BESIDE = ("numpy", "jsonschema")
"""What files depend on beside what the package always requires."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AsMade:
    """How a run ended.

    Attributes:
        made_of: digest of the run file, its texts and this program.
        prompts: digest of all prompts that it was told of.
        files: by name in the run folder the digest of each file, the journal among them.
        said: what was said of its results.
        beside: what the folder cost beside the run's answers, as the summary has it.
    """

    made_of: str
    prompts: str
    files: Mapping[str, str]
    said: tuple[str, ...]
    beside: Mapping[str, Any]


def finished(given: Given, *, out: str | Path | None, limit: int | None) -> bool:
    """Whether a run, all of its calls live and all of it here, has nothing to do: so there is nothing to foretell.

    Raises:
        SpecError: as the run.
    """
    resolved, base, folder = resolve(given, out)
    if (out is not None and url_of(out)) or not (folder / NAME).exists():
        return False
    source = kept_file.owner(folder / RUN_FILE, source_of(given), replace=True)
    kept = texts(resolved, base, _unsaid)
    told = job(resolved, base, folder, None, kept)
    return Making(told, Terms(limit=limit), kept_file.text(resolved, base, source), kept).nothing_to_do()


def _unsaid(_: str) -> None:
    """The run says it."""


class Making:
    """One run, before it begins and when it has ended.

    Args:
        told: what is asked; `job` is the same, with the digest of its prompts made as they are read.
        terms: how. Of what goes by batch nothing is kept, since it may wait.
        run_file, texts: as they are kept.
        parted: whether it is a part of a run, of which nothing is kept either.
    """

    def __init__(
        self,
        told: Inquiry[Prompt, Result],
        terms: Terms,
        run_file: str,
        texts: Mapping[str, str],
        *,
        parted: bool = False,
    ) -> None:
        self._told, self._terms, self._texts, self._run_file = told, terms, texts, run_file
        self._held = not parted and terms.direct(told.spec) and _told_by_digests(told.spec)
        self._prompts = ""
        self.job = replace(told, items=self._passing)

    def _passing(self, warn: Warn) -> Iterator[Prompt]:
        """The prompts, of which the digest is made as they pass."""
        seen = hashlib.sha256()
        for one in self._told.items(warn):
            seen.update(repr([getattr(one, name) for name in _FIELDS]).encode())
            yield one
        self._prompts = seen.hexdigest()

    def unchanged(self) -> dict[str, Any] | None:
        """The summary of the run that is finished and would be this one, told of as then; None where it would not.

        Raises:
            SpecError: the prompts cannot be read.
        """
        odd: list[str] = []
        if (found := self._known(odd.append)) is None:
            return None
        folder, summary = self._told.folder, load(self._told.folder).summary
        with logged(folder, self._terms.watch, self._terms.stop) as watch:
            if self._terms.watch.foretells:
                watch.expected("expected cost $0: it is finished, and nothing is asked")
            for message in odd:
                watch.warned(message)
            watch.started(prompts=summary["prompts"], folder=str(folder))
            watch.capped(self._terms.cap(self._told.spec))
            watch.unchanged(as_seen(summary, asked(summary)))
            for message in found.said:
                watch.warned(message)
        return {**as_seen(summary, asked(summary)), **found.beside}

    def nothing_to_do(self) -> bool:
        """Whether `unchanged` would give a summary."""
        return self._known(_unsaid) is not None

    def _known(self, warn: Warn) -> AsMade | None:
        found = _kept(self._told.folder / NAME) if self._held else None
        if found is None or not self._there(found):
            return None
        for _ in self._passing(warn):
            pass
        return found if self._prompts == found.prompts else None

    def _there(self, found: AsMade) -> bool:
        """Whether all but the prompts is as it was."""
        folder = self._told.folder
        with suppress(OSError), resting(folder) as rests:
            made_so = rests and whole(folder) and found.made_of == self._made_of()
            return made_so and _digests(folder, found.files) == found.files
        return False

    def keep(self, said: Iterable[str], beside: Mapping[str, Any]) -> None:
        """Keep how it ended, its journal being closed and nobody else's; not where the program changed meanwhile.

        What cannot be kept is made again the next time.
        """
        with suppress(OSError):
            (self._told.folder / NAME).unlink(missing_ok=True)
            if self._held and whole(self._told.folder) and not _changed_since(_BEGAN):
                self._keep(tuple(map(masked, said)), beside)

    def _keep(self, said: tuple[str, ...], beside: Mapping[str, Any]) -> None:
        folder = self._told.folder
        files = _digests(folder, _derived(folder))
        found = AsMade(made_of=self._made_of(), prompts=self._prompts, files=files, said=said, beside=beside)
        write_text(folder / NAME, json.dumps(asdict(found), indent=1) + "\n")

    def _made_of(self) -> str:
        spec = self._told.spec.model_dump(mode="json")
        return digest([_program(), self._run_file, dict(self._texts), spec, self._terms.limit])


_FIELDS = tuple(one.name for one in fields(Prompt))


def _kept(path: Path) -> AsMade | None:
    """The record; None where there is none that can be read."""
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
        return AsMade(**{**row, "said": tuple(row["said"])})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _told_by_digests(spec: Spec) -> bool:
    """Whether nothing takes part that is neither this program nor in the folder: a package or a function of others."""
    judge, rules = spec.judge, spec.pairs.constraints
    graders = [judge.grader, judge.grade and judge.grade.grader, *(rule.grader for rule in rules)]
    return not any(map(points, _GROUPS)) and not any(":" in (name or "") for name in graders)


def _derived(folder: Path) -> list[str]:
    """The names of the files that a run leaves, the journal and the run file among them."""
    outputs = [*folder.glob("*.json"), *folder.glob("*.jsonl"), *(folder / "audit").glob("*.parquet")]
    names = {path.relative_to(folder).as_posix() for path in outputs} - _KEPT_BY_OTHERS
    return sorted({*names, RUN_FILE, JOURNAL})


_KEPT_BY_OTHERS = {"labels.jsonl", "finetune.json", "expected.jsonl", "store.json", "attack.json", "answers.json"}
"""Files of a run folder that its run does not make."""


def _digests(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """The digest of each file; raises OSError where one is not there."""
    return {name: _of(folder / name) for name in names}


def _of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def _program() -> list[str]:
    """Digest of this program, and the versions of what it stands on."""
    made = hashlib.sha256()
    for path in _parts():
        made.update(f"{'/'.join(path.parts[-3:])}\0{_of(path)}\0".encode())
    required = metadata.requires("judgegen") or []
    names = {name[0] for line in required if "extra ==" not in line and (name := re.match(r"[\w.-]+", line))}
    return [sys.version, made.hexdigest(), *(f"{name} {_version(name)}" for name in sorted({*names, *_BESIDE}))]


def _parts() -> list[Path]:
    """Every file of this program but what Python made of them."""
    package = Path(__file__).parent.parent
    found = {*package.rglob("*"), *prompts_folder().rglob("*")}
    return sorted(path for path in found if path.is_file() and path.suffix != ".pyc")


def _changed_since(moment: float) -> bool:
    """Whether a file of this program was put in its place since then: what runs is perhaps another one."""
    return any(path.stat().st_ctime >= moment for path in _parts())


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "none"
