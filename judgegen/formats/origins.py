"""Every shape that can be read as preferences, by name: what others publish, and what the exporters wrote."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from judgegen.errors import SpecError, hint
from judgegen.formats.consumers import CONSUMERS
from judgegen.formats.origin import Origin, as_they_stand
from judgegen.formats.registry import declared
from judgegen.sources.columns import plain_name

_PAIRS = (
    "trl-dpo trl-reward openrlhf huggingface ms-swift axolotl llama-factory verl "
    "openai-dpo azure-dpo together-dpo fireworks-dpo"
).split()
_KINDS = {
    **dict.fromkeys(_PAIRS, frozenset({"pair"})),
    "trl-kto": frozenset({"labelled"}),
    "openai-sft": frozenset({"chat", "answer"}),
}
"""Consumers whose rows the shared reader reads back, as what; the others' are read by their own `back`."""

ANY = Origin(name="any", about="whatever its rows say", source="the columns' names")
PREFERENCES = Origin(
    name="preferences",
    about="preferences.jsonl of a run, or what `judgegen import` wrote",
    source="judgegen",
    ours=True,
    read=as_they_stand,
)
ORIGINS: dict[str, Origin] = {
    PREFERENCES.name: PREFERENCES,
    **declared("ORIGIN"),
    **{
        form.name: Origin(name=form.name, about=form.about, source=form.source, kinds=_KINDS[form.name], ours=True)
        if form.name in _KINDS
        else Origin(name=form.name, about=form.about, source=form.source, read=form.back)
        for form in CONSUMERS.values()
        if form.name in _KINDS or form.back is not None
    },
}
OWN = tuple(form for name, form in ORIGINS.items() if form.read is not None and name != PREFERENCES.name)
"""Shapes with a reading of their own."""


def origin(name: str) -> Origin:
    """The shape of that name.

    Raises:
        SpecError: no such shape; the nearest is named.
    """
    if name not in ORIGINS:
        raise SpecError(f"{name!r} is no shape to import from; {hint(name, ORIGINS)}known: {', '.join(ORIGINS)}")
    return ORIGINS[name]


@lru_cache(maxsize=4096)
def known_by(columns: Sequence[str]) -> Origin:
    """The shape that a row's columns tell, the one with the most of them; `ANY` where none does."""
    plain = {plain_name(name) for name in columns}
    found = [(len(each), shape.name) for shape in ORIGINS.values() for each in shape.columns if each <= plain]
    return ORIGINS[max(found)[1]] if found else ANY
