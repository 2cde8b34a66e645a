"""Token limits that a model refuses for their size, whatever the prompt is: the run file's key is named, not the row.

Told from a prompt that is too long by the numbers in the refusal: a prompt is at fault where a smaller one would fit
beside the limit, the limit where it is larger than all that the server says it gives. Pure.
"""

from __future__ import annotations

import re

from judgegen.errors import ProviderRefused
from judgegen.llm import signs
from judgegen.llm.calls import Call
from judgegen.llm.wire.refusals import Refusal, What

_ABOUT = ("unclear", "request", "too_long")
_LIMIT = re.compile(
    r"max(imum)?.?(number of )?(completion|output|new|generated)?.?tokens|(completion|output|new|generated).tokens",
    re.IGNORECASE,
)
_SIZES = re.compile(r"(?<![\w.-])(\d{1,3}(?:[,_]\d{3})+|\d{1,8})(?![\w-]|\.\d)")
"""Numbers that stand by themselves: those of names, dates and identifiers are no sizes."""


def beyond(sent: int | None, refusal: Refusal, what: What) -> bool:
    """Whether a refusal of this kind says that no answer may have as many as `sent` tokens."""
    if sent is None or what not in _ABOUT:
        return False
    sizes = {int(re.sub(r"\D", "", found)) for found in _SIZES.findall(refusal.said)}
    if not _LIMIT.search(" ".join((refusal.said, *refusal.params))) and sent not in sizes:
        return False
    given = signs.context(refusal.said) or max(sizes - {sent}, default=0)
    return 0 < given < sent


def ends(call: Call, refusal: Refusal) -> ProviderRefused:
    """The end of the run: the limit is the user's to lower."""
    return ProviderRefused(
        f"{call.endpoint}: {call.model} gives fewer tokens than the {call.max_tokens:,} that it is asked for: "
        f"{refusal.message}; lower {key(call)}"
    )


def key(call: Call) -> str:
    """The key of the run file that limits a call's answer."""
    if call.tag.role == "judge":
        return "judge.max_tokens (or max_tokens of this judge's own table, where it is set)"
    return f"sampler.max_tokens (or sampler.variants.{call.tag.variant}.max_tokens, where it is set)"
