"""What is known of models by name: which parameters they refuse, which reason before they answer.

Dated knowledge (2026-11), from OpenAI's deployment checklist and the model pages; a name not listed here is left
alone, since refusing what might work is worse than the provider's own answer. Knows nothing of endpoints.
"""

from __future__ import annotations

import functools
import re

SAMPLING = frozenset({"temperature", "top_p", "top_logprobs"})
"""The parameters that reasoning models refuse unless their effort is "none"."""

# Reasoning that cannot be turned off: sampling parameters are always refused.
_ALWAYS = re.compile(r"^(o[134](-mini|-pro|-preview)?|gpt-5(-mini|-nano|-pro)?|gpt-6-astra|gpt-6\.1-sol)(-\d{4}.*)?$")
# Reasoning unless effort is "none"; what they do when no effort is given is in _REASONS_BY_DEFAULT.
_SWITCHED = re.compile(
    r"^(gpt-5\.[1-9](-(sol|terra|luna|mini|nano|codex|pro))?|gpt-6-(sol|luna)|gpt-6\.1-terra)(-\d{4}.*)?$"
)
_REASONS_BY_DEFAULT = re.compile(r"^gpt-6(\.1)?-(sol|luna|terra|astra)")
_NO_MINIMAL = re.compile(r"^gpt-6")


def bare(model: str) -> str:
    """The model's own name: without a gateway's vendor prefix ("openai/…") and fine-tune dressing ("ft:…:…")."""
    name = model.rsplit("/", 1)[-1]
    return name.split(":")[1] if name.startswith("ft:") and name.count(":") >= 1 else name


_FAMILIES = {
    "anthropic": r"claude",
    "cohere": r"command|aya|c4ai",
    "deepseek": r"deepseek",
    "google": r"gemini|gemma|palm|bard",
    "huggingface": r"smollm|zephyr",
    "meta": r"llama|codellama",
    "microsoft": r"phi-",
    "mistral": r"mistral|mixtral|ministral|magistral|codestral|devstral|open-mi",
    "moonshot": r"kimi|moonshot",
    "openai": r"gpt|o[134](-|$)|chatgpt|davinci",
    "qwen": r"qwen|qwq",
    "xai": r"grok",
    "zhipu": r"glm|chatglm",
}
"""Whose model it is, by how its name begins: those of one family share their data, their style and their taste."""


@functools.lru_cache(maxsize=256)  # a run has few models
def family(model: str) -> str | None:
    """Whose model this is, as far as its name tells; None where it does not."""
    name = bare(model).rsplit("\\", 1)[-1].lower()
    return next((owner for owner, start in _FAMILIES.items() if re.match(start, name)), None)


def reasons(model: str, effort: str | None) -> bool:
    """Whether the model is known to think, at a cost in tokens, before it answers."""
    name = bare(model)
    if _ALWAYS.match(name):
        return True
    if not _SWITCHED.match(name):
        return False
    return bool(_REASONS_BY_DEFAULT.match(name)) if effort is None else effort != "none"


_THINKS = re.compile(
    r"^(?:gpt-(?:[5-9]|\d\d)(?!.*chat)|gpt-oss|o\d+(?:-|$)"
    r"|claude-(?:[a-z]+-)*(?:4[-.](?:[7-9]|1\d)(?!\d)|[5-9](?!\d)|1\d(?!\d))"
    r"|gemini-(?:2\.5-(?!flash-lite)|[3-9]|\d\d)|magistral|qwq|qvq|qwen-?3(?:\.\d+)?(?!.*(?:instruct|coder))"
    r"|deepseek-(?:r\d|v(?:[4-9]|\d\d))|grok-(?:3-mini|4|[5-9])(?!.*non-reasoning)|kimi-k(?:[3-9]|2\.[5-9])"
    r"|glm-(?:4\.[5-9]|[5-9])|minimax-m\d|seed-oss|doubao-seed|sonar-(?:reasoning|deep)|step-3|ernie-x|hunyuan-t1"
    r"|nova-2|mimo|ring-)"
    r"|(?<!non-)(?<!non)(?:thinking|reasoner|reasoning)|-think\b|-r1\b|-o1\b|deep-?think|exaone-deep",
    re.IGNORECASE,
)
"""Names of models that think before they answer unless they are told not to, as families name theirs: what comes next
in a family is taken to do as the last."""


def thinks(model: str, effort: str | None) -> bool:
    """Whether the model thinks, at a cost in tokens, before it answers, as far as its name tells."""
    return effort != "none" and (reasons(model, effort) or _by_name(bare(model)))


def _by_name(name: str) -> bool:
    known = _ALWAYS.match(name) or _SWITCHED.match(name)
    return not known and _THINKS.search(name) is not None


def refused(model: str, effort: str | None) -> frozenset[str]:
    """Names of parameters this model is known to refuse at this effort; empty where nothing is known."""
    return SAMPLING if reasons(model, effort) else frozenset()


def effort_problem(model: str, effort: str | None) -> str | None:
    """Why this effort is known to be refused by this model, with what to write instead; None when nothing is known."""
    name = bare(model)
    if effort == "none" and _ALWAYS.match(name):
        return f'{model} always reasons and refuses reasoning_effort = "none"; remove the key'
    if effort == "minimal" and _NO_MINIMAL.match(name):
        return f'{model} has no reasoning_effort "minimal"; use "low" or "none"'
    return None
