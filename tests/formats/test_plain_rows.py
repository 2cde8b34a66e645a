"""The short way to a preference says what the long way says, or nothing."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judgegen.exchange.import_ import Wishes, imported
from judgegen.exchange.plain_rows import plan, preference
from judgegen.exchange.repeats import Repeats
from judgegen.formats.origin import preferences, read
from judgegen.formats.origins import known_by
from judgegen.writer.files import compact_line, json_line

COUNTED = "one two three four five six seven eight nine ten"
SAID = (
    "Why?",
    "source",
    "llama",
    "Because.",
    "No.",
    " No. ",
    "",
    "  ",
    "nan",
    "None",
    "é",
    "e\u0301",
    COUNTED,
    f"{COUNTED} eleven",
)
WORDS = st.sampled_from([*SAID, "\n\nHuman: a\n\nAssistant: b", '[{"role": "user"}]'])
MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "system", "developer", "tool", 3, []]), "content": WORDS},
    optional={"name": st.none() | st.just("n")},
)
PREFIX = st.lists(MESSAGE, max_size=3) | WORDS.map(lambda words: [{"role": "user", "content": words}])
ANSWER = WORDS.map(lambda words: {"role": "assistant", "content": words})
NUMBERS = st.none() | st.integers(0, 3) | st.floats(0, 3) | st.sampled_from(["2.5", "", "x", "3/4", True, float("nan")])
OTHERS = st.fixed_dictionaries(
    {},
    optional={
        "prompt": WORDS | PREFIX | st.none() | st.sampled_from(["[INST] Why? [/INST]", "Human: Why?\nAssistant:"]),
        "rejected_rank": NUMBERS,
        "chosen_rank": NUMBERS,
        "question": WORDS,
        "prompt_id": WORDS | st.none() | st.just(3),
        "score_chosen": NUMBERS,
        "score_rejected": NUMBERS,
        "chosen-rating": NUMBERS,
        "rejected-rating": NUMBERS,
        "chosen-model": WORDS | st.none(),
        "rejected-model": WORDS | st.none(),
        "system": WORDS | st.none(),
        "tools": st.none() | st.just([]) | st.just("none"),
        "turns": st.just(1) | WORDS,
        "metadata": st.just({"a": 1}) | st.none(),
        "margin": NUMBERS,
        "status": st.sampled_from(["tie", "x"]),
        "input": WORDS | st.just({"messages": [{"role": "user", "content": "Why?"}]}),
        "instruction": WORDS,
        "rating": NUMBERS,
        "is_safe": st.booleans(),
        "grade": st.sampled_from(["bad", " [Rejected]. "]),
        "source": WORDS | st.just({"a": [1.5, None]}) | st.just(float("inf")),
        "Better": WORDS,
        "Worse": WORDS,
        "llama_response": WORDS,
        "query": WORDS,
        "label.responses": st.lists(st.sampled_from(["good", "bad"]), min_size=1, max_size=2),
        "label.responses.status": st.just(["submitted", "submitted"]),
    },
)


LABELS: st.SearchStrategy[Any] = st.booleans() | st.sampled_from(
    [0, 1, 2, "good", "0", "", "x", None, float("nan"), []]
)


@st.composite
def rows(draw: st.DrawFn) -> dict[str, Any]:
    """Rows that are pairs or one answer, or nearly so."""
    begun = draw(PREFIX)
    chats = st.builds(lambda end: [*begun, end], ANSWER) | st.builds(lambda end: [*begun, end], MESSAGE)
    kind = draw(st.sampled_from([WORDS, chats, ANSWER.map(lambda end: [end])]))
    if draw(st.booleans()):
        row = {"chosen": draw(kind), "rejected": draw(kind)} | draw(OTHERS)
    else:
        row = {draw(st.sampled_from(["completion", "answer"])): draw(kind)} | draw(OTHERS)
        row |= draw(st.fixed_dictionaries({}, optional={"label": LABELS, "correct": LABELS}))
    if draw(st.booleans()):
        row["messages"] = draw(st.just(row.get("chosen", "")) | chats | WORDS)
    return {key: row[key] for key in draw(st.permutations(list(row)))}


def long_way(row: dict[str, Any]) -> list[dict[str, Any]]:
    """What the reader of all rows makes of it."""
    shape = known_by(tuple(row))
    return preferences(read(row, shape), shape)


@pytest.mark.slow
@given(rows())
@settings(max_examples=600, deadline=None)
def test_the_short_way_says_what_the_long_way_says(row: dict[str, Any]) -> None:
    """To the byte, and in the same order of keys; where the long way refuses, the short way says nothing."""
    how = plan(tuple(row), None)
    found = None if how is None else preference(row, how)
    if found is not None:
        (expected,) = long_way(row)
        assert json_line(found, halves=True) == json_line(expected, halves=True)


PLAIN: list[dict[str, Any]] = [
    {"prompt": "Why?", "chosen": "Because.", "rejected": "No."},
    {
        "prompt": "Why?",
        "prompt_id": "a",
        "chosen": [{"content": "Why?", "role": "user"}, {"content": "Because.", "role": "assistant"}],
        "rejected": [{"content": "Why?", "role": "user"}, {"content": "No.", "role": "assistant"}],
        "messages": [{"content": "Why?", "role": "user"}, {"content": "Because.", "role": "assistant"}],
        "score_chosen": 8.5,
        "score_rejected": 4,
        "system": None,
    },
    {"instruction": "Translate.", "input": "Bonjour", "system": "Be brief.", "chosen": "Good day.", "rejected": "Yes."},
    {"prompt": "Why?", "completion": "Because.", "label": False},
    {
        "prompt": [{"role": "user", "content": "Why?"}],
        "chosen": [{"role": "assistant", "content": "Because."}],
        "rejected": [{"role": "assistant", "content": "No."}],
    },
    {"question": "Why?", "answer": "Because.", "source": "x"},
]


@pytest.mark.parametrize("row", PLAIN)
def test_the_commonest_rows_go_the_short_way(row: dict[str, Any]) -> None:
    """Texts, and chats as UltraFeedback has them."""
    how = plan(tuple(row), None)
    assert how is not None
    assert [preference(row, how)] == long_way(row)


@pytest.mark.parametrize(
    "wishes", [Wishes(system="Be kind."), Wishes(mapping=["prompt=source"]), Wishes(prompt_from_prefix=True)]
)
def test_wishes_are_heard_by_either_way(wishes: Wishes) -> None:
    """A system message, a mapping, a prompt from what both sides begin with."""
    row = {"source": "When?", "prompt": "Why?", "chosen": "Because.", "rejected": "No."}
    (found,) = imported([row], wishes=wishes)
    assert isinstance(found, dict)
    asked = [message["content"] for message in found["prompt"]]
    mapped = ["When?"] if wishes.mapping else ["Why?"]
    assert asked == ([wishes.system, *mapped] if wishes.system else mapped)


@given(st.lists(st.integers(0, 30)))
@settings(deadline=None)
def test_repeats_are_counted_exactly(numbers: list[int]) -> None:
    """However the lines are spread over runs that went to the disk."""
    with Repeats(io.BytesIO, run=4) as repeats:
        for number in numbers:
            repeats.add(b"%d" % number)
        assert repeats.count() == len(numbers) - len(set(numbers))


LINE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec=None) | st.sampled_from("\u2028\u2029\x85\ud800é\x7f")),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=12,
)


@pytest.mark.slow
@given(st.dictionaries(st.text(), LINE))
def test_a_line_is_what_json_writes(row: dict[str, Any]) -> None:
    """The standard library's bytes, but for what readers take for line ends; half of a character comes back."""
    line = json_line(row, halves=True)
    assert json.loads(line) == json.loads(json.dumps(row))
    plain = json.dumps(row, ensure_ascii=False)
    if not any("\ud800" <= letter <= "\udfff" or letter in "\x85\u2028\u2029" for letter in plain):
        assert line == plain.encode() + b"\n"
    assert len(line.decode().splitlines()) == 1


@pytest.mark.slow
@given(st.dictionaries(st.text(), LINE))
def test_a_compact_line_says_what_a_line_says(row: dict[str, Any]) -> None:
    """The same value on one line, without blanks between."""
    line = compact_line(row)
    assert json.loads(line) == json.loads(json.dumps(row))
    assert len(line.decode().splitlines()) == 1
    assert len(line) <= len(json_line(row, halves=True))


def test_no_nameless_file_is_left(tmp_path: Path) -> None:
    """Runs on the disk are closed at the end."""
    opened: list[Any] = []

    def spool() -> Any:
        opened.append((tmp_path / str(len(opened))).open("w+b"))
        return opened[-1]

    with Repeats(spool, run=2) as repeats:
        for number in range(5):
            repeats.add(b"%d" % number)
    assert [file.closed for file in opened] == [True, True]
