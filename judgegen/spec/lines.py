"""The text of a run file: the line at which a key stands, and what was meant by a line that is no TOML.

Knows nothing of what keys mean.
"""

from __future__ import annotations

import bisect
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_MARK = "\ufeff"
"""What some editors put before a file's first letter."""
_BY_LINE: Mapping[str, str] = {
    r"[\u2018-\u201f\u00ab\u00bb]": "write straight quotes, \" or '",
    r"=\s*(True|False)\b": "write true or false, in small letters",
    r"=\s*(None|null|nil)\b": "leave the key out where nothing is meant",
    r"^\s*[\w.-]+\s*:": "write key = value",
    r"\\": "in double quotes \\ begins an escape; a text with \\ in it stands in single quotes",
    r"=\s*[+-]?\.\d": "a number begins with a digit, as in 0.3",
    r"=\s*[^\W\d]": "a text stands in quotes",
}
"""How a line looks that is no TOML, and the mend."""
_BY_WORDS: Mapping[str, str] = {
    "Cannot declare": "a table stands once, and each of a list of tables in two brackets, as in [[sampler.variants]]",
    "Cannot overwrite": "the key stands twice",
    r"Illegal character '\n'": "a quote is not closed",
    "Unterminated string": "a quote is not closed",
}
"""What the parser says, and the mend."""


def plain(text: str) -> str:
    """A file's text without the mark of encoding that it may begin with."""
    return text.removeprefix(_MARK)


def meant(text: str, said: str) -> str:
    """What the parser says of `text`, which is no TOML, and behind it the mend where it is known."""
    number = re.search(r"at line (\d+)", said)
    line = text.split("\n")[int(number[1]) - 1 if number else -1]  # "at end of document"
    mends = [mend for words, mend in _BY_WORDS.items() if words in said]
    mends += [mend for looks, mend in _BY_LINE.items() if re.search(looks, line)]
    return "; ".join([said, *mends[:1]])


def number(text: str, place: Sequence[Any]) -> int | None:
    """The line, from 1, on which what stands at `place` begins, or the nearest table around it; None for neither.

    TOML's own parser says so: of the beginnings of `text` that are TOML, the first that holds the place.
    """
    lines = text.split("\n")
    ends = [0, *_ends(lines)]
    whole = tomllib.loads(text)
    while place and not _holds(whole, place):
        place = place[:-1]
    if not place:
        return None
    last = bisect.bisect_left(ends, True, key=lambda end: _holds(tomllib.loads("\n".join(lines[:end])), place))
    return ends[last - 1] + 1


def _ends(lines: Sequence[str]) -> Iterator[int]:
    """The numbers of lines after which a statement ends."""
    begun = 0
    for end in range(1, len(lines) + 1):
        try:
            tomllib.loads("\n".join(lines[begun:end]))
        except tomllib.TOMLDecodeError:
            continue
        begun = end
        yield end


def _holds(found: Any, place: Sequence[Any]) -> bool:
    """Whether something stands at `place`: keys of tables, and numbers of what is in a list."""
    for part in place:
        if isinstance(found, Mapping) and str(part) in found:
            found = found[str(part)]
        elif isinstance(found, list) and str(part).isdigit() and int(part) < len(found):
            found = found[int(part)]
        else:
            return False
    return True
