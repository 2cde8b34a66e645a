"""What no user should have to try: a run killed, a disk that fills, a ledger overbilled, boundaries fed with noise.

    PYTHONPATH=benchmarks python -m torture [PART ...] [--every N [--first N]] [--ledger N] [--fuzz N] [--seed S]

Prints a line per part and ends with 1 where something did not hold. docs/reliability.md says what was found.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping

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


def main() -> int:
    """Every part that was asked for, a line each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all unless some are named")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="of moments and operations, each Nth")
    parser.add_argument("--first", type=int, default=1, metavar="N", help="from the Nth on")
    parser.add_argument("--ledger", type=int, default=10_000, metavar="N", help="trials of the ledger")
    parser.add_argument("--fuzz", type=int, default=1_000_000, metavar="N", help="inputs of noise")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if unknown := set(given.parts) - PARTS.keys():
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    broken = 0
    for name in given.parts or PARTS:
        part, zero = PARTS[name]
        began = time.monotonic()
        found = part(given)
        broken += sum(found[key] for key in zero)
        said = ", ".join(f"{key} {value:,}" for key, value in found.items())
        print(f"{name:<8} {time.monotonic() - began:6.0f} s  {said}", flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
