"""What every test shares: a clean environment, no network but this machine, signals as they are, no stopwatch."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# In CI a law draws the same examples each time: more of them find nothing that fewer did not. At a desk they are new.
IN_CI = bool(os.environ.get("CI"))
settings.register_profile("desk", deadline=None)
# The quick tests of CI ask whether another Python runs the same lines; the full ones ask what the laws say.
settings.register_profile("quick", deadline=None, max_examples=4 if IN_CI else 8, derandomize=IN_CI)
settings.register_profile("ci", deadline=None, max_examples=20, derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if IN_CI else "desk"))

HERE = ("127.0.0.1", "::1", "localhost")
_connect = socket.socket.connect


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reaches beyond this machine, or sees a key that could spend money."""

    def connect(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and address[0] not in HERE:
            raise AssertionError(f"a test tried to reach {address}")
        _connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
    for name in list(os.environ):
        if name.startswith("OPENAI_") or name in ("NO_COLOR", "FORCE_COLOR"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session", autouse=True)
def signals() -> Iterator[None]:
    """Ctrl-C and SIGTERM end what the tests start, though a script's background job, say, ignores them."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def popen() -> Iterator[Callable[..., subprocess.Popen[Any]]]:
    """subprocess.Popen whose process and pipes are gone when the test is, however it ends.

    A pipe that a failed test leaves open is an error in whatever test the garbage collector meets it in.
    """
    with ExitStack() as held:

        def start(*arguments: Any, **options: Any) -> subprocess.Popen[Any]:
            process = held.enter_context(subprocess.Popen(*arguments, **options))
            held.callback(process.kill)
            return process

        yield start


@pytest.fixture(scope="session")
def shared() -> Path:
    """Recordings beside the checkout; tests that need them skip where they are not."""
    folder = Path(__file__).parent.parent.parent / "shared"
    if not folder.is_dir():
        pytest.skip("the folder shared/ is not beside the checkout")
    return folder
