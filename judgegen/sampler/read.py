"""Reads outcomes into candidates. A failure becomes a refused candidate with its reason, never a text."""

from __future__ import annotations

from judgegen.llm.calls import Call, Failure, Outcome
from judgegen.records import Candidate

_SHOWN = ("temperature", "top_p", "top_k", "max_tokens", "reasoning_effort", "extra_body")
_REASONS = {"content_filter": "content-filtered", "too_long": "too-long"}


def candidate(call: Call, outcome: Outcome) -> Candidate:
    """The candidate that `call` drew."""
    common = {
        "prompt_id": call.tag.prompt_id,
        "variant": call.tag.variant,
        "index": call.draw,
        "call_id": call.id,
        "settings": {name: call.params[name] for name in _SHOWN if call.params.get(name)},
    }
    if isinstance(outcome, Failure):
        reason = _REASONS.get(outcome.reason, outcome.reason)
        return Candidate(**common, model=call.model, text="", finish=outcome.reason, refused=reason)
    choice = outcome.first
    return Candidate(
        **common,
        model=call.model,
        text=choice.text,
        finish=choice.finish,
        tool_calls=choice.tool_calls,
    )
