"""The known-truth world over a batch file, as an engine without a server answers one: `vllm run-batch -i IN -o OUT`.

Answers and errors stand in one file, in the order of the requests, written as they come, in the form that vLLM writes:
an answer's body beside its status, an error in `error` with its status and no body. Rows may be left out or fail by
lot, as the simulator's batches have it. Knows nothing of this project's calls.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from judgegen.errors import SpecError
from judgegen.llm.calls import digest
from judgegen.simulator.batch_state import ENDPOINT
from judgegen.simulator.lots import Lots
from judgegen.simulator.scripted import ScriptedProvider, Speaker
from judgegen.simulator.work import BatchSettings
from judgegen.spec import Scripted

_ANSWERED, _BAD, _FAILED = 200, 400, 500


def answer(settings: Scripted, batches: BatchSettings, given: Path, output: Path) -> int:
    """Answer the requests in `given` into `output`, each in `settings.latency_s`; how many rows it wrote.

    Raises:
        SpecError: a line is no request.
    """
    speaker = ScriptedProvider(settings).speaker
    lots = Lots("offline", settings.seed, given.name)
    count = 0
    with given.open(encoding="utf-8") as lines, output.open("w", encoding="utf-8") as out:
        for row in _requests(lines, given):
            lot = lots.unit()
            time.sleep(settings.latency_s)
            if batches.failed_rate <= lot < batches.failed_rate + batches.missing_rate:
                continue
            found = _answered(speaker, row) if lot >= batches.failed_rate else _failed(row)
            out.write(json.dumps(found) + "\n")
            out.flush()
            count += 1
    return count


def _requests(lines: Iterable[str], given: Path) -> Iterator[Mapping[str, Any]]:
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            whole = isinstance(row["custom_id"], str) and isinstance(row["body"], dict) and row["method"] == "POST"
        except (ValueError, KeyError, TypeError):
            whole = False
        if not whole:
            raise SpecError(f"{given}, line {number}: no request of a batch file (custom_id, method POST, url, body)")
        yield row


def _answered(speaker: Speaker, row: Mapping[str, Any]) -> dict[str, Any]:
    if row.get("url") != ENDPOINT:
        return _line(row, _BAD, error=f"URL {row.get('url')} was used. Supported endpoints: {ENDPOINT}.")
    found = speaker.answer(row["body"])
    if found.status != _ANSWERED:
        return _line(row, found.status, error=found.payload)
    return _line(row, _ANSWERED, body=found.payload)


def _failed(row: Mapping[str, Any]) -> dict[str, Any]:
    return _line(row, _FAILED, error={"message": "The engine had an error.", "code": _FAILED})


def _line(row: Mapping[str, Any], status: int, *, body: Any = None, error: Any = None) -> dict[str, Any]:
    number = digest([row["custom_id"]], size=12)
    response = {"status_code": status, "request_id": f"batch-{number}", "body": body}
    return {"id": f"row-{number}", "custom_id": row["custom_id"], "response": response, "error": error}
