"""The charts of a run, each defined once: on a page, in a notebook, as a picture. Altair's, of Vega-Lite.

What they are drawn from is figures.py's. Needs the extra `report`, imported when a chart is asked for.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from judgegen.errors import SpecError
from judgegen.report import figures
from judgegen.report.figures import Rows
from judgegen.report.tables import Tables

if TYPE_CHECKING:
    import altair as alt

    Chart = alt.Chart | alt.LayerChart

BLUE, ORANGE, GREEN, RED, GREY = "#2f7fc1", "#d98a00", "#1a9a76", "#d0603a", "#8a8f98"
"""Told apart by the colour-blind (after Okabe and Ito), and on white as on black."""
WIDTH, HEIGHT = 430, 220
ROLES = {"sampler": BLUE, "judge": ORANGE, "sent again": RED}
PLACES = {"first": BLUE, "tie": GREY, "second": ORANGE, "unreadable": RED}


@dataclass(frozen=True, slots=True)
class Plotted:
    """A chart as it stands on a page: its name, its title, what it shows, its numbers, and the chart itself."""

    name: str
    title: str
    caption: str
    rows: Rows
    chart: Chart


def _altair() -> Any:
    """Altair.

    Raises:
        SpecError: it is not installed.
    """
    try:
        return importlib.import_module("altair")
    except ImportError:
        raise SpecError("charts need altair, which is not installed; run: pip install 'judgegen[report]'") from None


def _plain(chart: Any, description: str) -> Chart:
    """The look that all of them share: no frame, the ink of the page around."""
    ink = {"labelColor": "currentColor", "titleColor": "currentColor"}
    found: Chart = (
        chart.properties(description=description)
        .configure(background="transparent", font="system-ui, sans-serif")
        .configure_view(stroke=None)
        .configure_axis(domainColor=GREY, tickColor=GREY, gridOpacity=0.25, gridColor=GREY, labelLimit=220, **ink)
        .configure_legend(orient="top", title=None, **ink)
    )
    return found


def _based(rows: Rows, **size: Any) -> Any:
    alt = _altair()
    return alt.Chart(alt.Data(values=rows), **{"width": WIDTH, "height": HEIGHT, **size})


def _whole() -> Any:
    """An axis of what is counted: a tick between two whole numbers says nothing."""
    return _altair().Axis(tickMinStep=1, labelExpr="datum.value % 1 ? '' : format(datum.value, ',d')")


class Plots:
    """A run's charts by name; each is an Altair chart, and shows itself in a notebook."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def p_chosen(self) -> Chart:
        """How sure the judge was: pairs by P(the chosen is better)."""
        return _histogram(figures.confidence(self._tables, "p_chosen"), "P(chosen is better)", least=0.5)

    def margin(self) -> Chart:
        """How far apart the two sides are: pairs by the difference of their scores."""
        return _histogram(figures.confidence(self._tables, "margin"), "margin between the scores")

    def flow(self) -> Chart:
        """From prompts to pairs, with the reasons of those that fell."""
        return _flow(figures.flow(self._tables))

    def wins(self) -> Chart:
        """Win share by variant, model and temperature, with 95 % intervals over prompts."""
        return _wins(figures.wins(self._tables))

    def position(self) -> Chart:
        """Verdicts by the place of the winner."""
        return _position(figures.positions(self._tables))

    def length(self) -> Chart:
        """How often the longer answer won, by how much longer it is."""
        return _length(figures.lengths(self._tables))

    def spend(self) -> Chart:
        """What was spent against what was expected, with its ends, and the cap."""
        return _spend(figures.spending(self._tables, self._tables.cap))

    def cost(self) -> Chart:
        """USD by role and model."""
        return _cost(figures.costs(self._tables.summary))

    def pace(self) -> Chart:
        """Answers over time, and requests that were sent again."""
        return _pace(figures.pace(self._tables))

    def coverage(self) -> Chart:
        """Expected errors against the share of pairs kept; of calibrated judges."""
        return _coverage(figures.coverage(self._tables))

    def rounds(self) -> Chart:
        """Rounds of training: right answers, and wins against round 0, on prompts kept aside."""
        return _rounds(figures.rounds(self._tables))


def drawings(tables: Tables) -> list[Plotted]:
    """Every chart that has something to show, in the order in which they are read."""
    plots = Plots(tables)
    shown: list[tuple[str, str, str, Rows, Callable[[], Any]]] = [
        ("rounds", "From round to round", "Right answers and wins against round 0, 95 % intervals over prompts.",
         figures.rounds(tables), plots.rounds),
        ("flow", "From prompts to pairs", "What became of the prompts, and why some gave no pair.",
         figures.flow(tables), plots.flow),
        ("p_chosen", "How sure the judge was", "Pairs by the probability that the chosen answer is the better.",
         figures.confidence(tables, "p_chosen"), plots.p_chosen),
        ("margin", "How far apart the answers are", "Pairs by the difference of the two answers' scores.",
         figures.confidence(tables, "margin"), plots.margin),
        ("wins", "Who wins", "Win share, ties half, with 95 % intervals over prompts; a half is no better, no worse.",
         figures.wins(tables), plots.wins),
        ("position", "Does place matter?", "Verdicts by the place of the winner; even shares are no habit.",
         figures.positions(tables), plots.position),
        ("length", "Does length matter?", "How often the longer answer won, by how many times as long it is.",
         figures.lengths(tables), plots.length),
        ("spend", "What it was to cost", "USD spent, what was expected before the run, and the most that it may cost.",
         figures.spending(tables, tables.cap), plots.spend),
        ("cost", "What it cost", "USD by role and model.",
         figures.costs(tables.summary), plots.cost),
        ("pace", "Answers over time", "Answers per step of time, and requests that had to be sent again.",
         figures.pace(tables), plots.pace),
        ("coverage", "If only the surer pairs were kept", "Errors that the calibrated judge expects of them.",
         figures.coverage(tables), plots.coverage),
    ]  # fmt: skip
    return [Plotted(name, title, said, rows, build()) for name, title, said, rows, build in shown if rows]


def _histogram(rows: Rows, title: str, least: float = 0.0) -> Chart:
    alt = _altair()
    bars = _based(rows).mark_bar(color=BLUE)
    return _plain(
        bars.encode(
            x=alt.X("from:Q", bin="binned", title=title, scale=alt.Scale(domain=[least, 1])),
            x2="to:Q",
            y=alt.Y("pairs:Q", title="pairs", axis=_whole()),
            tooltip=["from:Q", "to:Q", "pairs:Q"],
        ),
        f"Histogram of pairs by {title}",
    )


def _flow(rows: Rows) -> Chart:
    alt = _altair()
    base = _based(rows, height={"step": 26})
    ink = alt.Scale(domain=["prompts", "dropped", "pairs"], range=[GREY, RED, GREEN])
    y = alt.Y("step:N", sort=None, title=None)
    bars = base.mark_bar().encode(
        y=y,
        x=alt.X("low:Q", title="prompts", axis=_whole()),
        x2="high:Q",
        color=alt.Color("kind:N", scale=ink, legend=None),
        tooltip=["step:N", "prompts:Q"],
    )
    text = base.mark_text(align="left", dx=4, color="currentColor").encode(y=y, x="high:Q", text="prompts:Q")
    return _plain(
        alt.layer(bars, text).properties(width=WIDTH - 40), "Prompts that gave pairs, and the reasons of the others"
    )


def _wins(rows: Rows) -> Chart:
    alt = _altair()
    base = _based(rows, height={"step": 22})
    y = alt.Y("label:N", title=None, sort=None)
    x = alt.X("share:Q", title="win share", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%"))
    tips = ["label:N", alt.Tooltip("share:Q", format=".1%"), alt.Tooltip("low:Q", format=".1%")]
    tips += [alt.Tooltip("high:Q", format=".1%"), "candidates:Q"]
    line = base.mark_rule(color=BLUE, strokeWidth=2).encode(y=y, x=alt.X("low:Q", title="win share"), x2="high:Q")
    dots = base.mark_point(color=BLUE, filled=True, size=60).encode(y=y, x=x, tooltip=tips)
    half = base.mark_rule(color=GREY, strokeDash=[4, 4]).encode(x=alt.datum(0.5))
    return _plain(alt.layer(half, line, dots).properties(width=WIDTH - 60), "Win share with 95 % intervals")


def _position(rows: Rows) -> Chart:
    alt = _altair()
    ink = alt.Scale(domain=list(PLACES), range=list(PLACES.values()))
    order = "{'first': 0, 'tie': 1, 'second': 2, 'unreadable': 3}[datum.verdict]"
    bars = _based(rows, height={"step": 34}).mark_bar()
    return _plain(
        bars.transform_calculate(order=order).encode(
            y=alt.Y("judge:N", title=None),
            x=alt.X("share:Q", title="of the verdicts", axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1])),
            color=alt.Color("verdict:N", scale=ink),
            order="order:Q",
            tooltip=["judge:N", "verdict:N", "verdicts:Q", alt.Tooltip("share:Q", format=".1%")],
        ),
        "Verdicts by the place of the winner",
    )


def _length(rows: Rows) -> Chart:
    alt = _altair()
    base = _based(rows)
    x = alt.X("times:N", sort=alt.SortField("order"), title="the longer answer is", axis=alt.Axis(labelAngle=-20))
    y = alt.Y("share:Q", title="it won", axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1]))
    tips = ["times:N", alt.Tooltip("share:Q", format=".1%"), "verdicts:Q"]
    line = base.mark_rule(color=BLUE, strokeWidth=2).encode(x=x, y=alt.Y("low:Q", title="it won"), y2="high:Q")
    dots = base.mark_point(color=BLUE, filled=True, size=60).encode(x=x, y=y, tooltip=tips)
    half = base.mark_rule(color=GREY, strokeDash=[4, 4]).encode(y=alt.datum(0.5))
    return _plain(alt.layer(half, line, dots), "How often the longer answer won, by its length against the other's")


def _spend(rows: Rows) -> Chart:
    alt = _altair()
    ink = alt.Scale(domain=["spent", "expected", "cap"], range=[BLUE, ORANGE, GREY])
    base = _based(rows, height={"step": 30}).encode(
        y=alt.Y("what:N", title=None, sort=["spent", "expected", "cap"]),
        color=alt.Color("what:N", scale=ink, legend=None),
    )
    bars = base.mark_bar().encode(
        x=alt.X("usd:Q", title="USD", axis=alt.Axis(format="$~g")),
        tooltip=["what:N", *(alt.Tooltip(f"{name}:Q", format="$.6~g") for name in ("usd", "low", "high"))],
    )
    ends = base.transform_filter("isValid(datum.low)").mark_rule(color=GREY, strokeWidth=3)
    said = any("low" in row for row in rows)  # without one, a layer of no marks has no extent, and Vega warns
    return _plain(
        alt.layer(bars, *([ends.encode(x="low:Q", x2="high:Q")] if said else [])), "USD spent, expected and allowed"
    )


def _cost(rows: Rows) -> Chart:
    alt = _altair()
    ink = alt.Scale(domain=["sampler", "judge"], range=[BLUE, ORANGE])
    bars = _based(rows, height={"step": 26}).mark_bar()
    return _plain(
        bars.encode(
            y=alt.Y("model:N", title=None),
            x=alt.X("usd:Q", title="USD", axis=alt.Axis(format="$~g")),
            color=alt.Color("role:N", scale=ink),
            tooltip=["role:N", "model:N", alt.Tooltip("usd:Q", format="$.6~g")],
        ),
        "USD by role and model",
    )


def _pace(rows: Rows) -> Chart:
    alt = _altair()
    ink = alt.Scale(domain=list(ROLES), range=list(ROLES.values()))
    bars = _based(rows).mark_bar()
    unit = rows[0]["unit"] if rows else "minutes"
    return _plain(
        bars.encode(
            x=alt.X("from:Q", bin="binned", title=f"{unit} since the first answer"),
            x2="to:Q",
            y=alt.Y("calls:Q", title="answers", axis=_whole()),
            color=alt.Color("kind:N", scale=ink),
            tooltip=["from:Q", "to:Q", "kind:N", "calls:Q"],
        ),
        "Answers over time",
    )


def _coverage(rows: Rows) -> Chart:
    alt = _altair()
    line = _based(rows).mark_line(color=BLUE, point=len(rows) < 30)
    return _plain(
        line.encode(
            x=alt.X("kept:Q", title="of the pairs kept", axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1])),
            y=alt.Y("wrong:Q", title="expected to be wrong", axis=alt.Axis(format="%")),
            tooltip=[alt.Tooltip("kept:Q", format=".0%"), alt.Tooltip("wrong:Q", format=".1%"), "p_chosen:Q"],
        ),
        "Expected errors against the share of pairs kept",
    )


def _rounds(rows: Rows) -> Chart:
    alt = _altair()
    ink = alt.Scale(domain=["right", "wins against round 0"], range=[GREEN, BLUE])
    base = _based(rows).encode(x=alt.X("round:O", title="round"), color=alt.Color("figure:N", scale=ink))
    y = alt.Y("share:Q", title="of the prompts", axis=alt.Axis(format="%"), scale=alt.Scale(domain=[0, 1]))
    tips = ["round:O", "figure:N", *(alt.Tooltip(f"{name}:Q", format=".1%") for name in ("share", "low", "high"))]
    ends = base.mark_rule(strokeWidth=2).encode(y=alt.Y("low:Q", title="of the prompts"), y2="high:Q")
    line = base.mark_line(point=True).encode(y=y, tooltip=tips)
    return _plain(alt.layer(ends, line), "Right answers and wins by round, with 95 % intervals")
