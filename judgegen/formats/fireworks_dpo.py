"""Fireworks' direct preference optimisation: OpenAI's lines, text only, without tools."""

from __future__ import annotations

from datetime import date

from judgegen.formats import preferred
from judgegen.formats.format import Format, Limits

FORMAT = Format(
    name="fireworks-dpo",
    about="Fireworks AI, DPO",
    source="docs.fireworks.ai/fine-tuning/dpo-fine-tuning",
    as_of=date(2026, 11, 29),
    rules=(
        "At least 3 and at most 3 million lines, each with input, preferred_output and non_preferred_output.",
        "A message has a role (system, user or assistant) and a content that is a string.",
        "Each output is one assistant message.",
    ),
    rows=preferred.rows,
    back=preferred.back,
    carries=preferred.CARRIES,
    spare=preferred.spare,
    halves=True,
    limits=Limits(rows=3, most_rows=3_000_000),
)
