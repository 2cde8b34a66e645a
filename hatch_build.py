"""The package's metadata that depends on where it lives: its addresses, and the README with links that lead there.

Where it lives is git's `origin`, or what the sdist was built with; where neither says, no address is claimed and links
stay as they are.
"""

from __future__ import annotations

import re
import subprocess
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

LINK = re.compile(r"(!?)(\[[^\]]*\])\((?!https?://|#|mailto:)([^)\s]+)\)")


class Home(MetadataHookInterface):
    """Fills in `readme` and `urls`."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Called by the builder with what pyproject.toml has under [project]."""
        root, version = Path(self.root), f"v{metadata['version']}"
        home = address(root)
        text = (root / "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": absolute(text, home, version)}
        metadata["urls"] = urls(home, version)


def address(root: Path) -> str:
    """Where it lives, as a web address without a slash at the end; empty where nobody says."""
    told = root / "PKG-INFO"
    if told.is_file():
        found = HeaderParser().parsestr(told.read_text(encoding="utf-8")).get_all("Project-URL", [])
        return next((one.partition(", ")[2] for one in found if one.startswith("Source, ")), "")
    asked = ["git", "-C", str(root), "config", "--get", "remote.origin.url"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return web(done.stdout.strip())


def web(remote: str) -> str:
    """The web address of a remote: https, or ssh in either spelling, without a login; empty for a path."""
    found = re.fullmatch(r"(?:https://|ssh://git@|git@)(?:[^@/]+@)?([\w.-]+)(?::\d+)?[:/](.+?)(?:\.git)?/?", remote)
    return "" if found is None else f"https://{found[1]}/{found[2]}"


def absolute(text: str, home: str, version: str) -> str:
    """The README with its relative links led to `home`, pictures to their bytes."""

    def led(found: re.Match[str]) -> str:
        picture, words, target = found.groups()
        return f"{picture}{words}({home}/{'raw' if picture else 'blob'}/{version}/{target})"

    return LINK.sub(led, text) if home else text


def urls(home: str, version: str) -> dict[str, str]:
    """The addresses by name; none without a home."""
    named = {"Source": "", "Issues": "/issues"}
    pages = {"Documentation": "docs/index.md", "Changelog": "CHANGELOG.md"}
    led = {name: f"/blob/{version}/{path}" for name, path in pages.items()}
    return {name: home + path for name, path in {**named, **led}.items()} if home else {}
