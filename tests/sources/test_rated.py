"""Rated answers come out as every two of a prompt compared, with what each rater gave."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from judgegen.errors import SpecError
from judgegen.exchange import comparisons
from judgegen.sources.labelled import Labelled
from judgegen.trust.judged import Vote

MAPPED = ["prompt=Prompt,answer=Story,rating=Relevance+Coherence,rater=Worker ID"]
Row = dict[str, Any]


def hanna(prompts: int = 2, stories: int = 3) -> list[Row]:
    """A row per rater, of the columns that HANNA has, with another metadata column than it."""
    lot = random.Random(3)
    return [
        {
            "Story ID": f"{p}-{s}",
            "Prompt": f"Write about {p}.",
            "Human": "What somebody wrote.",
            "Story": f"Story {s} about {p}.",
            "Model": f"model {s}",
            "Relevance": lot.randint(1, 5),
            "Coherence": lot.randint(1, 5),
            "Worker ID": f"w{r}",
            "is_safe": False,
        }
        for p in range(prompts)
        for s in range(stories)
        for r in range(3)
    ]


def read(rows: Any, mapping: list[str] | None = None, said: list[str] | None = None) -> list[Labelled]:
    heard: list[str] = [] if said is None else said
    return list(comparisons.labelled(rows, None, heard.append, mapping or []))


def test_a_row_per_rater_is_gathered_by_prompt_and_answer() -> None:
    """Every two stories of a prompt, a vote of each rater, and all of the marks."""
    rows = hanna()
    found = read(rows, MAPPED)
    assert len(found) == 2 * 3
    for one in found:
        own = {
            side: {r["Worker ID"]: r["Relevance"] + r["Coherence"] for r in rows if r["Story"] == text}
            for side, text in (("A", one.response_a), ("B", one.response_b))
        }
        wanted = [
            ("tie", "A", "B")[(own["A"][w] > own["B"][w]) - (own["A"][w] < own["B"][w])] for w in sorted(own["A"])
        ]
        assert list(one.votes) == wanted
        kept = comparisons.ratings(one)
        assert {text for _, text in kept} == {one.response_a, one.response_b}
        for (_, text), given in kept.items():
            marks = [(r["Worker ID"], r["Relevance"], r["Coherence"]) for r in rows if r["Story"] == text]
            assert [(who, by["Relevance"], by["Coherence"]) for who, by in given] == sorted(marks)


def test_rows_in_another_order_are_the_same_comparisons() -> None:
    """By their ids, votes and ratings; only their own order may differ."""
    rows = hanna()
    turned = random.Random(1).sample(rows, len(rows))
    assert {one.id: (one.votes, one.metadata) for one in read(rows, MAPPED)} == {
        one.id: (one.votes, one.metadata) for one in read(turned, MAPPED)
    }


WIDE = [
    {"prompt": "q", "response": "x", "relevance": 1, "fluency": 2.5},
    {"prompt": "q", "response": "y", "relevance": "3", "fluency": 4},
]
LISTS = [{"prompt": "q", "responses": ["x", "y"], "relevance": [1, 3], "fluency": [2.5, 4]}]
INSIDE = [
    {
        "prompt": "q",
        "completions": [
            {"response": "x", "relevance": 1, "fluency": 2.5},
            {"response": "y", "relevance": 3, "fluency": 4},
        ],
    }
]


@pytest.mark.parametrize("rows", [WIDE, LISTS, INSIDE], ids=["a row each", "lists", "inside the answers"])
def test_every_shape_says_the_same(rows: list[Row]) -> None:
    """The better answer has the vote, and each its means."""
    (one,) = read(rows)
    assert (one.response_a if one.votes == ("A",) else one.response_b) == "y"
    kept = {text: given for (_, text), given in comparisons.ratings(one).items()}
    assert kept == {"x": ((None, {"relevance": 1, "fluency": 2.5}),), "y": ((None, {"relevance": 3, "fluency": 4}),)}


def test_a_table_is_read_too(tmp_path: Path) -> None:
    """Its columns are enough before its first row is read."""
    path = tmp_path / "rated.csv"
    path.write_text("Prompt,Response,Relevance,Coherence\nq,x,1,\nq,y,3,4\n")
    (one,) = read(path)
    assert {text: given for (_, text), given in comparisons.ratings(one).items()} == {
        "x": ((None, {"Relevance": 1}),),
        "y": ((None, {"Relevance": 3, "Coherence": 4}),),
    }


def test_a_list_in_a_cell_is_of_several_raters() -> None:
    """Each place is one rater's; without names the means are one vote."""
    (one,) = read([{"prompt": "q", "response": t, "score": marks} for t, marks in (("x", [1, 5, None]), ("y", [3, 3]))])
    assert one.votes == ("tie",)
    assert sorted(len(given) for given in comparisons.ratings(one).values()) == [2, 2]


def test_what_nobody_rated_and_what_stands_alone_is_left_out_and_counted() -> None:
    """NaN and an empty cell are no rating."""
    said: list[str] = []
    more = [
        {"prompt": "q", "response": "z", "relevance": float("nan"), "fluency": None},
        {"prompt": "lone", "response": "z", "relevance": 2, "fluency": 3},
    ]
    assert len(read([*WIDE, *more], said=said)) == 1
    assert [words.partition(": ")[2] for words in said] == [
        "1 rows are left out: nobody rated the answer",
        "1 rows are left out: one rated answer to its prompt alone: there is nothing to rank it against",
    ]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ({"prompt": "q", "response": "z", "relevance": "good"}, "relevance is 'good', which is no rating"),
        ({"prompt": "q", "response_a": "z", "response_b": "y", "winner": "A"}, "has no answer with a rating"),
        ({"response": "z", "relevance": 1}, "row 3"),
    ],
)
def test_what_is_no_rating_is_named_with_its_row(row: Row, why: str) -> None:
    """Nothing is taken for a rating that is none, and nothing is passed over."""
    with pytest.raises(SpecError, match="row 3") as error:
        read([*WIDE, row])
    assert why in str(error.value)


def test_lists_of_another_length_are_refused() -> None:
    """Which rating is of which answer cannot be told."""
    with pytest.raises(SpecError, match="fluency has 1 for 2 answers"):
        read([{**LISTS[0], "fluency": [1]}])


VOTES: tuple[Vote, ...] = ("A", "B", "tie")


def test_comparisons_with_votes_are_what_they_were() -> None:
    """A column that sounds like a rating makes no other thing of two answers and a winner."""
    rows = [{"prompt": f"q{v}", "response_a": "x", "response_b": "y", "winner": v, "relevance": 3} for v in VOTES]
    found = read(rows)
    assert [one.votes for one in found] == [(vote,) for vote in VOTES]
    assert all(comparisons.ratings(one) == {} for one in found)
