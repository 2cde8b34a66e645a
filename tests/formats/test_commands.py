"""The two commands: a run or a file out, a file in; what is printed, in words and as JSON, and how it ends."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from judgegen import api
from judgegen.cli.export import export
from judgegen.cli.import_ import import_
from judgegen.exchange.validate import validate

app = typer.Typer()
app.command("export")(export)
app.command("import")(import_)
Command = Callable[..., Any]


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs a command in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def preferences_file(preferences: list[dict[str, Any]], tmp_path: Path) -> Path:
    """preferences.jsonl with one row of each kind, and one that is none."""
    path = tmp_path / "found.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in [*preferences, {"prompt": "Why?"}]))
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 60 prompts with three candidates each, whose judge ties and errs now and then."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    table = {
        "prompts": "none",
        "endpoints": {
            "world": {"provider": "scripted", "scripted": {"accuracy": 0.8, "tie_rate": 0.3, "logprobs": False}}
        },
        "sampler": {"endpoint": "world", "model": "small", "variants": [{"name": "a", "n": 3, "temperature": 0.7}]},
        "judge": {"endpoint": "world", "model": "large"},
        "pairs": {"min_p_chosen": 0.8, "p_chosen": "stated"},  # what such a judge is worth is below any such threshold
    }
    asyncio.run(api.generate(table, out=folder, prompts=[f"Question {n}?" for n in range(60)]))
    return folder


def rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSONL file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_file_goes_out_and_what_does_not_fit_is_named(command: Command, preferences_file: Path) -> None:
    """The output stands beside the input; rows that do not fit are counted by reason and named by row."""
    done = command("export", preferences_file, "--to", "openrlhf")
    assert done.exit_code == 0, done.output
    assert len(rows(preferences_file.with_name("found.openrlhf.jsonl"))) == 2
    assert "2 rows for openrlhf" in done.stdout
    assert "1  tool definitions: openrlhf has no place for them (row 3)" in done.stdout
    assert "1  prompt is not a list of messages (row 4)" in done.stdout


def test_the_same_as_json(command: Command, preferences_file: Path) -> None:
    """--json prints one object with the paths, the counts and every row that was left out."""
    done = command("export", preferences_file, "--to", "trl-dpo", "--split", "0.5", "-o", "out/pairs.jsonl", "--json")
    told = json.loads(done.stdout)
    assert sum(told["counts"].values()) == 3
    assert told["left_out"]["rows"] == [[4, "prompt is not a list of messages"]]
    assert told["flip_rate"] == 0.1
    assert [Path(path).name for path in told["paths"]] == ["pairs.train.jsonl", "pairs.test.jsonl"]


@pytest.mark.slow
def test_a_run_goes_out_with_what_is_known_of_it(command: Command, run: Path) -> None:
    """A run's pairs become a data set whose card names models, drops, cost and doubt, and a grader from its judge."""
    done = command("export", run, "--to", "huggingface", "-o", "hub")
    assert done.exit_code == 0, done.output
    pairs = len(rows(run / "preferences.jsonl"))
    assert pq.read_table("hub/data/train-00000-of-00001.parquet").num_rows == pairs
    card = Path("hub/README.md").read_text()
    for words in (
        "`small`",
        "judged by `large` with the template `pairwise`",
        f"{pairs:,} pairs",
        "60 prompts",
        "the judge's own doubt",
    ):
        assert words in card
    assert command("export", run, "--to", "openai-rft", "-o", "rft.jsonl").exit_code == 0
    grader = json.loads(Path("rft.grader.json").read_text())
    assert (grader["type"], grader["model"], grader["range"]) == ("score_model", "large", [0, 1])
    assert "{{sample.output_text}}" in grader["input"][-1]["content"]


def test_kto_takes_the_judged_answers_that_are_in_no_pair(command: Command, run: Path) -> None:
    """Every judged candidate goes out once: labelled by its share of wins, ties as told or not at all, flips never."""
    candidates = pq.read_table(run / "audit" / "candidates.parquet").to_pylist()
    outcome = {row["prompt_id"]: row["outcome"] for row in pq.read_table(run / "audit" / "prompts.parquet").to_pylist()}
    paired = {
        (row["prompt_id"], row[side])
        for row in pq.read_table(run / "audit" / "pairs.parquet").to_pylist()
        for side in ("chosen", "rejected")
    }
    believed = [
        c for c in candidates if c["score"] is not None and outcome[c["prompt_id"]] not in ("flip", "unreadable")
    ]
    spare = [c for c in believed if (c["prompt_id"], c["candidate"]) not in paired]
    tied = [c for c in spare if c["score"] == 0.5]
    assert tied
    assert len(spare) > len(tied)
    for told, extra in (((), 0), (("--ties", "wanted"), len(tied))):
        done = command("export", run, "--to", "trl-kto", "--unpaired", *told, "-o", "kto.jsonl")
        assert done.exit_code == 0, done.output
        found = rows(Path("kto.jsonl"))
        assert len(found) == len(paired) + len(spare) - len(tied) + extra
        wanted = sum(c["score"] > 0.5 for c in spare) + extra + len(paired) // 2
        assert sum(row["label"] for row in found) == wanted


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("missing.jsonl", "--to", "openai-dpo"), "missing.jsonl: cannot be read"),
        (("found.jsonl", "--to", "openai"), "known: axolotl, "),
        (("found.jsonl", "--to", "trl-dpo", "--from", "hh"), "is no shape to import from"),
        (("found.jsonl", "--to", "trl-kto", "--unpaired"), "--unpaired takes a run folder"),
        (("found.jsonl", "--to", "trl-dpo", "--split", "90"), "not between 0 and 1"),
    ],
)
def test_what_cannot_be_done_ends_with_two_and_the_mend(
    arguments: tuple[str, ...], told: str, command: Command, preferences_file: Path
) -> None:
    """A wrong file, name or option is told on stderr, with exit code 2, and in the object of --json."""
    done = command("export", *arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert told in done.stderr
    assert told in json.loads(command("export", *arguments, "--json").stdout)["error"]["message"]


def test_an_import_tells_what_it_kept_and_refused(command: Command, tmp_path: Path) -> None:
    """Kept and refused rows are counted, the refused ones by reason; the result exports at once."""
    same = {"response1": "a", "response2": "b", "context": [{"role": "user", "content": "Why?"}]}
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps(same | {"overall_preference": n}) + "\n" for n in (-1, 0, 2)))
    done = command("import", path, "--from", "helpsteer3", "-o", "out.jsonl", "--system", "Be kind.")
    assert done.exit_code == 0, done.output
    assert "2 preferences in out.jsonl" in done.stdout
    assert "1  both are called equal: a tie, not a preference" in done.stdout
    told = json.loads(command("import", path, "--from", "helpsteer3", "-o", "out.jsonl", "--json").stdout)
    assert (told["rows"], told["rejects"]["total"], told["paths"]) == (2, 1, ["out.jsonl", "out.rejects.jsonl"])
    done = command("export", "out.jsonl", "--to", "openai-dpo")
    assert done.exit_code == 0
    assert "beware: train has 2 rows, and openai-dpo refuses a file with fewer than 10" in done.stdout
    one_sided = command("export", "out.jsonl", "--to", "openai-dpo", "--split", "0.999")
    assert (one_sided.exit_code, "leaves test without a row" in one_sided.output) == (2, True)
    assert command("import", path, "--from", "pandalm", "-o", "none.jsonl").exit_code == 2
    assert not Path("none.jsonl").exists()


def test_the_guides_conversion_is_one_command(command: Command, tmp_path: Path) -> None:
    """Another publisher's file goes to a consumer directly, with --from."""
    row = {
        "instruction": "Why?",
        "chosen_response": "So.",
        "rejected_response": "No.",
        "chosen_avg_rating": 5,
        "rejected_avg_rating": 1,
    }
    path = tmp_path / "argilla.jsonl"
    path.write_text(json.dumps(row) + "\n")
    assert command("export", path, "--from", "argilla-ultrafeedback", "--to", "openai-dpo").exit_code == 0
    (found,) = rows(tmp_path / "argilla.openai-dpo.jsonl")
    assert found == {
        "input": {"messages": [{"role": "user", "content": "Why?"}]},
        "preferred_output": [{"role": "assistant", "content": "So."}],
        "non_preferred_output": [{"role": "assistant", "content": "No."}],
    }


def test_ties_go_to_who_takes_them(command: Command, run: Path) -> None:
    """Tinker gets a run's pairs and its ties as such; nobody else gets a tie, and a tie is read back as one."""
    done = command("export", run, "--to", "tinker", "-o", "tinker.jsonl")
    assert done.exit_code == 0, done.output
    found = rows(Path("tinker.jsonl"))
    matches: dict[tuple[str, int], set[str | None]] = {}
    for row in pq.read_table(run / "audit" / "verdicts.parquet").to_pylist():
        if row["counted"]:
            matches.setdefault((row["prompt_id"], row["match"]), set()).add(row["label"])
    flipped = {
        row["prompt_id"]
        for row in pq.read_table(run / "audit" / "prompts.parquet").to_pylist()
        if row["outcome"] in ("flip", "unreadable")
    }
    labels = [row["label"] for row in found]
    tied = sum(seen == {"tie"} for (name, _), seen in matches.items() if name not in flipped)
    assert labels.count("Tie") == tied > 0
    assert len(found) - labels.count("Tie") == len(rows(run / "preferences.jsonl"))
    assert {"A", "B"} < set(labels)
    done = command("export", "tinker.jsonl", "--from", "tinker", "--to", "trl-dpo", "-o", "pairs.jsonl")
    assert f"{labels.count('Tie')}  a tie: " in done.stdout.replace(",", "")


def test_every_prompt_of_a_run_goes_to_who_samples(command: Command, run: Path) -> None:
    """trl-prompts has a row for each prompt, with the spread of what was judged, and no pass rate of shares of wins."""
    assert command("export", run, "--to", "trl-prompts", "-o", "prompts.jsonl").exit_code == 0
    found = rows(Path("prompts.jsonl"))
    assert len(found) == 60
    assert all("pass_rate" not in row for row in found)
    assert all((row["spread"] is None) == (row["candidates"] == 0) for row in found)
    assert any(row["spread"] for row in found)


def test_all_candidates_of_a_run_go_out_in_order(command: Command, run: Path) -> None:
    """Scores fall as ranks rise, equal scores share a rank, and the two shapes hold the same answers."""
    for name in ("candidates", "ultrafeedback-completions"):
        assert command("export", run, "--to", name, "-o", f"{name}.jsonl").exit_code == 0
    found, texts = rows(Path("candidates.jsonl")), rows(Path("ultrafeedback-completions.jsonl"))
    assert len(found) == len(texts) > 30
    for row, told in zip(found, texts, strict=True):
        worth = [(each["score"], each["rank"]) for each in row["candidates"]]
        assert worth == sorted(worth, key=lambda each: (-each[0], each[1]))
        assert [each["overall_score"] for each in told["completions"]] == [score for score, _ in worth]
    done = command("export", run, "--to", "rubric-oumi", "-o", "rubric.jsonl")
    assert (done.exit_code, "no rubric: a run whose judge" in done.output) == (2, True)


@pytest.mark.parametrize(
    ("kept", "more", "name"),
    [
        ("rubric", "", "honesty"),
        ("hybrid", "", "question 1"),
        ("rubric", 'checklist = ["Does it name its source?"]\n', "question 1"),
    ],
)
def test_a_judges_own_rubric_becomes_reward_data(
    kept: str, more: str, name: str, command: Command, tmp_path: Path
) -> None:
    """Aspects of a rubric, or the questions of the prompt's or the run's checklist, in the words of four consumers."""
    folder = tmp_path / "run"
    before = Path(__file__).parents[1] / "before" / kept
    shutil.copytree(before / "run", folder)
    (folder / "run.toml").write_text(
        (before / "mine.toml").read_text().replace("[judge]", '[judge]\nrubric = "rubric"\n' + more)
    )
    where = {"rubric-oumi": "rubrics", "rubric-rar": "rubric", "rubric-tinker": "rubric_items"}
    for consumer in (*where, "rubric-verifiers"):
        done = command("export", folder, "--to", consumer, "-o", f"{consumer}.jsonl")
        assert done.exit_code == 0, done.output
        found = rows(Path(f"{consumer}.jsonl"))
        assert all(row[where.get(consumer, "criteria")] for row in found)
        assert validate(Path(f"{consumer}.jsonl"), consumer).findings == ()
    assert name in [each["name"] for each in rows(Path("rubric-oumi.jsonl"))[0]["rubrics"]]


@pytest.mark.parametrize("words", [["import"], ["export", "--to", "trl-dpo"]])
def test_nothing_is_written_over_what_it_is_read_from(command: Command, tmp_path: Path, words: list[str]) -> None:
    """By whatever name: the file would be gone, and with it what its shape had and ours has not."""
    row = {"prompt": "a", "chosen": "b", "rejected": "c", "mine": 1}
    (tmp_path / "x.jsonl").write_text(json.dumps(row) + "\n")
    (tmp_path / "link.jsonl").symlink_to("x.jsonl")
    for out in ("x.jsonl", "./x.jsonl", "link.jsonl"):
        done = command(*words, "x.jsonl", "--out", out)
        assert done.exit_code == 2
        assert "would be written over" in done.stderr
    assert json.loads((tmp_path / "x.jsonl").read_text()) == row
    assert command("import", "x.jsonl", "--out", "y.jsonl").exit_code == 0
    assert command("export", "y.jsonl", "--to", "trl-dpo", "--out", "z.jsonl").exit_code == 0
