"""Graders without a model: a prompt and a candidate into a score in 0..1, by rule or by the user's own function.

    exact        the answer is the reference, as readers see it (white space and case aside)
    numeric      the answer's last number is the reference's
    contains     the answer contains a text, or a share of several
    regex        the answer matches a pattern
    json-schema  the answer is JSON and valid against a schema (`pip install 'judgegen[graders]'`)
    length       the answer's words and characters are within bounds
    module:function   yours, called as function(prompt, candidate, **options)

What a grader cannot score is GraderFailed, never a number. Knows nothing of comparisons or of what scores are for.
"""

from __future__ import annotations

import importlib
import json
import math
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from functools import partial
from numbers import Real
from pathlib import Path
from typing import Any

from judgegen.errors import SpecError
from judgegen.records import Candidate, Prompt
from judgegen.textual import normal

Grader = Callable[[Prompt, Candidate], float]
Options = Mapping[str, Any]
LACKING = "no-reference"
"""Why a candidate has no score whose prompt brings nothing to compare it with."""


class GraderFailed(Exception):  # noqa: N818 - it is about one candidate, and no error of the run
    """This candidate has no score.

    Attributes:
        reason: a short word for the audit: "raised", "not-a-score", "no-reference".
    """

    def __init__(self, reason: str, detail: str) -> None:
        """Keep the word for the audit and the sentence for people."""
        super().__init__(detail)
        self.reason = reason


def load(name: str, options: Options | None = None, *, base: Path | None = None) -> Grader:
    """The grader that a run file names. Its scores are floats in 0..1; it raises GraderFailed where it has none.

    Args:
        name: one of the built-in ones, or "module:function".
        options: what it is told; each grader takes its own.
        base: where a module of the user's is looked for first; the current folder unless given.

    Raises:
        SpecError: no such grader, module or function, or options that do not fit.
    """
    given = dict(options or {})
    if ":" in name:
        return partial(_scored, name, partial(_function(name, base or Path.cwd()), **given))
    if name not in BUILT_IN:
        raise SpecError(f"grader = {name!r}: not known; {', '.join(BUILT_IN)}, or one of yours as module:function")
    return partial(_scored, name, BUILT_IN[name](given))


def _scored(name: str, grade: Callable[[Prompt, Candidate], Any], prompt: Prompt, candidate: Candidate) -> float:
    """The score, if it is one."""
    try:
        score = grade(prompt, candidate)
    except GraderFailed:
        raise
    except Exception as error:  # whatever a stranger's function meets is no score, and ends no run
        raise GraderFailed("raised", f"grader {name}: {type(error).__name__}: {error}") from error
    if not isinstance(score, Real) or not 0.0 <= float(score) <= 1.0:
        raise GraderFailed("not-a-score", f"grader {name} returned {score!r}; a score is a number in 0..1")
    return float(score)


def _function(name: str, base: Path) -> Callable[..., Any]:
    module_name, _, function_name = name.partition(":")
    sys.path.insert(0, str(base))
    try:
        found = getattr(importlib.import_module(module_name), function_name, None)
    except Exception as error:
        raise SpecError(
            f"grader = {name!r}: importing it from {base} failed: {error}; "
            f"write module:function, where module.py stands there or can be imported"
        ) from error
    finally:
        sys.path.remove(str(base))
    if not callable(found):
        raise SpecError(f"grader = {name!r}: {module_name} has no function {function_name!r}")
    return found  # type: ignore[no-any-return]


def _only(grader: str, options: Options, *known: str) -> None:
    if unknown := sorted(set(options) - set(known)):
        takes = ", ".join(known) or "none"
        raise SpecError(f"grader {grader}: unknown option {unknown[0]!r}; it takes: {takes}")


def _reference(prompt: Prompt) -> str:
    if prompt.reference is None:
        raise GraderFailed(LACKING, f"prompt {prompt.id} has no reference to compare with")
    return prompt.reference


def exact(options: Options) -> Grader:
    """1 where the answer is the reference. `strict`: to the character, but for white space around it."""
    _only("exact", options, "strict")
    same = str.strip if options.get("strict") else normal
    return lambda prompt, candidate: float(same(candidate.text) == same(_reference(prompt)))


def numeric(options: Options) -> Grader:
    """1 where the answer's final number is the reference's. `tolerance`: how far apart they may be, 0 unless given."""
    _only("numeric", options, "tolerance")
    tolerance = options.get("tolerance", 0)
    if not isinstance(tolerance, int | float) or not 0 <= tolerance < math.inf:
        raise SpecError(f"grader numeric: tolerance = {tolerance!r}; give a number from 0")
    return partial(_numeric, Fraction(str(tolerance)))


def _numeric(tolerance: Fraction, prompt: Prompt, candidate: Candidate) -> float:
    wanted = final_number(_reference(prompt))
    if wanted is None:
        raise GraderFailed(LACKING, f"the reference of prompt {prompt.id} has no number")
    found = final_number(candidate.text)
    return float(found is not None and abs(found - wanted) <= tolerance)


_BOXED = re.compile(r"\\boxed\s*\{((?:[^{}]|\{[^{}]*\}){0,200})\}")
_FINAL = re.compile(r"^[ \t]*####[ \t]*(.+)$", re.MULTILINE)
_WRITTEN = (
    (re.compile(r"<<[^<>\n]*>>"), ""),  # GSM8K's calculator notes
    (re.compile(r"\\[dt]?frac\s*\{\s*([^{}]+)\}\s*\{\s*([^{}]+)\}"), r"\1/\2"),
    (re.compile(r"\\text\s*\{([^{}]*)\}"), r" \1 "),
    (re.compile(r"(?<=\d)(?:\{,\}|\\[,!:; ]|[\u00a0\u2009\u202f])(?=\d{3}(?!\d))"), ","),
    (re.compile(r"[\u2212\u2013](?=[$€£¥\s]*\.?\d)"), "-"),
    (re.compile(r"[*$€£¥\\]"), ""),  # emphasis and currency between a sign and its digits
)
_DIGITS = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+"
_SIGN = r"(?:(?<![\w)\]}.%])[-+](?=[\d.]))?"
_STANDING = re.compile(rf"(?<![\w.^])({_SIGN}(?:{_DIGITS})(?:[eE][-+]?\d{{1,3}})?)(?:[ \t]?/[ \t]?(\d+)(?![\d/.]))?")
_ATTACHED = re.compile(rf"()({_DIGITS})")
"""Groups: a number and what it is divided by. One that is part of a word counts only where no other is there."""


def final_number(text: str) -> Fraction | None:
    r"""The number an answer comes to: in the last \boxed{…}, else after the last "####", else the last one in the text.

    Understands signs, thousands separators (commas, thin spaces), decimals, exponents, simple fractions, LaTeX and
    units. A number is what it is: 18, 18.0 and 18.00 are the same. None where there is none.
    """
    for pattern in (_BOXED, _FINAL):
        for place in reversed(pattern.findall(text)):
            if (found := _last(place)) is not None:
                return found
    return _last(text)


def _last(text: str) -> Fraction | None:
    for pattern, plain in _WRITTEN:
        text = pattern.sub(plain, text)
    standing = [_value(whole, part) for whole, part in _STANDING.findall(text)]
    if standing:
        return standing[-1]
    attached = [_value(digits, "") for _, digits in _ATTACHED.findall(text)]
    return attached[-1] if attached else None


def _value(number: str, divisor: str) -> Fraction:
    value = Fraction(re.sub(r"[,\s]", "", number))
    return value / int(divisor) if divisor.strip("0") else value


def contains(options: Options) -> Grader:
    """The share of `text` (one or several; else the reference) that the answer contains, `strict` as in exact."""
    _only("contains", options, "text", "strict")
    given = options.get("text")
    wanted = [given] if isinstance(given, str) else given
    if wanted is not None and (not wanted or not all(isinstance(part, str) and part.strip() for part in wanted)):
        raise SpecError(f"grader contains: text = {given!r}; give a text or a list of texts, none of them empty")
    return partial(_contains, wanted, str.strip if options.get("strict") else normal)


def _contains(wanted: Iterable[str] | None, same: Callable[[str], str], prompt: Prompt, candidate: Candidate) -> float:
    texts = [_reference(prompt)] if wanted is None else list(wanted)
    if not all(same(text) for text in texts):
        raise GraderFailed(LACKING, f"the reference of prompt {prompt.id} is empty")
    return sum(same(text) in same(candidate.text) for text in texts) / len(texts)


def regex(options: Options) -> Grader:
    """1 where `pattern` (Python's, flags written in it) is found in the answer; `full`: where all of it matches."""
    _only("regex", options, "pattern", "full")
    try:
        pattern = re.compile(options["pattern"])
    except KeyError:
        raise SpecError("grader regex: pattern is missing; write one") from None
    except (re.error, TypeError) as error:
        raise SpecError(f"grader regex: pattern = {options['pattern']!r}: {error}") from None
    matches = pattern.fullmatch if options.get("full") else pattern.search
    return lambda _, candidate: float(matches(candidate.text) is not None)


def json_schema(options: Options) -> Grader:
    """1 where the answer is JSON, in a Markdown fence or not, and valid against `schema` (a table, or JSON as text).

    Drafts 3 to 2020-12, by the library jsonschema; references stay within the schema, none is fetched.
    """
    _only("json-schema", options, "schema")
    try:
        jsonschema, referencing = map(importlib.import_module, ("jsonschema", "referencing"))
    except ImportError:
        needs = "grader json-schema needs jsonschema, which is not installed"
        raise SpecError(f"{needs}; run: pip install 'judgegen[graders]'") from None
    schema = _schema(options.get("schema"))
    kind = jsonschema.validators.validator_for(schema)
    try:
        kind.check_schema(schema)
    except jsonschema.SchemaError as error:
        raise SpecError(f"grader json-schema: not a schema: {error.message}") from None
    return partial(_valid, kind(schema, registry=referencing.Registry()))


def _schema(given: Any) -> Any:
    if not isinstance(given, str):
        schema = given
    else:
        try:
            schema = json.loads(given)
        except ValueError as error:
            raise SpecError(f"grader json-schema: schema is not JSON: {error}") from None
    if not isinstance(schema, Mapping | bool):
        raise SpecError("grader json-schema: schema is missing; write one, as a table or as JSON")
    return dict(schema) if isinstance(schema, Mapping) else schema


_FENCED = re.compile(r"\s*```(?:json)?[ \t]*\n(.*)\n[ \t]*```\s*", re.DOTALL | re.IGNORECASE)


def _valid(validator: Any, _: Prompt, candidate: Candidate) -> float:
    fenced = _FENCED.fullmatch(candidate.text)
    try:
        value = json.loads(fenced[1] if fenced else candidate.text, parse_constant=_no_json)
    except ValueError:
        return 0.0
    return float(validator.is_valid(value))


def _no_json(word: str) -> None:
    raise ValueError(f"{word} is Python's, not JSON")


_BOUNDS = ("min_words", "max_words", "min_chars", "max_chars")


def length(options: Options) -> Grader:
    """1 where words and characters are within `min_words`, `max_words`, `min_chars`, `max_chars`, ends included."""
    _only("length", options, *_BOUNDS)
    for name, value in options.items():
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise SpecError(f"grader length: {name} = {value!r}; give a whole number from 0")
    if not options:
        raise SpecError(f"grader length: no bound; give one of {', '.join(_BOUNDS)}")
    bounds = [
        (len, options.get("min_chars", 0), options.get("max_chars", math.inf)),
        (_words, options.get("min_words", 0), options.get("max_words", math.inf)),
    ]
    if any(low > high for _, low, high in bounds):
        raise SpecError("grader length: the least is above the most")
    return lambda _, candidate: float(all(low <= count(candidate.text) <= high for count, low, high in bounds))


def _words(text: str) -> int:
    return len(text.split())


BUILT_IN: Mapping[str, Callable[[Options], Grader]] = {
    "exact": exact,
    "numeric": numeric,
    "contains": contains,
    "regex": regex,
    "json-schema": json_schema,
    "length": length,
}
