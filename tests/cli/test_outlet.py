"""What leaves for a terminal or a pipe holds no secret and moves nothing."""

from __future__ import annotations

import io
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from judgegen.cli.outlet import Outlet, outlets
from judgegen.llm import secrets

HOSTILE = "\x1b[31mred\x1b]0;pwned\x07\x1b[2J\u202egnihton\x9b5m\rover\x00"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@given(st.text())
def test_a_pipe_gets_no_control_character(text: str) -> None:
    """But tab and newline; everything else is there as it was, or as its escape."""
    stream = io.StringIO()
    Outlet(stream).write(text)
    said = stream.getvalue()
    assert not [c for c in said if (ord(c) < 32 and c not in "\n\t") or 127 <= ord(c) < 160 or c in "\u202e\u2066"]
    if text.isprintable():
        assert said == text


def test_a_terminal_is_driven_by_displays_and_by_nothing_else() -> None:
    """Colours and the cursor pass, titles, bells, reversals do not."""
    stream = Terminal()
    Outlet(stream).write(HOSTILE)
    said = stream.getvalue()
    assert "\x1b[31mred" in said
    assert not {"\x07", "\u202e", "\x9b", "\x00"} & set(said)
    assert "\x1b]" not in said


def test_secrets_are_masked_on_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever prints them, by whichever stream."""
    monkeypatch.setattr(secrets, "_forms", {})
    secrets.remember("sk-planted-1f2e3d4c5b")
    out, aside = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", aside)
    with outlets():
        sys.stdout.write("so sk-planted-1f2e3d4c5b\n")
        sys.stderr.write("and sk-planted-1f2e3d4c5b\n")
        sys.stderr.writelines(["a\n", "sk-planted-1f2e3d4c5b"])
    assert out.getvalue() == "so [secret]\n"
    assert aside.getvalue() == "and [secret]\na\n[secret]"
    assert sys.stdout is out
