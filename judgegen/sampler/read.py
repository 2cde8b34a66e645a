"""Reads outcomes into candidates. A failure becomes a refused candidate with its reason, never a text.

What the model thought before it answered is no part of the answer; it is kept beside it.
"""

from __future__ import annotations

from judgegen.llm.calls import Call, Choice, Failure, Outcome
from judgegen.llm.thought import part
from judgegen.records import Candidate

_SHOWN = ("temperature", "top_p", "top_k", "max_tokens", "reasoning_effort", "extra_body")
REASONS = {"content_filter": "content-filtered", "too_long": "too-long"}


def candidates(call: Call, outcome: Outcome) -> tuple[Candidate, ...]:
    """The candidates that `call` drew: one, or as many as it asked for in one request and got."""
    wanted = int(call.params.get("n", 1))
    if isinstance(outcome, Failure):
        lost = Choice(text="", finish=outcome.reason)
        return tuple(_candidate(call, lost, call.draw + i, failed=True) for i in range(wanted))
    drawn = outcome.choices[:wanted]
    return tuple(_candidate(call, choice, call.draw + i, failed=False) for i, choice in enumerate(drawn))


def _candidate(call: Call, choice: Choice, index: int, *, failed: bool) -> Candidate:
    parted = part(choice.text)
    return Candidate(
        prompt_id=call.tag.prompt_id,
        variant=call.tag.variant,
        index=index,
        model=call.model,
        text=parted.said,
        finish=choice.finish,
        call_id=call.id,
        settings={name: call.params[name] for name in _SHOWN if call.params.get(name) is not None},
        tool_calls=choice.tool_calls,
        thought=parted.thought or choice.thought,
        refused=REASONS.get(choice.finish, choice.finish) if failed else None,
    )
