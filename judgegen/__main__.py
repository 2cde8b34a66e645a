"""`python -m judgegen`: the same as the `judgegen` command. Knows nothing of the commands."""

from __future__ import annotations

from judgegen.cli import main

main()
