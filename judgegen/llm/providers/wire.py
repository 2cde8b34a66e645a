"""A call as the JSON body of an OpenAI chat completion, and an answer back; pure, shared by live and batch sending.

Knows the words of the API and of its relatives (vLLM, llama.cpp, Azure), nothing of connections.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from judgegen.errors import ProviderRefused
from judgegen.llm.calls import Call, Choice, Failure, Reply, Usage
from judgegen.llm.retry import Rejected, Transient
from judgegen.llm.tokens import count, count_messages

NO_MORE = frozenset(
    {
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
        "billing_hard_limit_reached",
    }
)
"""Codes and types of 429 that waiting does not cure (OpenAI's help pages 6614457 and 5955604)."""

_OURS = {
    "logprobs": "top_logprobs",
    "top_logprobs": "top_logprobs",
    "response_format": "schema",
    "json_schema": "schema",
    "max_completion_tokens": "max_tokens",
    "max_tokens": "max_tokens",
    "reasoning_effort": "reasoning_effort",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "seed": "seed",
    "tools": "tools",
    "n": "n",
}
_UNSUPPORTED = re.compile(
    r"unsupported|unrecogni[sz]ed|unknown|not support|not permitted|not allowed|unexpected|extra (fields|inputs)|"
    r"not available|not compatible|is invalid with|only the default",
    re.IGNORECASE,
)
_TOO_LONG = re.compile(
    r"context.{0,12}(length|size|window)|maximum.{0,20}tokens|too (long|large)|too many tokens", re.IGNORECASE
)
_FILTERED = re.compile(r"content.?(filter|policy|management)|responsible.?ai|safety system", re.IGNORECASE)


def body(
    call: Call, *, tokens_key: str = "max_completion_tokens", without: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """The request body: neutral names in the API's words, `without` some of the call's wishes."""
    params = {name: value for name, value in call.params.items() if name not in without}
    row: dict[str, Any] = {"model": call.model, "messages": [dict(message) for message in call.messages]}
    if (limit := params.pop("max_tokens", None)) is not None:
        row[tokens_key] = limit
    if (schema := params.pop("schema", None)) is not None:
        row["response_format"] = {
            "type": "json_schema",
            "json_schema": {"name": "verdict", "schema": schema, "strict": True},
        }
    if (top := params.pop("top_logprobs", None)) is not None:
        row["logprobs"], row["top_logprobs"] = True, top
    extra = params.pop("extra_body", {})
    return {**row, **params, **extra}


def tokens_key(base_url: str) -> str:
    """OpenAI and Azure take only `max_completion_tokens` for newer models; the rest know the older `max_tokens`."""
    official = re.search(r"//([^/]*\.)?(openai\.com|azure\.com)(:\d+)?(/|$)", base_url)
    return "max_completion_tokens" if official else "max_tokens"


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


def problem(call: Call, status: int, error: Mapping[str, Any], retry_after: float | None) -> Failure | Exception:
    """What a refusal means: a Failure to journal, or the exception that says what helps."""
    message = str(error.get("message") or f"HTTP {status}")
    words = {str(error.get("code") or ""), str(error.get("type") or "")}
    if status == 429:
        if words & NO_MORE:
            return ProviderRefused(
                f"{call.endpoint}: {message} ({', '.join(sorted(words - {''}))}); top up or raise the limit"
            )
        return Transient(f"429 {message}"[:120], retry_after=retry_after, throttled=True)
    if status in (408, 409, 425) or status >= 500:
        return Transient(f"{status} {message}"[:120], retry_after=retry_after)
    if status in (401, 403):
        return ProviderRefused(
            f"{call.endpoint}: {message}; check the key (api_key_env of endpoint {call.tag.route!r})"
        )
    if status == 404:
        return ProviderRefused(
            f"{call.endpoint}: {message}; check {call.tag.role}.model = {call.model!r} and the endpoint's base_url"
        )
    return _bad_request(status, message, words)


def _bad_request(status: int, message: str, words: set[str]) -> Failure | Exception:
    described = " ".join([*sorted(words), message])
    if status == 413 or _TOO_LONG.search(described):
        return Failure(reason="too_long", detail=message)
    if _FILTERED.search(described):
        return Failure(reason="content_filter", detail=message)
    return Rejected(f"{status} {message}"[:300])


def unsupported(call: Call, status: int, error: Mapping[str, Any]) -> str | None:
    """The neutral name of the parameter that a 400 says it does not support; None where it says nothing of the kind."""
    if status not in (400, 422):
        return None
    message, param, code = (str(error.get(key) or "") for key in ("message", "param", "code"))
    if not (_UNSUPPORTED.search(message) or _UNSUPPORTED.search(code.replace("_", " "))):
        return None
    extra = {name: name for name in call.params.get("extra_body", {})}
    names: dict[str, str] = {**{wire: ours for wire, ours in _OURS.items() if ours in call.params}, **extra}
    for wire in sorted(names, key=len, reverse=True):
        if param.split(".")[0] == wire or re.search(rf"(?<![\w]){re.escape(wire)}(?![\w])", message):
            return names[wire]
    return None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait by `retry-after-ms` or `retry-after`; None where neither is a number."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        value = headers.get(name)
        if value is not None and re.fullmatch(r"\d+(\.\d+)?", value.strip()):
            return float(value) / unit
    return None
