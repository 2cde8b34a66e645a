"""Where a user begins: the starter, a commented run file with prompts, and the recipes, each a folder with a page.

A recipe is a folder of examples/ in a checkout, which the wheel holds as judgegen/recipes: a run file, what it needs,
and README.md, whose first paragraph says in a sentence what it is. Nothing that is there already is overwritten.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from judgegen.errors import SpecError

NAMES = ("run.toml", "prompts.jsonl")
PAGE = "README.md"


def starter() -> dict[str, bytes]:
    """The files of judgegen/starter by name, the run file first."""
    return {name: (files("judgegen") / "starter" / name).read_bytes() for name in NAMES}


def recipes() -> dict[str, str]:
    """Every recipe by name, with the sentence that its page begins with."""
    return {page.parent.name: _summary(page) for page in sorted(_recipes_folder().glob(f"*/{PAGE}"))}


def recipe(name: str) -> dict[str, bytes]:
    """The files of a recipe by their paths in its folder, the run file and the page first.

    Raises:
        SpecError: there is no such recipe.
    """
    folder = _recipes_folder() / name
    if name not in recipes():
        raise SpecError(f"no recipe {name!r}; there are: {', '.join(recipes())}")
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if _written(path)}
    order = sorted(found, key=lambda inner: (inner != NAMES[0], inner != PAGE, inner))
    return {inner: found[inner].read_bytes() for inner in order}


def recipe_next(name: str, folder: Path) -> list[str]:
    """The command that a recipe's page has next, once the recipe lies in `folder`; in words.

    What runs may be played through first, without a key and without cost; what else comes first has to.
    """
    page = (_recipes_folder() / name / PAGE).read_text(encoding="utf-8")
    _init, following, *_ = [line.removeprefix("$ ") for line in page.splitlines() if line.startswith("$ ")]
    place = re.compile(rf"(\./)?{re.escape(name)}/")
    words = [place.sub(f"{folder.as_posix()}/", word) for word in shlex.split(following)]
    return ["judgegen", "rehearse", str(folder / NAMES[0])] if words[:2] == ["judgegen", "run"] else words


def _recipes_folder() -> Path:
    """The recipes shipped with the package; beside it in a checkout."""
    shipped = Path(str(files("judgegen"))) / "recipes"
    return shipped if shipped.is_dir() else Path(__file__).parents[2] / "examples"


def _written(path: Path) -> bool:
    """Whether a file is somebody's: neither hidden nor made by Python."""
    return path.is_file() and not any(part.startswith(".") or part == "__pycache__" for part in path.parts[-3:])


def _summary(page: Path) -> str:
    """The first paragraph below the title, on one line."""
    _, paragraph, *_ = page.read_text(encoding="utf-8").split("\n\n")
    return " ".join(paragraph.split())


def write_starter(folder: Path, contents: Mapping[str, bytes] | None = None) -> list[Path]:
    """Write `contents` (the starter's unless given) into `folder`, made where it is missing; the paths, in their order.

    Raises:
        SpecError: one of the files is there already (none is written then), or the folder cannot be written to.
    """
    found = {folder / name: content for name, content in (contents or starter()).items()}
    if there := [str(path) for path in found if path.exists() or path.is_symlink()]:
        raise SpecError(f"{' and '.join(there)}: there already, and not overwritten; name another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, content in found.items():
            _write(path, content)
    except OSError as error:
        raise SpecError(f"{error.filename or folder}: cannot be written ({error.strerror})") from None
    return list(found)


def _write(path: Path, content: bytes) -> None:
    """A new file; one that has come to stand there in the meantime is left as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as file:
        file.write(content)
