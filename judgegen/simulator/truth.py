"""The known truth as a grader: `grader = "judgegen.simulator.truth:quality"` scores an answer by its own mark.

For run files whose graders are to be tried on the known-truth world; an answer that it did not write has no score.
"""

from __future__ import annotations

from judgegen.records import Candidate, Prompt
from judgegen.simulator.prose import quality_of


def quality(_: Prompt, candidate: Candidate) -> float:
    """The quality that an answer of the known-truth world states.

    Raises:
        ValueError: it states none.
    """
    found = quality_of(candidate.text)
    if found is None:
        raise ValueError("the answer has no [quality 0.000] mark")
    return found
