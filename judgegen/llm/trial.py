"""Finds the manner in which a server takes a call: what a refusal speaks of is changed first, then all is left out.

What was left out alone, or because the refusal spoke of it, and was answered then, is known not to be taken. Of what
was left out together, each wish is tried by itself in later calls: so no answer is asked for twice, and a prompt that
is refused for its own sake costs one request more. Pure; knows nothing of HTTP.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from judgegen.llm.learned import Known


class Trial:
    """One call's attempts at being taken. `manner` is the one to send now."""

    def __init__(self, ways: Mapping[str, tuple[Any, ...]], known: Known) -> None:
        self._ways, self._known = ways, known
        self.manner = known.manner(ways)
        self._restored = next((wish for wish in known.doubted if wish in ways), None)
        if self._restored is not None:
            self.manner[self._restored] = known.usual(self._restored, ways[self._restored])
        self._spoken_of: list[str] = []
        self._useless: set[str] = set()
        self._last: tuple[str, Any, str] | None = None
        self._bare: list[str] = []
        self._renamed = self._fell = False

    def can_change(self, wish: str) -> bool:
        """Whether there is a barer way for a wish, and it was not found to be of no use."""
        ways = self._ways.get(wish, ())
        return wish not in self._useless and bool(ways) and self.manner[wish] != ways[-1]

    @property
    def stripped(self) -> bool:
        """Whether all that was never answered is left out by now."""
        return bool(self._bare)

    @property
    def restores(self) -> bool:
        """Whether a wish that is doubted is tried by itself, as it is best sent."""
        return self._restored is not None

    def fell(self) -> bool:
        """Change the manner after a failure that says nothing, and may be a wish's doing; False as in `refused`.

        Failures pass as well: what is left out for them stays doubted, until it has failed once more by itself.
        """
        self._fell = True
        return (self._restored is not None and self._lower(self._restored)) or self._strip()

    def refused(self, spoken_of: Sequence[str], said: str) -> bool:
        """Change the manner after a refusal that speaks of some wishes; False where nothing is left to change.

        `said`: its sentences, and the parameters that it names.
        """
        self._take_back(said)
        for wish in spoken_of:
            before = self.manner.get(wish)
            if wish not in self._useless and self._lower(wish):
                again = self._last is not None and self._last[0] == wish
                self._last = self._last if again else (wish, before, said)
                self._spoken_of += [] if again else [wish]
                return True
        self._last = None
        if self._restored is not None and self._lower(self._restored):
            return True
        return self._strip() or self._rename()

    def _take_back(self, said: str) -> None:
        """Undo what was changed last where the server says the very same as before, and no barer way is left."""
        if self._last is not None and self._last[2] == said and self._last[0] != "schema":
            wish, way, _ = self._last
            if self.manner[wish] != self._ways[wish][-1]:
                return
            self.manner[wish] = way
            self._useless.add(wish)
            self._spoken_of.remove(wish)
        self._last = None

    def _lower(self, wish: str) -> bool:
        """Send a wish in the next barer way."""
        ways = self._ways.get(wish, ())
        at = ways.index(self.manner[wish]) + 1 if ways else 0
        if not 0 < at < len(ways):
            return False
        self.manner[wish] = ways[at]
        return True

    def _strip(self) -> bool:
        """Leave out whatever was never answered."""
        if self._bare:
            return False
        for wish, ways in self._ways.items():
            way = self.manner[wish]
            if wish != "limit" and way != ways[-1] and (wish, str(way)) not in self._known.taken:
                self.manner[wish] = ways[-1]
                self._bare.append(wish)
        return bool(self._bare)

    def _rename(self) -> bool:
        """Try the other name of the token limit with a model that never answered."""
        if self._renamed or self._known.answered or "limit" not in self._ways:
            return False
        self._renamed = True
        return self._lower("limit")

    def supposed(self) -> Iterator[tuple[str, Any]]:
        """What has been changed so far, for those who cannot try it at once."""
        for wish, ways in self._ways.items():
            if self.manner[wish] != self._known.usual(wish, ways):
                yield wish, self.manner[wish]

    def answered(self) -> Iterator[tuple[str, Any]]:
        """The manner was answered: notes what is known by it; the wishes now known not to be taken as they were."""
        known = self._known
        if self._restored is not None:
            known.doubted.pop(self._restored, None)
        sure = [*self._spoken_of, *([self._restored] if self._restored else []), *(["limit"] if self._renamed else [])]
        doubtful = [wish for wish in self._bare if wish not in sure]
        if len(doubtful) == 1 and not self._renamed and not self._fell:
            sure += doubtful
            doubtful = []
        known.doubted |= {wish: self.manner[wish] for wish in doubtful}
        for wish in dict.fromkeys(sure):
            if self.manner[wish] != known.usual(wish, self._ways[wish]):
                known.instead[wish] = self.manner[wish]
                yield wish, self.manner[wish]
