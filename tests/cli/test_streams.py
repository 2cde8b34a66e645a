"""Whatever becomes of what is printed to, a command ends in words and with a code, and a run goes to its end."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

WriteRunFile = Callable[..., Path]
FULL = Path("/dev/full")
full_disk = pytest.mark.skipif(not FULL.exists(), reason="no /dev/full on this system")


def shell(folder: Path, line: str) -> subprocess.CompletedProcess[str]:
    words = f'"{sys.executable}" -m judgegen {line}'
    return subprocess.run(["/bin/sh", "-c", words], cwd=folder, capture_output=True, text=True, check=False)


@full_disk
@pytest.mark.parametrize("line", ["--help", "list models", "list recipes"])
def test_what_cannot_be_printed_is_an_error_in_a_sentence(tmp_path: Path, line: str) -> None:
    """A full disk behind standard output ends with 2, wherever Python's own stream finds out."""
    done = shell(tmp_path, f"{line} > /dev/full")
    assert done.stderr == "error: standard output: cannot be written (No space left on device)\n"
    assert done.returncode == 2


def test_nobody_listens(tmp_path: Path) -> None:
    """Closed streams are no fault, and the exit code is what it would be."""
    for closed in (">&-", "2>&-", ">&- 2>&-"):
        done = shell(tmp_path, f"list formats {closed}")
        assert (done.returncode, done.stderr) == (0, "")
        assert shell(tmp_path, f"show nowhere {closed}").returncode == 2


@pytest.mark.slow
@full_disk
@pytest.mark.parametrize("aside", ["2>&-", "2>/dev/full"])
def test_a_run_does_not_end_for_what_it_cannot_tell(tmp_path: Path, run_file: WriteRunFile, aside: str) -> None:
    """Progress and warnings are told beside the work."""
    run_file(prompts=3)
    assert shell(tmp_path, f"run mine.toml --out out {aside}").returncode == 0
    assert (tmp_path / "out" / "preferences.jsonl").read_text()


@pytest.mark.parametrize(("content", "code"), [(b"A=\xfc\n", 2), (b"\xef\xbb\xbfNOTHING=1\n", 0), (b"nonsense\n", 0)])
def test_an_env_file_is_read_or_told_of(tmp_path: Path, content: bytes, code: int) -> None:
    """One that is not UTF-8 is named; a mark of encoding is passed over."""
    (tmp_path / ".env").write_bytes(content)
    done = shell(tmp_path, "list formats")
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert code == 0 or "error: .env: cannot be read" in done.stderr
