"""Labelled comparisons on their way to a judge: from files, frames and importers, and as prompt and candidates.

Knows nothing of judges or journals.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from judgegen.errors import SpecError
from judgegen.formats.origins import known_by
from judgegen.judge.build import content
from judgegen.llm.calls import digest
from judgegen.records import Candidate, Prompt
from judgegen.sources import annotated, rated
from judgegen.sources.labelled import Labelled, labelled_from_rows
from judgegen.sources.labelled import labelled as labelled_from_file
from judgegen.sources.mapping import parsed_mapping
from judgegen.sources.readings import Names
from judgegen.sources.rows import RowError

Rows = str | Path | Iterable[Mapping[str, Any]]


def labelled(
    given: Rows, source: str | None, warn: Callable[[str], None], mapping: Mapping[str, str] | Sequence[str] = ()
) -> Iterator[Labelled]:
    """Comparisons from a file or from rows; of the shape `source` where it is one that is imported.

    Raises:
        SpecError: as `judgegen.sources.labelled`, or as `judgegen.exchange.import_`.
    """
    try:
        mapped = parsed_mapping(mapping)
    except RowError as error:
        raise SpecError(f"--map: {error}") from None
    if source is not None:
        return _imported(given, source, mapping, warn)

    def names(columns: tuple[str, ...]) -> Names:
        return Names(values=known_by(columns).values, mapped=mapped)

    if isinstance(given, str | Path) and annotated.known(Path(given)):
        rows = annotated.merged(annotated.read(Path(given)))
        return labelled_from_rows(rows, where=str(given), warn=warn, names=names)
    if isinstance(given, str | Path):
        return labelled_from_file(Path(given), warn=warn, names=names)
    return labelled_from_rows(given, where="labelled", warn=warn, names=names)


def _imported(
    given: Rows, source: str, mapping: Mapping[str, str] | Sequence[str], warn: Callable[[str], None]
) -> Iterator[Labelled]:
    """Preferences of another shape as comparisons; what is none is counted."""
    from judgegen.exchange.import_ import Reject, Wishes, imported

    taken = left_out = 0
    for row in imported(given, source, wishes=Wishes(mapping=mapping)):
        if isinstance(row, Reject) or not (row.get("chosen") and row.get("rejected")):
            left_out += 1
            continue
        taken += 1
        yield _compared(row)
    if not taken:
        raise SpecError(f"{given if isinstance(given, str | Path) else 'rows'}: no pair of the shape {source} in it")
    if left_out:
        warn(f"{left_out:,} rows of {source} are no pairs (ties, or only half of one) and are left out")


def _compared(row: Mapping[str, Any]) -> Labelled:
    """A preference as a comparison that the chosen side won; which side is A is drawn by lot."""
    responses = [content(row[side][-1]) for side in ("chosen", "rejected")]
    lot = digest([row["prompt"], *responses], size=8)
    a_won = int(lot, 16) % 2 == 0
    first, second = responses if a_won else reversed(responses)
    return Labelled(
        id=f"c-{lot}",
        messages=tuple(row["prompt"]),
        response_a=first,
        response_b=second,
        votes=("A" if a_won else "B",),
        reference=row.get("reference"),
        tools=tuple(row.get("tools") or ()),
    )


def again(kept: Mapping[str, Any]) -> Labelled:
    """A comparison as the journal kept it."""
    lists = {name: tuple(kept[name]) for name in ("messages", "votes", "tools")}
    return Labelled(**{**kept, **lists})


def ratings(row: Labelled) -> dict[tuple[str, str], tuple[rated.Given, ...]]:
    """What people gave the two answers, by the prompt's id and the answer's text; empty where none were rated."""
    given = row.metadata.get(rated.KEPT)
    if not isinstance(given, Mapping):
        return {}
    texts = {"response_a": row.response_a, "response_b": row.response_b}
    asked = prompt(row).id
    return {(asked, text): tuple((one["rater"], one["ratings"]) for one in given[side]) for side, text in texts.items()}


def prompt(row: Labelled) -> Prompt:
    """The prompt under an id that its content gives it: comparisons of one prompt are resampled together."""
    asked = [row.messages, row.reference, row.tools]
    return replace(row.prompt, id="p-" + digest(asked, size=8), line=None)


def sides(asked: Prompt, row: Labelled) -> list[Candidate]:
    """The two responses as candidates; what names them to lots and labels is their text, not the side."""
    texts = {"response_a": row.response_a, "response_b": row.response_b}
    return [
        Candidate(
            prompt_id=asked.id,
            variant=name,
            index=0,
            model="",
            text=text,
            finish="stop",
            call_id="t-" + digest(text, size=8),
        )
        for name, text in texts.items()
    ]
