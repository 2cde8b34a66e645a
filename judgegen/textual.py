"""When two texts count as the same. Knows nothing of candidates."""

from __future__ import annotations

import unicodedata


def normal(text: str) -> str:
    """The text without what a reader would not see as a difference: NFKC, casefold, white space squeezed."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
