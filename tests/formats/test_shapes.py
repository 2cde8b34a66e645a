"""Each published shape, as a row of our own content: read right however its columns stand, or refused; never wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from judgegen.errors import SpecError
from judgegen.exchange.import_ import Reject, Wishes, imported
from judgegen.sources import prompts_from_rows

Row = dict[str, Any]
Q, GOOD, BAD = "Is 91 prime?", "No, it is 7 times 13.", "Yes."


def chat(*said: str) -> list[Row]:
    return [{"role": ("user", "assistant")[place % 2], "content": words} for place, words in enumerate(said)]


def turns(*said: str) -> list[Row]:
    return [{"from": ("human", "gpt")[place % 2], "value": words} for place, words in enumerate(said)]


def marks(*said: str) -> str:
    return "".join(f"\n\n{('Human', 'Assistant')[place % 2]}: {words}" for place, words in enumerate(said))


WHOLE = {"chosen": chat(Q, GOOD), "rejected": chat(Q, BAD)}
TEXTS = {"chosen": GOOD, "rejected": BAD}
BOTH = {"response_a": BAD, "response_b": GOOD}
SHAPES: dict[str, Row] = {
    "whole chats": WHOLE,
    "chats as JSON": {side: json.dumps(value) for side, value in WHOLE.items()},
    "chats as repr": {side: repr(value) for side, value in WHOLE.items()},
    "ultrafeedback binarized": WHOLE | {"prompt": Q, "messages": chat(Q, GOOD), "score_chosen": 8, "score_rejected": 5},
    "argilla first": {
        "instruction": Q,
        "chosen_response": GOOD,
        "rejected_response": BAD,
        "chosen_avg_rating": 4.5,
        "rejected_avg_rating": 2.0,
        "chosen_model": "m",
    },
    "argilla cleaned": WHOLE | {"prompt": Q, "chosen-rating": 4.5, "rejected-rating": 2, "chosen-model": "m"},
    "orca": TEXTS | {"system": "", "question": Q},
    "reward bench": TEXTS | {"prompt": Q, "chosen_model": "m", "rejected_model": "n", "subset": "s", "id": 3},
    "reward bench 2": {"prompt": Q, "chosen": [GOOD], "rejected": [BAD], "num_correct": 1, "subset": "Math"},
    "alpaca": TEXTS | {"instruction": "Is 91 prime?", "input": ""},
    "sharegpt": {
        "conversations": turns(Q),
        "chosen": {"from": "gpt", "value": GOOD},
        "rejected": {"from": "gpt", "value": BAD},
    },
    "swift": {"messages": chat(Q, GOOD), "rejected_response": BAD},
    "swift before": {"query": Q, "response": GOOD, "rejected_response": BAD},
    "axolotl": {"messages": chat(Q), "chosen": chat("", GOOD)[1], "rejected": chat("", BAD)[1]},
    "fireworks": {side: {"messages": value} for side, value in WHOLE.items()},
    "openai": {
        "input": {"messages": chat(Q)},
        "preferred_output": chat("", GOOD)[1:],
        "non_preferred_output": chat("", BAD)[1:],
    },
    "hh": {"chosen": marks(Q, GOOD), "rejected": marks(Q, BAD)},
    "rm static": {"prompt": marks(Q, ""), "response": f" {GOOD}", "chosen": f" {GOOD}", "rejected": f" {BAD}"},
    "spreadsheet": {"Prompt": Q, "Response": GOOD, "Rejected Response": BAD},
    "winner B": BOTH | {"prompt": Q, "winner": "B"},
    "winner b": BOTH | {"question": Q, "winner": "model_b", "model_a": "x", "model_b": "y"},
    "winner by model": BOTH | {"prompt": Q, "winner": "y", "model_a": "x", "model_b": "y"},
    "votes": BOTH | {"prompt": Q, "votes": ["B", "tie", "B"]},
    "judgebench": {"question": Q, "response_A": BAD, "response_B": GOOD, "label": "B>A", "pair_id": "j"},
    "llmbar": {"input": Q, "output_1": BAD, "output_2": GOOD, "label": 2},
    "arena conversations": {
        "conversation_a": chat(Q, BAD),
        "conversation_b": chat(Q, GOOD),
        "winner": "model_b",
        "turn": 1,
    },
    "arena 140k": {
        f"conversation_{side}": [{"role": m["role"], "content": [{"type": "text", "text": m["content"]}]} for m in one]
        for side, one in (("a", chat(Q, BAD)), ("b", chat(Q, GOOD)))
    }
    | {"winner": "model_b", "evaluation_order": 1},
    "mt bench, first turn": {
        "conversation_a": chat(Q, BAD, "Sure?", "Yes."),
        "conversation_b": chat(Q, GOOD, "Sure?", "Yes."),
        "winner": "model_b",
        "turn": 1,
        "judge": "expert_1",
    },
    "arena 55k": {
        "prompt": json.dumps([Q]),
        "response_a": json.dumps([BAD]),
        "response_b": json.dumps([GOOD]),
        "winner_model_a": 0,
        "winner_model_b": 1,
        "winner_tie": 0,
    },
    "safe rlhf": {
        "prompt": Q,
        "response_0": BAD,
        "response_1": GOOD,
        "better_response_id": 1,
        "safer_response_id": 1,
        "is_response_0_safe": True,
    },
    "helpsteer3": {"context": chat(Q), "response1": BAD, "response2": GOOD, "overall_preference": 1},
    "helpsteer2 preference": {"prompt": Q, "response_1": BAD, "response_2": GOOD, "preference_strength": 2},
    "shp": {"history": Q, "human_ref_A": BAD, "human_ref_B": GOOD, "labels": 0, "score_A": 3, "score_B": 9},
    "webgpt": {"question": {"full_text": Q}, "answer_0": BAD, "answer_1": GOOD, "score_0": -1.0, "score_1": 1.0},
    "summaries": {"info": {"post": Q}, "summaries": [{"text": BAD}, {"text": GOOD}], "choice": 1, "split": "train"},
    "nectar": {
        "prompt": marks(Q, ""),
        "answers": [{"answer": GOOD, "rank": 1.0, "model": "m"}, {"answer": BAD, "rank": 2.0, "model": "n"}],
        "turns": 1,
    },
    "ultrafeedback": {
        "instruction": Q,
        "models": ["m", "n"],
        "completions": [
            {"response": BAD, "fine-grained_score": 2.0, "overall_score": 4.0, "model": "n"},
            {"response": GOOD, "fine-grained_score": 4.5, "overall_score": 9.0, "model": "m"},
        ],
    },
    "responses and scores": {"prompt": Q, "responses": [BAD, GOOD], "scores": [1, 3]},
    "nemo": {
        "context": chat(Q),
        "completions": [
            {"rank": 1, "completion": chat("", BAD)[1:]},
            {"rank": 0, "completion": chat("", GOOD)[1:]},
        ],
    },
    "tinker": {
        "comparison": {
            "prompt_conversation": chat(Q),
            "completion_A": chat("", BAD)[1:],
            "completion_B": chat("", GOOD)[1:],
        },
        "label": "B",
    },
    "label studio": {
        "id": 1,
        "data": {"prompt": Q, "answer1": BAD, "answer2": GOOD},
        "annotations": [{"result": [{"type": "pairwise", "value": {"selected": "right"}}]}],
    },
    "argilla record": {
        "id": "r",
        "fields": {"prompt": Q, "response_a": BAD, "response_b": GOOD},
        "responses": {"preference": [{"value": "B", "status": "submitted"}, {"value": "A", "status": "draft"}]},
    },
    "label studio ranker": {
        "data": {
            "prompt": Q,
            "items": [{"id": "x", "title": "1", "body": BAD}, {"id": "y", "title": "2", "body": GOOD}],
        },
        "annotations": [{"result": [{"type": "ranker", "value": {"ranker": ["y", "x"]}}]}],
    },
    "label studio ranker, by its name": {
        "data": {"prompt": Q, "items": [{"id": 1, "body": BAD}, {"id": 2, "body": GOOD}]},
        "annotations": [{"result": [{"type": "ranker", "value": {"ranker": {"rank": ["2", "1"], "_": []}}}]}],
    },
    "label studio, the least of it": {
        "prompt": Q,
        "answer1": BAD,
        "answer2": GOOD,
        "comparison": "right",
        "annotator": 1,
    },
    "argilla before 2, a choice": {
        "instruction": Q,
        "response-1": BAD,
        "response-2": GOOD,
        "choose-best": [
            {"user_id": "u", "value": 2, "status": "submitted"},
            {"user_id": "v", "value": 1, "status": "discarded"},
        ],
        "choose-best-suggestion": 1,
        "external_id": None,
    },
    "argilla before 2, in Parquet": {
        "instruction": Q,
        "response-1": BAD,
        "response-2": GOOD,
        "choose-best": {"user_id": ["u"], "value": [2], "status": ["submitted"]},
    },
    "argilla before 2, a ranking": {
        "prompt": Q,
        "reply_1": BAD,
        "reply_2": GOOD,
        "reply-ranking": [
            {"user_id": "u", "value": {"rank": [2, 1], "value": ["reply-1", "reply-2"]}, "status": "submitted"}
        ],
    },
    "argilla since 2, as columns": {
        "prompt": Q,
        "response_a": BAD,
        "response_b": GOOD,
        "preference.responses": ["response_b", "response_a"],
        "preference.responses.users": ["u", "v"],
        "preference.responses.status": ["submitted", "draft"],
    },
    "kto wanted": {"prompt": Q, "completion": GOOD, "label": True},
    "kto unwanted": {"prompt": chat(Q), "completion": chat("", BAD)[1:], "label": False},
    "kto tag": {"instruction": Q, "input": "", "output": BAD, "kto_tag": "false"},
    "graded": {"question": Q, "answer": BAD, "is_correct": 0},
}
TIES: dict[str, Row] = {
    "answers in buckets": {
        "data": {"prompt": Q, "items": [{"id": "x", "body": BAD}, {"id": "y", "body": GOOD}]},
        "annotations": [{"result": [{"type": "ranker", "value": {"ranker": {"good": ["y"], "bad": ["x"]}}}]}],
    },
    "rankings that differ": {
        "data": {"prompt": Q, "items": [{"id": "x", "body": BAD}, {"id": "y", "body": GOOD}]},
        "annotations": [
            {"result": [{"type": "ranker", "value": {"ranker": order}}]} for order in (["x", "y"], ["y", "x"])
        ],
    },
    "nobody submitted": SHAPES["argilla before 2, a choice"]
    | {"choose-best": [{"user_id": "u", "value": 2, "status": "draft"}]},
    "arena, several turns": {
        "conversation_a": chat(Q, BAD, "Sure?", "Yes."),
        "conversation_b": chat(Q, GOOD, "Sure?", "No."),
        "winner": "model_b",
        "turn": 2,
    },
    "arena 55k, several turns": {
        "prompt": json.dumps([Q, "Sure?"]),
        "response_a": json.dumps([BAD, "Yes."]),
        "response_b": json.dumps([GOOD, "No."]),
        "winner_model_a": 0,
        "winner_model_b": 1,
        "winner_tie": 0,
    },
    "arena 140k, several turns": {
        f"conversation_{side}": [{"role": m["role"], "content": [{"type": "text", "text": m["content"]}]} for m in one]
        for side, one in (("a", chat(Q, BAD, "Sure?", "Yes.")), ("b", chat(Q, GOOD, "Sure?", "No.")))
    }
    | {"winner": "model_b"},
    "equal ratings": WHOLE | {"chosen_rating": 4, "rejected_rating": 4},
    "reversed ratings": WHOLE | {"rating_chosen": 1, "rating_rejected": 4},
    "a tie by status": TEXTS | {"input": Q, "status": "tie"},
    "both bad": BOTH | {"prompt": Q, "winner": "tie (bothbad)"},
    "both_bad": BOTH | {"prompt": Q, "winner": "both_bad"},
    "two labels": SHAPES["safe rlhf"] | {"safer_response_id": 0},
    "a number beside letters": BOTH | {"prompt": Q, "winner": 1},
    "another prompt": WHOLE | {"prompt": "Is 97 prime?"},
    "no prompt": TEXTS,
    "an input that is not in the prompt": TEXTS | {"prompt": "Translate.", "input": "Good day."},
    "the second turn": SHAPES["mt bench, first turn"] | {"turn": 2},
    "an emptied cell": TEXTS | {"prompt": Q, "rejected": "nan"},
    "improbable": TEXTS | {"prompt": Q, "p_chosen": 0.2},
    "a label that says no": TEXTS | {"prompt": Q, "label": False},
    "a class, no label": {"prompt": Q, "completion": GOOD, "label": "poetry"},
    "one rating alone": {"prompt": Q, "response": GOOD, "helpfulness": 3},
    "score against label": SHAPES["shp"] | {"labels": 1},
}
EXTRA = {"lang": "en", "n_tokens": 7, "created": None, "notes": "", "flag": True, "nested": {"a": [1]}}


def sides(row: Row) -> tuple[Any, ...]:
    asked = [(m["role"], m["content"]) for m in row["prompt"]]
    return asked, *(row[side][-1]["content"] if side in row else None for side in ("chosen", "rejected"))


@pytest.mark.parametrize("name", list(SHAPES))
@given(data=st.data())
@settings(deadline=None, max_examples=15)
def test_a_shape_is_read_right_however_its_columns_stand(name: str, data: st.DataObject) -> None:
    """Order of columns, columns of others, nulls: the same question, the better answer chosen."""
    more = data.draw(st.lists(st.sampled_from(list(EXTRA)), unique=True))
    row = SHAPES[name] | {key: EXTRA[key] for key in more}
    order = data.draw(st.permutations(list(row)))
    found = [one for one in imported([{key: row[key] for key in order}]) if not isinstance(one, Reject)]
    assert [sides(one)[0] for one in found] == [[("user", Q)]]
    assert set(sides(found[0])[1:]) <= {GOOD, BAD, None}
    assert found[0].get("chosen", chat("", GOOD)[1:])[-1]["content"] == GOOD
    assert found[0].get("rejected", chat("", BAD)[1:])[-1]["content"] == BAD


@pytest.mark.parametrize("name", list(TIES))
@given(data=st.data())
@settings(deadline=None, max_examples=10)
def test_what_is_no_preference_is_refused_however_its_columns_stand(name: str, data: st.DataObject) -> None:
    """A tie, a contradiction, or what cannot be told."""
    order = data.draw(st.permutations(list(TIES[name])))
    assert all(isinstance(one, Reject) for one in imported([{key: TIES[name][key] for key in order}]))


@pytest.mark.parametrize("name", [*SHAPES, "both bad", "a tie by status", "the second turn", "two labels"])
@given(data=st.data())
@settings(deadline=None, max_examples=8)
def test_every_shape_is_a_file_of_prompts(name: str, data: st.DataObject) -> None:
    """What a row asks is asked by a run, whatever its answers are worth: never an answer, never a cell's spelling."""
    row = {**SHAPES, **TIES}[name] | {key: EXTRA[key] for key in data.draw(st.lists(st.sampled_from(list(EXTRA))))}
    order = data.draw(st.permutations(list(row)))
    (found,) = prompts_from_rows([{key: row[key] for key in order}], where="rows", warn=lambda _: None)
    assert list(found.messages) == chat(Q)


def test_a_prompt_is_asked_with_all_that_goes_before_it() -> None:
    """A system message of the chats beside it, earlier turns, and what is before a chat's last answer, said once."""
    system = {"role": "system", "content": "Be brief."}
    told: list[str] = []
    rows: list[Row] = [
        {"prompt": Q, "chosen": [system, *chat(Q, GOOD)], "rejected": [system, *chat(Q, BAD)]},
        {"instruction": Q, "input": "", "output": GOOD, "history": [["Hello.", "Yes?"]]},
        {"messages": chat("Sure?", "Yes.", Q, GOOD)},
        {"messages": chat("Surely?", "Yes.", Q, GOOD)},
    ]
    found = [list(one.messages) for one in prompts_from_rows(rows, where="rows", warn=told.append)]
    before = ("Hello.", "Yes?"), ("Sure?", "Yes."), ("Surely?", "Yes.")
    assert found == [[system, *chat(Q)], *(chat(*turns, Q) for turns in before)]
    assert told == ["rows: the answer that 'messages' ends with is left out; the rest is asked"]


def test_a_mapping_names_what_is_asked() -> None:
    """Columns of one's own, their rest kept as metadata; one that is not there is named."""
    row = {
        "q": {"t": Q},
        "more": "Say why.",
        "gold": 7,
        "key": "a",
        "persona": "Be brief.",
        "prompt": "no",
        "lang": "en",
    }
    mapping = {"prompt": "q.t+more", "system": "persona", "reference": "gold", "id": "key"}
    with pytest.raises(SpecError, match=r"row 1: 'q.t\+more', which is to be the prompt, says nothing here"):
        list(prompts_from_rows([{"x": 1}], where="rows", warn=lambda _: None, mapping=mapping))
    (found,) = prompts_from_rows([row], where="rows", warn=lambda _: None, mapping=mapping)
    assert [message["content"] for message in found.messages] == ["Be brief.", f"{Q}\n\nSay why."]
    assert (found.id, found.reference) == ("a", "7")
    assert found.metadata == {"q": {"t": Q}, "prompt": "no", "lang": "en"}


SYSTEMS = [{"system": "Be brief."}, {"system_prompt": "Be brief."}, {"System Message": "Be brief."}]


@pytest.mark.parametrize("name", ["whole chats", "orca", "swift", "winner B", "nectar", "kto wanted", "sharegpt"])
@pytest.mark.parametrize("system", [*SYSTEMS, {"system": None}, {"system": "  "}, {"system": "None"}])
def test_a_system_column_is_the_first_message(name: str, system: Row) -> None:
    """In every shape, under each of its names; an empty one is none."""
    (found,) = imported([{k: v for k, v in SHAPES[name].items() if k != "system"} | system])
    assert isinstance(found, dict)
    roles = [message["role"] for message in found["prompt"]]
    assert roles == (["system", "user"] if system in SYSTEMS else ["user"])


def test_alpacas_input_belongs_to_its_instruction() -> None:
    """Three tasks stay three tasks."""
    rows = [TEXTS | {"instruction": "Translate.", "input": words} for words in ("Good day.", "Thanks.", "")]
    found = [sides(row)[0] for row in imported(rows) if isinstance(row, dict)]
    assert found == [[("user", f"Translate.\n\n{w}")] for w in ("Good day.", "Thanks.")] + [[("user", "Translate.")]]


@pytest.mark.parametrize("tools", [[{"type": "function", "function": {"name": "add"}}], "none", "", None])
@pytest.mark.parametrize("spelled", [lambda x: x, json.dumps])
def test_tools_are_a_list_however_they_are_spelled(tools: Any, spelled: Any) -> None:
    """A list, JSON text, or no tools at all; never a list of characters."""
    given = spelled(tools) if isinstance(tools, list) else tools
    (found,) = imported([WHOLE | {"tools": given}])
    assert isinstance(found, dict)
    assert found.get("tools") == (tools if isinstance(tools, list) else None)


def test_rated_answers_of_one_prompt_are_pairs() -> None:
    """Rows beside each other that rate answers to one prompt; a rating that stands alone is refused."""
    rows = [{"prompt": Q, "response": words, "helpfulness": n} for words, n in ((BAD, 1), (GOOD, 4))]
    alone = {"prompt": "Is 97 prime?", "response": "Yes.", "helpfulness": 4}
    first, second = imported([*rows, alone])
    assert isinstance(first, dict)
    assert (sides(first)[1:], isinstance(second, Reject)) == ((GOOD, BAD), True)


def test_a_mapping_names_what_no_list_knows() -> None:
    """Columns of one's own, values of one's own, columns inside columns, and two that are one prompt."""
    row = {"q": {"t": "Is 91"}, "rest": "prime?", "one": BAD, "two": GOOD, "who": 7}
    mapping = ["prompt=rest,response_a=one,response_b=two", "winner=who,B=7"]
    (found,) = imported([row], wishes=Wishes(mapping=mapping))
    assert isinstance(found, dict)
    assert sides(found) == ([("user", "prime?")], GOOD, BAD)
    (found,) = imported([row], wishes=Wishes(mapping={"prompt": "q.t", "chosen": "two", "rejected": "one"}))
    assert isinstance(found, dict)
    assert sides(found) == ([("user", "Is 91")], GOOD, BAD)


@pytest.mark.parametrize(("label", "better"), [("better_response_id", GOOD), ("safer_response_id", BAD)])
def test_of_two_labels_one_is_chosen_or_the_row_refused(label: str, better: str) -> None:
    """PKU's answers have a better and a safer one: where they differ, one says which counts; where not, it is that."""
    row = SHAPES["safe rlhf"] | {"safer_response_id": 0}
    (refused,) = imported([row])
    assert isinstance(refused, Reject)
    assert "say which counts: --map winner=better_response_id" in refused.reason
    (found,) = imported([row], wishes=Wishes(mapping=[f"winner={label}"]))
    assert isinstance(found, dict)
    assert sides(found)[1] == better
    assert found["metadata"].keys() >= {"better_response_id", "safer_response_id"} - {label}


def test_a_conversation_goes_on_to_one_prompt_where_its_turns_are_alike() -> None:
    """Several turns of an arena are a pair where only the last answers differ, with what came before as the prompt."""
    row = {
        "conversation_a": chat("Hello.", "Yes?", Q, BAD),
        "conversation_b": chat("Hello.", "Yes?", Q, GOOD),
        "winner": "model_b",
        "turn": 2,
    }
    (found,) = imported([row])
    assert isinstance(found, dict)
    assert (found["prompt"], sides(found)[1:]) == (chat("Hello.", "Yes?", Q), (GOOD, BAD))


def test_numbers_of_another_code_are_not_believed() -> None:
    """A 1 is the first answer's, but not in a column that says -2 elsewhere."""
    rows = [{"prompt": Q, "response_1": GOOD, "response_2": BAD, "preference": value} for value in (1, -2)]
    assert all(isinstance(row, Reject) for row in imported(rows))
    (alone,) = imported(rows[:1])
    assert isinstance(alone, dict)


def test_a_pair_of_trajectories_begins_where_they_part() -> None:
    """An agent's steps are a side: calls, results, and the answer at the end."""
    begun = [*chat(Q), {"role": "assistant", "content": "I look.", "tool_calls": [{"id": "1", "type": "function"}]}]
    begun.append({"role": "tool", "tool_call_id": "1", "content": "7 * 13"})
    step = {"role": "assistant", "content": None, "tool_calls": [{"id": "2", "type": "function"}]}
    longer = [step, {"role": "tool", "tool_call_id": "2", "content": "91"}, {"role": "assistant", "content": GOOD}]
    short = [{"role": "assistant", "content": BAD}]
    (found,) = imported([{"chosen": [*begun, *longer], "rejected": [*begun, *short]}])
    assert isinstance(found, dict)
    assert (found["prompt"], found["chosen"], found["rejected"]) == (begun, longer, short)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize(
    "name", [name for name, row in SHAPES.items() if all(isinstance(v, str) for v in row.values())]
)
def test_a_csv_says_what_the_rows_say(name: str, encoding: str, tmp_path: Path) -> None:
    """Cells are texts there, and empty ones absent."""
    import csv

    path = tmp_path / "rows.csv"
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.DictWriter(file, list(SHAPES[name]))
        writer.writeheader()
        writer.writerow(SHAPES[name])
    (from_csv,), (from_row,) = imported(path), imported([SHAPES[name]])
    assert from_csv == from_row
