"""Loads and fills the prompts of prompts/*.md, strict in both directions: no unknown field, none missing.

A template is one file: TOML front matter between `+++` lines, then `# system` (optional) and `# user`, in Jinja. Knows
nothing of what is compared or of models.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from judgegen.errors import SpecError, hint
from judgegen.llm.calls import Message

if TYPE_CHECKING:
    from jinja2 import Environment
    from jinja2 import Template as JinjaTemplate

_LARGEST = 100_000
"""The largest factor in a template."""
NOTES = frozenset({"fence", "reference", "criteria", "checklist", "rationale"})
"""What a template may show beside what it asks about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of template.

    Attributes:
        name: what stands as `kind` in its front matter; a shipped template of this name is the usual one.
        must, may: the fields it must use, and those it may.
        returns: what the judge answers with: "verdict", "ranking", "scores", "text", or a word of the method's own.
        variant: how its calls are tagged in journal and audit.
        text: the usual template itself, where none is shipped.
    """

    name: str
    must: frozenset[str]
    may: frozenset[str]
    returns: str
    variant: str
    text: str = ""


PAIRWISE = Kind(
    name="pairwise",
    must=frozenset({"request", "first", "second", "first_label", "second_label"}),
    may=NOTES | {"tie_label"},
    returns="verdict",
    variant="",
)
RUBRIC = Kind(
    name="rubric", must=frozenset({"request", "answer", "aspects"}), may=NOTES, returns="scores", variant="rubric"
)
DECISION = Kind(
    name="decision",
    must=frozenset({"request", "answers"}),
    may=NOTES - {"rationale"},
    returns="verdict",
    variant="decision",
)
LISTWISE = Kind(
    name="listwise",
    must=frozenset({"request", "answers"}),
    may=NOTES,
    returns="ranking",
    variant="listwise",
)
REWARD = Kind(
    name="reward",
    must=frozenset({"request"}),
    may=frozenset({"criteria", "reference"}),
    returns="rewards",
    variant="reward",
)
REFERENCE = Kind(
    name="reference",
    must=frozenset({"request"}),
    may=frozenset({"fence", "criteria"}),
    returns="text",
    variant="reference",
)
CHECKLIST = Kind(
    name="checklist",
    must=frozenset({"request"}),
    may=frozenset({"fence", "criteria", "reference"}),
    returns="text",
    variant="checklist",
)
CONSTRAINTS = Kind(
    name="constraints",
    must=frozenset({"request", "answer", "rules"}),
    may=NOTES,
    returns="scores",
    variant="constraints",
)
ALIGN = Kind(
    name="align",
    must=frozenset({"request"}),
    may=frozenset({"fence", "criteria"}),
    returns="text",
    variant="align",
)
SHIPPED: Mapping[str, Kind] = {
    kind.name: kind for kind in (PAIRWISE, DECISION, LISTWISE, REWARD, RUBRIC, REFERENCE, CHECKLIST, CONSTRAINTS, ALIGN)
}
"""The kinds of which there are templates in prompts/judge; a method may have a kind of its own."""
WRITTEN: Mapping[str, Kind] = {kind.name: kind for kind in (REFERENCE, CHECKLIST)}
"""What a judge may be asked to write before it is asked for a verdict, by the key of [judge] that wants it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aspect:
    """One thing a rubric scores: `anchors` say what each score means, the lowest, 1, first.

    Of a predicate, which is so or is not so, they say the no, 0, and the yes, 1.
    """

    name: str
    question: str
    anchors: tuple[str, ...]
    weight: float = 1.0
    asked: Literal["score", "predicate"] = "score"

    @property
    def levels(self) -> tuple[int, ...]:
        """The scores there are, ascending by one."""
        least = 1 if self.asked == "score" else 0
        return tuple(range(least, least + len(self.anchors)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A parsed template. `sections` are (role, Jinja source) in the order of the messages; `fields` what they use."""

    name: str
    kind: Kind
    sections: tuple[tuple[str, str], ...]
    aspects: tuple[Aspect, ...] = ()
    fields: frozenset[str] = frozenset()

    def messages(self, values: Mapping[str, Any]) -> tuple[Message, ...]:
        """The chat that asks, filled with `values` (names that the template does not use are allowed).

        Raises:
            SpecError: it cannot be filled.
        """
        return tuple({"role": role, "content": self._filled(role, source, values)} for role, source in self.sections)

    def _filled(self, role: str, source: str, values: Mapping[str, Any]) -> str:
        try:
            return _fixed(source) if "{" not in source else _compiled(source).render(values).strip()
        except Exception as error:  # noqa: BLE001 - what a template calls may raise anything
            raise SpecError(f"{self.name}: # {role} cannot be filled: {type(error).__name__}: {error}") from None


@functools.cache
def _environment() -> Environment:
    from jinja2 import StrictUndefined
    from jinja2.exceptions import SecurityError
    from jinja2.sandbox import SandboxedEnvironment

    class Bounded(SandboxedEnvironment):
        """Reaches nothing of this program, and makes nothing large out of something small."""

        intercepted_binops = frozenset({"*", "**"})

        def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
            sizes = [abs(side) if isinstance(side, int | float) else len(side) for side in (left, right)]
            if max(sizes) > (64 if operator == "**" else _LARGEST):
                raise SecurityError(f"{operator} makes too much of {max(sizes)}")
            return super().call_binop(context, operator, left, right)

    # Not HTML: what is quoted must reach the judge as it stands. Values are never rendered as templates themselves.
    return Bounded(undefined=StrictUndefined, autoescape=False, trim_blocks=True)


@functools.lru_cache(maxsize=64)
def _fixed(source: str) -> str:
    """A section that nothing is filled into, which most system messages are."""
    return _compiled(source).render().strip()


@functools.lru_cache(maxsize=64)
def _compiled(source: str) -> JinjaTemplate:
    return _environment().from_string(source)


def prompts_folder() -> Path:
    """The prompts shipped with the package; beside it in a checkout."""
    shipped = Path(str(files("judgegen"))) / "prompts"
    return shipped if shipped.is_dir() else Path(__file__).parent.parent / "prompts"


def find(name: str, base: Path, folder: str = "judge") -> Path:
    """The file a run file means by `name`: a shipped template, or a path relative to the run file.

    Raises:
        SpecError: neither is there; the message lists the shipped ones.
    """
    shipped = prompts_folder() / folder / f"{name}.md"
    if shipped.is_file() and "/" not in name:
        return shipped
    own = base / name
    if own.is_file():
        return own
    known = sorted(path.stem for path in (prompts_folder() / folder).glob("*.md"))
    raise SpecError(f"template {name!r}: no file {own}; {hint(name, known)}those shipped are {', '.join(known)}")


def text_of(name: str, kind: Kind, base: Path) -> str:
    """The template that a run file means by `name`: its file's text, or the kind's own text where it has that name.

    Raises:
        SpecError: there is neither, or the file cannot be read.
    """
    if kind.text and name == kind.name and not (base / name).is_file():
        return kind.text
    return read_text(find(name, base))


def read_text(path: Path, mend: str = "") -> str:
    """The text of a prompt file; `mend` says what to do where there is none.

    Raises:
        SpecError: it cannot be read or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SpecError("; ".join(filter(None, [f"{path}: cannot be read ({error.strerror})", mend]))) from None
    except UnicodeDecodeError as error:
        raise SpecError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from None


@functools.lru_cache(maxsize=64)  # a plan has the same text for each judge, and again for each of its counts
def parse(text: str, name: str, kind: Kind) -> Template:
    """A template of the kind that is needed; `name` is for messages.

    Front matter: `kind`; `summary`; `asks`, the fields it uses, and `returns`, what comes back, which are checked where
    they are written; `aspects` for a rubric.

    Raises:
        SpecError: no front matter, another kind, no `# user`, not Jinja, a field unknown or missing, front matter that
            says otherwise than the text.
    """
    front, content = _split(text, name)
    if front.get("kind") != kind.name:
        says = f"kind = {front.get('kind')!r} in its front matter"
        raise SpecError(f"{name}: {says}; a template used here says {kind.name!r}")
    known = ("kind", "summary", "asks", "returns", *(("aspects",) if "aspects" in kind.must else ()))
    if unknown := sorted(set(front) - set(known)):
        raise SpecError(f"{name}: unknown front matter key {unknown[0]!r}; known: {', '.join(known)}")
    sections = _sections(content, name)
    fields = _fields(sections, name)
    template = Template(name=name, kind=kind, sections=sections, aspects=_aspects(front, name, kind), fields=fields)
    _check_fields(template)
    _check_front(template, front)
    _try(template)
    return template


def _try(template: Template) -> None:
    """Fill it with made-up values, all that may be there or only what must: one of the two has to do.

    Raises:
        SpecError: neither does.
    """
    rule = Aspect(name="made_up", question="made up", anchors=("made up", "made up"))
    lists = {"aspects": template.aspects, "answers": ({"label": "made up", "text": "made up"},), "rules": (rule,)}
    made_up: dict[str, Any] = dict.fromkeys(template.kind.must, "made up") | lists
    full = {**made_up, **dict.fromkeys(template.kind.may, "made up")}
    bare = {**made_up, **dict.fromkeys(template.kind.may), "fence": "made up", "tie_label": "made up"}
    try:
        template.messages(full)
    except SpecError:
        template.messages(bare)


def _check_front(template: Template, front: Mapping[str, Any]) -> None:
    """What the front matter says of the text must be so."""
    kind = template.kind
    if front.get("returns", kind.returns) != kind.returns:
        said = f"returns = {front['returns']!r}"
        raise SpecError(f"{template.name}: {said}; a {kind.name} template returns {kind.returns!r}")
    asks = front.get("asks", sorted(template.fields))
    if not isinstance(asks, list) or set(map(str, asks)) != template.fields:
        raise SpecError(f"{template.name}: asks = {asks!r}, and its text uses: {', '.join(sorted(template.fields))}")


def _aspects(front: Mapping[str, Any], name: str, kind: Kind) -> tuple[Aspect, ...]:
    """The aspects of a rubric, as its front matter lists them."""
    if "aspects" not in kind.must:
        return ()
    rows = front.get("aspects")
    if not isinstance(rows, list) or not rows:
        raise SpecError(f"{name}: a rubric needs [[aspects]] with name, question, anchors in its front matter")
    aspects = tuple(_aspect(row, name) for row in rows)
    names = [aspect.name for aspect in aspects]
    if twice := sorted({aspect for aspect in names if names.count(aspect) > 1}):
        raise SpecError(f"{name}: the aspect {twice[0]!r} stands twice; names must differ")
    return aspects


def _aspect(row: Mapping[str, Any], name: str) -> Aspect:
    where = f"{name}: aspect {row.get('name')!r}"
    if unknown := sorted(set(row) - {"name", "question", "anchors", "weight"}):
        raise SpecError(f"{where}: unknown key {unknown[0]!r}; known: anchors, name, question, weight")
    anchors, weight = row.get("anchors"), row.get("weight", 1.0)
    if not re.fullmatch(r"[a-z][a-z0-9_]*", str(row.get("name"))) or row.get("name") == "rationale":
        raise SpecError(f"{where}: a name is a word of a-z, 0-9 and _, other than rationale")
    if not isinstance(anchors, list) or not 2 <= len(anchors) <= 9:
        raise SpecError(f"{where}: anchors must be a list of 2 to 9 sentences, the lowest score's first")
    if isinstance(weight, bool) or not isinstance(weight, int | float) or weight <= 0:
        raise SpecError(f"{where}: weight = {weight!r}; it must be above 0")
    question = str(row.get("question", ""))
    return Aspect(name=str(row["name"]), question=question, anchors=tuple(map(str, anchors)), weight=float(weight))


def _split(text: str, name: str) -> tuple[dict[str, Any], str]:
    parts = text.removeprefix("\ufeff").split("+++\n", 2)  # some editors put that mark first
    if len(parts) != 3 or parts[0].strip():
        raise SpecError(f'{name}: begins without front matter; write\n+++\nkind = "pairwise"\n+++')
    try:
        return tomllib.loads(parts[1]), parts[2]
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"{name}: front matter is not TOML: {error}") from None


def _sections(content: str, name: str) -> tuple[tuple[str, str], ...]:
    sections: list[tuple[str, list[str]]] = []
    for line in content.splitlines():
        if line.strip() in ("# system", "# user"):
            sections.append((line.strip()[2:], []))
        elif sections:
            sections[-1][1].append(line)
        elif line.strip():
            raise SpecError(f"{name}: text before the first section; begin with `# system` or `# user`")
    roles = [role for role, _ in sections]
    if roles not in (["user"], ["system", "user"]):
        raise SpecError(f"{name}: sections {roles}; a template has `# user`, and may have `# system` before it")
    return tuple((role, "\n".join(lines).strip()) for role, lines in sections)


def _fields(sections: tuple[tuple[str, str], ...], name: str) -> frozenset[str]:
    from jinja2 import TemplateSyntaxError, meta

    used: set[str] = set()
    for role, source in sections:
        try:
            used |= meta.find_undeclared_variables(_environment().parse(source))
        except TemplateSyntaxError as error:
            raise SpecError(f"{name}: # {role}, line {error.lineno}: {error.message}") from None
    return frozenset(used)


def _check_fields(template: Template) -> None:
    used = template.fields
    kind = template.kind.name
    must, may = template.kind.must, template.kind.may
    known = ", ".join(sorted(must | may))
    if unknown := sorted(used - must - may):
        raise SpecError(f"{template.name}: unknown field {unknown[0]!r}; a {kind} template may use: {known}")
    if missing := sorted(must - used):
        raise SpecError(f"{template.name}: missing field {missing[0]!r}; a {kind} template must use it")
