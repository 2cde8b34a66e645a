"""Every consumer, by name: ours and other packages'."""

from __future__ import annotations

from judgegen.errors import SpecError, hint
from judgegen.formats.format import Format
from judgegen.formats.registry import declared

CONSUMERS: dict[str, Format] = declared("FORMAT")


def consumer(name: str, *, standard: bool = False) -> Format:
    """The format of that name, in its string form with `standard`.

    Raises:
        SpecError: no such consumer (the nearest is named), or it has no string form.
    """
    if name not in CONSUMERS:
        raise SpecError(f"{name!r} is no format; {hint(name, CONSUMERS)}known: {', '.join(CONSUMERS)}")
    form = CONSUMERS[name]
    if not standard:
        return form
    if form.standard is None:
        known = ", ".join(n for n, f in CONSUMERS.items() if f.standard is not None)
        raise SpecError(f"{name} has no form with plain strings; leave out --standard (which goes with {known})")
    return form.standard
