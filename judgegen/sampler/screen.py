"""Screens candidates: which may compete, and why the others may not. Pure; sees one prompt's candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from judgegen.llm.calls import canonical_json
from judgegen.records import Candidate
from judgegen.textual import normal


def screen(candidates: Sequence[Candidate], *, near_identical: float) -> tuple[Candidate, ...]:
    """The same candidates, those that may not compete with their reason.

    Reasons: empty, truncated, content-filtered, refusal, identical, near-identical, and what a failure brought. Of two
    alike the first in the order of variants stays.

    Args:
        candidates: in the order of variants.
        near_identical: normalised edit similarity in 0..1 from which two answers count as one.
    """
    screened: list[Candidate] = []
    for candidate in candidates:
        reason = candidate.refused or unfit(candidate)
        standing = [other for other in screened if other.refused is None]
        screened.append(replace(candidate, refused=reason or _alike(candidate, standing, near_identical)))
    return tuple(screened)


def unfit(candidate: Candidate) -> str | None:
    """Why a candidate may not compete, seen by itself."""
    if candidate.finish == "content_filter":
        return "content-filtered"
    if candidate.finish in ("length", "max_tokens"):
        return "truncated"
    if candidate.finish == "refusal":
        return "refusal"
    return None if candidate.tool_calls or normal(candidate.text) else "empty"


def _alike(candidate: Candidate, standing: Sequence[Candidate], near: float) -> str | None:
    for other in standing:
        if canonical_json(candidate.tool_calls) != canonical_json(other.tool_calls):
            continue
        if normal(candidate.text) == normal(other.text):
            return "identical"
        if _similar(normal(candidate.text), normal(other.text), near):
            return "near-identical"
    return None


def _similar(a: str, b: str, near: float) -> bool:
    from rapidfuzz.distance import Indel

    return near < 1 and Indel.normalized_similarity(a, b, score_cutoff=near) >= near
