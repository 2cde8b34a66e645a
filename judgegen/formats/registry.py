"""Finds what the modules of this room declare, and what other packages add: a consumer or an origin is one file.

A module declares `FORMAT` or `ORIGIN`, or several as `FORMATS` or `ORIGINS`. Another package names such a module as an
entry point of the group `judgegen.formats`:

    [project.entry-points."judgegen.formats"]
    mine = "my_package.my_format"
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from typing import Any

from judgegen import formats
from judgegen.errors import SpecError
from judgegen.plugins import points

GROUP = "judgegen.formats"
_LISTS = ("registry", "consumers", "origins")  # they ask; what they import may not be half imported


def declared(what: str) -> dict[str, Any]:
    """Every `what` ("FORMAT" or "ORIGIN") by its name: ours in alphabetical order, then other packages'.

    Raises:
        SpecError: an entry point cannot be loaded, or takes a name that is another's.
    """
    found: dict[str, Any] = {}
    ours = [name for _, name, _ in pkgutil.iter_modules(formats.__path__) if name not in _LISTS]
    for name in ours:
        found |= {one.name: one for one in _of(importlib.import_module(f"{GROUP}.{name}"), what)}
    found = dict(sorted(found.items()))
    for point in points(GROUP):
        for one in _of(_loaded(point), what):
            if found.setdefault(one.name, one) is not one:
                raise SpecError(f"{one.name!r} of the entry point {point.value} is another's name; rename it")
    return found


def _of(module: Any, what: str) -> Iterator[Any]:
    if hasattr(module, what):
        yield getattr(module, what)
    yield from getattr(module, f"{what}S", ())


def _loaded(point: Any) -> Any:
    try:
        return point.load()
    except Exception as error:
        raise SpecError(
            f"the entry point {point.value} of {GROUP} cannot be loaded ({type(error).__name__}: {error}); "
            "update or uninstall the package that has it"
        ) from error
