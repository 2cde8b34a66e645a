from __future__ import annotations

import base64
import hashlib
import json
import re
import zlib
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from shown import HOSTILE, many, written

from judgegen.errors import SpecError
from judgegen.report import bundle, page
from judgegen.report.entries import entries
from judgegen.report.packing import brief, clipped
from judgegen.report.tables import Tables


class Read(HTMLParser):
    """The elements of a page, their attributes, and what stands in scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.within: list[tuple[str, dict[str, str | None], str]] = []
        self._open: tuple[str, dict[str, str | None]] | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._open = (tag, dict(attrs))
            self.within.append((tag, dict(attrs), ""))

    def handle_data(self, data: str) -> None:
        if self._open is not None:
            tag, attributes, text = self.within[-1]
            self.within[-1] = (tag, attributes, text + data)

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._open = None


@pytest.fixture(scope="session")
def text(folder: Path) -> str:
    """The page of the run with hostile texts."""
    return page.write(folder).path.read_text(encoding="utf-8")


def held(read: Read) -> list[dict[str, Any]]:
    (packed,) = [text for _, attributes, text in read.within if attributes.get("id") == "entries"]
    found = json.loads(zlib.decompress(base64.b64decode(packed), -15))
    assert isinstance(found, list)
    return found


@pytest.mark.slow
def test_the_page_names_every_script_it_runs(text: str) -> None:
    """Its policy allows these by digest, and nothing else: no other script, no load, no address."""
    read = Read(text)
    (policy,) = [a["content"] for tag, a in read.elements if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe-eval" not in policy
    scripts = [text for tag, a, text in read.within if tag == "script" and a.get("type") == "module"]
    assert len(scripts) == 2
    for script in scripts:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
    rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
    assert set(re.split(" ", rules["script-src"])) == {s for s in rules["script-src"].split() if s.startswith("'sha")}


def test_the_page_loads_nothing(text: str) -> None:
    """No element has an address but its own places; the icon is empty."""
    for tag, attributes in Read(text).elements:
        for name in ("src", "href", "action", "data", "poster", "srcset"):
            value = attributes.get(name)
            assert value is None or value.startswith("#") or value == "data:,", (tag, value)
        assert not [name for name in attributes if name.startswith("on")]


def test_what_models_write_is_no_markup(text: str) -> None:
    """The page has the elements of its template, whatever stands in prompts, answers, variants and judges' words."""
    tags = {tag for tag, _ in Read(text).elements}
    assert not tags & {"img", "svg", "animate", "iframe", "object", "embed"}
    assert len([tag for tag, _ in Read(text).elements if tag == "script"]) == 4
    for raw in ("\u202e", "\x1b", "\x00"):
        assert raw not in text


def test_the_page_holds_every_entry_as_it_was_written(text: str, folder: Path) -> None:
    """Texts come back to the letter, hostile ones included; half of a character is the mark that stands for it."""
    rows = held(Read(text))
    expected = entries(Tables(folder))
    assert [row["id"] for row in rows] == [entry.name for entry in expected]
    for row, entry in zip(rows, expected, strict=True):
        if entry.chosen is not None:
            assert row["chosen"].get("text", "") == entry.chosen.text
    said = [row["chosen"]["text"] for row in rows if row["id"].startswith("h")]
    assert [s.partition("\n")[2] for s in said] == [h.replace("\ud800", "\ufffd") for h in HOSTILE]


@pytest.mark.slow
def test_a_page_that_would_be_too_large_holds_a_sample_and_says_so(tmp_path: Path) -> None:
    """It stays below its limit; the sample is drawn evenly, in the run's order."""
    written(tmp_path, many(300, length=80))
    most = len(page.write(tmp_path, tmp_path / "all.html").path.read_bytes()) - 60_000
    done = page.write(tmp_path, most_bytes=most)
    text = done.path.read_text(encoding="utf-8")
    assert len(text.encode()) <= most
    assert 0 < done.held < done.of == 300
    assert f"{done.held} of 300 are here, drawn evenly" in text
    names = [row["id"] for row in held(Read(text))]
    assert names == sorted(names)
    assert len(names) == done.held
    assert sum(name < "p00150" for name in names) > done.held / 4


def test_a_clipped_text_says_how_much_is_missing() -> None:
    """And a text that fits is as it was."""
    assert clipped("abc", 3) == "abc"
    assert clipped("abcd" * 1000, 4) == "abcd\n[… 3,996 more characters, in the audit]"


@pytest.mark.slow
def test_a_bundle_leads_to_each_run(folder: Path, tmp_path: Path) -> None:
    """A table with a row per run and a page beside it; two of one name have two places."""
    other = tmp_path / "b" / "a run"
    written(other, many(3))
    pages = bundle.write([folder, other], tmp_path / "site")
    index = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    links = [a["href"] for tag, a in Read(index).elements if tag == "a"]
    assert links == ["a-run/report.html", "a-run-2/report.html"]
    assert [one.path for one in pages] == [tmp_path / "site" / link for link in links if link]
    assert all(one.path.is_file() for one in pages)
    with pytest.raises(SpecError, match="once"):
        bundle.write([other, tmp_path / "b" / ".." / "b" / "a run"], tmp_path / "other")


def test_a_page_holds_the_beginning_of_a_calls_id() -> None:
    """Enough of it to find the call in the audit; what is no such id stays as it is."""
    assert brief("b2:0123456789abcdef") == "b2:0123456789…"
    assert [brief(None), brief("c1")] == [None, "c1"]
