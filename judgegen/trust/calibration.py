"""The map from a judge's probability to one worth its name: fitted on human votes, checked on prompts unseen.

A map keeps order and is symmetric: map(1 - p) = 1 - map(p), because which answer is called A is an accident. So it is
fitted to every row and its mirror image, and held by its upper half. Asked to, it weighs besides how much longer one
answer is than the other, as people do beyond what the judge says. Pure; knows nothing of files or judges.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

import numpy as np

from judgegen.errors import SpecError
from judgegen.trust.bootstrap import Codes, Floats, coded
from judgegen.trust.figures import extra
from judgegen.trust.judged import Judged

Method = Literal["shrink", "platt", "isotonic"]
METHODS: tuple[Method, ...] = get_args(Method)
FOLDS = 5
FLOOR = 0.02
"""No answer is nearer to certainty than this: a few hundred votes cannot vouch for more."""
LONGER = 700.0
"""Characters of difference at which three quarters of what length is worth are given (arXiv 2404.04475: a tanh)."""
_STEEPEST = 50.0
_MOST = 5.0
"""Log odds of a much longer answer: 1 in 150 goes the other way, and no set of votes vouches for more."""
_EDGE = 1e-4
"""Where Platt's logit is cut: a sampled verdict says 0 or 1, and 1e-4 of a logprob is noise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationMap:
    """P(A is better) as the judge says it, to as humans bear it out. Order-keeping, symmetric, within [.02, .98].

    Attributes:
        method: "shrink" towards 1/2, "platt" (a slope on the logit) or "isotonic" (steps joined by lines).
        strength: the factor or the slope; None for isotonic.
        knots: (p, mapped p) from 1/2 upwards; empty unless isotonic.
        length: log odds that people give a much longer answer beyond what the judge says; 0 where none was asked for.
        brier_before, brier_after: on prompts that the map was not fitted on; None where nothing was held out.
        votes, prompts: what it was fitted on.
    """

    method: Method
    strength: float | None = None
    knots: tuple[tuple[float, float], ...] = ()
    length: float = 0.0
    brier_before: float | None = None
    brier_after: float | None = None
    votes: int = 0
    prompts: int = 0

    def __call__(self, p: float, longer: float = 0.0) -> float:
        """The mapped probability; `longer` is by how many characters the answer is longer whose probability p is."""
        return float(self.many(np.array([p]), np.array([longer]))[0])

    def many(self, p: Floats, longer: Floats | None = None) -> Floats:
        """The mapped probabilities of an array."""
        sure = np.maximum(p, 1.0 - p)
        upper: Floats = np.clip(self._upper(sure), 0.5, 1.0 - FLOOR)
        mapped: Floats = np.where(p >= 0.5, upper, 1.0 - upper)
        if not self.length or longer is None:
            return mapped
        return np.clip(_logistic(_logit(mapped) + self.length * np.tanh(longer / LONGER)), FLOOR, 1.0 - FLOOR)

    def _upper(self, sure: Floats) -> Floats:
        if self.method == "isotonic":
            x, y = np.array(self.knots).T
            return np.asarray(np.interp(sure, x, y), dtype=np.float64)
        assert self.strength is not None
        if self.method == "shrink":
            return 0.5 + self.strength * (sure - 0.5)
        return _logistic(self.strength * _logit(sure))

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        found = {name: getattr(self, name) for name in self.__slots__}
        return found | {"knots": [list(knot) for knot in self.knots]}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> CalibrationMap:
        """The map that `to_dict` wrote.

        Raises:
            SpecError: it is not one, or does not keep order.
        """
        if unknown := sorted(set(values) - set(cls.__slots__)):
            raise SpecError(f"calibration map: {unknown[0]!r} is not a key of it; allowed: {', '.join(cls.__slots__)}")
        method = values.get("method")
        if method not in METHODS:
            raise SpecError(f"calibration map: method is {method!r}; allowed: {', '.join(METHODS)}")
        found = cls(**{**values, "knots": _knots(values.get("knots", ()))})
        _check(found)
        return found


def _knots(values: Any) -> tuple[tuple[float, float], ...]:
    try:
        return tuple((float(x), float(y)) for x, y in values)
    except (TypeError, ValueError):
        raise SpecError("calibration map: knots must be a list of [p, mapped p]") from None


def _check(found: CalibrationMap) -> None:
    if found.method == "isotonic":
        xs, ys = [x for x, _ in found.knots], [y for _, y in found.knots]
        rising = all(a < b for a, b in itertools.pairwise(xs)) and ys == sorted(ys)
        if not xs or not rising or xs[0] < 0.5 or ys[0] < 0.5 or ys[-1] > 1:
            raise SpecError("calibration map: knots must rise from 1/2 to at most 1 in both columns")
    elif not isinstance(found.strength, int | float) or not 0 <= found.strength < math.inf:
        raise SpecError(f"calibration map: strength is {found.strength!r}; it must be a number from 0 up")
    if not isinstance(found.length, int | float) or not math.isfinite(found.length):
        raise SpecError(f"calibration map: length is {found.length!r}; it must be a finite number")


def _logit(p: Floats) -> Floats:
    cut = np.clip(p, _EDGE, 1.0 - _EDGE)
    return np.asarray(np.log(cut / (1.0 - cut)), dtype=np.float64)


def _logistic(x: Floats) -> Floats:
    return np.asarray(0.5 + 0.5 * np.tanh(x / 2), dtype=np.float64)


def brier(p: Floats, y: Floats, weights: Floats | None = None) -> float:
    """The weighted mean of (p - y)²."""
    return float(np.average((np.asarray(p) - np.asarray(y)) ** 2, weights=weights))


def by_vote(rows: Sequence[Judged]) -> tuple[Floats, Floats, list[str]]:
    """(p, y, prompt ids), one entry per vote of each pair that has a p; y is 1 for A, 0 for B, 1/2 for a tie."""
    worth = {"A": 1.0, "B": 0.0, "tie": 0.5}
    found = [(row.p, worth[vote], row.prompt_id) for row in rows if row.p is not None for vote in row.votes]
    return (
        np.array([p for p, _, _ in found], dtype=np.float64),
        np.array([y for _, y, _ in found], dtype=np.float64),
        [prompt for _, _, prompt in found],
    )


def longer_by_vote(rows: Sequence[Judged]) -> Floats:
    """By how many characters A is longer, one entry for each of `by_vote`'s.

    Raises:
        SpecError: the length of an answer is not known.
    """
    found: list[float] = []
    for row in (row for row in rows if row.p is not None):
        if row.len_a is None or row.len_b is None:
            raise SpecError(f"prompt {row.prompt_id!r}: how long its answers are is not known, so no map can weigh it")
        found += [row.len_a - row.len_b] * len(row.votes)
    return np.array(found, dtype=np.float64)


def fit_map(
    p: Floats,
    y: Floats,
    groups: Sequence[str],
    *,
    weights: Floats | None = None,
    longer: Floats | None = None,
    method: Method | Literal["auto"] = "auto",
) -> CalibrationMap:
    """The calibration map of a judge.

    Args:
        p: P(A is better), one per vote or per pair.
        y: what humans said: 1 for A, 0 for B, anything between for ties and shares of votes.
        groups: the prompt of each; held out together.
        weights: of each; equal unless given.
        longer: by how many characters A is longer. Given, a slope with what length is worth is one more way to choose;
            it is chosen by "auto" alone.
        method: "auto" takes the one with the lowest Brier score on held-out prompts, the simplest of equals.

    Returns:
        The map fitted on everything. Its Brier scores are of held-out prompts, and for "auto" the choice itself is made
        anew inside each fold, so that `brier_after` does not flatter.

    Raises:
        SpecError: fewer than two prompts, or SciPy and scikit-learn are not installed.
    """
    p, y = np.asarray(p, dtype=np.float64), np.asarray(y, dtype=np.float64)
    w = np.ones(len(p)) if weights is None else np.asarray(weights, dtype=np.float64)
    prompts = len(set(groups))
    if prompts < 2:
        raise SpecError(f"calibration needs pairs of at least 2 prompts to check itself on; found {prompts}")
    told = longer is not None and method == "auto"
    long = np.zeros(len(p)) if longer is None else np.asarray(longer, dtype=np.float64)
    data = _Votes(p=p, y=y, w=w, longer=long, groups=coded(groups))
    ways = (*_FITS.values(), _with_length) if told else tuple(_FITS.values())
    fit = partial(_chosen, ways=ways) if method == "auto" else _FITS[method]
    found = fit(data)
    return CalibrationMap(
        method=found.method,
        strength=found.strength,
        knots=found.knots,
        length=found.length,
        brier_before=brier(p, y, w),
        brier_after=_held_out(data, fit),
        votes=len(p),
        prompts=prompts,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Votes:
    p: Floats
    y: Floats
    w: Floats
    longer: Floats
    groups: Codes

    def take(self, rows: Any) -> _Votes:
        return _Votes(**{name: getattr(self, name)[rows] for name in self.__slots__})

    def mirrored(self) -> _Votes:
        """Every row and its mirror image."""
        return _Votes(
            p=np.concatenate([self.p, 1 - self.p]),
            y=np.concatenate([self.y, 1 - self.y]),
            w=np.concatenate([self.w, self.w]),
            longer=np.concatenate([self.longer, -self.longer]),
            groups=np.concatenate([self.groups, self.groups]),
        )


_Fit = Callable[[_Votes], CalibrationMap]


def _held_out(data: _Votes, fit: _Fit) -> float:
    """The Brier score of maps on the prompts they were not fitted on."""
    folds = extra("sklearn.model_selection").GroupKFold(n_splits=min(FOLDS, len(np.unique(data.groups))))
    mapped = np.empty(len(data.p))
    for train, test in folds.split(data.p, groups=data.groups):
        mapped[test] = fit(data.take(train)).many(data.p[test], data.longer[test])
    return brier(mapped, data.y, data.w)


def _chosen(data: _Votes, ways: Sequence[_Fit]) -> CalibrationMap:
    """The way with the lowest held-out Brier score, fitted on everything; the first where there is one prompt."""
    if len(np.unique(data.groups)) < 2:
        return ways[0](data)
    return min(ways, key=lambda way: round(_held_out(data, way), 12))(data)


def _shrink(data: _Votes) -> CalibrationMap:
    """The least-squares factor towards 1/2, between 0 and 1."""
    lean = data.p - 0.5
    power = float(np.sum(data.w * lean * lean))
    factor = float(np.sum(data.w * lean * (data.y - 0.5))) / power if power else 0.0
    return CalibrationMap(method="shrink", strength=min(max(factor, 0.0), 1.0))


def _platt(data: _Votes) -> CalibrationMap:
    """The likeliest slope on the logit, without the intercept that symmetry forbids (Platt 1999).

    The likelihood is concave in the slope: its derivative falls, and the maximum is where it crosses 0.
    """
    x = _logit(data.p)

    def derivative(slope: float) -> float:
        return float(np.sum(data.w * x * (data.y - _logistic(slope * x))))

    if derivative(0.0) <= 0:
        return CalibrationMap(method="platt", strength=0.0)
    if derivative(_STEEPEST) >= 0:
        return CalibrationMap(method="platt", strength=_STEEPEST)
    slope = extra("scipy.optimize").brentq(derivative, 0.0, _STEEPEST)
    return CalibrationMap(method="platt", strength=float(slope))


def _with_length(data: _Votes) -> CalibrationMap:
    """The likeliest slope on the logit and log odds of a much longer answer together; symmetry forbids an intercept.

    A judge whose verdicts the votes contradict has the slope 0, and is not turned round.
    """
    design = np.stack([_logit(data.p), np.tanh(data.longer / LONGER)], axis=1)

    def loss(at: Floats) -> tuple[float, Floats]:
        x = design @ at
        value = float(np.sum(data.w * (np.logaddexp(0.0, x) - data.y * x)))
        return value, design.T @ (data.w * (_logistic(x) - data.y))

    bounds = [(0.0, _STEEPEST), (-_MOST, _MOST)]
    found = extra("scipy.optimize").minimize(loss, np.zeros(2), jac=True, bounds=bounds, method="L-BFGS-B", tol=1e-12)
    slope, length = (float(x) for x in found.x)
    return CalibrationMap(method="platt", strength=slope, length=length)


def _isotonic(data: _Votes) -> CalibrationMap:
    """The order-keeping steps nearest to the votes."""
    both = data.mirrored()
    model = extra("sklearn.isotonic").IsotonicRegression(increasing=True)
    # 12 digits: a probability and the mirror of its mirror are the same place.
    model.fit(np.round(both.p, 12), both.y, sample_weight=both.w)
    upper = [
        (float(x), max(0.5, float(y)))
        for x, y in zip(model.X_thresholds_, model.y_thresholds_, strict=True)
        if x >= 0.5
    ]
    return CalibrationMap(method="isotonic", knots=tuple(upper if upper[0][0] == 0.5 else [(0.5, 0.5), *upper]))


_FITS: dict[Method, _Fit] = {"shrink": _shrink, "platt": _platt, "isotonic": _isotonic}
