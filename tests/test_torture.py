"""A slice of `make torture`: the same functions, fewer moments, operations, trials and inputs, from fixed seeds."""

from __future__ import annotations

import random
import shutil
import sys
from collections import Counter
from collections.abc import Iterator

import pytest
from torture import disk, faults, fuzz, ledger, moments
from torture.forge import Forge


def held(found: Counter[str], broken: tuple[str, ...]) -> None:
    assert {name: found[name] for name in broken} == dict.fromkeys(broken, 0), found


@pytest.fixture(scope="module")
def forge() -> Iterator[Forge]:
    """One for all, since it takes as long to start as ten runs."""
    if not sys.platform.startswith("linux") or shutil.which("cc") is None:
        pytest.skip("needs Linux and cc")
    with disk.failing() as library, Forge(preload=library) as forge:
        yield forge


@pytest.mark.slow
def test_a_signal_at_any_step_of_a_run_costs_nothing(forge: Forge) -> None:
    """Once or twice, and the same command ends with the same bytes; nothing that was kept is paid for again."""
    found = moments.moments(forge, first=20, every=70)
    assert found["trials"] >= 2 * len(moments.BLOWS)
    held(found, moments.BROKEN)


@pytest.mark.slow
def test_a_disk_that_fails_at_any_operation_costs_nothing(forge: Forge) -> None:
    """Full, broken or gone: exit 2 with the mend, no traceback, and the same bytes once there is room."""
    found = disk.operations(forge, first=150, every=200)
    assert found["trials"] >= 2 * len(disk.MODES)
    held(found, disk.BROKEN)


@pytest.mark.slow
def test_what_a_server_does_wrong_ends_as_it_is_listed_to_and_hides_no_cost(forge: Forge) -> None:
    """A refusal, a broken answer, a lying count: the exit code, and what was billed known or told as perhaps billed."""
    found = faults.faults(forge, first=11, every=23)
    assert found["kinds"] >= 4
    held(found, faults.BROKEN)


def test_there_are_sixty_kinds_of_faults_and_more() -> None:
    """Each at a path of its own."""
    assert len({faults.path_of(name) for name in faults.FAULTS}) == len(faults.FAULTS) >= 60


def test_no_bill_passes_the_cap_once_it_was_told() -> None:
    """Bills of up to thirty times the worst case, with up to 256 calls at once."""
    held(ledger.ledger(60, random.Random(1)), ledger.BROKEN)


@pytest.mark.slow
def test_noise_at_any_boundary_is_answered_in_our_words() -> None:
    """Answers, refusals, verdicts and rows of every kind: an error of ours, or none."""
    held(fuzz.fuzz(6_000, random.Random(1)), fuzz.BROKEN)
