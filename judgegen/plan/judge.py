"""The plan of judging: [judge] and [pairs] resolved against their templates.

The one place where those tables become the judge's own types. Knows nothing of prompts, journals or senders.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from judgegen import templates
from judgegen.errors import SpecError
from judgegen.judge import checklist, graders
from judgegen.judge.build import WISHES, Asking
from judgegen.judge.constraints import Constraint, aspects
from judgegen.judge.judging import Judging
from judgegen.llm import models
from judgegen.llm.calls import REWARDS
from judgegen.spec import Spec
from judgegen.spec.judge import Judge
from judgegen.spec.pairs import Constraint as Rule
from judgegen.templates import CONSTRAINTS, RUBRIC, WRITTEN, Kind
from judgegen.writer.select import Rules

JUDGE_TOP_LOGPROBS = 20
"""As many alternatives as OpenAI's API gives; the three labels are among them unless the judge says something else."""


NOTE_TOKENS = 1024
"""The least that a reference or a checklist may take."""


def template_names(spec: Spec) -> list[tuple[str, Kind]]:
    """(name, kind) of every template that the run file needs."""
    judge = spec.judge
    if spec.judge_less:
        return []
    found: list[tuple[str, Kind]] = []
    found += [(one.compared_by, one.compared_in) for one in judge.everybody() if one.compared_in is not None]
    if judge.way.scores is not None:
        found += [(one.scored_by, judge.way.scores) for one, _ in judge.panelists()]
    found += [(name, kind) for name, kind in WRITTEN.items() if getattr(judge, name) == "judge"]
    found += [_ruled_by(spec)] if _worded(spec) else []
    return list(dict.fromkeys(found))


def judging(spec: Spec, kept: Mapping[str, str], base: Path | None) -> Judging | None:
    """How this run judges; None where it does not.

    Raises:
        SpecError: a template or a grader does not fit, or a template is not among the `kept` texts.
    """
    judge, pairs = spec.judge, spec.pairs
    if pairs.select == "delta":
        return None
    common = Judging(
        seed=spec.seed,
        method=judge.method,
        max_attempts=judge.max_attempts,
        length_correction=pairs.length_correction,
        length_scale=pairs.length_scale,
        constraints=tuple(_constraint(one, base) for one in pairs.constraints),
    )
    if judge.grader is not None:
        return replace(common, grader=graders.load(judge.grader, judge.options, base=base))
    if judge.grade is not None:
        grader = graders.load(judge.grade.grader, judge.grade.options, base=base)
        common = replace(common, grader=grader, grade_weight=judge.grade.weight)
    found = _asked(spec, common, kept)
    _check_notes(judge, found)
    return found


def _asked(spec: Spec, common: Judging, kept: Mapping[str, str]) -> Judging:
    """`common` with everybody who is asked."""
    judge, members = spec.judge, spec.judge.panelists()
    names = _names(judge)
    resolve = partial(_asking, spec, kept)
    third = None if judge.third is None else resolve(judge.like(judge.third), name="third")
    later = [
        (resolve(judge.like(one), name=names[len(members) + i]), one.below) for i, one in enumerate(judge.escalate)
    ]
    panel = [resolve(one, name=name, weight=weight) for (one, weight), name in zip(members, names, strict=False)]
    scorers = [_scorer(kept, one, asking) for (one, _), asking in zip(members, panel, strict=True)]
    if checklist.NAME in judge.weights and not any(_weighs_checklist(asking) for asking in scorers):
        raise SpecError(
            "judge.weights: checklist weighs the items that a decision model is asked, and nobody is asked any; write "
            'api = "decisions" and a checklist, or remove it'
        )
    writes = {kind: _writer(spec, kept, kind) for kind in WRITTEN if getattr(judge, kind) == "judge"}
    return replace(
        common,
        panel=tuple(panel) if judge.way.compares is not None else (),
        scorers=tuple(scorers) if judge.way.scores is not None else (),
        escalate=tuple(later),
        third=third,
        both_orders=judge.orders == "both",
        schedule=judge.schedule,
        early_stop=judge.early_stop,
        lists=judge.lists,
        criteria=judge.criteria,
        given=judge.reference != "off",
        reference=writes.get("reference"),
        checklist=writes.get("checklist"),
        questions=_questions(judge),
        obeys=_obeys(spec, kept, common) if _worded(spec) else None,
    )


def _questions(judge: Judge) -> tuple[str, ...]:
    """The checklist that the run file holds."""
    found = judge.checklist if isinstance(judge.checklist, tuple) else ()
    for line in found:
        if not checklist.items(line):
            raise SpecError(f"judge.checklist: {line!r} asks nothing; write a question")
    return found


def _weighs_checklist(asking: Asking) -> bool:
    named = {aspect.name for aspect in asking.template.aspects}
    return asking.checklist is not None or checklist.NAME in named


def _constraint(one: Rule, base: Path | None) -> Constraint:
    grader = None if one.grader is None else graders.load(one.grader, one.options, base=base)
    return Constraint(name=one.name, rule=one.rule or "", grader=grader, least=one.least)


def _worded(spec: Spec) -> bool:
    return any(one.rule is not None for one in spec.pairs.constraints)


def _ruled_by(spec: Spec) -> tuple[str, Kind]:
    """The template by which the first judge that reads words is asked about rules in words."""
    first = next(one for one in spec.judge.everybody() if one.api not in REWARDS)
    return ("constraints", CONSTRAINTS) if first.api == "chat" else ("decision-rubric", RUBRIC)


def _obeys(spec: Spec, kept: Mapping[str, str], common: Judging) -> Asking:
    """That judge as it is asked about them: once per answer, all rules in one call."""
    name, kind = _ruled_by(spec)
    first = next(one for one in spec.judge.everybody() if one.api not in REWARDS)
    asking = _asking(spec, kept, first.model_copy(update={"rationale": "none", "samples": 1}))
    template = replace(_template(name, kept, kind), aspects=aspects(common.constraints))
    return replace(asking, template=template, votes=1)


def _names(judge: Judge) -> list[str]:
    """A name for every judge of panel and escalation, different ones; a judge alone needs none."""
    models = [one.model for one, _ in judge.panelists()] + [one.model for one in judge.escalate]
    if len(models) == 1:
        return [""]
    return [model if models.count(model) == 1 else f"{model} #{i}" for i, model in enumerate(models, start=1)]


def _scorer(kept: Mapping[str, str], judge: Judge, asking: Asking) -> Asking:
    """A judge as it scores; asked several times it must be free to differ."""
    if judge.way.scores is None:
        return asking
    template = _template(judge.scored_by, kept, judge.way.scores)
    asks = judge.api != "chat" and judge.checklist != "off"
    items = judge.weights.get(checklist.NAME, 1.0) if asks else None
    names = [*(aspect.name for aspect in template.aspects), checklist.NAME]
    if unknown := sorted(set(judge.weights) - set(names)):
        known = ", ".join(names)
        raise SpecError(f"judge.weights: {unknown[0]!r} is no aspect of {judge.scored_by}; its aspects: {known}")
    aspects = tuple(replace(a, weight=judge.weights.get(a.name, a.weight)) for a in template.aspects)
    if not items and not any(aspect.weight for aspect in aspects):
        raise SpecError("judge.weights: all are 0; an aspect must count")
    template = replace(template, aspects=aspects)
    if judge.samples == 1 or judge.api != "chat":
        return replace(asking, template=template, checklist=items)
    return replace(asking.free(), template=template, samples=judge.samples)


def _writer(spec: Spec, kept: Mapping[str, str], kind: str) -> Asking:
    """The first judge that is asked in a chat, as it writes a reference or a checklist."""
    judge = next(one for one in spec.judge.everybody() if one.api == "chat")
    asking = _asking(spec, kept, judge.model_copy(update={"logprobs": False, "rationale": "none"}), template=kind)
    return replace(asking, max_tokens=max(asking.max_tokens, NOTE_TOKENS))


def _check_notes(judge: Judge, found: Judging) -> None:
    """What judges are given must have a place in what they are shown."""
    wanted = {
        "criteria": judge.criteria is not None,
        "reference": judge.reference == "judge",
        "checklist": judge.checklist != "off",
        "rationale": judge.rationale != "none",
    }
    later = [asking for asking, _ in found.escalate]
    everybody = [*found.panel, *found.scorers, *later, *([found.third] if found.third else [])]
    read = [asking for asking in everybody if asking.api not in REWARDS]  # a model that scores is told nothing else
    for asking in read or everybody:
        places = asking.template.fields | ({"rationale"} if asking.api != "chat" else set())  # it is asked for none
        places |= {"checklist"} if asking.checklist is not None else set()  # it is asked its items
        if lacking := [name for name, needed in wanted.items() if needed and name not in places]:
            raise SpecError(
                f"{asking.template.name} has no place for judge.{lacking[0]}: use {{{{ {lacking[0]} }}}} in it, "
                f"or remove the key"
            )


def warnings(spec: Spec) -> Iterator[str]:
    """What a user should know of the judges before anything is sent.

    Nothing where a grader vetoes beside them: what judges favour then passes no answer that is worse.
    """
    if spec.judge_less or (spec.judge.grade is not None and spec.judge.grade.veto):
        return
    generators = {variant.model or spec.sampler.model for variant in spec.sampler.variants}
    families = {family: model for model in sorted(generators) if (family := models.family(model)) is not None}
    judges = [one for one, _ in spec.judge.panelists()] + [spec.judge.like(one) for one in spec.judge.escalate]
    for model in sorted({one.model for one in judges}):
        family = models.family(model)
        if family in families:
            yield (
                f"the judge {model} and the generator {families[family]} are of one family ({family}): judges favour "
                f"their own; a judge of another family, or a panel, is safer"
            )


def rules(spec: Spec) -> Rules:
    """What a pair must bear."""
    pairs = spec.pairs
    return Rules(
        select=pairs.select,
        require_consistent=pairs.require_consistent,
        min_p_chosen=pairs.min_p_chosen,
        min_margin=pairs.min_margin,
        min_score=pairs.min_score,
        veto=spec.judge.grade is not None and spec.judge.grade.veto,
        max_length_ratio=pairs.max_length_ratio,
        stronger=pairs.stronger or "",
        weaker=pairs.weaker or "",
    )


def _asking(
    spec: Spec,
    kept: Mapping[str, str],
    judge: Judge,
    *,
    name: str = "",
    weight: float = 1.0,
    template: str | None = None,
) -> Asking:
    """A judge with its template: the one of a pairwise comparison unless it is named."""
    written = {
        "temperature": judge.temperature,
        "reasoning_effort": judge.reasoning_effort,
        "extra_body": judge.extra_body or None,
        "top_logprobs": JUDGE_TOP_LOGPROBS if judge.logprobs else None,
        "schema_as": judge.schema_as,
    }
    wished = {"temperature": 0.0, "top_logprobs": None if judge.logprobs is False else JUDGE_TOP_LOGPROBS}
    fixed: dict[str, Any] = {**wished, **{key: value for key, value in written.items() if value is not None}}
    if judge.api != "chat":
        fixed = {"extra_body": judge.extra_body or None}
    file, kind = (judge.compared_by, judge.compared_in) if judge.compared_in else (judge.scored_by, judge.way.scores)
    if template is not None:
        file, kind = template, WRITTEN[template]
    assert kind is not None, "a method that asks models compares or scores"
    return Asking(
        name=name,
        weight=weight,
        route=judge.endpoint,
        endpoint=spec.endpoints[judge.endpoint].address,
        model=judge.model,
        template=_template(file, kept, kind),
        max_tokens=judge.token_limit,
        fixed={key: value for key, value in fixed.items() if value is not None},
        wishes=_wishes(judge, written) if judge.api == "chat" else frozenset(),
        room=judge.room if judge.api == "chat" else 0,
        rationale=judge.rationale if judge.api == "chat" else "none",
        votes=judge.votes if judge.api == "chat" else 1,
        api=judge.api,
        rewards=judge.scale,
    )


def _wishes(judge: Judge, written: Mapping[str, Any]) -> frozenset[str]:
    """What is ours to leave out or to change: what the run file does not say."""
    said = {key for key, value in written.items() if value is not None}
    said |= {name for name, value in (("max_tokens", judge.max_tokens), ("schema", judge.schema_as)) if value}
    return WISHES - said


def _template(template: str, kept: Mapping[str, str], kind: Kind) -> templates.Template:
    name = f"judge/{template}"
    if name not in kept:
        raise SpecError(f"{name}: not kept in this run's journal; `judgegen run` reads it from its file")
    return templates.parse(kept[name], name, kind)
