"""Ctrl-C, SIGTERM, a closed terminal: the first lets what is in flight land, the second ends the process at once.

Ending at once is safe: the journal and the outputs are written so that a kill at any moment leaves them whole. Knows
nothing of what is being run.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, Any, TypeVar

from judgegen.errors import Interrupted

if TYPE_CHECKING:
    from judgegen.show.progress import Shown

T = TypeVar("T")

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
"""One that is ignored when we begin, as nohup has it, stays ignored. Windows has no third."""
FIRST = "stopping: what is in flight lands and is written; once more ends at once"


def stoppable(job: Callable[..., Coroutine[Any, Any, T]], watch: Shown) -> T:
    """What `job` comes to, run under `watch` in a loop of its own, with a stop that the first signal requests."""
    from judgegen.cli import ending
    from judgegen.llm.stop import Stop

    stop, runner = Stop(), asyncio.Runner()

    def first(error: Interrupted) -> None:
        stop.request(error)
        watch.warned(FIRST)

    last_words = f"ended at once; to continue: {ending.same_command()}"
    gc.freeze()  # what was loaded stays: nobody need look for circles in it
    with interruptible(runner.get_loop(), first, last_words), runner:  # what a loop closes with is of the run, too
        return runner.run(job(watch=watch, stop=stop))


@contextmanager
def interruptible(
    loop: asyncio.AbstractEventLoop, stop: Callable[[Interrupted], None], last_words: str
) -> Iterator[None]:
    """Within the block, the first signal calls `stop` on `loop`, if it is open, and the second ends with `last_words`.

    That exit, with 130, is at once.
    """
    seen = 0

    def caught(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a handler
        nonlocal seen
        seen += 1
        if seen > 1:
            _exit(last_words)
        name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        with suppress(RuntimeError):  # closed: all is done, and there is nothing left to stop
            loop.call_soon_threadsafe(stop, Interrupted(f"by {name}; answers that were in flight are in the journal"))

    heard = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, caught) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _exit(words: str) -> None:
    """Leave without unwinding; past Python's own stream, in the midst of whose writing the signal may have come."""
    cursor = "\x1b[?25h" if sys.stderr.isatty() else ""
    with suppress(OSError):  # closed, too
        os.write(sys.stderr.fileno(), f"{cursor}\n{words}\n".encode(errors="replace"))
    os._exit(Interrupted.exit_code)
