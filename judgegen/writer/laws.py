"""The last gate before a result is written: what must hold of it whatever came before. Knows no file."""

from __future__ import annotations

from judgegen.records import Pair, Result
from judgegen.writer.select import same


def hold(result: Result) -> None:
    """Pass a result that keeps the laws of label integrity.

    Raises:
        ValueError: it has neither pairs nor a reason, or both; or a pair is of another prompt's text, of one text
            twice, of a candidate that may not compete, or of a label that favours its rejected side. A fault of this
            library's, which must not become data.
    """
    if bool(result.pairs) == (result.drop is not None):
        raise ValueError(f"prompt {result.prompt.id!r}: {len(result.pairs)} pairs, and as reason {result.drop!r}")
    for pair in result.pairs:
        if broken := _broken(result, pair):
            raise ValueError(f"prompt {result.prompt.id!r}: {pair.chosen.key} over {pair.rejected.key}: {broken}")


def _broken(result: Result, pair: Pair) -> str | None:
    sides = (pair.chosen, pair.rejected)
    if any(side not in result.candidates for side in sides):
        return "a side is none of the prompt's candidates"
    if any(side.refused is not None for side in sides):
        return "a side may not compete"
    if same(*sides):
        return "both sides are the same"
    unsure = pair.p_chosen is not None and not pair.p_chosen > 0.5
    return "the label does not favour the chosen" if unsure else None
