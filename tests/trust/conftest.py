from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from judgegen.records import Label
from judgegen.trust import Judged, Showing, Vote, mean_p

Scripted = Callable[..., list[Judged]]


def scripted(
    seed: int,
    n: int = 200,
    *,
    per_prompt: int = 1,
    accuracy: float = 0.8,
    first: float = 0.0,
    tie: float = 0.0,
    unreadable: float = 0.0,
    voters: int = 1,
    human: float = 1.0,
    longer_is_better: float = 0.5,
    sure: float = 1.0,
) -> list[Judged]:
    """A world of known truth: a judge that is right with `accuracy`, save where a lot makes it say "first"."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        truth: Vote = "A" if rng.random() < 0.5 else "B"
        wrong: Vote = "B" if truth == "A" else "A"
        votes = tuple(truth if rng.random() < human else wrong for _ in range(voters))
        orders = []
        for shown in ("A", "B"):
            right = "first" if truth == shown else "second"
            label: Label | None = right if rng.random() < accuracy else "second" if right == "first" else "first"  # type: ignore[assignment]
            label = "first" if rng.random() < first else label
            label = "tie" if rng.random() < tie else label
            label = None if rng.random() < unreadable else label
            share = {"first": sure, "second": 1 - sure, "tie": 0.5, None: None}[label]
            orders.append(Showing(first=shown, label=label, p_first=share))
        long = rng.random() < longer_is_better
        lengths = (200, 100) if long == (truth == "A") else (100, 200)
        rows.append(
            Judged(
                prompt_id=f"p{i // per_prompt}",
                votes=votes,
                p=mean_p(orders),
                orders=tuple(orders),
                len_a=lengths[0],
                len_b=lengths[1],
            )
        )
    return rows


@pytest.fixture(name="scripted")
def scripted_judge() -> Scripted:
    return scripted
