"""The control's pairs: the same ones in the same places, half of them turned round, and nothing left to learn."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from judgegen.train.rows import shuffled

Row = dict[str, Any]
TEXTS = st.text("ab", min_size=1, max_size=12)


def row(number: int, chosen: str, rejected: str) -> Row:
    return {
        "prompt": [{"role": "user", "content": f"What is {number}?"}],
        "chosen": [{"role": "assistant", "content": chosen}],
        "rejected": [{"role": "assistant", "content": rejected}],
        "p_chosen": 0.9,
    }


def longer(one: Row) -> int:
    return len(one["chosen"][0]["content"]) - len(one["rejected"][0]["content"])


def turned(before: list[Row], after: list[Row]) -> list[bool]:
    """Of each pair whether it stands the other way round now; it is the same pair in the same place."""
    for one, other in zip(before, after, strict=True):
        assert one["prompt"] == other["prompt"]
        assert sorted([str(one["chosen"]), str(one["rejected"])]) == sorted(
            [str(other["chosen"]), str(other["rejected"])]
        )
    return [one["chosen"] != other["chosen"] for one, other in zip(before, after, strict=True)]


@st.composite
def pairs(draw: st.DrawFn) -> list[Row]:
    two = draw(st.lists(st.tuples(TEXTS, TEXTS).filter(lambda t: t[0] != t[1]), min_size=1, max_size=12))
    return [row(n, *each) for n, each in enumerate(two)]


@given(pairs(), st.integers(0, 5))
def test_half_of_the_pairs_are_turned(before: list[Row], seed: int) -> None:
    """So many stand against the judge as with it, but for an odd one; its P is not said of them."""
    after = shuffled(before, seed)
    found = turned(before, after)
    assert sum(found) in {len(found) // 2, (len(found) + 1) // 2}
    assert [("p_chosen" in one) for one in after] == [not each for each in found]


@given(pairs(), st.integers(0, 5))
def test_what_was_gained_in_length_is_not_gained_any_more(before: list[Row], seed: int) -> None:
    """However much longer every chosen answer was: what they gain together is at most what two pairs differ by."""
    gains = [longer(one) for one in before]
    most = max(gains) - min(gains) + (max(map(abs, gains)) if len(gains) % 2 else 0)
    assert abs(sum(map(longer, shuffled(before, seed)))) <= most


@given(pairs(), st.integers(0, 5), st.randoms())
def test_the_order_of_the_pairs_decides_nothing(before: list[Row], seed: int, lots: Any) -> None:
    """The same pairs in another order are turned as they are in this."""
    places = list(range(len(before)))
    lots.shuffle(places)
    after = shuffled(before, seed)
    assert shuffled([before[i] for i in places], seed) == [after[i] for i in places]


def test_another_seed_turns_others() -> None:
    """Of twenty pairs no two of these seeds turn the same ten."""
    before = [row(n, "yes", "no") for n in range(20)]
    assert len({tuple(turned(before, shuffled(before, seed))) for seed in range(8)}) == 8
