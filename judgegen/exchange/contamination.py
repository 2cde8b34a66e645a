"""Finds prompts that share a run of n words with an evaluation set, whose scores training on them would spoil.

Texts are compared as in appendix C of the GPT-3 paper (Brown et al. 2020, arXiv:2005.14165): in lower case, without
punctuation, by runs of n = 13 words. Of an evaluation set 8 bytes per run are kept. Does not find paraphrases or
translations, and cannot tell a passage that both quote from one that was copied.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judgegen.errors import SpecError
from judgegen.formats import messages
from judgegen.sources import files
from judgegen.sources.rows import Bad, ReadError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WORDS = 13
FEWEST = 4
"""Words of a text that is too short for a run and is compared as a whole. Shorter ones ("go on", a column that says
"history") say nothing of where they come from."""
_MIX = 0x9E3779B97F4A7C15  # odd, so that a word's place in a run counts and no word is lost modulo 2**64
_SCRIPTS = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\u0e00-\u0e7f"  # written without spaces: a character is a word
_WORD = re.compile(rf"[{_SCRIPTS}]|[^\W_{_SCRIPTS}]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """A prompt of the checked file that shares `ngram` with the evaluation set `file`."""

    line: int
    ngram: str
    file: str


class Sets:
    """The runs of n words of evaluation sets, and which of a prompt's are among them."""

    def __init__(self, paths: Sequence[Path], n: int = WORDS) -> None:
        """Read the sets: JSONL, JSON, CSV, TSV, Parquet or text, gzipped or not; every text in a row counts.

        Raises:
            SpecError: n is below 1, or a file cannot be read, has a row that cannot be, or no text to compare by.
        """
        if n < 1:
            raise SpecError(f"--ngram {n}: runs have at least one word")
        self._n = n
        self._sets = [(str(path), _digests(path, n)) for path in paths]

    def overlap(self, prompt: Iterable[Any], line: int) -> Overlap | None:
        """The first run that a turn of the prompt shares; None where none does. System messages are not looked at."""
        import numpy as np

        for message in prompt:
            if message.get("role") in ("system", "developer"):
                continue
            words = _words(messages.text(message))
            found = _runs(words, self._n)
            for name, known in self._sets:
                places = np.minimum(np.searchsorted(known, found), len(known) - 1)
                hits = np.flatnonzero(known[places] == found)
                if len(hits):
                    run = words[hits[0] : hits[0] + self._n]
                    return Overlap(line=line, ngram=" ".join(run), file=name)
        return None


def _digests(path: Path, n: int) -> NDArray[np.uint64]:
    """The digests of a set's runs, sorted, each once."""
    import numpy as np

    kept = array("Q")
    try:
        for row in files.rows(path, check=lambda _: None):
            if isinstance(row, Bad):
                raise SpecError(f"{path}:{row.line}: {row.why}; an evaluation set must be whole to be compared with")
            for text in _texts(row.value):
                kept.frombytes(_runs(_words(text), n).tobytes())
    except ReadError as error:
        place = "" if error.line is None else f":{error.line}"
        raise SpecError(f"{path}{place}: {error}") from None
    if not kept:
        raise SpecError(f"{path}: holds no text of {FEWEST} words or more to compare with")
    return np.unique(np.frombuffer(kept, dtype=np.uint64))


def _texts(value: Any) -> Iterator[str]:
    """Every text inside, at any depth; keys are not texts."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(inner)


def _words(text: str) -> list[str]:
    return _WORD.findall((text if text.isascii() else unicodedata.normalize("NFKC", text)).casefold())


def _runs(words: list[str], n: int) -> NDArray[np.uint64]:
    """A digest for each run of n words: of all words where there are fewer, of none where there are very few."""
    import numpy as np

    n = min(n, len(words)) if len(words) >= FEWEST or len(words) >= n else 0
    if not n:
        return np.empty(0, dtype=np.uint64)
    each = np.array([_digest(word) for word in words], dtype=np.uint64)
    runs = np.zeros(len(words) - n + 1, dtype=np.uint64)
    for place in range(n):  # a polynomial in the words' digests, modulo 2**64
        runs = runs * np.uint64(_MIX) + each[place : place + len(runs)]
    return runs


@lru_cache(1 << 17)
def _digest(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest())
