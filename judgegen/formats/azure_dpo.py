"""Azure OpenAI's and Foundry's DPO: OpenAI's lines in a file that begins with a byte order mark."""

from __future__ import annotations

from judgegen.formats import preferred
from judgegen.formats.format import WITH_TOOLS, Format, Limits

FORMAT = Format(
    name="azure-dpo",
    about="Azure OpenAI and Foundry, DPO",
    source="learn.microsoft.com/azure/foundry/openai/how-to/fine-tuning-direct-preference-optimization",
    rules=(
        "The file is UTF-8 with a byte order mark, below 512 MB, with at least ten lines.",
        "Both outputs hold at least one assistant message; their roles are assistant and tool.",
        "Tools and parallel_tool_calls stand in input, beside messages.",
    ),
    rows=preferred.rows,
    back=preferred.back,
    carries=preferred.CARRIES,
    spare=preferred.spare,
    bom=True,
    steps=True,
    roles=WITH_TOOLS,
    tools="definitions",
    halves=True,
    limits=Limits(rows=10, size=512 * 10**6),
)
