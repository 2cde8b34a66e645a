"""A consumer or an origin is one file, here or in somebody's own package."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import judgegen.formats
from judgegen.formats.registry import declared

MODULE = """
from judgegen.formats.format import Format
from judgegen.formats.origin import Origin

FORMAT = Format(name="{name}", about="", source="", rows=lambda preference: [dict(preference)])
ORIGINS = (Origin(name="ours-{name}", about="", source="", read=dict),)
"""
ASK = "from judgegen.formats import consumers, origins; print([*consumers.CONSUMERS, *origins.ORIGINS])"


def installed(folder: Path, module: str, name: str) -> str:
    """What a python says that finds a package with one entry point in `folder`."""
    (folder / "theirs.py").write_text(MODULE.format(name=name))
    (folder / "theirs-1.dist-info").mkdir(exist_ok=True)
    (folder / "theirs-1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1\n")
    (folder / "theirs-1.dist-info" / "entry_points.txt").write_text(f"[judgegen.formats]\none = {module}\n")
    path = os.pathsep.join([str(folder), str(Path(judgegen.__file__).parents[1])])
    done = subprocess.run(
        [sys.executable, "-c", ASK], capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path}
    )
    return done.stdout + done.stderr


def test_another_package_adds_a_consumer_and_origins(tmp_path: Path) -> None:
    """What its module declares stands beside ours, by an entry point alone."""
    assert all(name in installed(tmp_path, "theirs", "mine") for name in ("'mine'", "'ours-mine'", "'trl-dpo'"))


def test_what_cannot_be_added_is_named(tmp_path: Path) -> None:
    """A name that is taken and a module that is not there are errors with the entry point, not silence."""
    assert "'trl-dpo' of the entry point theirs is another's name" in installed(tmp_path, "theirs", "trl-dpo")
    assert "the entry point nobody of judgegen.formats cannot be loaded" in installed(tmp_path, "nobody", "mine")


def test_every_file_of_the_room_is_found() -> None:
    """No list names the formats: each file that declares one is in it."""
    room = Path(judgegen.formats.__file__).parent
    texts = [path.read_text(encoding="utf-8") for path in room.glob("*.py")]
    several = sum(text.partition("\nFORMATS = (")[2].count("ormat(") for text in texts)
    assert len(declared("FORMAT")) == sum("\nFORMAT = " in text for text in texts) + several
