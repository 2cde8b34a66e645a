"""The main job: prompts as the run file names them or as they are given, every one through the three stages.

Knows the run file and the stages' plan; nothing of how a job is carried out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from judgegen import pipeline, sources
from judgegen.plan.run import plan
from judgegen.plan.run import texts as named
from judgegen.records import Prompt, Result
from judgegen.run import anchors, live
from judgegen.run.session import Inquiry, Rows, Warn
from judgegen.run.shards import Census
from judgegen.spec import Spec
from judgegen.stores.urls import url_of


def texts(resolved: Spec, base: Path, warn: Warn) -> dict[str, str]:
    """All that the run file names and a journal keeps: templates, system prompts, calibration, anchors.

    Raises:
        SpecError: one of them is not there, or not what it is to be.
    """
    return anchors.texts(resolved, base, warn, named(resolved, base))


def job(
    resolved: Spec,
    base: Path,
    folder: Path,
    rows: Rows | None,
    kept: Mapping[str, str],
    part: Census | None = None,
) -> Inquiry[Prompt, Result]:
    """The main job: every prompt through the three stages, and the anchors, in the first of shards alone."""
    steps = plan(resolved, kept, base)
    first = part is None or part.shard.number == 1
    return Inquiry(
        spec=resolved,
        plan=steps,
        folder=folder,
        routes=frozenset(live.samplers(steps) | live.judges(steps)),
        items=partial(found_prompts, resolved, base, rows),
        again=prompt_of,
        through=partial(pipeline.through, plan=steps),
        pairs=True,
        anchors=anchors.anchors(resolved, kept) if first else None,
    )


def prompts_at(resolved: Spec, base: Path) -> Path:
    """Where the prompts lie that a run file names, `base` being its folder: there, or at a URL."""
    return Path(resolved.prompts) if url_of(resolved.prompts) else base / resolved.prompts


def found_prompts(resolved: Spec, base: Path, rows: Rows | None, warn: Warn) -> Iterator[Prompt]:
    """The prompts a run is told of: `rows`, or the run file's."""
    mapping = {} if resolved.columns is None else resolved.columns.model_dump(exclude_none=True)
    if rows is not None:
        return sources.prompts_from_rows(rows, where="prompts", warn=warn, mapping=mapping)
    return sources.prompts(prompts_at(resolved, base), warn=warn, mapping=mapping)


def prompt_of(row: Mapping[str, Any]) -> Prompt:
    """A prompt as the journal kept it."""
    return Prompt(**{**row, "messages": tuple(row["messages"]), "tools": tuple(row["tools"])})
