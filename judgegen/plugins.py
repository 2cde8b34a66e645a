"""What is added without an edit: a record in a file of a folder here, or in somebody's own package.

Judge methods, providers and formats are found in this way. A package of one's own names its records as entry points:

    [project.entry-points."judgegen.providers"]
    mine = "my_package.mine:PROVIDER"

Knows nothing of what the records are, and loads another's package only when its name is asked for.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from typing import Any, Protocol, TypeVar

from judgegen.errors import SpecError


class Named(Protocol):
    """Whatever has a name."""

    @property
    def name(self) -> str:
        """What a user writes to have it."""
        ...


T = TypeVar("T", bound=Named)


@cache
def _all_points() -> Any:  # by Python 3.11 of another class than by 3.12
    return entry_points()


def points(group: str) -> EntryPoints:
    """The entry points of `group`; what is installed is gone through once a process, 3 ms of CPU by 130 packages."""
    found: EntryPoints = _all_points().select(group=group)
    return found


class Plugins(Mapping[str, T]):
    """Records by name: the `attribute` of each module in `folder` that has one, and the entry points of `group`.

    A name that is taken here cannot be taken by another package. Names are in alphabetical order.
    """

    def __init__(self, *, folder: str, attribute: str, group: str, kind: type[T]) -> None:
        self._folder, self._attribute, self._group, self._kind = folder, attribute, group, kind

    @cached_property
    def _here(self) -> dict[str, T]:
        """The records of this package, by their own names."""
        places = importlib.import_module(self._folder).__path__
        modules = (importlib.import_module(f"{self._folder}.{found.name}") for found in pkgutil.iter_modules(places))
        records = (getattr(module, self._attribute, None) for module in modules)
        return {record.name: record for record in records if isinstance(record, self._kind)}

    @cached_property
    def _elsewhere(self) -> dict[str, EntryPoint]:
        """Where other packages have theirs."""
        return {found.name: found for found in points(self._group) if found.name not in self._here}

    def __getitem__(self, name: str) -> T:
        """The record of this name.

        Raises:
            KeyError: nobody has one.
            SpecError: the package that has it cannot be loaded, or what it names is no such record.
        """
        if name in self._here:
            return self._here[name]
        point = self._elsewhere[name]
        try:
            found = point.load()
        except Exception as error:
            raise SpecError(
                f"{name!r} ({self._group}) comes from {point.value!r}, which cannot be loaded: {error}"
            ) from error
        if not isinstance(found, self._kind):
            raise SpecError(f"{name!r} ({self._group}): {point.value!r} is no {self._kind.__name__}")
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(sorted([*self._here, *self._elsewhere]))

    def __len__(self) -> int:
        return len(self._here) + len(self._elsewhere)
