from __future__ import annotations

import io
import os
import pty
import re
import time
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal

import pytest
import shown
from hypothesis import given
from hypothesis import strategies as st

from judgegen.llm.calls import Call, Choice, Failure, Outcome, Reply, Tag, Usage
from judgegen.llm.secrets import remember
from judgegen.records import Prompt, Result
from judgegen.show.progress import Lines, Live, Picture, Quiet, counts, fitted, latency, traffic, watch_for
from judgegen.show.tally import Tally
from judgegen.show.words import duration, money, quantity
from judgegen.writer.summary import Summary


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def call(prompt: int = 0, draw: int = 0) -> Call:
    tag = Tag(role="sampler", prompt_id=f"p{prompt}", variant="v", route="r")
    return Call(
        endpoint="e", model="m", messages=({"role": "user", "content": str(prompt)},), params={}, draw=draw, tag=tag
    )


def judged(prompt: int = 0) -> Call:
    return replace(call(prompt), tag=Tag(role="judge", prompt_id=f"p{prompt}", route="slow"))


def reply(cost: str | None = "0.001") -> Reply:
    priced = None if cost is None else Decimal(cost)
    return Reply(choices=(Choice(text="a"),), usage=Usage(input=10, output=5), cost=priced)


def result(prompt: int = 0, drop: str | None = None, calls: int = 0) -> Result:
    asked = tuple((call(prompt, draw), reply()) for draw in range(calls))
    return Result(prompt=Prompt(id=f"p{prompt}", messages=()), drop=drop, calls=asked)


@given(st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.integers(0, 10**9)), max_size=40))
def test_spend_is_the_exact_sum(events: list[tuple[int, bool, int]]) -> None:
    """What was spent now and what the journal had paid for add up to the last digit, apart from each other."""
    tally = Tally()
    for draw, (prompt, fresh, millionths) in enumerate(events):
        outcome: Outcome = Failure(reason="content_filter", cost=Decimal(millionths) / 10**9)
        tally.landed(call(prompt, draw), outcome, fresh=fresh)
    assert tally.spent == sum((Decimal(m) / 10**9 for _, fresh, m in events if fresh), Decimal(0))
    assert tally.spent_before == sum((Decimal(m) / 10**9 for _, fresh, m in events if not fresh), Decimal(0))
    assert tally.fresh + tally.from_journal == len(events)


def test_a_call_is_in_flight_from_its_sending_to_its_landing_or_its_wait() -> None:
    """A request that waits to go out again is not in flight, and one that failed for good leaves with its prompt."""
    tally = Tally()
    tally.started(prompts=2, folder="runs/x")
    tally.sent(call(0))
    tally.sent(call(1))
    assert tally.in_flight == 2
    tally.retried(call(0), "429", 1.0)
    assert tally.in_flight == 1
    tally.sent(call(0))
    tally.landed(call(0), reply(), fresh=True)
    assert tally.in_flight == 1
    tally.finished(result(1, drop="incomplete"))
    assert tally.in_flight == 0


def test_time_left_goes_by_the_calls_asked_now() -> None:
    """Calls that the journal answered are done and say nothing of the pace; prompts half way count for their calls."""
    clock = Clock()
    tally = Tally(clock)
    tally.started(prompts=100, folder="runs/x")
    for prompt in range(50):
        for draw in range(4):
            tally.landed(call(prompt, draw), reply(), fresh=False)
        tally.finished(result(prompt, calls=4))
    assert tally.left_s() is None
    clock.now += 10
    for prompt in range(50, 90):  # forty prompts have half their calls; none is done
        for draw in range(2):
            tally.landed(call(prompt, draw), reply(), fresh=True)
    assert tally.left_s() == pytest.approx((400 - 200 - 80) / 8)
    assert tally.share() == pytest.approx(280 / 400)


def test_the_slowest_endpoint_says_when_it_ends() -> None:
    """Where samplers are fast and the judge is slow, the time left is the judge's, at the judge's own pace."""
    clock = Clock()
    tally = Tally(clock)
    tally.started(prompts=10, folder="runs/x")
    clock.now += 10
    for prompt in range(10):
        tally.landed(call(prompt), reply(), fresh=True)
    for prompt in range(2):
        tally.landed(judged(prompt), reply(), fresh=True)
        asked = ((call(prompt), reply()), (judged(prompt), reply()))
        tally.finished(Result(prompt=Prompt(id=f"p{prompt}", messages=()), calls=asked))
    assert tally.left_s() == pytest.approx(8 / (2 / 10))
    assert (tally.calls_of("sampler"), tally.calls_of("judge")) == (10, 10)
    assert tally.projected() == Decimal("0.020")


def test_what_is_to_come_is_not_priced_where_a_price_is_unknown() -> None:
    """One answer without a cost, of the journal or not, leaves the projection unknown."""
    for fresh in (True, False):
        tally = Tally()
        tally.started(prompts=2, folder="runs/x")
        tally.landed(call(), reply(None), fresh=fresh)
        tally.finished(result(0, calls=1))
        assert tally.projected() is None


def test_seconds_of_answers_are_theirs_from_sending_to_landing() -> None:
    """Quantiles are of the last answers, each from when it was last sent; what the journal knew took no time."""
    clock = Clock()
    tally = Tally(clock)
    for draw in range(100):
        tally.sent(call(0, draw))
        tally.retried(call(0, draw), "429", 5.0)
        clock.now += 5
        tally.sent(call(0, draw))
        clock.now += draw
        tally.landed(call(0, draw), reply(), fresh=True)
    tally.landed(call(1), reply(), fresh=False)
    role = tally.roles["sampler"]
    assert (role.quantile(0.5), role.quantile(0.95)) == (50, 95)
    assert latency(role) == "p50 50.0s, p95 95.0s"


class Waited:
    """A gate that says what it was told."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def held(self) -> dict[str, float]:
        return dict(self.seconds)


def test_the_limit_that_binds_now_is_named() -> None:
    """What most of the last seconds were waited for; what held the run up long ago, or hardly, is not said."""
    clock, gates = Clock(), {"a": Waited(), "b": Waited()}
    tally = Tally(clock)
    tally.gated(gates)
    assert tally.held() == ""
    for _ in range(30):
        clock.now += 1
        gates["a"].seconds["rpm"] = gates["a"].seconds.get("rpm", 0) + 0.9
        gates["b"].seconds["server"] = gates["b"].seconds.get("server", 0) + 0.1
        assert tally.held() == "rpm of a"
    for _ in range(30):
        clock.now += 1
        gates["b"].seconds["server"] += 0.1
        held = tally.held()
    assert held == ""


def test_flips_are_those_of_the_summary() -> None:
    """Of the comparisons whose two orders both name a winner, those whose orders name different ones."""
    made = shown.hostile()
    tally, summary = Tally(), Summary()
    for one in made:
        tally.finished(one)
        summary.add(one, one.calls)
    assert tally.decided > tally.flips
    assert tally.flip_rate() == pytest.approx(summary.diagnostics()["flip_rate"], abs=1e-6)


@given(st.integers(10, 200))
def test_a_line_gives_way_part_by_part(width: int) -> None:
    """The line is as wide as there is room; what matters most is never left out."""
    parts = [(0, "12/40 prompts"), (3, "64 in flight"), (1, "about $1.0000 in all"), (5, "last trouble: 429 slow down")]
    line = fitted(iter(parts), width)
    assert len(line) <= max(width, len("12/40 prompts"))
    assert line.startswith("12/40 prompts")
    assert ("last trouble" in line) <= ("in flight" in line) <= ("in all" in line)


def test_a_wait_for_a_batch_is_a_state() -> None:
    """It is said once as long as it is the same, and is over when something lands."""
    stream = io.StringIO()
    with Lines(stream, every_s=1000) as watch:
        watch.started(prompts=1, folder="runs/x")
        for _ in range(3):
            watch.waits("12 calls are with the provider")
        assert watch.waiting
        watch.landed(call(), reply(), fresh=True)
        assert not watch.waiting
    assert stream.getvalue().count("waiting: 12 calls are with the provider") == 1
    assert "warning" not in stream.getvalue()


def test_one_watch_sees_one_job_after_another() -> None:
    """As `judge compare` has a check per judge: the second counts from nothing, each ends with its own last line."""
    stream = io.StringIO()
    with Lines(stream, every_s=1000) as watch:
        for folder in ("runs/a", "runs/b"):
            watch.started(prompts=1, folder=folder)
            watch.landed(call(), reply(), fresh=True)
            watch.finished(Result(prompt=Prompt(id="p", messages=()), drop="tie"))
    lines = stream.getvalue().splitlines()
    assert [line.split(";")[0].split(": ")[-1] for line in lines] == [
        "1 prompts -> runs/a", "1/1 prompts, 0 pairs", "1 prompts -> runs/b", "1/1 prompts, 0 pairs",
    ]  # fmt: skip


def test_verbose_tells_of_each_request_and_no_secret() -> None:
    """With --verbose: what was sent again, refused and lost, with the address, without its password or a known key."""
    remember("sk-a-key-that-nobody-may-see")
    stream = io.StringIO()
    with watch_for(stream, quiet=True, verbose=True) as watch:
        asked = replace(call(), endpoint="http://me:word@host/v1")
        watch.retried(asked, "429 for sk-a-key-that-nobody-may-see", 1.5)
        watch.landed(asked, Failure(reason="content_filter", detail="no"), fresh=True)
        watch.lost(asked, "timed out")
    lines = stream.getvalue().splitlines()
    assert lines == [
        "sent again in 1.5 s: sampler call to m at http://host/v1 (prompt p0): 429 for [secret]",
        "refused: sampler call to m at http://host/v1 (prompt p0): content_filter: no",
        "no answer: sampler call to m at http://host/v1 (prompt p0): timed out",
    ]


def test_prompts_without_an_answer_say_nothing_of_the_rest() -> None:
    """An incomplete prompt has fewer calls than it takes; it does not shorten the time that is left."""
    clock = Clock()
    tally = Tally(clock)
    tally.started(prompts=10, folder="runs/x")
    clock.now += 1
    tally.landed(call(), reply(), fresh=True)
    tally.finished(result(0, drop="incomplete", calls=1))
    assert tally.left_s() is None
    tally.finished(result(1, calls=4))
    assert tally.left_s() == pytest.approx(39)
    assert tally.share() == pytest.approx(2 / 10)


def test_the_rate_is_that_of_the_last_seconds() -> None:
    """Calls per second forget what was long ago."""
    clock = Clock()
    tally = Tally(clock)
    tally.started(prompts=1000, folder="runs/x")
    for second in range(40):
        clock.now += 1
        for draw in range(100 if second < 20 else 10):
            tally.landed(call(second, draw), reply(), fresh=True)
        rate = tally.calls_per_s()
    assert rate == pytest.approx(10)


def test_an_unknown_price_is_not_nothing() -> None:
    """A call without a cost is named, never summed as zero."""
    tally = Tally()
    tally.landed(call(), reply(None), fresh=True)
    assert "1 calls of unknown price" in traffic(tally)


def test_lines_say_what_goes_on_and_how_it_ended() -> None:
    """Without a terminal: where it goes, a line now and then, warnings at once, a last line; nothing but text."""
    stream = io.StringIO()
    with Lines(stream, every_s=0.01) as watch:
        watch.started(prompts=3, folder="runs/x")
        watch.warned("lines 3 and 9 are one prompt")
        watch.sent(call())
        for _ in range(1000):
            if stream.getvalue().count("\n") >= 4:
                break
            time.sleep(0.01)
        assert stream.getvalue().count("\n") >= 4
        watch.landed(call(), reply("1.5"), fresh=True)
        watch.retried(call(1), "429 \x1b[31mslow\ndown", 1.0)
        watch.finished(result())
    lines = stream.getvalue().splitlines()
    assert lines[0] == "3 prompts -> runs/x"
    assert "warning: lines 3 and 9 are one prompt" in lines
    assert "1/3 prompts, 0 pairs" in lines[-1]
    assert "15 tokens, $1.5000, 1 sent again, last trouble: 429 \\x1b[31mslow down" in lines[-1]
    assert "\x1b" not in stream.getvalue()


def test_quiet_is_silent_but_for_warnings() -> None:
    """--quiet takes the progress away and leaves what the user should know."""
    stream = io.StringIO()
    with watch_for(stream, quiet=True) as watch:
        watch.started(prompts=3, folder="runs/x")
        watch.landed(call(), reply(), fresh=True)
        watch.finished(result())
        watch.warned("the price table is old")
    assert isinstance(watch, Quiet)
    assert stream.getvalue() == "warning: the price table is old\n"


def shown_on_a_terminal(monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    """What `watch_for` writes to a pseudo-terminal for a run of one prompt."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"TERM": "xterm-256color", "COLUMNS": "100", **environment}.items():
        monkeypatch.setenv(name, value)
    reader, writer = pty.openpty()
    with os.fdopen(writer, "w", encoding="utf-8") as stream, watch_for(stream) as watch:
        watch.started(prompts=1, folder="runs/x")
        watch.warned("the price table is old")
        watch.landed(call(), reply("0.25"), fresh=True)
        watch.finished(result())
    written = b""
    with suppress(OSError):  # the end of what was written to a terminal that is closed
        while piece := os.read(reader, 1 << 16):
            written += piece
    os.close(reader)
    return written.decode()


def test_a_terminal_gets_a_live_display_and_its_cursor_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal: a bar with the counts, warnings above it, the cursor shown again at the end."""
    written = shown_on_a_terminal(monkeypatch)
    assert "warning: the price table is old" in written
    assert "1/1 prompts" in written
    assert "0/0 prompts" not in written
    assert "$0.2500" in written
    assert written.rindex("\x1b[?25h") > written.rindex("\x1b[?25l")


def test_no_color_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_COLOR: no escape sequence sets a colour."""
    colour = re.compile(r"\x1b\[[0-9;]*3[0-9][0-9;]*m")
    assert colour.search(shown_on_a_terminal(monkeypatch))
    assert not colour.search(shown_on_a_terminal(monkeypatch, NO_COLOR="1"))


def test_a_dumb_terminal_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal that cannot move its cursor is written to line by line."""
    assert "\x1b" not in shown_on_a_terminal(monkeypatch, TERM="dumb")


def test_the_picture_fits_a_narrow_terminal() -> None:
    """The display never takes more than the terminal's width, however small."""
    from rich.console import Console

    console = Console(file=io.StringIO(), width=40, force_terminal=True, color_system=None)
    watch = Live(console)
    watch.prompts = 10
    watch.retries, watch.last_reason = 3, "429 " * 40
    console.print(Picture(watch))
    assert isinstance(console.file, io.StringIO)
    assert all(len(line) <= 40 for line in console.file.getvalue().splitlines())


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0s"), (59.4, "59s"), (59.6, "1:00"), (3599.6, "1:00:00"), (133, "2:13"), (86461, "24:01:01")],
)
def test_durations_read_like_a_clock(seconds: float, words: str) -> None:
    """Seconds, minutes and hours, rounded before they are split."""
    assert duration(seconds) == words


def test_small_spend_does_not_read_as_none() -> None:
    """A thousandth of a cent is not shown as $0.0000."""
    assert money(Decimal("0.00001")) == "<$0.0001"
    assert money(Decimal(0)) == "$0.0000"
    assert (quantity(9999), quantity(12_345), quantity(1_200_000)) == ("9,999", "12.3k", "1.2M")


def test_counts_say_no_time_before_there_is_a_pace() -> None:
    """Time left is unknown at first and left out, not zero."""
    tally = Tally()
    tally.started(prompts=3, folder="runs/x")
    assert counts(tally) == "0/3 prompts, 0 pairs"
