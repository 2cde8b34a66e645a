"""The hooks through which a run can be watched; a progress bar, a log or a test is a `Watch`.

The run calls these as things happen, on its event loop; they must return quickly and not raise.
"""

from __future__ import annotations

from judgegen.llm.calls import Call, Outcome
from judgegen.records import Result


class Watch:
    """Sees everything, does nothing; subclasses show what they like."""

    def started(self, *, prompts: int, folder: str) -> None:
        """The prompts are read; nothing has been sent."""

    def sent(self, call: Call) -> None:
        """A request for `call` goes out (again, after a retry)."""

    def landed(self, call: Call, outcome: Outcome, *, fresh: bool) -> None:
        """`call` is answered: by its endpoint (`fresh`) or by the journal."""

    def retried(self, call: Call, why: str, wait_s: float) -> None:
        """A request failed in a way that passes; it goes out again after `wait_s` seconds."""

    def warned(self, message: str) -> None:
        """Something the user should know, as a sentence."""

    def finished(self, result: Result) -> None:
        """One prompt is done; these arrive in prompt order."""
