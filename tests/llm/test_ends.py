"""One table says how an answer ended, in every server's words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judgegen.llm.ends import end, why_cut


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (["stop", "STOP", "eos", "eos_token", "end_turn", "stop_sequence", "COMPLETE", "FINISH_REASON_STOP"], "stop"),
        (["length", "MAX_TOKENS", "max_tokens", "model_length", "Max Output Tokens"], "length"),
        (["content_filter", "content_filter: RECITATION", "SAFETY", "PROHIBITED_CONTENT", "refusal"], "filter"),
        (["tool_calls", "function_call", "tool_use"], "tool"),
        (["error", "ERROR", "abort", "insufficient_system_resource", "MALFORMED_FUNCTION_CALL"], "failed"),
        (["FinishReason.STOP", "StopReason.endTurn", "finishReason.stop", "stopSequence", "1"], "stop"),
        (["FinishReason.MAX_TOKENS", "maxTokens", "2"], "length"),
        (["contentFilter", "FinishReason.SAFETY", "3"], "filter"),
        (["", "whatever", "4"], None),
    ],
)
def test_every_word_is_one_of_five_ends_or_none(words: list[str], kind: str | None) -> None:
    """Case, brackets, prefixes and what stands behind a colon do not matter."""
    assert [end(word) for word in words] == [kind] * len(words)


@given(st.text())
def test_what_is_not_known_as_an_end_is_refused_with_a_word_of_its_own(word: str) -> None:
    """Only a stop or a tool call is a whole answer; every other end has a reason that a table can hold."""
    cut = why_cut(word)
    assert (cut is None) == (end(word) in ("stop", "tool"))
    assert cut is None or (cut and cut.isascii() and len(cut) <= 40)
