"""Together's preference fine-tuning: OpenAI's lines, with turns that alternate and no tool definitions."""

from __future__ import annotations

from datetime import date

from judgegen.formats import preferred
from judgegen.formats.format import WITH_TOOLS, Format, Limits

FORMAT = Format(
    name="together-dpo",
    about="Together AI, preference fine-tuning",
    source="docs.together.ai/docs/fine-tuning/preference-tuning, data-preparation; together 3.1.1, lib/constants.py; "
    "together-python utils/files.py, validate_preference_openai and validate_messages",
    as_of=date(2026, 11, 29),
    rules=(
        "Each output is exactly one assistant message; contents are text.",
        "Roles are system, user, assistant and tool, and no role speaks twice in a row.",
        "A fourth key beside input, preferred_output and non_preferred_output is refused.",
        "No place for tool definitions is documented: rows that carry them are left out.",
        "A file has at most 50.1 GiB by Together's own client, 100 GB by its pages.",
    ),
    rows=preferred.rows,
    back=preferred.back,
    carries=preferred.CARRIES,
    spare=preferred.spare,
    roles=WITH_TOOLS,
    tools="turns",
    turns="alternating",
    halves=True,
    limits=Limits(rows=1, size=int(50.1 * 2**30)),
)
