"""How a run judges: who is asked, in which orders, by which schedule. Knows nothing of the run file it came from."""

from __future__ import annotations

from dataclasses import dataclass, replace

from judgegen.judge.build import Asking
from judgegen.judge.constraints import Constraint
from judgegen.judge.graders import Grader


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """How labels come about.

    Attributes:
        method: the name of a way of judging.
        panel: the judges that compare, asked beside one another.
        scorers: the same, as they score one answer at a time.
        escalate: further judges, each with the |p - 1/2| under which it is asked; all are asked in both orders.
        third: settles what the two orders of the panel leave in conflict.
        grader: scores a candidate without a model.
        grade_weight: how much it counts beside the judges; None where it only vetoes.
        lists: in how many orders all answers are shown at once; None for as many as put each in each place.
        given: whether a reference that a prompt brings is shown.
        reference, checklist: who writes one, None for nobody.
        questions: a checklist that holds for every prompt.
        constraints: rules that a chosen answer must not break.
        obeys: who is asked about those in words, None for nobody.
        length_correction: in logits. `length_scale` is in characters.
    """

    seed: int
    method: str
    max_attempts: int
    panel: tuple[Asking, ...] = ()
    scorers: tuple[Asking, ...] = ()
    escalate: tuple[tuple[Asking, float], ...] = ()
    third: Asking | None = None
    both_orders: bool = True
    schedule: str = "round-robin"
    early_stop: float | None = None
    lists: int | None = None
    grader: Grader | None = None
    grade_weight: float | None = None
    criteria: str | None = None
    given: bool = True
    reference: Asking | None = None
    checklist: Asking | None = None
    questions: tuple[str, ...] = ()
    constraints: tuple[Constraint, ...] = ()
    obeys: Asking | None = None
    length_correction: float = 0.0
    length_scale: float = 1.0

    @property
    def judges(self) -> tuple[Asking, ...]:
        """Everybody who may be asked for something."""
        single = (self.third, self.reference, self.checklist, self.obeys)
        later = (asking for asking, _ in self.escalate)
        return (*self.panel, *self.scorers, *later, *(asking for asking in single if asking is not None))

    @property
    def opinions(self) -> tuple[Asking, ...]:
        """Everybody who says which answer is better, or how good one is; each has a name of its own."""
        later = (asking for asking, _ in self.escalate)
        return (*(self.panel or self.scorers), *later, *([self.third] if self.third is not None else []))

    def alone(self, judge: Asking, method: str) -> Judging:
        """How it would be if this one of `opinions` gave its own alone, by `method`, in both orders and uncorrected."""
        scores = judge in self.scorers
        return replace(
            self,
            method=method,
            panel=() if scores else (judge,),
            scorers=(judge,) if scores else (),
            escalate=(),
            third=None,
            both_orders=True,
            schedule="round-robin",
            early_stop=None,
            grader=None,
            grade_weight=None,
            constraints=(),
            obeys=None,
            length_correction=0.0,
        )
