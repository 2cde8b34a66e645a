"""`judgegen list WHAT`: the names that a run file and the commands take. Parses, asks the registries, prints."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated

import typer

Rows = Iterator[tuple[str, ...]]


def _formats() -> Rows:
    from judgegen.formats.consumers import CONSUMERS

    yield ("format", "for")
    yield from ((name, form.about) for name, form in CONSUMERS.items())


def _origins() -> Rows:
    from judgegen.formats.origins import ORIGINS

    yield ("origin", "what it is")
    yield from ((name, origin.about) for name, origin in ORIGINS.items())


def _methods() -> Rows:
    from judgegen.judge.methods import METHODS

    yield ("method", "keys that not every method reads")
    yield from ((name, ", ".join(sorted(method.keys))) for name, method in METHODS.items())


def _variants() -> Rows:
    import json

    from judgegen.spec.short import VARIANTS

    yield ("variant", "asks with")
    yield from ((name, json.dumps(way)) for name, way in VARIANTS.items())


def _templates() -> Rows:
    from judgegen.templates import prompts_folder

    yield ("template",)
    yield from ((path.stem,) for path in sorted((prompts_folder() / "judge").glob("*.md")))


def _recipes() -> Rows:
    from judgegen.sources.starter import recipes

    yield ("recipe", "what it is")
    yield from recipes().items()


def _models() -> Rows:
    from judgegen.llm.prices import listed_models

    yield ("model", "USD per million tokens in", "cached", "out")
    yield from listed_models("openai")


LISTS: Mapping[str, Callable[[], Rows]] = {
    "formats": _formats,
    "origins": _origins,
    "methods": _methods,
    "variants": _variants,
    "templates": _templates,
    "recipes": _recipes,
    "models": _models,
}


app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command("list")
def names(
    what: Annotated[str, typer.Argument(metavar="WHAT", help="One of the lists below.")],
) -> None:
    """List the names that run files and commands take.

    \b
    formats    what `export --to`, `validate --for` and [output] formats take
    origins    what `import --from` reads
    methods    ways of judging: [judge] method
    variants   ways of asking: --variants
    templates  shipped questions to judges: [judge] template and rubric
    recipes    ready run files to start from: `init --recipe`
    models     OpenAI's models whose price is known, USD per million tokens
    """  # noqa: D301 - a backspace is click's mark for lines that stay as they are
    if what not in LISTS:
        raise typer.BadParameter(f"{what!r} is not one of: {', '.join(LISTS)}", param_hint="WHAT")
    from judgegen.cli.tables import printed

    head, *rows = LISTS[what]()
    words = () if what == "models" else (len(head) - 1,)
    print(printed(head, rows, names=(0,), words=words))
