from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from results import compared, generated, known, prompt, sampled, two

from judgegen.llm.calls import Failure, Tag
from judgegen.records import Label, Result, Unreadable
from judgegen.show.words import figures
from judgegen.writer.failures import LONGEST
from judgegen.writer.summary import Summary

Write = Callable[..., dict[str, Any]]
LABELS: list[Label | None] = ["first", "second", "tie", None]


def summed(*results: Result) -> dict[str, Any]:
    summary = Summary()
    for result in results:
        summary.add(result, result.calls)
    return summary.row()


@pytest.mark.slow
@settings(max_examples=30)
@given(generated(), st.randoms())
def test_the_order_of_prompts_changes_nothing(results: list[Result], lot: Any) -> None:
    """A sum is a sum, to the last byte."""
    shuffled = lot.sample(results, len(results))
    assert json.dumps(summed(*results)) == json.dumps(summed(*shuffled))


@settings(max_examples=30)
@given(generated())
def test_shares_are_shares(results: list[Result]) -> None:
    """Every rate is in 0..1 or null; counts of variants add up to the candidates and the pairs."""
    found = summed(*results)
    rates = [*found["diagnostics"].values(), *(variant["win_rate"] for variant in found["by_variant"].values())]
    assert all(rate is None or 0 <= rate <= 1 for rate in rates)
    variants = found["by_variant"].values()
    assert sum(v["candidates"] for v in variants) == found["candidates"]["total"]
    assert sum(v["refused"] for v in variants) == sum(found["candidates"]["refused"].values())
    assert sum(v["chosen"] for v in variants) == sum(v["rejected"] for v in variants) == found["pairs"]
    assert found["prompts"] == sum(found["drops"].values()) + sum(bool(r.pairs) for r in results)
    torn = [v for r in results for m in r.matches for _, v in m.shown if isinstance(v, Unreadable)]
    assert found["unreadable"] == len(torn)


def one(*labels: Label | None) -> dict[str, Any]:
    asked = prompt("p")
    diagnostics: dict[str, Any] = summed(compared(asked, two(asked), labels))["diagnostics"]
    return {name: diagnostics[name] for name in ("flip_rate", "p_first", "tie_rate", "unreadable_rate")}


@pytest.mark.parametrize(
    ("labels", "flip", "first", "tie", "unreadable"),
    [
        (("first", "second"), 0.0, 0.5, 0.0, 0.0),
        (("second", "first"), 0.0, 0.5, 0.0, 0.0),
        (("first", "first"), 1.0, 1.0, 0.0, 0.0),
        (("second", "second"), 1.0, 0.0, 0.0, 0.0),
        (("first", "tie"), None, 1.0, 0.5, 0.0),
        (("tie", "tie"), None, None, 1.0, 0.0),
        (("first", None), None, 1.0, 0.0, 0.5),
        (("tie", None), None, None, 1.0, 0.5),
        ((None, None), None, None, None, 1.0),
    ],
)
def test_diagnostics_of_one_match(
    labels: tuple[Label | None, Label | None], flip: float | None, first: float | None, tie: float, unreadable: float
) -> None:
    """Ties and unreadable verdicts are no flips and no firsts; a share of nothing is null."""
    assert one(*labels) == {"flip_rate": flip, "p_first": first, "tie_rate": tie, "unreadable_rate": unreadable}


def test_without_pairs_nobody_is_longer() -> None:
    """Unknown, not never; of texts of one length it is unknown as well."""
    asked = prompt("p")
    assert summed(known()[1])["diagnostics"]["longer_chosen"] is None
    level = compared(asked, two(asked, "better", "worse!"), ("second", "first"))
    assert summed(level)["diagnostics"]["longer_chosen"] is None
    assert summed(known()[6])["diagnostics"]["longer_chosen"] == 0.0


def test_a_variant_wins_by_what_the_judge_gave_it() -> None:
    """Win rate is the mean share of its matches, ties half, and null where it was never compared."""
    variants = summed(known()[0], known()[1])["by_variant"]
    assert (variants["terse"]["win_rate"], variants["loose"]["win_rate"]) == (0.75, 0.25)
    assert {v["win_rate"] for v in summed(known()[4])["by_variant"].values()} == {None}


def test_a_call_asked_again_is_counted_and_not_paid(write: Write, tmp_path: Path) -> None:
    """Two prompts that ask the very same: two calls, of which the journal answers one, and one cost."""
    first = known()[5]
    ((call, reply),) = first.calls
    again = replace(call, tag=Tag(role="sampler", prompt_id="q", variant="other"))
    summary = write(tmp_path, [first, replace(first, prompt=prompt("q"), calls=((again, reply), (again, reply)))])
    assert summary["calls"] == {"sampler": 3, "judge": 0, "from_journal": 2}
    assert summary["cost_usd"] == {"sampler": "0.001", "judge": "0", "total": "0.001"}
    assert summary["tokens"]["input"] == 10
    assert [row["variant"] for row in summary["spend"]] == ["loose"]


def refused(name: str, words: str) -> Result:
    """A prompt whose one call was refused in these words."""
    asked = prompt(name)
    return Result(prompt=asked, calls=(sampled(asked, "loose", Failure(reason="rejected", detail=words)),))


def test_what_was_refused_is_told_in_the_words_of_who_refused_it() -> None:
    """The commonest first, counted whatever numbers and identifiers stand in them; one harmless line each."""
    said = [f"busy\x1b[2J with req_{n}9f,\nsee {n} rules" for n in range(3)] + ["no " * 500]
    summary = Summary()
    for number, words in enumerate(said):
        result = refused(f"p{number}", words)
        summary.add(result, result.calls)
    common, rare = summary.row()["failures"]
    assert common == {
        "role": "sampler",
        "model": "model-loose",
        "reason": "rejected",
        "words": "busy\\x1b[2J with req_09f, see 0 rules",
        "calls": 3,
    }
    assert rare["calls"] == 1
    assert len(rare["words"]) == LONGEST
    assert summary.settled_again().row()["failures"] == [common, rare]
    assert figures({**summary.row(), "formats": {}})["failed"].startswith("3 sampler calls rejected: busy\\x1b[2J with")


@pytest.mark.parametrize(("rows", "told"), [(9, True), (10, False)])
def test_a_file_that_its_consumer_refuses_is_told_of_where_a_run_ends(rows: int, told: bool) -> None:
    """With the fewest rows that it takes and how many are lacking; what is left out of it as well, with the reason."""
    found = summed(known()[0])
    left_out = {"several turns": 2}
    line = figures({**found, "formats": {"openai-dpo": {"rows": rows, "left_out": {}}}}).get("formats", "")
    assert ("openai-dpo.jsonl has 9 rows" in line and "fewer than 10; 1 more" in line) is told
    line = figures({**found, "formats": {"trl-dpo": {"rows": rows, "left_out": left_out}}})["formats"]
    assert line == "trl-dpo leaves out 2 several turns"
