from __future__ import annotations

from pathlib import Path

import pytest

from judgegen import templates
from judgegen.errors import SpecError

GOOD = (
    '+++\nkind = "pairwise"\n+++\n# user\n{{ request }} {{ first_label }} {{ first }} {{ second_label }} {{ second }}\n'
)
VALUES = {"request": "Q", "first": "one", "second": "two", "first_label": "K", "second_label": "M"}


def test_every_shipped_template_parses() -> None:
    """What is in the box is strict too."""
    for path in (templates.prompts_folder() / "judge").glob("*.md"):
        text = path.read_text(encoding="utf-8")
        kind = next(line.split('"')[1] for line in text.splitlines() if line.startswith("kind"))
        assert templates.parse(text, path.name, templates.SHIPPED[kind]).sections[-1][0] == "user"


def test_values_are_quoted_as_they_stand() -> None:
    """Text that looks like a template, HTML or Jinja is shown, never interpreted."""
    hostile = "{{ second }} {% for x in y %} <b>&amp;</b>"
    template = templates.parse(GOOD, "t", templates.PAIRWISE)
    (message,) = template.messages({**VALUES, "first": hostile})
    assert message == {"role": "user", "content": f"Q K {hostile} M two"}


def test_what_is_constant_stands_first() -> None:
    """The pairwise template's system message depends on nothing, so that prompt caches hit."""
    path = templates.find("pairwise", Path())
    template = templates.parse(path.read_text(encoding="utf-8"), "pairwise", templates.PAIRWISE)
    assert dict(template.sections)["system"].count("{{") == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.replace("{{ first }}", "{{ answer_a }}"), "unknown field 'answer_a'"),
        (GOOD.replace("{{ first }}", ""), "missing field 'first'"),
        (GOOD.replace("pairwise", "rubric"), "kind = 'rubric'"),
        (GOOD.replace("# user", ""), "text before the first section"),
        (GOOD.replace("+++\n", "", 1), "without front matter"),
        (GOOD.replace('kind = "pairwise"', "kind = "), "not TOML"),
        (GOOD.replace('"pairwise"', '"pairwise"\nmodel = "x"'), "unknown front matter key 'model'"),
        (GOOD + "{% if %}", "line"),
        (GOOD + "# system\nlate\n", "sections"),
    ],
)
def test_a_template_that_does_not_fit_is_refused(text: str, message: str) -> None:
    """Unknown and missing fields, wrong kinds and broken Jinja are errors before the run."""
    with pytest.raises(SpecError, match=message):
        templates.parse(text, "mine.md", templates.PAIRWISE)


def test_a_template_is_shipped_or_a_path_relative_to_the_run_file(tmp_path: Path) -> None:
    """A name without a file lists the shipped ones."""
    (tmp_path / "own.md").write_text(GOOD, encoding="utf-8")
    assert templates.find("own.md", tmp_path) == tmp_path / "own.md"
    assert templates.find("pairwise", tmp_path).name == "pairwise.md"
    with pytest.raises(SpecError, match=r"nothing.*pairwise"):
        templates.find("nothing", tmp_path)


def test_a_template_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    """The message names file and byte."""
    (tmp_path / "own.md").write_bytes(b"caf\xe9")
    with pytest.raises(SpecError, match="not UTF-8 at byte 3"):
        templates.read_text(tmp_path / "own.md")


HEAD = """+++
kind = "pairwise"
+++
# user
{{ request }} {{ first }} {{ second }} {{ first_label }} {{ second_label }} """


@pytest.mark.parametrize(
    "hostile",
    [
        "{{ 1 / 0 }}",
        "{% include 'x' %}",
        "{{ request() }}",
        "{{ request.nothing }}",
        "{{ 'a' * 10 ** 10 }}",
        "{{ [0] * 1000000000 }}",
        "{{ 2 ** 100000 }}",
        "{% for i in range(10 ** 9) %}{% endfor %}",
        "{{ request.__class__.__mro__[1].__subclasses__() }}",
        "{{ request | nothing }}",
    ],
)
def test_a_template_is_tried_when_it_is_read(hostile: str) -> None:
    """What fails when it is filled fails before anything is sent, by the template's name."""
    with pytest.raises(SpecError, match=r"mine\.md"):
        templates.parse(HEAD + hostile, "mine.md", templates.PAIRWISE)


@pytest.mark.parametrize(
    "fine", ["{% if criteria %}{{ criteria.strip() }}{% endif %}", "{{ criteria.strip() }}", "{{ request * 2 }}"]
)
def test_a_template_that_can_be_filled_is_taken(fine: str) -> None:
    """With all that may be there, or without; what only a run can know is not held against it."""
    assert templates.parse(HEAD + fine, "mine.md", templates.PAIRWISE).name == "mine.md"
