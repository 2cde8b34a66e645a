"""What is asked at once is noted in the order of asking, ends together, and is given up together."""

from __future__ import annotations

import asyncio
import gc
import random
import weakref

import pytest

from judgegen.errors import Unanswered
from judgegen.llm.calls import Call, Choice, Outcome, Reply, Tag, Usage
from judgegen.llm.recording import ask, recording, together


def call(number: int) -> Call:
    tag = Tag(role="sampler", prompt_id=f"p{number}")
    return Call(endpoint="here", model="m", messages=({"role": "user", "content": str(number)},), params={}, tag=tag)


@pytest.mark.parametrize("seed", range(5))
def test_answers_are_noted_in_the_order_of_asking(seed: int) -> None:
    """Whoever is answered first, also where branches branch again."""
    lots = random.Random(seed)

    async def send(asked: Call, /) -> Outcome:
        for _ in range(lots.randrange(5)):
            await asyncio.sleep(0)
        return Reply(choices=(Choice(text=str(asked.messages[0]["content"])),), usage=Usage())

    async def two(number: int) -> list[Outcome]:
        return await together(ask(send, call(number + more)) for more in (0, 1))

    async def main() -> tuple[list[str], list[list[Outcome]]]:
        with recording() as asked:
            said = await together(two(number) for number in (0, 2, 4))
        return [one.tag.prompt_id for one, _ in asked], said

    noted, said = asyncio.run(main())
    assert noted == [f"p{number}" for number in range(6)]
    assert [one.first.text for pair in said for one in pair if isinstance(one, Reply)] == list("012345")


def test_all_end_before_what_went_wrong_is_raised_and_what_ends_a_run_goes_first() -> None:
    """A lack of an answer is the lesser news, wherever it stands; nothing is cancelled for either."""
    ended: list[str] = []

    async def one(name: str, error: BaseException | None) -> None:
        await asyncio.sleep(0)
        if error is not None:
            raise error
        await asyncio.sleep(0)
        ended.append(name)

    async def main() -> None:
        with recording():
            await together(
                [one("a", Unanswered("not now")), one("b", ValueError("a fault")), one("c", None), one("d", None)]
            )

    with pytest.raises(ValueError, match="a fault"):
        asyncio.run(main())
    assert ended == ["c", "d"]


@pytest.mark.parametrize("late", [0, 1])
def test_who_is_cancelled_cancels_all_branches_and_waits_for_them(late: int) -> None:
    """Whichever branch is waited for just then: none goes on by itself, and each has cleared up by then."""
    cleared: list[int] = []

    async def branch(number: int) -> None:
        try:
            await asyncio.sleep(0 if number < late else 60)
        finally:
            await asyncio.sleep(0)
            cleared.append(number)

    async def all_three() -> None:
        with recording():
            await together(branch(number) for number in range(3))

    async def main() -> None:
        task = asyncio.create_task(all_three())
        for _ in range(6):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert sorted(cleared) == [0, 1, 2]
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


def test_a_lack_of_an_answer_leaves_nothing_behind() -> None:
    """An interrupted run has one for each prompt left: none holds what it met in a circle, until that is sought.

    Sought for so many it took most of what the end of such a run took.
    """

    class Prompt:
        pass

    async def lacking(prompt: Prompt) -> None:
        await asyncio.sleep(0)
        raise Unanswered(f"not asked for {type(prompt).__name__}")

    async def main(prompt: Prompt) -> None:
        with recording(), pytest.raises(Unanswered):
            await together(lacking(prompt) for _ in range(3))

    prompt = Prompt()
    there = weakref.ref(prompt)
    gc.disable()
    try:
        asyncio.run(main(prompt))
        del prompt
        assert there() is None
    finally:
        gc.enable()
