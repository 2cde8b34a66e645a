from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from results import COSTS, each, known, sampled, words
from results import prompt as asked_for

from judgegen.llm.calls import Failure
from judgegen.records import Candidate, Result
from judgegen.writer import money
from judgegen.writer.rows import cost, preferences, rounded, spoken

KEYS = (
    *("prompt_id", "prompt", "chosen", "rejected", "p_chosen", "margin", "consistent", "tokens", "cost_usd"),
    *("chosen_from", "rejected_from", "verdict_calls"),
)
FULL, TIED, TOOLS = known()[0], known()[1], known()[6]


def rows(result: Result) -> list[dict[str, Any]]:
    return list(preferences(result, count_messages=words, count_texts=each))


def test_a_row_has_its_keys_in_their_order() -> None:
    """What the prompt did not bring is not there; what it brought stands at the end."""
    (full,), (tools,) = rows(FULL), rows(TOOLS)
    assert tuple(full) == (*KEYS, "reference", "metadata")
    assert tuple(tools) == (*KEYS, "tools")


def test_a_row_says_what_it_rests_on() -> None:
    """Both sides name their calls, and the verdicts theirs: all are calls of this prompt."""
    (row,) = rows(FULL)
    ids = {call.id: call.tag.role for call, _ in FULL.calls}
    assert [ids[row[side]["call"]] for side in ("chosen_from", "rejected_from")] == ["sampler"] * 2
    assert [ids[call] for call in row["verdict_calls"]] == ["judge"] * 2
    assert row["chosen_from"] == {
        "variant": "terse",
        "index": 0,
        "model": "model-terse",
        "call": FULL.calls[1][0].id,
        "settings": {"max_tokens": 9},
    }


def test_tokens_are_of_the_prompt_and_of_what_each_side_says() -> None:
    """Tools count with the prompt, tool calls with the side that makes them."""
    (row,) = rows(TOOLS)
    assert row["tokens"] == {"prompt": 4 + 10, "chosen": len(["weather", "{}"]), "rejected": 1}


def test_nothing_is_counted_where_there_is_no_pair() -> None:
    """A dropped prompt costs no tokenizing."""

    def never(*_: Any) -> Any:
        raise AssertionError

    assert list(preferences(TIED, count_messages=never, count_texts=never)) == []


def test_a_shared_prompt_and_side_are_counted_once() -> None:
    """All pairs of a prompt share one count of the prompt and one of each candidate."""
    (pair,) = FULL.pairs
    several = replace(FULL, pairs=(pair, replace(pair, chosen=pair.rejected, rejected=pair.chosen)))
    counted: list[str] = []

    def count(texts: Any) -> list[int]:
        counted.extend(texts)
        return each(texts)

    first, second = preferences(several, count_messages=words, count_texts=count)
    assert sorted(counted) == sorted([pair.chosen.text, pair.rejected.text])
    assert first["tokens"]["chosen"] == second["tokens"]["rejected"] == 4


def test_what_a_side_says_is_its_text_and_its_calls() -> None:
    """A text alone is itself; tool calls add the words the model wrote for them."""
    (pair,) = TOOLS.pairs
    assert spoken(pair.rejected) == "rain"
    assert spoken(pair.chosen) == "weather\n{}"
    assert spoken(replace(pair.chosen, text="so")) == "so\nweather\n{}"


def test_cost_is_of_all_that_the_prompt_asked() -> None:
    """Two answers at $0.001 and two verdicts at $0.01, as decimals."""
    (row,) = rows(FULL)
    assert row["cost_usd"] == {"sampling": "0.002", "judging": "0.02", "total": "0.022"}


def test_a_call_asked_twice_is_paid_once() -> None:
    """Two variants that ask the very same share one call and its cost."""
    again = [(replace(call, tag=replace(call.tag, variant="other")), outcome) for call, outcome in FULL.calls]
    assert cost([*FULL.calls, *again]) == cost(FULL.calls)


def test_an_unknown_cost_is_unknown() -> None:
    """Without the price of one call there is no sum, of its role or in all."""
    (call, outcome), *others = FULL.calls
    assert cost([(call, replace(outcome, cost=None)), *others]) == {
        "sampling": None,
        "judging": Decimal("0.02"),
        "total": None,
    }
    (row,) = rows(replace(FULL, calls=((call, replace(outcome, cost=None)), *others)))
    assert row["cost_usd"] == {"sampling": None, "judging": "0.02", "total": None}


def test_a_failure_costs_what_it_cost() -> None:
    """A refused answer was paid for all the same."""
    drawn = sampled(asked_for("p"), "a", Failure(reason="content_filter"), cost="0.5")
    assert cost([drawn])["total"] == Decimal("0.5")


@pytest.mark.slow
@settings(max_examples=30)
@given(st.lists(COSTS, max_size=10), st.randoms())
def test_sums_are_exact_whatever_the_order(costs: list[Decimal], lot: Any) -> None:
    """No digit is lost, however far apart the amounts."""
    shuffled = lot.sample(costs, len(costs))
    found = money.total(costs)
    assert found is not None
    assert found == money.total(shuffled)
    assert int(found.scaleb(30, context=money._EXACT)) == sum(int(c.scaleb(30, context=money._EXACT)) for c in costs)


@given(COSTS)
def test_amounts_are_written_plainly(usd: Decimal) -> None:
    """No exponent, no idle zeros, and the same number when read."""
    text = money.plain(usd)
    assert text is not None
    assert set(text) <= set("0123456789.")
    assert Decimal(text) == usd
    assert text == "0" or not text.endswith(".")
    assert "." not in text or not text.endswith("0")


@pytest.mark.parametrize(
    ("usd", "text"),
    [("0E-8", "0"), ("-0.0", "0"), ("1E+2", "100"), ("1E-7", "0.0000001"), ("0.10", "0.1"), ("100", "100")],
)
def test_amounts_read_as_people_write_them(usd: str, text: str) -> None:
    """Zero is 0 however it came about; hundreds keep their zeros."""
    assert money.plain(Decimal(usd)) == text


@pytest.mark.parametrize(("value", "written"), [(-0.0, "0.0"), (-1e-9, "0.0"), (2 / 3, "0.666667"), (1.0, "1.0")])
def test_shares_have_six_digits_and_no_negative_zero(value: float, written: str) -> None:
    """The last bits, in which machines differ, are not written."""
    assert json.dumps(rounded(value)) == written


def test_what_nobody_judged_has_no_number() -> None:
    """None stays None; it is no zero."""
    assert rounded(None) is None


def test_a_thought_stands_in_a_row_only_where_it_is_wanted() -> None:
    """Whoever trains reasoners keeps it, in the marks that models write; nobody else sees a word of it."""
    thinker = Candidate(
        prompt_id="p", variant="v", index=0, model="m", text="Four.", finish="stop", call_id="b2:0", thought="2 + 2"
    )
    assert thinker.message()["content"] == "Four."
    assert thinker.message(thinking=True)["content"] == "<think>\n2 + 2\n</think>\n\nFour."
    assert spoken(thinker) == "Four."
    assert spoken(thinker, thinking=True).startswith("<think>")
