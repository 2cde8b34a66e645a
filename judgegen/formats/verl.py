"""verl's Parquet: RLHFDataset's prompts with what to reward them by, or RMDataset's strings with --standard."""

from __future__ import annotations

from datetime import date
from typing import Any

from judgegen.formats import messages
from judgegen.formats.format import Format, Preference, Row


def rows(preference: Preference) -> list[Row]:
    """One row for RLHFDataset. The pair itself is in extra_info, for a reward function of one's own.

    `reward_model.ground_truth` is the prompt's reference where it has one (style "rule"), else the chosen answer
    (style "model": it is a good answer, not the only right one).
    """
    chosen, rejected = (messages.text(preference[side][0]) for side in ("chosen", "rejected"))
    reference = preference.get("reference")
    extra: Row = {"prompt_id": _id(preference), "chosen": chosen, "rejected": rejected}
    extra |= {key: preference.get(key) for key in ("p_chosen", "margin")}
    style = "model" if reference is None else "rule"
    return [
        {
            "data_source": "judgegen",
            "prompt": [{"role": m["role"], "content": messages.text(m)} for m in preference["prompt"]],
            "reward_model": {"style": style, "ground_truth": chosen if reference is None else reference},
            "extra_info": extra,
        }
    ]


def _id(preference: Preference) -> str:
    return str(preference.get("prompt_id") or messages.prompt_id(preference["prompt"]))


def standard(preference: Preference) -> list[Row]:
    """One row for RMDataset: three strings."""
    sides = {side: messages.text(preference[side][0]) for side in ("chosen", "rejected")}
    return [{"prompt": messages.text(preference["prompt"][-1]), **sides}]


def columns(_: frozenset[str]) -> Any:
    """RLHFDataset's schema."""
    import pyarrow as pa

    text, number = pa.string(), pa.float64()
    extra = [("prompt_id", text), ("chosen", text), ("rejected", text), ("p_chosen", number), ("margin", number)]
    return pa.schema(
        [
            ("data_source", text),
            ("prompt", pa.list_(pa.struct([("role", text), ("content", text)]))),
            ("reward_model", pa.struct([("style", text), ("ground_truth", text)])),
            ("extra_info", pa.struct(extra)),
        ]
    )


def standard_columns(_: frozenset[str]) -> Any:
    """RMDataset's schema."""
    import pyarrow as pa

    return pa.schema([(name, pa.string()) for name in ("prompt", "chosen", "rejected")])


_SOURCE = "verl 0.9.1, utils/dataset/rl_dataset.py and utils/dataset/rm_dataset.py"
STANDARD = Format(
    name="verl",
    about="verl, RMDataset",
    source=_SOURCE,
    as_of=date(2026, 11, 29),
    rules=(
        "Three columns of strings that are tokenised as they stand, one after the other: no chat template is applied.",
        "One user message, no system message, no tools.",
    ),
    rows=standard,
    suffix=".parquet",
    roles=frozenset({"user"}),
    turns="one",
    columns=standard_columns,
)
FORMAT = Format(
    name="verl",
    about="verl, RLHFDataset (with --standard RMDataset)",
    source=_SOURCE,
    as_of=date(2026, 11, 29),
    rules=(
        "prompt is a list of role and content; longer ones than data.max_prompt_length are dropped.",
        "Tools come from a configuration file there, so rows with tools are left out.",
        "Its built-in rewards know no data_source judgegen: give a reward function of your own.",
    ),
    rows=rows,
    carries=frozenset({"prompt_id", "prompt", "chosen", "rejected", "reference", "p_chosen", "margin"}),
    suffix=".parquet",
    columns=columns,
    standard=STANDARD,
)
