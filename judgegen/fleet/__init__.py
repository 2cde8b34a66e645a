"""A run on many machines at once, by an engine that has them: its shards, their one ledger, one display of them all."""
