"""Pages in a real browser: headless Chromium, driven by Playwright. `make browser` installs both and runs these.

Everything here is skipped elsewhere: the driver keeps an event loop running in its process, in which no other test can
run one. A page may say nothing on its console and ask for nothing but itself.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skipped where `make browser` does not ask for them, and said to be."""
    missing = "BROWSER" not in os.environ or importlib.util.find_spec("playwright") is None or CHROMIUM is None
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.filterwarnings("ignore"))  # of asyncio, at the driver's end: not ours
            if missing:
                item.add_marker(pytest.mark.skip(reason="in a browser: `make browser` installs one and runs these"))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """A browser for all tests."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Opens a page; what it says on its console or asks of anybody but its own address fails the test at its end."""
    said: list[str] = []
    with ExitStack() as held:

        def at(url: str, **context: Any) -> Any:
            given = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, **context})
            held.callback(given.close)
            page = given.new_page()
            page.on("console", lambda message: said.append(f"console: {message.text}"))
            page.on("pageerror", lambda error: said.append(f"error: {error}"))
            own = url.partition("#")[0].partition("?")[0]
            base = own if url.startswith("file:") else "/".join(own.split("/")[:3])
            page.on("request", lambda request: said.extend(_foreign(request.url, base)))
            page.goto(url)
            return page

        yield at
        assert said == []


def _foreign(url: str, base: str) -> list[str]:
    return [] if url.startswith((base, "data:", "blob:")) else [f"request: {url}"]


@pytest.fixture
def sound() -> Callable[[Any], None]:
    """Fails where axe-core finds something serious on a page."""

    def check(page: Any) -> None:
        from axe_playwright_python.sync_playwright import Axe

        found = Axe().run(page).response["violations"]
        grave = [
            (one["id"], one["impact"], [node["html"][:200] for node in one["nodes"][:3]])
            for one in found
            if one["impact"] in ("serious", "critical")
        ]
        assert grave == []

    return check
