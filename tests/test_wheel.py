"""What users get: the wheel holds all that the program needs, and starts without the sources."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parent.parent
NEEDED = (
    "judgegen/prompts/judge/pairwise.md",
    "judgegen/prompts/system/terse.md",
    "judgegen/prompts/README.md",
    "judgegen/llm/vocab/o200k_base.tiktoken.gz",
    "judgegen/llm/vocab/cl100k_base.tiktoken.gz",
    "judgegen/llm/training_prices.toml",
    "judgegen/starter/run.toml",
    "judgegen/starter/prompts.jsonl",
    "judgegen/recipes/simulator/README.md",
    "judgegen/recipes/method/package/judgegen_consensus.py",
    "judgegen/py.typed",
)
RUN = """
import asyncio, sys
TERSE = "prompts/system/terse.md"
sys.path.insert(0, sys.argv[1])
import judgegen
assert judgegen.__file__.startswith(sys.argv[1]), judgegen.__file__
world = {"provider": "scripted"}
spec = {
    "prompts": "-", "endpoints": {"w": world}, "judge": {"endpoint": "w", "model": "j"},
    "sampler": {"endpoint": "w", "model": "s", "variants": [{"name": "a", "n": 2, "system_file": TERSE}]},
}
print(asyncio.run(judgegen.generate(spec, out=sys.argv[2], prompts=["one?", "two?"])).summary["prompts"])
from judgegen.sources.starter import recipes
assert "cluster" in recipes(), recipes()
judgegen.init(sys.argv[2] + "-cluster", recipe="cluster")
"""


@pytest.mark.slow
def test_the_wheel_is_enough(tmp_path: Path) -> None:
    """Built, unpacked elsewhere and run: templates, vocabularies and starter are inside."""
    build = [sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path), str(CHECKOUT)]
    subprocess.run(build, check=True, capture_output=True, cwd=tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(tmp_path / "site")
    assert not set(NEEDED) - names
    assert not [name for name in names if "tests/" in name or "notebooks/" in name]
    run = [sys.executable, "-I", "-c", RUN, str(tmp_path / "site"), str(tmp_path / "run")]
    done = subprocess.run(run, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.stdout.strip() == "2", done.stderr
