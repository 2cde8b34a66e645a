"""Every way of judging by name: those of the files here, and those of other packages' entry points."""

from __future__ import annotations

from judgegen.errors import SpecError
from judgegen.judge.method import Method
from judgegen.plugins import Plugins

METHODS: Plugins[Method] = Plugins(
    folder="judgegen.judge.methods", attribute="METHOD", group="judgegen.methods", kind=Method
)


def method(name: str) -> Method:
    """The method of this name.

    Raises:
        SpecError: there is none.
    """
    if name not in METHODS:
        raise SpecError(f"judge.method = {name!r} is not one of: {', '.join(METHODS)}")
    return METHODS[name]
