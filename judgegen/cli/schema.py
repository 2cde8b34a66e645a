"""`judgegen schema`: the run file as JSON Schema. Parses, prints."""

from __future__ import annotations


def schema() -> None:
    """Print the run file's JSON Schema, for editors.

    An editor that knows TOML (Even Better TOML or Tombi for VS Code, taplo's language server for others) completes keys
    with it, shows what they mean and marks mistakes. `judgegen init` writes the schema beside the run file, whose first
    line names it. For a run file of yours: `judgegen schema > run.schema.json`, and `#:schema ./run.schema.json` as the
    run file's first line.
    """
    import json

    from judgegen.spec.schema import schema as found

    print(json.dumps(found(), indent=2, ensure_ascii=False))
