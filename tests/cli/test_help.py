from __future__ import annotations

import functools
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from judgegen import cli

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "cli.md"
WRITE_IT = "python tests/cli/test_help.py > docs/cli.md"
HEAVY = ("pandas", "pyarrow", "openai", "tiktoken", "rich", "asyncio", "aiohttp", "sqlite3", "jinja2")


def paths(command: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Every command's words, the groups' before those of what is in them."""
    inner = getattr(command, "commands", {}) if path else {name: cli.load(name) for name in cli.COMMANDS}
    below = [paths(one, (*path, name)) for name, one in inner.items()]
    return [path, *(found for group in below for found in group)]


@functools.cache
def help_text(path: tuple[str, ...]) -> str:
    """What the command prints when it is asked for help on a terminal of 80 columns."""
    done = subprocess.run(
        [sys.executable, "-m", "judgegen", *path, "--help"],
        env={"COLUMNS": "80", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout


def page() -> str:
    """docs/cli.md as it should be."""
    parts = [f"# The command line\n\nWritten by `{WRITE_IT}`; the tests compare it.\n"]
    parts += [
        f"## judgegen {' '.join(path)}".rstrip() + f"\n\n```text\n{help_text(path)}```\n"
        for path in paths(get_command(cli.app))
    ]
    return "\n".join(parts)


@pytest.mark.slow
@pytest.mark.skipif(not PAGE.is_file(), reason="the documentation is not part of an installed package")
def test_the_documentation_is_what_help_says() -> None:
    """docs/cli.md has the help of every command, word for word."""
    assert PAGE.read_text(encoding="utf-8") == page(), f"write it again: {WRITE_IT}"


@pytest.mark.slow
@pytest.mark.parametrize("name", cli.COMMANDS)
def test_the_list_says_what_the_command_says(name: str) -> None:
    """A command's line in the list is the first line of its own help, uncut at 80 columns."""
    assert cli.load(name).help.splitlines()[0] == cli.COMMANDS[name]
    assert re.search(rf"^  {name} +{re.escape(cli.COMMANDS[name])}$", help_text(()), re.MULTILINE)


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"], []])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    """Asking for help or for the version imports neither a command's parts nor a heavy library."""
    script = (
        "import sys, judgegen.cli\ntry: judgegen.cli.main(sys.argv[1:])\nfinally: print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=False)
    modules = set(done.stderr.split())
    assert "judgegen.cli" in modules
    assert sorted(modules & {*HEAVY, "judgegen.api", "judgegen.spec.runfile", "judgegen.show.progress"}) == []
    # typer itself reads the types of a command's arguments with pydantic
    assert ("pydantic" in modules) <= (arguments[:1] == ["run"])
    assert ("judgegen.cli.run" in modules) == (arguments[:1] == ["run"])


def test_importing_the_package_is_light() -> None:
    """`import judgegen` imports none of its parts; a name brings its own when it is used."""
    script = "import sys, judgegen; print(*sys.modules); judgegen.SpecError; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    before, after = (set(line.split()) for line in done.stdout.splitlines())
    assert {name for name in before if name.startswith("judgegen")} == {"judgegen"}
    assert not before & {*HEAVY, "typer"}
    assert {name for name in after if name.startswith("judgegen")} == {"judgegen", "judgegen.errors"}


def test_the_version_is_the_packages() -> None:
    """--version prints what the installed package says."""
    from importlib.metadata import version

    done = subprocess.run(
        [sys.executable, "-m", "judgegen", "--version"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout == f"judgegen {version('judgegen')}\n"


@pytest.mark.parametrize("arguments", [[], ["run"], ["judge", "check"]])
def test_two_letters_ask_for_help(arguments: list[str]) -> None:
    """-h says what --help says."""
    short, long = (
        subprocess.run([sys.executable, "-m", "judgegen", *arguments, way], capture_output=True, text=True, check=True)
        for way in ("-h", "--help")
    )
    assert short.stdout == long.stdout


def test_no_line_of_a_list_is_cut() -> None:
    """Each command of a list is there with its whole sentence."""
    assert not re.findall(r"^  \S+  .*\.\.\.$", page(), re.MULTILINE)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Usage: judgegen"),
        (["rum"], "No such command 'rum'. Did you mean 'run'?"),
        (["run"], "Missing argument 'SPEC'"),
        (["run", "mine.toml", "--limit", "0"], "'--limit'"),
        (["run", "mine.toml", "--limit", "few"], "'--limit'"),
        (["run", "mine.toml", "--frobnicate"], "--frobnicate"),
        (["write"], "Missing argument 'DIR'"),
        (["init"], "Missing argument 'DIR'"),
    ],
)
def test_wrong_usage_exits_2(arguments: list[str], words: str) -> None:
    """What the command line cannot mean ends with exit code 2 and says so, without a traceback."""
    done = subprocess.run([sys.executable, "-m", "judgegen", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert words in done.stderr + done.stdout
    assert "Traceback" not in done.stderr


if __name__ == "__main__":
    sys.stdout.write(page())
