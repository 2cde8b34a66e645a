"""A folder at an object store or another server, by fsspec: files fetched whole, put whole or not at all.

What fails is tried again, and then said with the mend; keys are the store's own affair (AWS_…, GOOGLE_…, `hf auth`).
Knows nothing of runs.
"""

from __future__ import annotations

import errno
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar, cast

from judgegen.errors import OutputError, SpecError
from judgegen.llm.secrets import bare, masked, remember, secret_name

T = TypeVar("T")
PAUSES_S = (0.5, 2.0, 8.0)
"""Seconds before what failed is tried again."""
_AT_ONCE = ("s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl", "hf", "memory", "oci", "oss", "tos")
"""Schemes of stores in which a file that is put appears when it is whole; elsewhere it is put beside and renamed."""
_EXTRA = {"s3": "s3", "s3a": "s3", "gs": "gs", "gcs": "gs", "hf": "hf"}
_KEYS_OF = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run: aws configure",
    "gs": "set GOOGLE_APPLICATION_CREDENTIALS, or run: gcloud auth application-default login",
}
_FINAL = (FileNotFoundError, PermissionError, FileExistsError, IsADirectoryError, NotImplementedError)
_KEYS = ("AWS_", "GOOGLE_", "GCS_", "AZURE_", "HF_", "FSSPEC_", "MINIO_", "R2_", "B2_")


class Store:
    """The folder, or the one file, at `url`.

    Raises:
        SpecError: nothing here speaks with such a store.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.shown = bare(self.url)
        self._scheme = url.partition("://")[0]
        _hide_keys()
        self._fs, self._root = self._opened()

    def _opened(self) -> tuple[Any, str]:
        try:
            from fsspec.core import url_to_fs
        except ImportError:
            raise SpecError(f"{self.shown}: URLs need fsspec; run: pip install 'judgegen[stores]'") from None
        try:
            fs, root = url_to_fs(self.url, use_listings_cache=False)
        except ImportError as error:
            extra = _EXTRA.get(self._scheme)
            mend = f"run: pip install 'judgegen[{extra}]'" if extra else str(error)
            raise SpecError(f"{self.shown}: what speaks with such a store is not installed ({mend})") from None
        except Exception as error:  # noqa: BLE001 - each store's library has errors of its own
            raise SpecError(f"{self.shown}: {_said(error)}") from None
        return fs, str(root)

    def inside(self, name: str) -> Store:
        """The folder or file of that name in it."""
        return Store(f"{self.url}/{name}")

    def _at(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root

    def read(self, name: str) -> bytes | None:
        """A small file whole; None where there is none."""
        try:
            return self._tried("read", name, lambda: cast(bytes, self._fs.cat_file(self._at(name))))
        except FileNotFoundError:
            return None

    def fetch(self, name: str, to: Path) -> None:
        """Copy a file to `to`, whole or not at all.

        Raises:
            FileNotFoundError: there is none.
            OutputError: it cannot be read, or comes in part only.
        """
        to.parent.mkdir(parents=True, exist_ok=True)
        part = to.with_name(f"{to.name}.part")
        try:
            self._tried("read", name, lambda: self._fetch(self._at(name), part))
            part.replace(to)
        finally:
            part.unlink(missing_ok=True)

    def _fetch(self, path: str, to: Path) -> None:
        self._fs.get_file(path, str(to))
        self._check(path, to)

    def _check(self, path: str, local: Path) -> None:
        """Raise OSError where a file here is not as long as the store says that it is there."""
        there, here = self._fs.info(path).get("size"), local.stat().st_size
        if there is not None and there != here:
            raise OSError(f"cut short: {there:,} bytes there, {here:,} here")

    def put(self, local: Path, name: str) -> None:
        """Copy a file into it; what stood there under that name stays until the new one is whole.

        Raises:
            OutputError: it cannot be written.
        """
        self._tried("written", name, lambda: self._put(name, lambda path: self._put_file(local, path)))

    def _put_file(self, local: Path, path: str) -> None:
        self._fs.put_file(str(local), path)
        self._check(path, local)

    def write(self, name: str, data: bytes) -> None:
        """Put a small file in place of what was there.

        Raises:
            OutputError: it cannot be written.
        """
        self._tried("written", name, lambda: self._put(name, lambda path: self._fs.pipe_file(path, data)))

    def _put(self, name: str, put: Callable[[str], Any]) -> None:
        path = self._at(name)
        if self._scheme in _AT_ONCE:
            put(path)
            return
        self._fs.makedirs(path.rpartition("/")[0], exist_ok=True)
        put(f"{path}.part")
        self._fs.mv(f"{path}.part", path)

    def create(self, name: str, data: bytes) -> bool:
        """Put a small file where there is none; False where there is one, or where another came first.

        Raises:
            OutputError: it cannot be written.
        """
        if self.read(name) is not None:
            return False
        if self._scheme not in _AT_ONCE:
            self._fs.makedirs(self._root, exist_ok=True)
        try:
            self._fs.pipe_file(self._at(name), data, mode="create")
        except Exception as error:  # noqa: BLE001 - one that exists is told in as many ways as there are stores
            if self.read(name) is None:
                raise self._failed("written", name, error) from None
        return self.read(name) == data

    def remove(self, name: str) -> None:
        """Remove a file, where there is one.

        Raises:
            OutputError: it cannot be removed.
        """
        with suppress(FileNotFoundError):
            self._tried("removed", name, lambda: self._fs.rm_file(self._at(name)))

    def names(self) -> list[str]:
        """Every file in it and below, by its path from here."""
        try:
            found = self._tried("listed", "", lambda: list(self._fs.find(self._root)))
        except FileNotFoundError:
            return []
        return sorted(str(path)[len(self._root) :].lstrip("/") for path in found)

    def _tried(self, what: str, name: str, work: Callable[[], T]) -> T:
        for pause in (*PAUSES_S, None):
            self._fs.invalidate_cache()  # one that lists folders once (hf) would not see what other machines put there
            try:
                return work()
            except FileNotFoundError as error:
                if what == "written":  # there is no such bucket
                    raise self._failed(what, name, error) from None
                raise
            except Exception as error:  # noqa: BLE001 - each store's library has errors of its own
                if pause is None or isinstance(error, _FINAL):
                    raise self._failed(what, name, error) from None
                time.sleep(pause)
        raise AssertionError("unreachable")

    def _failed(self, what: str, name: str, error: Exception) -> OutputError:
        place = f"{self.shown}/{name}" if name else self.shown
        keys = f"; {_KEYS_OF[self._scheme]}" if self._scheme in _KEYS_OF and "credential" in str(error).lower() else ""
        return OutputError(f"{place}: cannot be {what} ({_said(error)}{keys})")


@contextmanager
def at_hand(url: str) -> Iterator[Path]:
    """The file at `url`, whole, as one of this machine, which goes; who opened it within reads it to its end.

    Raises:
        OSError: there is none, or it cannot be read; `strerror` says why.
    """
    with tempfile.TemporaryDirectory(prefix="judgegen-", ignore_cleanup_errors=True) as folder:
        whole = Path(folder) / "whole"
        try:
            Store(url).fetch("", whole)
        except FileNotFoundError:
            raise FileNotFoundError(errno.ENOENT, "there is no such file", bare(url)) from None
        except (OutputError, SpecError) as error:
            words = str(error).removeprefix(f"{bare(url)}: ").removeprefix("cannot be read (").removesuffix(")")
            raise OSError(errno.EIO, words, bare(url)) from None
        yield whole


def _said(error: Exception) -> str:
    words = masked(" ".join(str(error).split())) or type(error).__name__
    return words[:300]


def _hide_keys() -> None:
    """Have the keys of stores that stand in the environment left out of all that is said and written."""
    for name, value in os.environ.items():
        if name.startswith(_KEYS) and secret_name(name):
            remember(value)
