"""The known-truth world: a server and a provider that say what is right and what goes wrong, by seed."""
