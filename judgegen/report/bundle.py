"""Several runs as a folder of pages: one page each, and a table that leads to them. Any server of files shows it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from judgegen.errors import SpecError
from judgegen.report import page
from judgegen.report.judgment import remarks, verdict
from judgegen.report.tables import Tables
from judgegen.textual import harmless
from judgegen.writer.files import write_text


def write(folders: Sequence[Path], out: Path) -> list[page.WrittenPage]:
    """Write a page per run and index.html under `out`.

    Raises:
        SpecError: a folder is no run, or is named twice.
    """
    if len({folder.resolve() for folder in folders}) < len(folders):
        raise SpecError("a run stands in a bundle once; name each folder once")
    places = list(_places(folders))
    rows = [_row(Tables(folder), place) for folder, place in zip(folders, places, strict=True)]
    written = [page.write(folder, out / place / "report.html") for folder, place in zip(folders, places, strict=True)]
    write_text(out / "index.html", page.render("bundle.html", scripts=[], style=page.own("page.css"), rows=rows))
    return written


def _places(folders: Sequence[Path]) -> Iterator[str]:
    """A folder name per run, made of its own; a second of the same name gets a number."""
    seen: dict[str, int] = {}
    for folder in folders:
        name = re.sub(r"[^\w.-]+", "-", folder.resolve().name, flags=re.ASCII).strip("-.") or "run"
        seen[name] = seen.get(name, 0) + 1
        yield name if seen[name] == 1 else f"{name}-{seen[name]}"


def _row(tables: Tables, place: str) -> Mapping[str, Any]:
    found = verdict(remarks(tables.summary, cap=tables.cap, expected=tables.expected))
    name = harmless(tables.folder.resolve().name)
    return {"name": name, "place": place, "verdict": found, "tiles": page.tiles(tables)}
