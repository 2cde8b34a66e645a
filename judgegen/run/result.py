"""A run folder as Python sees it: its summary, and its tables as pandas frames.

Knows the folder's files; nothing of how they were made.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judgegen.errors import SpecError
from judgegen.llm.journal import Journal
from judgegen.run.kept_file import lacking

if TYPE_CHECKING:
    from pandas import DataFrame

    from judgegen.exchange.export import Exported
    from judgegen.report.charts import Plots
    from judgegen.show.entries import Sample


class Run:
    """A run folder: its summary, and its tables as pandas frames, read when first asked for."""

    def __init__(self, folder: Path, summary: dict[str, Any]) -> None:
        self.folder = folder
        self.summary = summary

    @cached_property
    def preferences(self) -> DataFrame:
        """One row per pair, as in preferences.jsonl."""
        from judgegen.run import frames

        return frames.preferences(self.folder)

    @cached_property
    def prompts(self) -> DataFrame:
        """One row per prompt that went in, with its outcome: "pairs" or the reason of its drop."""
        return self.table("prompts")

    @cached_property
    def candidates(self) -> DataFrame:
        """One row per candidate, refused ones with their reason."""
        return self.table("candidates")

    @cached_property
    def verdicts(self) -> DataFrame:
        """One row per comparison as it was displayed, unreadable ones with their reason."""
        return self.table("verdicts")

    @cached_property
    def calls(self) -> DataFrame:
        """One row per call: what was asked, what came back, tokens and USD."""
        return self.table("calls")

    @cached_property
    def pairs(self) -> DataFrame:
        """One row per pair with the ids of everything it rests on."""
        return self.table("pairs")

    def table(self, name: str, columns: Sequence[str] | None = None) -> DataFrame:
        """One of the audit's tables, by name: prompts, candidates, verdicts, calls or pairs; of `columns`, those alone.

        `run.calls` and its like are the same without `columns`, kept once they are read. Of an audit whose long texts
        take more than 2 GB they lack those, with a warning; `columns` names them then, perhaps two or three at a time.

        Raises:
            SpecError: no such table or column, or the file is not there.
        """
        from judgegen.run import frames

        return frames.table(self.folder, name, columns)

    @cached_property
    def timings(self) -> DataFrame:
        """One row per call in the journal: wall seconds, requests it took, when (UTC). No output depends on these."""
        import pandas as pd

        with Journal(self.folder, create=False) as journal:
            return pd.DataFrame(list(journal.timings()))

    @property
    def plot(self) -> Plots:
        """The charts: `run.plot.margin()`, `.p_chosen()`, `.flow()`, `.wins()` and so on; need the extra `report`."""
        from judgegen.report.charts import Plots
        from judgegen.report.tables import Tables

        return Plots(Tables(self.folder))

    def sample(self, n: int = 5, *, where: str | None = None, seed: int = 0) -> Sample:
        """A few pairs and prompts without one, to read; `where` as for `judgegen show`.

        Raises:
            SpecError: `where` is no condition on its columns.
        """
        from judgegen.report import selecting
        from judgegen.report.entries import entries
        from judgegen.report.tables import Tables
        from judgegen.show.entries import Sample

        found = entries(Tables(self.folder))
        fitting = found if where is None else selecting.where(found, where)
        return Sample(selecting.sample(fitting, n, seed), of=len(fitting))

    def report(self, out: str | Path | None = None) -> Path:
        """Write the page of this run, report.html in its folder unless `out` says where; needs the extra `report`."""
        from judgegen.report import page

        return page.write(self.folder, None if out is None else Path(out)).path

    def export(self, to: str, out: str | Path | None = None, **options: Any) -> Exported:
        """Write the pairs in the shape of a consumer ("trl-dpo"), into the run's folder unless `out` says where.

        `options` as for `judgegen.export`.

        Raises:
            SpecError: no such consumer, or no pair that fits.
        """
        from judgegen.exchange import public

        return public.export(self.folder, to, out, **options)

    def to_dataset(self) -> Any:
        """The pairs as a `datasets.Dataset`: prompt, chosen and rejected as messages, p_chosen, margin and ids.

        Raises:
            SpecError: `datasets` is not installed.
        """
        try:
            datasets = importlib.import_module("datasets")
        except ImportError:
            raise SpecError("a Dataset needs datasets, which is not installed; run: pip install datasets") from None
        names = ("prompt_id", "prompt", "chosen", "rejected", "p_chosen", "margin")
        return datasets.Dataset.from_list(self.preferences[list(names)].to_dict(orient="records"))

    def __repr__(self) -> str:
        return f"<Run {str(self.folder)!r}: {self.summary['pairs']} pairs from {self.summary['prompts']} prompts>"

    def _repr_html_(self) -> str:
        from judgegen.show.cards import Table, card
        from judgegen.show.words import figures, first_pairs, headline, said

        pairs = [
            (said(row["prompt"][-1:]), said(row["chosen"]), said(row["rejected"]), f"{row['p_chosen']:.2f}")
            for row in first_pairs(self.folder)
        ]
        facts = Table([*figures(self.summary).items(), ("folder", str(self.folder))])
        shown = [Table(pairs, head=("prompt", "chosen", "rejected", "p"))] if pairs else []
        return card(headline(self.summary), facts, *shown)


def asked(summary: Mapping[str, Any]) -> int:
    """How many calls a run asked for."""
    return int(summary["calls"]["sampler"] + summary["calls"]["judge"])


def as_seen(summary: Mapping[str, Any], from_journal: int) -> dict[str, Any]:
    """The summary with what this invocation took from the journal; the file's own says what any run of it would."""
    return {**summary, "calls": {**summary["calls"], "from_journal": from_journal}}


def load(folder: str | Path) -> Run:
    """A finished run's folder.

    Raises:
        SpecError: there is no summary in it.
    """
    path = Path(folder) / "summary.json"
    try:
        return Run(Path(folder), json.loads(path.read_text(encoding="utf-8")))
    except OSError:
        raise lacking(path, path.parent) from None
