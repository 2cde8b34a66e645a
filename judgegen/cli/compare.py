"""`judgegen compare`: parses, calls report.comparing, prints. Knows nothing of how figures come about."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer

from judgegen.cli import completing


def compare(
    first: Annotated[Path, typer.Argument(metavar="RUN_A", autocompletion=completing.runs, help="A run folder.")],
    second: Annotated[
        Path, typer.Argument(metavar="RUN_B", autocompletion=completing.runs, help="Another, over the same prompts.")
    ],
    *,
    n: Annotated[int, typer.Option("-n", "--n", metavar="N", min=0, help="How many disagreements to print.")] = 3,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="Write a page with up to 200 of them as well.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object, nothing else.")] = False,
) -> None:
    """Two runs beside each other: agreement, moved labels, cost.

    Two judges, templates or samplers over the same prompts. Agreement and kappa are of what both judges said of the
    same two texts, with 95 % intervals over prompts. Needs the extra `trust`.
    """
    from judgegen.cli import ending

    with ending.told(as_json=as_json):
        from judgegen.cli.tables import printed
        from judgegen.report import comparing

        found = comparing.compare(first, second)
        if out is not None:
            comparing.write(found, out)
    if as_json:
        print(json.dumps(found.to_dict()))
        return
    print("\n".join(found.words()), end="\n\n")
    print(printed(("figure", *found.names), found.rows(), names=(0,)))
    for difference in islice(found.differences, n):
        print("\n" + "\n".join(_lines(difference, found.names)))
    if out is not None:
        print(f"\n{out}")


def _lines(difference: object, names: tuple[str, str]) -> list[str]:
    import shutil

    from judgegen.report.comparing import Difference
    from judgegen.show.words import shortened

    assert isinstance(difference, Difference)
    width = min(100, shutil.get_terminal_size((80, 24)).columns)
    lines = [shortened(f"{difference.prompt_id}: {difference.prompt}", width)]
    for number, text in enumerate(difference.texts):
        run = next(i for i in (0, 1) if (difference.p[i] > 0.5) == (number == 0))
        p = difference.p[run] if number == 0 else 1 - difference.p[run]
        lines += [shortened(f"  {names[run]} prefers (P {p:.2f}):", width), "    " + shortened(text, width - 4)]
    return lines
