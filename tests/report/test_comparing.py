from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from results import compared, prompt, sampled, two
from shown import HOSTILE, written

from judgegen.cli import main
from judgegen.errors import SpecError
from judgegen.records import Label, Result
from judgegen.report import comparing

FOR_LOOSE: tuple[Label, Label] = ("first", "second")
FOR_TERSE: tuple[Label, Label] = ("second", "first")
TIE: tuple[Label, Label] = ("tie", "tie")


def results(labels: Sequence[tuple[Label, Label]], text: str = "") -> list[Result]:
    """A prompt per label, with the same two answers each time."""
    return [
        compared(p := prompt(f"p{n}"), two(p, f"good {text}", f"bad {text}"), said) for n, said in enumerate(labels)
    ]


@pytest.fixture
def runs(tmp_path: Path) -> Callable[..., tuple[Path, Path]]:
    """Two run folders of those labels."""

    def write(
        one: Sequence[tuple[Label, Label]], other: Sequence[tuple[Label, Label]], text: str = ""
    ) -> tuple[Path, Path]:
        written(tmp_path / "one", results(one, text))
        written(tmp_path / "other", results(other, text))
        return tmp_path / "one", tmp_path / "other"

    return write


def test_a_run_beside_itself_agrees_in_everything(runs: Callable[..., tuple[Path, Path]]) -> None:
    """Agreement and kappa are 1, nothing moved, nothing is opposed."""
    found = comparing.compare(*runs([FOR_TERSE, FOR_LOOSE, TIE] * 4, [FOR_TERSE, FOR_LOOSE, TIE] * 4))
    assert (found.judged, found.agreement.value, found.kappa.value) == (12, 1.0, 1.0)
    assert (found.pairs, found.same, found.moved, found.differences) == ((8, 0, 0), 8, 0, ())


def test_what_moved_and_what_one_alone_has_is_counted(runs: Callable[..., tuple[Path, Path]]) -> None:
    """Three the same, two turned round, one tied in the second run; the other way about it is the same."""
    one, other = runs([FOR_TERSE] * 6, [FOR_TERSE] * 3 + [FOR_LOOSE] * 2 + [TIE])
    found, mirrored = comparing.compare(one, other), comparing.compare(other, one)
    assert found.agreement.value == mirrored.agreement.value == 0.5
    assert found.pairs == (5, 1, 0)
    assert mirrored.pairs == (5, 0, 1)
    assert (found.same, found.moved) == (mirrored.same, mirrored.moved) == (3, 2)
    assert [d.prompt_id for d in found.differences] == ["p3", "p4"]
    assert found.differences[0].texts == ("bad ", "good ")
    assert found.differences[0].p == (0.0, 1.0)


def test_other_answers_are_not_compared(tmp_path: Path) -> None:
    """Where the runs drew other texts no agreement is known, and it is said; without common prompts: an error."""
    written(tmp_path / "one", results([FOR_TERSE] * 3, "a"))
    written(tmp_path / "other", results([FOR_TERSE] * 3, "b"))
    found = comparing.compare(tmp_path / "one", tmp_path / "other")
    assert (found.judged, found.agreement.value) == (0, None)
    assert any("nobody knows" in line for line in found.words())
    asked = prompt("elsewhere")
    drawn = [sampled(asked, "loose", "x"), sampled(asked, "terse", "y")]
    written(tmp_path / "third", [compared(asked, drawn, FOR_TERSE)])
    with pytest.raises(SpecError, match="no prompt in common"):
        comparing.compare(tmp_path / "one", tmp_path / "third")


def test_the_page_and_the_command_say_the_same(
    runs: Callable[..., tuple[Path, Path]], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Both have every sentence; the page runs nothing; the JSON has the counts."""
    folders = [str(folder) for folder in runs([FOR_TERSE] * 4, [FOR_LOOSE] * 4, HOSTILE[0])]
    with pytest.raises(SystemExit) as ended:
        main(["compare", *folders, "-o", str(tmp_path / "page.html")])
    assert not ended.value.code
    printed, page = capsys.readouterr().out, (tmp_path / "page.html").read_text(encoding="utf-8")
    for line in comparing.compare(*map(Path, folders)).words():
        assert line in printed
        assert line in page
    assert "<script" not in page
    assert page.count("<article>") == 4
    with pytest.raises(SystemExit):
        main(["compare", *folders, "--json"])
    assert json.loads(capsys.readouterr().out)["moved_label"] == 4
