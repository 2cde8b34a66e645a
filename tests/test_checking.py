"""A judge whose accuracy and habits are known is recovered from its calls; what is fitted to it holds in a run."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import judgegen
from judgegen import api
from judgegen.cli.judge_check import lines
from judgegen.errors import BudgetReached, GateFailed, Incomplete, PriceUnknown, SpecError
from judgegen.exchange import comparisons
from judgegen.plan import fitting
from judgegen.records import Candidate, Pair, Prompt, Result
from judgegen.simulator.scripted import World
from judgegen.spec import Scripted, gates
from judgegen.trust import CalibrationMap, Figure, Gate
from judgegen.writer.calibrated import Calibration, calibrated

Row = dict[str, Any]
pytest.importorskip("sklearn", reason="the extra `trust` is not installed")


def answer(quality: float, lot: random.Random) -> str:
    return f"{'some words ' * lot.randint(5, 30)}\n[quality {quality:.3f}]"


def labelled(n: int, *, per_prompt: int = 1, wrong: float = 0.0, seed: int = 0) -> list[Row]:
    """Pairs of which the one of higher quality won, save for a share `wrong`."""
    lot = random.Random(seed)
    rows = []
    for i in range(n):
        low, high = sorted(lot.sample(range(1000), 2))
        a_better, voted_wrong = lot.random() < 0.5, lot.random() < wrong
        first, second = (high, low) if a_better else (low, high)
        rows.append(
            {
                "id": f"row {i}",
                "prompt": f"What is worth knowing about {i // per_prompt}?",
                "response_a": answer(first / 1000, lot),
                "response_b": answer(second / 1000, lot),
                "winner": "A" if a_better != voted_wrong else "B",
            }
        )
    return rows


def mirrored(rows: list[Row]) -> list[Row]:
    other = {"A": "B", "B": "A", "tie": "tie"}
    return [
        {**row, "response_a": row["response_b"], "response_b": row["response_a"], "winner": other[row["winner"]]}
        for row in rows
    ]


def table(*, judge: Row | None = None, endpoint: Row | None = None, **scripted: Any) -> Row:
    world = {"provider": "scripted", "scripted": scripted, **(endpoint or {})}
    return {
        "prompts": "-",
        "endpoints": {"w": world},
        # Nobody samples in a check: this endpoint needs a key that is not there.
        "sampler": {"endpoint": "openai", "model": "no-such-model", "variants": [{"name": "plain", "n": 2}]},
        "judge": {"endpoint": "w", "model": "scripted-judge", **(judge or {})},
    }


def checked(rows: list[Row], run: Row, out: Path, **more: Any) -> judgegen.Check:
    return asyncio.run(judgegen.check(rows, run=run, out=out, resamples=200, **more))


def holds(figure: Figure, truth: float) -> bool:
    """Whether the interval, made two and a half times as wide, holds the truth.

    An interval of 95 % is made to miss one time in twenty, and every change of the template draws all verdicts anew;
    this one misses one time in a million. (As they are, over 40 worlds of the last row of the first test, 38, 39 and 37
    of the three intervals held it.)
    """
    assert figure.value is not None
    assert figure.low is not None
    assert figure.high is not None
    return (
        figure.value - 2.5 * (figure.value - figure.low) <= truth <= figure.value + 2.5 * (figure.high - figure.value)
    )


@pytest.mark.slow
@pytest.mark.parametrize(("accuracy", "bias"), [(0.9, 0.0), (0.75, 0.6), (0.6, -0.8)])
def test_a_judge_of_known_accuracy_and_bias_is_recovered(tmp_path: Path, accuracy: float, bias: float) -> None:
    """Accuracy, P(first), position consistency: what the world was told lies in their intervals."""
    world = World(Scripted(accuracy=accuracy, position_bias=bias))
    better, worse = world.p_first(1, 0), world.p_first(0, 1)  # P(first), by which stands first
    run = table(accuracy=accuracy, position_bias=bias, logprobs=False)
    found = checked(labelled(300), run, tmp_path).report
    assert found.n == found.prompts == 300
    assert holds(found.accuracy.ties_half, (better + 1 - worse) / 2)
    assert holds(found.p_first, (better + worse) / 2)
    assert holds(found.position_consistency, better * (1 - worse) + (1 - better) * worse)


def test_a_judge_is_all_that_a_check_needs(tmp_path: Path) -> None:
    """Without `prompts` and [sampler] calls and figures are the same; a run says what it lacks."""
    whole = table()
    bare = {key: value for key, value in whole.items() if key not in ("prompts", "sampler")}
    rows = labelled(20)
    done, again = (checked(rows, run, tmp_path) for run in (whole, bare))
    assert again.from_journal == again.calls == done.calls > 0
    assert again.report == done.report
    with pytest.raises(SpecError, match=r"missing key 'prompts'\n.*missing key 'sampler'"):
        asyncio.run(judgegen.generate(bare, out=tmp_path / "run"))


@pytest.mark.slow
def test_ties_and_what_cannot_be_read_are_recovered(tmp_path: Path) -> None:
    """Both rates come back, each a share of what it should be of."""
    run = table(judge={"max_attempts": 1}, tie_rate=0.3, unreadable_rate=0.1, logprobs=False)
    found = checked(labelled(300), run, tmp_path).report
    assert holds(found.tie_rate, 0.3)
    assert holds(found.unreadable_rate, 0.1)


@pytest.mark.slow
def test_odds_from_logprobs_are_worth_their_name(tmp_path: Path) -> None:
    """Where the humans follow the judge's own odds it is calibrated; where they call coins it is not."""
    honest = checked(labelled(400, wrong=0.2), table(accuracy=0.8), tmp_path / "a").report
    assert honest.accuracy.strict.value is not None
    assert honest.brier.value == pytest.approx(0.64 - 0.6 * honest.accuracy.strict.value)
    assert honest.ece.value == pytest.approx(abs(0.8 - honest.accuracy.strict.value))
    assert holds(honest.accuracy.strict, 0.8)
    boaster = checked(labelled(400, wrong=0.5), table(accuracy=0.99), tmp_path / "b").report
    assert boaster.ece.value is not None
    assert boaster.ece.value > 0.4


@pytest.mark.slow
def test_which_side_is_a_changes_nothing_and_costs_nothing(tmp_path: Path) -> None:
    """The same pairs with the sides renamed are answered by the journal, and every figure is the same."""
    rows, run = labelled(40, wrong=0.2), table(accuracy=0.7, position_bias=0.5, logprobs=False)
    first = checked(rows, run, tmp_path)
    again = checked(mirrored(rows), run, tmp_path)
    assert first.from_journal == 0
    assert again.from_journal == again.calls == first.calls == 80
    assert again.report == first.report


@pytest.mark.slow
def test_one_order_is_the_same_whichever_side_is_a(tmp_path: Path) -> None:
    """Where one order is asked the lot falls by the texts, and position is a habit that can still be seen."""
    rows, run = labelled(200), table(judge={"orders": "one"}, accuracy=0.8, position_bias=1.5, logprobs=False)
    first, again = checked(rows, run, tmp_path), checked(mirrored(rows), run, tmp_path)
    assert again.calls == again.from_journal == 200
    assert again.report == first.report
    assert first.report.position_consistency.value is None
    assert first.report.p_first.low is not None
    assert first.report.p_first.low > 0.6


def test_pairs_of_one_prompt_are_one_piece_of_evidence(tmp_path: Path) -> None:
    """Prompts are told apart by their content, whatever the rows are called."""
    found = checked(labelled(30, per_prompt=5), table(), tmp_path).report
    assert (found.n, found.prompts) == (30, 6)


def test_a_limit_is_spread_and_grows(tmp_path: Path) -> None:
    """A larger limit holds the rows of a smaller one, and pays for the others alone."""
    rows = labelled(50)
    few, more = checked(rows, table(), tmp_path, limit=7), checked(rows, table(), tmp_path, limit=20)
    assert len(few.ids) == 7
    assert set(few.ids) < set(more.ids)
    assert more.from_journal == few.calls


def test_what_a_check_cost_is_what_its_calls_cost(tmp_path: Path) -> None:
    """USD in all, per row and per thousand are the same money; seconds come from the journal."""
    run = table(endpoint={"price": {"input": 1.0, "output": 2.0}})
    found = checked(labelled(20), run, tmp_path)
    usd = sum(row.cost_usd or 0 for row in found.rows)
    assert usd == pytest.approx(float(found.cost_usd))
    assert usd > 0
    assert found.report.usd_per_1000.value == pytest.approx(usd / 20 * 1000)
    assert found.report.seconds_per_1000.value is not None
    assert checked(labelled(20), run, tmp_path).report == found.report


def test_frames_and_the_summary_say_what_the_report_says(tmp_path: Path) -> None:
    """One row per figure, one row per comparison, and JSON with the report's own names."""
    found = checked(labelled(12), table(), tmp_path)
    assert found.figures.loc["accuracy.strict"].to_dict() == found.report.accuracy.strict.to_dict()
    assert list(found.frame["id"]) == [f"row {i}" for i in range(12)]
    assert set(found.frame["label"]) <= {"A", "B", "tie"}
    plain = json.loads(json.dumps(found.summary))
    assert plain["accuracy"]["non_tie"] == found.report.accuracy.non_tie.to_dict()
    assert plain["n"] == 12
    assert "P(chosen)" in found._repr_html_()


@pytest.mark.slow
def test_a_cap_ends_it_and_a_higher_one_continues(tmp_path: Path) -> None:
    """At the cap the figures of what was answered come with the error; nothing is asked twice afterwards."""
    run = table(endpoint={"price": {"input": 1000.0, "output": 1000.0}, "max_concurrency": 2})
    with pytest.raises(BudgetReached) as caught:
        checked(labelled(30), run, tmp_path, max_usd=20)
    part = caught.value.run
    assert 0 < len(part.rows) < 30
    assert part.incomplete == 30 - len(part.rows)
    whole = checked(labelled(30), run, tmp_path, max_usd=10_000)
    assert whole.from_journal >= part.calls
    assert len(whole.rows) == 30


def test_what_lacks_an_answer_is_in_no_figure(tmp_path: Path) -> None:
    """An endpoint that answers nothing gives no report to believe, and an error that says so."""
    run = table(endpoint={"max_retries": 0}, fault_rate=1.0)
    with pytest.raises(Incomplete) as caught:
        checked(labelled(5), run, tmp_path)
    assert caught.value.run.report.n == 0
    assert caught.value.run.incomplete == 5


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"pairs": {"select": "delta", "stronger": "a", "weaker": "b"}}, SpecError, "asks no judge"),
        ({"endpoints": {"w": {"base_url": "http://127.0.0.1:9/v1"}}}, PriceUnknown, "price"),
    ],
)
def test_what_cannot_be_checked_is_said_at_once(tmp_path: Path, change: Row, error: type[Exception], said: str) -> None:
    """Before anything is read, asked or left behind."""
    variants = [{"name": "a"}, {"name": "b"}]
    run = {**table(), **change, "sampler": {"model": "gpt-4o-mini", "variants": variants}}
    with pytest.raises(error, match=said):
        checked(labelled(2), run, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_bad_row_is_named_and_nothing_is_left_behind(tmp_path: Path) -> None:
    """As strict as any other file of rows."""
    rows = [*labelled(2), {"prompt": "p", "response_a": "a", "response_b": "b", "winner": "C"}]
    with pytest.raises(SpecError, match="row 3: winner is 'C'"):
        checked(rows, table(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_importers_shapes_become_comparisons(tmp_path: Path) -> None:
    """The chosen side is the winner whichever letter it gets; ties and halves are counted and left out."""
    path, told = tmp_path / "pandalm.json", list[str]()
    row = {"instruction": "Say something.", "input": "", "response1": "this", "response2": "that"}
    votes = [(1, 1, 1), (2, 2, 1), (0, 0, 0), (2, 2, 2)]
    annotated = [
        {**row, "response1": f"this {i}", **{f"annotator{k}": vote for k, vote in enumerate(each, 1)}}
        for i, each in enumerate(votes)
    ]
    path.write_text(json.dumps(annotated), encoding="utf-8")
    found = list(comparisons.labelled(path, "pandalm", told.append))
    won = [one.response_a if one.votes == ("A",) else one.response_b for one in found]
    assert won == ["this 0", "that", "that"]
    assert ["1 rows of pandalm" in line for line in told] == [True]


def rated(n: int, *, seed: int = 0) -> list[Row]:
    """Three raters of four answers each, all of whom see the quality, and none of them exactly."""
    lot = random.Random(seed)
    rows = []
    for i in range(n):
        for quality in lot.sample(range(1000), 4):
            text = answer(quality / 1000, lot)
            rows += [
                {
                    "prompt": f"What is worth knowing about {i}?",
                    "response": text,
                    "honesty": round(quality / 250 + lot.gauss(0, 0.5), 1),
                    "engagement": round(quality / 250 + lot.gauss(0, 0.5), 1),
                    "rater": f"r{who}",
                }
                for who in range(3)
            ]
    return rows


def test_a_judge_that_scores_is_held_against_ratings(tmp_path: Path) -> None:
    """The more accurate its scores, the nearer its ranks are to people's; a judge that compares has none.

    Each answer is scored once, however many comparisons it is in; an aspect stands beside the criterion of its name.
    """
    rows = rated(8)
    taus = []
    for accuracy in (0.5, 0.7, 1.0):
        run = table(judge={"method": "rubric"}, accuracy=accuracy, logprobs=False)
        done = checked(rows, run, tmp_path / str(accuracy))
        assert done.calls == 8 * 4
        assert done.ranks is not None
        assert set(done.ranks.criteria) == {"honesty"}
        assert done.ranks.prompts + done.ranks.left_out == 8
        assert 0.5 < (done.ranks.ceiling.value or 0) < 1
        assert done.report.n == 8 * 6
        assert json.loads(json.dumps(done.summary))["ranks"]["tau"]["value"] == done.ranks.tau.value
        taus.append(done.ranks.tau.value or 0.0)
    assert taus[0] + 0.1 < taus[1] < taus[2]
    assert taus[2] > 0.8
    told = "\n".join(lines(done))
    assert [name for name in ("tau ", "tau ceiling ", "tau.honesty ", "tau.honesty ceiling ") if name not in told] == []
    only = checked(rows[:24], table(accuracy=1.0, logprobs=False), tmp_path / "pairs")
    assert only.ranks is not None
    assert only.ranks.tau.value is None
    assert (only.report.accuracy.non_tie.value or 0) > 0.7
    assert checked(labelled(3), table(), tmp_path / "votes").ranks is None


@pytest.mark.slow
def test_an_escalated_pair_is_judged_by_the_last_who_was_asked(tmp_path: Path) -> None:
    """A judge that is always right settles what a poor one contradicts itself on, and those pairs count as alike."""
    run = table(judge={"escalate": [{"model": "good", "endpoint": "sure"}]}, accuracy=0.5, logprobs=False)
    run["endpoints"]["sure"] = {"provider": "scripted", "scripted": {"accuracy": 1.0, "logprobs": False}}
    found = checked(labelled(60), run, tmp_path)
    assert found.judge == "scripted-judge + good"
    assert found.report.position_consistency.value == 1.0
    alone = checked(labelled(60), table(accuracy=0.5, logprobs=False), tmp_path).report.position_consistency.value
    assert alone is not None
    assert found.calls == 120 + 2 * round((1 - alone) * 60)


def test_a_grader_is_checked_like_a_judge_and_costs_nothing(tmp_path: Path) -> None:
    """What equals the reference wins; there are no orders to be consistent in."""
    rows = [
        {"prompt": f"{i} + 1 =", "response_a": str(i + 1), "response_b": str(i), "reference": str(i + 1), "winner": "A"}
        for i in range(10)
    ]
    run = {**table(), "judge": {"method": "python", "grader": "exact"}}
    found = checked(rows, run, tmp_path)
    assert (found.judge, found.calls) == ("grader", 0)
    assert found.report.accuracy.strict.value == 1.0
    assert found.report.position_consistency.value is None


def fitted(rows: list[Row], run: Row, out: Path, **more: Any) -> Calibration:
    return asyncio.run(judgegen.calibrate(rows, run=run, out=out, **more))


@pytest.mark.slow
def test_a_good_judge_gets_a_threshold_and_a_confidently_wrong_one_none(tmp_path: Path) -> None:
    """Both are answers; the file comes back as it was written."""
    good = fitted(labelled(200, wrong=0.02), table(accuracy=0.97), tmp_path / "good")
    assert good.threshold == pytest.approx(0.97, abs=1e-4)
    assert good.gate.bound is not None
    assert good.gate.bound >= 0.9
    wrong = fitted(labelled(200, wrong=0.8), table(accuracy=0.97), tmp_path / "wrong")
    assert wrong.threshold is None
    for found in (good, wrong):
        assert fitting.parse(found.text(), "c.json") == found


@pytest.mark.slow
def test_a_map_is_worth_more_than_the_judges_own_word(tmp_path: Path) -> None:
    """Of a judge that says .97 and is right at .75, the mapped probability is near .75 on prompts unseen."""
    found = fitted(labelled(400, wrong=0.25), table(accuracy=0.97), tmp_path, target=0.6)
    assert found.map(0.97) == pytest.approx(0.75, abs=0.05)
    assert found.map.brier_before is not None
    assert found.map.brier_after is not None
    assert found.map.brier_after < found.map.brier_before - 0.02


@pytest.mark.parametrize(("target", "confidence"), [(1.0, 0.95), (0.9, 0.0)])
def test_what_no_sample_can_show_is_refused_before_a_call(tmp_path: Path, target: float, confidence: float) -> None:
    """A target of 1 needs no money to fail."""
    with pytest.raises(SpecError, match="must lie between 0 and 1"):
        fitted(labelled(2), table(), tmp_path / "out", target=target, confidence=confidence)
    assert not (tmp_path / "out").exists()


def candidate(name: str) -> Candidate:
    return Candidate(prompt_id="p", variant=name, index=0, model="m", text=name, finish="stop", call_id=name)


def pair(p: float | None) -> Pair:
    return Pair(
        chosen=candidate("x"), rejected=candidate("y"), p_chosen=p, margin=0.5, consistent=True, verdict_calls=()
    )


def made(threshold: float | None, strength: float) -> Calibration:
    return Calibration(
        map=CalibrationMap(method="shrink", strength=strength),
        gate=Gate(threshold=threshold, target=0.9, confidence=0.95, pairs=10),
        n=10,
        prompts=10,
        judge={"model": "scripted-judge"},
        template="",
        fingerprint="",
    )


def test_the_threshold_is_on_what_the_judge_said_and_the_label_is_mapped() -> None:
    """Below it a pair is dropped with the reason; at it and above p_chosen is the map's; unjudged pairs stay."""
    prompt = Prompt(id="p", messages=({"role": "user", "content": "?"},))
    result = Result(prompt=prompt, pairs=(pair(0.79), pair(0.8), pair(None)))
    kept = calibrated(result, made(0.8, 0.5), 0.5)
    assert [one.p_chosen for one in kept.pairs] == [0.65, None]
    assert kept.drop is None
    none = calibrated(Result(prompt=prompt, pairs=(pair(0.79),)), made(0.8, 0.5), 0.5)
    assert (none.pairs, none.drop) == ((), "below-threshold")
    assert calibrated(Result(prompt=prompt, pairs=(pair(0.9),)), made(0.8, 0.5), 0.69).drop is None
    assert calibrated(Result(prompt=prompt, pairs=(pair(0.9),)), made(0.8, 0.5), 0.7).drop == "low-p"


def test_a_map_of_lengths_decides_no_side_and_leaves_out_what_people_would_not_choose() -> None:
    """Of two pairs that the judge is as sure of, the shorter chosen one counts for less, and below 1/2 for nothing."""
    prompt = Prompt(id="p", messages=({"role": "user", "content": "?"},))
    found = replace(made(0.5, 1.0), map=CalibrationMap(method="platt", strength=1.0, length=1.0))
    long, short = replace(candidate("x"), text="x" * 1_500), candidate("y")
    said = replace(pair(0.7), chosen=long, rejected=short)
    turned = replace(said, chosen=short, rejected=long)
    (kept,) = calibrated(Result(prompt=prompt, pairs=(said,)), found, 0.5).pairs
    assert kept.chosen is long
    assert (kept.p_chosen or 0) > 0.8
    none = calibrated(Result(prompt=prompt, pairs=(turned,)), found, 0.5)
    assert (none.pairs, none.drop) == ((), "low-p")
    (even,) = calibrated(Result(prompt=prompt, pairs=(pair(0.7),)), found, 0.5).pairs
    assert even.p_chosen == pytest.approx(0.7)


def in_a_run(tmp_path: Path, **changes: Any) -> Row:
    """A run whose sampler is scripted too, calibrated by a file beside it."""
    found = table(accuracy=0.97)
    sampler = {"endpoint": "w", "model": "s", "variants": [{"name": "plain", "n": 2}]}
    return {**found, "sampler": sampler, "judge": {**found["judge"], "calibration": "c.json"}, **changes}


def questions(n: int) -> list[str]:
    return [f"What is worth knowing about the number {i}?" for i in range(n)]


def ran(run: Row, out: Path, n: int = 6) -> judgegen.Run:
    return asyncio.run(judgegen.generate(run, out=out, prompts=questions(n)))


@pytest.mark.slow
def test_a_run_uses_its_calibration_and_writes_again_without_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every p_chosen is the map's; the file's text is in the journal, so the folder is enough."""
    monkeypatch.chdir(tmp_path)
    run = in_a_run(tmp_path)
    found = fitted(labelled(300, wrong=0.04), run, tmp_path / "check", target=0.85)
    Path("c.json").write_text(found.text(), encoding="utf-8")
    done = ran(run, tmp_path / "run")
    assert len(done.preferences) > 0
    assert set(done.preferences["p_chosen"]) == {round(found.map(0.97), 6)}
    before = (tmp_path / "run/preferences.jsonl").read_bytes()
    Path("c.json").unlink()
    judgegen.rewrite(tmp_path / "run")
    assert (tmp_path / "run/preferences.jsonl").read_bytes() == before


@pytest.mark.slow
def test_a_run_drops_what_falls_below_the_threshold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The judge says .97, the threshold is above it: every prompt says why it has no pair."""
    monkeypatch.chdir(tmp_path)
    run = in_a_run(tmp_path, gates={"min_pairs": 0})
    found = fitted(labelled(100), run, tmp_path / "check")
    high = {**found.to_dict(), "gate": {**found.gate.to_dict(), "threshold": 0.99}}
    Path("c.json").write_text(json.dumps(high), encoding="utf-8")
    done = ran(run, tmp_path / "run")
    assert done.summary["pairs"] == 0
    assert done.summary["drops"].get("below-threshold", 0) > 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("judge", "said"),
    [
        ({"model": "another"}, 'made for a judge with model = "scripted-judge", and this run has model = "another"'),
        ({"orders": "one"}, 'orders = unset, and this run has orders = "one"'),
        ({"template": "mine.md"}, "another judge template"),
    ],
)
def test_a_calibration_of_another_judge_is_an_error_that_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, judge: Row, said: str
) -> None:
    """Its probabilities are not these."""
    monkeypatch.chdir(tmp_path)
    run = in_a_run(tmp_path)
    Path("c.json").write_text(fitted(labelled(100), run, tmp_path / "check").text(), encoding="utf-8")
    shipped = Path(api.__file__).parent / "prompts/judge/pairwise.md"
    own = shipped if shipped.is_file() else Path(__file__).parents[1] / "prompts/judge/pairwise.md"
    Path("mine.md").write_text(own.read_text(encoding="utf-8") + "Think twice.\n", encoding="utf-8")
    with pytest.raises(SpecError, match=said):
        ran({**run, "judge": {**run["judge"], **judge}}, tmp_path / "run")


@pytest.mark.slow
def test_a_calibration_without_a_threshold_keeps_nothing_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rather than a run that drops everything after it was paid for."""
    monkeypatch.chdir(tmp_path)
    run = in_a_run(tmp_path)
    Path("c.json").write_text(fitted(labelled(60, wrong=0.5), run, tmp_path / "check").text(), encoding="utf-8")
    with pytest.raises(SpecError, match="no threshold keeps pairs"):
        ran(run, tmp_path / "run")
    Path("c.json").write_text("{}", encoding="utf-8")
    with pytest.raises(SpecError, match=r"c\.json: not a calibration"):
        ran(run, tmp_path / "run")


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"min_pairs": 7}, ["gates.min_pairs = 7: there are"]),
        ({"max_p_first_skew": 0.0, "max_flip_rate": 1.0}, ["gates.max_p_first_skew = 0: it is 0."]),
        ({"max_flip_rate": 0.0, "max_near_tie_share": 0.0}, ["gates.max_flip_rate", "gates.max_near_tie_share"]),
    ],
)
def test_a_gate_that_fails_is_named_after_all_is_written(tmp_path: Path, limits: Row, said: list[str]) -> None:
    """The run comes with the error, whole; writing it again fails the same gate."""
    run = {**in_a_run(tmp_path), "gates": limits}
    del run["judge"]["calibration"]
    run["endpoints"]["w"]["scripted"] = {"accuracy": 0.6, "position_bias": 3.0, "logprobs": False}
    with pytest.raises(GateFailed) as caught:
        ran(run, tmp_path)
    assert all(words in str(caught.value) for words in said)
    assert caught.value.run.summary == {**caught.value.run.summary, "prompts": 6}
    assert (tmp_path / "preferences.jsonl").is_file()
    with pytest.raises(GateFailed, match=said[0].split(":")[0].replace(".", r"\.")):
        judgegen.rewrite(tmp_path)


def test_what_is_not_known_holds_no_limit() -> None:
    """A flip rate of a run that asked one order is unknown, which is not zero; without a gate nobody asks."""
    summary = {"pairs": 3, "diagnostics": {"flip_rate": None, "p_first": 0.5}}
    error = gates.failed(gates.Gates(max_flip_rate=0.5, max_p_first_skew=0.0), summary)
    assert str(error) == "gates.max_flip_rate = 0.5: not known, the run has nothing to count it on"
    assert gates.failed(gates.Gates(), summary) is None
