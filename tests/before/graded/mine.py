"""A grader for the run made before the move."""


def short(prompt, candidate):
    """The fewer words the better."""
    return 1 / (1 + len(candidate.text.split()))
