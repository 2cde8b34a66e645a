"""What is seen while a model trains: a line for every few steps and for every look at what was kept back.

Knows TRL's names of figures, by their endings; prints nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Say = Callable[[str], None]
FIGURES = (
    ("loss", "loss"),
    ("rewards/margins", "reward margin"),
    ("rewards/accuracies", "right"),
    ("accuracy", "right"),
)
"""A figure as TRL logs it, and what it is called here."""


def line(step: int, steps: int, logs: Mapping[str, Any]) -> str | None:
    """One line of what was logged; None of what is no figure of the training, as its speed at the end."""
    held = any(key.startswith("eval_") for key in logs)
    prefix = "eval_" if held else ""
    said = [f"{name} {float(logs[prefix + key]):.4g}" for key, name in FIGURES if prefix + key in logs]
    if not said or "train_runtime" in logs:
        return None
    return f"step {step}/{steps}{' held out' if held else ''}: {', '.join(said)}"


def duration(seconds: float) -> str:
    """As a person says it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"


def callback(say: Say) -> Any:
    """TRL's callback that says each line."""
    from transformers import TrainerCallback

    class Live(TrainerCallback):  # type: ignore[misc, unused-ignore]
        """Says what the trainer logs."""

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:  # noqa: ARG002
            """Its line, where it has one."""
            if (said := line(state.global_step, state.max_steps, logs or {})) is not None:
                say(said)

    return Live()
