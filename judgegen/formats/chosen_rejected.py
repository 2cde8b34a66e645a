"""Chosen and rejected as whole chats, as Skywork's, nvidia's and many others' sets have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from judgegen.formats.format import Row
from judgegen.formats.origin import Origin, metadata, whole_chats

_USED = ("prompt", "chosen", "rejected", "prompt_id", "margin", "tools")


def read(found: Mapping[str, Any]) -> Row:
    """A row; a `prompt` of its own counts where the chats hold only the answers.

    Raises:
        Unfit: the chats part before their last message.
    """
    kept = {key: found[key] for key in ("prompt_id", "margin", "tools") if found.get(key) is not None}
    return whole_chats(found) | kept | metadata(found, _USED)


ORIGIN = Origin(
    name="chosen-rejected",
    about="chosen and rejected as whole chats (Skywork-Reward-Preference, nvidia's, and their like)",
    source="Skywork/Skywork-Reward-Preference-80K-v0.2 on the Hugging Face hub",
    read=read,
)
