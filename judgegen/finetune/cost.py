"""What fine-tuning on a file costs, and what the tuned model costs to run, before either is begun.

Pure arithmetic on exact decimals, apart from `estimate`, which reads the file. What is not documented is a range or a
stated assumption; what cannot be known from a file is None. Knows OpenAI's prices and dates through
training_prices.toml, and Azure's dates, none of its prices; nothing of keys, uploads or jobs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from judgegen.errors import PriceUnknown, SpecError
from judgegen.finetune.rows import Example, Method, examples, method_of
from judgegen.formats.format import aged
from judgegen.llm.tokens import PER_MEDIA, encoding_name
from judgegen.llm.training_prices import TrainingPrices, Tunable, table

DAYS_A_MONTH = 30
SOON = timedelta(days=90)
FEWEST_EXAMPLES = 10  # the API refuses fewer (supervised fine-tuning guide)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From `low` to `high`, in tokens; the same where nothing is in doubt."""

    low: int
    high: int

    def __add__(self, other: Span) -> Span:
        return Span(low=self.low + other.low, high=self.high + other.high)

    def times(self, factor: int) -> Span:
        """Both ends, `factor` times."""
        return Span(low=self.low * factor, high=self.high * factor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """What a file holds. `cut`: examples over the model's limit; `lost`: tokens beyond it, which are not trained on."""

    examples: int = 0
    tokens: Span = Span(low=0, high=0)
    longest: int = 0
    cut: int = 0
    lost: int = 0
    media: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(
            examples=self.examples + other.examples,
            tokens=self.tokens + other.tokens,
            longest=max(self.longest, other.longest),
            cut=self.cut + other.cut,
            lost=self.lost + other.lost,
            media=self.media + other.media,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What the tuned model will be asked: requests a day, tokens each."""

    requests_per_day: int
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The answer. Money is USD; None where it cannot be known.

    Attributes:
        trained: tokens billed for all epochs; None for rft, which is billed by the hour.
        usd: the training, low and high.
        hourly: USD per hour of training, for rft.
        per_day: the tuned model under the load; None without one.
        new_jobs_end: the day from which no job can be created; None where it is not known.
        inference_ends: the day on which the base model, and with it the tune, is shut down.
    """

    file: str
    model: str
    method: Method
    encoding: str
    count: Count
    epochs: int | None
    trained: Span | None
    usd: tuple[Decimal, Decimal] | None
    hourly: Decimal | None
    load: Load | None
    per_day: Decimal | None
    new_jobs_end: date | None
    inference_ends: date | None
    warnings: tuple[str, ...]
    assumptions: tuple[str, ...]
    as_of: date
    sources: tuple[str, ...]

    @property
    def per_month(self) -> Decimal | None:
        """Thirty days of the load."""
        return None if self.per_day is None else self.per_day * DAYS_A_MONTH


def counted(example: Example, limit: int | None) -> Count:
    """One example: dpo from the prompt billed once to once per side, each sequence cut at the limit."""
    sequences = [example.prompt + side for side in example.sides] or [example.prompt]
    once = example.prompt + sum(example.sides)
    most = max(*sequences, 0)
    cap = max(once, most) if limit is None else limit
    kept = [min(sequence, cap) for sequence in sequences]
    return Count(
        examples=1,
        tokens=Span(low=min(once, cap), high=sum(kept)),
        longest=most,
        cut=int(most > cap),
        lost=sum(sequences) - sum(kept),
        media=example.media,
    )


def total(parts: Iterable[Example], limit: int | None = None) -> Count:
    """A file's examples, added up."""
    found = Count()
    for example in parts:
        found += counted(example, limit)
    return found


def default_epochs(count: int) -> int:
    """Epochs for `count` examples when none are given: the cookbook's heuristic, which the API does not promise.

    Three, unless that makes fewer than 100 examples seen (then up to 25 epochs) or more than 25,000 (then down to one).
    Source: openai-cookbook, examples/Chat_finetuning_data_prep.ipynb.
    """
    if count * 3 < 100:
        return min(25, 100 // max(1, count))
    return max(1, 25_000 // count) if count * 3 > 25_000 else 3


def training_usd(tokens: int, per_million: Decimal, epochs: int = 1) -> Decimal:
    """USD to train on `tokens` for `epochs`: 100,000 tokens at $8 per million ($0.008 per thousand) are $0.80."""
    return (per_million * tokens * epochs).scaleb(-6)


def running_usd(base: Tunable, load: Load) -> Decimal:
    """USD a day of the tuned model under the load, none of its input cached."""
    each = base.input * load.input_tokens + base.output * load.output_tokens
    return (each * load.requests_per_day).scaleb(-6)


def ended(base: Tunable, dates: TrainingPrices, today: date) -> None:
    """Nothing while a job can be created and its tune be used.

    Raises:
        SpecError: the model has been shut down, or the platform takes no new jobs, with the date.
    """
    if base.shutdown is not None and today >= base.shutdown:
        raise SpecError(
            f"{base.model} was shut down on {base.shutdown}, and every tune of it with it "
            f"({base.sources['shutdown']}); choose another model"
        )
    if today >= dates.no_new_jobs:
        raise SpecError(
            f"OpenAI takes no new fine-tuning jobs since {dates.no_new_jobs} ({dates.source}); "
            f"Azure, Together and Fireworks take the same file"
        )


def endings(base: Tunable, dates: TrainingPrices, today: date) -> Iterator[str]:
    """What ends within ninety days, and who can no longer begin."""
    if dates.no_new_jobs - today <= SOON:
        left = (dates.no_new_jobs - today).days
        yield f"training ends soon: no new jobs from {dates.no_new_jobs} on, in {left} days"
    if base.shutdown is not None and base.shutdown - today <= SOON:
        left = (base.shutdown - today).days
        yield f"inference ends soon: {base.model} and its tunes are shut down on {base.shutdown}, in {left} days"
    for day, who in dates.closed:
        if today >= day:
            yield f"no new jobs since {day} for {who}"
    yield from aged("OpenAI's prices and dates", dates.as_of, dates.source, today)


def azure_endings(model: str, dates: TrainingPrices, today: date) -> Iterator[str]:
    """Until when Azure trains a model and serves its tunes, as far as it publishes that, and how old the news is."""
    base, azure = dates.find(model), dates.azure
    days = None if base is None else azure.models.get(base.model)
    yield "what Azure asks for training is not known here"
    if base is None or days is None:
        yield f"until when Azure trains and serves {model} is not known here; see {azure.source}"
        return
    yield f"who had not trained {base.model} at Azure before cannot from {days.base} on"
    yield f"the others can until {days.training} at the earliest; tunes answer until {days.deployment}"
    if days.deployment - today <= SOON:
        yield f"inference ends soon: tunes of {base.model} stop answering on {days.deployment}"
    yield from aged("Azure's dates", azure.as_of, azure.source, today)


def estimate(
    file: Path,
    model: str,
    *,
    today: date,
    method: Method | None = None,
    epochs: int | None = None,
    load: Load | None = None,
    dates: TrainingPrices | None = None,
    count: Count | None = None,
) -> Cost:
    """What it costs to tune `model` on `file`, and to run the tune under `load`; `count` spares reading the file.

    Raises:
        SpecError: the file or a line of it is wrong, the method is not priced for this model, or it has ended.
        PriceUnknown: the model is not in training_prices.toml.
    """
    dates = dates or table()
    base = _tunable(model, dates)
    ended(base, dates, today)
    chosen = method or _method(file, base)
    _check_method(base, chosen)
    encoding, estimated = encoding_name(base.model)
    assert not estimated
    count = total(examples(file, chosen, encoding), base.example_tokens) if count is None else count
    if not count.examples:
        raise SpecError(f"{file}: holds no examples")
    epochs_used = epochs or (None if chosen == "rft" else default_epochs(count.examples))
    found = Cost(
        file=str(file),
        model=base.model,
        method=chosen,
        encoding=encoding,
        count=count,
        epochs=epochs_used,
        trained=None,
        usd=None,
        hourly=base.hourly if chosen == "rft" else None,
        load=load,
        per_day=None if load is None else running_usd(base, load),
        new_jobs_end=dates.no_new_jobs,
        inference_ends=base.shutdown,
        warnings=(*endings(base, dates, today), *_warnings(count, base, chosen)),
        assumptions=(
            *([] if method else [f"the file is read as {chosen}, from its first line"]),
            *_assumptions(chosen, None if epochs else epochs_used),
            *([] if load is None else ["none of the tuned model's input is read from a cache"]),
        ),
        as_of=dates.as_of,
        sources=tuple(sorted(set(base.sources.values()))),
    )
    return found if chosen == "rft" else _priced(found, base)


def unpriced(
    file: Path,
    model: str,
    method: Method,
    *,
    today: date,
    epochs: int | None = None,
    dates: TrainingPrices | None = None,
    count: Count | None = None,
) -> Cost:
    """The tokens of a file for Azure, whose prices are not known here: all money is None.

    `count` spares reading the file.

    Raises:
        SpecError: the file or a line of it is wrong.
    """
    dates = dates or table()
    base = dates.find(model)
    days = None if base is None else dates.azure.models.get(base.model)
    encoding, estimated = encoding_name(model)
    if count is None:
        count = total(examples(file, method, encoding), None if base is None else base.example_tokens)
    epochs_used = epochs or (None if method == "rft" else default_epochs(count.examples))
    return Cost(
        file=str(file),
        model=model,
        method=method,
        encoding=encoding,
        count=count,
        epochs=epochs_used,
        trained=None if epochs_used is None else count.tokens.times(epochs_used),
        usd=None,
        hourly=None,
        load=None,
        per_day=None,
        new_jobs_end=None,
        inference_ends=None if days is None else days.deployment,
        warnings=tuple(azure_endings(model, dates, today)),
        assumptions=(
            *([f"tokens are counted with {encoding}; {model} may have another encoding"] if estimated else []),
            *_assumptions(method, None if epochs else epochs_used),
        ),
        as_of=dates.as_of,
        sources=(),
    )


def _priced(found: Cost, base: Tunable) -> Cost:
    assert base.training is not None
    assert found.epochs is not None
    trained = found.count.tokens.times(found.epochs)
    usd = training_usd(trained.low, base.training), training_usd(trained.high, base.training)
    return replace(found, trained=trained, usd=usd)


def _tunable(model: str, dates: TrainingPrices) -> Tunable:
    base = dates.find(model)
    if base is None:
        raise PriceUnknown(
            f"no training price is known for {model!r}; known, as of {dates.as_of}: {', '.join(sorted(dates.models))}"
        )
    return base


def _method(file: Path, base: Tunable) -> Method:
    shaped = method_of(file)
    return "rft" if shaped == "sft" and base.methods == ("rft",) else shaped


def _check_method(base: Tunable, method: Method) -> None:
    if (base.hourly if method == "rft" else base.training) is None:
        raise SpecError(f"{base.model} has no price for {method}; it is tuned with {' or '.join(base.methods)}")


def _warnings(count: Count, base: Tunable, method: Method) -> Iterator[str]:
    if method not in base.methods:
        yield f"{method} is not documented for {base.model} ({base.sources['methods']})"
    if count.examples < FEWEST_EXAMPLES:
        yield f"{count.examples} examples: the API refuses fewer than {FEWEST_EXAMPLES}"
    if count.cut:
        yield (
            f"{count.cut} examples are over {base.example_tokens:,} tokens and are cut there without a word; "
            f"{count.lost:,} tokens are not trained on"
        )
    if count.media:
        yield f"{count.media} parts are not text; each is assumed to cost {PER_MEDIA:,} tokens"


def _assumptions(method: Method, guessed_epochs: int | None) -> Iterator[str]:
    if method == "rft":
        yield "rft is billed by the hour of core training; the hours cannot be known from a file, so there is no total"
        yield "tokens of model graders are billed besides, at their own prices"
        return
    if method == "dpo":
        yield "whether a pair's prompt is billed once or once per side is not documented: low and high"
    if guessed_epochs is not None:
        yield f"epochs: {guessed_epochs}, the cookbook's heuristic; the API chooses its own unless told"
    yield "the whole training file is billed each epoch, validation is not"
