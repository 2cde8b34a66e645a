"""What a job is told beside its run file holds, or is refused before anything is made."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import judgegen
from judgegen.errors import SpecError
from judgegen.run.session import Terms

GIVEN = {
    "endpoints": {"w": {"provider": "scripted"}},
    "sampler": {"endpoint": "w", "model": "s", "variants": [{"name": "a", "n": 2}]},
    "judge": {"endpoint": "w", "model": "j"},
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("limit", value) for value in (0, -1, 2.5, "5")],
        *[("max_usd", value) for value in (-1, -0.01, float("nan"), float("inf"), Decimal("NaN"), "much")],
    ],
)
def test_what_can_be_no_limit_is_refused(tmp_path: Path, name: str, value: Any) -> None:
    """A cap that is no number is no cap, and no prompt at all is no run; nothing is written."""
    (tmp_path / "prompts.txt").write_text("a question\n")
    asked: Any = {name: value}
    with pytest.raises(SpecError, match=f"^{name} = "):
        asyncio.run(judgegen.generate({"prompts": str(tmp_path / "prompts.txt"), **GIVEN}, out=tmp_path / "o", **asked))
    assert not (tmp_path / "o").exists()
    if name == "limit":
        with pytest.raises(SpecError, match=r"^limit = "):
            judgegen.estimate({"prompts": str(tmp_path / "prompts.txt"), **GIVEN}, **asked)


def test_what_can_be_is_taken() -> None:
    """Nothing to spend is a cap, as exact as it is written."""
    for usd in (0, 0.1, Decimal("0.1"), None):
        assert Terms(limit=1, max_usd=usd).max_usd == usd


@pytest.mark.parametrize(
    ("made", "said"), [(False, "no such folder"), (True, r"no run's folder \(it has no run.toml\)")]
)
def test_what_is_no_runs_folder_is_not_loaded(tmp_path: Path, made: bool, said: str) -> None:
    """And not told to be made from a journal that is not there."""
    folder = tmp_path / "runs"
    if made:
        folder.mkdir()
    for command in (judgegen.load, judgegen.rewrite):
        with pytest.raises(SpecError, match=said):
            command(folder)
