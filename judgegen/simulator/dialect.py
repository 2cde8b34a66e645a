"""The known-truth world in another dialect: what a family of servers refuses, drops, calls things and counts. Pure.

A prompt with `[flagged]` in it is refused as the family refuses what it does not allow; settings that leave no choice
(temperature 0) make one answer of all seeds where the family heeds them. Knows nothing of HTTP.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from judgegen.llm.dialects import Dialect
from judgegen.simulator.bodies import text_of

FLAGGED = "[flagged]"
THOUGHT = "Let me weigh this before I answer."
THOUGHT_TOKENS = 9
CONTEXT_TOKENS = 32_768
_LIMITS = ("max_tokens", "max_completion_tokens")
_NAMES = {"schema": "response_format", "top_logprobs": "top_logprobs", "system": "messages", "limit": "max_tokens"}


@dataclass(frozen=True, slots=True)
class Accent:
    """One family's way of taking bodies and of giving answers."""

    dialect: Dialect

    def refusal(self, body: Mapping[str, Any]) -> tuple[int, Any] | None:
        """(status, JSON body) where the family refuses this body."""
        texts = [text_of(message) for message in body["messages"]]
        if any(FLAGGED in text for text in texts):
            status, words = self.dialect.flagged
            return status, self._error(words, "", status)
        wish = next(self._refused(body), None)
        if wish is None:
            return None
        words = dict(self.dialect.refusals).get(wish, f"{_NAMES.get(wish, wish)} is not supported")
        status = 500 if self.dialect.name == "llama.cpp" else 422 if self.dialect.shape == "detail" else 400
        return status, self._error(words, _NAMES.get(wish, wish), status)

    def _refused(self, body: Mapping[str, Any]) -> Iterator[str]:
        one = self.dialect
        form = (body.get("response_format") or {}).get("type")
        if form == "json_schema" and one.schema != "json_schema" and "schema" not in one.ignores:
            yield "schema"
        if form == "json_object" and one.schema == "words" and "schema" not in one.ignores:
            yield "schema"
        if body.get("logprobs") and one.logprobs >= 0 and (body.get("top_logprobs") or 1) > one.logprobs:
            yield "top_logprobs"
        yield from (name for name in one.wishes if body.get(name) is not None and (name != "n" or body[name] > 1))
        if not one.system and any(message["role"] == "system" for message in body["messages"]):
            yield "system"
        if not one.other_limit and body.keys() & {"max_tokens", "max_completion_tokens"} - {one.limit}:
            yield "limit"

    def _error(self, words: str, param: str, status: int) -> Any:
        """The error body in the family's shape."""
        error = {"message": words, "type": "invalid_request_error", "param": param or None, "code": None}
        shapes: dict[str, Any] = {
            "openai": {"error": error},
            "list": [{"error": {"code": status, "message": words, "status": "INVALID_ARGUMENT"}}],
            "detail": {"detail": [{"type": "extra_forbidden", "loc": ["body", param], "msg": words}]},
            "text": {"code": "Client specified an invalid argument", "error": words},
            "flat": {"object": "error", "message": words, "type": "BadRequestError", "param": None, "code": status},
        }
        return shapes[self.dialect.shape]

    def heard(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The body without what the family drops in silence."""
        dropped = {_NAMES.get(name, name) for name in self.dialect.ignores}
        if self.dialect.logprobs < 0:
            dropped |= {"logprobs", "top_logprobs"}
        kept = {name: value for name, value in body.items() if name not in dropped}
        return {**kept, **self._room(kept), **({} if _has_choice(kept) else {"seed": 0})}

    def _room(self, body: Mapping[str, Any]) -> dict[str, int]:
        """The token limit that thought leaves."""
        thought = 0 if self.dialect.thought == "none" else THOUGHT_TOKENS
        return {name: max(1, body[name] - thought) for name in _LIMITS if body.get(name) is not None}

    def said(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """An answer in the family's words and places."""
        whole, cut, filtered = self.dialect.ends
        words = {"stop": whole, "length": cut, "content_filter": filtered}
        choices = [self._choice(choice, words) for choice in answer["choices"]]
        thought = 0 if self.dialect.thought == "none" else THOUGHT_TOKENS * len(choices)
        return {**answer, "choices": choices, "usage": self._usage(answer["usage"], thought)}

    def _choice(self, choice: Mapping[str, Any], words: Mapping[str, str]) -> dict[str, Any]:
        message = dict(choice["message"])
        if self.dialect.thought == "field":
            message["reasoning_content"] = THOUGHT
        elif self.dialect.thought == "tags" and choice.get("logprobs") is None:
            message["content"] = f"<think>\n{THOUGHT}\n</think>\n\n{message['content']}"
        return {**choice, "message": message, "finish_reason": words[choice["finish_reason"]]}

    def _usage(self, usage: Mapping[str, Any], thought: int) -> dict[str, Any] | None:
        """Counts that come to the same bill, each family's in its places."""
        said = usage["completion_tokens"]
        total = {"total_tokens": usage["prompt_tokens"] + said + thought}
        if self.dialect.usage == "none":
            return None
        if self.dialect.usage == "total":
            return {"prompt_tokens": usage["prompt_tokens"], "completion_tokens": said, **total}
        counted = said if self.dialect.usage == "apart" else said + thought
        details = {"completion_tokens_details": {"reasoning_tokens": thought}}
        return {**usage, "completion_tokens": counted, **total, **details}


def listed_context(dialect: Dialect) -> dict[str, Any]:
    """What the family's list of models says of each one's context."""
    told = {dialect.context: CONTEXT_TOKENS} if dialect.context else {}
    return {"meta": told} if dialect.context.startswith("n_ctx") else told


def _has_choice(body: Mapping[str, Any]) -> bool:
    """Whether settings leave more than the likeliest word to draw from; where they do not, a seed changes nothing."""
    temperature, top_p = (1.0 if body.get(name) is None else float(body[name]) for name in ("temperature", "top_p"))
    return temperature > 0 and top_p > 0.05 and body.get("top_k") != 1
