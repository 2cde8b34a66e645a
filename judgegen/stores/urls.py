"""Which places are URLs, and where on this machine a run is kept whose place is one. Knows nothing of stores."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from judgegen.llm.secrets import bare

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(/+)(.+)\Z", re.DOTALL)
_WITHOUT_HOST = ("file", "local")
HERE = Path("runs")


def url_of(place: object) -> str | None:
    """The URL that a text or a path is; None for a place on this machine.

    A Path folds the two slashes behind a scheme into one; they are put back. A scheme is in small letters.
    """
    found = _URL.match(str(place)) if isinstance(place, str | Path) else None
    if found is None:
        return None
    scheme, slashes, rest = found.groups()
    scheme = scheme.lower()
    if len(slashes) > 1:
        return f"{scheme}:{slashes}{rest}"
    return f"{scheme}://{'/' if scheme in _WITHOUT_HOST else ''}{rest}"


def shown(place: object) -> str:
    """A place as messages name it: a URL as it is written, without what in it is secret."""
    url = url_of(place)
    return str(place) if url is None else bare(url)


def here(url: str) -> Path:
    """Where a run at `url` is kept on this machine: under runs/, by the parts of its URL."""
    scheme, _, rest = bare(url).partition("://")
    inside = [part for part in PurePosixPath(rest.partition("?")[0]).parts if part not in ("/", ".", "..")]
    return HERE.joinpath(scheme, *inside)
