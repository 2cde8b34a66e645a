"""What a server's counts show of its bill and of its context."""

from __future__ import annotations

import asyncio

import pytest

from judgegen.llm.calls import Call, Choice, Outcome, Reply, Tag, Usage
from judgegen.llm.counts import found, plausible
from judgegen.watch import Watch

LONG = "word " * 2000


def call(content: str = "hi", number: int = 0) -> Call:
    return Call(
        endpoint="here",
        model="m",
        messages=({"role": "user", "content": f"{content} {number}"},),
        params={"max_tokens": 10, "n": 2},
        tag=Tag(role="sampler", prompt_id="p", route="r"),
    )


@pytest.mark.parametrize(
    ("content", "usage", "kinds"),
    [
        ("hi", Usage(input=9, output=20), set()),
        ("hi", Usage(input=9, output=21), {"output"}),
        ("hi", Usage(input=60, output=2), set()),  # a chat template of its own
        ("hi", Usage(input=500, output=2), {"more"}),
        (LONG, Usage(input=2100, output=2), set()),
        (LONG, Usage(input=5000, output=2), {"more"}),
        (LONG, Usage(input=900, output=2), {"fewer"}),
        (LONG, Usage(input=9, output=900, estimated=True), {"absent"}),
        (LONG, Usage(input=0, output=2), set()),
    ],
)
def test_counts_that_cannot_be_are_found(content: str, usage: Usage, kinds: set[str]) -> None:
    """More output than n times max_tokens, input twice or half of ours; what was counted here is not the server's."""
    assert set(found(call(content), usage, count_input=True)) == kinds


def test_each_is_said_once_a_model() -> None:
    """With the address, the model and both figures."""
    said: list[str] = []

    class Told(Watch):
        def warned(self, message: str) -> None:
            said.append(message)

    async def odd(_: Call) -> Outcome:
        return Reply(choices=(Choice(text="ok"),), usage=Usage(input=9, output=31))

    async def main() -> None:
        send = plausible(odd, Told())
        for number in range(20):
            await send(call(number=number))

    asyncio.run(main())
    assert len(said) == 1
    assert all(word in said[0] for word in ("here", "m:", "31", "20"))
