"""Entries as a page carries them: JSON, deflated, in base64, as many as fit. Pure.

What a text cannot be shortened to without a word of it is not: clipped texts say how much is missing.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from judgegen.report.entries import Entry, Side, Utterance
from judgegen.show.words import said
from judgegen.textual import clean
from judgegen.writer.money import plain

TEXT, WORDS = 20_000, 6_000
"""Characters of an answer or a prompt, and of a judge's words, that a page holds."""
MOST = 10_000
"""Entries a page holds; a browser filters so many at once."""
LEVEL = 7
ID = 13
"""Characters of a call's id that a page holds: its tag and 10 hex digits, by which the audit finds it."""


@dataclass(frozen=True, slots=True)
class Most:
    """Characters that are held of a text, of a judge's words and of a call's id."""

    text: int = TEXT
    words: int = WORDS
    call: int = ID


PAGE, WHOLE = Most(), Most(sys.maxsize, sys.maxsize, sys.maxsize)


@dataclass(frozen=True, slots=True)
class Packed:
    """Entries in base64, and how many of how many they are."""

    text: str
    held: int
    of: int


def packed(entries: Sequence[Entry], room: int) -> Packed:
    """As many entries as `room` characters take, drawn evenly by their names' digests, in prompt order."""
    drawn = sorted(entries, key=_lot)[:MOST]
    count = _fitting(drawn, room * 3 // 4)
    held = sorted(drawn[:count], key=lambda entry: (entry.place, entry.number))
    while len(data := _deflated(held)) > room * 3 // 4 and held:  # in another order they may pack a little worse
        held = held[: len(held) * 49 // 50]
    return Packed(base64.b64encode(data).decode("ascii"), len(held), len(entries))


def _lot(entry: Entry) -> bytes:
    return hashlib.blake2b(entry.name.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def _fitting(drawn: Sequence[Entry], room: int) -> int:
    """How many of them, one after the other, deflate into so many bytes."""
    packer, size, count = zlib.compressobj(LEVEL, zlib.DEFLATED, -15), 0, 0
    for start in range(0, len(drawn), 100):
        block = drawn[start : start + 100]
        size += len(packer.compress(_json(block))) + len(packer.flush(zlib.Z_SYNC_FLUSH))
        if size > room:
            return count
        count += len(block)
    return count


def _deflated(entries: Iterable[Entry]) -> bytes:
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, -15)
    return packer.compress(_json(entries)) + packer.flush()


def _json(entries: Iterable[Entry]) -> bytes:
    text = json.dumps([row(entry) for entry in entries], ensure_ascii=False, separators=(",", ":"), default=str)
    return clean(text).encode()


def row(entry: Entry, most: Most = PAGE) -> dict[str, Any]:
    """An entry as the page's script reads it, with so much of its texts; what is not there is left out."""
    found = {
        "id": entry.name,
        "outcome": entry.outcome,
        "detail": entry.detail,
        "prompt": [[str(m.get("role", "")), clipped(said([m]), most.text)] for m in entry.messages],
        "reference": clipped(entry.reference or "", most.text),
        "metadata": dict(entry.metadata),
        "chosen": _side(entry.chosen, most),
        "rejected": _side(entry.rejected, most),
        "others": entry.others,
        "said": [_opinion(opinion, most) for opinion in entry.opinions],
        "p": entry.p_chosen,
        "margin": entry.margin,
        "consistent": entry.consistent,
        "conflict": entry.conflict,
        "usd": plain(entry.usd),
    }
    return _some(found)


def _side(side: Side | None, most: Most) -> dict[str, Any] | None:
    if side is None:
        return None
    return _some(
        {
            "key": side.key,
            "variant": side.variant,
            "model": side.model,
            "text": clipped(side.text, most.text),
            "called": clipped(side.called, most.text),
            "settings": dict(side.settings),
            "refused": side.refused,
            "suspicions": list(side.suspicions),
            "score": side.score,
            "tokens": side.tokens,
            "call": brief(side.call, most.call),
        }
    )


def _opinion(opinion: Utterance, most: Most) -> dict[str, Any]:
    return _some(
        {
            "judge": opinion.judge,
            "first": opinion.first,
            "second": opinion.second,
            "said": opinion.said,
            "unreadable": not opinion.readable or None,
            "p": opinion.p_first,
            "uncounted": not opinion.counted or None,
            "words": clipped(opinion.words, most.words),
            "calls": [brief(call, most.call) for call in opinion.calls],
            "tokens": opinion.tokens,
            "usd": plain(opinion.usd),
        }
    )


def brief(call: str | None, most: int = ID) -> str | None:
    """The beginning of a call's id: ids do not deflate, and whole they are a third of a page."""
    return call if call is None or len(call) <= most else f"{call[:most]}…"


def _some(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if value not in (None, "", [], {})}


def clipped(text: str, most: int) -> str:
    """The text, or its beginning and how much more there is."""
    return text if len(text) <= most else f"{text[:most]}\n[… {len(text) - most:,} more characters, in the audit]"
