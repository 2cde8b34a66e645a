"""A store for tests that fails as it is told, and what is at a URL as a folder here."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import fsspec
from fsspec.implementations.memory import MemoryFileSystem


class Weather(MemoryFileSystem):  # type: ignore[misc]
    """A store in memory that fails as it is told: `faults` see every call first, and may raise.

    What it has read, or found missing, it knows until it is told to forget, as the hub's client does.
    """

    protocol = "weather"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    faults: ClassVar[list[Callable[[str, str], None]]] = []
    cut: ClassVar[int] = 0
    calls: ClassVar[Counter[str]] = Counter()
    puts: ClassVar[dict[str, list[bytes]]] = {}
    known: ClassVar[dict[str, Any]] = {}

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        if isinstance(path, str):
            path = path.replace("weather://", "memory://")
        return super()._strip_protocol(path)

    def _met(self, what: str, path: str) -> None:
        self.calls[what] += 1
        for fault in self.faults:
            fault(what, path)

    def cat_file(self, path: str, *arguments: Any, **named: Any) -> Any:
        self._met("read", path)
        if path not in self.known:
            self.known[path] = super().cat_file(path, *arguments, **named) if self.exists(path) else None
        if self.known[path] is None:
            raise FileNotFoundError(path)
        return self.known[path]

    def invalidate_cache(self, path: str | None = None) -> None:
        self.known.clear()

    def get_file(self, rpath: str, lpath: str, *arguments: Any, **named: Any) -> None:
        self._met("get", rpath)
        super().get_file(rpath, lpath, *arguments, **named)
        if type(self).cut:
            type(self).cut -= 1
            whole = Path(lpath).read_bytes()
            Path(lpath).write_bytes(whole[: len(whole) // 2])

    def put_file(self, lpath: str, rpath: str, *arguments: Any, **named: Any) -> None:
        self._met("put", rpath)
        self.puts.setdefault(rpath.rpartition("/")[2].removesuffix(".part"), []).append(Path(lpath).read_bytes())
        super().put_file(lpath, rpath, *arguments, **named)

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **named: Any) -> Any:
        self._met("write", path)
        return super().pipe_file(path, value, mode=mode, **named)


def fetched(url: str, to: Path) -> Path:
    """All that is at a URL, as a folder here."""
    shutil.rmtree(to, ignore_errors=True)
    fs, root = fsspec.core.url_to_fs(url)
    fs.get(root, str(to), recursive=True)
    return to
