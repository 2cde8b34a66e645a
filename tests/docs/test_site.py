"""The pages of the documentation: all are in the site, and what their fences show is so."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(page for page in DOCS.glob("*.md") if page.name != "index.md")
FENCE = re.compile(r"(?P<note><!-- not run: [^>]*-->\n)?```(?P<kind>[\w{}-]+)[^\n]*\n(?P<text>.*?)```", re.DOTALL)


def fences(page: Path, kind: str) -> list[str]:
    """Those of a kind that do not say why they are not run."""
    found = FENCE.finditer(page.read_text(encoding="utf-8"))
    return [m["text"] for m in found if m["kind"] == kind and not m["note"]]


def commands(page: Path) -> list[list[str]]:
    """Every `$ judgegen …` of a page, without its comment."""
    lines = (line for text in fences(page, "console") for line in text.splitlines())
    return [shlex.split(line[2:], comments=True) for line in lines if line.startswith("$ judgegen")]


def test_every_page_is_in_the_site_once() -> None:
    """The contents name each page of the folder, and none that is not there."""
    named = [line for text in fences(DOCS / "index.md", "{toctree}") for line in text.split() if line[0] != ":"]
    listed = [name for name in named if (DOCS / f"{name}.md").exists()]
    assert sorted(listed) == [page.stem for page in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_tables_shown_are_toml(page: Path) -> None:
    """A fence of TOML is read by a TOML reader."""
    for text in fences(page, "toml"):
        assert tomllib.loads(text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_commands_shown_exist_with_their_flags(page: Path) -> None:
    """Each command of a page is one of the command line's page, and so is every flag that it is shown with."""
    sections = (DOCS / "cli.md").read_text(encoding="utf-8").split("\n## ")[1:]
    known = {section.partition("\n")[0].strip("` "): section for section in sections}
    for command in commands(page):
        name = max((name for name in known if " ".join(command).startswith(name)), key=len)
        missing = [word for word in command if word.startswith("--") and f"{word} " not in known[name]]
        assert not missing, f"{page.name}: {shlex.join(command)}"


@pytest.mark.slow
def test_the_commands_of_the_concepts_run_in_their_order(tmp_path: Path) -> None:
    """On made-up models, from a new folder; the second rehearsal asks nothing."""
    said = []
    for command in commands(DOCS / "concepts.md"):
        called = [sys.executable, "-m", *command]
        done = subprocess.run(called, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        said.append(done.stdout)
    assert len(said) == 4
    assert " 0 sent now" in said[2]
