"""`judgegen simulate`: the known-truth world as a server. Parses, serves, says where."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Annotated

import typer


def simulate(
    *,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1; 0 picks a free one.")] = 8765,
    accuracy: Annotated[
        float, typer.Option(min=0, max=1, help="How often the better answer wins where there is no bias.")
    ] = 0.9,
    position_bias: Annotated[float, typer.Option(help="Logits for the answer shown first.")] = 0.0,
    length_bias: Annotated[float, typer.Option(help="Logits for the longer answer, per doubling of length.")] = 0.0,
    tie_rate: Annotated[float, typer.Option(min=0, max=1, help="Verdicts that are ties.")] = 0.0,
    unreadable_rate: Annotated[float, typer.Option(min=0, max=1, help="Replies to a judge without a verdict.")] = 0.0,
    truncated_rate: Annotated[float, typer.Option(min=0, max=1, help="Candidates that break off.")] = 0.0,
    latency_s: Annotated[float, typer.Option(min=0, help="Seconds an answer takes, on average.")] = 0.0,
    fault_rate: Annotated[
        float, typer.Option(min=0, max=1, help="Requests met by a 500, a 503, a 429 or a dropped connection.")
    ] = 0.0,
    rpm: Annotated[
        int | None, typer.Option(min=1, help="Requests a minute; above it 429. Without it: no limit.")
    ] = None,
    logprobs: Annotated[bool, typer.Option("--logprobs/--no-logprobs", help="Give logprobs, or refuse them.")] = True,
    seed: Annotated[int, typer.Option(help="Another seed is another world.")] = 0,
) -> None:
    """Serve an OpenAI-compatible endpoint whose truth is known.

    Candidates end in a line that states their quality; the judge prefers the better one as often as --accuracy says.
    Any model name and any key will do. Counts of what was served are at /stats. Ctrl-C ends it.
    """
    from judgegen.llm.providers.simulate import serve
    from judgegen.spec import Scripted

    settings = Scripted(
        accuracy=accuracy,
        position_bias=position_bias,
        length_bias=length_bias,
        tie_rate=tie_rate,
        unreadable_rate=unreadable_rate,
        truncated_rate=truncated_rate,
        latency_s=latency_s,
        fault_rate=fault_rate,
        rpm=rpm,
        logprobs=logprobs,
        seed=seed,
    )
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(serve(settings, port=port, ready=lambda url: print(f"judgegen simulate on {url}", flush=True)))
    except OSError as error:
        from judgegen.cli import ending
        from judgegen.errors import SpecError

        taken = SpecError(f"port {port} cannot be served: {error.strerror}; choose another, or --port 0")
        ending.end(None, taken, as_json=False)
