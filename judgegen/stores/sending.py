"""Files that are made here and go to a URL: made in a folder that goes, put whole when all of them are made."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from judgegen.stores.store import Store
from judgegen.stores.urls import url_of


@dataclass(frozen=True, slots=True)
class Outgoing:
    """Where files are made: `path`, here, for what is to stand at `out`."""

    out: Path
    path: Path

    def places(self, made: Iterable[Path]) -> tuple[Path, ...]:
        """Where what was made beside `path` and below stands in the end."""
        return tuple(self.out.parent / path.relative_to(self.path.parent) for path in made)


@contextmanager
def outgoing(out: Path) -> Iterator[Outgoing]:
    """What is made within goes to `out`, a path of this machine or a URL; nothing goes where an error ends it.

    Raises:
        SpecError: nothing here speaks with such a store.
        OutputError: it cannot be written there.
    """
    url = url_of(out)
    if url is None:
        yield Outgoing(out, out)
        return
    parent, _, name = url.rstrip("/").rpartition("/")
    store = Store(parent)
    with tempfile.TemporaryDirectory(prefix="judgegen-") as folder:
        yield Outgoing(out, Path(folder) / name)
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file():
                store.put(path, path.relative_to(folder).as_posix())
