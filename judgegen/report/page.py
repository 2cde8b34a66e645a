"""One page of a run that needs nothing but itself: figures, charts, and a browser of its pairs.

No script runs but the page's own three, which its policy names by their digests; nothing is loaded or sent. What models
and users wrote is data to these: never markup.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from judgegen.report import figures, vega
from judgegen.report.charts import Plotted, drawings
from judgegen.report.entries import entries
from judgegen.report.judgment import Remark, remarks, verdict
from judgegen.report.labelled import agreement
from judgegen.report.packing import Packed, packed
from judgegen.report.tables import Tables
from judgegen.show.words import money, number
from judgegen.textual import clean, harmless
from judgegen.writer.expected import Expected
from judgegen.writer.files import write_text

HERE = Path(__file__).parent
MOST_BYTES = 4_900_000
"""Of a page; what the rest of it leaves is for entries."""


@dataclass(frozen=True, slots=True)
class WrittenPage:
    """A page that was written: where, and how many of how many entries it holds."""

    path: Path
    held: int
    of: int


def write(folder: Path, out: Path | None = None, *, most_bytes: int = MOST_BYTES) -> WrittenPage:
    """Write the page of a run folder to `out`, report.html in it unless given.

    Raises:
        SpecError: the folder lacks its summary or audit, or the extra `report` is not installed.
    """
    path = folder / "report.html" if out is None else out
    text, entries_in = page(Tables(folder), most_bytes=most_bytes)
    write_text(path, text)
    return WrittenPage(path, entries_in.held, entries_in.of)


def page(tables: Tables, *, most_bytes: int = MOST_BYTES) -> tuple[str, Packed]:
    """The page's text, and what of the entries is in it."""
    shown = drawings(tables)
    found = _remarks(tables)
    fixed: dict[str, Any] = {
        "name": harmless(tables.folder.resolve().name),
        "verdict": verdict(found),
        "remarks": found,
        "tiles": tiles(tables),
        "drawings": [_figure(drawing) for drawing in shown],
        "specs": _inert({drawing.name: _spec(drawing) for drawing in shown}),
        "unpriced": figures.unpriced(tables.summary),
        "scripts": [own("page.js"), vega.script()],  # pairs can be read before charts are drawn
        "style": own("page.css"),
    }
    room = most_bytes - len(render("page.html", **fixed, packed=Packed("", 0, 0)).encode())
    held = packed(entries(tables), max(0, room))
    return render("page.html", **fixed, packed=held), held


def _remarks(tables: Tables) -> list[Remark]:
    return remarks(tables.summary, cap=tables.cap, expected=tables.expected, agreement=agreement(tables))


def tiles(tables: Tables) -> list[tuple[str, str, str]]:
    """The few numbers that matter: name, value, and what it is of."""
    summary, most = tables.summary, tables.cap
    found, usd = summary["diagnostics"], summary["cost_usd"]["total"]
    spent = "not known" if usd is None else f"${Decimal(usd):,.4f}".rstrip("0").rstrip(".")
    return [
        ("pairs", f"{summary['pairs']:,}", f"from {number(summary['prompts'], 'prompt')}"),
        ("dropped", f"{sum(summary['drops'].values()):,}", _reasons(summary["drops"])),
        ("spent", spent, "; ".join(_bounds(most, tables.expected))),
        ("flipped", _percent(found.get("flip_rate")), "of comparisons, with the order"),
        ("P(first)", _percent(found.get("p_first")), "of verdicts; a half is no habit"),
        ("longer chosen", _percent(found.get("longer_chosen")), "of pairs of unequal length"),
    ]


def _bounds(cap: Decimal | None, expected: Expected | None) -> Iterator[str]:
    """What the spend is to be held against."""
    yield "no cap was set" if cap is None else f"of ${cap:f} at most"
    if expected is not None:
        yield f"{money(expected.expected)} was expected"


def _reasons(drops: Mapping[str, int]) -> str:
    ranked = sorted(drops.items(), key=lambda one: (-one[1], one[0]))
    more = f", {len(ranked) - 3} more reasons" if len(ranked) > 3 else ""
    return ", ".join(f"{count:,} {reason}" for reason, count in ranked[:3]) + more or "none fell"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def _figure(drawing: Plotted) -> dict[str, Any]:
    """A drawing with its numbers as a table, for those who cannot see it and for paper."""
    heads = list(dict.fromkeys(name for row in drawing.rows for name in row))
    cells = [[_cell(row.get(name)) for name in heads] for row in drawing.rows[:200]]
    return {"name": drawing.name, "title": drawing.title, "caption": drawing.caption, "heads": heads, "cells": cells}


def _cell(value: object) -> str:
    return "" if value is None else f"{value:,.4g}" if isinstance(value, float) else harmless(str(value))


def _spec(drawing: Plotted) -> dict[str, Any]:
    spec: dict[str, Any] = drawing.chart.to_dict()
    spec.pop("$schema", None)
    return spec


def _inert(value: object) -> str:
    """JSON that ends no script element and begins no comment."""
    return clean(json.dumps(value, ensure_ascii=True, default=str)).replace("<", "\\u003c")


def own(name: str) -> str:
    """A file that stands beside this one."""
    return (HERE / name).read_text(encoding="utf-8")


def render(
    template: str, *, scripts: Sequence[str], style: str, beside: Path = HERE, talks: bool = False, **values: Any
) -> str:
    """A template with its policy; scripts and styles stand in it as they are, all else is escaped.

    `beside`: the folder it stands in; `talks`: whether its script may ask the server that it came from.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    known = Environment(loader=FileSystemLoader(beside), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    policy = [
        "default-src 'none'",
        f"script-src {' '.join(map(_digest, scripts)) or _NONE}",
        f"style-src-elem {_digest(style)}",
        "img-src data:",
        "style-src-attr 'unsafe-inline'",
        *(["connect-src 'self'"] if talks else []),
        "base-uri 'none'",
        "form-action 'none'",
    ]
    raw = {"scripts": [Markup(script) for script in scripts], "style": Markup(style)}  # noqa: S704 - these are ours
    return clean(known.get_template(template).render(policy="; ".join(policy), **raw, **values))


_NONE = "'none'"


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
