"""`judgegen simulate`: the known-truth world as a server. Parses, serves, says where."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer


def _number(text: str) -> Any:
    return typer.Option(metavar="X", help=text)


def _rate(text: str) -> Any:
    return typer.Option(metavar="0..1", min=0, max=1, help=text)


def _size(text: str, least: float = 0) -> Any:
    return typer.Option(metavar="N", min=least, help=text)


def _text(metavar: str, text: str) -> Any:
    return typer.Option(metavar=metavar, help=text)


GivenFile = Annotated[
    Path | None,
    typer.Option("-i", "--input", metavar="FILE", help="Answer this batch file instead of serving, and end."),
]
Output = Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="Where its answers go.")]


def simulate(
    *,
    port: Annotated[int, typer.Option(metavar="P", min=0, max=65535, help="On 127.0.0.1; 0 picks a free one.")] = 8765,
    given_file: GivenFile = None,
    output: Output = None,
    dialect: Annotated[
        str | None, _text("NAME", "Speak like a family of servers: openai, vllm, gemini, groq …")
    ] = None,
    faults: Annotated[str | None, _text("PLAN", "A TOML file of faults to play: docs/simulator.md.")] = None,
    answers: Annotated[str | None, _text("FILE", "JSON: by a question's text what is right, for graders.")] = None,
    accuracy: Annotated[float, _rate("How often the better answer wins, a score is true, without bias.")] = 0.9,
    position_bias: Annotated[float, _number("Logits for the answer shown first.")] = 0.0,
    middle_bias: Annotated[float, _number("Logits against the middle of a list that is ranked.")] = 0.0,
    length_bias: Annotated[float, _number("Logits for the longer answer, per doubling of length.")] = 0.0,
    tie_rate: Annotated[float, _rate("Verdicts that are ties.")] = 0.0,
    unreadable_rate: Annotated[float, _rate("Replies to a judge without a verdict.")] = 0.0,
    truncated_rate: Annotated[float, _rate("Candidates that break off.")] = 0.0,
    cuts_at: Annotated[int | None, _size("Tokens at which a decision's input is cut in silence.", 1)] = None,
    latency_s: Annotated[float, _size("Seconds an answer takes, on average.")] = 0.0,
    fault_rate: Annotated[float, _rate("Requests met by a 500, a 503, a 429 or a dropped connection.")] = 0.0,
    rpm: Annotated[int | None, _size("Requests a minute, above it 429; no limit unless given.", 1)] = None,
    logprobs: Annotated[bool, typer.Option("--logprobs/--no-logprobs", help="Give logprobs, or refuse them.")] = True,
    seed: Annotated[int, typer.Option(metavar="N", help="Another seed is another world.")] = 0,
    batch_seconds: Annotated[float, _size("Batches: seconds from submission to completion.")] = 1.0,
    batch_missing_rate: Annotated[float, _rate("Batches: rows that stand in neither file.")] = 0.0,
    batch_failed_rate: Annotated[float, _rate("Batches: rows that fail with a 429, 500, 503 or timeout.")] = 0.0,
    batch_expired_rate: Annotated[float, _rate("Batches that expire part of the way.")] = 0.0,
    batch_errors_only_rate: Annotated[float, _rate("Batches that complete with nothing but an error file.")] = 0.0,
    batch_busy_rate: Annotated[float, _rate("Batch submissions met by a 429.")] = 0.0,
    batch_crash_rate: Annotated[float, _rate("Batches accepted whose submission gets no response.")] = 0.0,
    batch_enqueued_tokens: Annotated[
        int | None, _size("Input tokens of a model's open batches; no limit unless given.", 1)
    ] = None,
    batch_most_requests: Annotated[int, _size("Rows a batch may have.", 1)] = 50_000,
    batch_most_bytes: Annotated[int, _size("Bytes a batch's file may have.", 1)] = 200_000_000,
    finetune_seconds: Annotated[float, _size("Fine-tuning: seconds from a job's creation to success.")] = 1.0,
    finetune_processing_s: Annotated[float, _size("Fine-tuning: seconds until an upload can be used.")] = 0.0,
    finetune_failed_rate: Annotated[float, _rate("Fine-tuning jobs that break while they run.")] = 0.0,
    finetune_crash_rate: Annotated[float, _rate("Fine-tuning jobs accepted whose creation gets no response.")] = 0.0,
) -> None:
    """Serve an OpenAI-compatible endpoint whose truth is known.

    Candidates end in a line that states their quality; the judge prefers the better one, or scores it, as often as
    --accuracy says, in whatever form it is asked: comparisons, rubrics, references, checklists, a schema or words.
    Any model name and any key will do; files, batches and fine-tuning jobs work as OpenAI's, files and jobs also as
    Azure's below /openai/v1, messages and their batches as Anthropic's. Counts of what was served are at /stats.
    --dialect plays a family's refusals, its words for ends, its places for tokens and thought, live and in batches
    where it has them (docs/endpoints.md). Typed questions are answered at /v1/decisions and /v1/systemone, answers
    scored at /v1/rerank and /pooling. --faults plays a plan of faults, in any dialect: which requests are met by
    which of statuses, silence, broken connections, answers that are cut, odd or billed wrong (docs/simulator.md).
    With --input and --output it is an engine without a server: it answers a batch file as `vllm run-batch` does,
    and ends (docs/batch-files.md).
    Ctrl-C ends it.
    """
    given = dict(locals())
    _check(dialect)
    (_answer if given_file or output else _serve)(given)


def _answer(given: Mapping[str, Any]) -> None:
    """Answer a batch file with these options."""
    if given["given_file"] is None or given["output"] is None:
        raise typer.BadParameter("go together", param_hint="--input, --output")
    from judgegen.cli import ending
    from judgegen.simulator.offline import answer
    from judgegen.simulator.work import BatchSettings
    from judgegen.spec import Scripted

    settings = Scripted(**{name: given[name] for name in Scripted.model_fields})
    batches = BatchSettings(**{field.name: given[f"batch_{field.name}"] for field in fields(BatchSettings)})
    with ending.told():
        count = answer(settings, batches, given["given_file"], given["output"])
    print(f"{count} rows written to {given['output']}")


def _serve(given: Mapping[str, Any]) -> None:
    """Serve with these options until told to end."""
    from judgegen.cli import ending

    port = given["port"]
    with ending.told():
        try:
            with suppress(KeyboardInterrupt, asyncio.CancelledError):
                asyncio.run(_until_told(serving(given, _ready)))
        except OSError as error:
            _refuse(f"port {port} cannot be served: {error.strerror}; choose another, or --port 0")


def serving(given: Mapping[str, Any], ready: Callable[[str], None]) -> Coroutine[Any, Any, None]:
    """What serves with these options of the command until it is cancelled; `ready` is told the base URL.

    Raises:
        SpecError: the plan of faults is none.
    """
    from judgegen.simulator.faults import read
    from judgegen.simulator.finetune import FinetuneSettings
    from judgegen.simulator.server import serve
    from judgegen.simulator.work import BatchSettings
    from judgegen.spec import Scripted

    settings = Scripted(**{name: given[name] for name in Scripted.model_fields})
    batches = BatchSettings(**{field.name: given[f"batch_{field.name}"] for field in fields(BatchSettings)})
    tuning = FinetuneSettings(**{field.name: given[f"finetune_{field.name}"] for field in fields(FinetuneSettings)})
    plan = None if given["faults"] is None else read(given["faults"])
    return serve(settings, batches=batches, tuning=tuning, faults=plan, port=given["port"], ready=ready)


def _check(dialect: str | None) -> None:
    from judgegen.llm.dialects import DIALECTS, named

    if dialect is not None and named(dialect) is None:
        _refuse(f"--dialect {dialect!r} is not one of: {', '.join(one.name for one in DIALECTS)}")


def _refuse(why: str) -> None:
    from judgegen.cli import ending
    from judgegen.errors import SpecError

    ending.end(None, SpecError(why), as_json=False)


def _ready(url: str) -> None:
    print(f"judgegen simulate on {url}", flush=True)


async def _until_told(serving: Coroutine[Any, Any, None]) -> None:
    """Serve until SIGTERM or Ctrl-C, so that either way the uploads are removed."""
    task = asyncio.ensure_future(serving)
    with suppress(NotImplementedError):  # Windows has no signal handlers in its loops
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    await task
