"""TRL's RewardTrainer with margins: the preference data of `trl-dpo` in which every row has one.

The collator makes one tensor of a batch's margins, so a row without one ends the training (trainer/reward_trainer.py).
"""

from __future__ import annotations

from dataclasses import replace

from judgegen.formats import trl_dpo

_RULE = (
    "margin is the gap of the two scores in 0..1; the loss is -log sigmoid(r_chosen - r_rejected - margin).",
    "Every row has one; rows longer than max_length are dropped.",
)
FORMAT = replace(
    trl_dpo.FORMAT,
    name="trl-reward",
    about="TRL, RewardTrainer with margins (with --standard strings)",
    rules=(*trl_dpo.FORMAT.rules[:2], *_RULE),
    margin=True,
    standard=replace(trl_dpo.STANDARD, name="trl-reward", rules=_RULE, margin=True),
)
