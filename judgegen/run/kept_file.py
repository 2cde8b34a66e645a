"""The run file that a run folder keeps: what the run uses, and whose it is. Knows nothing of what a run does.

Its first line names the run file that it came from, so that a folder cannot pass from one run file to another unseen.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from judgegen.errors import SpecError
from judgegen.llm.secrets import bare
from judgegen.spec import Spec, reading
from judgegen.stores.urls import shown, url_of

SOURCE = "# made from "
OF_SOME: Mapping[str, tuple[str, ...]] = {
    "slots": ("local", "transformers"),
    "context": ("local",),
    "scripted": ("scripted",),
}
"""Settings of an endpoint that mean something with these providers alone, and have a value without being written."""


def text(spec: Spec, base: Path, source: Path | None) -> str:
    """The run file as TOML, its paths whole: the endpoints that the run uses, and of them what says something.

    Reading it gives the same run. A password in an address is for those who run it, not for those who read the folder.
    """
    import tomli_w

    row = spec.model_dump(mode="json", exclude_none=True)
    used = spec.used_endpoints()
    row["endpoints"] = {name: _said(row["endpoints"][name]) for name in used}
    table = _without_empty({**row, "prompts": shown(url_of(spec.prompts) or base / spec.prompts)})
    head = "" if source is None else f"{SOURCE}{source}\n"
    return head + tomli_w.dumps(table)


def read(folder: Path) -> Spec:
    """The run file that a run's folder keeps.

    Raises:
        SpecError: there is none, or it was changed into something that does not hold.
    """
    path = folder / "run.toml"
    if not path.is_file():
        raise lacking(path, folder)
    return reading.read(path)


def lacking(path: Path, folder: Path) -> SpecError:
    """What to do about a file of a run's folder that is not there."""
    if not folder.is_dir():
        return SpecError(f"{folder}: no such folder; name the folder of a run, as its end or --out has it")
    if not (folder / "run.toml").is_file():
        return SpecError(f"{folder}: no run's folder (it has no run.toml); name one, as --out has it")
    return SpecError(f"{path}: not there; `judgegen write {folder}` makes it from the journal")


def _said(endpoint: Mapping[str, Any]) -> dict[str, Any]:
    """Without the settings of other providers than its own."""
    found = dict(endpoint)
    if "base_url" in found:
        found["base_url"] = bare(found["base_url"])
    return {key: value for key, value in found.items() if found["provider"] in OF_SOME.get(key, (found["provider"],))}


def _without_empty(table: Mapping[str, Any]) -> dict[str, Any]:
    """Without tables in which nothing is written."""
    found = {key: _without_empty(value) if isinstance(value, dict) else value for key, value in table.items()}
    return {key: value for key, value in found.items() if value != {}}


def owner(path: Path, source: Path | None, *, replace: bool) -> Path | None:
    """Whose the run file kept at `path` is, once `source` runs: `source`, where the folder is new or already its.

    A folder's own run.toml may be run too; the folder stays whose it was.

    Raises:
        SpecError: another run file made the folder, and it is not to be replaced.
    """
    before = _owner(path)
    if source is None or before is None or replace:
        return source
    if source == path.resolve():
        return before
    if before != source:
        raise SpecError(
            f"{path.parent}: made from {before}, and this is {source}; name another folder with --out, or let "
            f"--replace write over what that one made (its answers stay in the journal)"
        )
    return source


def _owner(path: Path) -> Path | None:
    try:
        first = path.read_text(encoding="utf-8").split("\n", 1)[0]
    except (OSError, UnicodeDecodeError):
        return None
    return Path(first.removeprefix(SOURCE)) if first.startswith(SOURCE) else None


def check_formats(resolved: Spec) -> None:
    """Nothing, where every format that the run file asks for is a file of rows.

    Raises:
        SpecError: one is more than that, or there is none of its name.
    """
    from judgegen.formats.consumers import consumer

    for name in resolved.output.formats:
        form = consumer(name)
        if not form.streams:
            raise SpecError(
                f"output.formats: {name!r} is more than a JSONL file; `judgegen export RUN --to {name}` makes it"
            )
