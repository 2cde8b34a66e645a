"""OpenAI's preference JSONL for direct preference optimisation, upload-ready."""

from __future__ import annotations

from judgegen.formats import preferred
from judgegen.formats.format import WITH_TOOLS, Format, Limits, Preference, Row


def rows(preference: Preference) -> list[Row]:
    """One line; a `developer` message stands as `system`, since the preference schema does not know that role."""
    row = preferred.row(preference)
    row["input"]["messages"] = [
        {**message, "role": "system"} if message["role"] == "developer" else message
        for message in row["input"]["messages"]
    ]
    return [row]


FORMAT = Format(
    name="openai-dpo",
    about="OpenAI, direct preference optimisation",
    source="developers.openai.com/api/docs/guides/direct-preference-optimization; openai-openapi f7f4b05, "
    "FineTunePreferenceRequestInput",
    rules=(
        "A line has input, preferred_output and non_preferred_output and nothing else.",
        "Each output is exactly one assistant message; only text is trained on.",
        "Roles in the input are system, user, assistant, tool and function; it ends before the answer.",
        "At least ten lines, at most 512 MB, no byte order mark, no blank lines.",
        "Examples above 65,536 tokens are cut at the end.",
    ),
    rows=rows,
    back=preferred.back,
    carries=preferred.CARRIES,
    spare=preferred.spare,
    roles=WITH_TOOLS | {"function", "developer"},
    tools="definitions",
    halves=True,
    limits=Limits(rows=10, size=512 * 10**6, tokens=65_536),
)
