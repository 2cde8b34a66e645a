"""Vega, Vega-Lite and Vega-Embed as one script to stand inside a page, which then needs no network.

vl-convert carries the libraries and packs them; that takes seconds, so what it packed is kept in the user's cache.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

from judgegen.errors import SpecError
from judgegen.writer.files import write_text

SNIPPET = "window.vegaEmbed = vegaEmbed; window.vegaReady = true;"


def script() -> str:
    """The script; it sets `vegaEmbed`.

    Raises:
        SpecError: vl-convert is not installed.
    """
    packer = _packer()
    version = str(importlib.import_module("altair").VEGALITE_VERSION)
    kept = _cache() / f"vega-{packer.__version__}-{version}.js"
    try:
        return kept.read_text(encoding="utf-8")
    except OSError:
        packed = str(packer.javascript_bundle(SNIPPET, vl_version=".".join(version.split(".")[:2])))
    _keep(kept, packed)
    return packed


def _packer() -> Any:
    try:
        return importlib.import_module("vl_convert")
    except ImportError:
        raise SpecError(
            "a report needs vl-convert-python, which is not installed; run: pip install 'judgegen[report]'"
        ) from None


def _cache() -> Path:
    """Where the user's programs keep what they can make again (XDG)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "judgegen"


def _keep(path: Path, text: str) -> None:
    """Keep it, if there is room; without it the next report takes longer, no more."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, text)
    except OSError:
        return
