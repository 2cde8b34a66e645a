"""A grader for the run made before the move."""

from judgegen.records import Candidate, Prompt


def short(_: Prompt, candidate: Candidate) -> float:
    """The fewer words the better."""
    return 1 / (1 + len(candidate.text.split()))
