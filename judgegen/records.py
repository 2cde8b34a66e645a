"""What flows from stage to stage: prompts, candidates, comparisons, verdicts, rankings, pairs. Frozen and slotted.

Knows nothing of files, journals or providers. A failure has a type of its own everywhere: a refused candidate carries
its reason, an unreadable verdict is `Unreadable`, a prompt without a pair carries a `drop`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from judgegen.llm.calls import Call, Message, Outcome

Label = Literal["first", "second", "tie"]
Meaning = Literal["pooled", "direct", "stated"]
"""What a P(chosen) is: of all of a prompt's comparisons, of the two's own, both as far as the judge is believed; or of
their own, as the judge says it, where a label without a probability is a certainty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One question. `messages` is a chat that ends before the answer; `line` is where it stood in its file."""

    id: str
    messages: tuple[Message, ...]
    reference: str | None = None
    tools: tuple[Mapping[str, Any], ...] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)
    line: int | None = field(default=None, compare=False)


OFF_TOPIC = "off-topic"
"""The suspicion that an answer does not speak of its prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One answer to one prompt. `refused` says why it may not compete; None when it may.

    `suspicions` are the kinds of a judge's frame that its text imitates: delimiter, role, schema, verdict; and once a
    run is whole `OFF_TOPIC`. `thought` is what the model thought before it answered, no part of `text`: judges never
    see it. `key` names the candidate within its prompt.
    """

    prompt_id: str
    variant: str
    index: int
    model: str
    text: str
    finish: str
    call_id: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    tool_calls: tuple[Mapping[str, Any], ...] = ()
    refused: str | None = None
    suspicions: tuple[str, ...] = ()
    thought: str = ""
    key: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", f"{self.variant}/{self.index}")

    def message(self, *, thinking: bool = False) -> dict[str, Any]:
        """The answer as an assistant message; `thinking`: with its thought before it, as models that think write it."""
        thought = f"<think>\n{self.thought}\n</think>\n\n" if thinking and self.thought else ""
        message: dict[str, Any] = {"role": "assistant", "content": thought + self.text}
        if self.tool_calls:
            message["tool_calls"] = [dict(call) for call in self.tool_calls]
        return message


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two candidates in the order in which a judge is shown them."""

    first: Candidate
    second: Candidate

    def swap(self) -> Comparison:
        """These two in the other order."""
        return Comparison(first=self.second, second=self.first)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A readable verdict on one comparison, in display order. The three probabilities sum to 1.

    Of one answer without logprobs they are 0 and 1. `soft` says whether they were read from logprobs, `votes` of how
    many answers they are the shares. `judge` names whose it is where there are several, `weight` says how much it
    counts among them.
    """

    label: Label
    p_first: float
    p_second: float
    p_tie: float
    soft: bool = False
    call_ids: tuple[str, ...] = ()
    judge: str = ""
    weight: float = 1.0
    votes: int = 1

    @property
    def shaded(self) -> bool:
        """Whether its probabilities say more than its label: how sure the judge is."""
        return self.soft or self.votes > 1

    @property
    def share(self) -> float:
        """The first candidate's share of the win: P(first) + P(tie) / 2."""
        return self.p_first + self.p_tie / 2

    def swap(self) -> Verdict:
        """What it says of the candidates shown in the other order."""
        label: Label = {"first": "second", "second": "first", "tie": "tie"}[self.label]  # type: ignore[assignment]
        return Verdict(
            label=label,
            p_first=self.p_second,
            p_second=self.p_first,
            p_tie=self.p_tie,
            soft=self.soft,
            call_ids=self.call_ids,
            judge=self.judge,
            weight=self.weight,
            votes=self.votes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """No verdict could be read, after every attempt. Never a tie, never a coin flip."""

    reason: str
    call_ids: tuple[str, ...] = ()
    judge: str = ""
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """A rule that an answer breaks; `unknown` says why nobody could tell whether it does, "" where somebody could."""

    name: str
    unknown: str = ""

    def __str__(self) -> str:
        """As the sentence behind a drop has it."""
        return f"breaks {self.name}" if not self.unknown else f"may break {self.name} ({self.unknown})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What one judge or grader gives one candidate by itself.

    Attributes:
        value: in 0..1, the weighted mean of the aspects from the lowest anchor to the highest.
        sd: how much a single answer of the judge varies around it; 0 where only one was heard.
        aspects: each aspect on its own scale, empty for a grader.
    """

    value: float
    sd: float = 0.0
    aspects: Mapping[str, float] = field(default_factory=dict)
    judge: str = ""
    weight: float = 1.0
    call_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Two candidates and all that the judge said of them, in candidate coordinates.

    Attributes:
        shown: one entry per order asked and judge: the comparison as displayed and its verdict.
        p: P(a is better than b), ties half, the mean over the orders; None when there is no evidence.
        consistent: True when no two orders prefer different candidates, False when they do, None when one order
            was asked, a verdict is unreadable, or a third opinion settled a conflict.
        since: the entries of `shown` before this one are of judges that the match was taken away from.
        scored: the calls that scored the two, where no judge saw them side by side.
    """

    a: Candidate
    b: Candidate
    shown: tuple[tuple[Comparison, Verdict | Unreadable], ...]
    p: float | None
    consistent: bool | None
    since: int = 0
    scored: tuple[str, ...] = ()

    def p_of(self, candidate: Candidate) -> float | None:
        """P(`candidate` is the better of the two)."""
        if self.p is None:
            return None
        return self.p if candidate.key == self.a.key else 1.0 - self.p

    def both_orders(self) -> tuple[tuple[Verdict, Verdict], ...]:
        """The verdicts of each judge that was asked in both orders and read in both, each in its own display order."""
        by_judge: dict[str, list[Verdict]] = {}
        for _, verdict in self.shown:
            if isinstance(verdict, Verdict):
                by_judge.setdefault(verdict.judge, []).append(verdict)
        return tuple((found[0], found[1]) for found in by_judge.values() if len(found) == 2)

    def call_ids(self) -> tuple[str, ...]:
        """Every judge call this match rests on, in display order."""
        return (*(i for _, verdict in self.shown for i in verdict.call_ids), *self.scored)


@dataclass(frozen=True, slots=True, kw_only=True)
class Habit:
    """What one judge does whatever it is shown.

    Attributes:
        consistency: how often both orders of a comparison come to the same verdict, a tie in both included; 1/2
            before anything was seen (Laplace).
        home: log odds that it gives to the side shown first.
        comparisons, verdicts: what the two rest on.
    """

    consistency: float = 0.5
    home: float = 0.0
    comparisons: int = 0
    verdicts: int = 0

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return asdict(self)


Couple = tuple[Candidate, Candidate]
Met = Mapping[frozenset[str], Match]


def met(matches: Iterable[Match]) -> dict[frozenset[str], Match]:
    """The match of any two, by their keys."""
    return {frozenset((m.a.key, m.b.key)): m for m in matches}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """Candidates with their scores, best first. A score is the mean win share in 0..1; None without evidence.

    Where not every two met, the shares are those that the strengths of Bradley and Terry's model expect.

    Attributes:
        strengths: log strengths, empty where every two met.
        errors: their standard errors.
        connected: whether all that have evidence are joined by comparisons; where not, scores of different parts can
            not be compared.
        pooled: whether the strengths speak for every two, those that met included.
    """

    order: tuple[Candidate, ...]
    scores: Mapping[str, float | None]
    strengths: Mapping[str, float] = field(default_factory=dict)
    errors: Mapping[str, float] = field(default_factory=dict)
    connected: bool = True
    pooled: bool = False

    def p(self, better: Candidate, worse: Candidate) -> float:
        """P(`better` is the better of the two), by their strengths."""
        return 0.5 + 0.5 * math.tanh((self.strengths[better.key] - self.strengths[worse.key]) / 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A preference: `chosen` is the better with probability `p_chosen`; `margin` is the score gap in 0..1.

    Both are None where nobody judged.
    """

    chosen: Candidate
    rejected: Candidate
    p_chosen: float | None
    margin: float | None
    consistent: bool | None
    verdict_calls: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Everything one prompt came to: `pairs`, or a `drop` that says why there are none.

    `calls` holds what was asked for this prompt with its answer, in the order of asking; `detail` is the sentence
    behind a drop that needs one; `judging` counts what a schedule, an early stop, a third opinion or an escalation did;
    `scores` holds what each judge and grader gave each candidate by itself; `breaches`, by a candidate's key, the rules
    that it breaks and so may not be chosen.
    """

    prompt: Prompt
    candidates: tuple[Candidate, ...] = ()
    matches: tuple[Match, ...] = ()
    ranking: Ranking | None = None
    pairs: tuple[Pair, ...] = ()
    drop: str | None = None
    detail: str = ""
    calls: tuple[tuple[Call, Outcome], ...] = ()
    judging: Mapping[str, int] = field(default_factory=dict)
    scores: Mapping[str, tuple[Score | Unreadable, ...]] = field(default_factory=dict)
    breaches: Mapping[str, tuple[Breach, ...]] = field(default_factory=dict)
