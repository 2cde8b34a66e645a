"""Each published shape, as a row of our own content: read right however its columns stand, or refused; never wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from published import BAD, EXTRA, GOOD, SHAPES, TEXTS, TIES, WHOLE, Q, Row, chat

from judgegen.errors import SpecError
from judgegen.exchange.import_ import Reject, Wishes, imported
from judgegen.sources import prompts_from_rows


def sides(row: Row) -> tuple[Any, ...]:
    asked = [(m["role"], m["content"]) for m in row["prompt"]]
    return asked, *(row[side][-1]["content"] if side in row else None for side in ("chosen", "rejected"))


@pytest.mark.slow
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
        list(prompts_from_rows([{**row, "q": {"t": None}, "more": ""}], where="rows", warn=print, mapping=mapping))
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


SCHEMA: Row = {"type": "object", "properties": {"n": {"type": "integer"}}}
ADD: Row = {"name": "add", "description": "Add."}


@pytest.mark.parametrize(
    "tool",
    [
        ADD | {"parameters": SCHEMA},
        ADD | {"parameters": SCHEMA, "type": "function"},
        ADD | {"input_schema": SCHEMA},
        {"type": "function", "function": ADD | {"parameters": SCHEMA}},
    ],
)
def test_a_tool_is_defined_as_the_chat_api_has_it(tool: Row) -> None:
    """A function by itself as in LLaMA-Factory's files, the Responses API's, Anthropic's: consumers refuse those."""
    (found,) = imported([WHOLE | {"tools": [tool]}])
    assert isinstance(found, dict)
    assert found["tools"] == [{"type": "function", "function": ADD | {"parameters": SCHEMA}}]


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
