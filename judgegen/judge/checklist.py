"""A checklist's items as questions of their own: each is answered with yes or no, by a probability of yes.

A judge that is asked in a chat is shown the checklist and makes of it what it will. A decision model is asked every
item, beside its rubric's aspects, and what it says of each counts. Knows nothing of who answers.
"""

from __future__ import annotations

import re
from dataclasses import replace

from judgegen.judge.build import Asking, Notes
from judgegen.templates import Aspect

NAME = "checklist"
"""Under which its weight stands beside the aspects'. An item's name is this, a hyphen, which no aspect's has, and its
number."""
_MARK = re.compile(r"^(?:[-*•]|\(?\d+[.)])\s*")  # what numbers or marks a line of a list


def items(text: str) -> list[str]:
    """The questions of a checklist, one a line, without what marks or numbers them."""
    return [item for line in text.splitlines() if (item := _MARK.sub("", line.strip()).strip())]


def asked(asking: Asking, notes: Notes) -> tuple[Asking, Notes]:
    """A judge that scores, and what it is shown: where the checklist is asked by its items it is not shown as well.

    All items together weigh as the checklist does.
    """
    if asking.checklist is None or notes.checklist is None:
        return asking, notes
    found = items(notes.checklist)
    weight = asking.checklist / len(found)
    more = (
        Aspect(name=f"{NAME}-{i}", question=item, anchors=("No.", "Yes."), weight=weight, asked="predicate")
        for i, item in enumerate(found, start=1)
    )
    template = replace(asking.template, aspects=(*asking.template.aspects, *more))
    return replace(asking, template=template), replace(notes, checklist=None)
