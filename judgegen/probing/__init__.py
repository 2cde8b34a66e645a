"""What each model of a run file does, found by asking it a few tiny things: the needs, the findings, the ceremony."""
