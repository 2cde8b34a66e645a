"""An OpenAI chat completion as a Reply; pure, shared by live and batch sending. Knows nothing of connections."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from judgegen.llm.calls import Call, Choice, Reply, Usage
from judgegen.llm.retry import Transient
from judgegen.llm.tokens import count, count_messages


def reply(call: Call, answer: Mapping[str, Any]) -> Reply:
    """A chat completion as a Reply.

    Raises:
        Transient: the server said 200 and sent something that is no completion.
    """
    try:
        choices = tuple(_choice(choice) for choice in answer["choices"])
    except (KeyError, TypeError, AttributeError) as error:
        raise Transient(f"an answer that is no chat completion ({error!r})", billed=None) from None
    if not choices:
        raise Transient("an answer without choices", billed=None)
    return Reply(
        choices=choices, usage=_usage(call, answer.get("usage"), choices), model=str(answer.get("model") or "")
    )


def _choice(choice: Mapping[str, Any]) -> Choice:
    message = choice["message"]
    refusal = message.get("refusal")
    logprobs = (choice.get("logprobs") or {}).get("content")
    return Choice(
        text=_text(message.get("content")) or refusal or "",
        finish="refusal" if refusal else str(choice.get("finish_reason") or "stop"),
        tool_calls=tuple(message.get("tool_calls") or ()),
        logprobs=None if logprobs is None else tuple(_token(entry) for entry in logprobs),
    )


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content)
    return str(content or "")


def _token(entry: Mapping[str, Any]) -> dict[str, Any]:
    """One token with its alternatives, without the byte lists that would treble the journal."""
    top = [{"token": t["token"], "logprob": t["logprob"]} for t in entry.get("top_logprobs") or ()]
    return {"token": entry["token"], "logprob": entry["logprob"], "top_logprobs": top}


def _usage(call: Call, usage: Mapping[str, Any] | None, choices: tuple[Choice, ...]) -> Usage:
    """What the server counted; counted here, and marked so, where it did not say (unknown is never zero)."""
    if not usage or usage.get("prompt_tokens") is None:
        output = sum(count(choice.text) for choice in choices)
        return Usage(input=count_messages(call.messages), output=output, estimated=True)
    asked = usage.get("prompt_tokens_details") or {}
    answered = usage.get("completion_tokens_details") or {}
    return Usage(
        input=int(usage["prompt_tokens"]),
        output=int(usage.get("completion_tokens") or 0),
        cached=int(asked.get("cached_tokens") or 0),
        cache_write=int(asked.get("cache_write_tokens") or 0),
        reasoning=int(answered.get("reasoning_tokens") or 0),
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by `retry-after-ms` or `retry-after`; None where neither is a number."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is not None and re.fullmatch(r"\d+(\.\d+)?", value.strip()):
            return float(value) / unit
    return None
