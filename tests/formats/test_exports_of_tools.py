"""What tools for labelling, tracing and evaluating export, and sets of steps: read right, or refused in words."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from judgegen.errors import SpecError
from judgegen.exchange.comparisons import labelled
from judgegen.exchange.import_ import Reject, Wishes, imported
from judgegen.sources.columns import known
from judgegen.sources.reading import prompts, prompts_from_rows

Row = dict[str, Any]
Q, GOOD, BAD = "Is 91 prime?", "No, it is 7 times 13.", "Yes."
ALONE = {"prompt": Q, "response": BAD}
TWO = [{"id": 1, "text": BAD}, {"id": 2, "text": GOOD}]
ASKED = {"role": "user", "content": Q}


def read(rows: list[Row], *mapping: str) -> list[tuple[Any, ...]]:
    """What is asked last, the wanted side's words and the other's, of rows that all are read."""
    found = list(imported(rows, wishes=Wishes(mapping=mapping)))
    assert all(isinstance(row, dict) for row in found), found
    return [(row["prompt"][-1]["content"], *(_words(row, side) for side in ("chosen", "rejected"))) for row in found]  # type: ignore[index]


def _words(row: Any, side: str) -> str | None:
    return row[side][-1]["content"] if row.get(side) else None


def why(row: Row, *mapping: str) -> str:
    (refused,) = imported([row], wishes=Wishes(mapping=mapping))
    assert isinstance(refused, Reject), refused
    return refused.reason


MENDED: dict[str, tuple[Row, str, tuple[str | None, str | None]]] = {
    "a thumb as a number": (ALONE | {"feedback": -1}, "label=feedback", (None, BAD)),
    "a thumb in words": (ALONE | {"user_feedback": "down"}, "label=user_feedback", (None, BAD)),
    "a trajectory that failed": (
        {"trajectory": [ASKED, {"role": "ai", "text": BAD}], "target": False},
        "label=target",
        (None, BAD),
    ),
    "a flag inside an object": (
        ALONE | {"test_result": {"report": {"resolved": False}}},
        "label=test_result.report.resolved",
        (None, BAD),
    ),
    "a score inside an object": (
        {"input": Q, "output": BAD, "scores": {"Factuality": 0}},
        "label=scores.Factuality",
        (None, BAD),
    ),
    "feedback of a traced run": (
        {"inputs": {"question": Q}, "outputs": {"output": BAD}, "feedback_stats": {"user": {"n": 1, "avg": 0.0}}},
        "label=feedback_stats.user.avg",
        (None, BAD),
    ),
    "a worse answer by an unknown name": (
        {"prompt": Q, "response": GOOD, "response_incorrect": BAD},
        "rejected=response_incorrect",
        (GOOD, BAD),
    ),
    "an annotator's word for an answer": (
        ALONE | {"answer": "reject"},
        "answer=response,label=answer",
        (None, BAD),
    ),
    "options": (
        {"text": Q, "options": TWO, "accept": [2], "answer": "accept", "_view_id": "choice"},
        "answers=options",
        (GOOD, BAD),
    ),
    "a list that one column may rate": (
        {"problem": Q, "generations": [GOOD, BAD], "correctness_math_verify": [True, False]},
        "scores=correctness_math_verify",
        (GOOD, BAD),
    ),
    "a list whose answers may rate themselves": (
        {
            "question": Q,
            "answers": [{"answer_id": 9, "pm_score": 0, "text": BAD}, {"answer_id": 2, "pm_score": 4, "text": GOOD}],
        },
        "scores=pm_score",
        (GOOD, BAD),
    ),
    "a prompt that is an object": (
        {"prompt": {"raw": Q, "label": "l"}, "response": {"output": GOOD}},
        "prompt=prompt.raw",
        (GOOD, None),
    ),
    "the marks of steps": ({"messages": [ASKED, {"role": "assistant", "content": "-"}]}, "chat=messages", ("-", None)),
}


@pytest.mark.parametrize("name", list(MENDED))
def test_what_is_said_of_an_answer_anywhere_is_asked_about(name: str) -> None:
    """No verdict in a number, an object or an unknown column is passed over, and the mend that is told is one."""
    row, mapping, sides = MENDED[name]
    assert re.search(rf"--map {re.escape(mapping.split(',wanted')[0])}\b", why(row)), why(row)
    assert read([row], mapping) == [(Q, *sides)]


@pytest.mark.parametrize("name", ["metadata", "extra"])
def test_what_says_nothing_against_an_answer_is_kept(name: str) -> None:
    """Objects beside an answer, flags of success, and an answer that is taken by one."""
    beside = {"resolved": True, "length": 3, "tags": ["a"], "moderation": {"flagged": False}}
    assert read([{"prompt": Q, "response": GOOD, name: beside, "feedback": 1, "negative_prompt": ""}]) == [
        (Q, GOOD, None)
    ]


def test_a_task_of_prodigys_says_what_its_annotator_said() -> None:
    """Accepted and rejected answers are labels, what was ignored is none, and its word is never an answer."""
    rows = [ALONE | {"answer": word, "_input_hash": place} for place, word in enumerate(("accept", "reject", "ignore"))]
    first, second, third = imported(rows)
    assert isinstance(third, Reject)
    assert "ignored" in third.reason
    assert [_words(row, side) for row, side in ((first, "chosen"), (second, "rejected"))] == [BAD, BAD]
    none = {"text": Q, "options": TWO, "accept": [], "answer": "accept", "_view_id": "choice"}
    assert "accepted none" in why(none)


@pytest.mark.parametrize("word", ["accept", "reject"])
@pytest.mark.parametrize("more", [{}, {"_task_hash": 7}])
def test_a_word_on_an_answer_is_its_label_where_a_mapping_says_so(word: str, more: Row) -> None:
    """With the tool's own columns or without them, whatever other label stands beside it; ignored is no label."""
    for label in ({}, {"label": "good"}, {"label": "HELPFUL"}):
        row = {"prompt": Q, "response": BAD, **label, **more}
        (found,) = imported([row | {"answer": word}], wishes=Wishes(mapping=("label=answer",)))
        assert _words(found, "chosen" if word == "accept" else "rejected") == BAD
        assert "ignored" in why(row | {"answer": "ignore"}, "label=answer")


def test_a_word_on_a_label_of_prodigys_turns_it() -> None:
    """To reject what is good is as to accept what is bad; of a label that nobody knows both words are asked about."""
    for label, word, side in (
        ("good", "reject", "rejected"),
        ("bad", "accept", "rejected"),
        ("bad", "reject", "chosen"),
    ):
        (found,) = imported([ALONE | {"label": label, "answer": word, "_view_id": "text"}])
        assert _words(found, side) == BAD
    row = ALONE | {"label": "HELPFUL", "answer": "reject", "_view_id": "text"}
    assert "HELPFUL: reject" in why(row)
    (found,) = imported([row], wishes=Wishes(mapping=("label=label,unwanted=HELPFUL: reject",)))
    assert _words(found, "rejected") == BAD


@pytest.mark.parametrize("mapping", ["", "label=answer"])
@pytest.mark.parametrize("more", [{}, {"_task_hash": 7}])
def test_a_text_with_a_label_holds_no_answer(mapping: str, more: Row) -> None:
    """Neither the annotator's word nor the label is one, and no column is named in the mend that is not there."""
    told = why({"text": Q, "label": "POSITIVE", "answer": "accept"} | more, mapping)
    assert "answer" in told
    assert "--map" not in told


@pytest.mark.parametrize("more", [{}, {"_task_hash": 7}])
def test_options_that_were_chosen_from_are_named_in_the_mend(more: Row) -> None:
    """The columns of the tool or not: the mend that is told reads the accepted one as the better."""
    options = [{"id": "a", "text": GOOD}, {"id": "b", "text": BAD}]
    row = {"text": Q, "options": options, "accept": ["a"], "answer": "accept"} | more
    assert "--map answers=options" in why(row)
    assert "--map answers=options" in why(row, "label=answer")
    assert read([row], "answers=options") == [(Q, GOOD, BAD)]


def task(results: list[Row], **data: Any) -> Row:
    return {"id": 1, "annotations": [{"result": [one]} for one in results], "data": {"prompt": Q, **data}}


def test_label_studio_says_what_was_said_to_each_question() -> None:
    """Ratings are the mean, choices about one answer a label of that name; a task nobody did is a question."""
    rated = [
        task([{"value": {"rating": mark}, "from_name": "rating"} for mark in marks], response=words)
        for words, marks in ((GOOD, (5, 4)), (BAD, (1, 2)))
    ]
    assert read(rated) == [(Q, GOOD, BAD)]
    choice = {"value": {"choices": ["bad"]}, "from_name": "grade"}
    assert "--map label=grade,unwanted=bad" in why(task([choice], response=BAD))
    two = [task([{"value": {"selected": "right"}, "from_name": "pw"}], text1=BAD, text2=GOOD)]
    assert "response_a=x,response_b=y" in why(two[0])
    assert read(two, "response_a=text1,response_b=text2") == [(Q, GOOD, BAD)]
    (prompt,) = prompts_from_rows([task([], response=BAD)], where="rows", warn=print)
    assert prompt.messages[-1]["content"] == Q


@pytest.mark.parametrize("count", [10, 12])
def test_numbered_answers_have_no_last_digit(count: int) -> None:
    """The tenth answer is one of them, and one list may rate them all."""
    answers = {f"response_{place}": f"{BAD} {place}" for place in range(1, count)} | {f"response_{count}": GOOD}
    several = known(("prompt", *answers)).several
    assert several is not None
    assert len(several.columns) == count
    found = read([{"prompt": Q, **answers, "scores": [False] * (count - 1) + [True]}])
    assert {(chosen, rejected) for _, chosen, rejected in found} == {(GOOD, f"{BAD} {n}") for n in range(1, count)}


@pytest.mark.parametrize(("label", "better"), [(1.02, BAD), ("1.98", GOOD), (1.5, None), (2.5, ...), (0.5, ...)])
def test_a_number_between_two_answers_prefers_the_nearer(label: Any, better: Any) -> None:
    """As AlpacaEval weighs them; half way is a tie, and a number beyond them is no label of theirs."""
    row = {"instruction": Q, "output_1": BAD, "output_2": GOOD, "preference": label}
    if better is None or better is ...:
        assert ("a tie" if better is None else "cannot be told") in why(row)
    else:
        assert [chosen for _, chosen, _ in read([row])] == [better]
    if better is None:
        (one,) = labelled([row], None, print)
        assert one.votes == ("tie",)


BLOCKS = [
    ASKED,
    {
        "role": "assistant",
        "content": [{"type": "text", "text": "Hm."}, {"type": "tool_use", "id": "t", "name": "f", "input": {"n": 91}}],
    },
    {
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "no"}]}],
    },
    {"role": "assistant", "content": [{"type": "text", "text": GOOD}]},
]
CALLED = [
    ASKED,
    {
        "role": "assistant",
        "content": "Hm.",
        "tool_calls": [{"id": "t", "type": "function", "function": {"name": "f", "arguments": json.dumps({"n": 91})}}],
    },
    {"role": "tool", "tool_call_id": "t", "content": "no"},
]


def test_blocks_are_messages() -> None:
    """Anthropic's calls and results are the chat API's; Bedrock's texts need no type; a picture stays no text."""
    (found,) = imported([{"messages": BLOCKS}])
    assert isinstance(found, dict)
    assert (found["prompt"], _words(found, "chosen")) == (CALLED, GOOD)
    (asked,) = prompts_from_rows([{"messages": BLOCKS}], where="rows", warn=print)
    assert list(asked.messages) == CALLED
    plain = [{"role": "user", "content": [{"text": Q}]}, {"role": "assistant", "content": [{"text": GOOD}]}]
    assert read([{"system": [{"text": "Be brief."}], "messages": plain}]) == [(Q, GOOD, None)]
    assert "content that is not text" in why(
        {"messages": [{"role": "user", "content": [{"type": "image"}]}, BLOCKS[3]]}
    )


def test_a_message_that_says_nothing_is_no_part_of_a_prompt() -> None:
    """A system message under an unknown key is refused, not lost; SWE-agent's is known."""
    agent = {"role": "ai", "text": GOOD}
    mute = {"role": "system", "text": None, "rules": "Be brief."}
    assert "says nothing" in why({"messages": [mute, ASKED, agent | {"role": "assistant"}]})
    (found,) = imported(
        [{"trajectory": [{"role": "system", "system_prompt": "Be brief."}, ASKED, agent], "target": True}]
    )
    assert isinstance(found, dict)
    assert found["prompt"][0] == {"role": "system", "content": "Be brief."}


@pytest.mark.parametrize(
    "row",
    [
        {"inputs": {"question": Q}, "outputs": {"answer": GOOD}},
        {
            "custom_id": "1",
            "method": "POST",
            "url": "/v1/chat/completions",
            "body": {"model": "m", "messages": [ASKED]},
        },
        {"responses_create_params": {"input": [ASKED]}, "expected_answer": "no"},
        {"question": Q, "metadata": ["https://example.org/1"]},
    ],
)
def test_what_is_asked_stands_inside(row: Row) -> None:
    """Traced runs, batches of requests and tasks of a gym are questions; others' metadata need be no object."""
    (prompt,) = prompts_from_rows([row], where="rows", warn=print)
    assert list(prompt.messages) == [ASKED]


def test_a_speakers_name_is_not_taught() -> None:
    """Texts of a pair that begin with a role are refused; a prompt of a run is asked, and that is told."""
    assert "assistant: …" in why({"prompt": Q, "chosen": f"assistant: {GOOD}", "rejected": f"assistant: {BAD}"})
    told: list[str] = []
    assert len(list(prompts_from_rows([{"prompt": f"prompter: {Q}"}], where="rows", warn=told.append))) == 1
    assert "is asked as it stands" in told[0]


@pytest.mark.parametrize("mark", [";", ",", "\t"])
def test_excel_says_what_separates_its_cells(mark: str, tmp_path: Path) -> None:
    """The line that tells it is no record, and lines are numbered with it."""
    lines = ["sep=" + mark, mark.join(("prompt", "chosen", "rejected")), mark.join((Q, "no", "yes")), mark.join("ab")]
    (tmp_path / "a.csv").write_text("\r\n".join(lines))
    found, short = imported(tmp_path / "a.csv")
    assert (isinstance(found, dict), isinstance(short, Reject) and short.line) == (True, 4)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"columns": ["prompt"], "index": [0], "data": [[Q]]}, "df.to_json"),
        ({"0": {"prompt": Q}}, "df.to_json"),
        ({"results": {"version": 3, "results": [{"prompt": Q}]}}, "under 'results.results'"),
    ],
)
def test_json_that_is_no_list_is_told_what_to_do(value: Any, told: str, tmp_path: Path) -> None:
    """Whether pandas wrote it, or where in it the rows stand."""
    (tmp_path / "a.json").write_text(json.dumps(value))
    with pytest.raises(SpecError, match=re.escape(told)):
        list(prompts(tmp_path / "a.json", warn=print))


@pytest.mark.parametrize(
    "more", ["Of 91.", ["91 = 7 · 13", "13 is prime."], {"text": ["yes", "no"], "label": ["A", "B"]}]
)
@pytest.mark.parametrize("name", ["context", "documents", "choices"])
def test_what_belongs_to_a_question_is_not_left_out_in_silence(name: str, more: Any) -> None:
    """Import asks about it and takes what the mend says; a run says what is not asked, and joins them where told."""
    row = {"question": Q, name: more, "answer": GOOD}
    assert f"--map prompt=question+{name}" in why(row)
    (joined,) = read([row], f"prompt=question+{name}")
    assert joined[0].startswith(f"{Q}\n\n")
    assert read([row], "prompt=question") == [(Q, GOOD, None)]
    told: list[str] = []
    assert len(list(prompts_from_rows([row], where="rows", warn=told.append))) == 1
    assert f"'{name}' is kept as metadata and not asked" in "".join(told)
    (asked,) = prompts_from_rows([row], where="rows", warn=print, mapping={"prompt": f"question+{name}"})
    assert asked.messages[-1]["content"] == joined[0]


def test_options_that_the_question_holds_are_asked() -> None:
    """Each of them somewhere in it, whatever marks them there."""
    asked = "Is 91 prime? A) yes B) no"
    assert read([{"question": asked, "options": ["yes", "no"], "answer": GOOD}]) == [(asked, GOOD, None)]
    told: list[str] = []
    list(prompts_from_rows([{"question": asked, "options": ["yes", "no"]}], where="rows", warn=told.append))
    assert told == []


def test_answers_that_repeat_the_prompt_are_asked_about() -> None:
    """Both sides of a completion; a short prompt, or one side alone, says nothing."""
    asked = "Is 91 a prime number, or is it not?"
    sides = {"chosen": f"{asked} {GOOD}", "rejected": f"{asked} {BAD}"}
    assert "begins with the whole prompt" in why({"prompt": asked, **sides})
    assert len(read([{"prompt": asked, **sides}], "chosen=chosen,rejected=rejected")) == 1
    assert read([{"prompt": asked, **sides, "rejected": BAD}])[0][1] == sides["chosen"]
    assert read([{"prompt": "No", "chosen": GOOD, "rejected": "Nope."}]) == [("No", GOOD, "Nope.")]


@pytest.mark.parametrize(
    "row",
    [
        {"response_a": BAD, "response_b": GOOD, "winner": GOOD},
        {"response_a": BAD, "response_b": GOOD, "votes_a": "1", "votes_b": "4"},
        {
            "chosen": {"role": ["user", "assistant"], "content": [Q, GOOD]},
            "rejected": [ASKED, {"role": "assistant", "content": BAD}],
        },
    ],
)
def test_a_pair_is_told_by_text_by_counts_and_by_lists_of_roles(row: Row) -> None:
    """A label that is one answer's text, votes counted for each, and messages as `datasets` once kept them."""
    assert read([{"prompt": Q, **row}]) == [(Q, GOOD, BAD)]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"grade": "F"}, "--map label=grade"),
        ({"grade": 1}, "if it is of the answer and more is better, --map rating=grade"),
        ({"finish_reason": "length"}, "not whole"),
        ({"stop_reason": "max_tokens"}, "not whole"),
        ({"denied": "No."}, "--map rejected=denied"),
    ],
)
def test_a_grade_an_end_and_a_denied_answer_are_heard(more: Row, told: str) -> None:
    """An answer that ends by itself is one."""
    assert told in why(ALONE | more)
    assert read([ALONE | {"finish_reason": "stop"}]) == [(Q, BAD, None)]


@pytest.mark.parametrize(
    "text", ["### Human: Hi### Assistant: Hello", "### Instruction:\nHi\n\n### Response:\nHello", "<user>Hi</user>"]
)
def test_a_whole_dialogue_in_a_text_is_told(text: str) -> None:
    """It is asked as it stands, and that is said before it is paid."""
    told: list[str] = []
    list(prompts_from_rows([{"text": text}], where="rows", warn=told.append))
    assert "chat template" in "".join(told)
