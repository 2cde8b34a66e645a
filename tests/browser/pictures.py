"""`make pictures`: docs/pictures, what the README and the documentation show of a report, a review and a terminal.

A run of the scripted world, seen in headless Chromium; the terminal is drawn from the display's own picture, in the
midst of that run. `python tests/browser/pictures.py FOLDER`.
"""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import judgegen
from judgegen.cli import ending
from judgegen.records import Result
from judgegen.report import page
from judgegen.show.progress import Picture
from judgegen.show.tally import Tally

SPEC: dict[str, Any] = {
    "prompts": "none",
    "endpoints": {
        "world": {
            "provider": "scripted",
            "rpm": 6000,
            "price": {"input": 1.0, "output": 4.0},
            "scripted": {
                "accuracy": 0.8,
                "position_bias": 0.4,
                "tie_rate": 0.04,
                "unreadable_rate": 0.02,
                "truncated_rate": 0.03,
                "logprobs": False,
                "latency_s": 0.2,
                "fault_rate": 0.02,
            },
        }
    },
    "sampler": {
        "endpoint": "world",
        "model": "scripted-small",
        "variants": [
            {"name": "focused", "temperature": 0.3},
            {"name": "loose", "temperature": {"low": 0.9, "high": 1.3}},
            {"name": "terse", "system": "Answer as briefly as the question allows."},
        ],
    },
    "judge": {"endpoint": "world", "model": "scripted-judge"},
    "budget": {"max_usd": 5},
}
TOPICS = "tides sourdough bridges sleep maps rust inflation bees echoes glaciers comets yeast ports looms dyes".split()
ASKED = ("Explain {} to a child.", "What do people get wrong about {}?", "Why do {} matter?", "Three facts on {}.")
WIDTH = 100


class Midway(Tally):
    """Draws itself once, when this share of the prompts is done."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self._share, self.drawn = share, ""

    def finished(self, result: Result) -> None:
        """Count it, and draw in the midst."""
        self.held()
        super().finished(result)
        if not self.drawn and self.done >= self._share * self.prompts:
            self.drawn = _written(Picture(self))


def _written(shown: Any) -> str:
    from rich.console import Console

    stream = io.StringIO()
    Console(file=stream, width=WIDTH, force_terminal=True, color_system="truecolor").print(shown)
    return stream.getvalue()


def main() -> None:
    """Write every picture into the folder that is named."""
    from playwright.sync_api import sync_playwright

    out = Path(sys.argv[1]).resolve()
    out.mkdir(parents=True, exist_ok=True)
    watch = Midway(0.4)
    with tempfile.TemporaryDirectory() as name:
        os.chdir(name)
        prompts = [words.format(topic) for topic in TOPICS for words in ASKED]
        run = asyncio.run(judgegen.generate(SPEC, out="runs/mine", prompts=prompts, watch=watch))
        made = page.write(run.folder).path.resolve().as_uri()
        with sync_playwright() as driver:
            chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
            browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            _report(browser, made, out)
            _review(browser, out)
            _terminal(browser, watch.drawn + "\n" + "\n".join(_end(run)), out)
            browser.close()


def _end(run: judgegen.Run) -> Iterator[str]:
    """What the command ends with, up to the first pair, as wide as the picture."""
    for line in ending.text(run):
        yield from textwrap.wrap(line, WIDTH, subsequent_indent=" " * 12, break_on_hyphens=False) or [""]
        if line.startswith("   p "):
            return


def _report(browser: Any, url: str, out: Path) -> None:
    for scheme in ("light", "dark"):
        shown = browser.new_page(viewport={"width": 1200, "height": 860}, color_scheme=scheme)
        shown.goto(url)
        shown.wait_for_selector("html[data-ready=all]")
        shown.screenshot(path=out / f"report-{scheme}.png")
    shown = browser.new_page(viewport={"width": 1200, "height": 860})
    shown.goto(url)
    shown.wait_for_selector("html[data-ready=all]")
    shown.locator("#list button").nth(1).click()
    shown.locator("#browser").evaluate("place => place.scrollIntoView()")
    shown.screenshot(path=out / "pair.png")


def _review(browser: Any, out: Path) -> None:
    with _served() as address:
        shown = browser.new_page(viewport={"width": 1200, "height": 860})
        shown.goto(address)
        shown.locator("#progress", has_text="0 of").wait_for()
        for number, key in enumerate("1212", 1):
            shown.keyboard.press(key)
            shown.locator("#progress", has_text=f"{number} of").wait_for()
        shown.screenshot(path=out / "review.png")


@contextmanager
def _served() -> Iterator[str]:
    command = [sys.executable, "-m", "judgegen", "review", "runs/mine", "--annotator", "me", "--port", "0"]
    with subprocess.Popen([*command, "--sample", "30"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()
            process.wait(20)


def _terminal(browser: Any, words: str, out: Path) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print("$ judgegen run mine.toml")
    console.print(Text.from_ansi(words))
    svg = console.export_svg(title="judgegen run")
    shown = browser.new_page(viewport={"width": 1240, "height": 900})
    shown.route("**/*", lambda route: route.abort())  # the picture names a font of the net; the machine's own will do
    shown.set_content(f"<body style='margin:0'>{svg}</body>")
    shown.locator("svg").first.screenshot(path=out / "terminal.png")


if __name__ == "__main__":
    main()
