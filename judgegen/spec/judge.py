"""The run file's [judge]: how labels come about. Every default stands here.

Knows nothing of endpoints or of how any of it is done.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from judgegen.judge.build import Scale
from judgegen.judge.method import Method
from judgegen.judge.methods import METHODS
from judgegen.llm import models
from judgegen.llm.calls import REWARDS, Api
from judgegen.spec.members import API, SCALE, AnchorsOrFile, Escalation, Grade, Member, Panelist, SchemaAs, Third
from judgegen.spec.tables import Chance, Checklist, Count, Effort, Extra, Frozen, Number, Tokens, Weight
from judgegen.templates import DECISION, LISTWISE, PAIRWISE, REWARD, Kind

JUDGE_TOKENS = 512
JUDGE_TOKENS_REASONING = 4096
MOST_SAMPLES = 64

_CHATS = ("max_tokens", "temperature", "logprobs", "reasoning_effort", "schema_as")
"""Keys that say how words are answered: a decision model answers none."""


def surest(votes: int) -> float:
    """The P that so many votes of one mind come to; 0 for one alone, which says nothing of how sure it is."""
    return (votes + 1) / (votes + 2) if votes > 1 else 0.0


class Judge(Frozen):
    """Who says which of two candidates is better.

    `temperature`, `logprobs` and `max_tokens` follow what the model accepts unless they are written. A key that the
    method would not read is refused.
    """

    method: str = Field(
        default="pairwise",
        description="The way of judging; `judgegen list methods` names them with the keys that each reads.",
        examples=["hybrid"],
    )
    endpoint: str = Field(default="openai", description="A name of [endpoints].", examples=["vllm"])
    model: str = Field(
        default="",
        description="The model that judges. Needed unless there is a panel or no model judges.",
        examples=["gpt-6.1-sol"],
    )
    api: Api = Field(default="chat", description=API, examples=["decisions"])
    rewards: Scale | None = Field(default=None, description=SCALE, examples=["logits"])
    template: str = Field(
        default="pairwise",
        description="The question by which answers are compared: a shipped one (pairwise, pairwise-reference, "
        "correctness, helpful-honest-harmless, style) or the path of one of yours.",
        examples=["style", "my/judge.md"],
    )
    rubric: str = Field(
        default="rubric",
        description="The template that scores one answer at a time: the shipped one, or the path of one of yours.",
        examples=["my/rubric.md"],
    )
    weights: dict[str, Weight] = Field(
        default_factory=dict,
        description="Of the rubric's aspects, not those that its template states; and of a checklist that is asked.",
        examples=[{"helpfulness": 2.0}],
    )
    samples: Count = Field(
        default=1,
        gt=0,
        le=MOST_SAMPLES,
        description="Answers to each scoring, averaged; where answers are compared, verdicts on each display, counted "
        "as votes. For judges that give no logprobs.",
        examples=[5],
    )
    criteria: str | None = Field(
        default=None,
        min_length=1,
        description="What makes an answer better, in your words; the template must have a place for it.",
        examples=["Prefer the answer that a busy reader would."],
    )
    reference: Literal["off", "given", "judge"] = Field(
        default="given",
        description="The answer that judges see as right: a prompt's own (given), one that the judge writes first "
        "(judge), or none.",
        examples=["judge"],
    )
    checklist: Checklist = Field(
        default="off",
        description="Questions that a good answer meets with yes: yours, the same for every prompt, or those that the "
        "judge first writes for each (judge). A decision model that scores is asked each of them.",
        examples=["judge", ["Does it name its source?"]],
    )
    rationale: Literal["none", "before", "after"] = Field(
        default="none", description="Whether verdicts say why, and where.", examples=["before"]
    )
    orders: Literal["both", "one"] = Field(
        default="both",
        description="Whether each two answers are shown both ways round. One order costs half, and cannot tell a "
        "judge that favours a place.",
        examples=["one"],
    )
    schedule: Literal["round-robin", "min-max", "swiss"] = Field(
        default="round-robin",
        description="Which candidates meet: every two; or fewer, to find the best and the worst (min-max), or those "
        "of equal standing, round after round (swiss).",
        examples=["min-max"],
    )
    lists: Count | None = Field(
        default=None,
        ge=2,
        multiple_of=2,
        description="Of listwise: in how many orders a prompt's answers are shown, every second one the mirror of the "
        "one before. Unless written as many as put each answer in each place equally often: as many as there are "
        "answers, twice as many where their number is odd.",
        examples=[2],
    )
    early_stop: Chance | None = Field(
        default=None,
        le=1,
        ge=0.5,
        description="Probability of a winner from which the first order settles it. Needs logprobs or samples.",
        examples=[0.95],
    )
    third: Third | None = Field(
        default=None,
        description="Who is asked once more where the two orders conflict.",
        examples=[{"template": "style"}],
    )
    panel: tuple[Panelist, ...] = Field(
        default=(),
        description="Judges asked beside the one of [judge], one table each.",
        examples=[[{"model": "gpt-6.1-sol", "weight": 2.0}]],
    )
    escalate: tuple[Escalation, ...] = Field(
        default=(),
        description="Judges asked in turn where those before them conflict or are not sure, one table each.",
        examples=[[{"model": "gpt-6.1-sol", "below": 0.2}]],
    )
    grader: str | None = Field(
        default=None,
        min_length=1,
        description='Of method = "python": exact, numeric, contains, regex, json-schema, length, or a function of '
        'yours as "module:function".',
        examples=["exact", "mine:score"],
    )
    options: dict[str, Any] = Field(
        default_factory=dict, description="What that grader is told.", examples=[{"pattern": "[0-9]+"}]
    )
    grade: Grade | None = Field(
        default=None,
        description="A grader beside the judges.",
        examples=[{"grader": "exact", "veto": True}],
    )
    calibration: str | None = Field(
        default=None,
        min_length=1,
        description="What `judgegen judge calibrate` wrote, relative to the run file: its map of confidence and its "
        "threshold then hold.",
        examples=["calibration.json"],
    )
    anchors: AnchorsOrFile = Field(
        default=None,
        description="Labelled comparisons that are judged again with every run, to see whether the judge still says "
        "the same: their file, or a table.",
        examples=["anchors.jsonl", {"file": "anchors.jsonl", "n": 100}],
    )
    max_attempts: Count = Field(
        default=3,
        gt=0,
        description="How often a verdict is asked for until it can be read; each is paid for.",
        examples=[2],
    )
    max_tokens: Tokens | None = Field(
        default=None,
        description="The longest verdict, thought included; 512, or 4096 for a model that thinks, unless written.",
        examples=[1024],
    )
    expected_output_tokens: Tokens | None = Field(
        default=None,
        description="The usual length of a verdict, for `judgegen estimate` before anything was answered.",
        examples=[300],
    )
    reasoning_effort: Effort | None = Field(
        default=None, description="How long a reasoning model thinks. Not sent unless written.", examples=["low"]
    )
    temperature: Number | None = Field(
        default=None, ge=0, description="0 where the model takes it, unless written.", examples=[0.0]
    )
    logprobs: bool | None = Field(
        default=None,
        description="Probabilities of the labels, asked for where the model gives them, unless written.",
        examples=[False],
    )
    schema_as: SchemaAs | None = Field(
        default=None,
        alias="schema",
        description="How the form of a verdict is asked for: by a schema, as some JSON object, or in words alone. "
        "Found out unless written.",
        examples=["json_object"],
    )
    extra_body: Extra = Field(
        default_factory=dict, description="Further keys of the request, sent as they are.", examples=[{"min_p": 0.05}]
    )

    @field_validator("method")
    @classmethod
    def _known(cls, name: str) -> str:
        if name not in METHODS:
            raise ValueError(f"{name!r} is not one of: {', '.join(METHODS)}")
        return name

    @model_validator(mode="after")
    def _fits_the_method(self) -> Judge:
        """A key that would be read and ignored is refused, and so is a method without what it needs."""
        for key in type(self).model_fields:
            takers = [f'"{name}"' for name in METHODS if key in METHODS[name].keys]
            if takers and key not in self.way.keys and self.written(key):
                allowed = " or ".join(takers)
                raise ValueError(f'{key} is for method = {allowed}, and method = "{self.method}"; remove one of them')
        for key in self.way.needs:
            if not self.written(key):
                raise ValueError(f'method = "{self.method}" and {key} go together: write what {key} it goes by')
        return self

    def written(self, key: str) -> bool:
        """Whether this key says something else than its default."""
        return bool(getattr(self, key) != type(self).model_fields[key].get_default(call_default_factory=True))

    @model_validator(mode="after")
    def _orders_to_save(self) -> Judge:
        if self.orders == "one":
            for name in ("early_stop", "third"):
                if getattr(self, name) is not None:
                    raise ValueError(f'{name} is about a second order, and orders = "one" asks for none')
        return self

    @model_validator(mode="after")
    def _decides(self) -> Judge:
        """A decision model writes nothing, and is shown both orders at once: keys about either are refused."""
        everybody = self.everybody()
        shown = [one for one, _ in self.panelists() if one.api not in {"chat", *REWARDS}]
        deciding = [one for one in everybody if one.api != "chat"]
        if not deciding:
            return self
        if self.way.compares not in (PAIRWISE, None):
            raise ValueError(f'api = "{deciding[0].api}" is not for method = "{self.method}"')
        for key in (key for one in deciding for key in _CHATS if one.written(key)):
            name = type(self).model_fields[key].alias or key
            raise ValueError(f'{name} is about words, and api = "{deciding[0].api}" asks for none; remove one of them')
        both = "shows both orders at once, since that is all it costs; remove one of them"
        if shown and self.early_stop is not None:
            raise ValueError(f'early_stop spares a second order, and api = "{shown[0].api}" {both}')
        if shown and self.orders == "one":
            raise ValueError(f'orders = "one", and api = "{shown[0].api}" {both}')
        if len(deciding) == len(everybody):
            self._nobody_writes(deciding[0].api)
        return self

    def _nobody_writes(self, api: str) -> None:
        """Where all judges are decision models nobody is asked for words."""
        wants = {
            "expected_output_tokens": bool(self.expected_output_tokens),
            "samples": self.samples > 1,
            "rationale": self.rationale != "none",
        }
        wants |= {name: getattr(self, name) == "judge" for name in ("reference", "checklist")}
        for key in (key for key, wanted in wants.items() if wanted):
            raise ValueError(
                f'{key} asks a judge for words, and api = "{api}" gives probabilities alone; '
                f"remove {key}, or add a judge that is asked in a chat"
            )

    @model_validator(mode="after")
    def _scores(self) -> Judge:
        """A model that scores answers by themselves is asked at first, by a method that can make something of it."""
        first = [one for one, _ in self.panelists()]
        scoring = [one.api for one in first if one.api in REWARDS]
        either = " or ".join(f'"{api}"' for api in sorted(REWARDS))
        if late := [one.api for one in self.everybody()[len(first) :] if one.api in REWARDS]:
            raise ValueError(
                f'api = "{late[0]}" scores each answer by itself, and is asked at first: in [judge] or its panel'
            )
        if first and self.way.apis == REWARDS and len(scoring) < len(first):
            raise ValueError(
                f'method = "{self.method}" goes by models that score (api = {either}); name others in '
                f'[[judge.escalate]], or let a panel of method = "pairwise" hold both'
            )
        if scoring and (not self.way.apis >= REWARDS or (self.way.apis != REWARDS and len(scoring) == len(first))):
            raise ValueError(
                f'api = "{scoring[0]}" is for method = "reward", or beside others in a panel of "pairwise"'
            )
        for one in self.everybody():
            if one.rewards is not None and one.api not in REWARDS:
                raise ValueError(f'rewards is for api = {either}, and api = "{one.api}"; remove one of them')
            if one.api == "pooling" and one.written("template"):
                raise ValueError(
                    'template is about words, and api = "pooling" sends the conversation as it is; remove it'
                )
        return self

    @model_validator(mode="after")
    def _early_stop_settles_something(self) -> Judge:
        """An early stop that no verdict could reach would be read and ignored."""
        silent = [judge for judge, _ in self.panelists() if judge.no_logprobs is not None]
        if self.early_stop is None or not silent or surest(self.votes) >= self.early_stop:
            return self
        why = f"and {silent[0].no_logprobs}"
        if self.votes > 1:
            why = f"{why}; samples = {self.votes} of one mind make it {surest(self.votes):.3g}"
        least = next((k for k in range(2, MOST_SAMPLES + 1) if surest(k) >= self.early_stop), None)
        mend = f"samples = {least} can reach {self.early_stop:g}; " if least is not None else ""
        raise ValueError(f"early_stop needs the probability of a verdict, {why}; {mend}or remove early_stop")

    @property
    def way(self) -> Method:
        """What is known of its method."""
        return METHODS[self.method]

    @property
    def lists_all(self) -> bool:
        """Whether all answers of a prompt are shown at once, and put in an order."""
        return self.way.compares is LISTWISE

    @property
    def compared_by(self) -> str:
        """The template by which answers are compared: the method's usual one unless another is written."""
        kind = self.compared_in
        return kind.name if kind is not None and not self.written("template") else self.template

    @property
    def scored_by(self) -> str:
        """The template by which it scores one answer at a time: the shipped one for its kind unless one is written."""
        return "decision-rubric" if self.api != "chat" and not self.written("rubric") else self.rubric

    @property
    def compared_in(self) -> Kind | None:
        """The kind of template by which it compares; None where its method compares nothing."""
        if self.api == "chat" or self.way.compares is None:
            return self.way.compares
        return REWARD if self.api in REWARDS else DECISION

    @property
    def scale(self) -> Scale:
        """On which scale it scores: of its route's usual one unless the run file says otherwise."""
        return self.rewards or ("probabilities" if self.api == "rerank" else "logits")

    def everybody(self) -> list[Judge]:
        """Every judge that may be asked: those asked at first, the third, and those after them."""
        third = [] if self.third is None else [self.like(self.third)]
        return [*(judge for judge, _ in self.panelists()), *third, *map(self.like, self.escalate)]

    def panelists(self) -> list[tuple[Judge, float]]:
        """Every judge asked at first, with its weight: the one of [judge] where it has a model, then the panel's."""
        own = [(self, 1.0)] if self.model else []
        return [*own, *((self.like(member), member.weight) for member in self.panel)]

    def like(self, member: Member | Third) -> Judge:
        """This judge as `member` changes it. A model of its own has its own limits, efforts and wishes."""
        own = member.model_dump(exclude={"weight", "below"}, by_alias=False)
        if member.model is None:
            return self.model_copy(update={name: value for name, value in own.items() if value is not None})
        own["api"] = own["api"] or "chat"
        kept = {name: own[name] or getattr(self, name) for name in ("endpoint", "template")}
        if own["template"] is None and own["api"] != self.api:  # a template of the other kind is none for it
            kept["template"] = type(self).model_fields["template"].default
        fresh = dict.fromkeys(("max_tokens", "reasoning_effort", "temperature", "logprobs", "schema_as", "rewards"))
        return self.model_copy(update={**fresh, "extra_body": {}, **own, **kept})

    @property
    def no_logprobs(self) -> str | None:
        """Why its verdicts are known to come without logprobs, as a clause; None where that is not known."""
        if self.api != "chat":
            return None
        if self.logprobs is False:
            return "logprobs = false asks for none"
        gives = "top_logprobs" not in models.refused(self.model, self.reasoning_effort)
        return None if gives else f"{self.model} gives no logprobs"

    @property
    def votes(self) -> int:
        """How many verdicts on one display are counted, where one tells no probability."""
        return self.samples if self.way.compares is not None and self.way.scores is None else 1

    @property
    def token_limit(self) -> int:
        """`max_tokens`, or room for a verdict, with room for thought where the model is known to think."""
        if self.max_tokens is not None:
            return self.max_tokens
        return JUDGE_TOKENS_REASONING if models.reasons(self.model, self.reasoning_effort) else JUDGE_TOKENS

    @property
    def room(self) -> int:
        """Tokens beyond `token_limit` for a model that seems to think by its name, where the run file sets no limit."""
        thinks = self.max_tokens is None and models.thinks(self.model, self.reasoning_effort)
        return JUDGE_TOKENS_REASONING - self.token_limit if thinks else 0
