from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shown import hostile, shows, written

Open = Callable[..., Any]


@pytest.fixture
def review(tmp_path: Path, popen: Callable[..., Any]) -> Callable[..., tuple[Any, str]]:
    """Starts a review of hostile pairs: the process and its address."""
    written(tmp_path / "mine", hostile())

    def start(port: str = "0") -> tuple[Any, str]:
        command = [sys.executable, "-m", "judgegen", "review", "mine", "--annotator", "me", "--port", port]
        process = popen(command, cwd=tmp_path, env=dict(os.environ), stdout=subprocess.PIPE, text=True)
        return process, process.stdout.readline().strip()

    return start


def progress(page: Any, words: str) -> None:
    shows(page, "#progress", f"^{words}")


def test_from_the_first_label_to_agreement(opened: Open, review: Any) -> None:
    """Keys vote, undo takes back, the judge shows after the vote, agreement comes with the second, all end well."""
    _, address = review()
    page = opened(address)
    progress(page, "0 of 14")
    assert "stays hidden" in page.inner_text("#last")
    page.keyboard.press("1")
    progress(page, "1 of 14")
    assert page.inner_text("#last").startswith("You: 1. The judge: ")
    page.keyboard.press("u")
    progress(page, "0 of 14")
    page.fill("#note", "a note with 1 and 2 in it")
    page.click("[data-vote='2']")
    progress(page, "1 of 14")
    page.keyboard.press("s")
    progress(page, "1 of 14 labelled, 1 skipped")
    for number in range(2, 14):
        page.keyboard.press("012"[number % 3])
        progress(page, f"{number} of 14")
    assert "κ" in page.inner_text("#figures")
    assert "[" in page.inner_text("#figures")
    assert "Nothing is left" in page.inner_text("#item")
    assert page.evaluate("window.pwned") is None


def test_a_reload_after_kill_9_goes_on(opened: Open, review: Any) -> None:
    """The server is killed, started again, and the labels are there."""
    process, address = review()
    page = opened(address)
    progress(page, "0 of 14")
    for number in (1, 2, 3):
        page.keyboard.press("1")
        progress(page, f"{number} of 14")
    process.kill()
    process.wait(20)
    _, again = review()
    progress(opened(again), "3 of 14")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_review_is_for_everybody(opened: Open, review: Any, sound: Callable[[Any], None], scheme: str) -> None:
    """axe-core finds nothing serious, before a vote and after, at a desk; nothing sticks out on a phone."""
    _, address = review()
    page = opened(address, color_scheme=scheme)
    progress(page, "0 of 14")
    sound(page)
    page.keyboard.press("1")
    progress(page, "1 of 14")
    sound(page)
    phone = opened(address, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    progress(phone, "1 of 14")
    phone.tap("[data-vote='0']")
    progress(phone, "2 of 14")
    assert phone.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_hostile_texts_do_nothing_here(opened: Open, review: Any, tmp_path: Path) -> None:
    """Every pair of the queue is shown, and none of them runs, loads or turns a line around."""
    _, address = review()
    page = opened(address)
    for number in range(13):
        progress(page, f"{number} of 14")
        assert not set(page.inner_text("#item")) & set("\u202e\u2066\x1b\x07")
        assert page.locator("#item :is(script, svg, img, a)").count() == 0
        page.keyboard.press("0")
    assert page.evaluate("window.pwned") is None
