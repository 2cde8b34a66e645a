from __future__ import annotations

import json
from contextlib import redirect_stdout
from decimal import Decimal
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from judgegen.llm.calls import Call, Choice, Reply, Tag, Usage
from judgegen.llm.guess import Bound
from judgegen.records import Prompt, Result
from judgegen.run.expected import Estimate, Portion
from judgegen.run.result import Run
from judgegen.show.notebook import Notebook

SUMMARY: dict[str, Any] = {
    "prompts": 40,
    "pairs": 37,
    "candidates": {"total": 160, "refused": {"truncated": 3}},
    "drops": {"tie": 2, "too-few": 1, "incomplete": 0},
    "calls": {"sampler": 160, "judge": 480, "from_journal": 600},
    "tokens": {"input": 123456, "output": 7890},
    "cost_usd": {"sampler": "0.10", "judge": "1.25", "total": "1.35"},
    "diagnostics": {"flip_rate": 0.125, "p_first": None},
}


def test_an_error_is_shown_by_its_message_and_by_the_lines_that_are_not_ours() -> None:
    """In a notebook too: forty lines of this package and of asyncio stood before the sentence that helps."""
    from IPython.core.interactiveshell import InteractiveShell

    shell: Any = cast("Any", InteractiveShell)()
    with redirect_stdout(StringIO()) as out:
        shell.run_cell("import judgegen\ndef mine():\n    return judgegen.load('nowhere')\nmine()", store_history=False)
    first, *places = out.getvalue().rstrip().splitlines()
    assert first == "SpecError: nowhere: no such folder; name the folder of a run, as its end or --out has it"
    assert [place.partition(": ")[2] for place in places] == ["mine()", "return judgegen.load('nowhere')"]


class Reader(HTMLParser):
    """Collects tags and text, and holds that every element is closed in turn."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.open: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(page: str) -> Reader:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert not reader.open
    return reader


def folder_with(path: Path, *texts: str) -> Path:
    """A run folder whose preferences.jsonl has a row for each text."""

    def said(role: str, text: str) -> list[dict[str, str]]:
        return [{"role": role, "content": text}]

    rows = [
        {"prompt": said("user", t), "chosen": said("assistant", t), "rejected": said("assistant", t), "p_chosen": 0.9}
        for t in texts
    ]
    path.mkdir(exist_ok=True)
    (path / "preferences.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_the_card_says_what_the_summary_says(tmp_path: Path) -> None:
    """Counts, drops, spend and diagnostics stand on the card; what is unknown or nil is not said."""
    words = read(Run(folder_with(tmp_path / "r", "a question"), SUMMARY)._repr_html_()).words
    assert "37 pairs from 40 prompts" in words
    assert "2 tie, 1 too-few" in words
    assert "160 sampler, 480 judge; 40 sent now, 600 from the journal" in words
    assert "$1.35: $0.10 sampler, $1.25 judge" in words
    assert "12% flipped with the order" in words
    assert words.count("a question") == 3


def test_a_run_without_pairs_has_a_card(tmp_path: Path) -> None:
    """Where nothing was preferred, or nothing is written yet, there is no table of pairs."""
    assert "chosen" not in Run(tmp_path, SUMMARY)._repr_html_()
    assert "chosen" not in Run(folder_with(tmp_path / "r"), SUMMARY)._repr_html_()


def test_an_estimate_has_a_card() -> None:
    """The expected cost with its ends, what is to be paid for by role and model, and what that rests on."""
    ends: dict[Bound, Decimal] = {"low": Decimal("0.5"), "expected": Decimal(1), "high": Decimal("2.25")}
    tokens: dict[Bound, int] = {"low": 500, "expected": 1_000_000, "high": 2_000_000}
    row = Portion(
        role="judge",
        endpoint="openai",
        model="<b>large</b>",
        calls=90,
        from_journal=30,
        input=tokens,
        cached=tokens,
        output=tokens,
        usd=ends,
        usd_batch=None,
        basis="assumed",
    )
    found = Estimate(prompts=15, counted=15, hours=0.5, rows=(row,), assumptions=("a < b",))
    page = read(found._repr_html_())
    said = "expected cost $1.0000 ($0.5000 to $2.2500): 15 prompts, 90 calls, 30 of them from the journal, about 30:00"
    assert said in page.words
    assert page.words[-9:-1] == ["judge", "<b>large</b>", "60", "1.0M", "1.0M", "$0.5000", "$1.0000", "$2.2500"]
    assert page.words[-1] == "a < b"
    assert page.tags == {"div", "strong", "table", "tr", "th", "td", "ul", "li"}
    assert found.line(batch=True).startswith("expected cost unknown through the Batch API: 15 prompts")


HOSTILE = st.text() | st.sampled_from(
    [
        "<script>alert(1)</script>",
        "</td></table><img src=x onerror=alert(1)>",
        "\x1b[2J\x1b]0;owned\x07",
        "\ud800",
        "&lt;",
    ]
)


@given(text=HOSTILE)
def test_a_candidate_cannot_write_html(tmp_path_factory: Any, text: str) -> None:
    """Whatever a model says, the card has the tags it has without it, in balance, and can be sent as UTF-8."""
    folder = tmp_path_factory.getbasetemp() / "hostile"
    page = Run(folder_with(folder, text), SUMMARY)._repr_html_()
    assert read(page).tags <= {"div", "strong", "table", "tr", "th", "td"}
    assert page.encode("utf-8")
    assert page.isprintable()


def test_progress_is_shown_now_and_then_and_at_the_end() -> None:
    """The one output is brought up to date twice a second at most, with each warning, and with the last prompt."""
    now = [0.0]
    pages: list[str] = []

    class Handle:
        def update(self, data: dict[str, str], *, raw: bool) -> None:
            pages.append(data["text/html"])

    watch = Notebook(clock=lambda: now[0])
    watch.started(prompts=100, folder="runs/x")
    watch._handle = Handle()
    outcome = Reply(choices=(Choice(text="a"),), usage=Usage(input=1, output=1))
    for number in range(100):
        now[0] += 0.01
        tag = Tag(role="judge", prompt_id=str(number))
        watch.landed(Call(endpoint="e", model="m", messages=(), params={}, draw=number, tag=tag), outcome, fresh=True)
    assert len(pages) == 2
    watch.warned("<b>two lines</b> are one prompt")
    for number in range(100):
        watch.finished(Result(prompt=Prompt(id=str(number), messages=())))
    assert len(pages) == 4
    final = read(pages[-1])
    assert final.tags == {"div", "progress", "table", "tr", "td"}
    assert "100/100 prompts, 0 pairs, 1s gone" in final.words
    assert "warning: <b>two lines</b> are one prompt" in "".join(final.words)
