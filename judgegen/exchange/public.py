"""Export and import for those who write Python: what the command line does, by the same names.

Knows run folders and files; nothing of terminals.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from judgegen.errors import SpecError
from judgegen.exchange import export as exporting
from judgegen.exchange import handover
from judgegen.exchange.export import Exported
from judgegen.exchange.import_ import Imported, Reject, Wishes, import_file, imported
from judgegen.exchange.parts import check_apart
from judgegen.formats.consumers import consumer
from judgegen.formats.format import Format, Unfit
from judgegen.stores.sending import outgoing

if TYPE_CHECKING:
    from pandas import DataFrame

PREFERENCES = "preferences"


def export(
    source: str | Path,
    to: str,
    out: str | Path | None = None,
    *,
    shape: str = PREFERENCES,
    split: float | None = None,
    seed: int = 0,
    standard: bool = False,
    unpaired: bool = False,
    ties: bool | None = None,
) -> Exported:
    """Write the preferences of a run folder, or of a file, in the shape of one consumer.

    Args:
        source: a run folder, or preferences in a file of the shape `shape`, here or at a URL.
        to: the consumer: "trl-dpo", "openai-dpo" and so on; an unknown one lists them.
        out: the file, or the folder where the consumer takes one; beside the source unless given.
        shape: of the source, where it is no run folder.
        split: the share of prompts that goes to train, between 0 and 1.
        seed: another one, another split.
        standard: plain strings in place of messages.
        unpaired: of a run, the judged answers that stand in no pair go along, for trl-kto.
        ties: whether answers that tie count as wanted there; left out unless given.

    Raises:
        SpecError: no such consumer, shape or file, or no row that fits.
    """
    path = Path(source)
    form, run = consumer(to, standard=standard), handover.is_run(path)
    if (unpaired or ties is not None) and not (run and unpaired):
        raise SpecError("--unpaired takes a run folder, and --ties goes with it")
    place = beside(source, to, form.suffix, folder=form.folder) if out is None else Path(out)
    check_apart(source, place)
    with outgoing(place) as going:
        done = exporting.export(
            rows(source, shape, form, run=run),
            to,
            going.path,
            split=split,
            seed=seed,
            standard=standard,
            facts=_facts(path, form) if run and form.companions is not None else None,
            unpaired=handover.unpaired(path, ties=ties) if unpaired else None,
        )
        return replace(done, paths=going.places(done.paths))


def import_(
    source: str | Path | DataFrame | Iterable[Mapping[str, Any]],
    out: str | Path,
    *,
    shape: str | None = None,
    mapping: Sequence[str] = (),
    system: str | None = None,
    encoding: str = "utf-8",
    pairs: Literal["all", "best-worst"] = "all",
    prompt_from_prefix: bool = False,
) -> Imported:
    """Write the preferences that `source` holds to `out`, as preferences.jsonl has them; rejects go beside it.

    Args:
        source: a file, also at a URL, a folder of them, a data set of the hub, a DataFrame, or rows in memory.
        out: a JSONL file.
        shape: what the rows are, where their columns do not say it.
        mapping: columns that no list knows: "chosen=resp_good".
        system: a system message for every prompt.
        encoding: of a text file that is not UTF-8.
        pairs: of several rated answers all pairs, or the best with the worst.
        prompt_from_prefix: two texts without a prompt: the words that both begin with are it.

    Raises:
        SpecError: it cannot be read, or nothing in it is a preference.
    """
    wishes = Wishes(system=system, mapping=mapping, pairs=pairs, prompt_from_prefix=prompt_from_prefix)
    return import_file(source, shape, Path(out), encoding=encoding, wishes=wishes)


def _facts(folder: Path, form: Format) -> dict[str, Any]:
    """What is known of the run; for a data set's folder with pictures of it, where they can be drawn."""
    from judgegen.report.pictures import figures

    known = handover.facts(folder)
    return {**known, "figures": figures(folder)} if form.folder else known


def rows(source: str | Path, shape: str, form: Format, *, run: bool) -> Iterator[Any]:
    """Preferences, and in the place of a row that is none the reason, so that rows keep their numbers.

    Of a run a consumer of prompts gets every prompt, and one that takes ties gets them behind the pairs.
    """
    path = Path(source)
    if run and shape == PREFERENCES and form.unit == "prompt":
        yield from handover.prompts(path)
        return
    found = handover.preferences(path) if run and shape == PREFERENCES else imported(source, shape)
    yield from (Unfit(row.reason) if isinstance(row, Reject) else row for row in found)
    if run and shape == PREFERENCES and form.ties:
        yield from handover.ties(path)


def beside(source: str | Path, to: str, suffix: str, *, folder: bool) -> Path:
    """Where an export goes that was not told: into the run's folder, or beside the file under its name."""
    path = Path(source)
    if path.is_dir():
        return path / (to if folder else f"{to}{suffix}")
    stem = path.name.removesuffix(".gz").rpartition(".")[0] or path.name
    return path.with_name(f"{stem}.{to}" if folder else f"{stem}.{to}{suffix}")
