"""The run file as JSON Schema, for editors and for the reference. Made from the models; says nothing of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from judgegen.judge.methods import METHODS
from judgegen.spec.runfile import Spec

SCHEMA_FILE = "run.schema.json"
"""Its name beside a run file, which points to it in its first line: `#:schema ./run.schema.json`."""
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a run file. What can be checked by no schema is said when the file is read."""
    found: dict[str, Any] = _bare(Spec.model_json_schema())
    found["$defs"]["Judge"]["properties"]["method"]["enum"] = list(METHODS)
    return {"$schema": DIALECT, **found, "title": "judgegen run file"}


def _bare(found: Any) -> Any:
    """Without what TOML cannot write (null), and without the titles that are the classes' names and the keys again."""
    if isinstance(found, list):
        return [_bare(one) for one in found]
    if not isinstance(found, Mapping):
        return found
    arms = [arm for arm in found.get("anyOf", ()) if arm != {"type": "null"}]
    if "anyOf" in found and len(arms) < len(found["anyOf"]):
        one = arms[0] if len(arms) == 1 else {"anyOf": arms}
        return _bare({**one, **{key: value for key, value in found.items() if key not in ("anyOf", "default")}})
    plain = {key: _bare(value) for key, value in found.items() if key != "properties" and not _title(key, value)}
    if "properties" in found:
        plain["properties"] = {name: _bare(value) for name, value in found["properties"].items()}
    return plain


def _title(key: str, value: Any) -> bool:
    return key == "title" and isinstance(value, str)
