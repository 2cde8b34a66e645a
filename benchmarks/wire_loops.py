"""Bare loops that make a run's calls and nothing else: aiohttp and orjson, or the openai SDK on its aiohttp transport.

    python benchmarks/wire_loops.py raw|sdk URL PROMPTS AT_ONCE JUDGE [ORDERS]

JUDGE is the body of a verdict's call, with @0@ and @1@ where the two answers stand; ORDERS is in how many orders they
are shown, 2 or 1.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

Ask = Callable[[dict[str, Any]], Awaitable[str]]


async def job(ask: Ask, prompts: list[str], judge: str, at_once: int, orders: int) -> None:
    """Two candidates and a verdict in each order of each prompt, so many calls at once."""
    width = asyncio.Semaphore(at_once)
    asked = json.loads(judge)
    *before, last = asked["messages"]

    async def one(body: dict[str, Any]) -> str:
        async with width:
            return await ask(body)

    def verdict(a: str, b: str) -> dict[str, Any]:
        said = last["content"].replace("@0@", a).replace("@1@", b)
        return {**asked, "messages": [*before, {"role": "user", "content": said}]}

    async def through(prompt: str) -> None:
        messages = [{"role": "user", "content": prompt}]
        bodies = [{"model": "small", "messages": messages, "max_tokens": 400, "seed": seed} for seed in (1, 2)]
        a, b = await asyncio.gather(*map(one, bodies))
        await asyncio.gather(*map(one, (verdict(a, b), verdict(b, a))[:orders]))

    await asyncio.gather(*map(through, prompts))


async def raw(url: str, prompts: list[str], judge: str, at_once: int, orders: int) -> None:
    """Over aiohttp, JSON by orjson."""
    import aiohttp
    import orjson

    connector = aiohttp.TCPConnector(limit=at_once)
    async with aiohttp.ClientSession(connector=connector, headers={"Content-Type": "application/json"}) as session:

        async def ask(body: dict[str, Any]) -> str:
            async with session.post(f"{url}/chat/completions", data=orjson.dumps(body)) as answer:
                said: str = orjson.loads(await answer.read())["choices"][0]["message"]["content"]
                return said

        await job(ask, prompts, judge, at_once, orders)


async def sdk(url: str, prompts: list[str], judge: str, at_once: int, orders: int) -> None:
    """By the openai SDK on its aiohttp transport."""
    from openai import AsyncOpenAI, DefaultAioHttpClient

    client = AsyncOpenAI(base_url=url, api_key="none", max_retries=0, http_client=DefaultAioHttpClient())
    async with client:

        async def ask(body: dict[str, Any]) -> str:
            done = await client.chat.completions.create(**body)
            return str(done.choices[0].message.content)

        await job(ask, prompts, judge, at_once, orders)


def main() -> None:
    """Make the calls."""
    kind, url, prompts, at_once, judge, *rest = sys.argv[1:]
    lines = Path(prompts).read_text(encoding="utf-8").splitlines()
    loop = raw if kind == "raw" else sdk
    orders = int(rest[0]) if rest else 2
    asyncio.run(loop(url, lines, Path(judge).read_text(encoding="utf-8"), int(at_once), orders))


if __name__ == "__main__":
    main()
