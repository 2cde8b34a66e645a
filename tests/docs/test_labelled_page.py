"""docs/labelled.md shows rows that are read as it says."""

from __future__ import annotations

import json
import re
from pathlib import Path

from judgegen.sources.labelled import NAMES, labelled_from_rows

PAGE = (Path(__file__).parents[2] / "docs" / "labelled.md").read_text(encoding="utf-8")
ROWS = [[json.loads(line) for line in text.splitlines()] for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]


def test_the_rows_are_read_as_the_page_says() -> None:
    """The comparisons shown are comparisons with those votes; the pair's winner is its chosen answer."""
    said: list[str] = []
    shown, pairs, raters, lists = (list(labelled_from_rows(rows, where="page", warn=said.append)) for rows in ROWS)
    assert [one.votes for one in shown] == [("A",), ("tie",), ("B", "B", "A")]
    (pair,) = pairs
    assert (pair.response_a if pair.votes == ("A",) else pair.response_b) == "4"
    for rated, votes, better in ((raters, ["better", "better"], "It fell."), (lists, ["better"], "It shone.")):
        (one,) = rated
        side = "A" if one.response_a == better else "B"
        assert [vote if vote == "tie" else "better" if vote == side else "worse" for vote in one.votes] == votes
    assert said == []


def test_every_field_of_a_comparison_is_on_the_page() -> None:
    """No name that is read by its own name is left out; `messages` is another name for a prompt's chat."""
    assert [name for name in NAMES if f"`{name}`" not in PAGE and name != "messages"] == []


def test_the_other_names_are_known() -> None:
    """The winners and answers that the page names are read."""
    rows = [
        {"prompt": "q", "answer_a": "x", "answer_b": "y", "winner": winner}
        for winner in ("model_a", "[[A]]", "left", "first")
    ]
    rows += [{"prompt": "q", "output_1": "x", "output_2": "y", "winner": "1"}]
    for row in rows:
        (found,) = labelled_from_rows([row], where="page", warn=lambda _: None)
        assert found.votes == ("A",)
