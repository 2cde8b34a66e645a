"""What no user should have to try: a run killed, a disk that fills, a ledger overbilled, boundaries fed with noise.

    PYTHONPATH=benchmarks python -m torture [PART ...] [--every N [--first N]] [--ledger N] [--fuzz N] [--seed S]
    PYTHONPATH=benchmarks python -m torture [PART ...] --slices N [--minutes M]

Prints a line per part and ends with 1 where something did not hold. A slice is the Nth part of every part, and no other
one begins once so many minutes are over: as much as there is time for, and the same everywhere as far as it comes.
docs/reliability.md says what was found.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from torture import disk, faults, fuzz, keys, ledger, moments
from torture.forge import Forge


def at_moments(given: argparse.Namespace, *, faults: float = 0.0) -> Counter[str]:
    """Signals at every step of the loop."""
    with Forge() as forge:
        return moments.moments(forge, first=given.first, every=given.every, faults=faults)


def on_disk(given: argparse.Namespace) -> Counter[str]:
    """A disk that fails at every operation."""
    with disk.failing() as library, Forge(preload=library) as forge:
        return disk.operations(forge, first=given.first, every=given.every)


def at_faults(given: argparse.Namespace) -> Counter[str]:
    """Everything that servers do wrong."""
    with Forge() as forge:
        return faults.faults(forge, every=given.every, first=given.first - 1, told=print)


def of_keys(given: argparse.Namespace) -> Counter[str]:
    """Secrets that a provider repeats."""
    with Forge(preload=None, **keys.ENVIRONMENT) as forge:
        return keys.keys(forge, every=given.every, first=given.first - 1)


Part = Callable[[argparse.Namespace], Counter[str]]
PARTS: Mapping[str, tuple[Part, tuple[str, ...]]] = {
    "ledger": (lambda given: ledger.ledger(given.ledger, random.Random(given.seed)), ledger.BROKEN),
    "fuzz": (lambda given: fuzz.fuzz(given.fuzz, random.Random(given.seed)), fuzz.BROKEN),
    "faults": (at_faults, faults.BROKEN),
    "keys": (of_keys, keys.BROKEN),
    "moments": (at_moments, moments.BROKEN),
    "weather": (lambda given: at_moments(given, faults=moments.WEATHER), moments.BROKEN),
    "disk": (on_disk, disk.BROKEN),
}
"""By name, what tries it, and the counts that must be zero."""
_IN_ALL = frozenset({"points", "operations"})
"""Counts that say how many there are, not how many were tried."""


def main() -> int:
    """Every part that was asked for, a line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all unless some are named")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="of moments and operations, each Nth")
    parser.add_argument("--first", type=int, default=1, metavar="N", help="from the Nth on")
    parser.add_argument("--ledger", type=int, default=10_000, metavar="N", help="trials of the ledger")
    parser.add_argument("--fuzz", type=int, default=1_000_000, metavar="N", help="inputs of noise")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--slices", type=int, metavar="N", help="instead of --every and --first: a slice at a time")
    parser.add_argument("--minutes", type=float, default=math.inf, metavar="M", help="no further slice after so many")
    given = parser.parse_args()
    if unknown := set(given.parts) - PARTS.keys():
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    names = given.parts or list(PARTS)
    found, done = in_slices(names, given) if given.slices else (whole(names, given), 1)
    if given.slices:
        print(f"{done} of {given.slices} slices")
    broken = sum(found[name][key] for name in names for key in PARTS[name][1])
    return 1 if broken or not done else 0


def whole(names: Sequence[str], given: argparse.Namespace) -> dict[str, Counter[str]]:
    """What each part found; a line is printed of it."""
    found = {}
    for name in names:
        began = time.monotonic()
        found[name] = PARTS[name][0](given)
        print(line(name, time.monotonic() - began, found[name]), flush=True)
    return found


def in_slices(names: Sequence[str], given: argparse.Namespace) -> tuple[dict[str, Counter[str]], int]:
    """What each part found in as many slices as there was time for, and their number; a line is printed at the end."""
    found, took = {name: Counter[str]() for name in names}, Counter[str]()
    began, done = time.monotonic(), 0
    while done < given.slices and time.monotonic() - began < 60 * given.minutes:
        done += 1
        for name in names:
            started = time.monotonic()
            found[name] = joined(found[name], PARTS[name][0](sliced(given, done)))
            took[name] += round(1000 * (time.monotonic() - started))
    for name in names:
        print(line(name, took[name] / 1000, found[name]), flush=True)
    return found, done


def sliced(given: argparse.Namespace, number: int) -> argparse.Namespace:
    """The `number`th of all slices, from 1: what stands there, and of what is drawn by lot as much, by another seed."""
    share = {name: -(-getattr(given, name) // given.slices) for name in ("ledger", "fuzz")}
    return argparse.Namespace(every=given.slices, first=number, seed=given.seed + number, **share)


def joined(one: Counter[str], other: Counter[str]) -> Counter[str]:
    """Of two slices: sums, but for how many there are in all, where the higher was seen further on."""
    return Counter(
        {
            name: max(one[name], other[name]) if name in _IN_ALL else one[name] + other[name]
            for name in dict.fromkeys([*one, *other])
        }
    )


def line(name: str, seconds: float, found: Counter[str]) -> str:
    """What a part came to."""
    return f"{name:<8} {seconds:6.0f} s  {', '.join(f'{key} {value:,}' for key, value in found.items())}"


if __name__ == "__main__":
    sys.exit(main())
