"""An engine that answers a batch file: a command of the run file's, as a process beside this one.

It holds a lock for as long as it lives, so that whoever comes after a kill sees that it is still at work and starts no
second one. What it prints goes to a file, whoever reads it; here it is read as it grows. It runs in a session of its
own: a Ctrl-C reaches it through us. Knows nothing of calls or of what stands in the files.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from judgegen.errors import SpecError
from judgegen.llm.stop import Stop

LOOK_S = 0.2
"""Seconds between looks at what it printed."""
GRACE_S = 20.0
"""Seconds that an engine has to end by itself when it is told to."""
_ENDS = re.compile(rb"[\r\n]+")


@contextmanager
def _held(lock: Path) -> Iterator[int | None]:
    """The lock, as a file to be handed on to a process that keeps it; None where somebody else has it.

    Raises:
        SpecError: the file system gives no locks.
    """
    import fcntl

    handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        except OSError as error:
            raise SpecError(
                f"{lock.parent}: this file system gives no locks ({error.strerror}), so an engine that a kill left at "
                f"work there could not be told; have batch files in another folder"
            ) from None
        else:
            yield handle
    finally:
        os.close(handle)


def at_work(lock: Path) -> bool:
    """Whether an engine that was started with this lock is still there.

    Raises:
        SpecError: the file system gives no locks.
    """
    if os.name == "nt" or not lock.exists():
        return False
    with _held(lock) as handle:
        return handle is None


class Printed:
    """What a process prints into a file, line by line; told as it grows. `last` is the last line that says anything."""

    def __init__(self, path: Path, say: Callable[[str], None]) -> None:
        self._path, self._say = path, say
        self._read, self._rest = 0, b""
        self.last = ""

    def look(self, *, over: bool = False) -> None:
        """Tell what has come; `over`: also what has no end yet, since no more will come."""
        with suppress(FileNotFoundError), self._path.open("rb") as file:
            file.seek(self._read)
            fresh = file.read()
            self._read += len(fresh)
            *whole, self._rest = _ENDS.split(self._rest + fresh)
            for line in [*whole, *([self._rest] if over else [])]:
                if said := line.decode("utf-8", "replace").strip():
                    self.last = said
                    self._say(said)

    def close(self) -> None:
        """Tell the rest; the file is not needed any more."""
        self.look(over=True)
        self._path.unlink(missing_ok=True)


async def run(words: list[str], lock: Path, printed: Path, say: Callable[[str], None], stop: Stop) -> tuple[int, str]:
    """Run an engine to its end, or end it when the run stops.

    Args:
        words: the command.
        lock: a file that is locked while the engine is there.
        printed: a file for what it prints, gone when that was told.
        say: is told each line.
        stop: ends it.

    Returns:
        Its status (as subprocess has it), and the last line it printed.

    Raises:
        SpecError: it cannot be started, or the file system gives no locks.
    """
    told = Printed(printed, say)
    with _held(lock) as handle, printed.open("ab") as out:
        try:
            process = await asyncio.create_subprocess_exec(
                *words,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                pass_fds=() if handle is None else (handle,),
            )
        except (OSError, ValueError) as error:
            told.close()
            why = getattr(error, "strerror", None) or error
            raise SpecError(f"{words[0]!r} cannot be started ({why}): install it, or write where it is") from None
    ended = asyncio.ensure_future(process.wait())
    while not ended.done() and not stop.requested:
        await asyncio.wait({ended}, timeout=LOOK_S)
        told.look()
    if not ended.done():
        await _end(process, ended)
    told.close()
    return await ended, told.last


async def _end(process: asyncio.subprocess.Process, ended: asyncio.Future[int]) -> None:
    """Ask the engine and whatever it started to end, and make it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        await asyncio.wait({ended}, timeout=GRACE_S)
        if ended.done():
            return


def how(status: int) -> str:
    """How it ended, in words."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"
