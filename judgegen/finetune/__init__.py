"""Fine-tuning with the pairs: what it costs before it is begun."""
