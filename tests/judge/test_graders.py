from __future__ import annotations

import json
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judgegen.errors import SpecError
from judgegen.judge.graders import BUILT_IN, GraderFailed, final_number, load
from judgegen.records import Candidate, Prompt


def asked(reference: str | None = None) -> Prompt:
    return Prompt(id="p", messages=({"role": "user", "content": "?"},), reference=reference)


def answered(text: str) -> Candidate:
    return Candidate(prompt_id="p", variant="v", index=0, model="m", text=text, finish="stop", call_id="b2:0")


def grade(name: str, said: str, reference: str | None = None, **options: Any) -> float:
    return load(name, options)(asked(reference), answered(said))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("She makes 9 * 2 = $18 every day.\n#### 18", "18"),
        ("A: 18", "18"),
        ("so 9 * 2 = <<9*2=18>>18.00 dollars", "18"),
        ("It costs $1,234,567.50 in all.", "1234567.5"),
        ("1, 2, 3", "3"),
        ("1,2,3", "3"),
        ("10-5", "5"),
        ("10 - 5 = 5", "5"),
        ("that is -5 degrees", "-5"),
        ("that is \u22125 degrees", "-5"),
        ("a loss of -$5", "-5"),
        ("- 5 apples", "5"),
        (r"Therefore \boxed{42}. I checked 3 times.", "42"),
        (r"$\boxed{\frac{3}{4}}$ of 8", "3/4"),
        (r"$1{,}234$", "1234"),
        ("12\u202f345 people", "12345"),
        ("about 1/2 of it", "1/2"),
        ("2.5e3 litres", "2500"),
        ("an area of 50 m^2", "50"),
        ("18km", "18"),
        ("USD18", "18"),
        ("**18**.", "18"),
        (".5", "1/2"),
        ("#### 7\nNote: 12 was wrong.", "7"),
        ("none at all", None),
        ("", None),
    ],
)
def test_the_final_number_is_found(text: str, number: str | None) -> None:
    """Signs, separators, decimals, fractions, LaTeX, units and calculator notes are read as people read them."""
    assert final_number(text) == (None if number is None else Fraction(number))


@given(st.integers(-(10**12), 10**12), st.integers(0, 4))
def test_a_number_is_found_however_it_is_written(number: int, places: int) -> None:
    """With separators, zeros behind the point and words around it, it is the same number."""
    assert final_number(f"After 3 steps it is {number:,.{places}f} euros.") == number


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    """No text makes the search for a number fail; without a digit there is none."""
    found = final_number(text)
    assert found is None or any(character.isdigit() for character in text)


@pytest.mark.slow
def test_the_numeric_grader_agrees_with_every_recorded_label(shared: Path) -> None:
    """700 questions with four real solutions each: right where the record says right, wrong where it says wrong."""
    grader, seen = load("numeric", {}), 0
    for line in (shared / "data" / "gsm8k_solutions" / "items.jsonl").read_text(encoding="utf-8").splitlines():
        item = json.loads(line)
        for solution in item["candidates"]:
            score = grader(asked(item["ground_truth"]), answered(solution["solution"]))
            assert score == float(solution["is_correct"]), (item["id"], solution["model"])
            seen += 1
    assert seen == 2800


def test_numeric_tolerates_what_it_is_told_to() -> None:
    """Exact unless a tolerance is given."""
    assert grade("numeric", "33.33", "33.333") == 0
    assert grade("numeric", "33.33", "33.333", tolerance=0.01) == 1
    assert grade("numeric", "no idea", "18") == 0


@pytest.mark.parametrize(
    ("name", "text", "reference", "options", "score"),
    [
        ("exact", "  Paris ", "paris", {}, 1.0),
        ("exact", "Paris", "paris", {"strict": True}, 0.0),
        ("exact", "Paris, France", "paris", {}, 0.0),
        ("contains", "It is PARIS.", "Paris", {}, 1.0),
        ("contains", "red and blue", None, {"text": ["red", "green"]}, 0.5),
        ("contains", "red", None, {"text": "Red", "strict": True}, 0.0),
        ("regex", "on 2024-02-03", None, {"pattern": r"\d{4}-\d\d-\d\d"}, 1.0),
        ("regex", "on 2024-02-03", None, {"pattern": r"\d{4}-\d\d-\d\d", "full": True}, 0.0),
        ("length", "one two three", None, {"max_words": 3, "min_chars": 13}, 1.0),
        ("length", "one two three", None, {"max_words": 2}, 0.0),
        ("length", "one two three", None, {"min_chars": 14}, 0.0),
    ],
)
def test_built_in_rules(name: str, text: str, reference: str | None, options: dict[str, Any], score: float) -> None:
    """Each grader does what its line says."""
    assert grade(name, text, reference, **options) == score


SCHEMA = {
    "type": "object",
    "properties": {"n": {"$ref": "#/$defs/n"}},
    "required": ["n"],
    "$defs": {"n": {"minimum": 1}},
}


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ('{"n": 1}', 1.0),
        ('```json\n{"n": 2}\n```', 1.0),
        ('{"n": 0}', 0.0),
        ("{}", 0.0),
        ('{"n": 1', 0.0),
        ('{"n": NaN}', 0.0),
        ("Here it is: {}", 0.0),
    ],
)
def test_json_is_valid_or_not(text: str, score: float) -> None:
    """Only the whole answer counts, and only JSON's own words."""
    pytest.importorskip("jsonschema")
    assert grade("json-schema", text, schema=SCHEMA) == score
    assert grade("json-schema", text, schema=json.dumps(SCHEMA)) == score


@pytest.mark.parametrize(
    ("name", "reason"),
    [("exact", "no-reference"), ("numeric", "no-reference"), ("contains", "no-reference")],
)
def test_no_reference_is_no_score(name: str, reason: str) -> None:
    """What has nothing to be compared with is neither right nor wrong."""
    with pytest.raises(GraderFailed) as failed:
        grade(name, "18")
    assert failed.value.reason == reason


def test_what_cannot_be_validated_is_no_score() -> None:
    """A reference out of the schema is not fetched, and JSON too deep to read is not judged invalid."""
    pytest.importorskip("jsonschema")
    cases: list[tuple[str, dict[str, Any]]] = [("1", {"$ref": "http://127.0.0.1:9/schema"}), ("[" * 100_000, {})]
    for text, schema in cases:
        with pytest.raises(GraderFailed):
            grade("json-schema", text, schema=schema)


OWN = """\
import math
SCORES = {"nan": math.nan, "high": 1.5, "low": -0.1, "inf": math.inf, "text": "1", "none": None, "list": [1]}
def own(prompt, candidate, bonus=0):
    if candidate.text == "raise":
        raise KeyError("gone")
    return SCORES.get(candidate.text, 0.25 + bonus)
def right(prompt, candidate):
    return candidate.text == prompt.reference
"""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    sys.modules.pop("own_grader_under_test", None)
    (tmp_path / "own_grader_under_test.py").write_text(OWN, encoding="utf-8")
    return tmp_path


def test_a_function_of_ones_own(own: Path) -> None:
    """Found in the folder given, told its options, its booleans are scores; the import path is left as it was."""
    before = list(sys.path)
    grader = load("own_grader_under_test:own", {"bonus": 0.5}, base=own)
    assert grader(asked(), answered("fine")) == 0.75
    assert load("own_grader_under_test:right", {}, base=own)(asked("a"), answered("a")) == 1.0
    assert sys.path == before


@pytest.mark.parametrize("text", ["nan", "high", "low", "inf", "text", "none", "list", "raise"])
def test_what_is_no_score_never_becomes_one(own: Path, text: str) -> None:
    """NaN, numbers beyond 0..1, other things and exceptions are GraderFailed."""
    grader = load("own_grader_under_test:own", {}, base=own)
    with pytest.raises(GraderFailed, match="own_grader_under_test:own") as failed:
        grader(asked(), answered(text))
    assert failed.value.reason == ("raised" if text == "raise" else "not-a-score")


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("exakt", {}, "exact, numeric"),
        ("exact", {"strickt": True}, "strickt"),
        ("numeric", {"tolerance": -1}, "tolerance"),
        ("contains", {"text": []}, "text"),
        ("contains", {"text": ["a", " "]}, "text"),
        ("regex", {}, "pattern"),
        ("regex", {"pattern": "("}, "pattern"),
        ("length", {}, "bound"),
        ("length", {"max_words": "3"}, "max_words"),
        ("length", {"max_words": 1, "min_words": 2}, "least"),
        ("json-schema", {}, "schema"),
        ("json-schema", {"schema": "{"}, "schema"),
        ("json-schema", {"schema": {"type": "thing"}}, "schema"),
        ("no_such_module_here:f", {}, "no_such_module_here"),
        ("json:no_such_function", {}, "no_such_function"),
        ("json:__name__", {}, "__name__"),
    ],
)
def test_what_does_not_fit_is_said_before_the_run(name: str, options: dict[str, Any], said: str) -> None:
    """A grader that is not there, or told something it does not take, is an error of the run file."""
    with pytest.raises(SpecError, match=said):
        load(name, options)


@given(st.sampled_from(sorted(set(BUILT_IN) - {"json-schema"})), st.text(), st.text())
def test_a_score_is_a_number_from_0_to_1(name: str, text: str, reference: str) -> None:
    """Whatever the texts: a score in 0..1, or none."""
    all_options: dict[str, dict[str, Any]] = {"regex": {"pattern": "a+"}, "length": {"max_chars": 5}}
    options = all_options.get(name, {})
    try:
        score = grade(name, text, reference, **options)
    except GraderFailed:
        return
    assert 0 <= score <= 1
