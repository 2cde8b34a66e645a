"""Whether a judge's ratings of two answers add to its comparison of them, averaged in logits (LLMBar).

A comparison counts as far as its judge repeats itself in the other order, a rating as one vote (P = 2/3). Both ways are
mapped by the library's calibration; consistency and map are of the pairs in other folds. `SPLITS` ways of folding are
averaged; intervals are over prompts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import recorded

from judgegen.trust import Judged, fit_map

Floats = npt.NDArray[np.float64]
WAYS = (
    ("GPT-4", "Vanilla", "Rating"),
    ("GPT-4", "Vanilla_NoRules", "Rating_NoRules"),
    ("GPT-4", "Metrics", "Rating_Metrics"),
    ("GPT-4", "Reference", "Rating_Reference"),
    ("GPT-4", "Metrics_Reference", "Rating_Metrics_Reference"),
    ("ChatGPT", "Vanilla", "Rating"),
    ("ChatGPT", "Vanilla_NoRules", "Rating_NoRules"),
)
FOLDS, SPLITS, ONE_VOTE = 5, 5, 2 / 3
Both = tuple[Judged, Judged]


def pairs(compared: Mapping[str, Sequence[Judged]], rated: Mapping[str, Sequence[Judged]]) -> list[Both]:
    """Pairs that were compared in both orders and rated, by their prompt."""
    rows = {one.prompt_id: one for subset in rated for one in compared.get(subset, ()) if one.consistent is not None}
    ratings = [one for ones in rated.values() for one in ones if one.p is not None]
    return [(rows[one.prompt_id], one) for one in ratings if one.prompt_id in rows]


def logit(p: Floats) -> Floats:
    """Log odds."""
    found: Floats = np.log(p / (1 - p))
    return found


def alone(compared: Floats, _: Floats) -> Floats:
    """The comparison's P."""
    return compared


def fused(compared: Floats, rated: Floats) -> Floats:
    """Both, averaged in logits."""
    found: Floats = 1 / (1 + np.exp(-(logit(compared) + logit(rated)) / 2))
    return found


def held_out(found: Sequence[Both], how: Callable[[Floats, Floats], Floats]) -> tuple[Floats, Floats]:
    """Brier score and accuracy (ties half) of each pair, by what is of other folds."""
    y = np.array([float(one.human == "A") for one, _ in found])
    said = np.array([one.p or 0.0 for one, _ in found])
    same = np.array([bool(one.consistent) for one, _ in found])
    rated = 0.5 + np.sign([(other.p or 0.0) - 0.5 for _, other in found]) * (ONE_VOTE - 0.5)
    names = [one.prompt_id for one, _ in found]
    brier, right = np.zeros(len(y)), np.zeros(len(y))
    for split in range(SPLITS):
        fold = np.random.default_rng(split).integers(0, FOLDS, len(y))
        for part in range(FOLDS):
            inside = fold == part
            share = (same[~inside].sum() + 1) / ((~inside).sum() + 2)
            p = how(0.5 + share * (said - 0.5), rated)
            others = [name for name, out in zip(names, ~inside, strict=True) if out]
            mapped = fit_map(p[~inside], y[~inside], others, method="platt").many(p[inside])
            brier[inside] += (mapped - y[inside]) ** 2 / SPLITS
            even = np.abs(mapped - 0.5) < 1e-9
            right[inside] += np.where(even, 0.5, (mapped > 0.5) == (y[inside] > 0.5)) / SPLITS
    return brier, right


def interval(differences: Floats, resamples: int) -> str:
    """A mean with its interval over pairs, each of a prompt of its own."""
    drawn = np.random.default_rng(0).integers(0, len(differences), (resamples, len(differences)))
    low, high = np.percentile(differences[drawn].mean(axis=1), [2.5, 97.5])
    return f"{differences.mean():+.3f} [{low:+.3f}, {high:+.3f}]"


def main() -> None:
    """Print the table."""
    args = recorded.arguments(__doc__, "llmbar/ratings.jsonl.gz")
    rows, found = recorded.llmbar_rows(args.data), []
    for judge, strategy, rating in WAYS:
        both = pairs(rows[judge, strategy], rows[judge, rating])
        (brier, right), (less, more) = held_out(both, alone), held_out(both, fused)
        change, gained = interval(less - brier, args.resamples), interval(more - right, args.resamples)
        figures = (f"{brier.mean():.3f}", f"{less.mean():.3f}", change, f"{right.mean():.3f}", gained)
        found.append((judge, strategy, len(both), *figures))
    header = ("judge", "asked", "pairs", "Brier alone", "fused", "change", "accuracy alone", "change of it")
    if args.json:
        print(json.dumps([dict(zip(header, row, strict=True)) for row in found]))
        return
    recorded.show(header, found)


if __name__ == "__main__":
    main()
