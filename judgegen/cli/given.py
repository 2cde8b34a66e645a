"""What `run` and `estimate` are given: a run file, or prompts with two models; and keys that go before what it says.

Knows nothing of what a run does with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from judgegen.cli import completing

Sampler = Annotated[
    str | None,
    typer.Option(
        "--sampler",
        metavar="MODEL",
        autocompletion=completing.models,
        help="The model that answers, where SPEC is prompts.",
    ),
]
Judge = Annotated[
    str | None,
    typer.Option(
        "--judge",
        metavar="MODEL",
        autocompletion=completing.models,
        help="The model that compares, where SPEC is prompts.",
    ),
]
Variants = Annotated[
    str | None,
    typer.Option("--variants", metavar="NAMES", help="Ways of asking: focused, loose, terse, thorough; with commas."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Goes before the run file, like judge.samples=3. Repeatable."),
]
Pairs = Annotated[
    int | None, typer.Option("--pairs", metavar="N", min=1, help="Stop at N pairs: no more prompts than they take.")
]
Seed = Annotated[int | None, typer.Option("--seed", metavar="S", help="Goes before the run file's seed.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What was said beside the file."""

    sampler: str | None = None
    judge: str | None = None
    variants: str | None = None
    settings: list[str] | None = None
    seed: int | None = None
    pairs: int | None = None

    def changes(self) -> list[str]:
        """Every KEY=VALUE, those with an option of their own among them."""
        own = {"seed": self.seed, "pairs.wanted": self.pairs}
        return [*(self.settings or ()), *(f"{key}={value}" for key, value in own.items() if value is not None)]


def given(path: Path, words: Words) -> object:
    """What the library is given: the path of a run file as it is, or a run file changed or made up here.

    A run file that is made up is printed, as it will stand in the run folder.

    Raises:
        SpecError: prompts without models, models beside a run file, or a key that does not fit.
    """
    from judgegen.errors import SpecError
    from judgegen.spec import reading, short

    alone = [f"--{name}" for name in ("sampler", "judge", "variants") if getattr(words, name) is not None]
    made_up = path.suffix.lower() != ".toml" and bool(alone or not path.is_dir())
    if not made_up and alone:
        said = ", ".join(alone)
        raise SpecError(f"{path}: a run file says this itself, and {said} goes with prompts; use --set sampler.model=…")
    if not made_up and not words.changes():
        return path
    table = _made_up(path, words) if made_up else reading.table(path)
    table = short.changed(table, words.changes())
    spec = reading.parse(table, where=str(path))
    if made_up:
        _show(table)
    return short.ShortFile(spec, path)


def _made_up(path: Path, words: Words) -> dict[str, object]:
    from judgegen.errors import SpecError
    from judgegen.spec import short
    from judgegen.stores.urls import url_of

    if words.sampler is None or words.judge is None:
        raise SpecError(
            f"{path}: no run file (a run file ends in .toml); with prompts name two models: "
            f"judgegen run {path} --sampler MODEL --judge MODEL"
        )
    names = [name.strip() for name in (words.variants or "").split(",") if name.strip()]
    return short.written(prompts=url_of(path) or path.name, sampler=words.sampler, judge=words.judge, variants=names)


def _show(table: dict[str, object]) -> None:
    import tomli_w

    lines = tomli_w.dumps(table).rstrip().splitlines()
    typer.echo("\n".join(["the run file this means:", "", *(f"  {line}" for line in lines), ""]), err=True)
