"""What a probe came to: by model its findings and what stands in a run's way, as data and as words. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judgegen.errors import Incomplete, ProviderRefused
from judgegen.probing.findings import Trait
from judgegen.probing.needs import Draws, Need, NeedAnswer, Opinion
from judgegen.records import Unreadable
from judgegen.writer.money import plain

if TYPE_CHECKING:
    from pandas import DataFrame

COLUMNS = ("", "is", "what was seen, and what a run does about it")
_ALIKE = ("identical", "near-identical")


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model at one endpoint.

    Attributes:
        endpoint, address: the endpoint's name in the run file, and where calls say that it is.
        roles: what the run file uses it for.
        findings: what it does; none where nothing was answered.
        refused: what would end a run with 3.
        unanswered: what has no answer now.
        lacks: what came and cannot be used, as (role, why, mend).
    """

    endpoint: str
    address: str
    model: str
    roles: tuple[str, ...]
    findings: tuple[Trait, ...]
    refused: tuple[str, ...] = ()
    unanswered: tuple[str, ...] = ()
    lacks: tuple[tuple[str, str, str], ...] = ()

    @property
    def headline(self) -> str:
        """Who it is and what for."""
        return f"{self.model} at {self.endpoint} ({self.address}): {', '.join(self.roles)}"

    def table(self) -> Iterator[tuple[str, ...]]:
        """One row per finding under `COLUMNS`, without what the run file does not ask for."""
        for one in self.findings:
            if one.state != "not asked":
                yield one.what, one.state, "; ".join(said for said in (one.seen, one.then) if said)

    def troubles(self) -> Iterator[str]:
        """What stands in the way, as sentences."""
        yield from self.refused
        yield from self.unanswered
        yield from (f"{role}: {why}; {mend}" for role, why, mend in self.lacks)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "endpoint": self.endpoint,
            "address": self.address,
            "model": self.model,
            "roles": list(self.roles),
            "findings": {one.what: {"is": one.state, "seen": one.seen, "then": one.then} for one in self.findings},
            "troubles": list(self.troubles()),
        }


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What a probe came to.

    Attributes:
        models: what each does, in the order in which the run file names them.
        calls, from_journal: calls these findings rest on, and how many of them this invocation did not send.
        cost_usd: what those calls cost when they were sent.
        folder: where the journal is.
        unfit: why a run could have no candidates, whatever its models; None where it could.
    """

    models: tuple[Model, ...]
    calls: int
    from_journal: int
    cost_usd: Decimal
    folder: Path
    unfit: str | None = field(default=None, repr=False)

    @property
    def refused(self) -> ProviderRefused | None:
        """Why a run could not work; None where nothing that was found out speaks against it."""
        why = [f"{one.model}: {said}" for one in self.models for said in one.refused]
        why += [
            f"{one.model}: {role}: {said}; {mend}"
            for one in self.models
            for role, said, mend in one.lacks
            if self.unfit or role.startswith("judge")
        ]
        return (
            ProviderRefused("a run could not work" + "".join(f"\n  {one}" for one in dict.fromkeys(why)))
            if why
            else None
        )

    @property
    def lacking(self) -> Incomplete | None:
        """What was not found out; None where all was."""
        why = dict.fromkeys(said for one in self.models for said in one.unanswered)
        return Incomplete("not all was found out" + "".join(f"\n  {one}" for one in why)) if why else None

    @property
    def works(self) -> bool:
        """Whether nothing speaks against a run, and all was found out."""
        return self.refused is None and self.lacking is None

    @cached_property
    def summary(self) -> dict[str, Any]:
        """JSON-able."""
        return {
            "works": self.works,
            "models": [one.to_dict() for one in self.models],
            "calls": {"total": self.calls, "from_journal": self.from_journal},
            "cost_usd": plain(self.cost_usd),
            "folder": str(self.folder),
        }

    @cached_property
    def frame(self) -> DataFrame:
        """One row per model and finding."""
        import pandas as pd

        rows = [{"endpoint": m.endpoint, "model": m.model, **asdict(one)} for m in self.models for one in m.findings]
        return pd.DataFrame(rows, columns=["endpoint", "model", "what", "state", "seen", "then"])


def lacks(need: Need, answer: NeedAnswer, said: str = "") -> list[tuple[str, str, str]]:
    """Why what came to a need is of no use to a run, as (role, why, mend); nothing where it is.

    `said`: the provider's words, where it refused.
    """
    if isinstance(need, Draws):
        return []
    if isinstance(need, Opinion):
        return [] if answer.judged is None or answer.judged.readable else [(need.role, *_unread(answer, said))]
    refused = [one.refused for one in answer.candidates if one.refused not in (None, *_ALIKE)]
    if len(refused) < len(answer.candidates):
        return []
    why = refused[0] if refused else "no answer"
    why = f"its answer may not compete ({why}){f': {said}' if said else ''}"
    if "truncated" in refused:
        return [(need.role, why, "raise max_tokens: a model that thinks needs room for its thought as well")]
    return [(need.role, why, "name another sampler.model, or look at its words in the journal")]


def _unread(answer: NeedAnswer, words: str) -> tuple[str, str]:
    """Why nothing that a judge said can be read, and the mend."""
    judged = answer.judged
    assert judged is not None
    said = [verdict for match in judged.matches for _, verdict in match.shown]
    said += [score for given in judged.scores.values() for score in given]  # type: ignore[misc]
    reasons = [one.reason for one in said if isinstance(one, Unreadable)]
    why = judged.unasked or f"no verdict of it can be read ({', '.join(dict.fromkeys(reasons)) or 'none came'})"
    if "truncated" in reasons:
        return why, "set judge.max_tokens to more, or a lower reasoning_effort"
    if words:
        return f"{why}: {words}", "mend what is refused, or name another judge.model"
    return why, "name a stronger judge.model, or another form by [judge] schema"
