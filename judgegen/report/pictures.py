"""The charts of a run as pictures that stand anywhere: SVG by vl-convert, for cards and documentation.

The same drawings as on the page, on white, since a picture does not know what is around it.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from judgegen.errors import SpecError
from judgegen.report.charts import drawings
from judgegen.report.tables import Tables

CARD = ("flow", "p_chosen", "margin", "wins", "position", "length")
"""Of a data set's card: what its reader wants to know of the labels."""


@dataclass(frozen=True, slots=True)
class DrawnFigure:
    """A picture: its name, what it shows, and the SVG."""

    name: str
    caption: str
    svg: str


def figures(folder: Path, names: Sequence[str] = CARD) -> list[DrawnFigure]:
    """Those of a run's charts that have something to show; none where the extra `report` is not installed."""
    try:
        converter = importlib.import_module("vl_convert")
        found = [drawing for drawing in drawings(Tables(folder)) if drawing.name in names]
    except (ImportError, SpecError):
        return []
    return [DrawnFigure(one.name, f"{one.title}. {one.caption}", _svg(converter, one.chart)) for one in found]


def _svg(converter: object, chart: object) -> str:
    spec = chart.to_dict()  # type: ignore[attr-defined]
    spec["config"]["background"] = "white"
    return str(converter.vegalite_to_svg(spec))  # type: ignore[attr-defined]
