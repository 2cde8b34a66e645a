"""The live sender: providers, gates, prices and the cap over one journal; what run, check and attack stand on.

Knows the run file's endpoints and the journal; nothing of what is asked or why.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Literal

from judgegen.errors import SpecError
from judgegen.llm import prices, senders
from judgegen.llm.budget import Ledger, capped, doubted, in_doubt
from judgegen.llm.calls import Call, Usage
from judgegen.llm.counts import plausible
from judgegen.llm.descriptors import fitting
from judgegen.llm.facts import Facts
from judgegen.llm.journal import Journal
from judgegen.llm.learned import Learned, Learning
from judgegen.llm.lent import Lent
from judgegen.llm.lessee import Lease
from judgegen.llm.limits import Turnstile
from judgegen.llm.scouting import Scouts
from judgegen.llm.stop import Stop
from judgegen.llm.tokens import PER_MEDIA, count_messages, media, without_media
from judgegen.pipeline import Plan
from judgegen.run import moved
from judgegen.spec import Endpoint, Spec
from judgegen.watch import Watch

Way = Literal["live", "batch", "file"]
"""How calls go: one at a time, through the provider's Batch API, or in files that somebody answers."""
Rates = Mapping[tuple[str, str], prices.Rate]
"""The price of each (endpoint name, model) that may be called."""


def judges(steps: Plan) -> set[tuple[str, str]]:
    """(endpoint name, model) of all that may judge."""
    return {(asking.route, asking.model) for asking in steps.judges}


def samplers(steps: Plan) -> set[tuple[str, str]]:
    """(endpoint name, model) of all that may be sampled."""
    return {(setting.route, setting.model) for setting in steps.settings}


def rates(resolved: Spec, used: set[tuple[str, str]], way: Way = "live") -> Rates:
    """A price for every model that may be called: the Batch API's, or that of its endpoint's service tier.

    Raises:
        PriceUnknown: a model has none.
        SpecError: a decision model by batch or file.
    """
    found: dict[tuple[str, str], prices.Rate] = {}
    decide = {(one.endpoint, one.model) for one in resolved.judge.everybody() if one.api != "chat"}
    talk = {(one.endpoint, one.model) for one in resolved.judge.everybody() if one.api == "chat"}
    talk |= {
        (v.endpoint or resolved.sampler.endpoint, v.model or resolved.sampler.model) for v in resolved.sampler.variants
    }
    for name, model in sorted(used):
        endpoint = resolved.endpoints[name]
        how = "batch" if way == "batch" else endpoint.processing
        if (name, model) not in decide:
            found[name, model] = prices.rate(endpoint, name, model, how)
            continue
        if way == "batch":
            raise SpecError(
                f"--batch: the Batch API takes chats, and {model} is asked typed questions "
                f"(judge.api); run without --batch: they cost input tokens alone"
            )
        if way == "file":
            raise SpecError(
                f"endpoints.{name}: batch files hold chats, and {model} is asked typed questions (judge.api); ask "
                f"it at a server, without --batch-file"
            )
        apart = prices.rate(endpoint, name, model, endpoint.processing, decides=True)
        both = (name, model) in talk
        found[name, model] = replace(prices.rate(endpoint, name, model, how), decides=apart) if both else apart
    return found


def cost(known: Rates, call: Call, usage: Usage) -> Decimal:
    """USD of an answered call."""
    return prices.cost(known[call.tag.route, call.model].of(call.api), usage)


def worst(known: Rates, call: Call) -> Decimal:
    """The most a call can cost: input counted (by bytes, where that is more: tokenizers differ), all of max_tokens.

    An image is what one is taken to cost, however many bytes it has.
    """
    tools = call.params.get("tools", ())
    text = json.dumps([*without_media(call.said), *tools], ensure_ascii=False)
    by_bytes = len(text.encode("utf-8", "replace")) // 2 + PER_MEDIA * media(call.messages)
    asked = max(count_messages(call.said, tools=tools), by_bytes)
    answered = (call.most_tokens or 0) * int(call.params.get("n", 1))
    return prices.worst(known[call.tag.route, call.model].of(call.api), asked, answered)


@contextmanager
def opened(folder: Path) -> Iterator[Journal]:
    """The folder's journal; a folder that was not there is not left behind by a run that could not begin."""
    fresh = not folder.exists()
    try:
        with Journal(folder) as journal:
            yield journal
    except SpecError:
        if fresh:
            for path in folder.iterdir():
                path.unlink()
            folder.rmdir()
        raise


@asynccontextmanager
async def live(
    resolved: Spec,
    journal: Journal,
    known: Rates,
    cap: Decimal | None,
    watch: Watch,
    stop: Stop,
    lease: Lease | None = None,
) -> AsyncIterator[senders.Once]:
    """The sender to every endpoint in `known`; when it closes, everything in flight has landed.

    With a `lease` it keeps to what it is lent of the limits, of which those of the run file and `cap` are the whole.
    """
    for sentence in moved.warnings(resolved, set(known), journal.path):
        watch.warned(sentence)
    used = {name: resolved.endpoints[name] for name in sorted({route for route, _ in known})}
    providers = {name: endpoint.listing.connect(endpoint, name) for name, endpoint in used.items()}
    wanted = {name: endpoint.places for name, endpoint in used.items()}
    lent = {} if lease is None else {name: lease.lent(name) for name in used}
    at_once = fitting(wanted, watch.warned)
    gates = {name: _gate(used[name], at_once[name], stop, lent.get(name)) for name in used}
    asked = plausible(senders.live(providers, watch), watch)
    landings = senders.Landings(senders.priced(asked, partial(cost, known)), journal)
    sent = senders.timely(landings, stop) if any(gate.paced for gate in gates.values()) else landings
    within = doubted(sent, partial(worst, known), journal)
    if cap is not None:
        spent = journal.spent()
        ledger = Ledger(cap, spent) if lease is None else lease.ledger(spent)
        within = capped(sent, ledger, partial(worst, known), journal, stop, watch)
    watch.gated(gates)
    limited = senders.limited(within, gates, stop)
    before = journal.unheard()
    retries = {name: endpoint.max_retries for name, endpoint in used.items()}
    facts = Facts(journal.path)
    learned = Learned(facts, watch.adapted)
    learning = {name: provider for name, provider in providers.items() if isinstance(provider, Learning)}
    for one in learning.values():
        one.learns(learned)
    scouts = Scouts(limited, learned, partial(_settled, learning), stop)
    retried = senders.Retried(scouts, retries, gates, stop, watch)
    try:
        async with nullcontext() if lease is None else lease.kept(gates, stop):
            try:
                yield senders.Once(retried, journal, watch)
            finally:
                await landings.drain()
    finally:
        for lost in retried.patience.told():
            watch.warned(lost)
        if (now := journal.unheard()) != before:
            watch.warned(in_doubt(*now))
        for gate in gates.values():
            await gate.aclose()
        for provider in providers.values():
            await provider.aclose()
        facts.close()


def _settled(learning: Mapping[str, Learning], call: Call) -> bool:
    """Whether nothing is left to find out about such a call; a provider that learns nothing is asked as it is."""
    provider = learning.get(call.tag.route)
    return provider is None or provider.settled(call)


def _gate(endpoint: Endpoint, at_once: int, stop: Stop, lent: Lent | None) -> Turnstile:
    return Turnstile(
        concurrency=at_once,
        rpm=endpoint.rpm,
        tpm=endpoint.tpm,
        stop=stop,
        timeout_s=endpoint.timeout_s,
        lent=lent,
    )
