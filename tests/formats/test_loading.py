"""Laws of exports for loaders that infer types: one schema, whatever comes late, on one side, or in some rows."""

from __future__ import annotations

import importlib
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from judgegen.errors import SpecError
from judgegen.exchange.export import export
from judgegen.exchange.import_ import imported
from judgegen.formats.consumers import CONSUMERS

LINES = [
    name
    for name, form in CONSUMERS.items()
    if form.suffix == ".jsonl" and not form.loose and form.unit == "pair" and name != "trl-tpo"
]
CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"town": "Bern"}'}}


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[dict[str, Path]], Any]]:
    """Files as Hugging Face `datasets` loads them together, offline."""
    patch = pytest.MonkeyPatch()
    patch.setenv("HF_HUB_OFFLINE", "1")
    patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hub")))
    datasets: Any = importlib.import_module("datasets")
    datasets.disable_progress_bars()
    fresh = itertools.count()

    def loaded(files: dict[str, Path]) -> Any:
        cache = tmp_path_factory.mktemp(f"cache{next(fresh)}")
        named = {split: str(path) for split, path in files.items()}
        return datasets.load_dataset("json", data_files=named, cache_dir=str(cache))

    yield loaded
    patch.undo()


def odd(make: Any, number: int, kind: str) -> dict[str, Any]:
    """A preference with what few others have."""
    if kind == "tools":
        return dict(make.with_tools(number))
    if kind == "name":
        return dict(make.plain(number, prompt=[{"role": "user", "name": "Ann", "content": f"Why {number}?"}]))
    if kind == "scores":
        return dict(make.plain(number, p_chosen=1, margin=1))
    return dict(make.plain(number, p_chosen=None, margin=None))


def plain(make: Any, number: int, kind: str) -> dict[str, Any]:
    """One of the others."""
    return dict(make.plain(number, p_chosen=0.75, margin=0.5) if kind in ("scores", "none") else make.plain(number))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tools", "name", "scores", "none"])
@pytest.mark.parametrize("name", LINES)
def test_both_sides_of_a_split_load_as_one(
    name: str, kind: str, make: Any, tmp_path: Path, load: Callable[[dict[str, Path]], Any]
) -> None:
    """One row with tools, a name or other scores, on whichever side: both files load, whichever is named first."""
    found = [odd(make, n, kind) if n == 7 else plain(make, n, kind) for n in range(24)]
    done = export(found, name, tmp_path / "pairs.jsonl", split=0.5)
    sides = dict(zip(("train", "test"), done.paths, strict=False))
    for order in (sides, dict(reversed(sides.items()))):
        both = load(order)
        assert {side: len(both[side]) for side in both} == dict(done.counts)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["tools", "name", "scores"])
@pytest.mark.parametrize("name", LINES)
def test_what_comes_after_eleven_megabytes_loads(
    name: str, kind: str, make: Any, tmp_path: Path, load: Callable[[dict[str, Path]], Any]
) -> None:
    """A key or a kind of number that no row has in the first ten megabytes does not end the loading."""
    words = "far " * 30_000
    late = [odd(make, n, kind) for n in range(100, 103)]
    early = [plain(make, n, kind) | {"chosen": [{"role": "assistant", "content": f"{words}{n}"}]} for n in range(92)]
    done = export([*early, *late], name, tmp_path / "pairs.jsonl")
    assert done.paths[0].stat().st_size > 11_000_000
    assert len(load({"train": done.paths[0]})["train"]) == sum(done.counts.values())


@pytest.mark.parametrize("name", list(CONSUMERS))
def test_a_column_is_in_every_row_or_in_none(name: str, make: Any, tmp_path: Path) -> None:
    """What only some rows have is filled where the consumer has a word for it, and else left out and told of."""
    form = CONSUMERS[name]
    if form.suffix != ".jsonl":
        pytest.skip("Parquet has its columns by construction")
    found = [make.plain(1), make.plain(2, margin=None, p_chosen=None), make.with_tools(3)]
    done = export(found, name, tmp_path / "out.jsonl")
    rows = [json.loads(line) for line in done.paths[0].read_text(encoding="utf-8-sig").splitlines()]
    assert len({frozenset(row.keys() - form.loose) for row in rows}) == 1
    assert all(dropped not in rows[0] for dropped in done.columns_left_out)
    if form.margin:
        assert done.left_out
    elif "margin" in form.carries:
        assert done.columns_left_out["margin"] == (1 if name == "openrlhf" else 2)


def test_a_whole_number_and_a_share_are_of_one_type(make: Any, tmp_path: Path) -> None:
    """A margin of 1 stands as 1.0 beside one of 0.75."""
    done = export([make.plain(1, margin=1, p_chosen=1), make.plain(2)], "trl-dpo", tmp_path / "out.jsonl")
    assert '"p_chosen": 1.0, "margin": 1.0}' in done.paths[0].read_text()


@pytest.mark.parametrize("name", [name for name in LINES if CONSUMERS[name].back])
def test_what_opens_a_file_is_not_read_back(name: str, make: Any, tmp_path: Path) -> None:
    """Keys that were added so that a file loads are no part of the preferences in it."""
    found = [odd(make, n, "tools") if n == 7 else make.plain(n) for n in range(24)]
    done = export(found, name, tmp_path / "pairs.jsonl", split=0.5)
    left_out = {number - 1 for number, _ in done.left_out}
    back = [row for path in done.paths[:2] for row in imported(path, name)]
    sides = ("prompt", "chosen", "rejected", "tools")
    told = [json.dumps({key: row[key] for key in sides if key in row}) for row in back if isinstance(row, dict)]
    kept = [row for place, row in enumerate(found) if place not in left_out]
    assert sorted(told) == sorted(json.dumps({key: row[key] for key in sides if key in row}) for row in kept)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"tools": "none"}, "tools is not a list of definitions"),
        ({"tools": ["weather"]}, "tools is not a list of definitions"),
        ({"margin": 3}, "margin is not a number from 0 to 1"),
        ({"margin": -0.5}, "margin is not a number from 0 to 1"),
        ({"margin": "significantly"}, "margin is not a number from 0 to 1"),
        ({"margin": True}, "margin is not a number from 0 to 1"),
        ({"p_chosen": 0.2}, "p_chosen is below a half"),
        ({"p_chosen": "likely"}, "p_chosen is not a probability"),
        ({"prompt_id": 7}, "prompt_id is not a text"),
        ({"reference": ["a"]}, "reference is not a text"),
        ({"tokens": [1, 2, 3]}, "tokens is not a table of counts"),
        ({"tokens": {"prompt": "many"}}, "tokens is not a table of counts"),
        ({"chosen_from": "gpt"}, "chosen_from is not a table"),
        ({"consistent": "yes"}, "consistent is not true or false"),
        ({"chosen": [{"role": "assistant", "content": None, "tool_calls": "weather"}]}, "chosen is not one assistant"),
        ({"prompt": [{"role": "user", "content": 7}]}, "the prompt is not a list of messages"),
    ],
)
@pytest.mark.parametrize("name", list(CONSUMERS))
def test_optional_fields_that_are_none_are_no_traceback(
    name: str, changed: dict[str, Any], reason: str, make: Any, tmp_path: Path
) -> None:
    """Whatever stands beside a pair: its row is left out with the reason, or nobody looks at the field."""
    form = CONSUMERS[name]
    done = export(
        [make.plain(1), make.plain(2, **changed)], name, tmp_path / f"out{'' if form.folder else form.suffix}"
    )
    assert [number for number, _ in done.left_out] in ([], [2])
    assert all(told.startswith(reason) for _, told in done.left_out)
    key = next(iter(changed))
    if key in form.carries:
        assert done.left_out


def test_tools_in_a_text_are_tools(make: Any, tmp_path: Path) -> None:
    """TRL's own spelling of tools, JSON in a text, comes out as a list where a consumer takes one."""
    pair = make.with_tools(1)
    export([pair | {"tools": json.dumps(pair["tools"])}], "openai-dpo", tmp_path / "out.jsonl")
    assert json.loads((tmp_path / "out.jsonl").read_text())["input"]["tools"] == pair["tools"]


@pytest.mark.parametrize("name", list(CONSUMERS))
def test_steps_are_written_where_they_are_taken(name: str, make: Any, tmp_path: Path) -> None:
    """A side of calls, answers and a last word is whole in the export, or left out by name; never its first message."""
    steps = [
        {"role": "assistant", "content": None, "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": "rain"},
        {"role": "assistant", "content": "Take an umbrella."},
    ]
    form = CONSUMERS[name]
    out = tmp_path / f"out{'' if form.folder else form.suffix}"
    done = export([make.plain(1), make.plain(2, chosen=steps)], name, out)
    if not form.steps:
        assert [number for number, _ in done.left_out] == [2]
        return
    assert not done.left_out
    if form.back is not None:
        assert [row["chosen"] for row in imported(out, name) if isinstance(row, dict)][1] == steps


def test_whole_chats_part_at_the_first_step_that_differs() -> None:
    """Two recorded runs share what is alike and end in their own steps; where users part there is no pair."""
    first = [{"role": "user", "content": "Weather?"}, {"role": "assistant", "content": None, "tool_calls": [CALL]}]
    told = [{"role": "tool", "tool_call_id": "c1", "content": said} for said in ("rain", "sun")]
    ends = [{"role": "assistant", "content": said} for said in ("Umbrella.", "Hat.")]
    (found,) = imported(
        [{"chosen": [*first, told[0], ends[0]], "rejected": [*first, told[1], ends[1]]}], "chosen-rejected"
    )
    assert isinstance(found, dict)
    assert found["prompt"] == first[:1]
    assert found["chosen"] == [first[1], told[0], ends[0]]
    other = [{"role": "user", "content": "Else?"}, ends[0]]
    (refused,) = imported([{"chosen": [first[0], ends[1]], "rejected": other}], "chosen-rejected")
    assert not isinstance(refused, dict)
    assert "part before their last" in refused.reason


def test_a_file_is_not_named_what_it_is_not(make: Any, tmp_path: Path) -> None:
    """Parquet does not go into a file named .jsonl."""
    with pytest.raises(SpecError, match=r"verl reads \.parquet files"):
        export([make.plain(1)], "verl", tmp_path / "out.jsonl")
    assert list(tmp_path.iterdir()) == []
