"""Laws of exporting: round trips, splits that do not leak, the same bytes, whole files or none, nothing lost unsaid."""

from __future__ import annotations

import codecs
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from judgegen.errors import SpecError
from judgegen.exchange.export import export, split_of
from judgegen.exchange.import_ import Reject, imported
from judgegen.formats import fit
from judgegen.formats.consumers import CONSUMERS, consumer
from judgegen.formats.format import Format, Unfit
from judgegen.llm.calls import digest
from judgegen.sources import prompts

BOTH_WAYS = [(name, False) for name, form in CONSUMERS.items() if form.back] + [
    (name, True) for name, form in CONSUMERS.items() if form.standard and form.standard.back
]

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
any_text = st.text(st.characters(), max_size=30)  # halves of characters (lone surrogates) as well
said = st.one_of(any_text, st.sampled_from(["\u2028", "\x85\r\n", "\ufeffx", '"\\', "é\ud83d", "\U0001d518", "\x00"]))
spoken = said.filter(lambda words: bool(words.strip()))


def calls(words: st.SearchStrategy[str]) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Tool calls as the chat API writes them."""
    arguments = st.dictionaries(words, words | st.integers(-9, 9), max_size=2).map(json.dumps)
    function = st.fixed_dictionaries({"name": st.sampled_from(["look", "find"]), "arguments": arguments})
    return st.lists(
        st.fixed_dictionaries({"id": st.just("c1"), "type": st.just("function"), "function": function}),
        min_size=1,
        max_size=2,
    )


def message(role: str, content: st.SearchStrategy[Any], **more: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A message."""
    return st.fixed_dictionaries({"role": st.just(role), "content": content, **more})


turn = st.one_of(
    st.tuples(message("assistant", said), message("user", said)),
    st.tuples(
        message("assistant", st.none() | said, tool_calls=calls(said)),
        message("tool", said, tool_call_id=st.just("c1")),
    ),
)
side = st.one_of(message("assistant", spoken), message("assistant", st.none(), tool_calls=calls(said)))
tool = st.fixed_dictionaries({"type": st.just("function"), "function": st.fixed_dictionaries({"name": said})})


@st.composite
def pairs(draw: st.DrawFn) -> dict[str, Any]:
    """A preference with all that one may have: empty systems, turns, tools, odd characters."""
    system = draw(st.lists(message("system", said), max_size=1))
    turns = [m for both in draw(st.lists(turn, max_size=3)) for m in both]
    pair: dict[str, Any] = {
        "prompt_id": draw(text.filter(bool)),
        "prompt": [*system, draw(message("user", said)), *turns],
        "chosen": [draw(side)],
        "rejected": [draw(side)],
        "p_chosen": draw(st.floats(0.5, 1)),
        "margin": draw(st.floats(0, 1)),
    }
    if tools := draw(st.lists(tool, max_size=2)):
        pair["tools"] = tools
    return pair


def _fits(pair: dict[str, Any], form: Format) -> bool:
    """Whether a format takes a pair."""
    try:
        fit.laid_out(pair, form)
    except Unfit:
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize(("name", "standard"), BOTH_WAYS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=st.lists(pairs(), min_size=1, max_size=4, unique_by=lambda pair: digest([pair["prompt"], pair["chosen"]])))
def test_what_is_exported_comes_back(name: str, standard: bool, found: list[dict[str, Any]], tmp_path: Path) -> None:
    """import(export(pairs)) == pairs, for whatever the format carries; what it cannot carry is left out by name."""
    form = consumer(name, standard=standard)
    out = tmp_path / ("out" if form.folder else f"out{form.suffix}")
    kept = [pair for pair in found if _fits(pair, form)]
    if not kept:
        return
    done = export(found, name, out, standard=standard)
    assert len(done.left_out) == len(found) - len(kept)
    back = list(imported(out, name))
    expected = [{key: pair[key] for key in pair if key in form.carries} for pair in kept]
    assert [
        row if isinstance(row, Reject) else {k: row[k] for k in row if k in form.carries} for row in back
    ] == expected


@pytest.mark.parametrize("name", [name for name, form in CONSUMERS.items() if form.back and form.halves])
def test_half_a_character_survives_where_a_reader_can_take_it(name: str, make: Any, tmp_path: Path) -> None:
    """A lone surrogate is written as its JSON escape and read back as it was."""
    pair = make.plain(1, chosen=[{"role": "assistant", "content": "half \ud83d"}])
    out = tmp_path / "out.jsonl"
    assert export([pair], name, out).left_out == ()
    assert b"\\ud83d" in out.read_bytes()
    (back,) = imported(out, name)
    assert isinstance(back, dict)
    assert back["chosen"] == pair["chosen"]


@pytest.mark.parametrize("name", [name for name, form in CONSUMERS.items() if not form.halves])
def test_half_a_character_is_left_out_where_it_would_spoil_the_file(name: str, make: Any, tmp_path: Path) -> None:
    """Readers that refuse a whole file for a lone surrogate do not get one."""
    pair = make.plain(1, chosen=[{"role": "assistant", "content": "half \ud83d"}])
    done = export([pair, make.plain(2)], name, tmp_path / "out")
    assert [number for number, _ in done.left_out] == [1]
    assert "lone surrogate" in done.left_out[0][1]


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, form in CONSUMERS.items() if form.turns != "one"])
def test_a_chat_of_ten_thousand_turns_survives(name: str, make: Any, tmp_path: Path) -> None:
    """Length alone is no reason to lose a row, nor to fail."""
    chat = [{"role": role, "content": f"{n}"} for n in range(5000) for role in ("user", "assistant")]
    pair = make.plain(1, prompt=[*chat, {"role": "user", "content": "And?"}])
    out = tmp_path / ("out" if CONSUMERS[name].folder else f"out{CONSUMERS[name].suffix}")
    assert export([pair], name, out).left_out == ()
    if CONSUMERS[name].back:
        (back,) = imported(out, name)
        assert isinstance(back, dict)
        assert back["prompt"] == pair["prompt"]


def asked(words: str, system: str | None = None) -> list[dict[str, str]]:
    """A prompt."""
    return [
        *([{"role": "system", "content": system}] if system is not None else []),
        {"role": "user", "content": words},
    ]


@given(words=text, split=st.floats(0.01, 0.99), seed=st.integers(0, 9), system=text)
def test_one_question_is_never_on_both_sides(words: str, split: float, seed: int, system: str) -> None:
    """White space, case and the system message do not move a prompt to the other side of a split."""
    here = split_of(asked(words), split, seed)
    assert split_of(asked(f"  {words}\n"), split, seed) == here
    assert split_of(asked(words, system), split, seed) == here
    assert split_of(asked(words.casefold()), split, seed) == split_of(
        asked(words.casefold().upper().casefold()), split, seed
    )


@given(words=text, low=st.floats(0.01, 0.5), more=st.floats(0, 0.49))
def test_a_larger_share_only_moves_prompts_to_train(words: str, low: float, more: float) -> None:
    """What trains at a split of 0.8 trains at 0.9."""
    if split_of(asked(words), low, 0) == "train":
        assert split_of(asked(words), low + more, 0) == "train"


@pytest.mark.parametrize("name", list(CONSUMERS))
def test_splits_share_no_prompt_and_lose_none(name: str, make: Any, tmp_path: Path) -> None:
    """Train and test together are all rows, apart they share no prompt, and their sizes are near what was asked."""
    found = [
        make.plain(n // 2, prompt_id=f"p-{n}", chosen=[{"role": "assistant", "content": f"answer {n}"}])
        for n in range(600)
    ]
    out = tmp_path / "out"
    done = export(found, name, out, split=0.8, seed=3)
    sides = {part: _prompts(path) for part, path in zip(("train", "test"), done.paths, strict=False)}
    assert not sides["train"] & sides["test"]
    assert len(sides["train"]) + len(sides["test"]) == 300
    assert 0.7 < len(sides["train"]) / 300 < 0.9
    assert {reason.partition(":")[0] for _, reason in done.left_out} <= {"repeats an earlier row"}
    assert sum(done.counts.values()) == (600 - len(done.left_out)) * (2 if name == "trl-kto" else 1)


def _prompts(path: Path) -> set[str]:
    """What the rows of a file ask."""
    rows = pq.read_table(path).to_pylist() if path.suffix == ".parquet" else map(json.loads, _lines(path))
    return {_question(row) for row in rows}


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8-sig").splitlines()


def _question(row: dict[str, Any]) -> str:
    within = next((row[key] for key in ("input", "comparison") if key in row), row)
    names = ("messages", "conversations", "prompt", "contents", "context", "prompt_conversation", "convo")
    asked = next(within[key] for key in (*names, "instruction", "question") if within.get(key))
    return asked if isinstance(asked, str) else json.dumps(asked[0])


def test_another_seed_is_another_split(make: Any, tmp_path: Path) -> None:
    """The seed alone decides which prompts are held out."""
    found = [make.plain(n) for n in range(100)]
    files: dict[tuple[int, int], bytes] = {}
    for seed in (0, 0, 1):
        files[seed, len(files)] = (
            export(found, "trl-dpo", tmp_path / "out.jsonl", split=0.5, seed=seed).paths[0].read_bytes()
        )
    first, again, other = files.values()
    assert first == again
    assert first != other


@pytest.mark.parametrize("name", list(CONSUMERS))
def test_the_same_rows_make_the_same_bytes(
    name: str, preferences: list[dict[str, Any]], make: Any, tmp_path: Path
) -> None:
    """Exported twice, every file is the same to the byte, also over files that are there already."""

    def written() -> dict[str, bytes]:
        found = [*preferences * 40, *(make.plain(n) for n in range(3, 20))]
        done = export(found, name, tmp_path / "out", split=0.5)
        return {path.name: path.read_bytes() for path in done.paths}

    assert written() == written()


def test_azure_begins_with_a_byte_order_mark_and_nobody_else(make: Any, tmp_path: Path) -> None:
    """Azure's files begin with a byte order mark, once; a split's files each have one."""
    for name, form in CONSUMERS.items():
        done = export([make.plain(n) for n in range(12)], name, tmp_path / name / "out", split=0.5)
        for path in done.paths[:2]:
            assert path.read_bytes().count(codecs.BOM_UTF8) == (name == "azure-dpo")
            assert path.read_bytes().startswith(codecs.BOM_UTF8) == form.bom


def test_every_row_is_exported_or_listed(make: Any, tmp_path: Path) -> None:
    """Counts and what is left out add up to what came in; the reasons name consumer and cause."""
    found = [
        make.plain(1),
        make.with_tools(2),
        make.plain(3, rejected=[]),
        make.plain(4, chosen=[{"role": "assistant", "content": " "}]),
        make.plain(5, rejected=[{"role": "assistant", "content": "It  is\n10."}]),
        make.plain(6, prompt=[]),
        make.plain(7, prompt=[{"role": "assistant", "content": "Hello"}]),
        make.plain(8, p_chosen=float("nan")),
        make.plain(9, chosen=[{"role": "assistant", "content": [{"type": "image_url"}]}]),
        make.plain(10, margin=float("inf")),
    ]
    done = export(found, "trl-dpo", tmp_path / "out.jsonl")
    assert done.counts == {"train": 2}
    assert dict(done.left_out) == {
        3: "no rejected side",
        4: "chosen says nothing",
        5: "chosen and rejected are the same",
        6: "the prompt is empty",
        7: "the prompt ends with a message of role 'assistant', not with one to answer",
        8: "p_chosen is not a probability",
        9: "content that is not text",
        10: "margin is not a number from 0 to 1, the gap of two scores",
    }
    assert (
        export(found, "openrlhf", tmp_path / "out.jsonl").reasons()["tool definitions: openrlhf has no place for them"]
        == 1
    )


@pytest.mark.parametrize("name", ["openai-dpo", "azure-dpo", "together-dpo", "fireworks-dpo", "openai-sft"])
def test_a_key_that_the_api_refuses_is_not_written(name: str, make: Any, tmp_path: Path) -> None:
    """A model's thoughts beside its answer are no key of the chat API's: such a row is left out by that name."""
    thought = [{"role": "assistant", "content": "It is 10.", "reasoning_content": "5 + 5"}]
    done = export([make.plain(1), make.plain(2, chosen=thought)], name, tmp_path / "out.jsonl")
    assert done.left_out == ((2, "a message with the key 'reasoning_content', which the chat API does not know"),)


def test_half_a_character_in_metadata_is_escaped_in_a_cell(make: Any, tmp_path: Path) -> None:
    """Parquet holds UTF-8 alone, and JSON in a cell has escapes."""
    pair = make.plain(1, metadata={"k": "\ud83d"})
    export([pair], "huggingface", tmp_path / "hub")
    (path,) = (tmp_path / "hub").rglob("*.parquet")
    assert json.loads(pq.read_table(path)["metadata"][0].as_py()) == {"k": "\ud83d"}


def test_text_parts_are_joined_and_developers_are_the_system(make: Any, tmp_path: Path) -> None:
    """What the chat API allows and a consumer does not is said in its own way, where nothing is lost by it."""
    parts = [{"type": "text", "text": "Why "}, {"type": "text", "text": "so?"}]
    pair = make.plain(1, prompt=[{"role": "developer", "content": "Be terse."}, {"role": "user", "content": parts}])
    export([pair], "openai-dpo", tmp_path / "out.jsonl")
    row = json.loads((tmp_path / "out.jsonl").read_text())
    assert row["input"]["messages"] == [
        {"role": "system", "content": "Be terse."},
        {"role": "user", "content": "Why so?"},
    ]


@pytest.mark.parametrize("words", ["message", " user\n", "[["])
def test_axolotl_gets_no_answer_that_it_would_cut(words: str, make: Any, tmp_path: Path) -> None:
    """Answers that axolotl would find in its own dummy chat are left out; outer white space is taken off the rest."""
    found = [
        make.plain(1, rejected=[{"role": "assistant", "content": words}]),
        make.plain(2, chosen=[{"role": "assistant", "content": " 4\n"}]),
    ]
    done = export(found, "axolotl", tmp_path / "out.jsonl")
    assert [number for number, _ in done.left_out] == [1]
    assert json.loads((tmp_path / "out.jsonl").read_text())["chosen"]["content"] == "4"


def test_kto_keeps_the_answers_to_one_prompt_apart(make: Any, tmp_path: Path) -> None:
    """All wanted answers come before all unwanted ones, unpaired ones with their own kind, on their prompt's side."""
    found = [make.plain(n) for n in range(6)]
    spare = [
        {"prompt": found[0]["prompt"], "completion": [{"role": "assistant", "content": "Zero."}], "label": True},
        {"prompt": found[1]["prompt"], "completion": [{"role": "assistant", "content": "Nought."}], "label": False},
        {"prompt": found[1]["prompt"], "completion": [], "label": True},
    ]
    done = export(found, "trl-kto", tmp_path / "out.jsonl", split=0.5, unpaired=spare)
    labels = [[json.loads(line)["label"] for line in _lines(path)] for path in done.paths]
    assert all(found == sorted(found, reverse=True) for found in labels)
    assert sum(map(len, labels)) == 14
    assert not _prompts(done.paths[0]) & _prompts(done.paths[1])
    assert done.left_out == ((3, "unpaired: neither a chosen nor a rejected side"),)


def test_one_chosen_side_is_enough_for_supervised_tuning(make: Any, tmp_path: Path) -> None:
    """Questions with answers alone go to openai-sft; an answer that comes twice is written once."""
    found = [make.plain(1, rejected=None), make.plain(1, rejected=None), make.plain(2)]
    done = export(found, "openai-sft", tmp_path / "out.jsonl")
    assert done.counts == {"train": 2}
    assert done.reasons() == {"repeats an earlier row: openai-sft needs each once": 1}


def test_the_flip_rate_is_the_mean_doubt(make: Any, tmp_path: Path) -> None:
    """mean(1 - p_chosen) over the exported pairs, None where no row has one."""
    found = [make.plain(1, p_chosen=0.6), make.plain(2, p_chosen=1.0), make.plain(3, p_chosen=0.5, rejected=[])]
    assert export(found, "trl-dpo", tmp_path / "out.jsonl").flip_rate == 0.2
    assert export([make.plain(1, p_chosen=None)], "trl-dpo", tmp_path / "out.jsonl").flip_rate is None


def test_llama_factory_keeps_other_entries(make: Any, tmp_path: Path) -> None:
    """dataset_info.json gains an entry a file and keeps those of other data sets."""
    info = tmp_path / "dataset_info.json"
    info.write_text('{"mine": {"file_name": "mine.json"}}')
    export([make.plain(n) for n in range(12)], "llama-factory", tmp_path / "pairs.v2.jsonl", split=0.5)
    assert list(json.loads(info.read_text())) == ["mine", "pairs_v2_train", "pairs_v2_test"]
    info.write_text("{")
    with pytest.raises(SpecError, match="not JSON"):
        export([make.plain(2)], "llama-factory", tmp_path / "other.jsonl")
    assert not (tmp_path / "other.jsonl").exists()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"name": "openai-dop"}, "did you mean 'openai-dpo'"),
        ({"split": 1.0}, "not between 0 and 1"),
        ({"name": "axolotl", "standard": True}, "leave out --standard"),
        ({"unpaired": []}, "unpaired rows go with trl-kto"),
        ({"rows": []}, "there are no preferences"),
        ({"split": 0.5}, "without a row, which loaders refuse"),
        ({"rows": [{"prompt": "Why?"}]}, "no preference fits openai-dpo, so nothing is written"),
    ],
)
def test_what_cannot_be_asked_says_why_and_writes_nothing(
    changed: dict[str, Any], told: str, make: Any, tmp_path: Path
) -> None:
    """A wrong name, split, form or file of preferences is an error with its mend, before anything is written."""
    asked_for: Any = {"rows": [make.plain(1)], "name": "openai-dpo", "out": tmp_path / "out.jsonl"} | changed
    with pytest.raises(SpecError, match=told):
        export(**asked_for)
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_dies_leaves_what_was_there(make: Any, tmp_path: Path) -> None:
    """When the rows end in an error no file is written, changed or left half done."""
    out = tmp_path / "out.jsonl"
    out.write_text("before")

    def dying() -> Any:
        yield make.plain(1)
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        export(dying(), "openai-dpo", out)
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("out.jsonl", "before")]


@pytest.mark.parametrize("name", sorted(name for name, form in CONSUMERS.items() if form.back and not form.folder))
@pytest.mark.parametrize("system", [[], [{"role": "system", "content": "Be terse."}]])
def test_what_was_exported_can_be_asked_again(name: str, system: list[dict[str, Any]], tmp_path: Path) -> None:
    """A file of ours that can be imported is a file of prompts as well: what its preferences answer is asked."""
    asked = [[*system, {"role": "user", "content": f"What is the use of {what}?"}] for what in ("amber", "chalk")]
    answers = {side: [{"role": "assistant", "content": f"It is {side}."}] for side in ("chosen", "rejected")}
    path = tmp_path / f"out{CONSUMERS[name].suffix}"
    export([{"prompt": chat, **answers, "margin": 0.5, "reference": "Yes."} for chat in asked], name, path)
    found = [list(one.messages) for one in prompts(path, warn=print)]
    assert [chat[-1:] for chat in found] == [chat[-1:] for chat in asked]
    assert [chat[:-1] for chat in found] in ([system, system], [[], []])
