from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from judgegen.errors import SpecError
from judgegen.trust import Judged, evidence, gate, lower_bound, threshold

stats = pytest.importorskip("scipy.stats", reason="the extra `trust` is not installed")
Scripted = Callable[..., list[Judged]]
Curve = Callable[[Any], Any]


def world(rng: Any, n: int, right: Curve, *, per_prompt: int = 1, shared: float = 0.0) -> tuple[Any, Any, list[str]]:
    """Pairs whose chance to be right is a function of confidence; `shared` of the luck is the prompt's."""
    p = 0.5 + rng.random(n) / 2
    prompt = np.arange(n) // per_prompt
    luck = np.sqrt(shared) * rng.standard_normal(n)[prompt] + np.sqrt(1 - shared) * rng.standard_normal(n)
    return p, stats.norm.cdf(luck) < right(p), [str(i) for i in prompt]


def flat(accuracy: float) -> Curve:
    return lambda p: np.full_like(p, accuracy)


def kept_accuracy(right: Curve, cut: float) -> float:
    """What pairs above a cut are worth in truth."""
    return float(np.mean(right(np.linspace(cut, 1, 2001))))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("right", "n", "per_prompt", "shared"),
    [
        (flat(0.895), 200, 1, 0.0),
        (flat(0.899), 800, 1, 0.0),
        (lambda p: p, 400, 1, 0.0),
        (lambda p: p - 0.06, 600, 1, 0.0),
        (flat(0.895), 400, 10, 0.3),
        (lambda p: p, 400, 5, 0.3),
    ],
)
def test_a_threshold_keeps_its_promise(right: Curve, n: int, per_prompt: int, shared: float) -> None:
    """Thresholds below the target come up in at most one of twenty worlds, give or take the luck of 200."""
    broken = 0
    for seed in range(200):
        p, correct, groups = world(np.random.default_rng(seed), n, right, per_prompt=per_prompt, shared=shared)
        cut = threshold(p, correct, groups, 0.9)
        broken += cut is not None and kept_accuracy(right, cut) < 0.9
    assert broken <= 200 * 0.05 + 2 * np.sqrt(200 * 0.05 * 0.95)


@pytest.mark.parametrize(("right", "least"), [(flat(0.97), 0.9), (lambda p: np.where(p > 0.7, 0.98, 0.6), 0.5)])
def test_a_judge_that_is_good_enough_is_let_through(right: Curve, least: float) -> None:
    """The gate is no wall: nine times in ten it keeps the good part of a good judge."""
    kept = []
    for seed in range(40):
        p, correct, groups = world(np.random.default_rng(seed), 400, right)
        cut = threshold(p, correct, groups, 0.9)
        kept.append(0.0 if cut is None else float(np.mean(p >= cut)))
    assert np.quantile(kept, 0.1) >= least


def test_the_confidently_wrong_are_refused() -> None:
    """The surer, the wronger: no threshold, whatever is asked of it above one half."""
    for seed in range(20):
        p, correct, groups = world(np.random.default_rng(seed), 400, lambda p: 1.2 - p)
        assert all(threshold(p, correct, groups, target) is None for target in (0.6, 0.8, 0.9))


def test_a_sequence_ends_at_its_first_failure() -> None:
    """Three parts right, then a stretch of errors, then right again: what lies beyond the stretch is not reached."""
    rank = np.arange(1000)
    correct = (rank < 300) | ((rank >= 350) & (rank < 600)) | ((rank >= 600) & (rank % 2 == 0))
    found = gate(1 - rank / 2001, correct, [str(i) for i in rank], 0.85)
    assert found.kept == 300
    assert lower_bound(550, 600, confidence=1 - 0.05 / 3) > 0.85


def test_too_few_pairs_prove_nothing() -> None:
    """28 right of 28 do not show nine in ten with 95 % confidence; 29 do."""
    for n, passes in ((28, False), (29, True)):
        found = gate(np.full(n, 0.9), np.ones(n, dtype=bool), [str(i) for i in range(n)], 0.9)
        assert (found.threshold == 0.9) is passes
    assert gate(np.array([]), np.array([], dtype=bool), [], 0.9).threshold is None


def test_the_bound_is_clopper_and_pearsons() -> None:
    """With a pair per prompt, the gate reports SciPy's bound of the kept pairs, at the level of its sequences."""
    p, correct, groups = world(np.random.default_rng(1), 60, flat(1.0))
    found = gate(p, correct, groups, 0.9)
    assert (found.kept, found.agreed) == (60, 60)
    assert found.threshold == pytest.approx(p.min())
    levels = [lower_bound(60, 60, confidence=1 - 0.05 / parts) for parts in (1, 2, 3)]
    assert any(found.bound == pytest.approx(level) for level in levels)


def test_pairs_of_one_prompt_are_not_counted_as_so_many_proofs() -> None:
    """Ten pairs of one fate on each of ten prompts are ten proofs: not enough, while a hundred prompts are."""
    correct = np.ones(100, dtype=bool)
    together = gate(np.full(100, 0.9), correct, [str(i // 10) for i in range(100)], 0.9)
    apart = gate(np.full(100, 0.9), correct, [str(i) for i in range(100)], 0.9)
    assert together.threshold is None
    assert together.bound == pytest.approx(lower_bound(10, 10))
    assert apart.threshold == 0.9


def test_the_order_of_pairs_changes_nothing() -> None:
    """The gate is a function of the set of pairs."""
    p, correct, groups = world(np.random.default_rng(2), 300, lambda p: p, per_prompt=3)
    mixed = np.random.default_rng(3).permutation(300)
    assert gate(p, correct, groups, 0.8) == gate(p[mixed], correct[mixed], [groups[i] for i in mixed], 0.8)


def test_only_pairs_that_both_decided_are_evidence(scripted: Scripted) -> None:
    """Ties, splits and unread pairs are left out; renaming the sides changes nothing."""
    rows = scripted(1, 300, tie=0.2, unreadable=0.1, voters=2, human=0.7)
    p, correct, groups = evidence(rows)
    both = [row for row in rows if row.label in ("A", "B") and row.human in ("A", "B")]
    assert len(p) == len(both) < 300
    assert groups == [row.prompt_id for row in both]
    assert (p > 0.5).all()
    mirrored = evidence([row.swap() for row in rows])
    assert (mirrored[0] == p).all()
    assert (mirrored[1] == correct).all()
    assert len(evidence([replace(row, votes=()) for row in rows])[0]) == 0


@pytest.mark.parametrize(("target", "confidence"), [(0.0, 0.95), (1.0, 0.95), (0.9, 1.0), (1.5, 0.95)])
def test_what_no_sample_can_show_is_refused(target: float, confidence: float) -> None:
    """A target of 1, or certainty, is an error and not a gate that never opens."""
    with pytest.raises(SpecError, match="between 0 and 1"):
        gate(np.array([0.9]), np.array([True]), ["a"], target, confidence)
