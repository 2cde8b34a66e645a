"""What a list of models says of their contexts, by the names that families of servers have for it. Pure.

vLLM and SGLang say max_model_len, OpenRouter, Together and Fireworks context_length, Groq context_window, Mistral
max_context_length, llama.cpp n_ctx in meta. OpenAI, Anthropic and others say nothing (2026-11).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_NAMES = ("max_model_len", "context_length", "context_window", "max_context_length", "n_ctx", "n_ctx_train")
_WITHIN = ("meta", "top_provider", "limits")
_LARGEST = 1_000_000_000


def contexts(listed: Any) -> dict[str, int]:
    """Tokens of context by a model's name, of those that a list of models, in whatever wrapping, tells of."""
    return {name: size for row in _rows(listed) if (name := _name(row)) and (size := _size(row))}


def _rows(listed: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(listed, Mapping):
        listed = listed.get("data") or listed.get("models")
    yield from (row for row in listed if isinstance(row, Mapping)) if isinstance(listed, list) else ()


def _name(row: Mapping[str, Any]) -> str:
    return next((row[key] for key in ("id", "name", "model") if isinstance(row.get(key), str)), "")


def _size(row: Mapping[str, Any]) -> int:
    """The smallest that it says: what is served may be less than what was trained."""
    places = [row, *(row[key] for key in _WITHIN if isinstance(row.get(key), Mapping))]
    told = [place.get(name) for name in _NAMES for place in places]
    sizes = [size for size in told if isinstance(size, int) and not isinstance(size, bool) and 0 < size < _LARGEST]
    return min(sizes, default=0)
