"""Every shape that can be read as preferences, by name: what others publish, and what the exporters wrote."""

from __future__ import annotations

import difflib

from judgegen.errors import SpecError
from judgegen.formats.consumers import CONSUMERS
from judgegen.formats.origin import Origin, as_they_stand
from judgegen.formats.registry import declared

PREFERENCES = Origin(
    name="preferences",
    about="preferences.jsonl of a run, or what `judgegen import` wrote",
    source="judgegen",
    read=as_they_stand,
)
ORIGINS: dict[str, Origin] = {
    PREFERENCES.name: PREFERENCES,
    **declared("ORIGIN"),
    **{
        form.name: Origin(name=form.name, about=form.about, source=form.source, read=form.back)
        for form in CONSUMERS.values()
        if form.back is not None
    },
}


def origin(name: str) -> Origin:
    """The shape of that name.

    Raises:
        SpecError: no such shape; the nearest is named.
    """
    if name not in ORIGINS:
        near = difflib.get_close_matches(name, ORIGINS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise SpecError(f"{name!r} is no shape to import from; {hint}known: {', '.join(ORIGINS)}")
    return ORIGINS[name]
