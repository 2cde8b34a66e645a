"""Run folders written from results, with a tokenizer one can count along with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from results import each, words

from judgegen.records import Result
from judgegen.writer.outputs import Outputs

STAMP = {"run": "abc", "judgegen": "0.0", "pyarrow": "0"}
Write = Callable[..., dict[str, Any]]


def written(
    folder: Path, results: Iterable[Result], *, formats: Iterable[str] = ("openai-dpo",), **extra: Any
) -> dict[str, Any]:
    """Every derived file of these results; the summary."""
    counting: Mapping[str, Any] = {"count_messages": words, "count_texts": each}
    with Outputs(folder, stamp=STAMP, formats=list(formats), encoding="o200k_base", **counting) as outputs:
        for result in results:
            outputs.add(result)
        return outputs.finish(extra)


@pytest.fixture(scope="session")
def write() -> Write:
    """Writes a run folder from results."""
    return written


@pytest.fixture(scope="session")
def contents() -> Callable[[Path], dict[str, bytes]]:
    """Reads a run folder, all of it."""

    def read(folder: Path) -> dict[str, bytes]:
        found = sorted(path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): path.read_bytes() for path in found}

    return read
