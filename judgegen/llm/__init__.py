"""Models: calls, the journal, senders and providers."""
