from __future__ import annotations

import asyncio

import pytest

from judgegen.llm.calls import Call, Choice, Outcome, Reply, Tag, Usage
from judgegen.llm.learned import Learned
from judgegen.llm.retry import Doubtful
from judgegen.llm.scouting import Scouts
from judgegen.llm.stop import Stop

SIZE = 40


def call(number: int) -> Call:
    return Call(
        endpoint="here",
        model="m",
        messages=({"role": "user", "content": f"question {number}"},),
        params={},
        tag=Tag(role="sampler", prompt_id=f"p{number}", route="here"),
    )


def sent_in_order(refused: int) -> list[str]:
    """The prompts in the order in which they are sent for the first time, where the first so many are refused."""
    order: list[str] = []
    learned = Learned()

    async def send(asked: Call) -> Outcome:
        order.append(asked.tag.prompt_id)
        number = learned.of(asked).begins()
        for _ in range(9):  # an answer takes longer than all others need to come and wait
            await asyncio.sleep(0)
        if len(order) <= refused:
            raise Doubtful("400 no")
        known = learned.of(asked)
        known.answered, known.answers = True, known.answers + 1
        known.lives(number)
        return Reply(choices=(Choice(text="yes"),), usage=Usage(input=1, output=1))

    async def main() -> None:
        scouts = Scouts(send, learned, lambda asked: learned.of(asked).answered, Stop())
        await asyncio.gather(*(scouts(call(number)) for number in range(SIZE)))

    asyncio.run(main())
    return list(dict.fromkeys(order))


def test_calls_go_in_the_order_in_which_they_came() -> None:
    """So the candidates of a prompt go side by side, and the first prompts are done first, whatever the calls' ids."""
    assert sent_in_order(0) == [f"p{number}" for number in range(SIZE)]


@pytest.mark.parametrize("refused", [1, 5])
def test_after_a_refusal_the_next_is_drawn_from_all_that_wait(refused: int) -> None:
    """Ten bad prompts at the head of a file are not taken for an endpoint that refuses everything."""
    order = sent_in_order(refused)
    assert sorted(order) == sorted(f"p{number}" for number in range(SIZE))
    assert order[1 : refused + 1] != [f"p{number}" for number in range(1, refused + 1)]
