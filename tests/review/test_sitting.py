from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shown import hostile, many, written

from judgegen.errors import SpecError
from judgegen.exchange.comparisons import labelled
from judgegen.review.handover import Tool, handed
from judgegen.review.labels import Labels
from judgegen.review.queue import Queued, a_on_the_left, items, queue
from judgegen.review.sitting import Sitting, judged, wanted
from judgegen.sources import annotated
from judgegen.trust import Judged

QUEUE = [
    Queued(
        id=f"c{i}",
        prompt_id=f"p{i}",
        messages=({"role": "user", "content": f"q{i}"},),
        a=f"good {i}",
        b=f"bad {i}",
        p=0.9,
    )
    for i in range(30)
]
STEPS = st.lists(st.sampled_from(["1", "2", "0", "skip", "undo"]), max_size=30)


def warn(message: str) -> None:
    raise AssertionError(message)


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder."""
    folder = tmp_path_factory.mktemp("runs") / "mine"
    written(folder, many(60))
    return folder


def test_a_queue_is_drawn_by_its_seed_and_its_order(run: Path) -> None:
    """By lot; the least sure first; where verdicts differ first."""
    found = items(run, warn)
    assert len(found) == 60
    drawn = queue(found, 10, "random", 3)
    assert drawn == queue(found[::-1], 10, "random", 3) != queue(found, 10, "random", 4)
    assert all(item.p == 0.5 for item in queue(found, 9, "uncertain", 3))
    assert all(item.conflict for item in queue(found, 6, "disagreement", 3))
    assert not queue(found, 7, "disagreement", 3)[-1].conflict


def test_a_side_says_nothing_of_what_the_judge_chose(run: Path) -> None:
    """The chosen is A about as often as B, and stands left about as often as right."""
    found = [item for item in items(run, warn) if item.p != 0.5]
    assert 0.25 < sum(item.p == 1.0 for item in found) / len(found) < 0.75
    left = sum(a_on_the_left(item, "me", 0) == (item.p == 1.0) for item in found)
    assert 0.25 < left / len(found) < 0.75


def test_what_cannot_be_compared_is_no_item(tmp_path: Path) -> None:
    """Refused candidates, tool calls, one answer alone, the same text twice: there is nothing to choose."""
    written(tmp_path, hostile())
    found = {item.prompt_id for item in items(tmp_path, warn)}
    assert not found & {"p5", "p6", "p7"}
    assert found >= {"p1", "p2", "p3", "p4", "p8"}


@settings(max_examples=30)
@given(STEPS, st.integers(0, 3))
def test_labels_survive_any_end(steps: list[str], seed: int) -> None:
    """Whatever was voted, taken back and skipped: a new server over the same file, or half a line more, has it all."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "labels.jsonl"
        with Labels(path) as labels:
            sitting = Sitting(QUEUE, labels, "me", seed)
            for step in steps:
                item = sitting.next()
                if step == "undo":
                    sitting.undo()
                elif item is not None:
                    sitting.vote(item.id, step)
            before = sitting.mine()
            path.write_bytes(path.read_bytes() + b'{"log": "judgegen-labels", "id": "c9", "wi')
        with Labels(path) as labels:
            again = Sitting(QUEUE, labels, "me", seed)
            assert again.mine() == before
            assert path.read_bytes() == b"" or path.read_bytes().endswith(b"\n")
            first = again.next()
            assert first is None or first.id not in before


@pytest.mark.slow
def test_a_vote_is_for_the_answer_that_stood_there(tmp_path: Path) -> None:
    """1 is the left one, whichever of A and B that is; the judge's word comes after one's own, in the same places."""
    with Labels(tmp_path / "labels.jsonl") as labels:
        sitting = Sitting(QUEUE, labels, "me")
        for _ in QUEUE:
            shown = sitting.state()["item"]
            assert set(shown) == {"id", "prompt", "left", "right"}
            good_left = shown["left"].startswith("good")
            sitting.vote(shown["id"], "1" if good_left else "2", "clear")
            last = sitting.state()["last"]
            assert last["you"] == last["judge"] == ("1" if good_left else "2")
            assert last["p"] == pytest.approx(0.9 if good_left else 0.1)
        assert set(sitting.mine().values()) == {"A"}
        assert {line["note"] for line in labels.lines} == {"clear"}
        assert Counter(a_on_the_left(item, "me", 0) for item in QUEUE)[True] not in (0, len(QUEUE))
        names = dict(sitting.state()["figures"])
    assert names["agreement"].startswith("1.000")
    assert names["labels wanted"] == "enough"


def test_labels_are_what_check_reads_with_a_vote_of_each(tmp_path: Path) -> None:
    """The last word of each annotator counts; what was taken back does not; a comparison has all its votes."""
    path = tmp_path / "labels.jsonl"
    with Labels(path) as labels:
        for who, votes in (("me", "122u"), ("you", "11")):
            sitting = Sitting(QUEUE[:2] if who == "you" else QUEUE, labels, who)
            for key in votes:
                item = sitting.next()
                assert item is not None
                if key == "u":
                    sitting.undo()
                else:
                    sitting.vote(item.id, key)
        rows = judged(QUEUE, labels.lines)
    found = list(labelled(path, None, warn))
    assert [row.id for row in found] == ["c0", "c1"]
    assert [len(row.votes) for row in found] == [2, 2]
    assert [row.votes for row in found] == [row.votes for row in rows]
    assert found[0].response_a == "good 0"
    assert len(annotated.read(path)) == 6


def test_a_file_of_something_else_is_left_alone(tmp_path: Path) -> None:
    """Labels are added to labels, to nothing else; a broken line in the middle is named."""
    path = tmp_path / "labels.jsonl"
    path.write_text('{"prompt": "mine"}\n')
    with pytest.raises(SpecError, match="no labels"):
        Labels(path)
    assert path.read_text() == '{"prompt": "mine"}\n'
    path.write_text('{"log": "judgegen-labels", "id": "a", "annotator": "b", "winner": "A"}\n{nonsense\n{}\n')
    with pytest.raises(SpecError, match="line 2"):
        Labels(path)


@pytest.mark.parametrize(("right", "of", "words"), [(5, 5, "more at least"), (40, 40, "enough"), (20, 40, "no number")])
def test_how_many_more_are_wanted(right: int, of: int, words: str) -> None:
    """Few: the least that could do; all right: enough; half right: no number will."""
    rows = [Judged(prompt_id=str(i), votes=("A" if i < right else "B",), p=0.8) for i in range(of)]
    assert words in wanted(rows)


@pytest.mark.parametrize("tool", list(Tool))
def test_a_queue_handed_on_says_nothing_of_the_judge(tool: Tool) -> None:
    """Every comparison, in the shape of the tool, the sides as they would stand here."""
    text = handed(QUEUE, tool, annotator="me", seed=0)
    rows = (
        [t["data"] for t in json.loads(text)] if tool is Tool.label_studio else list(map(json.loads, text.splitlines()))
    )
    assert [row["id"] for row in rows] == [item.id for item in QUEUE]
    for row in rows:
        assert set(row) == {"id", "prompt", "response_1", "response_2", "left_is"}
        assert row["response_1"].startswith("good") == (row["left_is"] == "A")
