"""What a model thought before or between what it says, told apart from what it says. Pure; knows no calls.

Models mark their thought in their own ways (Qwen, DeepSeek, GLM: <think>; Magistral: [THINK]; Kimi: ◁think▷; gpt-oss:
channels; Cohere, Granite, EXAONE, MedGemma others), and a template that opens it leaves a closing mark alone in the
text. What quotes such a mark in code is no thought.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator
from dataclasses import dataclass

Span = tuple[int, int]

_TAG = r"(?:ant|[a-z0-9]+[:_-])?think(?:ing)?"
_NAME = r"(?:think(?:ing)?|thoughts?|reason(?:ing)?)"
_BAR, _GAP = r"[|\uff5c]", r"[_\u2581]"
_PAIRS: tuple[tuple[str, str], ...] = (
    (rf"<\s?{_TAG}(?:\s[^<>]*)?>", rf"<\s?/\s?{_TAG}\s*>"),
    (
        rf"<{_BAR}(?:(?:begin|start){_GAP}(?:of{_GAP})?)?{_NAME}(?:{_GAP}(?:begin|start))?{_BAR}>",
        rf"<{_BAR}(?:/{_NAME}|end{_GAP}(?:of{_GAP})?{_NAME}|{_NAME}{_GAP}end){_BAR}>",
    ),
    (r"\[THINK\]", r"\[/THINK\]"),
    (r"\u25c1think\u25b7", r"\u25c1/think\u25b7"),
    (r"<\|inner_prefix\|>", r"<\|inner_suffix\|>"),
    (r"<\|?channel\|?>(?:thought|analysis)\b(?!<\|message\|>)", r"<\|?channel\|>(?!analysis|commentary|thought)"),
    (r"<unused94>", r"<unused95>"),
)
"""Marks that mean thought wherever they stand."""
_ABOUT = (
    r"think(?:ing)?|thoughts?|reason(?:ing)?|reflections?|scratch_?pad|analysis|deliberation|monologue|rationale|cot|"
    r"chain[_-]?of[_-]?thoughts?"
)
"""What a mark is called that means thought; words may stand before and after it."""
_CALLED = rf"(?:[a-z0-9]+[_-])*(?:{_ABOUT})(?:[_-](?:process|block|steps?|trace|content|phase|section|summary))?"
_AT_THE_HEAD: tuple[tuple[str, str], ...] = (
    (rf"<(?P<name>{_CALLED})(?:\s[^<>]*)?>", rf"</{_CALLED}\s*>"),
    (rf"&lt;(?P<name>{_CALLED})&gt;", rf"&lt;/{_CALLED}&gt;"),
    (rf"\[(?:{_ABOUT})\]", rf"\[/(?:{_ABOUT})\]"),
    (rf"```{_NAME}\n", r"\n```"),
    (r"<\|im_start\|>think\b", r"<\|im_start\|>(?:answer|assistant)\b"),
    (r'<details type="reasoning"[^<>]*>', r"</details>"),
    (r"Thinking\.\.\.\n", r"\.\.\.done thinking\."),
    (r"Here is my thought process:", r"Here is my response:"),
)
"""Marks that mean thought where an answer begins with them, and may be of the answer elsewhere."""
_HARMONY = re.compile(r".*<\|channel\|>final(?:[^<]*)<\|message\|>", re.DOTALL)
_HARMONY_HEAD = re.compile(r"\s*(?:<\|start\|>assistant)?<\|channel\|>(?:analysis|commentary)")
_LEAKED = re.compile(r"\s*analysis.*assistantfinal", re.DOTALL)
_RESPONSE = re.compile(r"<\|(?:START_RESPONSE|END_RESPONSE|begin_of_solution|end_of_solution|return|end)\|>")
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`", re.DOTALL)
_QUOTES, _ENDS = tuple("\"'`\u201c\u2018"), tuple("\"'`\u201d\u2019")
_NEAR = 80
"""Characters around a mark that tell whether it is quoted or stands alone."""
_CHANNEL = re.compile(r"(?:<\|end\|>)?(?:<\|start\|>assistant)?<\|channel\|>[^<]*(?:<\|message\|>)?")
_MARKED = re.compile(r"<|&lt;|\[/?(?:THINK|REASON|THOUGHT)|\u25c1", re.IGNORECASE)
"""What every mark has; a text without it, and without `_UNMARKED`, has no thought."""
_BEGUN = ("<", "[", "&lt;", "\u25c1")
"""With what it begins; these are found faster."""
_UNMARKED = re.compile(r"\s*(?:analysis|Thinking\.|Here is my|\[|```[tr])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Parted:
    """A text in its parts: what was thought, what was said, and where in the text the last of what was said begins."""

    thought: str
    said: str
    begins: int


def part(text: str) -> Parted:
    """What a model thought and what it said. A text without marks of thought is said as it stands."""
    marked = any(map(text.__contains__, _BEGUN)) and _MARKED.search(text)
    spans = _spans(text) if marked or _UNMARKED.match(text) else []
    if not spans:
        return Parted("", text, 0)
    kept, at = [], 0
    for start, end in spans:
        kept.append(text[at:start])
        at = end
    said = "".join([*kept, text[at:]]).strip()
    thought = "\n\n".join(_bare(text[start:end]) for start, end in spans).strip()
    return Parted(thought, _RESPONSE.sub("", said).strip(), at)


def _bare(thought: str) -> str:
    """A thought without the marks around it."""
    for opened, closed in (*_PAIRS, *_AT_THE_HEAD):
        thought = re.sub(rf"\A{opened}|{closed}\Z", "", thought.strip(), flags=re.IGNORECASE)
    return _CHANNEL.sub(" ", thought).strip()


def _spans(text: str) -> list[Span]:
    """Where thought stands, in order, without overlaps."""
    if (final := _HARMONY.match(text)) or (final := _LEAKED.match(text)):
        return [(0, final.end())]
    if _HARMONY_HEAD.match(text):
        return [(0, len(text))]
    head = [span for opened, closed in _AT_THE_HEAD if (span := _from_the_head(text, opened, closed))]
    found = [*head[:1], *(span for opened, closed in _PAIRS for span in _marked(text, opened, closed))]
    return _merged(found)


def _from_the_head(text: str, opened: str, closed: str) -> Span | None:
    begins = re.match(rf"\s*{opened}", text, re.IGNORECASE)
    if begins is None:
        return None
    closing = list(re.finditer(closed, text[begins.end() :], re.IGNORECASE))
    name = begins.groupdict().get("name", "").casefold()
    ends = next((mark for mark in closing if name in mark[0].casefold()), closing[0] if closing else None)
    return (0, begins.end() + ends.end() if ends else len(text))


def _marked(text: str, opened: str, closed: str) -> Iterator[Span]:
    """Pairs of marks, one in another taken together; a mark that is never closed, and one that was never opened."""
    if not re.search(f"{opened}|{closed}", text, re.IGNORECASE):
        return
    code = [match.span() for match in _CODE.finditer(text)]
    start, depth = -1, 0
    for mark in re.finditer(rf"({opened})|({closed})", text, re.IGNORECASE):
        if _quoted(text, mark.span(), code, open_=depth > 0):
            continue
        if mark[1] is not None:
            start, depth = (mark.start(), 1) if depth == 0 else (start, depth + 1)
        elif depth > 0:
            depth -= 1
            if depth == 0:
                yield start, mark.end()
        else:
            yield 0, mark.end()
    if depth > 0:
        yield _reopened(text, start, closed)


def _reopened(text: str, start: int, closed: str) -> Span:
    """A thought that speaks of its own opening mark ends at its last closing one; else it never ends."""
    closing = list(re.finditer(closed, text[start:], re.IGNORECASE))
    return (start, start + closing[-1].end() if closing else len(text))


def _quoted(text: str, span: Span, code: list[Span], *, open_: bool) -> bool:
    """Whether a mark is spoken of: in code or in quotes. One with a line to itself is not, nor what a thought holds."""
    start, end = span
    before, after = text[max(0, start - _NEAR) : start], text[end : end + _NEAR]
    if start <= _NEAR and not before.strip():
        return False
    place = bisect.bisect_right(code, (start, len(text))) - 1
    within = place >= 0 and code[place][0] <= start and end <= code[place][1]
    alone = not before.rpartition("\n")[2].strip() and not after.partition("\n")[0].strip()
    if alone and not (within and text[: code[place][1]].endswith("```")):
        return False
    return (before[-1:] in _QUOTES and after[:1] in _ENDS) or (within and not open_)


def _merged(spans: list[Span]) -> list[Span]:
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found
