"""A process that has imported judgegen and forks a command line of it for each order: a run begins within milliseconds.

    python -m torture.forge          an order per line of standard input, its end per line of standard output, as JSON

In the child what is tried is armed first: a signal at one step of its event loop, or one failing operation on files
(by the library that `torture.disk` builds and preloads). What the child asks and is answered goes through a pipe, so
that it is known even of one that was killed. Knows nothing of what should come of it.
"""

from __future__ import annotations

import asyncio
import atexit
import ctypes
import gc
import importlib
import json
import os
import pkgutil
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Self

LONGEST_S = 60.0
"""Seconds after which a command has hung. None of those that are tried takes three."""
_ALSO = ("pandas", "pyarrow.parquet", "pyarrow.compute", "openai", "httpx2", "aiohttp", "tomli_w", "genai_prices")
"""What judgegen imports when it is first used, where it is installed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How a command ended.

    Attributes:
        code: its exit code, minus the signal that ended it.
        said: what it wrote to standard output and error.
        asked: ids of the calls that it asked, as often as it did; `answered`: of those that were.
        fired: what was armed went off.
        hung: it did not end by itself.
    """

    code: int
    said: str
    asked: tuple[str, ...]
    answered: tuple[str, ...]
    fired: bool
    hung: bool

    @property
    def traceback(self) -> bool:
        """Whether a person would see one, or be told of a fault of the program's own."""
        return "Traceback" in self.said or "fault of judgegen's own" in self.said


class Forge:
    """The process, and orders to it, one at a time."""

    def __init__(self, *, preload: Path | None = None, **environment: str) -> None:
        own = {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1", **environment}
        loaded = {} if preload is None else {"LD_PRELOAD": str(preload)}
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            [sys.executable, "-m", "torture.forge"], stdin=pipe, stdout=pipe, env={**os.environ, **own, **loaded}
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def run(self, folder: Path, *arguments: str, **armed: Any) -> End:
        """`judgegen` with these arguments in `folder`, with what is `armed`: signal, at, times, gap; or fail, mode."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {"folder": str(folder), "arguments": arguments, "armed": armed}
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        end = json.loads(self._process.stdout.readline())
        return End(**{**end, "asked": tuple(end["asked"]), "answered": tuple(end["answered"])})


class Child(Exception):  # noqa: N818 - no error: it takes the child out of the loop, to end as any program does
    """This process is the one that carries the order out."""

    def __init__(self, order: Mapping[str, Any], report: int) -> None:
        super().__init__()
        self.order, self.report = order, report


def serve() -> None:
    """Carry out order after order.

    Raises:
        Child: in the process that was forked for one.
    """
    for line in sys.stdin.buffer:
        sys.stdout.write(json.dumps(_carried_out(json.loads(line))) + "\n")
        sys.stdout.flush()


def _carried_out(order: Mapping[str, Any]) -> dict[str, Any]:
    said_at, says = os.pipe()
    report_at, reports = os.pipe()
    if (pid := os.fork()) == 0:
        for descriptor in (said_at, report_at):
            os.close(descriptor)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for descriptor, place in ((nothing, 0), (says, 1), (says, 2)):
            os.dup2(descriptor, place)
        os.close(says)
        raise Child(order, reports)
    os.close(says)
    os.close(reports)
    found, hung = _read_out(pid, said_at, report_at)
    _, status = os.waitpid(pid, 0)
    lines = found[report_at].decode().split()
    return {
        "code": os.waitstatus_to_exitcode(status),
        "said": found[said_at].decode("utf-8", "backslashreplace"),
        "asked": [line[1:] for line in lines if line[0] == "?"],
        "answered": [line[1:] for line in lines if line[0] == "!"],
        "fired": "fired" in lines,
        "hung": hung,
    }


def _read_out(pid: int, *descriptors: int) -> tuple[dict[int, bytes], bool]:
    """All that comes out of the pipes until they are closed; whether the process had to be killed for that."""
    found = dict.fromkeys(descriptors, b"")
    end, hung = time.monotonic() + LONGEST_S, False
    with selectors.DefaultSelector() as selector:
        for descriptor in descriptors:
            selector.register(descriptor, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(max(0.0, end - time.monotonic()))
            if not ready and not hung:
                hung, end = True, end + LONGEST_S
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            for key, _ in ready:
                if part := os.read(key.fd, 65536):
                    found[key.fd] += part
                else:
                    selector.unregister(key.fd)
                    os.close(key.fd)
    return found, hung


def obey(child: Child) -> None:
    """Arm what is to be tried, and become the command line.

    Raises:
        SystemExit: as the command line does.
    """
    from judgegen import cli

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    os.chdir(child.order["folder"])
    sys.argv[1:] = child.order["arguments"]
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)
    _overhear(child.report)
    armed = child.order["armed"]
    if "signal" in armed:
        _arm_signal(child.report, **armed)
    if "fail" in armed:
        _arm_disk(child.report, **armed)
    try:
        cli.main()
    except SystemExit as end:
        _leave(end.code if isinstance(end.code, int) else 1)


def _leave(code: int) -> NoReturn:
    """End as an interpreter does, but for tearing itself down, which takes as long as a run."""
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()  # noqa: SLF001
    sys.stdout.flush()
    os._exit(code)


def _overhear(report: int) -> None:
    """Report each call that the world is asked, and each that it answered."""
    from judgegen.llm.providers.openai import ChatProvider

    ask = ChatProvider.__call__

    async def overheard(self: ChatProvider, call: Any) -> Any:
        os.write(report, f"?{call.id}\n".encode())
        outcome = await ask(self, call)
        os.write(report, f"!{call.id}\n".encode())
        return outcome

    ChatProvider.__call__ = overheard  # type: ignore[method-assign]


def _arm_signal(report: int, *, at: int, times: int, gap: int, **armed: int) -> None:
    """Raise the signal before step `at` of the event loop, and `gap` steps later once more if that is asked for.

    Whatever a coroutine waits for, it is a step of its loop that goes on with it: these are all points of waiting.
    """
    step = asyncio.Handle._run  # noqa: SLF001 - where every step passes
    steps = 0
    moments = {at} | ({at + gap} if times > 1 else set())

    def counted(self: asyncio.Handle) -> None:
        nonlocal steps
        steps += 1
        if steps in moments:
            os.write(report, b"fired\n")
            os.kill(os.getpid(), armed["signal"])
        step(self)

    asyncio.Handle._run = counted  # type: ignore[method-assign]  # noqa: SLF001


def _arm_disk(report: int, *, fail: int, mode: str) -> None:
    """Let operation number `fail` on files fail as `mode` says; 0 counts only. The library reports by itself."""
    preloaded = ctypes.CDLL(None)
    preloaded.torture_arm(report, fail, {"full": 0, "once": 1, "broken": 2, "kill": 3}[mode])


def main() -> None:
    """Import and load what a run takes its first second for, then serve."""
    for name in _ALSO:
        with suppress(ImportError):
            importlib.import_module(name)
    import judgegen
    from judgegen.llm.tokens import count_messages

    for module in pkgutil.walk_packages(judgegen.__path__, "judgegen."):
        if ".prompts" not in module.name and not module.name.endswith("__main__"):
            with suppress(ImportError):
                importlib.import_module(module.name)
    count_messages(({"role": "user", "content": "loaded"},))
    gc.freeze()
    try:
        serve()
    except Child as forked:
        child = forked
    else:
        return
    child.__traceback__ = child.__context__ = None
    obey(child)


if __name__ == "__main__":
    main()
