from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from shown import HOSTILE, hostile, many, shows, written

from judgegen.report import page as pages
from judgegen.textual import clean

Open = Callable[..., Any]


@pytest.fixture(scope="session")
def hostile_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a report of every kind of prompt and text."""
    folder = tmp_path_factory.mktemp("runs") / "hostile"
    written(folder, hostile())
    return pages.write(folder).path.as_uri()


@pytest.fixture(scope="session")
def large_page(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a report of 200 prompts."""
    folder = tmp_path_factory.mktemp("runs") / "large"
    written(folder, many(200))
    return pages.write(folder).path.as_uri()


def ready(page: Any) -> Any:
    """The page with its pairs and charts."""
    page.wait_for_selector("html[data-ready=all]", timeout=15_000)
    return page


def count(page: Any) -> str:
    return str(page.inner_text("#count"))


def test_filters_pick_and_say_how_many(opened: Open, large_page: str) -> None:
    """By outcome, verdicts, words; all again; the list holds a page's worth."""
    page = ready(opened(large_page))
    assert count(page) == "200 of 200"
    assert page.locator("#list li").count() == 50
    page.click("#after")
    assert page.inner_text("#at") == "51 to 100"
    page.select_option("[name=verdicts]", "differ")
    assert count(page) == "20 of 200"
    page.select_option("[name=outcome]", "pair")
    assert count(page) == "0 of 200"
    page.click("button[type=reset]")
    shows(page, "#count", "^200 of 200$")
    page.fill("[name=q]", "p00042")
    assert count(page) == "1 of 200"
    page.fill("[name=q]", "")
    page.fill("[name=from]", "0.99")
    assert count(page) == "170 of 200"


def test_a_pair_is_shown_whole_with_what_differs_marked(opened: Open, hostile_page: str) -> None:
    """Both answers, their marks, both verdicts with the judge's words, tokens, cost and ids."""
    page = ready(opened(hostile_page + "#pair=p8"))
    entry = page.locator("#entry")
    assert "P(chosen is better) 100 %" in entry.inner_text()
    assert page.locator(".chosen .text").inner_text() == "a good answer"
    assert page.locator("#entry .box h4").all_inner_texts()[-2:] == [
        "the rejected shown first, the chosen second: prefers the chosen (P(first) 0 %)",
        "the chosen shown first, the rejected second: prefers the chosen (P(first) 100 %)",
    ]
    assert "101 tokens · $0.01" in entry.inner_text()
    assert "b2:" in entry.inner_text()


def test_common_words_are_not_marked(opened: Open, hostile_page: str) -> None:
    """Of two answers with most words in common the others are marked, on both sides; the key d takes marks away."""
    page = ready(opened(f"{hostile_page}#pair={quote('h0 ' + HOSTILE[0][:20])}"))
    assert page.locator(".rejected mark").all_inner_texts() == ["worse"]
    assert "".join(page.locator(".chosen mark").all_inner_texts()) == "better and longer"
    page.keyboard.press("d")
    assert page.locator("mark").count() == 0


def test_a_link_leads_to_its_pair_under_its_filters(opened: Open, large_page: str) -> None:
    """What one sees stands in the address, and the address shows it again."""
    page = ready(opened(large_page))
    page.fill("[name=q]", "p0001")
    page.keyboard.press("Tab")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("j")
    page.keyboard.press("j")
    address, seen = page.evaluate("location.href"), page.inner_text("#entry")
    assert "pair=p00011" in address
    assert "q=p0001" in address
    again = ready(opened(address))
    assert again.inner_text("#entry") == seen
    assert count(again) == "10 of 200"
    lost = ready(opened(large_page + "#pair=nothing"))
    assert "not on this page" in lost.inner_text("#entry")


def test_hostile_texts_are_shown_and_do_nothing(opened: Open, hostile_page: str) -> None:
    """Scripts, SVG, images, links and markup are letters; what turns a line around is written out."""
    page = ready(opened(hostile_page))
    for number, text in enumerate(HOSTILE):
        page.evaluate("where => { location.hash = where; }", "pair=" + quote(clean(f"h{number} {text[:20]}")))
        shows(page, "#entry", f"id h{number}")
    assert page.evaluate("window.pwned") is None
    assert page.locator("#entry :is(script, svg, img, a[href^='javascript'])").count() == 0
    page.evaluate("where => { location.hash = where; }", "pair=" + quote("h5 " + HOSTILE[5][:20]))
    shows(page, "#entry", "id h5")
    shown = page.inner_text(".chosen .text")
    assert "\\u202ereversed\\u202c" in shown
    assert "\\u001b[31m" in shown
    assert not set(shown) & set("\u202e\u2066\u200b\x07\x1b")
    page.evaluate("where => { location.hash = where; }", "pair=" + quote(f"h{len(HOSTILE) - 1} {HOSTILE[-1][:20]}"))
    shows(page, "#entry", f"id h{len(HOSTILE) - 1}")
    joined = page.inner_text(".chosen .text")  # what an emoji or a Persian word is made of stays as it is
    assert HOSTILE[-1].replace("a\u200db", "a\\u200db") in joined


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_for_everybody(opened: Open, sound: Callable[[Any], None], hostile_page: str, scheme: str) -> None:
    """axe-core finds nothing serious, in either theme, with an entry open and the numbers of a figure unfolded."""
    page = ready(opened(hostile_page + "#pair=p1", color_scheme=scheme))
    page.click("figure summary >> nth=0")
    sound(page)


def test_the_theme_follows_the_system_and_the_button(opened: Open, hostile_page: str) -> None:
    """Dark where the system is; the button turns it."""
    ground = "getComputedStyle(document.body).backgroundColor"
    dark, light = (ready(opened(hostile_page, color_scheme=s)) for s in ("dark", "light"))
    colours = dark.evaluate(ground), light.evaluate(ground)
    assert colours[0] != colours[1]
    dark.click("#theme")
    assert dark.evaluate(ground) == colours[1]
    light.click("#theme")
    assert light.evaluate(ground) == colours[0]


def test_every_chart_is_drawn_and_described(opened: Open, hostile_page: str) -> None:
    """An SVG per figure with words for those who cannot see it."""
    page = ready(opened(hostile_page))
    assert page.locator("[data-chart] svg").count() == page.locator("[data-chart]").count() == 7
    assert page.locator("[data-chart][role=img][aria-label]").count() == 7


def test_the_page_fits_a_phone(opened: Open, hostile_page: str) -> None:
    """Nothing sticks out to the side."""
    page = ready(opened(hostile_page + "#pair=p1", viewport={"width": 360, "height": 740}))
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
