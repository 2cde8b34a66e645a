"""The server of a review: on this machine alone, with a token of its own, until Ctrl-C."""

from __future__ import annotations

import importlib
import re
import secrets
import socket
from collections.abc import Callable
from pathlib import Path

from judgegen.errors import JournalError, SpecError
from judgegen.llm.journal import Journal
from judgegen.review.app import app
from judgegen.review.sitting import Sitting

HOST = "127.0.0.1"
_FRONT = re.compile(r"\A\s*\+\+\+\n(?:.*?\n)??\+\+\+[ \t]*\n", re.DOTALL)
"""A template's front matter; those who label are told what is asked, not how it is read."""


def rubric(source: Path) -> str:
    """What the run's judges are told, without what their templates say of themselves; empty without a journal."""
    if not source.is_dir():
        return ""
    try:
        with Journal(source, create=False) as journal:
            kept = journal.texts().items()
        return "\n\n".join(_FRONT.sub("", text).strip() for name, text in kept if name.startswith("judge/"))
    except JournalError:
        return ""


def serve(sitting: Sitting, *, port: int, name: str, told: str, ready: Callable[[str], None]) -> None:
    """Serve until the process is told to stop; `ready` gets the address to open, token and all.

    Raises:
        SpecError: the extra `review` is not installed, or the port is taken.
    """
    try:
        uvicorn = importlib.import_module("uvicorn")
        importlib.import_module("starlette")
    except ImportError:
        raise SpecError("a review needs starlette and uvicorn; run: pip install 'judgegen[review]'") from None
    with _listening(port) as listener:
        at = listener.getsockname()[1]
        token = secrets.token_urlsafe(24)
        origins = frozenset({f"http://{HOST}:{at}", f"http://localhost:{at}"})
        served = app(sitting, token=token, origins=origins, name=name, rubric=told)
        ready(f"http://{HOST}:{at}/?token={token}")
        config = uvicorn.Config(served, log_level="warning", access_log=False, lifespan="off")
        uvicorn.Server(config).run(sockets=[listener])


def _listening(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen()  # who follows the printed address at once waits, and is not refused
    except OSError as error:
        listener.close()
        raise SpecError(f"--port {port}: {error.strerror}; 0 takes one that is free") from None
    return listener
