"""docs/recipes.md has the pages of examples/: `python tests/docs/test_recipes_page.py > docs/recipes.md` writes it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import judgegen
from judgegen.errors import SpecError
from judgegen.sources.starter import recipe, recipes

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "recipes.md"


def page() -> str:
    """The whole page: what there is, then each recipe's page with its run file."""
    return "\n".join([*_head(), *(line for name in recipes() for line in _recipe(name))])


def _head() -> Iterator[str]:
    yield from ("# Recipes", "")
    yield "<!-- Written by `python tests/docs/test_recipes_page.py > docs/recipes.md`, of the folders in examples/. -->"
    yield ""
    yield "Each is a folder with a run file that works as it is, and a page that says when to use it."
    yield "`judgegen init DIR --recipe NAME` writes it; the commands below run from an empty folder."
    yield "`judgegen rehearse` plays any of them with made-up models at no cost. `judgegen run` asks real ones and"
    yield "wants OPENAI_API_KEY, unless the page says otherwise."
    yield from ("", "| recipe | what it is |", "| --- | --- |")
    yield from (f"| [{name}](#{name}) | {said} |" for name, said in recipes().items())


def _recipe(name: str) -> Iterator[str]:
    folder = ROOT / "examples" / name
    yield ""
    yield (folder / "README.md").read_text(encoding="utf-8").replace("# ", "## ", 1).rstrip()
    yield from ("", "```toml", (folder / "run.toml").read_text(encoding="utf-8").rstrip(), "```", "")


def test_every_folder_is_a_recipe() -> None:
    """No folder of examples/ is without a page and a run file."""
    folders = {path.name for path in (ROOT / "examples").iterdir() if path.is_dir()}
    assert folders == set(recipes())
    assert all({"run.toml", "README.md"} <= recipe(name).keys() for name in folders)


@pytest.mark.parametrize("name", recipes())
def test_pages_are_of_one_form(name: str) -> None:
    """The name, a sentence, when to use it, commands that begin with `init`; no link, which would lead nowhere."""
    text = (ROOT / "examples" / name / "README.md").read_text(encoding="utf-8")
    assert re.match(rf"# {name}\n\n(?:[^\n]+\n)+\n\*\*When\*\*: ", text)
    assert f"```console\n$ judgegen init {name} --recipe {name}\n" in text
    assert "](" not in text


def test_the_page_says_what_the_folders_say() -> None:
    """docs/recipes.md is as `python tests/docs/test_recipes_page.py > docs/recipes.md` writes it."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_an_unknown_recipe_is_refused(tmp_path: Path) -> None:
    """The message names those that there are; nothing is written."""
    with pytest.raises(SpecError, match="no recipe 'ruric'; there are: batch, "):
        judgegen.init(tmp_path / "x", recipe="ruric")
    assert not (tmp_path / "x").exists()


if __name__ == "__main__":
    sys.stdout.write(page())
