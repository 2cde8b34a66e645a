"""TRL's TPOTrainer: the preference data of `trl-dpo` with a third column, the reference (a gold answer)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from judgegen.formats import messages, trl_dpo
from judgegen.formats.format import Preference, Row, Unfit


def rows(preference: Preference) -> list[Row]:
    """One row of lists of messages.

    Raises:
        Unfit: no reference.
    """
    return [row | {"reference": messages.answer(_gold(preference))} for row in trl_dpo.rows(preference)]


def standard(preference: Preference) -> list[Row]:
    """One row of strings.

    Raises:
        Unfit: no reference.
    """
    return [row | {"reference": _gold(preference)} for row in trl_dpo.standard(preference)]


def _gold(preference: Preference) -> str:
    reference = preference.get("reference")
    if reference is None:
        raise Unfit("no reference, and TPO needs one in every row; the same pairs go out without it as trl-dpo")
    return str(reference)


def back(found: Mapping[str, Any]) -> Row:
    """The preference in a row.

    Raises:
        Unfit: as `trl_dpo.back`, or the reference is neither a text nor one message.
    """
    gold = found.get("reference")
    if isinstance(gold, list) and len(gold) == 1 and isinstance(gold[0], Mapping):
        gold = gold[0].get("content")
    if not isinstance(gold, str):
        raise Unfit("reference is neither a text nor one message")
    return trl_dpo.back(found) | {"reference": gold}


_RULE = "reference is the gold answer, and every row has one; rows without a reference are left out."
FORMAT = replace(
    trl_dpo.FORMAT,
    name="trl-tpo",
    about="TRL, TPOTrainer: pairs with a reference answer (with --standard strings)",
    source="trl 1.16.0, experimental/tpo/tpo_trainer.py",
    as_of=date(2026, 11, 28),
    rules=(*trl_dpo.FORMAT.rules[:2], _RULE),
    rows=rows,
    back=back,
    carries=trl_dpo.CARRIES | {"reference"},
    standard=replace(
        trl_dpo.STANDARD,
        name="trl-tpo",
        rules=(_RULE,),
        rows=standard,
        back=back,
        carries=trl_dpo.STANDARD.carries | {"reference"},
    ),
)
