"""Reads recorded real verdicts into judged rows. The data are no part of the project; without them a benchmark says so.

Knows the files' shapes; computes nothing that the library computes.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from judgegen.judge.guard import Frame
from judgegen.judge.read import label as read_label
from judgegen.judge.read import probabilities
from judgegen.llm.calls import Choice
from judgegen.records import Label
from judgegen.trust import Judged, Showing, Side, Vote, mean_p

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"


def arguments(
    description: str | None,
    needs: str,
    further: Callable[[argparse.ArgumentParser], None] | None = None,
    **counts: int,
) -> argparse.Namespace:
    """Where the data are, how to print, `counts` with their defaults; ends politely where `needs` is absent.

    What `further` adds may name a `clone` to be read in place of it.
    """
    parser = argparse.ArgumentParser(description=(description or "").split("\n")[0])
    parser.add_argument("--data", type=Path, default=BESIDE, help="folder that holds the recorded sets")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    parser.add_argument("--resamples", type=int, default=1000, help="of the bootstrap over prompts")
    for name, usual in counts.items():
        parser.add_argument(f"--{name}", type=int, default=usual)
    if further is not None:
        further(parser)
    found = parser.parse_args()
    if getattr(found, "clone", None) is None and not (found.data / needs).exists():
        print(f"skipped: {found.data / needs} is not there; name its folder with --data", file=sys.stderr)
        raise SystemExit(0)
    return found


def lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSON Lines file, gzipped or not."""
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        for line in file:
            if line.strip():
                yield json.loads(line)


def show(header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a Markdown table, columns aligned."""
    table = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(row[i]) for row in table) for i in range(len(header))]
    for number, row in enumerate(table):
        print("| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |")
        if number == 0:
            print("|" + "|".join("-" * (width + 2) for width in widths) + "|")


def number(value: float | None, digits: int = 3) -> str:
    """A figure to print; unknown is a dash."""
    return "-" if value is None else f"{value:.{digits}f}"


def row(prompt_id: str, orders: Sequence[Showing], **rest: Any) -> Judged:
    """A judged pair whose p is the mean over its orders."""
    return Judged(prompt_id=prompt_id, orders=tuple(orders), p=mean_p(orders), **rest)


def order(first: Side, label: Label | None) -> Showing:
    """A display with a verdict that had no probabilities."""
    share = {"first": 1.0, "second": 0.0, "tie": 0.5}
    return Showing(first=first, label=label, p_first=None if label is None else share[label])


# PRD on Vicuna-80: five models answer, the same five judge every ordered pair, humans vote.

MODELS = ("bard", "claude", "gpt35", "gpt4", "vicuna-13b")
_SPOKEN: dict[int, Label] = {1: "first", 2: "second", 3: "tie"}
Shown = dict[tuple[int, str, str], Label]


def prd_verdicts(data: Path) -> dict[str, Shown]:
    """Judge to (question, shown first, shown second) to verdict; of a repeated call the first answer counts."""
    found: dict[str, Shown] = defaultdict(dict)
    folder = data / "prd_vicuna80"
    for item in lines(next(folder.glob("llm_judgments.jsonl*"))):
        key = (item["question_id"], item["model_1"], item["model_2"])
        found[item["judge"]].setdefault(key, _SPOKEN[int(item["verdict"])])
    return dict(found)


def prd_votes(data: Path) -> dict[tuple[int, str, str], tuple[Vote, ...]]:
    """(question, A, B), the models in alphabetical order, to the human votes."""
    found: dict[tuple[int, str, str], list[Vote]] = defaultdict(list)
    sides: dict[int, Vote] = {1: "A", 2: "B", 3: "tie"}
    other: dict[Vote, Vote] = {"A": "B", "B": "A", "tie": "tie"}
    for item in lines(data / "prd_vicuna80" / "human_votes.jsonl"):
        one, two, vote = item["model_1"], item["model_2"], sides[item["vote"]]
        if one in MODELS and two in MODELS:
            key = (item["question_id"], *sorted((one, two)))
            found[key].append(vote if one < two else other[vote])
    return {key: tuple(votes) for key, votes in sorted(found.items())}


def prd_lengths(data: Path) -> dict[tuple[int, str], int]:
    """(question, model) to the characters of its answer."""
    answers = lines(data / "prd_vicuna80" / "answers.jsonl")
    return {(item["question_id"], item["model"]): len(item["text"]) for item in answers}


def prd_rows(data: Path) -> dict[str, list[Judged]]:
    """Each judge's rows, both orders."""
    votes, lengths = prd_votes(data), prd_lengths(data)
    return {
        judge: [
            row(
                str(question),
                (order("A", shown[question, a, b]), order("B", shown[question, b, a])),
                votes=said,
                len_a=lengths[question, a],
                len_b=lengths[question, b],
            )
            for (question, a, b), said in votes.items()
        ]
        for judge, shown in sorted(prd_verdicts(data).items())
    }


# LLMBar: one objective label per pair, six judges, up to ten strategies and five ways of rating.


def llmbar_rows(data: Path) -> dict[tuple[str, str], dict[str, list[Judged]]]:
    """(judge, strategy) to subset to rows. Of a strategy of several stages the last one asked for a pair counts."""
    pairs = {item["pair_id"]: item for item in lines(data / "llmbar" / "pairs.jsonl")}
    last: dict[tuple[str, str], dict[str, dict[str, tuple[int, Any]]]] = defaultdict(lambda: defaultdict(dict))
    for item in lines(data / "llmbar" / "judgments.jsonl.gz"):
        shown = last[item["judge"], item["strategy"]][item["pair_id"]]
        if item["stage"] >= shown.get(item["order"], (-1, None))[0]:
            shown[item["order"]] = (item["stage"], item["winner"])
    found: dict[tuple[str, str], dict[str, list[Judged]]] = defaultdict(lambda: defaultdict(list))
    for judge, asked in last.items():
        for pair_id, shown in asked.items():
            orders = [_llmbar_order(name, winner) for name, (_, winner) in sorted(shown.items())]
            found[judge][_subset(pairs[pair_id])].append(_llmbar_row(pairs[pair_id], orders))
    for item in lines(data / "llmbar" / "ratings.jsonl.gz"):
        pair = pairs[item["pair_id"]]
        found[item["judge"], item["strategy"]][_subset(pair)].append(_llmbar_rating(pair, item))
    return {key: dict(rows) for key, rows in sorted(found.items())}


def _subset(pair: dict[str, Any]) -> str:
    return str(pair["subset"]).rpartition("/")[2]


def _llmbar_order(name: str, winner: int | str | None) -> Showing:
    """A display; `winner` is 1 or 2 in the file's order, whatever was shown first."""
    label: Label | None = None if winner is None else "first" if str(winner) == name[0] else "second"
    return order("A" if name[0] == "1" else "B", label)


def _llmbar_row(pair: dict[str, Any], orders: Sequence[Showing]) -> Judged:
    return row(_prompt(pair), orders, **_facts(pair))


def _llmbar_rating(pair: dict[str, Any], item: dict[str, Any]) -> Judged:
    """Two scores given one at a time: no display, and a tie where they are equal."""
    texts = item["score_1_text"], item["score_2_text"]
    p = None
    if all(text.isdigit() for text in texts):
        one, two = (int(text) for text in texts)
        p = 0.5 if one == two else float(one > two)
    return Judged(prompt_id=_prompt(pair), p=p, **_facts(pair))


def _prompt(pair: dict[str, Any]) -> str:
    return str(pair["input"])


def _facts(pair: dict[str, Any]) -> dict[str, Any]:
    vote: Vote = "A" if int(pair["label"]) == 1 else "B"
    return {"votes": (vote,), "len_a": len(pair["output_1"]), "len_b": len(pair["output_2"])}


# AlpacaEval: one order per pair, drawn by lot; one token, "m" for the answer shown first and "M" for the second.

BASELINE = "gpt4_1106_preview"
LETTERS = Frame(first="m", second="M", fence="", tie="<tie>")


def alpaca_rows(data: Path) -> dict[str, list[Judged]]:
    """Model to rows; side A is the model, B the baseline. Nobody voted. Probabilities are read from the logprobs."""
    folder = data / "alpaca_eval"
    names = [BASELINE, *sorted({item["model"] for item in lines(folder / "verdicts_weighted.jsonl.gz")} - {BASELINE})]
    lengths = {name: alpaca_lengths(folder, name) for name in names}
    found: dict[str, list[Judged]] = {name: [] for name in names[1:]}
    for item in lines(folder / "verdicts_weighted.jsonl.gz"):
        if item["model"] == BASELINE:
            continue
        found[item["model"]].append(
            row(
                str(item["idx"]),
                (_alpaca_order(item),) if "token" in item else (),
                len_a=lengths[item["model"]][item["idx"]],
                len_b=lengths[BASELINE][item["idx"]],
                cost_usd=item["price_per_example"],
                seconds=item["time_per_example"],
            )
        )
    return found


def alpaca_lengths(folder: Path, name: str) -> dict[int, int]:
    """Instruction to the characters of a model's output."""
    return {item["idx"]: len(item["output"]) for item in lines(folder / "outputs" / f"{name}.jsonl.gz")}


def _alpaca_order(item: dict[str, Any]) -> Showing:
    """The library's reading of the recorded token: unreadable where it is neither letter ("Both", "Neither")."""
    first: Side = "A" if item["first_shown"] == "output_2" else "B"
    top = [{"token": token, "logprob": logprob} for token, logprob in item["top_logprobs"]]
    choice = Choice(text=item["token"], logprobs=({**_sampled(item, top), "top_logprobs": top},))
    p = probabilities(choice, LETTERS)
    if read_label(item["token"], LETTERS) is None or p is None:
        return Showing(first=first, label=None, p_first=None)
    label: Label = "tie" if p[0] == p[1] else "first" if p[0] > p[1] else "second"
    return Showing(first=first, label=label, p_first=p[0] + p[2] / 2)


def _sampled(item: dict[str, Any], top: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The sampled token; outside the recorded top five its logprob was not kept, and the API's floor stands for it."""
    return next((entry for entry in top if entry["token"] == item["token"]), {"token": item["token"], "logprob": -9999})
