"""Tells of a server that has moved: the same models, answered in the journal under another address.

Knows the run file's endpoints and what the journal was answered by; nothing of what is asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from judgegen.llm.facts import asked
from judgegen.spec import Spec


def warnings(resolved: Spec, used: set[tuple[str, str]], journal: Path) -> Iterator[str]:
    """A sentence for every endpoint whose models the journal knows from elsewhere alone; `used` is (name, model)."""
    before = asked(journal)
    now = {(resolved.endpoints[name].address, model) for name, model in used}
    for name in sorted({name for name, _ in used}):
        address = resolved.endpoints[name].address
        models = {model for route, model in used if route == name}
        old = {place for place, model in before - now if model in models and (address, model) not in before}
        gone = sorted(old - {place for place, _ in now})
        if gone:
            yield (
                f"the journal holds answers of {', '.join(sorted(models))} from {gone[0]}, and endpoint {name!r} is at "
                f"{address} now: its calls are asked and paid for again. If it is the same server at a new address, "
                f"stop here and write identity = {gone[0]!r} under [endpoints.{name}] (what is paid stays valid)"
            )
