r"""Anthropic's hh-rlhf: two whole transcripts as texts, "\n\nHuman: …\n\nAssistant: …".

What both transcripts share from the beginning, turn by turn, is the prompt; each must then go on with one turn of the
assistant's. Turns of one speaker in a row, which some rows have, are one turn. A turn that quotes the marks cannot be
told from two.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import groupby
from typing import Any

from judgegen.formats.format import Row, Unfit
from judgegen.formats.origin import Origin, metadata, text_of

_TURN = re.compile(r"\n\n(Human|Assistant):")
_ROLES = {"Human": "user", "Assistant": "assistant"}


def read(found: Mapping[str, Any]) -> Row:
    """A row.

    Raises:
        Unfit: a transcript that cannot be taken apart, or two that part before the last turn.
    """
    chosen, rejected = (turns(text_of(found, side)) for side in ("chosen", "rejected"))
    shared = next((i for i, (a, b) in enumerate(zip(chosen, rejected, strict=False)) if a != b), None)
    if shared is None:
        raise Unfit("one transcript is the other, or its beginning")
    if not len(chosen) == len(rejected) == shared + 1:
        raise Unfit("the transcripts part before their last turn")
    if chosen[-1]["role"] != "assistant" or rejected[-1]["role"] != "assistant":
        raise Unfit("a transcript does not end with the assistant")
    return {"prompt": chosen[:-1], "chosen": chosen[-1:], "rejected": rejected[-1:]} | metadata(
        found, ("chosen", "rejected")
    )


def turns(transcript: str) -> list[dict[str, Any]]:
    """A transcript as messages.

    Raises:
        Unfit: it does not begin with a speaker.
    """
    before, *parts = _TURN.split(transcript)
    if before.strip() or not parts:
        raise Unfit("a transcript does not begin with Human: or Assistant:")
    spoken = list(zip(parts[::2], (words.strip() for words in parts[1::2]), strict=True))
    joined = ((who, "\n\n".join(words for _, words in said)) for who, said in groupby(spoken, key=lambda turn: turn[0]))
    return [{"role": _ROLES[who], "content": words} for who, words in joined]


ORIGIN = Origin(
    name="hh-rlhf",
    about="Anthropic/hh-rlhf transcripts",
    source="github.com/anthropics/hh-rlhf 354e5c3, README and data",
    read=read,
)
