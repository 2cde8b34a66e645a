"""Every provider by name: those of the files beside this one, and those of other packages' entry points."""

from __future__ import annotations

from judgegen.errors import SpecError
from judgegen.llm.providers.listing import Listing
from judgegen.plugins import Plugins

PROVIDERS: Plugins[Listing] = Plugins(
    folder="judgegen.llm.providers", attribute="PROVIDER", group="judgegen.providers", kind=Listing
)


def provider(name: str) -> Listing:
    """The provider of this name.

    Raises:
        SpecError: there is none.
    """
    if name not in PROVIDERS:
        raise SpecError(f"provider = {name!r} is not one of: {', '.join(PROVIDERS)}")
    return PROVIDERS[name]
