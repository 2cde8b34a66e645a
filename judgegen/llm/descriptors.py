"""How many connections may be open at once, where a process may open only so many files (`ulimit -n`).

Every connection is a file to the system, and so are the journal and the outputs, which must not be the ones that find
no room. Knows nothing of who connects to what.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from judgegen.errors import SpecError

SPARE = 48
"""Files beside connections: the journal, the outputs and their folders, names being looked up."""


def fitting(wanted: Mapping[str, int], warn: Callable[[str], None]) -> dict[str, int]:
    """`wanted` connections by endpoint, or fewer of each in proportion, with a word, where so many cannot be open.

    The soft limit is raised as far as the hard one allows first.

    Raises:
        SpecError: there is not even room for one each.
    """
    total = sum(wanted.values())
    room = _room(total)
    if room is None or total <= room:
        return dict(wanted)
    limit = f"this process may open {_limit()} files (ulimit -n), and max_concurrency asks for {total} connections"
    if room < len(wanted):
        raise SpecError(f"{limit}; raise the limit, or set max_concurrency lower")
    warn(f"{limit}: {room} at once; raise the limit, or set max_concurrency to {room}")
    return {name: max(1, room * count // total) for name, count in wanted.items()}


def _room(total: int) -> int | None:
    """Connections that can be open beside what is; None where nobody counts."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return None
    needed = total + SPARE + _open()
    most = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if most > soft:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return _limit() - SPARE - _open()


def _limit() -> int:
    import resource

    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def _open() -> int:
    """Files that are open now, where the system lists them."""
    for folder in ("/proc/self/fd", "/dev/fd"):
        with suppress(OSError):
            return sum(1 for _ in Path(folder).iterdir())
    return 16
