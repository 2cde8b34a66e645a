"""Every recipe does what its page says: its commands run as they stand, where OpenAI is the simulator."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from worlds import derived, world

import judgegen
from judgegen import plugins, sources
from judgegen.cli import main
from judgegen.exchange.validate import validate
from judgegen.judge.methods import METHODS
from judgegen.review.labels import Labels
from judgegen.review.queue import a_on_the_left, items, queue
from judgegen.review.sitting import Sitting
from judgegen.simulator.prose import quality_of
from judgegen.sources.starter import recipes
from judgegen.spec.reading import read

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"(?P<note><!-- not run: [^>]*-->\n)?```console\n(?P<text>.*?)```", re.DOTALL)


@dataclass
class Played:
    """What the commands of a page came to.

    Attributes:
        said: by a command's words, its stdout.
    """

    folder: Path
    said: dict[str, str] = field(default_factory=dict)

    def run(self, name: str) -> judgegen.Run:
        """A run folder of them."""
        return judgegen.load(self.folder / "runs" / name)

    def rows(self, path: str) -> list[dict[str, Any]]:
        """The rows of a JSONL file."""
        return [json.loads(line) for line in (self.folder / path).read_text(encoding="utf-8").splitlines()]


def commands(name: str) -> Iterator[tuple[list[str], int]]:
    """The commands of a recipe's page that can be run here, each with the code it is said to end with."""
    for found in FENCE.finditer((ROOT / "examples" / name / "README.md").read_text(encoding="utf-8")):
        for line in found["text"].splitlines():
            words, code = shlex.split(line.removeprefix("$ "), comments=True), re.search(r"# ends with (\d)", line)
            if not found["note"] or words[:2] == ["judgegen", "init"]:
                yield words, int(code[1]) if code else 0


@dataclass
class Desk:
    """Where commands are called: what is put in place for one test, and what they show."""

    place: pytest.MonkeyPatch
    shown: pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def openai(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The simulator in OpenAI's place: it knows the recipes' references, and its batches are ready at once."""
    lines = (line for path in ROOT.glob("examples/*/prompts.jsonl") for line in path.read_text().splitlines())
    right = {row["prompt"]: row["reference"] for row in map(json.loads, lines) if "reference" in row}
    answers = tmp_path_factory.mktemp("openai") / "answers.json"
    answers.write_text(json.dumps(right), encoding="utf-8")
    with world("--batch-seconds", "0", "--answers", str(answers)) as url:
        yield url


@pytest.fixture
def played(
    tmp_path: Path, openai: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], Played]:
    """Plays the page of a recipe from an empty folder; a command that ends otherwise than it says fails the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_BASE_URL", openai)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-simulated")

    desk = Desk(monkeypatch, capsys)

    def play(name: str) -> Played:
        found = Played(tmp_path)
        for command, code in commands(name):
            ended, said, told = BESIDE.get(tuple(command[:2]), _called)(command, desk)
            assert ended == code, (command, told)
            found.said[" ".join(command[1:])] = said
        return found

    return play


def _called(command: list[str], desk: Desk) -> tuple[int, str, str]:
    """A command of judgegen's, in this process."""
    assert command[0] == "judgegen"
    with pytest.raises(SystemExit) as ended:
        main([*command[1:], *QUIETLY.get(command[1], ())])
    shown = desk.shown.readouterr()
    return int(ended.value.code or 0), shown.out, shown.err


def _installed(command: list[str], desk: Desk) -> tuple[int, str, str]:
    """`pip install FOLDER`, as an installer leaves a package of one file; nothing is fetched."""
    source, site = Path(command[2]), Path("site")
    about = tomllib.loads((source / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    facts = site / f"{about['name'].replace('-', '_')}-{about['version']}.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {about['name']}\nVersion: {about['version']}\n")
    points = ((group, name, where) for group, names in about["entry-points"].items() for name, where in names.items())
    (facts / "entry_points.txt").write_text("".join(f"[{group}]\n{name} = {where}\n" for group, name, where in points))
    for path in source.glob("*.py"):
        (site / path.name).write_bytes(path.read_bytes())
    desk.place.syspath_prepend(site.resolve())
    # As a process that starts after the install.
    desk.place.delitem(METHODS.__dict__, "_elsewhere", raising=False)
    desk.place.setattr(plugins, "_all_points", entry_points)
    return 0, "", ""


def _labelled(command: list[str], _: Desk) -> tuple[int, str, str]:
    """`judgegen review RUN`, and a person in front of it who sees which answer is the better."""
    run = Path(command[2])
    found = queue(items(run, print), int(command[4]), "random", 0)
    with Labels(run / "labels.jsonl") as labels:
        sitting = Sitting(found, labels, "ana")
        while (item := sitting.next()) is not None:
            better_a = (quality_of(item.a) or 0) > (quality_of(item.b) or 0)
            sitting.vote(item.id, "1" if better_a == a_on_the_left(item, "ana", 0) else "2")
    return 0, "", ""


QUIETLY = {"run": ("--quiet", "--yes"), "rehearse": ("--quiet",), "judge": ("--quiet", "--yes")}
"""What leaves out the estimate before a run and nothing else; its own tests are elsewhere."""
BESIDE: dict[tuple[str, ...], Callable[[list[str], Desk], tuple[int, str, str]]] = {
    ("pip", "install"): _installed,
    ("judgegen", "review"): _labelled,
}


def judges(run: judgegen.Run) -> Counter[str]:
    """How many judge calls each model got."""
    calls = run.calls
    return Counter(calls[calls["role"] == "judge"]["model"])


def simulator(made: Played) -> None:
    """Rows of OpenAI's shape, as many as there are pairs, in order by every rule of theirs; nothing was spent."""
    rows = made.rows("upload.jsonl")
    assert len(rows) == made.run("simulator").summary["pairs"] >= 10
    assert all(row.keys() == {"input", "preferred_output", "non_preferred_output"} for row in rows)
    assert not validate(made.folder / "upload.jsonl", "openai-dpo").findings
    assert made.run("simulator").summary["cost_usd"]["total"] == "0"


def rubric(made: Played) -> None:
    """Two scorings of every answer by the recipe's own aspects; what is kept differs by the margin; all are ranked."""
    run = made.run("rubric")
    scores = [json.loads(row)[0] for row in run.candidates["scores"].dropna()]
    assert {aspect for one in scores for aspect in one["aspects"]} == {"truthfulness", "clarity", "measure"}
    assert all(row["margin"] >= 0.1 for row in made.rows("runs/rubric/preferences.jsonl"))
    assert all(row["candidates"][0]["rank"] == 1 for row in made.rows("scored.jsonl"))


def grader(made: Played) -> None:
    """No judge is asked, and of each rehearsed pair the chosen answer alone ends in the reference."""
    rehearsed = judgegen.load(made.folder / "rehearsals" / "grader")
    assert rehearsed.summary["calls"]["judge"] == made.run("grader").summary["calls"]["judge"] == 0
    rows = made.rows("rehearsals/grader/preferences.jsonl")
    assert rows
    assert all(row["chosen"][0]["content"].endswith(row["reference"]) for row in rows)
    assert not any(row["rejected"][0]["content"].endswith(row["reference"]) for row in rows)


def hybrid(made: Played) -> None:
    """Every answer is scored, and most comparisons are spared."""
    spared = made.run("hybrid").summary["judging"]
    assert spared["comparisons"] * 2 < spared["of_every_two"]


def panel(made: Played) -> None:
    """Three judges' verdicts stand beside one another, one of them for two."""
    verdicts = judgegen.load(made.folder / "rehearsals" / "panel").verdicts
    assert verdicts["judge"].nunique() == 3
    assert sorted(verdicts.groupby("judge")["weight"].first()) == [1.0, 1.0, 2.0]


def escalation(made: Played) -> None:
    """The better judge is asked, and less often than the cheap one."""
    asked = judges(made.run("escalation"))
    assert 0 < asked["gpt-6.1-sol"] < asked["gpt-6-luna"]
    assert made.run("escalation").summary["judging"]["escalated"] > 0


def tournament(made: Played) -> None:
    """Ten comparisons of eight answers, or fewer, where every two are 28."""
    run = made.run("tournament")
    met = run.verdicts.groupby("prompt_id")["match"].nunique()
    assert run.candidates.groupby("prompt_id").size().max() == 8
    assert met.max() <= 10


def decisions(made: Played) -> None:
    """Two inputs a prompt for the decision model, for the other what is in doubt: six comparisons are twelve chats."""
    asked = judges(made.run("decisions"))
    assert asked["gpt-6-luna"] == 2 * len(made.rows("decisions/prompts.jsonl"))
    assert asked["gpt-6.1-sol"] < 12 * len(made.rows("decisions/prompts.jsonl"))


def calibrated(made: Played) -> None:
    """There is a threshold, and the run is held to it."""
    found = json.loads((made.folder / "calibrated" / "calibration.json").read_text(encoding="utf-8"))
    kept = tomllib.loads((made.folder / "runs" / "calibrated" / "run.toml").read_text(encoding="utf-8"))
    assert found["threshold"] is not None
    assert kept["judge"]["calibration"] == "calibration.json"
    assert made.run("calibrated").summary["pairs"] >= 5


def review(made: Played) -> None:
    """A vote for every pair of the pilot; the run is held to a calibration made of them."""
    assert len(made.rows("runs/pilot/labels.jsonl")) >= 14
    kept = tomllib.loads((made.folder / "runs" / "review" / "run.toml").read_text(encoding="utf-8"))
    assert kept["judge"]["calibration"] == "calibration.json"
    assert made.run("review").summary["pairs"] > 0


def batch(made: Played) -> None:
    """After the first command nothing is answered; said again, it comes to pairs."""
    assert made.run("batch").summary["drops"] == {"incomplete": 8}
    for _ in range(4):
        with pytest.raises(SystemExit) as ended:
            main(["run", "batch/run.toml", "--batch", *QUIETLY["run"]])
        if not ended.value.code:
            break
    assert made.run("batch").summary["pairs"] > 0


def cap(made: Played) -> None:
    """The cap is kept, and with the higher one the run has everything."""
    assert made.said["run cap/run.toml"] != made.said["run cap/run.toml --max-usd 1"]
    summary = made.run("cap").summary
    assert "incomplete" not in summary["drops"]
    assert 0.01 < float(summary["cost_usd"]["total"]) < 1


def template(made: Played) -> None:
    """The judge was asked by the recipe's own words."""
    calls = made.run("template").calls
    asked = calls[calls["role"] == "judge"]["messages"]
    assert len(asked)
    assert all("which of them the customer would rather have got" in text for text in asked)


def method(made: Played) -> None:
    """No judge is asked; in a rehearsal, what most answers come to is the reference, which nobody was shown."""
    rows = made.rows("rehearsals/method/preferences.jsonl")
    assert judgegen.load(made.folder / "rehearsals" / "method").summary["calls"]["judge"] == 0
    assert rows
    assert all(row["chosen"][0]["content"].endswith(row["reference"]) for row in rows)


def trl(made: Played) -> None:
    """Ten prompts of the split named, none of the other; two files that TRL takes, which share no prompt."""
    assert made.run("trl").summary["prompts"] == 10
    train, test = (
        {json.dumps(row["prompt"]) for row in made.rows(f"trl-dpo.{side}.jsonl")} for side in ("train", "test")
    )
    assert train
    assert test
    assert not train & test
    assert {row["metadata"]["source"] for row in made.rows("runs/trl/preferences.jsonl")} == {"hand-written"}
    assert all(name in (made.folder / "trl" / "train.py").read_text() for name in ("trl-dpo.train", "trl-dpo.test"))


def kto(made: Played) -> None:
    """Two rows a pair; beside them answers that are in none, those that tied as unwanted."""
    pairs, every = made.rows("kto.jsonl"), made.rows("kto-all.jsonl")
    assert len(pairs) == 2 * made.run("kto").summary["pairs"] > 0
    texts = made.run("kto").candidates.set_index("text")["score"]
    tied = [row for row in every if row not in pairs and texts[row["completion"][0]["content"]] == 0.5]
    assert tied
    assert not any(row["label"] for row in tied)


def cluster(made: Played) -> None:
    """Said once more, a shard asks nothing; the merged folder has the bytes of a run in one piece."""
    shards = [text for words, text in made.said.items() if "--shard" in words]
    assert len(shards) == 3
    with pytest.raises(SystemExit):
        main(["run", "cluster/run.toml", "--out", "runs/whole", *QUIETLY["run"]])
    assert derived(made.folder / "runs" / "whole").items() <= derived(made.folder / "runs" / "cluster").items()


def reward_first(made: Played) -> None:
    """A score for each answer, from the reward model; the chat model is asked for fewer than every two."""
    run = judgegen.load(made.folder / "rehearsals" / "reward-first")
    asked, answers = judges(run), run.summary["candidates"]["total"]
    assert asked["Skywork/Skywork-Reward-V2-Qwen3-0.6B"] == answers
    assert asked["gpt-6.1-sol"] < 3 * answers


def elsewhere(made: Played) -> None:
    """The rest needs what is not here (`make quickstart`, `make rounds`, an engine): what it begins with is read."""
    (path,) = made.folder.glob("*/run.toml")
    assert list(sources.prompts(path.parent / read(path).prompts, warn=pytest.fail))


CHECKS: Mapping[str, Callable[[Played], None]] = {
    check.__name__.replace("_", "-"): check
    for check in (
        simulator, rubric, grader, hybrid, panel, escalation, tournament, decisions, calibrated, review, batch, cap,
        template, method, trl, kto, cluster, reward_first,
    )
} | dict.fromkeys(("quickstart", "rounds", "offline"), elsewhere)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", recipes())
def test_a_recipe_does_what_its_page_says(name: str, played: Callable[[str], Played]) -> None:
    """Each command of the page ends as it says, and what they leave is what the page promises."""
    CHECKS[name](played(name))


@pytest.mark.slow
def test_every_recipe_has_its_check() -> None:
    """No recipe is played without a look at what it comes to."""
    assert CHECKS.keys() == recipes().keys()
