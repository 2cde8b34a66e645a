"""Reads an outcome into a verdict. What cannot be read is `Unreadable`, never a tie.

The label is read only from where it was asked for: the JSON object with a `verdict` that the answer ends with, or an
answer that is nothing but a label. What the judge thought before, what it quotes and what was cut off is none. Where
logprobs came back, the probability of each label is read at the verdict's token (G-Eval, arXiv 2303.16634; averaging
distributions beats counting verdicts, arXiv 2503.03064).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from judgegen.judge.almost import CLOSES, OPENS
from judgegen.judge.guard import Frame
from judgegen.judge.said import Said, objects, under
from judgegen.llm import ends
from judgegen.llm.calls import Call, Choice, Failure, Outcome
from judgegen.llm.thought import part
from judgegen.records import Label, Unreadable, Verdict

ENOUGH_MASS = 0.5
"""Probability on the three labels below which it is no distribution over verdicts; the spoken label counts then."""

_SURE = math.log(0.99)
"""From here on what is left for tokens that nobody names is no matter."""
_NAMES: tuple[Label, Label, Label] = ("first", "second", "tie")
_KEY = "verdict"
_PLACE = re.compile(r'"\s*verdict\s*"\s*:\s*"\s*', re.IGNORECASE)
_ALMOST_PLACE = re.compile(rf"{OPENS}\s*verdict\s*{CLOSES}\s*:\s*{OPENS}\s*", re.IGNORECASE)
_MARKS = r"\s\"'`*_\[\](){}<>\u200b"
_DRESS = f"[{_MARKS}]*"
_BEFORE = rf"{_DRESS}(?:(?:answer|response|candidate|option|reply|assistant)\s{_DRESS})?"
_DRESSED = re.compile(rf"{_BEFORE}([^\W_]+)[{_MARKS}.,;]*", re.IGNORECASE)
"""A label as an object's verdict may have it: in brackets, bold, with a full stop, after the word "Answer"."""
_STATED = re.compile(
    r"^[ \t#>*_-]*(?:(?:my|the|so|thus|hence|therefore|final|overall)\W+)*"
    rf"(?:verdict[\"'*_`]*\s*(?:[:=]|is\b)|<verdict>)"
    rf"{_DRESS}([^\W_]+)",
    re.IGNORECASE | re.MULTILINE,
)
"""A verdict that begins a line and is no JSON."""
_OVER = re.compile(r"(?:[\s*_\"'`\])}.]|</[a-z_]+>|<\|[\w ]{1,40}\|>)*", re.IGNORECASE)
_BARE = "\"'`*[]()."
_TURNS = re.compile(
    r"\W*(?:wait|no\b|not\b|actually|sorry|correction|hmm|scratch|on second|oops|but|however|although)", re.IGNORECASE
)
_EXPLAINS = re.compile(
    r"\W*(?:explanation|rationale|reason(?:s|ing)?|justification|because|note|analysis)\b", re.IGNORECASE
)


def verdict(
    call: Call, outcome: Outcome, shown: Frame, *, before: tuple[str, ...] = (), judge: str = "", weight: float = 1.0
) -> Verdict | Unreadable:
    """The verdict of one reply, in display order; `before` are the calls whose answers could not be read."""
    ids = (*before, call.id)
    spoken = None if isinstance(outcome, Failure) else spoken_label(outcome.first, shown)
    if isinstance(outcome, Failure) or spoken is None:
        reason = outcome.reason if isinstance(outcome, Failure) else why(outcome.first)
        return Unreadable(reason=reason, call_ids=ids, judge=judge, weight=weight)
    p = probabilities(outcome.first, shown)
    soft = p is not None
    p = p or [float(name == spoken) for name in _NAMES]
    likeliest = max(zip(p, _NAMES, strict=True), key=lambda pair: (pair[0], pair[1] == spoken))[1]
    return Verdict(
        label=likeliest,
        p_first=p[0],
        p_second=p[1],
        p_tie=p[2],
        soft=soft,
        call_ids=ids,
        judge=judge,
        weight=weight,
    )


def vote(verdicts: Sequence[Verdict], call_ids: tuple[str, ...]) -> Verdict:
    """What several verdicts on one display come to: k of them, v for the first, give it (v + 1) / (k + 2), ties half.

    Laplace's rule of succession; no number of equal verdicts is a certainty. The label is the one that most
    give, a tie where two lead together. `call_ids` are all calls that were made for them.
    """
    whole = len(verdicts) + 2
    votes = {name: sum(verdict.label == name for verdict in verdicts) for name in _NAMES}
    most = [name for name in _NAMES if votes[name] == max(votes.values())]
    return replace(
        verdicts[0],
        label=most[0] if len(most) == 1 else "tie",
        p_first=(votes["first"] + 1) / whole,
        p_second=(votes["second"] + 1) / whole,
        p_tie=votes["tie"] / whole,
        votes=len(verdicts),
        call_ids=call_ids,
    )


def why(choice: Choice) -> str:
    """Why a reply gives nothing that can be read."""
    if (cut := ends.why_cut(choice.finish)) is not None:
        return "content-filter" if cut == "content-filtered" else cut
    return "no-verdict" if part(choice.text).said.strip() else "empty"


def spoken_label(choice: Choice, shown: Frame) -> Label | None:
    """Which label an answer gives; none where it did not come to its own end."""
    return None if ends.why_cut(choice.finish) is not None else label(choice.text, shown)


def label(text: str, shown: Frame) -> Label | None:
    """Which label a text gives; None where it gives none, or two that differ."""
    found = _place(text, shown)
    return None if found is None else found[0]


def _place(text: str, shown: Frame) -> tuple[Label, int] | None:
    """The label that a text gives in the end, and where in it the label's word begins."""
    begins = part(text).begins
    answer = text[begins:]
    given = [(said, word) for said in objects(answer) if (word := _word(said, shown)) is not None]
    if not given:
        bare = answer.strip().strip(_BARE).strip()
        at = begins + len(answer) - len(answer.lstrip(" \n\t\r" + _BARE))
        return _named(bare, at, shown) or _stated(answer, begins, shown)
    last, word = given[-1]
    if word not in shown.labels or ({other for _, other in given} != {word} and not last.introduced):
        return None
    if last.after and not only_explains(last, [name for name in shown.labels if name != word]):
        return None
    spelled = (list(pattern.finditer(answer, last.start, last.end)) for pattern in (_PLACE, _ALMOST_PLACE))
    places = next(([place.end() for place in found] for found in spelled if found), None)
    return _named(word, begins + _begins(answer, places, word), shown) if places else None


def _begins(answer: str, places: list[int], word: str) -> int:
    """Where the word begins, behind the last of the places that it follows: one may stand in a comment."""
    after = re.compile(rf"{_BEFORE}({re.escape(word)})", re.IGNORECASE)
    found = [match.start(1) for place in places if (match := after.match(answer, place))]
    return found[-1] if found else places[-1]


def _stated(answer: str, begins: int, shown: Frame) -> tuple[Label, int] | None:
    """The label of an answer that holds no object and ends with "Verdict: X"; none where it states two."""
    found = list(_STATED.finditer(answer))
    if len({match[1] for match in found}) != 1 or not _OVER.fullmatch(answer, found[-1].end()):
        return None
    return _named(found[-1][1], begins + found[-1].start(1), shown)


def _named(word: str, at: int, shown: Frame) -> tuple[Label, int] | None:
    found = [name for name, said in zip(_NAMES, shown.labels, strict=True) if said == word]
    return (found[0], at) if found else None


def _word(said: Said, shown: Frame) -> str | None:
    """What an object gives as its verdict, the only object inside another one included; "" for nothing usable.

    A label is known however it is dressed: what stands under the key is nothing else.
    """
    value: Any = said.value
    if value is None:
        return ""
    while isinstance(value, dict) and not under(value, _KEY) and len(value) == 1:
        (value,) = value.values()
        if isinstance(value, str) and len(inner := objects(value)) == 1 and inner[0].whole(value):
            value = inner[0].value
    if not isinstance(value, dict) or not (words := under(value, _KEY)):
        return None
    word = words[0][0] if isinstance(words[0], list) and len(words[0]) == 1 else words[0]
    if len(words) > 1 or not isinstance(word, str):
        return ""
    bare = _DRESSED.fullmatch(word)
    return next((name for name in shown.labels if bare and name.casefold() == bare[1].casefold()), word.strip())


def only_explains(said: Said, others: Sequence[str]) -> bool:
    """Whether what follows a verdict leaves it standing: words that name none of these labels and take nothing back."""
    after = said.after
    if not said.introduced or _TURNS.match(after):
        return False
    names_other = any(re.search(rf"(?<!\w){re.escape(name)}(?!\w)", after) for name in others)
    return not names_other or _EXPLAINS.match(after) is not None


def text(outcome: Outcome) -> str | None:
    """The whole text of a reference or a checklist; None for a failure, an empty answer or one that was cut off."""
    if isinstance(outcome, Failure) or ends.why_cut(outcome.first.finish) is not None:
        return None
    return part(outcome.first.text).said.strip() or None


def probabilities(choice: Choice, shown: Frame) -> list[float] | None:
    """P(first), P(second), P(tie) at the verdict's token, summing to 1; None where logprobs do not tell."""
    if not choice.logprobs:
        return None
    found = _verdict_token(choice, shown)
    if found is None:
        return None
    entry, before = found
    mass = dict.fromkeys(shown.labels, 0.0)
    for token, logprob in alternatives(entry).items():
        if (word := _stands_for(token, before, shown.labels)) is not None:
            mass[word] += math.exp(logprob)
    total = math.fsum(mass.values())
    if not ENOUGH_MASS <= total <= 1 + 1e-3:
        return None
    return [mass[word] / total for word in shown.labels]


def shares(choice: Choice, options: Sequence[str]) -> list[float] | None:
    """The probability of each option of an answer that is one of them; None where it is none."""
    if choice.text not in options:
        return None
    if not choice.logprobs or not (found := alternatives(choice.logprobs[0])):
        return [float(option == choice.text) for option in options]
    mass = [math.exp(found[option]) if option in found else 0.0 for option in options]
    total = math.fsum(mass)
    return [one / total for one in mass] if total else None


def alternatives(entry: Mapping[str, Any]) -> dict[str, float]:
    """Token to logprob, the sampled token included where the server left it out of the top.

    Empty where nobody says what else there was: one alone is a distribution only where nothing is left for others.
    """
    found: dict[str, float] = {}
    for one in entry.get("top_logprobs") or ():  # two that are spelled alike are told apart by their bytes alone
        found[one["token"]] = max(one["logprob"], found.get(one["token"], -math.inf))
    if found:
        found.setdefault(entry["token"], entry["logprob"])
    return {} if len(found) == 1 and min(found.values()) < _SURE else found


def _verdict_token(choice: Choice, shown: Frame) -> tuple[Mapping[str, Any], str] | None:
    """The token in which the verdict's label begins, and what of that token stands before the label.

    None where the tokens are not of this answer: those of some servers spell another text.
    """
    tokens = choice.logprobs or ()
    text = "".join(entry["token"] for entry in tokens)
    if text.endswith(choice.text):  # behind thought, perhaps, that was taken out of the text alone
        found = _place(choice.text, shown)
        return None if found is None else token_at(tokens, text, len(text) - len(choice.text) + found[1])
    found = _place(text, shown)
    if found is None or found[0] != label(choice.text, shown):
        return None
    return token_at(tokens, text, found[1])


def token_at(tokens: Sequence[Mapping[str, Any]], text: str, at: int) -> tuple[Mapping[str, Any], str] | None:
    """The token that covers character `at` of `text`, all tokens joined, and what of that token stands before it."""
    start = 0
    for entry in tokens:
        end = start + len(entry["token"])
        if start <= at < end:
            return entry, text[start:at]
        start = end
    return None


def _stands_for(token: str, before: str, labels: Sequence[str]) -> str | None:
    """The label that an alternative token begins, None for anything else."""
    rest = token.removeprefix(before) if before.strip() else token.lstrip()
    word = rest.strip().rstrip("\"'}")
    if not word or (before.strip() and not token.startswith(before)):
        return None
    fitting = [name for name in labels if name == word or (len(word) < len(name) and name.startswith(word))]
    return fitting[0] if len(fitting) == 1 else None
