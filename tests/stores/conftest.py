from __future__ import annotations

from collections.abc import Iterator

import fsspec
import pytest
from stores.weather import Weather

from judgegen.stores import store


@pytest.fixture
def weather(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Weather]]:
    """The store behind weather:// URLs, empty and fair; what is tried again is tried at once."""
    fsspec.register_implementation("weather", Weather, clobber=True)
    monkeypatch.setattr(store, "PAUSES_S", (0.0, 0.0, 0.0))
    for kept in (Weather.store, Weather.faults, Weather.calls, Weather.puts, Weather.known):
        kept.clear()
    Weather.pseudo_dirs[:], Weather.cut = [""], 0
    yield Weather
    Weather.faults.clear()
