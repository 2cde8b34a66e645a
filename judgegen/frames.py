"""A run folder's files as pandas frames. Knows their names; columns are as the audit's schemas describe them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from judgegen.errors import SpecError

if TYPE_CHECKING:
    from pandas import DataFrame

TABLES = ("prompts", "candidates", "verdicts", "calls", "pairs")


def preferences(folder: Path) -> DataFrame:
    """One row per pair, as in preferences.jsonl: messages as lists, `tokens` and `cost_usd` as mappings."""
    import pandas as pd

    path = _there(folder / "preferences.jsonl", folder)
    if not path.stat().st_size:
        return pd.DataFrame(columns=["prompt_id", "prompt", "chosen", "rejected", "p_chosen", "margin"])
    # convert_dates off: an id or a text that looks like a date is none.
    return pd.read_json(path, lines=True, convert_dates=False, dtype={"prompt_id": str})


def table(folder: Path, name: str) -> DataFrame:
    """One of the audit's tables: prompts, candidates, verdicts, calls or pairs."""
    import pandas as pd

    return pd.read_parquet(_there(folder / "audit" / f"{name}.parquet", folder))


def _there(path: Path, folder: Path) -> Path:
    if not path.is_file():
        raise SpecError(f"{path}: not there; `judgegen write {folder}` makes it from the journal")
    return path
