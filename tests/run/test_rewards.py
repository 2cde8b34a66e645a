"""Runs whose judge scores each answer by itself, beside the same run in chats: labels, calls, doubt, trouble."""

from __future__ import annotations

import asyncio
import functools
import json
import tomllib
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from run.test_decisions import ROOT, generated, judged, labelled, quality, rows, sides, table
from worlds import derived, stats, world

import judgegen
from judgegen.errors import BudgetReached, GateFailed, ProviderRefused, SpecError

REWARD = {
    "rerank": {"method": "reward", "api": "rerank"},
    "pooling": {"method": "reward", "api": "pooling"},
}


_OPEN = ExitStack()


@pytest.fixture(scope="module", autouse=True)
def _closed() -> Iterator[None]:
    yield
    _OPEN.close()


@functools.cache
def _flawless() -> str:
    return _OPEN.enter_context(world("--accuracy", "1"))


@contextmanager
def flawless() -> Iterator[str]:
    """A world without flaw, one for all tests that count nothing it served."""
    yield _flawless()


def models(out: Path) -> Counter[str]:
    return Counter(row["model"] for row in judgegen.load(out).calls.to_dict("records") if row["role"] == "judge")


def test_labels_are_the_chats_where_truth_is_equal(tmp_path: Path) -> None:
    """A judge without flaw says the same by any route; n = 4 is one query or four conversations, not twelve chats."""
    with flawless() as url:
        generated(table(url, tmp_path, {}), out=tmp_path / "chat")
        for api, judge in REWARD.items():
            generated(table(url, tmp_path, judge), out=tmp_path / api)
    assert sides(tmp_path / "chat") == sides(tmp_path / "rerank") == sides(tmp_path / "pooling")
    assert len(sides(tmp_path / "chat")) == 12
    assert [judged(tmp_path / name)[0] for name in ("chat", "rerank", "pooling")] == [144, 12, 48]


def test_p_is_the_odds_of_the_two_scores_on_either_scale(tmp_path: Path) -> None:
    """In a world without flaw a score's logit is the quality's; P(chosen) is the logistic of their difference."""
    written = {"rerank": {"rewards": "logits"}, "pooling": {"rewards": "probabilities"}}
    with flawless() as url:
        for api, judge in REWARD.items():
            for name, more in (("usual", {}), ("other", written[api])):
                generated(table(url, tmp_path, {**judge, **more}), out=tmp_path / api / name)
    for out in (tmp_path / api / name for api in REWARD for name in ("usual", "other")):
        for row in rows(out):
            better, worse = quality(row["chosen"]), quality(row["rejected"])
            odds = better / (1 - better) / (worse / (1 - worse))
            assert row["p_chosen"] == pytest.approx(odds / (1 + odds), abs=1e-3)


def test_the_next_judge_is_asked_of_what_scores_leave_in_doubt(tmp_path: Path) -> None:
    """Of the pairs that may be chosen alone: fewer than every two, and none where nothing is in doubt."""
    with flawless() as url:
        for below in (0.0, 0.25, 0.5):
            judge = {**REWARD["rerank"], "escalate": [{"model": "chatty", "below": below}]}
            generated(table(url, tmp_path, judge), out=tmp_path / str(below))
    asked = [models(tmp_path / str(below))["chatty"] for below in (0.0, 0.25, 0.5)]
    assert asked[0] == 0
    assert 0 < asked[1] <= asked[2] <= 12 * 3 * 2
    for row in rows(tmp_path / "0.5"):
        assert quality(row["chosen"]) > quality(row["rejected"])


def test_a_member_of_a_panel_is_weighed_beside_chats(tmp_path: Path) -> None:
    """One call a prompt for it, twelve for the judge that is asked of every two in both orders."""
    judge = {"panel": [{"model": "scorer", "api": "rerank", "weight": 0.5}], "criteria": "Be brief."}
    with flawless() as url:
        generated(table(url, tmp_path, judge), out=tmp_path / "out")
    assert models(tmp_path / "out") == {"j": 144, "scorer": 12}
    assert len(rows(tmp_path / "out")) == 12


def test_what_has_no_score_is_in_no_pair(tmp_path: Path) -> None:
    """A third of all answers without a score, some requests failing: what is chosen is better all the same."""
    with world("--accuracy", "1", "--unreadable-rate", "0.3", "--fault-rate", "0.2") as url:
        generated(table(url, tmp_path, {**REWARD["pooling"], "max_attempts": 2}), out=tmp_path / "out")
    assert len(rows(tmp_path / "out")) >= 6
    for row in rows(tmp_path / "out"):
        assert quality(row["chosen"]) > quality(row["rejected"])


def test_a_run_is_resumed_and_written_again_without_a_call(tmp_path: Path) -> None:
    """What the journal has is not asked twice; deleting the outputs and writing them gives the same bytes."""
    out = tmp_path / "out"
    with world() as url:
        given = table(url, tmp_path, REWARD["rerank"])
        generated(given, out=out, limit=5)
        before = stats(url)
        generated(given, out=out)
        again = stats(url)
        assert (before["judge"], again["judge"], again["repeats"]) == (5, 12, 0)
    made = derived(out)
    for path in out.glob("*.jsonl"):
        path.unlink()
    judgegen.rewrite(out)
    assert derived(out) == made


@pytest.mark.parametrize("api", REWARD)
def test_the_estimate_and_the_cap_know_it(tmp_path: Path, api: str) -> None:
    """Calls are exact, output is nothing, the spend lies within; a cap below it stops before more is sent."""
    with flawless() as url:
        given = table(url, tmp_path, REWARD[api])
        expected = judgegen.estimate(given, out=tmp_path / "none")
        (judge,) = [row for row in expected.rows if row.role == "judge"]
        assert (judge.calls, set(judge.output.values())) == ({"rerank": 12, "pooling": 48}[api], {0})
        generated(given, out=tmp_path / "out")
        _, tokens = judged(tmp_path / "out")
        assert judge.input["low"] * 0.4 < tokens < judge.input["high"] * 2.5
        with pytest.raises(BudgetReached):
            generated(given, out=tmp_path / "capped", max_usd=0.002)
    with pytest.raises(SpecError, match="--batch: the Batch API takes chats"):
        generated(given, out=tmp_path / "batch", batch=True)


def test_scores_that_are_no_probabilities_end_the_run_with_the_mend(tmp_path: Path) -> None:
    """A server that gives logits where probabilities are expected labels nothing of such a prompt; the key is named."""
    told: list[str] = []

    class Watch(judgegen.Watch):
        def warned(self, message: str) -> None:
            told.append(message)

    judge = {**REWARD["rerank"], "extra_body": {"use_activation": False}}
    with world() as url, pytest.raises(GateFailed, match="max_unreadable_rate"):
        generated(table(url, tmp_path, judge), out=tmp_path / "out", watch=Watch())
    assert [one for one in told if 'set judge.rewards = "logits"' in one] != []
    for row in rows(tmp_path / "out"):
        assert quality(row["chosen"]) >= 0.5
        assert quality(row["rejected"]) >= 0.5


def test_logits_that_all_lie_between_0_and_1_are_told_of(tmp_path: Path) -> None:
    """They may be probabilities: P would then be nearer to one half than they say."""
    told: list[str] = []

    class Watch(judgegen.Watch):
        def warned(self, message: str) -> None:
            told.append(message)

    judge = {**REWARD["rerank"], "rewards": "logits", "extra_body": {"use_activation": True}}
    with world() as url:
        generated(table(url, tmp_path, judge), out=tmp_path / "out", watch=Watch())
    assert [one for one in told if 'judge.rewards = "probabilities"' in one] != []


def test_a_calibration_holds_for_it_and_a_promise_is_kept(tmp_path: Path) -> None:
    """Checked and calibrated as any judge is; the run takes its threshold."""
    scripted = {"provider": "scripted", "scripted": {"accuracy": 0.93}}
    given = {**table("http://127.0.0.1:9/v1", tmp_path, REWARD["pooling"]), "endpoints": {"w": scripted}}
    found = asyncio.run(judgegen.calibrate(labelled(tmp_path, 150), run=given, out=tmp_path / "check", target=0.8))
    assert found.threshold is not None
    (tmp_path / "calibration.json").write_text(found.text())
    given["judge"]["calibration"] = str(tmp_path / "calibration.json")
    run = asyncio.run(judgegen.generate(given, out=tmp_path / "run"))
    assert run.summary["pairs"]
    given["judge"]["rewards"] = "probabilities"
    with pytest.raises(SpecError, match="rewards"):
        asyncio.run(judgegen.generate(given, out=tmp_path / "other"))


def test_an_answer_cut_off_in_silence_is_not_scored(tmp_path: Path) -> None:
    """The server counts fewer tokens than were sent: there is no label."""
    with world("--accuracy", "1", "--cuts-at", "256") as url:
        given = table(url, tmp_path, REWARD["rerank"])
        (tmp_path / "prompts.jsonl").write_text(json.dumps({"prompt": "Why is the sea salt? " * 200}) + "\n")
        with pytest.raises(GateFailed):
            generated(given, out=tmp_path / "out")
    assert rows(tmp_path / "out") == []


def test_a_server_without_the_route_ends_the_run_with_what_it_lacks(tmp_path: Path) -> None:
    """Nothing is asked over and over of a server that has no such route."""
    with world() as url:
        given = table(url.removesuffix("/v1") + "/nowhere/v1", tmp_path, REWARD["rerank"])
        given["endpoints"]["s"] = {**given["endpoints"]["w"], "base_url": url, "identity": "s"}
        given["sampler"]["endpoint"] = "s"
        with pytest.raises(ProviderRefused, match="does not serve /rerank for j"):
            generated(given, out=tmp_path / "out")


def test_a_probe_says_what_scores_come(tmp_path: Path) -> None:
    """How many, and from where to where."""
    with world() as url:
        found = asyncio.run(judgegen.probe(table(url, tmp_path, REWARD["pooling"]), out=tmp_path / "probe"))
    (judge,) = [one for one in found.models if one.model == "j"]
    assert [(one.what, one.state) for one in judge.findings] == [
        ("rewards", "honoured"),
        ("usage", "sane"),
        ("context", "not known"),
    ]


def test_the_recipe_runs_certified(tmp_path: Path) -> None:
    """examples/reward-first: calibrated on labelled pairs, run with its promise; the next judge is asked in doubt."""
    given = tomllib.loads((ROOT / "examples" / "reward-first" / "run.toml").read_text(encoding="utf-8"))
    for name in ("openai", "scores"):
        given["endpoints"][name] = {"provider": "scripted", "scripted": {"accuracy": 0.93, "length_bias": 0.2}}
    given["prompts"] = str(ROOT / "examples" / "reward-first" / "prompts.jsonl")
    found = asyncio.run(judgegen.calibrate(labelled(tmp_path, 150), run=given, out=tmp_path / "check", target=0.8))
    assert found.threshold is not None
    (tmp_path / "calibration.json").write_text(found.text())
    given["judge"]["calibration"] = str(tmp_path / "calibration.json")
    run = asyncio.run(judgegen.generate(given, out=tmp_path / "run"))
    assert run.summary["pairs"]
    asked = models(tmp_path / "run")
    assert asked[given["judge"]["model"]] == 8 * 4
    assert 0 < asked["gpt-6.1-sol"] <= 8 * 3 * 2


def test_a_rule_in_words_is_put_to_a_judge_that_reads(tmp_path: Path) -> None:
    """One behind the scores, if there is one; without one it is refused."""
    rule = {"constraints": [{"name": "brief", "rule": "It has no more than ten words."}]}
    judge = {**REWARD["pooling"], "escalate": [{"model": "chatty"}]}
    with flawless() as url:
        generated(table(url, tmp_path, judge, pairs=rule), out=tmp_path / "out")
        assert models(tmp_path / "out") == {"j": 48, "chatty": 48}
        with pytest.raises(SpecError, match="models that score read none"):
            generated(table(url, tmp_path, REWARD["pooling"], pairs=rule), out=tmp_path / "none")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("judge", "said"),
    [
        ({"method": "reward"}, "go together"),
        ({"api": "rerank"}, 'method = "reward"'),
        ({"method": "rubric", "api": "rerank"}, 'method = "reward"'),
        ({"method": "hybrid", "panel": [{"model": "k", "api": "pooling"}]}, 'method = "reward"'),
        ({**REWARD["rerank"], "panel": [{"model": "k"}]}, r"judge\.escalate"),
        ({"escalate": [{"model": "k", "api": "rerank"}]}, "asked at first"),
        ({"third": {"model": "k", "api": "pooling"}}, "asked at first"),
        ({**REWARD["pooling"], "template": "mine.md"}, "template"),
        ({"rewards": "logits"}, "rewards is for api"),
        ({**REWARD["rerank"], "temperature": 1.0}, "temperature"),
        ({**REWARD["rerank"], "criteria": "Be brief."}, "no place for judge.criteria"),
    ],
)
def test_a_key_that_would_do_nothing_is_refused(tmp_path: Path, judge: dict[str, Any], said: str) -> None:
    """Before anything is sent, with what to write instead."""
    with pytest.raises(SpecError, match=said):
        judgegen.estimate(table("http://127.0.0.1:9/v1", tmp_path, judge), out=tmp_path / "none")
