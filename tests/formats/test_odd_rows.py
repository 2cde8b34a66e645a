"""Rows as people really have them: spelled oddly and read right, or contradicting themselves and refused in words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from judgegen.errors import SpecError
from judgegen.exchange.comparisons import labelled
from judgegen.exchange.import_ import Reject, Wishes, imported
from judgegen.sources.reading import prompts_from_rows

Row = dict[str, Any]
Q, GOOD, BAD = "Is 91 prime?", "No, it is 7 times 13.", "Yes."
PROMPT = [{"role": "user", "content": Q}]
TWO = {"prompt": Q, "response_a": BAD, "response_b": GOOD}
PAIR = {"prompt": Q, "chosen": GOOD, "rejected": BAD}
NAMED = {"prompt": Q, "gpt4_response": BAD, "llama_response": GOOD}


def spoken(who: str, said: str, asks: str, answers: str) -> Row:
    """A pair of chats whose messages have those keys and roles."""
    turns = {"chosen": GOOD, "rejected": BAD}
    return {side: [{who: asks, said: Q}, {who: answers, said: words}] for side, words in turns.items()}


RIGHT: dict[str, Row] = {
    "chosen and rejected name sides": TWO | {"chosen": "b", "rejected": "a"},
    "chosen and rejected name columns": TWO | {"chosen": "response_b", "rejected": "response_a"},
    "chosen and rejected name models": TWO | {"model_a": "x", "model_b": "y", "chosen": "y", "rejected": "x"},
    "chosen and rejected count sides": {
        "prompt": Q,
        "response_0": BAD,
        "response_1": GOOD,
        "chosen": 1,
        "rejected": 0,
    },
    "places in a list from 0": {"prompt": Q, "responses": [BAD, GOOD, "?"], "chosen": 1, "rejected": 0},
    "places in a list from 1": {"prompt": Q, "responses": [GOOD, "?", BAD], "chosen": 1, "rejected": 3},
    "sides that are objects": {
        "prompt": Q,
        "chosen": {"response": GOOD, "model": "m", "score": 5},
        "rejected": {"response": BAD, "model": "n", "score": 3},
    },
    "ratings out of ten": PAIR | {"chosen_rating": "8/10", "rejected_rating": "3/10"},
    "ratings with a comma": PAIR | {"score_chosen": "4,5", "score_rejected": "3,5"},
    "ranks beside sides": PAIR | {"chosen_rank": 1, "rejected_rank": 2},
    "ranks of numbered answers": {"prompt": Q, "response_1": BAD, "response_2": GOOD, "rank_1": 2, "rank_2": 1},
    "roles in capitals": spoken("role", "content", "User", "ASSISTANT"),
    "LangChain's messages": spoken("type", "content", "human", "ai"),
    "speakers and texts": spoken("speaker", "text", "user", "assistant"),
    "texts of roles": spoken("role", "text", "user", "assistant"),
    "authors": spoken("author", "content", "user", "bot"),
    "a server's row": {"row_idx": 4, "row": PAIR, "truncated_cells": []},
    "yes and no as answers": {"question": Q, "answer": "91 = 7 * 13", "chosen": GOOD, "rejected": BAD},
    "columns of one name that say one thing": PAIR | {"Prompt": Q},
    "a label that agrees": PAIR | {"label": 1},
    "chats in JSON twice": {
        side: json.dumps(json.dumps(chat)) for side, chat in spoken("role", "content", "user", "assistant").items()
    },
    "a rejected conversation": {
        "conversations": [{"from": "human", "value": Q}, {"from": "gpt", "value": GOOD}],
        "rejected_conversations": [{"from": "human", "value": Q}, {"from": "gpt", "value": BAD}],
    },
    "a trajectory": {"trajectory": [{"from": "human", "value": Q}], "chosen": GOOD, "rejected": BAD},
    "two chats of messages": {
        "messages_a": [{"role": "user", "content": Q}, {"role": "assistant", "content": BAD}],
        "messages_b": [{"role": "user", "content": Q}, {"role": "assistant", "content": GOOD}],
        "winner": "model_b",
    },
    "a question in another's words": PAIR | {"instruction": f"Answer this: {Q}", "question": Q},
    "a topic beside chats": spoken("role", "content", "user", "assistant") | {"prompt": Q, "question": "Primes"},
    "texts beside chats of the same": spoken("role", "content", "user", "assistant")
    | {"chosen_response": GOOD, "rejected_response": BAD},
    "a reward model's list": PAIR | {"all_generated_responses": [BAD, GOOD], "all_rm_scores": [0.1, 0.9]},
}
WINNERS = (
    *("B", "b", " B ", "B.", "**B**", "[[B]]", "model_b", "Model B", "response-b", "Assistant B", "assistant_b wins"),
    *("B is better", "B is slightly better", "much better B", "B (slightly)", "Output (b)", "right", "rightvote"),
    *("b_wins", "B>A", "a < b", "second", "response_b"),
)
TIES = ("tie", "Tie", "both", "neither", "tie (bothbad)", "bothbad_vote", "tievote", "both good", "draw", "equal")
UNKNOWN = ("C", "none", "invalid", "unsure", "0.8", "A or B", "not A", "gpt-4", "1")


def sides(row: Any) -> tuple[Any, ...]:
    assert isinstance(row, dict), row
    return row["prompt"][-1]["content"], *(row[side][-1]["content"] for side in ("chosen", "rejected"))


@pytest.mark.parametrize("name", list(RIGHT))
def test_an_odd_row_is_read_as_what_it_says(name: str) -> None:
    """The better answer is chosen, and what is asked is asked."""
    (found,) = imported([RIGHT[name]])
    assert sides(found) == (Q, GOOD, BAD)


@pytest.mark.parametrize("winner", WINNERS)
def test_a_winner_is_read_however_it_is_spelled(winner: str) -> None:
    """Letters, names of columns, sentences."""
    (found,) = imported([TWO | {"winner": winner}])
    assert sides(found) == (Q, GOOD, BAD)


@pytest.mark.parametrize(("winner", "told"), [*((w, "a tie") for w in TIES), *((w, "cannot be told") for w in UNKNOWN)])
def test_a_tie_and_an_unknown_word_are_no_winner(winner: str, told: str) -> None:
    """Neither becomes a pair, and each says why."""
    (found,) = imported([TWO | {"winner": winner}])
    assert isinstance(found, Reject)
    assert told in found.reason


REFUSED: dict[str, tuple[Row, str]] = {
    "equal ratings out of ten": (PAIR | {"chosen_rating": "7/10", "rejected_rating": "7/10"}, "a tie"),
    "reversed ratings in stars": (PAIR | {"score_chosen": "3 stars", "score_rejected": "4 stars"}, "the lower score"),
    "ratings of two scales": (PAIR | {"score_chosen": "4/5", "score_rejected": "7/10"}, "not counted in the same"),
    "ratings in words": (PAIR | {"score_chosen": "high", "score_rejected": "low"}, "which is no number"),
    "reversed ranks": (PAIR | {"chosen_rank": 2, "rejected_rank": 1}, "the lower score"),
    "reversed ratings inside": (
        {"prompt": Q, "chosen": {"text": GOOD, "score": 3}, "rejected": {"text": BAD, "score": 5}},
        "the lower score",
    ),
    "ranks against the winner": (TWO | {"winner": "B", "rank_a": 1, "rank_b": 2}, "lower score"),
    "ranks against ratings": ({"prompt": Q, "responses": [BAD, GOOD], "ranks": [1, 2], "scores": [1, 5]}, "a tie"),
    "a ranking of two meanings": ({"prompt": Q, "responses": [BAD, GOOD, "?"], "ranking": [2, 0, 1]}, "--map ranks="),
    "places of two meanings": ({"prompt": Q, "responses": [BAD, GOOD, "?"], "chosen": 2, "rejected": 1}, "from 0 or 1"),
    "a label of 0": (PAIR | {"label": 0}, "it contradicts"),
    "a chosen that is neither": (TWO | {"chosen": "Perhaps.", "rejected": BAD}, "is neither of"),
    "columns of one name": (PAIR | {"Chosen": BAD}, "are one name"),
    "NumPy's list of turns": (
        {"prompt": f"['{Q}' 'Sure?']", "response_a": "['Yes.' 'Yes.']", "response_b": "['No.' 'No.']", "winner": "b"},
        "as NumPy does",
    ),
    "NumPy's list of answers": ({"prompt": Q, "responses": "['Yes.'\n 'No.']", "scores": "[1 2]"}, "as NumPy does"),
    "a prompt in ChatML": (PAIR | {"prompt": f"<|im_start|>user\n{Q}<|im_end|>\n<|im_start|>assistant\n"}, "template"),
    "a prompt of Llama's": (PAIR | {"prompt": f"<s>[INST] {Q} [/INST]"}, "template"),
    "a prompt with an open turn": (PAIR | {"prompt": f"Human: {Q}\nAssistant:"}, "template"),
    "an emptied prompt": (PAIR | {"prompt": "None"}, "no prompt"),
    "thumbs down": ({"prompt": Q, "response": BAD, "feedback": "thumbs_down"}, "--map label=feedback"),
    "a grade in words": ({"prompt": Q, "response": BAD, "quality": "low"}, "--map label=quality"),
    "unsafe": ({"prompt": Q, "response": BAD, "is_safe": False}, "--map label=is_safe"),
    "a word that is answer or label": ({"prompt": Q, "response": BAD, "chosen": "no"}, "--map chosen=chosen"),
    "flags that contradict": ({"prompt": Q, "response": BAD, "chosen": True, "rejected": True}, "contradict"),
    "a reward model that disagrees": (
        PAIR | {"all_generated_responses": [BAD, GOOD], "all_rm_scores": [0.9, 0.1]},
        "the lower score",
    ),
    "a word within an object": (
        {"prompt": Q, "response": BAD, "annotation": {"of": {"label": "bad"}}},
        "--map label=annotation.of.label,unwanted=bad",
    ),
    "cut off": ({"prompt": Q, "response": BAD, "truncated": True}, "--map label=truncated,unwanted=true"),
    "not the best": ({"prompt": Q, "response": BAD, "best": 0}, "--map label=best"),
    "toxic by a number": ({"prompt": Q, "response": BAD, "toxicity": 0.9}, "toxicity is 0.9"),
    "people preferred the other": (PAIR | {"human_preference": "rejected"}, "it contradicts"),
    "a prompt in Harmony": (PAIR | {"prompt": f"<|start|>user<|message|>{Q}<|end|>"}, "template"),
    "a prompt of Alpaca's template": (PAIR | {"prompt": f"### Instruction:\n{Q}\n\n### Response:\n"}, "template"),
    "a side in ChatML": (PAIR | {"chosen": f"<|im_start|>assistant\n{GOOD}<|im_end|>"}, "template"),
    "a label that is empty": ({"prompt": Q, "completion": BAD, "label": None}, "label is empty"),
    "a rating that is empty": ({"prompt": Q, "response": BAD, "rating": float("nan")}, "rating is empty"),
    "a rank alone": ({"prompt": Q, "response": BAD, "rank": 2}, "in other rows"),
    "what a failure left": ({"prompt": Q, "response": "Error", "error": "RateLimitError"}, "a failure left"),
    "a task that failed": ({"messages": [*PROMPT, {"role": "assistant", "content": BAD}], "resolved": 0}, "resolved"),
    "a server's cut row": ({"row_idx": 4, "row": PAIR, "truncated_cells": ["chosen"]}, "cut off"),
    "the name of an answer's column": (NAMED | {"preferred": "llama"}, "names the column 'llama_response'"),
    "the names of two": (NAMED | {"chosen": "llama", "rejected": "gpt4"}, "names the column 'llama_response'"),
    "the name of a column": ({"prompt": Q, "human": GOOD, "gpt": BAD, "better": "human"}, "the column 'human'"),
    "a letter of choices in columns": ({"question": Q, "A": "Yes", "B": "No", "answer": "B"}, "the column 'B'"),
    "models in two more columns": (
        {"prompt": Q, "chosen_response": GOOD, "rejected_response": BAD, "chosen": "model x", "rejected": "model y"},
        "--map chosen=chosen_response,rejected=rejected_response",
    ),
    "choices in columns": (PAIR | {"option_a": "Yes", "option_b": "No"}, "--map prompt=prompt+option_a"),
    "two questions": (PAIR | {"question": "Is 97 prime?"}, "--map prompt=prompt+question"),
    "an instruction and a question": (
        {"instruction": "Be brief.", "question": Q, "chosen": GOOD, "rejected": BAD},
        "--map prompt=instruction+question",
    ),
    "what was said before": (PAIR | {"history": "User: Hello."}, "--map prompt=history+prompt"),
    "a schema": (PAIR | {"schema": "CREATE TABLE t (n int)"}, "--map prompt=prompt+schema"),
    "a question said again": (
        {"prompt": Q, "chosen": f"{Q}\n{GOOD}", "rejected": f"{Q} {BAD}"},
        "begins with the whole prompt",
    ),
    "an answer that is null": (PAIR | {"rejected": "null"}, "which an empty cell becomes"),
    "a cell without a value": (PAIR | {"chosen": "#N/A"}, "which an empty cell becomes"),
    "an answer under an unknown key": ({"prompt": Q, "chosen": {"a": GOOD}, "rejected": {"a": BAD}}, "object with 'a'"),
}


@pytest.mark.parametrize("name", list(REFUSED))
def test_what_contradicts_itself_or_cannot_be_told_is_refused(name: str) -> None:
    """With what was found, and the mend where there is one."""
    row, told = REFUSED[name]
    (found,) = imported([row])
    assert isinstance(found, Reject)
    assert told in found.reason


@pytest.mark.parametrize(
    ("flags", "wanted"),
    [
        ({"chosen": True}, True),
        ({"chosen": 0}, False),
        ({"rejected": True}, False),
        ({"wrong": False}, True),
        ({"accepted": False}, False),
        ({"chosen": False, "rejected": True}, False),
    ],
)
def test_a_flag_beside_an_answer_is_a_label(flags: Row, wanted: bool) -> None:
    """Chosen and rejected that are yes or no are no answers."""
    (found,) = imported([{"prompt": Q, "completion": BAD} | flags])
    assert isinstance(found, dict)
    assert ("chosen" in found, "rejected" in found) == (wanted, not wanted)


def test_numbers_of_a_list_are_not_believed_where_others_count_from_1() -> None:
    """A 1 is the second of a list, but not in a column that says 2 elsewhere; a mapping says it."""
    rows = [{"prompt": Q, "responses": [GOOD, BAD], "winner": place} for place in (1, 2)]
    assert all(isinstance(row, Reject) for row in imported(rows))
    first, second = imported(rows, wishes=Wishes(mapping=["winner=winner,A=1,B=2"]))
    assert (sides(first)[1:], sides(second)[1:]) == ((GOOD, BAD), (BAD, GOOD))


@pytest.mark.parametrize("criterion", ["relevance", "Coherence", "response_accuracy", "correctness", "honesty"])
@pytest.mark.parametrize("marks", [(5, 2), (4.5, "3")])
def test_an_answer_that_is_rated_by_a_criterion_is_not_a_wanted_one(criterion: str, marks: tuple[Any, Any]) -> None:
    """By no rating that is known it is told which is better; as the mend says the pair is."""
    rows = [{"prompt": Q, "answer": text, criterion: mark} for text, mark in zip((GOOD, BAD), marks, strict=True)]
    for row in imported(rows):
        assert isinstance(row, Reject)
        assert f"--map rating={criterion}" in row.reason
    (found,) = imported(rows, wishes=Wishes(mapping=[f"rating={criterion}"]))
    assert sides(found)[1:] == (GOOD, BAD)


TURNS = [{"role": "user", "content": Q}, {"role": "assistant", "content": "Hm."}, {"role": "user", "content": "Well?"}]


@pytest.mark.parametrize("before", ["", "<extra_id_0>System\nBe brief.\n<extra_id_1>User\n"])
@pytest.mark.parametrize("after", ["", "\n<extra_id_1>Assistant\n"])
def test_marks_within_a_prompt_are_turns(before: str, after: str) -> None:
    """HelpSteer's prompts of several turns are chats, for import and for a run; a text that names a mark is none."""
    marked = f"{before}{Q}<extra_id_1>Assistant\nHm.\n<extra_id_1>User\nWell?{after}"
    asked = [{"role": "system", "content": "Be brief."}, *TURNS] if before else TURNS
    (found,) = imported([PAIR | {"prompt": marked}])
    (prompt,) = prompts_from_rows([{"prompt": marked}], where="rows", warn=print)
    assert asked == list(prompt.messages)
    assert isinstance(found, dict)
    assert found["prompt"] == asked
    (plain,) = imported([PAIR | {"prompt": "What is <extra_id_1> for?"}])
    assert sides(plain)[0] == "What is <extra_id_1> for?"


@pytest.mark.parametrize(
    "mark", [{"weight": 0}, {"weight": 0.0}, {"train": False}, {"loss": False}, {"training": False}]
)
@pytest.mark.parametrize(
    "keys", [("messages", "role", "content", "assistant"), ("conversations", "from", "value", "gpt")]
)
def test_an_answer_that_trainers_leave_out_is_not_a_wanted_one(mark: Row, keys: tuple[str, str, str, str]) -> None:
    """What a chat says is context is nothing to learn; with a weight of 1 it is."""
    name, who, said, role = keys
    chat = [{who: "user", said: Q}, {who: role, said: BAD}]
    (refused,) = imported([{name: [chat[0], chat[1] | mark]}])
    assert isinstance(refused, Reject)
    assert "is not to be learned" in refused.reason
    (found,) = imported([{name: [chat[0], chat[1] | {"weight": 1}]}])
    assert isinstance(found, dict)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"question": Q, "image": {"bytes": "aGk="}}, "'image' belongs to what is asked"),
        ({"prompt": [{"role": "user", "content": Q}], "images": ["a.png"]}, "'images' belongs to what is asked"),
        ({"text": GOOD, "role": "assistant", "parent_id": "1"}, "role is 'assistant', so that the row is no question"),
        ({"text": "Be kind.", "role": "system"}, "role is 'system', so that the row is no question"),
    ],
)
def test_a_run_asks_nothing_that_the_row_does_not(row: Row, words: str) -> None:
    """No question without its picture, and no answer as a question; a column that is named is what is asked."""
    with pytest.raises(SpecError, match=words):
        list(prompts_from_rows([row], where="rows", warn=print))
    column = next(iter(row))
    assert len(list(prompts_from_rows([row], where="rows", warn=print, mapping={"prompt": column}))) == 1
    empty = {key: None if key in ("image", "images") else "user" if key == "role" else row[key] for key in row}
    assert len(list(prompts_from_rows([empty], where="rows", warn=print))) == 1


@pytest.mark.parametrize(
    ("row", "shape"),
    [
        ({"prompt": Q, "answers": [{"answer": GOOD, "rank": 1}, {"answer": BAD, "rank": 2}]}, "ranked"),
        ({"prompt": Q, "chosen": [GOOD], "rejected": [BAD, "Hm."]}, "chosen-rejected"),
    ],
)
def test_of_several_answers_a_check_takes_the_pairs_as_it_says(row: Row, shape: str) -> None:
    """The mend that is told is one."""
    with pytest.raises(SpecError, match=f"its pairs are compared with --from {shape}"):
        list(labelled([row], None, print))
    texts = [{one.response_a, one.response_b} for one in labelled([row], shape, print)]
    assert {GOOD, BAD} in texts


def test_a_list_of_two_texts_is_no_pair() -> None:
    """By their places alone nothing is preferred."""
    (refused,) = imported([{"instruction": Q, "output": [GOOD, BAD]}])
    assert isinstance(refused, Reject)
    assert "output is a list of texts, and an answer is one text" in refused.reason


def test_of_several_ratings_of_one_answer_the_mean_counts() -> None:
    """Raters who contradict each other make no pairs that do."""
    marks = {GOOD: (5, 3, 4), BAD: (4, 4, 1)}
    rows = [{"prompt": Q, "answer": text, "score": mark} for text, given in marks.items() for mark in given]
    (found,) = imported(rows)
    assert isinstance(found, dict)
    assert (sides(found)[1:], found["scores"]) == ((GOOD, BAD), {"chosen": 4.0, "rejected": 3.0})


@pytest.mark.parametrize(
    ("row", "mapping"),
    [
        (PAIR | {"label": 0}, "chosen=chosen,rejected=rejected"),
        (TWO | {"chosen": "Perhaps.", "rejected": BAD}, "chosen=chosen,rejected=rejected"),
        (
            NAMED | {"preferred": "llama"},
            "response_a=llama_response,response_b=NAME,winner=preferred,A=llama,B=NAME",
        ),
        (PAIR | {"question": "Is 97 prime?"}, "prompt=prompt+question"),
        ({"prompt": Q, "responses": [BAD, "?", GOOD], "ranking": [2, 3, 1]}, "ranks=ranking"),
        ({"question": Q, "input": "Of 7.", "chosen": GOOD, "rejected": BAD}, "prompt=question+input"),
        (PAIR | {"image": {"path": "a.png"}}, "prompt=prompt,chosen=chosen,rejected=rejected"),
        ({"prompt": Q, "response": GOOD, "score": None}, "answer=response"),
        (
            {"prompt": Q, "response": BAD, "annotation": {"label": "bad"}},
            "label=annotation.label,unwanted=bad",
        ),
        ({"prompt": Q, "response": BAD, "is_toxic": True}, "label=is_toxic,unwanted=true"),
        ({"prompt": Q, "response": BAD, "outcome": "failure"}, "label=outcome,unwanted=failure"),
        (PAIR | {"initial_reason_steps": "First,"}, "prompt=prompt,chosen=chosen,rejected=rejected"),
    ],
)
def test_the_mend_that_is_told_mends(row: Row, mapping: str) -> None:
    """What was refused is read as the mapping says."""
    (refused,) = imported([row])
    assert isinstance(refused, Reject)
    assert f"--map {mapping}" in refused.reason
    mapping = mapping.replace("response_b=NAME", "response_b=gpt4_response").replace("B=NAME", "B=gpt4")
    found = list(imported([row], wishes=Wishes(mapping=[mapping], pairs="best-worst")))
    assert all(isinstance(one, dict) for one in found)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (json.dumps(PAIR).encode("utf-16-le") + "\n".encode("utf-16-le"), "--encoding utf-16-le"),
        (f"{PAIR!r}\n".encode(), "by json.dumps"),
        (f"{json.dumps(PAIR)},\n".encode(), "a comma stands behind the object"),
    ],
)
def test_a_line_that_is_no_json_is_told_what_it_may_be(data: bytes, told: str, tmp_path: Path) -> None:
    """UTF-16 without its mark, which is then read by its name, and what Python prints."""
    (tmp_path / "a.jsonl").write_bytes(data)
    first = next(imported(tmp_path / "a.jsonl"))
    assert isinstance(first, Reject)
    assert told in first.reason
    if "utf-16" in told:
        (found,) = imported(tmp_path / "a.jsonl", encoding="utf-16-le")
        assert sides(found) == (Q, GOOD, BAD)


def test_a_rank_is_no_score() -> None:
    """A better rank is a lower number: its gap is a margin, and no scores are written by which the worse side wins."""
    (found,) = imported([{"prompt": Q, "responses": [BAD, GOOD], "ranks": [2, 1]}])
    assert sides(found) == (Q, GOOD, BAD)
    assert isinstance(found, dict)
    assert (found["margin"], found.get("scores")) == (1.0, None)
