"""What the package says of itself, and the versions that CI takes: no addresses in either file of them.

`python tests/test_metadata.py lowest > .ci/lowest.txt` writes the oldest versions that pyproject.toml allows,
`python tests/test_metadata.py newest > .ci/newest.txt` those of the environment in which it runs.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
PIN = re.compile(r"([A-Za-z0-9._-]+)==(\S+)")
USED = ("graders", "local", "pii", "report", "review", "stores", "trust")
"""Extras that a user's environment has in CI; `train` is gigabytes, `notebook` and the others are a developer's."""


def required(*extras: str) -> list[Requirement]:
    """What the package itself and its extras ask for, without itself."""
    lines = [*PROJECT["dependencies"], *(line for extra in extras for line in EXTRAS[extra])]
    return [one for one in map(Requirement, lines) if one.name != "judgegen"]


def lowest() -> Iterator[str]:
    """The oldest version allowed of each."""
    for one in sorted(required(*USED), key=lambda one: one.name):
        (low,) = (part.version for part in one.specifier if part.operator == ">=")
        yield f"{one.name}=={low}"


def newest() -> Iterator[str]:
    """The version here of all that a developer's environment has for the package, near and far."""
    found: dict[str, str] = {}
    ahead = required(*(extra for extra in EXTRAS if extra not in ("train", "browser")))
    while ahead:
        one = ahead.pop()
        name = canonicalize_name(one.name)
        if name in found or (one.marker is not None and not one.marker.evaluate({"extra": ""})):
            continue
        try:
            here = distribution(name)
        except PackageNotFoundError:
            continue
        found[name] = here.version
        wanted = map(Requirement, here.requires or ())
        ahead += [
            inner
            for inner in wanted
            if inner.marker is None or any(inner.marker.evaluate({"extra": extra}) for extra in ("", *one.extras))
        ]
    yield from (f"{name}=={version}" for name, version in sorted(found.items()) if name != "judgegen")


def pins(name: str) -> dict[str, str]:
    """The versions that a file pins; a line that is anything else fails."""
    lines = (ROOT / ".ci" / name).read_text(encoding="utf-8").splitlines()
    found = {line: PIN.fullmatch(line) for line in lines}
    assert [line for line, pin in found.items() if pin is None] == []
    return {canonicalize_name(pin[1]): pin[2] for pin in found.values() if pin is not None}


def test_the_lowest_versions_are_those_that_are_allowed() -> None:
    """.ci/lowest.txt is as `python tests/test_metadata.py lowest > .ci/lowest.txt` writes it."""
    assert (ROOT / ".ci" / "lowest.txt").read_text(encoding="utf-8").splitlines() == list(lowest())


def test_the_newest_versions_are_allowed() -> None:
    """Each direct dependency that .ci/newest.txt pins is within pyproject.toml's bounds, and few are not pinned."""
    pinned = pins("newest.txt")
    wanted = required("dev", *USED)
    for one in wanted:
        if (version := pinned.get(canonicalize_name(one.name))) is not None:
            assert one.specifier.contains(version, prereleases=True), one
    assert {canonicalize_name(one.name) for one in wanted} - pinned.keys() <= {"truststore"}


def test_the_changelog_is_of_this_version() -> None:
    """What comes next stands first; below it versions with their dates, none newer than the package's."""
    heads = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert heads[0] == "Unreleased"
    for head in heads[1:]:
        found = re.fullmatch(r"(\d+\.\d+\.\d+) - \d{4}-\d\d-\d\d", head)
        assert found, head
        assert Version(found[1]) <= Version(PROJECT["version"])


@pytest.fixture(scope="module")
def build() -> ModuleType:
    """hatch_build.py, which is part of no package."""
    pytest.importorskip("hatchling")
    spec = spec_from_file_location("hatch_build", ROOT / "hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("remote", "home"),
    [
        ("https://git.example/team/judgegen.git", "https://git.example/team/judgegen"),
        ("https://robot:secret@git.example/team/judgegen", "https://git.example/team/judgegen"),
        ("git@git.example:team/judgegen.git", "https://git.example/team/judgegen"),
        ("ssh://git@git.example:2222/team/judgegen.git", "https://git.example/team/judgegen"),
        ("/srv/git/judgegen.git", ""),
        ("", ""),
    ],
)
def test_a_remote_is_a_home_on_the_web_or_none(build: ModuleType, remote: str, home: str) -> None:
    """Whatever way git is told to go there, without a login; a path on this machine is nobody's address."""
    assert build.web(remote) == home


def test_no_link_of_the_long_description_is_relative(build: ModuleType) -> None:
    """Links lead to the version's files, pictures to their bytes; without a home nothing is changed or claimed."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    led = build.absolute(readme, "https://git.example/judgegen", "v1.0.0")
    targets = re.findall(r"\]\(([^)\s]+)\)", led)
    assert targets
    assert [target for target in targets if not target.startswith("https://")] == []
    assert "](https://git.example/judgegen/raw/v1.0.0/docs/pictures/pair.png)" in led
    assert build.absolute(readme, "", "v1.0.0") == readme
    assert build.urls("", "v1.0.0") == {}
    assert set(build.urls("https://git.example/judgegen", "v1.0.0")) >= {"Source", "Changelog", "Documentation"}


def test_an_sdist_remembers_where_it_came_from(build: ModuleType, tmp_path: Path) -> None:
    """There is no git in it; what it was built with says it."""
    (tmp_path / "PKG-INFO").write_text("Name: judgegen\nProject-URL: Source, https://git.example/judgegen\n\ntext\n")
    assert build.address(tmp_path) == "https://git.example/judgegen"


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in {"lowest": lowest, "newest": newest}[sys.argv[1]]())
