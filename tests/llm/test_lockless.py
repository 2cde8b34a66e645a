"""A file system that lacks what a journal needs is refused in words: here a library takes the calls away."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
static int absent(const char *what) { const char *said = getenv("ABSENT"); return said && !strcmp(said, what); }
int flock(int fd, int how) {
    int (*real)(int, int) = dlsym(RTLD_NEXT, "flock");
    if (absent("flock")) { errno = ENOLCK; return -1; }
    return real(fd, how);
}
void *mmap64(void *at, size_t n, int may, int how, int fd, off_t from) {
    void *(*real)(void *, size_t, int, int, int, off_t) = dlsym(RTLD_NEXT, "mmap64");
    if (absent("mmap") && fd >= 0 && (how & MAP_SHARED)) { errno = ENODEV; return MAP_FAILED; }
    return real(at, n, may, how, fd, from);
}
void *mmap(void *at, size_t n, int may, int how, int fd, off_t from) { return mmap64(at, n, may, how, fd, from); }
int fcntl64(int fd, int what, ...) {
    int (*real)(int, int, ...) = dlsym(RTLD_NEXT, "fcntl64");
    va_list rest; va_start(rest, what); void *given = va_arg(rest, void *); va_end(rest);
    if (absent("fcntl") && (what == F_SETLK || what == F_SETLKW)) { errno = ENOLCK; return -1; }
    return real(fd, what, given);
}
static int full(int fd) {
    char link[64], name[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, name, sizeof name - 1);
    if (!absent("room") || n < 4 || strncmp(name + n - 4, "-shm", 4)) return 0;
    errno = ENOSPC; return 1;
}
ssize_t pwrite64(int fd, const void *from, size_t n, off_t at) {
    ssize_t (*real)(int, const void *, size_t, off_t) = dlsym(RTLD_NEXT, "pwrite64");
    return full(fd) ? -1 : real(fd, from, n, at);
}
ssize_t pwrite(int fd, const void *from, size_t n, off_t at) { return pwrite64(fd, from, n, at); }
ssize_t write(int fd, const void *from, size_t n) {
    ssize_t (*real)(int, const void *, size_t) = dlsym(RTLD_NEXT, "write");
    return full(fd) ? -1 : real(fd, from, n);
}
int fcntl(int fd, int what, ...) {
    va_list rest; va_start(rest, what); void *given = va_arg(rest, void *); va_end(rest);
    return fcntl64(fd, what, given);
}
"""
OPEN = (
    "import sys; from pathlib import Path; from judgegen.llm.journal import Journal; Journal(Path(sys.argv[1])).close()"
)
LOOK = (
    "import sys; from pathlib import Path; from judgegen.run.engine import at_work; lock = Path(sys.argv[1]); "
    "lock.touch(); print(at_work(lock))"
)


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("needs a C compiler on Linux")
    folder = tmp_path_factory.mktemp("shim")
    (folder / "shim.c").write_text(SHIM, encoding="utf-8")
    command = [compiler, "-shared", "-fPIC", "-o", str(folder / "shim.so"), str(folder / "shim.c"), "-ldl"]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("the C compiler cannot make the library")
    return folder / "shim.so"


def opened(shim: Path, folder: Path, absent: str, script: str = OPEN) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LD_PRELOAD": str(shim), "ABSENT": absent}
    command = [sys.executable, "-c", script, str(folder)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("absent", "words"),
    [
        ("flock", "this file system gives no locks, or no memory that connections share ([Errno 37]"),
        ("mmap", "this file system gives no locks, or no memory that connections share (disk I/O error)"),
        ("fcntl", "or its file system gives no locks"),
    ],
)
def test_what_a_journal_lacks_is_said_with_the_mend(shim: Path, tmp_path: Path, absent: str, words: str) -> None:
    """No traceback of somebody else's, and no talk of a full disk; where nothing is lacking the folder is taken."""
    refused = opened(shim, tmp_path / "run", absent)
    assert refused.returncode != 0
    said = refused.stderr.splitlines()[-1]
    assert said.startswith("judgegen.errors.JournalError: ")
    assert words in said
    assert "choose another --out" in said
    assert opened(shim, tmp_path / "run", "nothing").returncode == 0


def test_a_disk_without_room_for_shared_memory_is_full(shim: Path, tmp_path: Path) -> None:
    """Where the memory's file cannot grow, room is wanting and not the file system: the mend is to make some."""
    refused = opened(shim, tmp_path / "run", "room").stderr.splitlines()[-1]
    assert refused.startswith("judgegen.errors.JournalError: ")
    assert "make room" in refused
    assert "no locks" not in refused


def test_an_engine_is_not_waited_for_where_no_lock_can_tell(shim: Path, tmp_path: Path) -> None:
    """Without locks nobody knows whether an engine is at work: that is said, and is not taken for one that is."""
    assert opened(shim, tmp_path / "lock", "nothing", LOOK).stdout == "False\n"
    refused = opened(shim, tmp_path / "lock", "flock", LOOK)
    assert refused.returncode != 0
    assert "this file system gives no locks" in refused.stderr
