"""Runs on a real Ray of this machine, one for all tests. `make ray` installs it and runs these; else they are skipped.

It takes ten seconds to start and 240 MB, writes below a folder of its own, and is heard on this machine alone.
"""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skipped where `make ray` does not ask for them, and said to be."""
    missing = "RAY" not in os.environ or importlib.util.find_spec("ray") is None
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.slow)
            if missing:
                item.add_marker(pytest.mark.skip(reason="on Ray: `make ray` installs it and runs these"))


class Cluster:
    """A head with so many cores that every shard has one; it can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.environ = {
            **os.environ,
            "HOME": str(folder),
            "RAY_TMPDIR": str(folder),
            "RAY_USAGE_STATS_ENABLED": "0",
            "PYTHONPATH": str(HERE.parent.parent),
        }

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        words = ["start", "--head", "--node-ip-address=127.0.0.1", f"--port={self.port}", "--num-cpus=17"]
        self._ray(*words, "--include-dashboard=false", f"--temp-dir={self.folder / 'ray'}", "--disable-usage-stats")

    def stop(self) -> None:
        """With -9, all of it: `ray stop` finds what was started from here by name, so it is done by folder."""
        for pid in self.pids():
            os.kill(pid, 9)

    def pids(self, name: str = "") -> list[int]:
        """Processes of this cluster whose command line has `name` in it."""
        found = []
        for path in Path("/proc").glob("[0-9]*"):
            try:
                words = (path / "cmdline").read_bytes().decode("utf-8", "replace")
                session = (path / "environ").read_bytes().decode("utf-8", "replace")
            except OSError:  # gone meanwhile, or another user's
                continue
            ours = f"RAY_TMPDIR={self.folder}\0" in session and ("ray" in words) and "judgegen\0run" not in words
            if ours and name in words and int(path.name) != os.getpid():
                found.append(int(path.name))
        return found

    def _ray(self, *words: str) -> None:
        command = [str(Path(sys.executable).parent / "ray"), *words]
        subprocess.run(command, env=self.environ, check=True, capture_output=True, timeout=120)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Of this test session's own."""
    found = Cluster(tmp_path_factory.mktemp("r"))
    found.start()
    try:
        yield found
    finally:
        found.stop()
