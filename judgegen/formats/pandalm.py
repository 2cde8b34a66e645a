"""PandaLM's human test set: an instruction, two responses, and what three annotators said (1, 2, or 0 for a tie)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from judgegen.formats import messages
from judgegen.formats.format import Row, Unfit
from judgegen.formats.origin import Origin, metadata, text_of

_VOTES = ("annotator1", "annotator2", "annotator3")
_USED = ("instruction", "input", "response1", "response2", "model1", "model2")
_SHARE = {1: 1.0, 0: 0.5, 2: 0.0}


def read(found: Mapping[str, Any]) -> Row:
    """A row; `p_chosen` is the share of the votes, ties half.

    Raises:
        Unfit: the votes balance, or not such a row.
    """
    votes = [found.get(key) for key in _VOTES]
    if any(vote not in _SHARE for vote in votes):
        raise Unfit("annotator1 to annotator3 are not 0, 1 or 2")
    first = sum(_SHARE[vote] for vote in votes if vote is not None) / len(votes)
    if first == 0.5:
        raise Unfit("the annotators' votes balance: a tie, not a preference")
    better, worse = (1, 2) if first > 0.5 else (2, 1)
    asked = "\n\n".join(part for part in (text_of(found, "instruction"), found.get("input")) if part)
    p = max(first, 1 - first)
    row: Row = {"prompt": messages.user(asked)}
    for side, number in (("chosen", better), ("rejected", worse)):
        row[side] = messages.answer(text_of(found, f"response{number}"))
        row[f"{side}_from"] = {"model": found.get(f"model{number}")}
    return row | {"p_chosen": round(p, 6), "margin": round(2 * p - 1, 6)} | metadata(found, _USED)


ORIGIN = Origin(
    name="pandalm",
    about="PandaLM's human-annotated test set",
    source="github.com/WeOpenML/PandaLM 3871806, data/testset-v1.json",
    read=read,
)
