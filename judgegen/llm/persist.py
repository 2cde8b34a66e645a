"""Asks a provider's control API (files, jobs) again after passing trouble, and says in our words what does not pass.

For the openai SDK with its own retries off. Knows nothing of what is asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from judgegen.errors import Incomplete, ProviderRefused
from judgegen.llm.providers.delay import asked_s
from judgegen.llm.retry import wait_s

T = TypeVar("T")
RETRIES = 8
SPENT = frozenset({"insufficient_quota", "billing_hard_limit_reached", "exceeded_quota"})
"""Codes of a 429 that no waiting mends."""


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
            passing = error.status_code >= 500 or error.status_code in (408, 409, 429)
            if not passing or error.code in SPENT:
                raise ProviderRefused(f"{what}: {error.message}") from None
            why, asked = error.message, asked_s(error.status_code, error.response.headers)
        except APIConnectionError as error:
            why, asked = str(error.__cause__ or error), None
        if attempt < retries:
            await asyncio.sleep(wait_s(attempt, asked))
    raise Incomplete(f"{what}: {why}; the same command tries again")
