"""A row of a batch's output file, whoever wrote it, as the chat completion or the refusal that it holds. Pure.

    OpenAI, Azure, Groq, Mistral, Together, vLLM   {custom_id, response: {status_code, body}, error}
    vLLM's older files                             {custom_id, response: a completion}
    Anthropic                                      {custom_id, result: {type, message or error}}
    Gemini, Vertex                                 {custom_id or key, response: {candidates, usageMetadata} | error}

Knows nothing of calls or of how files are fetched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from judgegen.llm.providers import refusals
from judgegen.llm.providers.refusals import Refusal

_STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "rate_limit_error": 429,
    "api_error": 500,
    "overloaded_error": 529,
}
"""Anthropic's error types, by the status that they have where one is asked at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """One row: a completion in OpenAI's shape, or the refusal that stands in its place."""

    custom_id: str
    completion: Mapping[str, Any] | None = None
    refusal: Refusal | None = None


def read(row: Any) -> Returned | None:
    """The row as it is meant; None where it names no request."""
    custom_id = (row.get("custom_id") or row.get("key")) if isinstance(row, Mapping) else None
    if not isinstance(custom_id, str):
        return None
    if isinstance(result := row.get("result"), Mapping):
        return _of_anthropic(custom_id, result)
    response = row.get("response")
    if not isinstance(response, Mapping) or not response:
        return _lost(custom_id, row.get("error") or row.get("status") or {"message": "no response"})
    body = response.get("body", response)
    status = response.get("status_code")
    if isinstance(body, Mapping) and "candidates" in body:
        return Returned(custom_id=custom_id, completion=_of_gemini(body))
    if isinstance(body, Mapping) and body.get("choices") and status in (None, 200):
        return Returned(custom_id=custom_id, completion=body)
    told = body or row.get("error") or {"message": "no answer"}
    return Returned(custom_id=custom_id, refusal=refusals.gathered(status if isinstance(status, int) else 200, told))


def _lost(custom_id: str, error: Any) -> Returned:
    """A request that never came to an answer: a reason to ask again, unless it says that it may not be answered."""
    refusal = refusals.gathered(200, error if isinstance(error, Mapping | list) else {"message": str(error)})
    return Returned(custom_id=custom_id, refusal=refusal)


def _of_anthropic(custom_id: str, result: Mapping[str, Any]) -> Returned:
    message = result.get("message")
    if result.get("type") == "succeeded" and isinstance(message, Mapping):
        return Returned(custom_id=custom_id, completion=_completion_of(message))
    error = result.get("error") or {"message": f"the request {result.get('type', 'has no answer')}"}
    found = refusals.gathered(200, error)
    status = next((_STATUS[word] for word in sorted(found.words & _STATUS.keys())), 200)
    return Returned(custom_id=custom_id, refusal=refusals.gathered(status, error))


def _completion_of(message: Mapping[str, Any]) -> dict[str, Any]:
    parts = [part for part in message.get("content") or () if isinstance(part, Mapping)]
    counted = message.get("usage") or {}
    read_, written = (counted.get(f"cache_{how}_input_tokens") or 0 for how in ("read", "creation"))
    asked, answered = (counted.get("input_tokens") or 0) + read_ + written, counted.get("output_tokens") or 0
    said = "".join(str(part.get("text", "")) for part in parts if part.get("type") == "text")
    thought = "".join(str(part.get("thinking", "")) for part in parts if part.get("type") == "thinking")
    return {
        "model": message.get("model"),
        "choices": [
            {
                "finish_reason": message.get("stop_reason"),
                "message": {"content": said, **({"reasoning_content": thought} if thought else {})},
            }
        ],
        "usage": {
            "prompt_tokens": asked,
            "completion_tokens": answered,
            "prompt_tokens_details": {"cached_tokens": read_, "cache_write_tokens": written},
        }
        if counted
        else None,
    }


def _of_gemini(body: Mapping[str, Any]) -> dict[str, Any]:
    counted = body.get("usageMetadata") or {}
    thoughts = counted.get("thoughtsTokenCount") or 0
    return {
        "model": body.get("modelVersion"),
        "choices": [_choice_of(one) for one in body["candidates"] if isinstance(one, Mapping)],
        "usage": {
            "prompt_tokens": counted.get("promptTokenCount"),
            "completion_tokens": (counted.get("candidatesTokenCount") or 0) + thoughts,
            "prompt_tokens_details": {"cached_tokens": counted.get("cachedContentTokenCount") or 0},
            "completion_tokens_details": {"reasoning_tokens": thoughts},
        }
        if counted
        else None,
    }


def _choice_of(candidate: Mapping[str, Any]) -> dict[str, Any]:
    content = candidate.get("content")
    parts = [part for part in (content or {}).get("parts") or () if isinstance(part, Mapping)]
    said = "".join(str(part.get("text", "")) for part in parts if not part.get("thought"))
    return {"finish_reason": candidate.get("finishReason"), "message": {"content": said}}
