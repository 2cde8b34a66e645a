"""Whether a run's comparisons are of the kind that its calibration saw, told without people.

A promise holds for prompts and answers like those it was tested on. Knows results and the calibration, and no files.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from judgegen.records import Result
from judgegen.watch import Watch
from judgegen.writer.calibrated import Calibration

if TYPE_CHECKING:
    from judgegen.trust.shift import Seen, Sight


class Unwatched:
    """A run whose calibration saw nothing, or that has none: nothing is said of it."""

    def add(self, result: Result) -> None:
        """One more result."""

    def close(self) -> dict[str, Any]:
        """What the summary says of it."""
        return {}


class Watched(Unwatched):
    """Adds up what shows of a run's comparisons, and says at its end where that differs from what was seen then."""

    def __init__(self, then: Mapping[str, Seen], sight: Sight, watch: Watch) -> None:
        self._then, self._sight, self._watch = then, sight, watch

    def add(self, result: Result) -> None:
        """The comparisons of one more prompt."""
        from judgegen.trust import judged

        for match in result.matches:
            self._sight.add(judged(match))

    def close(self) -> dict[str, Any]:
        """The figures that differ, in a warning and for the summary; null where too few prompts tell of any."""
        from judgegen.trust.shift import shifts

        found = shifts(self._then, self._sight.seen())
        if found:
            told = "; ".join(map(str, found))
            self._watch.warned(
                f"these comparisons are not like those that the calibration was fitted on: {told}; its threshold and "
                f"its map promise nothing here: calibrate on prompts like these (gates.max_shifts = 0 ends such a run)"
            )
        return {"shift": None if found is None else [one.to_dict() for one in found]}


def moved_from(calibration: Calibration | None, watch: Watch) -> Unwatched:
    """Who looks whether a run's comparisons moved from what the calibration saw."""
    if calibration is None or calibration.seen is None:
        return Unwatched()
    from judgegen.trust.shift import Sight

    return Watched(calibration.seen, Sight(calibration.threshold), watch)
