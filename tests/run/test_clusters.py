"""What examples/cluster says for schedulers runs as it stands: the scheduler's own variables name the shards."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

RECIPE = Path(__file__).parents[2] / "examples" / "cluster"
RUN_FILE = """\
prompts = "prompts.txt"
[endpoints.here]
provider = "scripted"
[sampler]
endpoint = "here"
model = "small"
[[sampler.variants]]
name = "v"
n = 3
[judge]
endpoint = "here"
model = "judge"
"""


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A folder with a run file, and `judgegen` on the path as it is in a cluster's image."""
    (tmp_path / "prompts.txt").write_text("".join(f"Name river {number}.\n" for number in range(12)), encoding="utf-8")
    (tmp_path / "mine.toml").write_text(RUN_FILE, encoding="utf-8")
    command = tmp_path / "bin" / "judgegen"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m judgegen "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    return tmp_path


def done(folder: Path, command: list[str], **names: str) -> None:
    names["PATH"] = f"{folder / 'bin'}:{os.environ['PATH']}"
    ran = subprocess.run(command, check=False, cwd=folder, env={**os.environ, **names}, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.slow
def test_the_array_of_slurm_and_its_merge(mine: Path) -> None:
    """Tasks are counted from 1, and their number is the number of shards."""
    for task in ("1", "2"):
        names = {"SLURM_ARRAY_TASK_ID": task, "SLURM_ARRAY_TASK_COUNT": "2"}
        done(mine, ["bash", str(RECIPE / "slurm" / "run.sbatch")], **names)
    done(mine, ["bash", str(RECIPE / "slurm" / "merge.sbatch")])
    assert (mine / "runs" / "mine" / "preferences.jsonl").stat().st_size > 0


@pytest.mark.slow
def test_the_indexed_job_of_kubernetes(mine: Path) -> None:
    """Indices are counted from 0."""
    text = (RECIPE / "kubernetes" / "run.yaml").read_text(encoding="utf-8")
    found = re.search(r"args:\n +- (exec judgegen .+)\n", text)
    assert found is not None
    script = found[1].replace("/runs/mine.toml", "mine.toml").replace("/runs/mine", "runs/mine")
    for index in ("0", "1"):
        done(mine, ["sh", "-c", script], JOB_COMPLETION_INDEX=index, SHARDS="2")
    done(mine, ["judgegen", "merge", "runs/mine", "--quiet"])
    assert (mine / "runs" / "mine" / "preferences.jsonl").stat().st_size > 0
