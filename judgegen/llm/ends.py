"""How an answer ended, whatever word its server has for it: one closed table for every answer that is read.

The words are those of OpenAI, Azure, Anthropic, Gemini and Vertex, Mistral, Cohere, DeepSeek, Bedrock, Zhipu, text
generation servers and chat templates. A word that is not in it is no end that anything is known of. Knows no calls.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Literal

End = Literal["stop", "length", "filter", "tool", "failed"]

_WORDS: Mapping[End, str] = {
    "stop": "stop stopped eos eos_token eos_found end end_turn end_of_turn end_of_text end_of_sequence end_of_message "
    "endoftext eot eot_id eom_id im_end stop_sequence stop_token stop_word stop_words stop_string stop_criteria_met "
    "complete completed completion finish finished done success normal natural ok s return stop_str "
    "matched_stop eos_token_id end_of_stream 1",
    "length": "2 length max_length max_tokens max_output_tokens max_new_tokens max_completion_tokens max_token "
    "max_tokens_reached max_tokens_exceeded token_limit token_limit_reached output_limit length_limit limit "
    "model_length model_context_window_exceeded context_window_exceeded context_length context_length_exceeded "
    "exceeded_max_tokens truncated output_truncated incomplete too_long max_seq_len max_token_limit maximum_length",
    "filter": "3 content_filter content_filtered contentfilter filtered filter refusal refused safety "
    "recitation blocklist blocked prohibited_content spii image_safety image_prohibited_content image_recitation "
    "model_armor guardrail_intervened guardrail guardrails content_policy content_policy_violation policy_violation "
    "moderation moderated flagged sensitive error_toxic violation risk",
    "tool": "tool_calls tool_call tool_use tool function_call function_calls",
    "failed": "failed failure fail error error_limit server_error internal_error network_error "
    "connection_error overloaded insufficient_system_resource abort aborted cancel cancelled canceled user_cancel "
    "user_abort interrupted timeout timed_out deadline_exceeded preempted malformed_function_call unexpected_tool_call "
    "too_many_tool_calls malformed_response missing_thought_signature language other unspecified unknown repetition "
    "pause_turn no_image image_other",
}
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_DRESSING = re.compile(r"^(?:finish|stop|end)_?reason_(?=.)")
"""What an enumeration puts before its members: FINISH_REASON_STOP, FinishReason.STOP, StopReason.endTurn."""
ENDS: Mapping[str, End] = {word: kind for kind, words in _WORDS.items() for word in words.split()}
"""Every word that is known, in the spelling that `plain` gives it."""


@functools.lru_cache(maxsize=256)  # a server has few words
def plain(word: str) -> str:
    """A word as the table spells it: case, brackets, a vendor's dressing and what stands behind a colon left out."""
    head = _HUMP.sub("_", word.strip().split(":", 1)[0]).casefold()
    snaked = re.sub(r"[^0-9a-z]+", "_", re.sub(r"[<>\[\]|/'\"]", "", head)).strip("_")
    return _DRESSING.sub("", snaked) or "nothing"


def unsaid(word: object) -> bool:
    """Whether it is no word for an end but for the lack of one: "null", which some send as a text while they go on."""
    return not word or (isinstance(word, str) and plain(word) in ("nothing", "null", "none"))


def end(word: str) -> End | None:
    """What kind of end a server's word is; None for a word that nobody here knows."""
    return ENDS.get(plain(word))


def why_cut(word: str) -> str | None:
    """Why an answer that ended so is no whole answer, as a short word for tables; None where it is one."""
    kind, said = end(word), plain(word)
    if kind in ("stop", "tool"):
        return None
    if kind == "length":
        return "truncated"
    if kind == "filter":
        return "refusal" if said in ("refusal", "refused") else "content-filtered"
    return said.replace("_", "-")[:40]
