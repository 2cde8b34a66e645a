from __future__ import annotations

from pathlib import Path

import pytest
from shown import hostile, written

from judgegen.report.tables import Tables


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with a prompt of each kind, and hostile ones."""
    made = tmp_path_factory.mktemp("runs") / "a run"
    written(made, hostile())
    return made


@pytest.fixture
def tables(folder: Path) -> Tables:
    """Its files as rows."""
    return Tables(folder)
