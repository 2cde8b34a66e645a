"""Loads and fills the prompts of prompts/*.md, strict in both directions: no unknown field, none missing.

A template is one file: TOML front matter between `+++` lines, then `# system` (optional) and `# user`, in Jinja. Knows
nothing of what is compared or of models.
"""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from judgegen.errors import SpecError
from judgegen.llm.calls import Message

if TYPE_CHECKING:
    from jinja2 import Environment
    from jinja2 import Template as JinjaTemplate

FIELDS: Mapping[str, tuple[frozenset[str], frozenset[str]]] = {
    "pairwise": (
        frozenset({"request", "first", "second", "first_label", "second_label"}),
        frozenset({"tie_label", "fence", "reference"}),
    ),
}
"""Per kind of template: the fields it must use, and those it may."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A parsed template. `sections` are (role, Jinja source) in the order of the messages."""

    name: str
    kind: str
    sections: tuple[tuple[str, str], ...]

    def messages(self, values: Mapping[str, Any]) -> tuple[Message, ...]:
        """The chat that asks, filled with `values` (names that the template does not use are allowed)."""
        return tuple(
            {"role": role, "content": _compiled(source).render(values).strip()} for role, source in self.sections
        )


@functools.cache
def _environment() -> Environment:
    from jinja2 import Environment, StrictUndefined

    # Not HTML: what is quoted must reach the judge as it stands. Values are never rendered as templates themselves.
    return Environment(undefined=StrictUndefined, autoescape=False, trim_blocks=True)  # noqa: S701


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
    known = ", ".join(sorted(path.stem for path in (prompts_folder() / folder).glob("*.md")))
    raise SpecError(f"template {name!r}: no file {own}, and not one of the shipped ones: {known}")


def read_text(path: Path) -> str:
    """The text of a prompt file.

    Raises:
        SpecError: it cannot be read or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SpecError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise SpecError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from None


def parse(text: str, name: str, kind: str) -> Template:
    """A template of the kind that is needed; `name` is for messages.

    Raises:
        SpecError: no front matter, another kind, no `# user`, not Jinja, a field unknown or missing.
    """
    front, content = _split(text, name)
    if front.get("kind") != kind:
        raise SpecError(f"{name}: kind = {front.get('kind')!r} in its front matter; a template used here says {kind!r}")
    if unknown := sorted(set(front) - {"kind", "summary"}):
        raise SpecError(f"{name}: unknown front matter key {unknown[0]!r}; known: kind, summary")
    template = Template(name=name, kind=kind, sections=_sections(content, name))
    _check_fields(template)
    return template


def _split(text: str, name: str) -> tuple[dict[str, Any], str]:
    parts = text.split("+++\n", 2)
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


def _check_fields(template: Template) -> None:
    from jinja2 import TemplateSyntaxError, meta

    used: set[str] = set()
    for role, source in template.sections:
        try:
            used |= meta.find_undeclared_variables(_environment().parse(source))
        except TemplateSyntaxError as error:
            raise SpecError(f"{template.name}: # {role}, line {error.lineno}: {error.message}") from None
    must, may = FIELDS[template.kind]
    known = ", ".join(sorted(must | may))
    if unknown := sorted(used - must - may):
        raise SpecError(f"{template.name}: unknown field {unknown[0]!r}; a {template.kind} template may use: {known}")
    if missing := sorted(must - used):
        raise SpecError(f"{template.name}: missing field {missing[0]!r}; a {template.kind} template must use it")
