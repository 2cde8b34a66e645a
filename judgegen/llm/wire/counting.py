"""The tokens of an answer as its server counts them, in all the places where servers put them; counted here where not.

Unknown is never zero: a count that is absent, nothing, or nothing that any model can take is counted here, and marked.
Knows nothing of prices.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from judgegen.llm.calls import MOST_TOKENS, Call, Choice, Usage
from judgegen.llm.tokens import count, count_messages

_INPUT = ("prompt_tokens", "input_tokens", "promptTokenCount")
_OUTPUT = ("completion_tokens", "output_tokens", "candidatesTokenCount")
_TOTAL = ("total_tokens", "totalTokenCount")
_CACHED = ("cached_tokens", "prompt_cache_hit_tokens", "cache_read_input_tokens", "cachedContentTokenCount")
_WRITTEN = ("cache_write_tokens", "cache_creation_tokens", "cache_creation_input_tokens")
_BESIDE = ("cache_read_input_tokens", "cache_creation_input_tokens")
"""Anthropic's: what was read from a cache or written there, and stands beside its input_tokens."""
_REASONING = ("reasoning_tokens", "thoughts_tokens", "thinking_tokens", "thoughtsTokenCount")
_ASKED = ("prompt_tokens_details", "input_tokens_details")
_ANSWERED = ("completion_tokens_details", "output_tokens_details")

_WHOLE = frozenset({*_INPUT, *_OUTPUT, *_TOTAL})


def usage(call: Call, given: Any, choices: tuple[Choice, ...]) -> Usage:
    """What the server counted, what it left out of its parts and counts in its total added; else counted here."""
    told = given if isinstance(given, dict) else {}
    going_in, coming_out = _number(told, _INPUT), _number(told, _OUTPUT)
    more = {} if _WHOLE.issuperset(told) else told  # all else there may be: most servers have nothing of it
    said = any(choice.text or choice.thought or choice.tool_calls for choice in choices)
    if going_in is not None and more:
        going_in += _beside(more, going_in)
    estimated = not going_in or coming_out is None or (said and not coming_out)
    going_in = going_in or sent(call)
    thought = _number(more, _REASONING, _ANSWERED) or 0 if more else 0
    if coming_out is None or (said and not coming_out):
        coming_out = spoken(choices)
    coming_out, thought = _with_thought(going_in, coming_out, thought, None if estimated else _number(told, _TOTAL))
    return Usage(
        input=going_in,
        output=coming_out,
        cached=min(going_in, _number(more, _CACHED, _ASKED) or 0) if more else 0,
        cache_write=min(going_in, _number(more, _WRITTEN, _ASKED) or 0) if more else 0,
        reasoning=thought,
        estimated=estimated,
    )


def _beside(told: Mapping[str, Any], going_in: int) -> int:
    """Tokens of the prompt that its count leaves out: those of a cache, where they cannot be in it, or never are."""
    cached = sum(_first(told, (name,)) or 0 for name in _BESIDE)
    return cached if cached > going_in or "prompt_tokens" not in told else 0


def _with_thought(going_in: int, coming_out: int, thought: int, total: int | None) -> tuple[int, int]:
    """Output with the thought in it, and how much of it is thought.

    Some (xAI, Gemini) count thought beside the output, in the total alone or in a field of its own.
    """
    beside = 0 if total is None else total - going_in - coming_out
    if beside > 0:
        return coming_out + beside, max(thought, beside)
    return (coming_out + thought, thought) if thought > coming_out else (coming_out, thought)


def sent(call: Call) -> int:
    """Tokens of what a call asks, counted here."""
    return count_messages(call.said, tools=call.params.get("tools") or ())


def spoken(choices: tuple[Choice, ...]) -> int:
    """Tokens of what was answered, counted here: text, thought, the names and arguments of tool calls."""
    texts = [part for choice in choices for part in (choice.text, choice.thought)]
    texts += [str(tool) for choice in choices for tool in choice.tool_calls]
    return sum(count(text) for text in texts if text)


def _number(told: Mapping[str, Any], names: tuple[str, ...], inside: tuple[str, ...] = ()) -> int | None:
    """The first of these counts that is one: whole, not negative, not beyond what can be."""
    for within in inside:
        if isinstance(place := told.get(within), dict) and (found := _first(place, names)) is not None:
            return found
    return _first(told, names)


def _first(place: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    for name in names:
        given = place.get(name)
        if given is not None and (found := _counted(given)) is not None:
            return found
    return None


def _counted(value: Any) -> int | None:
    if type(value) is int:  # as it nearly always is
        return value if 0 <= value <= MOST_TOKENS else None
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) < 20:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float):
        if not math.isfinite(value) or value != int(value):
            return None
        value = int(value)
    return value if 0 <= value <= MOST_TOKENS else None
