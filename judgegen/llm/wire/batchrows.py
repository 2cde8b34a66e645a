"""A row of a batch's output file, whoever wrote it, as the chat completion or the refusal that it holds. Pure.

    OpenAI, Azure, Groq, Mistral, Together, vLLM   {custom_id, response: {status_code, body}, error}
    vLLM's older files                             {custom_id, response: a completion}
    SGLang's                                       as OpenAI's, `choices` being the one choice and no list
    Anthropic                                      {custom_id, result: {type, message or error}}
    Gemini, Vertex                                 {custom_id or key, response: {candidates, usageMetadata} | error}

Knows nothing of calls or of how files are fetched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from judgegen.llm.wire import refusals
from judgegen.llm.wire.refusals import Refusal

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
    status = _number(response.get("status_code"))
    if isinstance(body, Mapping) and ("candidates" in body or "promptFeedback" in body):
        return _of_gemini(custom_id, body)
    if isinstance(body, Mapping) and (choices := body.get("choices")) and (status is None or 200 <= status < 300):
        one = isinstance(choices, Mapping)
        return Returned(custom_id=custom_id, completion={**body, "choices": [choices]} if one else body)
    told = body or row.get("error") or {"message": "no answer"}
    return Returned(custom_id=custom_id, refusal=refusals.gathered(200 if status is None else status, told))


def _number(status: Any) -> int | None:
    """A status that is a number, or a text that holds one."""
    if isinstance(status, str) and status.strip().isdecimal() and len(status) < 9:
        return int(status)
    return status if isinstance(status, int) and not isinstance(status, bool) else None


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
    """Its parts and its counts are read as any server's are."""
    choice = {"finish_reason": message.get("stop_reason"), "message": {"content": message.get("content")}}
    return {"model": message.get("model"), "choices": [choice], "usage": message.get("usage")}


def _of_gemini(custom_id: str, body: Mapping[str, Any]) -> Returned:
    told, rows = body.get("promptFeedback"), body.get("candidates")
    if not rows and isinstance(told, Mapping) and told.get("blockReason"):
        return _lost(custom_id, {"message": f"the prompt was flagged: {told['blockReason']}"})
    completion = {
        "model": body.get("modelVersion"),
        "choices": [
            {"finish_reason": row.get("finishReason"), "message": {"content": row.get("content")}}
            for row in (rows if isinstance(rows, list) else ())
            if isinstance(row, Mapping)
        ],
        "usage": body.get("usageMetadata"),
    }
    return Returned(custom_id=custom_id, completion=completion)
