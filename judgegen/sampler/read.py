"""Reads outcomes into candidates. A failure becomes a refused candidate with its reason, never a text."""

from __future__ import annotations

from judgegen.llm.calls import Call, Choice, Failure, Outcome
from judgegen.records import Candidate

_SHOWN = ("temperature", "top_p", "top_k", "max_tokens", "reasoning_effort", "extra_body")
_REASONS = {"content_filter": "content-filtered", "too_long": "too-long"}


def candidate(call: Call, outcome: Outcome) -> Candidate:
    """The candidate that `call` drew."""
    failed = isinstance(outcome, Failure)
    choice = Choice(text="", finish=outcome.reason) if isinstance(outcome, Failure) else outcome.first
    return Candidate(
        prompt_id=call.tag.prompt_id,
        variant=call.tag.variant,
        index=call.draw,
        model=call.model,
        text=choice.text,
        finish=choice.finish,
        call_id=call.id,
        settings={name: call.params[name] for name in _SHOWN if call.params.get(name) is not None},
        tool_calls=choice.tool_calls,
        refused=_REASONS.get(choice.finish, choice.finish) if failed else None,
    )
