from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from judgegen.errors import PriceUnknown, SpecError
from judgegen.finetune.cost import (
    Load,
    Span,
    azure_endings,
    counted,
    default_epochs,
    ended,
    endings,
    estimate,
    running_usd,
    total,
    training_usd,
)
from judgegen.finetune.rows import Example
from judgegen.finetune.show import figures, money, to_dict
from judgegen.llm.training_prices import table

TODAY = date(2026, 10, 1)  # before the first shutdowns, so that every model can be asked for
sizes = st.integers(0, 200_000)
pairs = st.builds(lambda prompt, good, bad: Example(prompt=prompt, sides=(good, bad)), sizes, sizes, sizes)
chats = st.builds(lambda prompt: Example(prompt=prompt), sizes)
limits = st.none() | st.integers(1, 100_000)
prices = st.decimals(0, 1000, places=3)

File = Callable[..., Path]


@pytest.fixture
def sft_file(tmp_path: Path) -> File:
    """A file of conversations of exactly so many tokens each."""

    def of(examples: int, tokens: int) -> Path:
        said = [{"role": "user", "content": " hello" * (tokens - 9)}, {"role": "assistant", "content": " hello"}]
        path = tmp_path / "sft.jsonl"
        path.write_text(f"{json.dumps({'messages': said})}\n" * examples)
        return path

    return of


@pytest.fixture
def dpo_file(tmp_path: Path) -> Path:
    """Twelve pairs: 100 tokens of prompt, 30 preferred, 20 not."""
    said = [{"role": "user", "content": " hello" * 96}], [{"role": "assistant", "content": " hello" * 26}]
    other = [{"role": "assistant", "content": " hello" * 16}]
    row = {"input": {"messages": said[0]}, "preferred_output": said[1], "non_preferred_output": other}
    path = tmp_path / "dpo.jsonl"
    path.write_text(f"{json.dumps(row)}\n" * 12)
    return path


def test_a_hundred_thousand_tokens_are_eighty_cents() -> None:
    """At $0.008 per 1,000 tokens, which a widely copied guide makes into $800."""
    assert training_usd(100_000, Decimal("0.008") * 1000) == Decimal("0.80")


def test_openais_own_example(sft_file: File) -> None:
    """100,000 tokens, three epochs of gpt-3.5-turbo: $2.40, as OpenAI worked it out when it announced the price."""
    found = estimate(sft_file(100, 1000), "gpt-3.5-turbo", today=TODAY, epochs=3)
    assert found.count.tokens == Span(low=100_000, high=100_000)
    assert found.usd == (Decimal("2.40"), Decimal("2.40"))
    once = estimate(sft_file(100, 1000), "gpt-3.5-turbo", today=TODAY, epochs=1)
    assert to_dict(once)["training_usd"] == {"low": "0.8", "high": "0.8"}


@given(st.integers(0, 10**12), st.integers(0, 10**12), prices, st.integers(1, 50))
def test_training_is_linear_and_exact(some: int, more: int, price: Decimal, epochs: int) -> None:
    """Tokens apart cost what they cost together, an epoch costs what each epoch costs, and more never costs less."""
    together = training_usd(some + more, price, epochs)
    assert together == training_usd(some, price, epochs) + training_usd(more, price, epochs)
    assert together == sum(training_usd(some + more, price) for _ in range(epochs))
    assert together * 1_000_000 == price * (some + more) * epochs
    assert training_usd(some, price, epochs) <= together


@given(*[st.integers(0, 10**6)] * 4)
def test_running_is_linear_in_the_load(requests: int, more: int, going_in: int, out: int) -> None:
    """Two days' requests in one cost what the two days cost."""
    base = table().models["gpt-4.1-mini"]

    def usd(a_day: int) -> Decimal:
        return running_usd(base, Load(requests_per_day=a_day, input_tokens=going_in, output_tokens=out))

    assert usd(requests + more) == usd(requests) + usd(more)
    assert usd(1) == (going_in * base.input + out * base.output) / 1_000_000


@given(pairs | chats, limits)
def test_a_range_is_a_range(example: Example, limit: int | None) -> None:
    """Low is never above high; a conversation has no range; without a limit nothing is cut."""
    found = counted(example, limit)
    assert 0 <= found.tokens.low <= found.tokens.high
    if not example.sides:
        assert found.tokens.low == found.tokens.high == min(example.prompt, limit or example.prompt)
    if limit is None:
        assert (found.cut, found.lost) == (0, 0)
        assert found.tokens.high == found.tokens.low + (example.prompt if example.sides else 0)


@given(pairs | chats, st.integers(1, 100_000), st.integers(0, 1000))
def test_a_longer_limit_never_trains_on_less(example: Example, limit: int, more: int) -> None:
    """What is trained on and what is lost are all there is, and room moves tokens from the second to the first."""
    tight, roomy = counted(example, limit), counted(example, limit + more)
    assert tight.tokens.low <= roomy.tokens.low
    assert tight.tokens.high <= roomy.tokens.high
    assert tight.tokens.high + tight.lost == roomy.tokens.high + roomy.lost
    assert (tight.cut == 0) == (tight.lost == 0)


@given(st.lists(pairs | chats, max_size=8), st.lists(pairs | chats, max_size=8), limits)
def test_files_add_up(some: list[Example], more: list[Example], limit: int | None) -> None:
    """A file cut in two counts as its halves do together, in either order."""
    assert total([*some, *more], limit) == total(some, limit) + total(more, limit) == total([*more, *some], limit)


@pytest.mark.parametrize(
    ("examples", "epochs"),
    [(1, 25), (3, 25), (10, 10), (33, 3), (34, 3), (100, 3), (8333, 3), (8334, 2), (12_501, 1), (10**6, 1)],
)
def test_epochs_are_the_cookbooks(examples: int, epochs: int) -> None:
    """Three, more for the few and fewer for the many, from one to twenty-five."""
    assert default_epochs(examples) == epochs


def test_pairs_are_a_range(dpo_file: Path) -> None:
    """The prompt billed once is the low end, once per side the high one; epochs are those given."""
    found = estimate(dpo_file, "gpt-4.1", today=TODAY, epochs=2)
    assert found.count.tokens == Span(low=12 * 150, high=12 * 250)
    assert found.trained == Span(low=12 * 300, high=12 * 500)
    assert found.usd == (Decimal(25 * 3600) / 10**6, Decimal(25 * 6000) / 10**6)
    assert (found.method, found.epochs, found.count.longest) == ("dpo", 2, 130)
    assert any("billed once or once per side" in text for text in found.assumptions)


def test_what_was_not_given_is_said(dpo_file: Path) -> None:
    """Method and epochs that were assumed stand among the assumptions; given, they do not."""
    assumed = estimate(dpo_file, "gpt-4.1", today=TODAY).assumptions
    assert "the file is read as dpo, from its first line" in assumed
    assert "epochs: 8, the cookbook's heuristic; the API chooses its own unless told" in assumed
    given_ = estimate(dpo_file, "gpt-4.1", today=TODAY, method="dpo", epochs=8).assumptions
    assert not [text for text in given_ if "first line" in text or "heuristic" in text]


def test_long_examples_are_cut_and_told(sft_file: File) -> None:
    """Over 65,536 tokens gpt-4o trains on that many and loses the rest; of gpt-4.1 no limit is known."""
    path = sft_file(2, 70_000)
    cut = estimate(path, "gpt-4o", today=TODAY, epochs=1)
    assert cut.count.tokens == Span(low=2 * 65_536, high=2 * 65_536)
    assert (cut.count.cut, cut.count.lost, cut.count.longest) == (2, 2 * (70_000 - 65_536), 70_000)
    assert any("2 examples are over 65,536 tokens" in text for text in cut.warnings)
    whole = estimate(path, "gpt-4.1", today=TODAY, epochs=1)
    assert (whole.count.tokens.low, whole.count.cut) == (140_000, 0)


def test_rft_has_an_hourly_price_and_no_total(sft_file: File) -> None:
    """Its hours cannot be known from the file, so there is no total, whatever else is asked."""
    load = Load(requests_per_day=10, input_tokens=1000, output_tokens=500)
    found = estimate(sft_file(20, 500), "o4-mini", today=TODAY, load=load)
    assert (found.method, found.usd, found.trained, found.hourly) == ("rft", None, None, Decimal(100))
    assert found.count.tokens == Span(low=10_000, high=10_000)
    row = to_dict(found)
    assert (row["training_usd"], row["usd_per_hour"], row["epochs"]) == (None, "100", None)
    assert row["running_usd"] == {"per_day": "0.12", "per_month": "3.6"}
    assert any("there is no total" in text for text in found.assumptions)


@pytest.mark.parametrize(("model", "method"), [("gpt-4.1", "rft"), ("o4-mini", "sft"), ("o4-mini", "dpo")])
def test_a_method_without_a_price_is_refused(sft_file: File, model: str, method: Any) -> None:
    """With the methods that have one."""
    with pytest.raises(SpecError, match=rf"{model} has no price for {method}; it is tuned with"):
        estimate(sft_file(10, 20), model, today=TODAY, method=method)


def test_a_model_without_a_price_is_an_error(sft_file: File) -> None:
    """Never $0; the message has those that are known and how old the list is."""
    with pytest.raises(PriceUnknown, match=r"'gpt-6-luna'; known, as of 2026-11-20: gpt-3.5-turbo, gpt-4.1,"):
        estimate(sft_file(10, 20), "gpt-6-luna", today=TODAY)


def test_what_the_api_would_refuse_is_told(sft_file: File, dpo_file: Path) -> None:
    """Fewer than ten examples, and a method that is not documented for the model."""
    assert "9 examples: the API refuses fewer than 10" in estimate(sft_file(9, 20), "gpt-4o", today=TODAY).warnings
    assert not [text for text in estimate(sft_file(10, 20), "gpt-4o", today=TODAY).warnings if "fewer" in text]
    undocumented = estimate(dpo_file, "gpt-4o-mini", today=TODAY).warnings
    assert any(text.startswith("dpo is not documented for gpt-4o-mini (https://") for text in undocumented)


@example(date(2026, 10, 7), "gpt-4.1")  # 91 days before the last jobs
@example(date(2026, 10, 8), "gpt-4.1")
@example(date(2026, 10, 15), "gpt-4.1")  # 91 days before the shutdown
@example(date(2026, 10, 16), "gpt-4.1")
@example(date(2026, 10, 22), "o4-mini")
@example(date(2026, 10, 23), "o4-mini")
@given(st.dates(date(2025, 1, 1), date(2028, 1, 1)), st.sampled_from(sorted(table().models)))
def test_an_end_is_far_near_or_past(today: date, model: str) -> None:
    """Over ninety days off it is not mentioned, nearer it is warned about, reached it is an error with the date."""
    dates = table()
    base = dates.models[model]
    assert base.shutdown is not None
    if today >= min(base.shutdown, dates.no_new_jobs):
        past = base.shutdown if today >= base.shutdown else dates.no_new_jobs
        with pytest.raises(SpecError, match=str(past)):
            ended(base, dates, today)
        return
    ended(base, dates, today)
    near = today + timedelta(days=90)
    words = list(endings(base, dates, today))
    assert any(text.startswith("training ends soon") for text in words) == (dates.no_new_jobs <= near)
    assert any(text.startswith("inference ends soon") for text in words) == (base.shutdown <= near)
    assert sum("no new jobs since" in text for text in words) == sum(day <= today for day, _ in dates.closed)


def test_a_model_that_is_gone_is_refused_before_the_file_is_read(tmp_path: Path) -> None:
    """The date is the answer, however long the file."""
    with pytest.raises(SpecError, match=r"o4-mini was shut down on 2026-10-23"):
        estimate(tmp_path / "gone.jsonl", "ft:o4-mini-2025-04-16:org::id", today=date(2026, 11, 21))


def test_other_dates_can_be_given(sft_file: File) -> None:
    """A table of one's own is believed: here the platform never closes."""
    dates = replace(table(), no_new_jobs=date(2030, 1, 1))
    found = estimate(sft_file(10, 20), "gpt-4.1", today=date(2027, 1, 10), dates=dates)
    assert found.new_jobs_end == date(2030, 1, 1)
    assert found.warnings[0].startswith("inference ends soon: gpt-4.1")


def test_the_json_is_plain_and_money_is_text(dpo_file: Path) -> None:
    """It survives a round trip, has no float in it, and holds what the table shows."""
    load = Load(requests_per_day=1000, input_tokens=500, output_tokens=200)
    found = estimate(dpo_file, "gpt-4.1-mini", today=date(2026, 11, 21), epochs=3, load=load)
    text = json.dumps(to_dict(found))
    row = json.loads(text, parse_float=lambda number: pytest.fail(f"a float: {number}"))
    assert row["training_usd"] == {"low": "0.027", "high": "0.045"}
    assert row["running_usd"] == {"per_day": "1.04", "per_month": "31.2"}
    assert row["ends"] == {"new_jobs": "2027-01-06", "inference": "2027-01-14"}
    assert row["tokens"]["trained"] == {"low": 5400, "high": 9000}
    shown = dict(figures(found))
    assert shown["training"] == "$0.03 to $0.05"
    assert shown["running, 30 days"] == "$31.20"


@pytest.mark.parametrize(
    ("amount", "text"),
    [("0", "$0.00"), ("0.8", "$0.80"), ("1234.567", "$1,234.57"), ("0.01", "$0.01"), ("0.000123", "$0.00012")],
)
def test_less_than_a_cent_is_not_nothing(amount: str, text: str) -> None:
    """Cents, or the first two digits that are not nought."""
    assert money(Decimal(amount)) == text


@pytest.mark.parametrize(("days", "said"), [(89, False), (90, False), (91, True), (400, True)])
def test_a_table_of_dates_that_is_old_says_so(days: int, said: bool) -> None:
    """OpenAI's and Azure's dates each tell their age and where to look once they are older than ninety days."""
    known = table()
    azure = list(azure_endings("gpt-4.1-mini", known, known.azure.as_of + timedelta(days=days)))
    openai = list(endings(known.models["gpt-4.1"], known, known.as_of + timedelta(days=days)))
    for told in (azure, openai):
        assert any(f"{days} days ago: look at https://" in words for words in told) == said


def test_azures_dates_are_told_with_what_is_not_known() -> None:
    """A listed model has its two phases; another has none, and that is said, with the page."""
    known = table()
    told = " ".join(azure_endings("gpt-4.1-mini-2025-04-14", known, date(2026, 11, 28)))
    assert "cannot from 2026-10-14 on" in told
    assert "2027-04-14 at the earliest; tunes answer until 2027-10-14" in told
    assert "144 days ago" in told
    assert "is not known here; see https://" in " ".join(azure_endings("gpt-5", known, date(2026, 11, 28)))
