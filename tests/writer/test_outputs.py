from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from results import each, generated, known, words

from judgegen.errors import SpecError
from judgegen.exchange.export import export
from judgegen.records import Result
from judgegen.textual import normal
from judgegen.writer import files
from judgegen.writer.outputs import Outputs

GOLDEN = Path(__file__).parent / "golden"
UPDATE = "JUDGEGEN_UPDATE_GOLDEN"
FILES = [
    *(f"audit/{name}.parquet" for name in ("calls", "candidates", "pairs", "prompts", "verdicts")),
    *("openai-dpo.jsonl", "preferences.jsonl", "summary.json"),
]
Write = Callable[..., dict[str, Any]]
Contents = Callable[[Path], dict[str, bytes]]


@pytest.mark.parametrize("name", ["preferences.jsonl", "openai-dpo.jsonl"])
def test_rows_are_the_golden_ones(write: Write, tmp_path: Path, name: str) -> None:
    """To the byte what was looked at; `JUDGEGEN_UPDATE_GOLDEN=1 pytest tests/writer` writes them anew."""
    write(tmp_path, known())
    found = (tmp_path / name).read_bytes()
    if os.environ.get(UPDATE):
        (GOLDEN / name).write_bytes(found)
    assert found == (GOLDEN / name).read_bytes()


def test_the_summary_is_what_was_counted_by_hand(write: Write, tmp_path: Path) -> None:
    """Every figure that was counted by hand is in the summary; further ones may stand beside them."""
    summary = write(tmp_path, known())
    golden = json.loads((GOLDEN / "summary.json").read_bytes())
    if os.environ.get(UPDATE):
        golden = {name: summary[name] for name in golden}
        (GOLDEN / "summary.json").write_text(json.dumps(golden, indent=2, ensure_ascii=False) + "\n")
    assert {name: summary[name] for name in golden} == golden
    assert [name for name in summary if name in golden] == list(golden)


@pytest.mark.slow
@settings(max_examples=20)
@given(generated())
def test_every_prompt_comes_out_as_pairs_or_a_reason(
    write: Write, tmp_path_factory: pytest.TempPathFactory, results: list[Result]
) -> None:
    """What goes in is counted once, and no pair is lost, repeated or beside another prompt's text."""
    folder = tmp_path_factory.mktemp("run")
    summary = write(folder, results)
    rows = [json.loads(line) for line in (folder / "preferences.jsonl").read_bytes().splitlines()]
    assert summary["prompts"] == len(results) == sum(summary["drops"].values()) + len({r["prompt_id"] for r in rows})
    assert summary["pairs"] == len(rows)
    assert [row["prompt_id"] for row in rows] == [r.prompt.id for r in results for _ in r.pairs]
    for row in rows:
        texts = [row[side][0]["content"] for side in ("chosen", "rejected")]
        assert all(text.startswith(f"{row['prompt_id']} says ") for text in texts)
        assert normal(texts[0]) != normal(texts[1])
        assert row["prompt"] == [{"role": "user", "content": f"what is {row['prompt_id']} ?"}]


@pytest.mark.slow
@settings(max_examples=10)
@given(generated())
def test_the_same_results_make_the_same_bytes(
    write: Write, contents: Contents, tmp_path_factory: pytest.TempPathFactory, results: list[Result]
) -> None:
    """Two folders, two times, one content."""
    folders = [tmp_path_factory.mktemp("run") for _ in range(2)]
    one, other = (write(folder, results) for folder in folders)
    assert one == other == json.loads((folders[0] / "summary.json").read_bytes())
    assert contents(folders[0]) == contents(folders[1])
    assert list(contents(folders[0])) == FILES


CHILD = """
import os, signal, sys
from pathlib import Path
from results import each, known, words
from judgegen.writer.outputs import Outputs

folder, results, renames = Path(sys.argv[1]), known()[: int(sys.argv[2])], int(sys.argv[3])
replace = Path.replace
def last(self, target):
    global renames
    renames -= 1
    if renames < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(self, target)
Path.replace = last
counting = {"count_messages": words, "count_texts": each}
stamp = {"pyarrow": "0", "judgegen": "0.0", "run": "abc"}
with Outputs(folder, stamp=stamp, formats=["openai-dpo"], encoding="o200k_base", **counting) as outputs:
    for result in results:
        outputs.add(result)
    outputs.finish({})
"""


def child(folder: Path, *, count: int, renames: int) -> int:
    """Writes the first results in a process of its own that is killed before so many renames are one more."""
    path = os.pathsep.join(sys.path)
    arguments = [sys.executable, "-c", CHILD, str(folder), str(count), str(renames)]
    return subprocess.run(arguments, env={"PYTHONPATH": path, "PYTHONHASHSEED": "7"}, check=False).returncode


@pytest.mark.slow
def test_another_process_writes_the_same_bytes(write: Write, contents: Contents, tmp_path: Path) -> None:
    """Neither the order of hashes nor the order of the stamp shows."""
    write(tmp_path / "here", known())
    assert child(tmp_path / "there", count=8, renames=99) == 0
    assert contents(tmp_path / "there") == contents(tmp_path / "here")


@pytest.mark.slow
@pytest.mark.parametrize("renames", [0, 3])
def test_a_killed_writer_leaves_whole_files(write: Write, contents: Contents, tmp_path: Path, renames: int) -> None:
    """Each file is the old one or the new one; the next writer clears what lies beside them."""
    write(tmp_path / "old", known()[:2])
    write(tmp_path / "new", known())
    write(tmp_path / "run", known()[:2])
    assert child(tmp_path / "run", count=8, renames=renames) == -signal.SIGKILL
    old, new, found = (contents(tmp_path / name) for name in ("old", "new", "run"))
    assert any(name.endswith(files.SUFFIX) for name in found)
    assert all(found[name] in (old[name], new[name]) for name in FILES)
    assert sum(found[name] != old[name] for name in FILES) == renames
    write(tmp_path / "run", known())
    assert contents(tmp_path / "run") == new


class Torn(BaseException):
    """Stands for whatever ends a writer from outside."""


@pytest.mark.parametrize("renames", range(len(FILES)))
def test_a_writer_that_is_ended_while_it_lands_clears_up(
    write: Write, contents: Contents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    """At whichever rename it ends, every file is whole and nothing lies beside them; the summary is the last."""
    write(tmp_path / "old", known()[:2])
    write(tmp_path / "new", known())
    write(tmp_path / "run", known()[:2])
    old, new = contents(tmp_path / "old"), contents(tmp_path / "new")
    left, rename = iter(range(renames)), Path.replace

    def torn(self: Path, target: Path) -> Path:
        if next(left, None) is None:
            raise Torn
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", torn)
    with pytest.raises(Torn):
        write(tmp_path / "run", known())
    found = contents(tmp_path / "run")
    assert list(found) == FILES
    assert all(found[name] in (old[name], new[name]) for name in FILES)
    assert found["summary.json"] == old["summary.json"]


@pytest.mark.parametrize("fresh", [True, False])
def test_left_without_finishing_nothing_shows(write: Write, contents: Contents, tmp_path: Path, fresh: bool) -> None:
    """What was there before is there, and nothing else."""
    if not fresh:
        write(tmp_path, known()[:2])
    before = contents(tmp_path)

    def end() -> None:
        with Outputs(tmp_path, stamp={}, formats=["openai-dpo"], encoding="o200k_base") as outputs:
            for result in known():
                outputs.add(result)
            raise Torn

    with pytest.raises(Torn):
        end()
    assert contents(tmp_path) == before


def test_a_table_that_cannot_be_written_keeps_every_old_file(write: Write, contents: Contents, tmp_path: Path) -> None:
    """The audit's last rows fail before the first file is renamed."""
    write(tmp_path, known()[:2])
    before = contents(tmp_path)
    broken = replace(known()[1], detail=7)  # type: ignore[arg-type]
    with pytest.raises(Exception, match="int"):
        write(tmp_path, [known()[0], broken])
    assert contents(tmp_path) == before


def test_what_another_formats_writer_left_is_cleared(write: Write, contents: Contents, tmp_path: Path) -> None:
    """A part of a format that is no longer asked for goes; a stranger's file stays."""
    (tmp_path / "trl-dpo.jsonl.part").write_text("left")
    (tmp_path / "mine.jsonl.part").write_text("mine")
    write(tmp_path, known())
    assert list(contents(tmp_path)) == sorted([*FILES, "mine.jsonl.part"])


PAIRED = known()[0]
(PAIR,) = PAIRED.pairs


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (replace(PAIRED, pairs=()), "0 pairs"),
        (replace(PAIRED, drop="tie"), "1 pairs"),
        (replace(PAIRED, pairs=(replace(PAIR, rejected=PAIR.chosen),)), "the same"),
        (replace(PAIRED, pairs=(replace(PAIR, p_chosen=0.5),)), "favour"),
        (replace(PAIRED, pairs=(replace(PAIR, p_chosen=float("nan")),)), "favour"),
        (replace(PAIRED, pairs=(replace(PAIR, chosen=replace(PAIR.chosen, prompt_id="p9")),)), "none of the prompt"),
        (replace(PAIRED, pairs=known()[7].pairs), "none of the prompt"),
        (
            replace(
                PAIRED,
                candidates=(PAIRED.candidates[0], replace(PAIR.chosen, refused="empty")),
                pairs=(replace(PAIR, chosen=replace(PAIR.chosen, refused="empty")),),
            ),
            "may not compete",
        ),
    ],
)
def test_what_breaks_a_law_is_not_written(
    write: Write, contents: Contents, tmp_path: Path, broken: Result, why: str
) -> None:
    """The last gate: such a result ends the writing, and the folder is as it was."""
    with pytest.raises(ValueError, match=why):
        write(tmp_path, [known()[1], broken])
    assert contents(tmp_path) == {}


def test_what_nobody_judged_can_be_a_pair(write: Write, tmp_path: Path) -> None:
    """A pair by construction has no probability and no margin: null, in the row and in the audit."""
    pair = replace(PAIR, p_chosen=None, margin=None, consistent=None, verdict_calls=())
    write(tmp_path, [replace(PAIRED, pairs=(pair,), matches=(), ranking=None)])
    row = json.loads((tmp_path / "preferences.jsonl").read_bytes())
    assert [row[name] for name in ("p_chosen", "margin", "consistent", "verdict_calls")] == [None, None, None, []]


def test_what_does_not_fit_a_format_is_left_out_and_counted(write: Write, tmp_path: Path) -> None:
    """Every pair is a row of the format's file or stands in the summary with its reason."""
    formats = write(tmp_path, known(), formats=["openai-dpo", "trl-dpo"])["formats"]
    (reason,) = formats["openai-dpo"]["left_out"]
    assert "'assistant'" in reason
    assert formats["openai-dpo"] == {"rows": 2, "left_out": {reason: 1}}
    for name, counted in formats.items():
        assert len((tmp_path / f"{name}.jsonl").read_bytes().splitlines()) == counted["rows"]
        assert counted["rows"] + sum(counted["left_out"].values()) == 3


def test_upload_ready_rows_have_exactly_their_keys(write: Write, tmp_path: Path) -> None:
    """Three keys, one assistant message a side, roles that the schema knows, and tools only where there are some."""
    developer = ({"role": "developer", "content": "be brief"}, {"role": "user", "content": "hi"})
    first = known()[0]
    told = replace(first, prompt=replace(first.prompt, messages=developer))
    write(tmp_path, [told, known()[6]])
    plain, tools = (json.loads(line) for line in (tmp_path / "openai-dpo.jsonl").read_bytes().splitlines())
    assert [message["role"] for message in plain["input"]["messages"]] == ["system", "user"]
    assert (list(plain["input"]), list(tools["input"])) == (["messages"], ["messages", "tools"])
    for row in (plain, tools):
        assert list(row) == ["input", "preferred_output", "non_preferred_output"]
        assert [m["role"] for side in list(row)[1:] for m in row[side]] == ["assistant", "assistant"]


def test_an_export_of_the_preferences_gives_the_same_bytes(write: Write, tmp_path: Path) -> None:
    """Written with the run or exported later, a format's file is one and the same."""
    write(tmp_path, known())
    rows = [json.loads(line) for line in (tmp_path / "preferences.jsonl").read_bytes().splitlines()]
    export(rows, "openai-dpo", tmp_path / "later.jsonl")
    assert (tmp_path / "later.jsonl").read_bytes() == (tmp_path / "openai-dpo.jsonl").read_bytes()


def test_an_unknown_format_is_an_error_before_anything_is_written(contents: Contents, tmp_path: Path) -> None:
    """It names the nearest, and leaves nothing behind."""
    with pytest.raises(SpecError, match="openai-dpo"):
        Outputs(tmp_path, stamp={}, formats=["openai_dpo"], encoding="o200k_base")
    assert contents(tmp_path) == {}


def test_extra_keys_stand_in_the_summary(write: Write, tmp_path: Path) -> None:
    """What the caller adds is in the file and in what is returned."""
    summary = write(tmp_path, [], note="by hand")
    assert summary["note"] == "by hand"
    assert json.loads((tmp_path / "summary.json").read_bytes()) == summary


def test_nothing_in_is_an_empty_run(write: Write, contents: Contents, tmp_path: Path) -> None:
    """Every file is there, without a row; what would be divided by nothing is null."""
    summary = write(tmp_path, [])
    assert list(contents(tmp_path)) == FILES
    assert contents(tmp_path)["preferences.jsonl"] == b""
    assert set(summary["diagnostics"].values()) == {None}


def test_tokens_are_counted_as_the_encoding_does(tmp_path: Path) -> None:
    """Unless told otherwise the tokenizer is the one named."""
    with Outputs(tmp_path, stamp={}, formats=[], encoding="o200k_base") as outputs:
        outputs.add(known()[6])
        outputs.finish({})
    found = json.loads((tmp_path / "preferences.jsonl").read_bytes())["tokens"]
    assert found["rejected"] == 1
    assert found["prompt"] > words(known()[6].prompt.messages)
    assert found["chosen"] >= len(each(["weather\n{}"]))
