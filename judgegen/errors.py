"""The errors a user can meet; the class says what helps, the exit code says it to scripts.

    JudgegenError
    ├── SpecError         the run file, the prompts or a template is wrong: mend the file named      2
    ├── PriceUnknown      a model has no price: set the key named; unknown is never $0               2
    ├── JournalError      the journal is damaged or another run holds it                             2
    ├── OutputError       a file cannot be written or read: the disk, a quota, a permission          2
    ├── ProviderRefused   key, quota, model name or parameter: nothing more is sent                  3
    ├── BudgetReached     the cap holds: the same command with a higher cap continues                4
    ├── Incomplete        calls still fail after their retries: the same command tries them again    5
    │   └── Waiting       nothing is wrong: a batch is with its provider                             5
    ├── GateFailed        the run is whole, and a figure of it is past a limit of [gates]            6
    ├── NoThreshold       no confidence keeps pairs that agree with humans as asked                  7
    ├── AttackWon         an attack on the judge wins more often than a judge may err                6
    ├── Declined          the answer to whether money may be spent was no: nothing was sent           8
    ├── Interrupted       Ctrl-C: what was in flight has landed; the same command continues        130
    └── Unanswered        one call has no answer yet; ends a prompt, never a run (internal)

Knows nothing of where an error is shown: the library raises, the command line prints and exits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, ClassVar


class JudgegenError(Exception):
    """Any error whose message is meant for the user as it stands.

    Attributes:
        run: the Run whose outputs were written before the error was raised; None where there is none.
    """

    exit_code: ClassVar[int] = 1
    run: Any = None

    def _render_traceback_(self) -> list[str]:
        """What IPython and Jupyter show: the message, and where it came from in what is not this package.

        Theirs shows forty lines of ours before it.
        """
        import traceback

        ours = (__file__.removesuffix("errors.py"), "asyncio", "IPython", "ipykernel/", "concurrent/futures")
        found = traceback.extract_tb(self.__traceback__)
        theirs = [frame for frame in found if not any(part in frame.filename for part in ours)]
        places = (f"  {frame.filename}, line {frame.lineno}: {frame.line}" for frame in theirs if frame.line)
        return [f"{type(self).__name__}: {self}", *places]


class SpecError(JudgegenError):
    """The run file, a prompt file or a template is wrong; retrying cannot help."""

    exit_code = 2


class PriceUnknown(JudgegenError):  # noqa: N818 - the names of the tree are the interface
    """A model has no price; the message names the key that sets one."""

    exit_code = 2


class JournalError(JudgegenError):
    """The journal is damaged, of another version, or held by another run."""

    exit_code = 2


class OutputError(JudgegenError):
    """A file cannot be written or read; what was answered is in the journal."""

    exit_code = 2


class ProviderRefused(JudgegenError):  # noqa: N818
    """The provider will not serve this run: key, quota, model name, an unsupported parameter, answers of no use.

    Attributes:
        billed: whether the request that met it was; None where nobody knows.
    """

    exit_code = 3
    billed: bool | None = False


class BudgetReached(JudgegenError):  # noqa: N818
    """Nothing more fits under the cap; a higher one continues where this stopped.

    Attributes:
        continues: a cap in USD with which the same command goes on; None where that is not known.
    """

    exit_code = 4
    continues: Decimal | None = None

    def __init__(self, message: str, *, continues: Decimal | None = None) -> None:
        """Keep the sentence for people and the cap for the command that continues."""
        super().__init__(message)
        self.continues = continues


class Incomplete(JudgegenError):  # noqa: N818
    """Some calls still fail after their retries; the same command tries those again."""

    exit_code = 5


class Waiting(Incomplete):
    """Nothing is wrong: a batch is with its provider, and the same command fetches it when it is done."""


class GateFailed(JudgegenError):  # noqa: N818
    """The outputs are written and whole, but a figure of the run is past a limit that its [gates] set."""

    exit_code = 6


class AttackWon(JudgegenError):  # noqa: N818
    """The figures are whole, and what answers nothing wins before the judge: do not trust it with strangers."""

    exit_code = 6


class NoThreshold(JudgegenError):  # noqa: N818
    """No threshold keeps pairs that agree with humans at the target; that is an answer, and the judge is not fit."""

    exit_code = 7


class Declined(JudgegenError):  # noqa: N818
    """Somebody was asked whether money may be spent, and said no; nothing was sent."""

    exit_code = 8


class Interrupted(JudgegenError):  # noqa: N818
    """The user stopped the run; answers that were in flight are in the journal."""

    exit_code = 130


class Unanswered(JudgegenError):  # noqa: N818
    """This call has no answer now (stopped, not in the journal, or failing); its prompt waits for another run.

    Attributes:
        reason: a short word for the audit: "not-run", "batched" while a batch has it, "failing" after all retries,
            "rejected" and "refused" where asking again in the same way cannot help.
    """

    def __init__(self, message: str, *, reason: str = "not-run") -> None:
        """Keep the sentence for people and the reason for the audit."""
        super().__init__(message)
        self.reason = reason

    @property
    def detail(self) -> str:
        """What audit and summary say of it; nothing of a call that was not asked yet."""
        return "" if self.reason in ("not-run", "batched") else f"{self.reason}: {self}"


EXIT_CODES: Mapping[int, tuple[str, str]] = {
    0: ("done: there are pairs to train on", ""),
    1: ("a fault of judgegen's own", "what was answered is kept; please report it"),
    2: (
        "run file, prompts, template, price, journal or an output file is wrong",
        "the message says where, and the mend",
    ),
    3: (
        "the provider refuses (key, quota, model name, parameter), or the first answers are all of no use",
        "nothing more was sent; mend it, then the same command goes on",
    ),
    4: ("the budget is reached", "the same command with a higher cap goes on"),
    5: ("calls still lack answers: they fail, or a batch has them", "the same command goes on"),
    6: (
        "a figure is past a limit of [gates], or an attack on the judge wins",
        "the outputs are written; the message names the figure",
    ),
    7: ("`judge calibrate` found no threshold that holds", "do not trust this judge at that target"),
    8: ("the question whether money may be spent was answered with no", "nothing was sent"),
    130: ("interrupted", "what was in flight has landed; the same command goes on"),
}
"""Per code what it means, and what then."""


def hint(name: str, known: Iterable[str]) -> str:
    """The question whether one of `known` is meant: those that begin with `name`, else the nearest; else nothing."""
    import difflib

    names = list(known)
    family = [one for one in names if name and one.startswith((f"{name}-", f"{name}_"))]
    meant = family or difflib.get_close_matches(name, names, n=1)
    return f"did you mean {' or '.join(map(repr, meant))}? " if meant else ""
