"""Asks a provider's control API (files, jobs) again after passing trouble, and says in our words what does not pass.

For the openai SDK with its own retries off. What passes is told by the table that the chat API's refusals are told by.
Knows nothing of what is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from judgegen.errors import Incomplete, ProviderRefused
from judgegen.llm.retry import wait_s
from judgegen.llm.wire import refusals
from judgegen.llm.wire.delay import asked_s

T = TypeVar("T")
RETRIES = 8
PASSING = ("passing", "throttled")


async def persist(ask: Callable[[], Awaitable[T]], what: str, *, retries: int = RETRIES) -> T:
    """The answer to `ask`, a request to the API that messages call `what`.

    Raises:
        ProviderRefused: key, address, quota or request are refused.
        Incomplete: no answer after so many retries.
    """
    from openai import APIConnectionError, APIStatusError

    for attempt in range(retries + 1):
        try:
            return await ask()
        except APIStatusError as error:
            status, said = error.status_code, error.response.content
            why, asked = error.message, asked_s(status, error.response.headers, said)
            if refusals.kind(refusals.read(status, said, asked)) not in PASSING:
                raise ProviderRefused(f"{what}: {why}") from None
        except APIConnectionError as error:
            why, asked = str(error.__cause__ or error), None
        except (AttributeError, TypeError, ValueError):  # what a page of HTML is to the SDK, which reads no shapes
            why, asked = "an answer of another shape than the API's", None
        if attempt < retries:
            await asyncio.sleep(wait_s(attempt, asked))
    raise Incomplete(f"{what}: {why}; the same command tries again")
