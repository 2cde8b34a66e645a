"""What a guard says of every side of a file: OpenAI's moderation route, or any model that answers safe or unsafe.

Each side is one call, sent like any other: retried, limited, priced and journaled in a folder beside the file, so that
looking again at the same rows asks nothing. An answer that cannot be read is counted, and is never "safe".
"""

from __future__ import annotations

import asyncio
import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from judgegen.errors import Incomplete, SpecError, Unanswered
from judgegen.exchange import spelling
from judgegen.formats import messages, rules
from judgegen.formats.format import Format, Unfit
from judgegen.llm.calls import Call, Failure, Outcome, Send, Tag
from judgegen.llm.stop import Stop
from judgegen.run import live
from judgegen.sources.lines import opened
from judgegen.spec import Spec, parse
from judgegen.watch import Watch

ROUTE = "guard"
MODERATION = "omni-moderation-latest"
_ROWS = 256  # in flight at once, at most; the endpoint's own limits hold besides
_MOST_TOKENS = 128
_UNSAFE = re.compile(r"^\W*(safe|unsafe)\b(.*)", re.IGNORECASE | re.DOTALL)
_CATEGORY = re.compile(r"[A-Za-z][\w/ -]*")


@dataclass(slots=True, kw_only=True)
class Moderated:
    """What came of it.

    Attributes:
        rows: looked at.
        flagged: by line, the categories that a side was flagged for; "unsafe" where none was named.
        unreadable: lines of which a side's answer could not be read.
        unanswered: by line, why the guard gave no answer.
        usd: what the journal's calls cost in all.
    """

    rows: int = 0
    flagged: dict[int, tuple[str, ...]] = field(default_factory=dict)
    unreadable: list[int] = field(default_factory=list)
    unanswered: dict[int, str] = field(default_factory=dict)
    usd: Decimal = Decimal(0)


def guard(endpoint: str, model: str | None) -> Spec:
    """A run file whose one endpoint is the guard.

    Args:
        endpoint: a base URL; or a TOML file with the table `[endpoints.guard]`, which can say a price, headers and all.
        model: the guard's name; None asks OpenAI's moderation route.

    Raises:
        SpecError: no such file or table, or one that is wrong.
    """
    table: dict[str, Any] = {"base_url": endpoint}
    if endpoint.endswith(".toml"):
        try:
            table = tomllib.loads(Path(endpoint).read_text(encoding="utf-8"))["endpoints"][ROUTE]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SpecError(f"{endpoint}: has no table [endpoints.{ROUTE}] that can be read ({error})") from None
    if model is None:
        table = {"provider": "moderation", **table}
    name = model or MODERATION
    asking = {"endpoint": ROUTE, "model": name}
    sampler = {**asking, "variants": [{"name": "none", "n": 2}]}
    return parse({"prompts": "none", "endpoints": {ROUTE: table}, "sampler": sampler, "judge": asking}, where=endpoint)


def priced(endpoint: str, model: str | None) -> bool:
    """Whether this guard's answers cost anything.

    Raises:
        SpecError: as `guard`.
        PriceUnknown: nobody has said what they cost.
    """
    spec = guard(endpoint, model)
    live.rates(spec, {(ROUTE, model or MODERATION)})
    return not spec.endpoints[ROUTE].free


def moderate(
    path: Path, form: Format, endpoint: str, model: str | None, *, max_usd: Decimal | None = None
) -> Moderated:
    """Ask the guard of every side of every row that holds a preference.

    Raises:
        SpecError, PriceUnknown, JournalError: it cannot begin.
        ProviderRefused, BudgetReached, Incomplete: it ends early; the same command continues.
    """
    spec = guard(endpoint, model)
    folder = path.with_name(f"{path.name}.moderation")
    return asyncio.run(_moderated(path, form, spec, model or MODERATION, folder, max_usd))


async def _moderated(
    path: Path, form: Format, spec: Spec, model: str, folder: Path, max_usd: Decimal | None
) -> Moderated:
    rates = live.rates(spec, {(ROUTE, model)})
    found, stop = Moderated(), Stop()
    calls = partial(_calls, spec, model, chat=spec.endpoints[ROUTE].provider != "moderation")
    with live.opened(folder) as journal:
        async with live.live(spec, journal, rates, max_usd, Watch(), stop) as send:
            rows = _sides(path, form)
            while chunk := list(islice(rows, _ROWS)):
                await asyncio.gather(*(_looked(number, list(calls(number, row)), send, found) for number, row in chunk))
        found.usd = journal.spent()
    if stop.error is not None:
        raise stop.error
    if found.unanswered:
        why = next(iter(found.unanswered.values()))
        count = len(found.unanswered)
        raise Incomplete(f"{count:,} rows have no answer ({why}); the same command asks for those again")
    found.flagged = dict(sorted(found.flagged.items()))
    found.unreadable.sort()
    return found


def _sides(path: Path, form: Format) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """The rows that hold a preference, with their lines; what is wrong with the others `validate` says."""
    with opened(path) as lines:
        for number, line in enumerate(lines, 1):
            try:
                row = spelling.parsed(line.removeprefix(b"\xef\xbb\xbf"))
                read = rules.preference(row, form) if isinstance(row, dict) else None
            except (spelling.NotJson, Unfit, AttributeError, KeyError, TypeError, IndexError):
                continue
            if read:
                yield number, read


def _calls(spec: Spec, model: str, number: int, row: Mapping[str, Any], *, chat: bool) -> Iterator[Call]:
    """One call a side: to a guard model the chat, to the moderation route what was asked and answered as one text."""
    asked = [{"role": m["role"], "content": messages.text(m)} for m in row["prompt"] if messages.text(m)]
    for side in ("chosen", "rejected"):
        said = "\n\n".join(messages.text(message) for message in row.get(side) or ())
        if not said.strip():
            continue
        whole = "\n\n".join([*(m["content"] for m in asked), said])
        shown = [*asked, {"role": "assistant", "content": said}] if chat else [{"role": "user", "content": whole}]
        yield Call(
            endpoint=spec.endpoints[ROUTE].address,
            model=model,
            messages=tuple(shown),
            params={"max_tokens": _MOST_TOKENS},
            tag=Tag(role="judge", prompt_id=f"line {number}", variant="moderation", route=ROUTE),
        )


async def _looked(number: int, calls: list[Call], send: Send, found: Moderated) -> None:
    try:
        outcomes = await asyncio.gather(*map(send, calls))
    except Unanswered as error:
        found.unanswered[number] = str(error)
        return
    found.rows += 1
    heard = [read(outcome) for outcome in outcomes]
    if any(each is None for each in heard):
        found.unreadable.append(number)
    if names := sorted({name for each in heard for name in each or ()}):
        found.flagged[number] = tuple(names)


def read(outcome: Outcome) -> tuple[str, ...] | None:
    """The categories in a guard's answer, none where it is safe; None where it cannot be read.

    Read are `{"flagged": …, "categories": […]}` and what Llama Guard and its kin say: "safe", or "unsafe" and a list.
    """
    if isinstance(outcome, Failure):
        return None
    text = outcome.first.text.strip()
    try:
        told = json.loads(text)
    except ValueError:
        told = None
    if isinstance(told, dict) and isinstance(told.get("flagged"), bool):
        names = told.get("categories")
        named = tuple(str(name) for name in names) if isinstance(names, list) else ()
        return (named or ("unsafe",)) if told["flagged"] else ()
    if (found := _UNSAFE.match(text)) is None:
        return None
    if found[1].lower() == "safe":
        return ()
    return tuple(name.strip() for name in _CATEGORY.findall(found[2])) or ("unsafe",)
