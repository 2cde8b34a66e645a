"""A labelled comparison before a plan's judges: as a check, a calibration and the anchors of a run ask about it.

Knows the pipeline; nothing of what is made of the verdicts.
"""

from __future__ import annotations

from judgegen import pipeline
from judgegen.errors import Unanswered
from judgegen.exchange import comparisons
from judgegen.llm.calls import Send, digest
from judgegen.llm.recording import recording
from judgegen.pipeline import Plan
from judgegen.records import Result
from judgegen.sources.labelled import Labelled


async def compared(row: Labelled, send: Send, steps: Plan) -> Result:
    """One match with its scores and calls; `incomplete` where some call has no answer."""
    prompt = comparisons.prompt(row)
    with recording() as asked:
        try:
            said = await pipeline.judge(prompt, comparisons.sides(prompt, row), steps, send)
        except Unanswered as lack:
            return Result(prompt=prompt, drop="incomplete", detail=lack.detail, calls=tuple(asked))
    return Result(prompt=prompt, matches=said.matches, scores=said.scores, calls=tuple(asked))


def key(row: Labelled) -> str:
    """What names a comparison by what the judge is shown, whatever its file calls it and whoever voted."""
    return digest([comparisons.prompt(row).id, row.response_a, row.response_b], size=8)
