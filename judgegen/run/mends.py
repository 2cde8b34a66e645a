"""What to do about a call that fails again and again, by the words in which that is told. Pure.

A reason that says its own mend in brackets needs none from here.
"""

from __future__ import annotations

import re

_MENDS = (
    (r"\b429\b|rate.?limit|too many requests", "ask more slowly: rpm, tpm or max_concurrency of the endpoint"),
    (r"\b5\d\d\b|overloaded|unavailable", "the server has trouble: wait a little, or lower max_concurrency"),
    (r"not JSON|no HTTP|of another shape", "what answers there is not the API: check base_url, and a proxy before it"),
    (r"no connection|disconnected|refused the connection", "see that the server runs, that base_url is right, its log"),
)


def mend(reason: str) -> str:
    """What to do about it; "" where nobody knows, or where the reason says so itself."""
    if not reason.startswith("failing") or reason.endswith(")"):
        return ""
    return next((words for pattern, words in _MENDS if re.search(pattern, reason, re.IGNORECASE)), "")
