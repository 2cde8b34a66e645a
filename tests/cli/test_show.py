from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from shown import hostile, written

import judgegen as package

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder with a prompt of each kind, and hostile ones."""
    written(tmp_path / "mine", hostile())
    return tmp_path / "mine"


@pytest.mark.parametrize("width", ["40", "80", "200"])
def test_shown_lines_fit_and_move_no_cursor(
    judgegen: Command, monkeypatch: pytest.MonkeyPatch, run: Path, width: str
) -> None:
    """At any width, in a pipe: no line is wider, and control characters are shown by their escapes."""
    monkeypatch.setenv("COLUMNS", width)
    done = judgegen("show", "mine", "--n", "100")
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= max(int(width), 32)
    assert not set(done.stdout) & set("\x00\x07\x1b\u202e\u2066")
    assert "no pair: tie" in done.stdout
    assert "\\u202e" in done.stdout


def test_a_condition_and_a_number_pick(judgegen: Command, run: Path) -> None:
    """The last line says how many of how many; what is no condition ends with 2."""
    done = judgegen("show", "mine", "--where", "outcome == 'pair'", "--n", "2")
    assert done.stdout.splitlines()[-1].startswith("2 of 12, 17 in all")
    assert judgegen("show", "mine", "--where", "p <").returncode == 2


def test_shown_as_json_there_is_a_row_a_line(judgegen: Command, run: Path) -> None:
    """Each with its id and outcome."""
    done = judgegen("show", "mine", "-n", "3", "--json")
    assert [set(json.loads(line)) >= {"id", "outcome"} for line in done.stdout.splitlines()] == [True] * 3


def test_whole_texts_are_shown_on_demand(judgegen: Command, tmp_path: Path) -> None:
    """A long text is cut to its first lines and says so, unless all of it is asked for."""
    from shown import many

    written(tmp_path / "mine", many(1, length=400))
    assert "more lines" in judgegen("show", "mine").stdout
    assert "more lines" not in judgegen("show", "mine", "--full").stdout


@pytest.mark.slow
def test_a_report_says_where_it_is_and_what_it_holds(judgegen: Command, run: Path) -> None:
    """The path in words and as JSON; several runs need a bundle."""
    done = judgegen("report", "mine")
    assert done.stdout == "mine/report.html: all 17 pairs and prompts without one\n"
    assert json.loads(judgegen("report", "mine", "--json", "-o", "x.html").stdout)["path"] == "x.html"
    assert judgegen("report", "mine", "mine").returncode == 2
    assert judgegen("report", "nothing").returncode == 2
    assert judgegen("report", "mine", "--bundle", "site").stdout.splitlines()[-1] == "site/index.html"


def test_a_run_in_python_shows_itself(run: Path) -> None:
    """A page, a sample with faces for a terminal and a notebook, charts."""
    loaded = package.load(run)
    assert loaded.report() == run / "report.html"
    drawn = loaded.sample(3, where="outcome == 'pair'")
    assert len(drawn) == 3
    assert drawn.of == 12
    assert "chosen" in repr(drawn)
    shown = loaded.sample(100)._repr_html_()
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown
    assert "\u202e" not in shown
    assert loaded.plot.margin().to_dict()["mark"]


@pytest.mark.parametrize("name", ["show", "report"])
def test_what_is_no_run_is_said_to_be_none(judgegen: Command, tmp_path: Path, name: str) -> None:
    """A folder that is not there, one of something else; the journal is not sent for where there is none."""
    (tmp_path / "other").mkdir()
    for folder, words in (("nosuch", "no such folder"), ("other", "no run's folder")):
        done = judgegen(name, folder)
        assert done.returncode == 2
        assert words in done.stderr
        assert "makes it from the journal" not in done.stderr
