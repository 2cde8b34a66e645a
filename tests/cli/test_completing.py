"""Shells complete values where a value stands: names of the lists, models, run folders."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from judgegen.cli import app
from judgegen.llm.journal import NAME


def completed(words: str) -> list[str]:
    """What bash is told after these words."""
    place = len(words.split()) - (not words.endswith(" "))
    env = {"_JUDGEGEN_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(place)}
    return CliRunner().invoke(app, env=env, prog_name="judgegen").output.split()


@pytest.mark.parametrize(
    ("words", "among"),
    [
        ("judgegen export x --to trl-", {"trl-dpo", "trl-kto"}),
        ("judgegen validate x --for together", {"together-dpo"}),
        ("judgegen import x --from ultra", {"ultrafeedback", "ultrafeedback-binarized"}),
        ("judgegen init x --recipe ", {"batch"}),
        ("judgegen run x --sampler gpt-5-", {"gpt-5-mini"}),
        ("judgegen judge check x --from arena", {"arena"}),
    ],
)
def test_a_value_is_completed_from_its_list(words: str, among: set[str]) -> None:
    """All that begin so, and no others."""
    found, begun = completed(words), "" if words.endswith(" ") else words.rsplit(maxsplit=1)[-1]
    assert among <= set(found)
    assert all(name.startswith(begun) for name in found)


def test_run_folders_are_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders with a journal, and those on the way to one; others are left to the shell."""
    monkeypatch.chdir(tmp_path)
    for folder in ("runs/one", "runs/two", "else/where", "notes"):
        Path(folder).mkdir(parents=True)
    for folder in ("runs/one", "runs/two"):
        (Path(folder) / NAME).touch()
    assert completed("judgegen report ") == ["runs/", "runs/one", "runs/two"]
    assert completed("judgegen status runs/t") == ["runs/two"]
    assert completed("judgegen show not") == []
