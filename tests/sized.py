"""What a server of the tests answers without a simulator: candidates state a size, and its judge takes the larger."""

from __future__ import annotations

import json
import re


def answered(asked: str, size: int, more: str = "") -> str:
    """To a judge's question, by the labels that it names and the sizes in it, a verdict; to any other, a size."""
    labels = re.findall(r'"verdict": ?"(\w+)"', asked)[-3:]
    if not labels:
        return f"Size {size}.{more}"
    first, second = [int(found) for found in re.findall(r"Size (\d+)", asked)][-2:]
    return json.dumps({"verdict": labels[0] if first > second else labels[1]})
