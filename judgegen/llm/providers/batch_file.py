"""Batch files in a folder, answered by an engine that has no server: `vllm run-batch`, or whatever reads such files.

Here is what the run file names it by, and the words of its command; files are written and read in judgegen.run. Asked
one call at a time, nobody is there to answer.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import NoReturn

from judgegen.errors import SpecError
from judgegen.llm.endpoint import Endpoint
from judgegen.llm.providers.listing import Listing, by_url

NAME = "batch-file"
PLACES = ("input", "output", "model")
"""What a command may name in braces."""
_PLACE = re.compile(r"\{(\w+)\}")


def problem(command: str) -> str | None:
    """What is wrong with a command of a run file; None where nothing is."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        return f"cannot be split into words as a shell would ({error})"
    named = set(_PLACE.findall(command))
    if strange := sorted(named - set(PLACES)):
        return f"{{{strange[0]}}} is not one of: {', '.join(f'{{{place}}}' for place in PLACES)}"
    if not words or not {"input", "output"} <= named:
        return "has to name {input}, the file to answer, and {output}, the file for its answers"
    return None


def arguments(command: str, filled: Mapping[str, str]) -> list[str]:
    """The command's words, with what stands in braces filled in; no shell sees them."""
    return [_PLACE.sub(lambda found: filled.get(found[1], found[0]), word) for word in shlex.split(command)]


def _connect(_: Endpoint, name: str) -> NoReturn:
    raise SpecError(
        f'endpoints.{name}: provider = "{NAME}" answers whole files, and one call at a time is asked here; name a '
        f"server, or run `judgegen run`"
    )


def _identity(endpoint: Endpoint) -> str:
    return by_url(endpoint) or NAME


PROVIDER = Listing(name=NAME, connect=_connect, url="", free=True, identity=_identity)
